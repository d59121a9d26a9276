"""Whole buckets of members in training: one program an epoch, the best epoch kept."""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp

from .._tree import named_leaves, with_leaves
from .._types import Array, Int
from ..fitness._training import Learner, Lesson, Trainer
from ._ward import Ward

SHARPNESS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""A head in closed form foretells shares; as log odds they are too close by one of these."""


class Patient(NamedTuple):
    """One member in training.

    Attributes:
      learner: as it is by now.
      best: its leaves after the best epoch; those it came with, if none was better.
      error: validation error of the best.
      epoch: the best; 0: before training.
      stale: epochs since.
      lost: whether a number was not finite.
    """

    learner: Learner
    best: Any
    error: Array
    epoch: Array
    stale: Array
    lost: Array


@final
@dataclass(frozen=True)
class Healing:
    """Trains the members of one bucket.

    Attributes:
      trainer: one member's training.
      patience: a member rests after so many epochs without a better one.
      lanes: members side by side.
    """

    trainer: Trainer
    patience: int
    lanes: int

    def admit(self, keys: Array, params: Any, tasks: Int[Array, " M"], ward: Ward) -> Patient:
        """Return members [M] at the start."""

        def one(row: Any) -> Patient:
            key, params, number = row
            lesson, _, validation = jax.tree.map(lambda leaf: leaf[number], ward)
            params = self._sharpened(params, lesson)
            error = self.trainer.error(params, validation)
            learner = self.trainer.learner(params, key)
            zero = jnp.zeros((), jnp.int32)
            return Patient(learner, params, error, zero, zero, ~jnp.isfinite(error))

        return jax.lax.map(one, (keys, params, tasks), batch_size=self.lanes)

    def epoch(
        self,
        number: Array,
        patients: Patient,
        there: Any,
        tasks: Int[Array, " M"],
        orders: Int[Array, "T N B"],
        ward: Ward,
    ) -> Patient:
        """Train members that are not at rest for one epoch."""

        def treated(patient: Patient, there: Any, task: Array) -> Patient:
            lesson, calibration, validation = jax.tree.map(lambda leaf: leaf[task], ward)
            learner, losses = self.trainer.study(patient.learner, there, lesson, orders[task])
            weights = self.trainer.weights(learner, there)
            graph = self.trainer.graph
            weights = graph.recalibrated(weights, calibration.inputs, calibration.real)
            error = self.trainer.error(weights, validation)
            better = error < patient.error
            lost = ~jnp.isfinite(losses).all() | ~jnp.isfinite(error)
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), weights, patient.best)
            return patient._replace(
                learner=learner,
                best=best,
                error=jnp.where(better, error, patient.error),
                epoch=jnp.where(better, number, patient.epoch),
                stale=jnp.where(better, 0, patient.stale + 1),
                lost=lost,
            )

        def one(row: Any) -> Patient:
            patient, there, task = row
            rests = patient.lost | (patient.stale >= self.patience)
            return jax.lax.cond(rests, lambda: patient, lambda: treated(patient, there, task))

        return jax.lax.map(one, (patients, there, tasks), batch_size=self.lanes)

    def _sharpened(self, params: Any, lesson: Lesson) -> Any:
        """Return the parameters with the head's outputs turned into log odds, for classes."""
        head = self.trainer.graph.head
        if self.trainer.kind != "classes" or head is None:
            return params
        rows = jnp.arange(min(256, len(lesson.task.inputs)))

        def scaled(factor: Array) -> Any:
            leaves = named_leaves(params)
            own = {name: factor * leaves[name] for name in (head.kernel, head.bias)}
            return with_leaves(params, leaves | own)

        factors = jnp.asarray(SHARPNESS)
        losses = jax.lax.map(
            lambda one: self.trainer.hard_loss(scaled(one), lesson.task, rows), factors
        )
        return scaled(factors[jnp.argmin(losses)])
