"""One step for a network and its sub-networks together: the sandwich rule, in-place distillation.

Pure functions of states; whoever calls them jits them.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import optax

from .._tree import named_leaves, with_leaves
from .._types import Array, Float, Int, Key
from ..fitness._batch import TaskBatch
from ..fitness._kernel import Kernel
from ..fitness._ridge import RidgeHead
from ..space._encoding import Ratios
from ._adaptation import Adaptation
from ._loss import training_loss
from ._trainable import trainable


class Moving(NamedTuple):
    """What is trained.

    Attributes:
      leaves: of the network, by path.
      heads: of tasks without rows of the network's own, [T, F, C] and [T, C]; `None` if all have.
    """

    leaves: dict[str, Any]
    heads: RidgeHead | None


class Pupil(NamedTuple):
    """A network in training.

    Attributes:
      moving: what is trained, as it is by now.
      optimiser_state: of it.
    """

    moving: Moving
    optimiser_state: Any


@final
@dataclass(frozen=True)
class Sandwich:
    """Trains a network so that its sub-networks are good.

    Attributes:
      kernel: of the network.
      encoding: what a random sub-network's genes mean.
      adaptation: how.
      steps: in all.
    """

    kernel: Kernel
    encoding: Ratios
    adaptation: Adaptation
    steps: int

    def pupil(self, params: Any, heads: RidgeHead | None) -> Pupil:
        """Return a network at the start of its training.

        Args:
          params: its parameters.
          heads: of tasks without rows of its own, where they begin.
        """
        graph = self.kernel.graph
        leaves = trainable(named_leaves(params), "all", graph)
        if graph.head is not None and not self.kernel.own:
            # Nobody asks the network's own head.
            idle = (graph.head.kernel, graph.head.bias)
            leaves = {name: leaf for name, leaf in leaves.items() if name not in idle}
        moving: Any = Moving(leaves, heads)
        return Pupil(moving, self.adaptation.optimiser(self.steps).init(moving))

    def study(
        self,
        pupil: Pupil,
        jack: Any,
        batch: TaskBatch,
        rankings: list[Array],
        order: Int[Array, "T N B"],
        key: Key[Array, ""],
    ) -> tuple[Pupil, Float[Array, "N 2"]]:
        """Take N steps, each on some examples of every task.

        Args:
          pupil: the network.
          jack: its parameters before training.
          batch: the examples.
          rankings: what the encoding decodes over, for all tasks.
          order: which examples each step looks at.
          key: of the random sub-networks.

        Returns:
          The network after the steps; and the loss of each: the whole network's, and the mean of
          its sub-networks'.
        """
        optimiser = self.adaptation.optimiser(self.steps)

        def step(pupil: Pupil, row: tuple[Array, Array]) -> tuple[Pupil, Array]:
            rows, key = row
            moving: Any = pupil.moving
            slopes: Any
            slopes, losses = self.slopes(moving, jack, batch, rankings, rows, key)
            updates, state = optimiser.update(slopes, pupil.optimiser_state, moving)
            moved: Any = optax.apply_updates(moving, updates)
            return Pupil(moved, state), losses

        keys = jax.random.split(key, order.shape[1])
        return jax.lax.scan(step, pupil, (jnp.swapaxes(order, 0, 1), keys))

    def slopes(
        self,
        moving: Moving,
        jack: Any,
        batch: TaskBatch,
        rankings: list[Array],
        rows: Int[Array, "T B"],
        key: Key[Array, ""],
    ) -> tuple[Moving, Float[Array, " two"]]:
        """Return the gradient of the mean loss over tasks and networks, and the two losses."""
        tasks = len(rows)

        def one(total: Any, task: Any) -> tuple[Any, None]:
            return jax.tree.map(jnp.add, total, self._task_slopes(moving, jack, *task)), None

        start = jax.tree.map(jnp.zeros_like, moving), jnp.zeros(2)
        numbers, keys = jnp.arange(tasks), jax.random.split(key, tasks)
        total, _ = jax.lax.scan(one, start, (batch, rankings, rows, numbers, keys))
        return jax.tree.map(lambda leaf: leaf / tasks, total)

    def genotypes(self, key: Key[Array, ""], count: int) -> Float[Array, "count D"]:
        """Draw sub-networks of the range: no group has a gene below its lower end."""
        low, groups = self.adaptation.low, len(self.encoding.sizes)
        genes = self.encoding.sample(key, count, low, self.adaptation.high)
        return genes.at[:, :groups].max(low)

    def smallest(self) -> Float[Array, " D"]:
        """Return the smallest sub-network of the range; it has all blocks."""
        genes = jnp.ones(self.encoding.dimensions)
        return genes.at[: len(self.encoding.sizes)].set(self.adaptation.low)

    def errors(
        self, params: Any, calibration: TaskBatch, unseen: TaskBatch, masks: list[Array]
    ) -> tuple[Float[Array, " T"], Float[Array, "T M"]]:
        """Return errors on other examples of every task, at most 1.

        Args:
          params: the network's.
          calibration: the examples that moments and heads are estimated on.
          unseen: the examples that are judged.
          masks: of M sub-networks for each task, for each group [T, M, size].

        Returns:
          The whole network's, by its own moments and head (a solved one where it has none); and the
          sub-networks', with moments and head estimated anew, as a search judges them.
        """
        kernel = self.kernel
        if calibration.solved is not None:
            calibration = kernel.solved(params, calibration)

        def one_task(row: Any) -> tuple[Array, Array]:
            task, unseen, masks = row
            dense = kernel.error(params, unseen, self._full, kernel.untouched(params, task))

            def one(masks: list[Array]) -> Array:
                _, carried = kernel.calibrate(params, task, masks)
                return kernel.error(params, unseen, masks, carried)

            return dense, jax.lax.map(one, masks)

        errors = jax.lax.map(one_task, (calibration, unseen, masks))
        return jax.tree.map(partial(jnp.minimum, 1), errors)

    @property
    def _full(self) -> list[Array]:
        return [jnp.ones(size, bool) for size in self.kernel.graph.sizes]

    def _task_slopes(
        self,
        moving: Moving,
        jack: Any,
        task: TaskBatch,
        ranking: list[Array],
        rows: Array,
        number: Array,
        key: Array,
    ) -> tuple[Moving, Array]:
        """Return the gradient of the mean loss over networks, of one task, and the two losses."""
        adaptation, graph = self.adaptation, self.kernel.graph
        inputs, targets = task.inputs[rows], task.targets[rows]
        estimate = bool(graph.statistics)

        def loss(
            moving: Moving, masks: list[Array], teacher: Array, share: Array
        ) -> tuple[Array, Array]:
            params = with_leaves(jack, named_leaves(jack) | moving.leaves)
            features, _ = graph.features(params, inputs, masks, estimate)
            outputs = self._outputs(features, params, task, moving.heads, number)
            kind = self.kernel.kind
            return training_loss(kind, task, outputs, targets, teacher, share), outputs

        def one(carry: tuple[Moving, Array], row: Any) -> tuple[tuple[Moving, Array], Array]:
            (total, teacher), (masks, share, first) = carry, row
            slopes = jax.value_and_grad(loss, has_aux=True)
            # The teacher enters as numbers: what others learn of its outputs does not move it.
            (value, outputs), own = slopes(moving, masks, teacher, share)
            teacher = jnp.where(first, outputs, teacher)
            return (jax.tree.map(jnp.add, total, own), teacher), value

        masks = self._masks(key, ranking)
        count = adaptation.subnetworks + 2
        first = jnp.arange(count) == 0
        shares = jnp.where(first, adaptation.anchor, adaptation.distillation)
        start = jax.tree.map(jnp.zeros_like, moving), self._before(jack, task, inputs)
        (total, _), losses = jax.lax.scan(one, start, (masks, shares, first))
        mean = jax.tree.map(lambda leaf: leaf / count, total)
        return mean, jnp.stack([losses[0], losses[1:].mean()])

    def _masks(self, key: Array, ranking: list[Array]) -> list[Array]:
        """Return the masks of the whole network, the smallest, and random ones, [N + 2, size]."""
        whole = jnp.ones((1, self.encoding.dimensions))
        genes = self.genotypes(key, self.adaptation.subnetworks)
        genes = jnp.concatenate([whole, self.smallest()[None], genes])
        return jax.vmap(self.encoding.decode, (0, None))(genes, ranking)

    def _before(self, jack: Any, task: TaskBatch, inputs: Array) -> Array:
        """Return what the Jack says of some examples of a task, by its own moments."""

        def said(inputs: Array) -> Array:
            features, _ = self.kernel.graph.features(jack, inputs, self._full, False)
            return self._outputs(features, jack, task)

        if self.adaptation.anchor > 0:
            return said(inputs)
        return jnp.zeros(jax.eval_shape(said, inputs).shape)

    def _outputs(
        self,
        features: Array,
        params: Any,
        task: TaskBatch,
        heads: RidgeHead | None = None,
        number: Array | None = None,
    ) -> Array:
        """Return outputs by a task's head; by that of this number in training, if there are any."""
        if heads is not None:
            task = task._replace(solved=jax.tree.map(lambda leaf: leaf[number], heads))
        head = self.kernel.untouched(params, task).head
        return features if head is None else features @ head.kernel + head.bias
