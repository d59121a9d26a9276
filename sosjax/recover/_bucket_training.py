"""Whole buckets of members in training: one program an epoch, the best epoch kept."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp

from .._tree import concatenate
from .._types import Array, Int
from ..training._trainer import Learner, SubNetwork, Trainer
from ._course import Course


class Trainee(NamedTuple):
    """One member in training.

    Attributes:
      learner: what is trained of it, as it is by now.
      best: its leaves after the best epoch; those it came with, if none was better.
      error: validation error of the best.
      loss: validation loss of the best.
      last: validation loss after the last epoch; before training: as it came.
      epoch: the best; 0: before training.
      stale: epochs since.
      lost: whether a number was not finite.
    """

    learner: Learner
    best: Any
    error: Array
    loss: Array
    last: Array
    epoch: Array
    stale: Array
    lost: Array


@final
@dataclass(frozen=True)
class BucketTraining:
    """Trains the members of one bucket.

    Attributes:
      trainer: one member's training.
      lanes: members side by side; `None`: one after the other.
    """

    trainer: Trainer
    lanes: int | None

    def start(self, keys: Array, params: Any, errors: Array, losses: Array) -> Trainee:
        """Return members [M] at the start, with their errors and losses as they came."""

        def one(key: Array, params: Any, error: Array, loss: Array) -> Trainee:
            zero = jnp.zeros((), jnp.int32)
            learner = self.trainer.learner(params, key)
            return Trainee(learner, params, error, loss, loss, zero, zero, ~jnp.isfinite(error))

        return jax.vmap(one)(keys, params, errors, losses)

    def epoch(
        self,
        number: Array,
        trainees: Trainee,
        members: SubNetwork,
        orders: Int[Array, "T N B"],
        course: Course,
    ) -> Trainee:
        """Train members [M] that are not at rest for one epoch."""

        def trained(trainee: Trainee, member: SubNetwork) -> Trainee:
            trainer, order = self.trainer, orders[member.task]
            learner, costs = trainer.study(member, trainee.learner, course.lessons, order)
            calibration, validation = (
                part.task(member.task) for part in (course.calibration, course.validation)
            )
            weights = trainer.weights(member, learner.moving)
            weights = trainer.graph.recalibrated(weights, calibration.inputs, calibration.real)
            error, loss = trainer.marks(weights, validation)
            # Few validation examples have many ties: the loss tells them apart.
            better = (error < trainee.error) | ((error == trainee.error) & (loss < trainee.loss))
            lost = ~jnp.isfinite(costs).all() | ~jnp.isfinite(error)
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), weights, trainee.best)
            return trainee._replace(
                learner=learner,
                best=best,
                error=jnp.where(better, error, trainee.error),
                loss=jnp.where(better, loss, trainee.loss),
                last=loss,
                epoch=jnp.where(better, number, trainee.epoch),
                stale=jnp.where(better, 0, trainee.stale + 1),
                lost=lost,
            )

        def one(row: Any) -> Trainee:
            rests = row[0].lost | (row[0].stale >= self.trainer.recovery.patience)
            return jax.lax.cond(rests, lambda: row[0], lambda: trained(*row))

        return _visited(one, (trainees, members), self.lanes)


def _visited(one: Callable[[Any], Any], rows: Any, lanes: int | None) -> Any:
    """Call `one` with every row, so many side by side.

    As `lax.map` does, which cannot divide the leaves of a block that is gone: they have no entries.
    """
    if lanes is None:
        return jax.lax.map(one, rows)
    count = len(jax.tree.leaves(rows)[0])
    lanes = min(lanes, count)
    whole = count - count % lanes
    parts = jax.tree.map(
        lambda leaf: leaf[:whole].reshape(whole // lanes, lanes, *leaf.shape[1:]), rows
    )
    found = jax.lax.map(jax.vmap(one), parts)
    found = jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), found)
    if whole == count:
        return found
    return concatenate(found, jax.vmap(one)(jax.tree.map(lambda leaf: leaf[whole:], rows)))
