"""Any evosax algorithm (Lange, 2022, arXiv 2212.04180) behind one contract.

evosax has two families. Those that move a distribution start from a mean, those that keep a
population from evaluated rows; the first rebuild the noise of their samples when they are told, the
second keep the rows they are told. A `Searcher` hides the difference. evosax enters the package by
this file only.

evosax's own defaults stay as they are, and not all suit every budget: some learning rates are 1e-3,
SimpleGA's mutation never shrinks, and DiffusionEvolution stands still after 128 generations unless
its option `num_generations` says otherwise.
"""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
from evosax.algorithms import algorithms as EXPORTED
from evosax.algorithms.distribution_based.base import DistributionBasedAlgorithm
from evosax.algorithms.distribution_based.guided_es import GuidedES
from evosax.algorithms.distribution_based.lm_ma_es import LM_MA_ES
from evosax.algorithms.distribution_based.random_search import RandomSearch
from evosax.algorithms.distribution_based.sv.base import SV_ES
from evosax.algorithms.population_based.base import PopulationBasedAlgorithm

from .._errors import InputError, require, require_known
from .._types import Array, Bool, Float, Key

REFUSED: Mapping[type, str] = {
    GuidedES: "it follows a gradient given from outside, and costs alone give none",
}
"""Algorithms that costs alone cannot drive, and why."""

NAMES: Mapping[str, type] = {**{kind.__name__: kind for kind in EXPORTED.values()}, **EXPORTED}
"""Every algorithm that evosax exports, by the name of its class and by evosax's short name."""

FITNESSES = frozenset(
    {"fitness", "fitness_best", "best_fitness", "best_fitness_shaped", "epoch_best_fitness"}
)
"""The fields of evosax's states that hold the fitness of an individual seen before."""

FIXED = {"population_size", "solution", "metrics_fn"}
"""The arguments of evosax's constructors that are not for the user to give."""

ALGORITHMS: tuple[str, ...] = tuple(name for name, kind in NAMES.items() if kind not in REFUSED)
"""The names of the algorithms that can be driven."""

BOX = 5.0
"""Half the width of the box that a searcher sees: evosax's default step of 1 is made for it."""


