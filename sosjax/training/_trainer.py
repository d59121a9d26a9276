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
    """What a step looks at: the examples of one task and what the Jack says of them.

    Attributes:
      task: the examples.
      teacher: the Jack's outputs for them: [B, C], or [B, S, V] for tokens.
    """

    task: TaskBatch
    teacher: Array


class Learner(NamedTuple):
    """One sub-network in training.

    Attributes:
      params: its leaves; removed units are zero.
      moving: what is trained: leaves or factors of updates, by path.
      memory: the optimiser's.
    """

    params: Any
    moving: dict[str, Any]
    memory: Any


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
        return Learner(params, moving, self.recovery.optimiser(self.steps).init(moving))

    def weights(self, learner: Learner, there: dict[str, Array]) -> Any:
        """Return the sub-network's leaves as they are by now.

        Args:
          learner: the sub-network.
          there: for each leaf whether an entry belongs to units that are kept.
        """

        def zero(leaf: Array) -> Array:
            return jnp.zeros((), leaf.dtype)  # a truth value or a count stays one

        leaves = adapted(named_leaves(learner.params), learner.moving)
        return with_leaves(
            learner.params,
            {name: jnp.where(there[name], leaf, zero(leaf)) for name, leaf in leaves.items()},
        )

    def study(
        self,
        learner: Learner,
        there: dict[str, Array],
        lesson: Lesson,
        order: Int[Array, "N B"],
        pace: Float[Array, ""],
    ) -> tuple[Learner, Float[Array, " N"]]:
        """Take one step for each row of `order`.

        Args:
          learner: the sub-network.
          there: as for `weights`.
          lesson: the examples.
          order: which examples each step looks at.
          pace: what the rate is multiplied by.

        Returns:
          The sub-network after the steps, and the loss of each.
        """
        optimiser = self.recovery.optimiser(self.steps)

        def step(learner: Learner, rows: Array) -> tuple[Learner, Array]:
            def loss(moving: dict[str, Any]) -> Array:
                weights = self.weights(learner._replace(moving=moving), there)
                return self._loss(weights, lesson, rows)

            value, slopes = jax.value_and_grad(loss)(learner.moving)
            updates, memory = optimiser.update(slopes, learner.memory, learner.moving)
            updates = jax.tree.map(lambda leaf: pace * leaf, updates)
            moving = optax.apply_updates(learner.moving, updates)
            return learner._replace(moving=moving, memory=memory), value

        return jax.lax.scan(step, learner, order)

    def marks(self, params: Any, task: TaskBatch) -> tuple[Array, Array]:
        """Return `Kernel.marks` of a task's examples."""
        kernel = Kernel(self.graph, Ratios(self.graph.sizes), "raw", self.kind, whole=True)
        leaves, head = named_leaves(params), self.graph.head
        own = None if head is None else RidgeHead(leaves[head.kernel], leaves[head.bias])
        full = [jnp.ones(size, bool) for size in self.graph.sizes]
        return kernel.marks(params, task, full, Calibrated({}, own))

    def _outputs(self, params: Any, inputs: Array, estimate: bool = False) -> Array:
        full = [jnp.ones(size, bool) for size in self.graph.sizes]
        features, _ = self.graph.features(params, inputs, full, estimate)
        if self.graph.head is None:
            return features
        leaves = named_leaves(params)
        return features @ leaves[self.graph.head.kernel] + leaves[self.graph.head.bias]

    def _loss(self, params: Any, lesson: Lesson, rows: Array) -> Array:
        task = lesson.task
        outputs = self._outputs(params, task.inputs[rows], estimate=bool(self.graph.statistics))
        share, heat = self.recovery.distillation, self.recovery.temperature
        targets, teacher = task.targets[rows], lesson.teacher[rows] if share else None
        return training_loss(self.kind, task, outputs, targets, teacher, share, heat)
