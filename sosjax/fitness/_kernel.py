"""The one fitness kernel: genotypes of all tasks -> masks -> costs, weights shared."""

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import optax

from .._errors import require_known, require_number
from .._tree import named_leaves, with_leaves
from .._types import Array, Bool, Float
from ..graph._classifier import Classifier
from ..graph._cost import COSTS
from ..space._encoding import AbstractEncoding
from ..space._importance import ranking, taylor
from ._batch import TaskBatch
from ._ridge import RidgeHead, error_rate, ridge_head

OBJECTIVES = ("error", *COSTS)
MODES = ("recalibrated", "raw")


class Calibrated(NamedTuple):
    """What a sub-network carries with it besides its masks.

    Attributes:
      statistics: the normalisations' moments, by leaf path, at full size.
      head: the classifier over the full features.
    """

    statistics: dict[str, Array]
    head: RidgeHead


@final
@dataclass(frozen=True)
class Kernel:
    """Judges sub-networks of one network. Pure functions; whoever calls them jits them.

    Masks lie on activations, where units are consumed, so that the weights are shared by the
    whole population and what precedes the first mask is computed once for all.

    Attributes:
      graph: the network.
      encoding: what a genotype means.
      mode: `"recalibrated"`: the statistics are estimated on the batch for each candidate and the
        head is fitted to it in closed form, with leave-one-out error; `"raw"`: the Jack's own
        statistics and class rows, as Choong et al. (2023, arXiv 2205.00671) did.
      penalty: the ridge penalty, as a share of the mean feature's variance.
      chunk: candidates side by side on an accelerator: more is faster and takes more memory. A CPU
        takes them one at a time, which is faster there (a folded batch falls out of the caches).
    """

    graph: Classifier
    encoding: AbstractEncoding
    mode: str = "recalibrated"
    penalty: float = 0.05
    chunk: int = 8

    def __post_init__(self) -> None:
        require_known("search.fitness", self.mode, MODES)
        require_number("search.chunk", self.chunk, 1, whole=True)
        require_number("search.penalty", self.penalty, 1e-4)

    @property
    def lanes(self) -> int:
        """Candidates side by side on this backend.

        One on a CPU: then every candidate runs the same arithmetic whatever the chunk, and the
        sets do not depend on it. Side by side, sums are taken in another order, and an example
        whose two best logits differ in the last bit may change sides.
        """
        return 1 if jax.default_backend() == "cpu" else self.chunk

    def rankings(self, params: Any, batch: TaskBatch) -> list[Array]:
        """Return each group's Taylor ranking for every task, int32 [T, size] each."""

        def one(task: TaskBatch) -> list[Array]:
            def loss(masks: list[Array], inputs: Array, targets: Array) -> Array:
                features, _ = self.graph.features(params, inputs, masks, estimate=False)
                prior = self._prior(params, task)
                logits = jnp.where(task.valid, features @ prior.kernel + prior.bias, -1e9)
                return optax.softmax_cross_entropy(logits, targets).sum()

            return ranking(taylor(loss, self.graph.sizes, task.inputs, task.targets))

        return jax.lax.map(one, batch)

    def costs(
        self, params: Any, batch: TaskBatch, rankings: list[Array], genotypes: Float[Array, "T N D"]
    ) -> Float[Array, "T N 4"]:
        """Judge every genotype on the task of its row.

        Args:
          params: the full parameters.
          batch: the search data.
          rankings: from `rankings`.
          genotypes: N for each task.

        Returns:
          Error, parameters, bytes and FLOPs of each; all infinite where the error is not finite.
        """

        def one_task(row: Any) -> Array:
            task, places, genes = row

            def one(genotype: Array) -> Array:
                masks = self.encoding.decode(genotype, places)
                error, _ = self.calibrate(params, task, masks)
                return self._with_costs(error, task, masks)

            return jax.lax.map(one, genes, batch_size=self.lanes)

        # Tasks one after the other: their examples differ, so nothing could be shared, and memory
        # stays that of one chunk.
        return jax.lax.map(one_task, (batch, rankings, genotypes))

    def calibrate(
        self, params: Any, task: TaskBatch, masks: list[Bool[Array, " _size"]]
    ) -> tuple[Array, Calibrated]:
        """Fit a sub-network to a task's examples without training.

        The examples must not be padded: padding would count in statistics and head.

        Returns:
          Its error (leave-one-out when recalibrated) and what it now carries.
        """
        recalibrate = self.mode == "recalibrated"
        features, statistics = self.graph.features(params, task.inputs, masks, recalibrate)
        head = self._prior(params, task)
        if recalibrate:
            head, logits = ridge_head(features, task.targets, head, self.penalty)
        else:
            logits = features @ head.kernel + head.bias
        error = error_rate(logits, task.targets, task.valid)
        return error, Calibrated(statistics, head)

    def error(
        self, params: Any, task: TaskBatch, masks: list[Bool[Array, " _size"]], carried: Calibrated
    ) -> Float[Array, ""]:
        """Return a calibrated sub-network's error on other examples of its task."""
        leaves = named_leaves(params) | carried.statistics
        params = with_leaves(params, leaves)
        features, _ = self.graph.features(params, task.inputs, masks, estimate=False)
        logits = features @ carried.head.kernel + carried.head.bias
        return error_rate(logits, task.targets, task.valid)

    def untouched(self, params: Any, task: TaskBatch) -> Calibrated:
        """Return what the whole network carries: its own statistics and class rows."""
        leaves = named_leaves(params)
        statistics = {name: leaves[name] for name in self.graph.buffers}
        return Calibrated(statistics, self._prior(params, task))

    def _prior(self, params: Any, task: TaskBatch) -> RidgeHead:
        """Return the Jack's own rows for the task's classes, zero where the task has no class."""
        leaves = named_leaves(params)
        kernel, bias = leaves[self.graph.head.kernel], leaves[self.graph.head.bias]
        return RidgeHead(
            jnp.where(task.valid, kernel[:, task.classes], 0),
            jnp.where(task.valid, bias[task.classes], 0),
        )

    def _with_costs(self, error: Array, task: TaskBatch, masks: list[Array]) -> Array:
        kept = jnp.stack([mask.sum() for mask in masks])
        counts = self.graph.counts(kept, task.valid.sum(), jnp)
        costs = self.graph.costs.approximate(counts)
        row = jnp.stack([error, *(costs[name] for name in COSTS)])
        return jnp.where(jnp.isfinite(error), row, jnp.inf)