@final
class Searcher:
    """One evosax algorithm for one cost, in the box [-BOX, BOX]^D.

    Attributes:
      size: rows that `ask` gives.
      default_params: the algorithm's own parameters, each number an array.
      keeps_rows: whether the algorithm belongs to the family that keeps a population.
    """

    def __init__(
        self, algorithm: Any, size: int, genes: int, options: Mapping[str, Any] | None = None
    ) -> None:
        """Build the algorithm.

        Args:
          algorithm: an evosax algorithm's class, or its name.
          size: rows for each `ask`.
          genes: D.
          options: further arguments of the algorithm's constructor.

        Raises:
          InputError: not an algorithm, one that costs alone cannot drive, or a size or options
            that it does not take.
        """
        kind = algorithm_class(algorithm)
        self.size = size
        self.keeps_rows = issubclass(kind, PopulationBasedAlgorithm)
        self._algorithm = _built(kind, size, genes, options or {})
        self._means = getattr(self._algorithm, "num_populations", 1)
        self._stein = isinstance(self._algorithm, SV_ES)
        # Also sets what evosax's LM_MA_ES needs before it can start.
        self.default_params = jax.tree.map(_strong, self._algorithm.default_params)
        self._algorithm.metrics_fn = lambda *arguments: {}

    def start(
        self,
        key: Key[Array, ""],
        rows: Float[Array, "N D"],
        fitness: Float[Array, " N"],
        params: Any,
    ) -> Any:
        """Return a state that starts from the best of N >= `size` evaluated rows.

        Args:
          key: random key.
          rows: in the searcher's box.
          fitness: theirs, finite.
          params: as `default_params`.
        """
        order = jnp.argsort(fitness)
        if self.keeps_rows:
            best, own = rows[order[0]], order[: self.size]
            state = self._algorithm.init(key, rows[own], fitness[own], params)
        else:
            best = rows[order[: self._means]] if self._stein else rows[order[0]]
            state = self._algorithm.init(key, best, params)
        return jax.tree_util.tree_map_with_path(partial(_started, best), state)

    def ask(self, key: Key[Array, ""], state: Any, params: Any) -> tuple[Float[Array, "n D"], Any]:
        """Return `size` rows, not confined to the box, and the next state."""
        rows, asked = self._algorithm.ask(key, state, params)
        return rows, _like(asked, state)

    def tell(
        self,
        key: Key[Array, ""],
        rows: Float[Array, "n D"],
        fitness: Float[Array, " n"],
        state: Any,
        params: Any,
    ) -> Any:
        """Learn from rows and their finite fitness.

        An algorithm whose numbers ran away, so that its state is no longer finite, starts again
        from these rows.
        """
        # evosax's Stein variational family takes rows by population, and gives them flat.
        shape = (self._means, -1, rows.shape[1]) if self._stein else rows.shape
        told, _ = self._algorithm.tell(key, rows.reshape(shape), fitness, state, params)
        told = _like(told, state)
        inside = jnp.clip(jnp.nan_to_num(rows), -BOX, BOX)
        # One key for both: only one of the two states is kept.
        afresh = self.start(key, inside, fitness, params)
        broken = ran_away(told)
        return jax.tree.map(lambda one, other: jnp.where(broken, one, other), afresh, told)

    def move(
        self,
        state: Any,
        row: Float[Array, " D"],
        fitness: Float[Array, ""],
        moves: Bool[Array, ""],
    ) -> Any:
        """Move the mean of an algorithm that has one to a row that it did not draw, if `moves`.

        Where the algorithm returns to the best row that it knows, that is replaced as well, if it
        is worse. The shape of the distribution stays. Of several means the last moves.
        """
        new = {"mean": (row, moves)}
        for best, number in (
            ("best_solution", "best_fitness"),
            ("best_solution_shaped", "best_fitness_shaped"),
        ):
            if hasattr(state, number):
                better = moves & (fitness < _last(getattr(state, number), 0))
                new |= {best: (row, better), number: (fitness, better)}
        if hasattr(state, "fitness"):  # of the mean: simulated annealing compares with it
            new["fitness"] = (fitness, moves)
        return state.replace(
            **{name: _with_last(getattr(state, name), *change) for name, change in new.items()}
        )

    def fitnesses(self, state: Any) -> Float[Array, " M"]:
        """Return all fitnesses that the state remembers, in one vector."""
        return jnp.concatenate([jnp.ravel(leaf) for leaf in _split(state)[0]])

    def with_fitnesses(self, state: Any, values: Float[Array, " M"]) -> Any:
        """Return the state with other fitnesses in the place of those it remembers."""
        leaves, rebuild = _split(state)
        ends = [0]
        for leaf in leaves:
            ends.append(ends[-1] + leaf.size)
        parts = zip(leaves, ends[:-1], ends[1:], strict=True)
        return rebuild([values[low:high].reshape(leaf.shape) for leaf, low, high in parts])


def algorithm_class(algorithm: Any) -> type:
    """Return the class of an evosax algorithm given by class or name.

    Raises:
      InputError: not an algorithm, or one that costs alone cannot drive.
    """
    if isinstance(algorithm, str):
        require_known("algorithm", algorithm, NAMES)
        algorithm = NAMES[algorithm]
    families = (DistributionBasedAlgorithm, PopulationBasedAlgorithm)
    require(
        isinstance(algorithm, type)
        and issubclass(algorithm, families)
        and hasattr(algorithm, "_default_params"),
        f"`algorithm` must be an evosax algorithm's class or name, got {algorithm!r}.",
    )
    for kind, reason in REFUSED.items():
        require(
            not issubclass(algorithm, kind),
            f"`algorithm` cannot be {algorithm.__name__}: {reason}.",
        )
    return algorithm


