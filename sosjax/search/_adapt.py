"""The adaptation of a network before a search: trained so that its sub-networks are good."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, NamedTuple, final

import jax
import numpy as np

from .._errors import require
from .._progress import Progress, silent
from .._tree import named_leaves, with_leaves
from .._types import Array
from ..models._jat import Jat
from ..space._encoding import Ratios
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ..training._adaptation import Adaptation
from ..training._orders import counts, orders, steps
from ..training._sandwich import Sandwich
from ._asked import check_asked
from ._judge import share
from ._problem import Problem
from ._settings import Settings

SAMPLE = 4
"""Sub-networks of each task that choose the epoch."""


def adapt(
    jat: Jat,
    data: Dataset | None,
    tasks: Sequence[Task],
    adaptation: Adaptation = Adaptation(),
    settings: Settings = Settings(),
    *,
    progress: Progress | None = None,
) -> Jat:
    """Train the whole network with random masks, so that its sub-networks need less training.

    All tasks are trained on at once, on search examples. Heads that the network does not have begin
    in closed form and are trained along; a search solves them anew. At the end of each epoch the
    moments of normalisations are estimated for the whole network on examples of all tasks, and
    validation examples are looked at: of the epochs whose whole network is within the tolerance,
    that one is kept whose sub-networks have the lowest error, the mean over a fixed random sample;
    if none has a lower one than the network had before, it stays as it was. Test data is not
    looked at.

    Args:
      jat: the network.
      data: what tasks without data of their own are judged on; `None` if all have their own.
      tasks: one or more.
      adaptation: how to train.
      settings: of the search to come: its rankings say which units a sub-network keeps.
      progress: called with `{"event": text}` after each epoch.

    Returns:
      The network with other parameters: the same function, groups and head. Its `adaptation` holds
      the `settings`, the `epoch` that was kept (0: none), and the validation error `before` and
      `after`: by task of the whole network, `dense`, and of the sample, `sample`.

    Raises:
      InputError: what is asked does not fit, or a task has fewer examples than a batch.
    """
    check_asked(jat, data, tasks, (), settings.depth)
    return Adapting(Problem(jat, data, tasks, settings), adaptation).run(progress or silent)


class Epoch(NamedTuple):
    """What an epoch made of the network.

    Attributes:
      number: of the epoch; 0: before the first.
      params: the network's parameters, moments estimated anew.
      dense: the whole network's validation error for each task, [T].
      sample: the mean validation error of the sample of sub-networks.
    """

    number: int
    params: Any
    dense: np.ndarray
    sample: float


@final
class Adapting:
    """One adaptation: its examples, its programs and what became of each epoch.

    Attributes:
      problem: the network and the examples.
      adaptation: how to train.
      batch: the examples to train on.
      sandwich: the steps.
    """

    def __init__(self, problem: Problem, adaptation: Adaptation) -> None:
        """Gather the examples.

        Raises:
          InputError: a task has fewer than a batch.
        """
        self.problem, self.adaptation = problem, adaptation
        self.batch = problem.training(adaptation.images)
        fewest = int(counts(self.batch).min())
        require(
            fewest >= adaptation.batch,
            f"`adaptation.batch` must be at most the {fewest} search examples of the smallest "
            f"task, got {adaptation.batch}.",
        )
        before = problem.encoding
        encoding = Ratios(
            problem.jat.graph.sizes,
            problem.jat.graph.rules.granularity,
            before.blocks,
            before.rankings,
        )
        # Whatever the search to come: sub-networks are compared by what calibration makes of them.
        kernel = replace(problem.kernel, mode="recalibrated")
        total = steps(self.batch, adaptation) * adaptation.epochs
        self.sandwich = Sandwich(kernel, encoding, adaptation, total)

    def run(self, progress: Progress) -> Jat:
        """Train to the last epoch and return the network of the best one."""
        jat, begin = self.problem.jat, time.monotonic()
        sample_key, key = jax.random.split(jax.random.key(self.adaptation.seed))
        rankings = self.problem.rankings()
        masks = self._sample(sample_key, rankings)
        study, look = jax.jit(self.sandwich.study), jax.jit(self.sandwich.errors)
        pupil = self.sandwich.pupil(jat.params, self.batch.solved)
        first = best = self._epoch(0, jat.params, look, masks)
        for number in range(1, self.adaptation.epochs + 1):
            order = orders(self.batch, self.adaptation, number)
            own_key = jax.random.fold_in(key, number)
            pupil, losses = study(pupil, jat.params, self.batch, rankings, order, own_key)
            params = with_leaves(jat.params, named_leaves(jat.params) | pupil.moving.leaves)
            found = self._epoch(number, self._calibrated(params), look, masks)
            if not np.isfinite(losses).all():
                text = f"adapting diverged in epoch {number}: the network has the weights of epoch "
                text += f"{best.number}; a lower `adaptation.rate` may help"
                progress({"event": text, "warning": True})
                break
            best = found if self._is_better(found, best, first) else best
            text = f"adapting: epoch {number} of {self.adaptation.epochs}, mean validation error "
            text += f"{found.sample:.4f} of sub-networks ({first.sample:.4f} before), "
            text += (
                f"{found.dense.mean():.4f} of the whole network ({first.dense.mean():.4f} before)"
            )
            progress({"event": f"{text}, {time.monotonic() - begin:.0f} s"})
        facts = self._facts(first, best)
        progress({"event": _told(facts), "warning": best.number == 0})
        return jat.with_params(best.params, facts)

    def _sample(self, key: Array, rankings: list[Array]) -> list[Array]:
        """Return the masks of the sub-networks that choose the epoch, [T, M, size] each."""
        genes = self.sandwich.genotypes(key, SAMPLE)
        by_row = jax.vmap(self.sandwich.encoding.decode, (0, None))
        return jax.jit(jax.vmap(by_row, (None, 0)))(genes, rankings)

    def _epoch(self, number: int, params: Any, look: Any, masks: list[Array]) -> Epoch:
        problem = self.problem
        dense, sample = look(params, problem.calibration, problem.validation, masks)
        return Epoch(number, params, np.asarray(dense), float(np.asarray(sample).mean()))

    def _is_better(self, found: Epoch, best: Epoch, first: Epoch) -> bool:
        limit = first.dense.mean() + self.adaptation.tolerance + 1e-6  # float32 rounds
        return found.sample < best.sample and bool(found.dense.mean() <= limit)

    def _facts(self, first: Epoch, best: Epoch) -> dict[str, Any]:
        rows = zip(self.problem.tasks, first.dense, best.dense, strict=True)
        return {
            "settings": asdict(self.adaptation),
            "epoch": best.number,
            "sample": {"before": share(first.sample), "after": share(best.sample)},
            "dense": {
                task.name: {"before": share(before), "after": share(after)}
                for task, before, after in rows
            },
        }

    @cached_property
    def _calibrated(self) -> Callable[[Any], Any]:
        """What estimates moments: on examples of all tasks, as many as a task's calibration has."""
        batch = self.problem.calibration
        each = -(-batch.inputs.shape[1] // len(batch.inputs))
        parts = (batch.inputs, batch.real)
        inputs, real = jax.tree.map(lambda leaf: leaf[:, :each].reshape(-1, *leaf.shape[2:]), parts)
        recalibrated = jax.jit(self.problem.jat.graph.recalibrated)
        return lambda params: recalibrated(params, inputs, real)


def _told(facts: dict[str, Any]) -> str:
    if facts["epoch"] == 0:
        return (
            "the network was not adapted: in no epoch were its sub-networks better and the whole "
            "within `adaptation.tolerance`"
        )
    errors = [
        f"{name} {one['before']:.4f} -> {one['after']:.4f}" for name, one in facts["dense"].items()
    ]
    return (
        f"the network was adapted, epoch {facts['epoch']} is kept; the whole network's validation "
        f"error: {', '.join(errors)}"
    )
