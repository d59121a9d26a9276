"""The settings of a search: static, frozen, checked when they are made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import final

from .._errors import require, require_known, require_number, require_unique
from ..fitness._kernel import JUDGEMENTS, MODES, OBJECTIVES
from ..graph._subject import Subject
from ..pareto._hypervolume import MOST
from ..space._encoding import ENCODINGS
from ..space._importance import RANKINGS

UNIFORM = 4
"""Uniform cuts that a search begins with, if nothing else was said."""
PRECISIONS = ("float32", "bfloat16")
STRATEGIES = ("mo-mfea", "mo-mfea-ii", "adaptive-de", "random")


@final
@dataclass(frozen=True)
class Settings:
    """How to search.

    >>> Settings(population=20, generations=50).objectives
    ('error', 'parameters')

    Attributes:
      objectives: what is minimised: `"error"`, `"divergence"` from what the Jack says, or both,
        and one or more of parameters, bytes, flops, latency_ms (on the device of the first
        environment that has one).
      strategy: `"mo-mfea"`, `"mo-mfea-ii"`, `"adaptive-de"`, `"random"`, or the name of an evosax
        algorithm, `"SNES"` say.
      depth: whether residual blocks may be left out as a whole.
      encoding: `"ratios"` (keep ratios over a ranking) or `"bits"` (the paper's).
      ranking: what units are ranked by: `"taylor"`, `"fisher"`, `"activation"`, `"magnitude"`,
        `"surgeon"` (what the others cannot make up for, the match of compensation) or
        `"random"`; or several of them, which every candidate mixes by weights of its own under
        `"ratios"` (bits, and the uniform baseline, mix them evenly).
      shared_ranking: whether all tasks have the same ranking, the mean of theirs.
      fitness: `"recalibrated"` (BatchNorm's moments and the head are fitted to each sub-network),
        `"compensated"` (so are the weights that read from removed units, which takes longer and
        agrees better with what recovery makes of it), `"rescaled"` (they are scaled to the power
        that products had), or `"raw"` as in the paper; `None`: `"compensated"` where the network
        has such weights, else `"recalibrated"` where it has moments or a head to estimate.
      population: individuals for each task; even.
      generations: how often children follow the initial population; tasks x population x
        (generations + 1) sub-networks are judged in all.
      images: search examples each evaluation looks at, for each task.
      halving: of `images`, the numbers that children are looked at with before, rising: after each
        look the better half of a task's children, by front and crowding distance, goes on, and the
        others have infinite costs. `(64,)` of 256 asks for 3/4 of the examples, and for nearly
        twice the compilation. Not with evosax algorithms, which rank their own rows. (Successive
        halving: Jamieson and Talwalkar, 2016, https://arxiv.org/abs/1502.07943.)
      calibration: search examples that the final members are calibrated on, for each task.
      rmp: random mating probability between tasks of `"mo-mfea"`, in [0, 1].
      directions: preference directions of an evosax algorithm, each an instance of its own; they
        share the population evenly.
      low: lowest mean gene of an individual of the initial population, in [0, 1]: the share of
        kept units with bits; with ratios size^gene units are kept, and genes spread around it.
      high: highest mean gene.
      uniform: so many of each task's first sub-networks keep the same share of every group instead,
        between what `low` and `high` keep of the largest; and if any do, uniform cuts that nothing
        found beats are members as well, the largest that fits into each environment among those
        that may be. With `"ratios"` alone; `None`: 4 with those, else 0.
      precision: `"float32"`, or `"bfloat16"`: contractions of candidates' networks are rounded so,
        faster where an accelerator multiplies it fastest. Heads, moments and what members are
        judged by at the end stay in float32.
      chunk: candidates side by side on an accelerator; `None`: as many as are worth it and fit into
        its memory. A CPU takes them one at a time.
      checkpoint_every: generations between two checkpoints.
      seed: of everything random.

    Raises:
      InputError: a value is out of its range.
    """

    objectives: Sequence[str] = ("error", "parameters")
    strategy: str = "mo-mfea"
    encoding: str = "ratios"
    ranking: str | Sequence[str] = "taylor"
    shared_ranking: bool = False
    depth: bool = False
    fitness: str | None = None
    population: int = 40
    generations: int = 20
    images: int = 256
    halving: Sequence[int] = ()
    calibration: int = 768
    rmp: float = 0.4
    directions: int = 4
    low: float = 0.0
    high: float = 1.0
    uniform: int | None = None
    precision: str = "float32"
    chunk: int | None = None
    checkpoint_every: int = 2
    seed: int = 0

    @property
    def rankings(self) -> tuple[str, ...]:
        """The names of all rankings, [R]."""
        return (self.ranking,) if isinstance(self.ranking, str) else tuple(self.ranking)

    @property
    def costs(self) -> tuple[str, ...]:
        """The objectives that are costs."""
        return tuple(name for name in self.objectives if name not in JUDGEMENTS)

    def suited(self, graph: Subject) -> "Settings":
        """Return the same with what suits the network and the encoding where nothing was given."""
        fitness, uniform = self.fitness, self.uniform
        if fitness is None:
            fitness = "recalibrated" if recalibrates(graph) else "raw"
            fitness = "compensated" if graph.sites().found else fitness
        if uniform is None:
            uniform = min(UNIFORM, self.population) if self.encoding == "ratios" else 0
        return replace(self, fitness=fitness, uniform=uniform)

    def __post_init__(self) -> None:
        self._check_objectives()
        if self.strategy not in STRATEGIES:
            from ..strategies import ALGORITHMS

            require_known("search.strategy", self.strategy, (*STRATEGIES, *ALGORITHMS))
        require_known("search.encoding", self.encoding, ENCODINGS)
        self._check_ranking()
        for name in ("shared_ranking", "depth"):
            value = getattr(self, name)
            require(
                isinstance(value, bool), f"`search.{name}` must be true or false, got {value!r}."
            )
        if self.fitness is not None:
            require_known("search.fitness", self.fitness, MODES)
        require_number("search.population", self.population, 2, whole=True)
        require(
            self.population % 2 == 0,
            f"`search.population` must be even, since parents mate in pairs, "
            f"got {self.population}.",
        )
        require_number("search.generations", self.generations, 0, 1e6, whole=True)
        require_number("search.images", self.images, 2, whole=True)
        self._check_halving()
        require_number("search.calibration", self.calibration, 2, whole=True)
        require_number("search.rmp", self.rmp, 0, 1)
        require_number("search.directions", self.directions, 1, whole=True)
        require_number("search.low", self.low, 0, 1)
        require_number("search.high", self.high, self.low, 1)
        self._check_uniform()
        require_known("search.precision", self.precision, PRECISIONS)
        if self.chunk is not None:
            require_number("search.chunk", self.chunk, 1, whole=True)
        require_number("search.checkpoint_every", self.checkpoint_every, 1, whole=True)
        require_number("search.seed", self.seed, 0, 2**32 - 1, whole=True)

    def _check_objectives(self) -> None:
        require(
            not isinstance(self.objectives, str),
            f"`search.objectives` must be a list of names, got {self.objectives!r}.",
        )
        object.__setattr__(self, "objectives", tuple(self.objectives))
        for name in self.objectives:
            require_known("search.objectives", name, OBJECTIVES)
        shares = [name for name in self.objectives if name in JUDGEMENTS]
        costs = list(self.costs)
        require(
            list(self.objectives) == shares + costs
            and min(len(shares), len(costs)) > 0
            and len(set(self.objectives)) == len(self.objectives),
            f"`search.objectives` must be error, divergence or both, and then one or more "
            f"different costs, got {list(self.objectives)}.",
        )
        require(
            len(costs) < MOST,
            f"`search.objectives` must name at most {MOST - 1} costs, or no journal could tell a "
            f"front's hypervolume, got {costs}.",
        )

    def _check_halving(self) -> None:
        require(
            isinstance(self.halving, list | tuple),
            f"`search.halving` must be a list of numbers of examples, got {self.halving!r}.",
        )
        for one in self.halving:
            require_number("search.halving", one, 2, whole=True)
        looks = [*self.halving, self.images]
        require(
            all(one < other for one, other in pairwise(looks)),
            f"`search.halving` must rise to less than the {self.images} of `search.images`, got "
            f"{list(self.halving)}.",
        )
        require(
            self.population > 2 ** len(self.halving) or not self.halving,
            f"`search.halving` must leave two of `search.population` {self.population}, got "
            f"{len(self.halving)} looks that halve it.",
        )
        require(
            not self.halving or self.strategy in STRATEGIES,
            f"`search.halving` must be empty with an evosax algorithm, which ranks the rows of "
            f"each direction itself, got {list(self.halving)} with {self.strategy!r}.",
        )
        object.__setattr__(self, "halving", tuple(self.halving))

    def _check_uniform(self) -> None:
        if self.uniform is None:
            return
        require_number("search.uniform", self.uniform, 0, self.population, whole=True)
        require(
            self.uniform == 0 or self.encoding == "ratios",
            f'`search.uniform` must be 0 with `search.encoding` "bits", which has no shares, got '
            f"{self.uniform}.",
        )

    def _check_ranking(self) -> None:
        require(
            isinstance(self.ranking, str | list | tuple),
            f"`search.ranking` must be a name or a list of names, got {self.ranking!r}.",
        )
        names = self.rankings
        require(len(names) > 0, "`search.ranking` must be one or more names, got none.")
        for name in names:
            require_known("search.ranking", name, RANKINGS)
        require_unique("search.ranking", names)
        # A list of one is that one, so that both ask for the same search.
        object.__setattr__(self, "ranking", names if names[1:] else "".join(names))


def recalibrates(graph: Subject) -> bool:
    """Return whether a network has moments to estimate, or a head to fit."""
    return bool(graph.statistics) or graph.head is not None
