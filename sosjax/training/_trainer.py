"""Gradient steps for sub-networks: pure functions of states; whoever calls them jits them."""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import optax

from .._tree import named_leaves, with_leaves
from .._types import Array, Float, Int
from ..fitness._batch import TaskBatch
from ..fitness._kernel import Calibrated, Kernel
from ..fitness._ridge import RidgeHead
from ..graph._subject import Subject
from ..space._encoding import Ratios
from ._loss import training_loss
from ._low_rank import adapted, factors
from ._recovery import Recovery
from ._trainable import trainable


class Lesson(NamedTuple):
    """What is learnt from: the examples of every task and what the Jack says of them.

    Attributes:
      batch: the examples.
      teacher: the Jack's outputs for them: [T, B, C], or [T, B, S, V] for tokens; [T, B] zeros
        where nobody asks.
    """

    batch: TaskBatch
    teacher: Array

    def step(self, task: Array, rows: Int[Array, " B"]) -> tuple[TaskBatch, Array]:
        """Return some examples of one task and what is said of them; no others are copied."""
        batch = self.batch
        bare: Any = {"inputs": None, "targets": None, "real": None}
        own = batch._replace(**bare).task(task)
        examples = {name: getattr(batch, name)[task, rows] for name in ("inputs", "targets")}
        return own._replace(**examples), self.teacher[task, rows]


class SubNetwork(NamedTuple):
    """What stays as it is while a sub-network is trained.

    Attributes:
      params: its leaves as it came; removed units are zero.
      there: for each leaf, by path, whether an entry belongs to units that are kept.
      task: the number of its task.
      pace: what the rate is multiplied by.
    """

    params: Any
    there: dict[str, Array]
    task: Int[Array, ""]
    pace: Float[Array, ""]


class Learner(NamedTuple):
    """What moves while a sub-network is trained.

    Attributes:
      moving: leaves or factors of updates, by path.
      optimiser_state: of them.
    """

    moving: dict[str, Any]
    optimiser_state: Any


@final
@dataclass(frozen=True)
class Trainer:
    """Trains sub-networks of one shape.

    Removed units are zero where they are made and where they are read, which is to be without
    them; their gradient is dropped, so that nothing grows back.

    Attributes:
      graph: the network.
      kind: what is asked: `"classes"`, `"values"` or `"tokens"`.
      recovery: how.
      steps: in all.
    """

    graph: Subject
    kind: str
    recovery: Recovery
    steps: int

    def learner(self, params: Any, key: Array) -> Learner:
        """Return a sub-network at the start of its training."""
        moving = trainable(named_leaves(params), self.recovery.parts, self.graph)
        if self.recovery.parts == "low-rank":
            moving |= factors(key, named_leaves(params), moving, self.graph, self.recovery.rank)
        return Learner(moving, self.recovery.optimiser(self.steps).init(moving))

    def weights(self, member: SubNetwork, moving: dict[str, Any]) -> Any:
        """Return a sub-network's leaves with what is trained of them as it is by now."""

        def zero(leaf: Array) -> Array:
            return jnp.zeros((), leaf.dtype)  # a truth value or a count stays one

        leaves = adapted(named_leaves(member.params), moving)
        return with_leaves(
            member.params,
            {
                name: jnp.where(member.there[name], leaf, zero(leaf))
                for name, leaf in leaves.items()
            },
        )

    def study(
        self, member: SubNetwork, learner: Learner, lesson: Lesson, order: Int[Array, "N B"]
    ) -> tuple[Learner, Float[Array, " N"]]:
        """Take one step for each row of `order`.

        Args:
          member: the sub-network.
          learner: what is trained of it.
          lesson: the examples of all tasks.
          order: which of its task's each step looks at.

        Returns:
          What is trained after the steps, and the loss of each.
        """
        optimiser = self.recovery.optimiser(self.steps)

        def step(learner: Learner, rows: Array) -> tuple[Learner, Array]:
            def loss(moving: dict[str, Any]) -> Array:
                return self._loss(self.weights(member, moving), *lesson.step(member.task, rows))

            value, slopes = jax.value_and_grad(loss)(learner.moving)
            updates, state = optimiser.update(slopes, learner.optimiser_state, learner.moving)
            updates = jax.tree.map(lambda leaf: member.pace * leaf, updates)
            moving: Any = optax.apply_updates(learner.moving, updates)
            return Learner(moving, state), value

        return jax.lax.scan(step, learner, order)

    def marks(self, params: Any, task: TaskBatch) -> tuple[Array, Array]:
        """Return `Kernel.marks` of a task's examples."""
        kernel = Kernel(self.graph, Ratios(self.graph.sizes), "raw", self.kind, whole=True)
        leaves, head = named_leaves(params), self.graph.head
        own = None if head is None else RidgeHead(leaves[head.kernel], leaves[head.bias])
        full = [jnp.ones(size, bool) for size in self.graph.sizes]
        return kernel.marks(params, task, full, Calibrated({}, own))

    def _outputs(self, params: Any, inputs: Array) -> Array:
        full = [jnp.ones(size, bool) for size in self.graph.sizes]
        estimate = bool(self.graph.statistics)
        features, _ = self.graph.features(params, inputs, full, estimate)
        if self.graph.head is None:
            return features
        leaves = named_leaves(params)
        return features @ leaves[self.graph.head.kernel] + leaves[self.graph.head.bias]

    def _loss(self, params: Any, task: TaskBatch, teacher: Array) -> Array:
        share, heat = self.recovery.distillation, self.recovery.temperature
        said = teacher if share else None
        outputs = self._outputs(params, task.inputs)
        return training_loss(self.kind, task, outputs, task.targets, said, share, heat)