def ran_away(state: Any) -> Bool[Array, ""]:
    """Return whether a state has a NaN, or an infinity other than the fitness of nothing yet."""
    bad = jnp.zeros((), bool)
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            wrong = jnp.isnan(leaf) if _name(path) in FITNESSES else ~jnp.isfinite(leaf)
            bad = bad | wrong.any()
    return bad


def _built(kind: type, size: int, genes: int, options: Mapping[str, Any]) -> Any:
    """Call the constructor with what it needs, and turn its complaints into ours."""
    name = kind.__name__
    for option in options:
        require_known("options", option, sorted({*inspect.signature(kind).parameters} - FIXED))
    given, share = dict(options), size
    if issubclass(kind, RandomSearch):
        given.setdefault("sampling_fn", partial(_uniform, genes))
    if issubclass(kind, SV_ES):
        means = given.setdefault("num_populations", 2)
        share = size // means
        require(
            size == share * means and share >= 2,
            f"`population_size` must give {name} at least 2 rows for each of its {means} "
            f"populations and the same number to all, got {size} rows.",
        )
    if issubclass(kind, LM_MA_ES):
        require(
            size <= genes,
            f"`population_size` must give {name} at most as many rows as there are genes, "
            f"got {size} rows for {genes} genes.",
        )
    try:
        algorithm: Any = kind(population_size=share, solution=jnp.zeros(genes), **given)
        params = algorithm.default_params
        start = jax.eval_shape(algorithm._init, jax.random.key(0), params)
        rows, _ = jax.eval_shape(algorithm.ask, jax.random.key(0), start, params)
    except (AssertionError, TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"`algorithm` {name} cannot search {genes} genes with {size} rows: {error}"
        ) from error
    require(
        rows.shape == (size, genes),
        f"`population_size` must suit {name}, which gives {rows.shape[0]} rows where {size} "
        "were wanted.",
    )
    return algorithm


def _uniform(genes: int, key: Array) -> Array:
    return jax.random.uniform(key, (genes,), minval=-BOX, maxval=BOX)


def _name(path: tuple[Any, ...]) -> str:
    return str(getattr(path[-1], "name", ""))


def _started(best: Array, path: tuple[Any, ...], leaf: Any) -> Array:
    """Put the row that a search starts from where evosax has NaN for the best solution yet."""
    if _name(path).startswith("best_solution"):
        leaf = jnp.where(jnp.isnan(leaf), best, leaf)
    return _strong(leaf)


def _split(state: Any) -> tuple[list[Array], Any]:
    """Return the leaves that are fitnesses, and a function that puts others in their place."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(state)
    chosen = [index for index, (path, _) in enumerate(leaves) if _name(path) in FITNESSES]

    def rebuild(values: list[Array]) -> Any:
        new = [leaf for _, leaf in leaves]
        for index, value in zip(chosen, values, strict=True):
            new[index] = value.astype(new[index].dtype)
        return jax.tree.unflatten(structure, new)

    return [leaves[index][1] for index in chosen], rebuild


def _last(leaf: Array, axes: int) -> Array:
    """Return the last of several numbers or rows, or the only one."""
    return leaf if leaf.ndim == axes else leaf[-1]


def _with_last(leaf: Array, value: Array, replaced: Array) -> Array:
    value = jnp.where(replaced, value, _last(leaf, value.ndim)).astype(leaf.dtype)
    return value if leaf.ndim == value.ndim else leaf.at[-1].set(value)


def _strong(leaf: Any) -> Array:
    """Return an array whose dtype no other number can change, so that states keep their types."""
    leaf = jnp.asarray(leaf)
    if jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
        return leaf
    return jax.lax.convert_element_type(leaf, leaf.dtype)


def _like(state: Any, model: Any) -> Any:
    return jax.tree.map(lambda leaf, old: jnp.asarray(leaf, old.dtype), state, model)
