"""The one fitness kernel: genotypes of all tasks -> masks -> costs, weights shared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import optax

from .._errors import require_known, require_number
from .._tree import named_leaves, with_leaves
from .._types import Array, Bool, Float
from ..environments._environment import LATENCY
from ..graph._cost import COSTS
from ..graph._subject import Subject
from ..space._encoding import AbstractEncoding
from ..space._importance import MEASURED
from ..tasks._dataset import KINDS
from ._batch import TaskBatch
from ._compensation import FITS, made_good, task_moments
from ._divergence import as_shares, divergence
from ._error import cross_entropy, entropy, error_rate, unexplained
from ._rankings import task_scores
from ._ridge import RidgeHead, ridge_head
from ._token_error import SENTENCES, token_judged

JUDGEMENTS = ("error", "divergence")
OBJECTIVES = ("error", *COSTS, "divergence", LATENCY)
"""The columns of `Kernel.costs`; the last two only if they are asked for."""
MODES = ("recalibrated", "raw", *FITS)
PENALTY = 0.05
"""The ridge penalty of heads that lean on the network's own rows, as a share of the mean feature's
variance; see `Kernel.solved` for the others."""
PENALTIES = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Ridge penalties that a head without rows of the network's own is fitted with."""
ROWS = 256
"""Examples that go through the network side by side where they do not depend on each other."""
CHUNK = 8
"""Sub-networks side by side on an accelerator, if nothing was said or found out."""


class Calibrated(NamedTuple):
    """What a sub-network carries with it besides its masks, and the weights that follow from these.

    Attributes:
      statistics: the normalisations' moments, by leaf path, at full size.
      head: the head over the full features; `None` where the network has none.
    """

    statistics: dict[str, Array]
    head: RidgeHead | None


@final
@dataclass(frozen=True)
class Kernel:
    """Judges sub-networks of one network. Pure functions; whoever calls them jits them.

    Masks lie on activations, where units are consumed, so that the weights are shared by the
    whole population and what precedes the first mask is computed once for all. On a CPU, where
    candidates come one after the other, each runs at little more than its own width.

    Errors are shares, 0 for a network that is right: of wrong examples; of the variance that is
    not explained; of the cross-entropy that equal odds have.

    Attributes:
      graph: the network.
      encoding: what a genotype means.
      mode: `"recalibrated"`: the statistics are estimated on the batch for each candidate and the
        head is fitted to it in closed form, with leave-one-out error; `"compensated"`: before that,
        what is kept makes up for what is removed by least squares; `"rescaled"`: or is scaled to
        the power that products had; `"raw"`: the Jack's own statistics and head, as Choong et al.
        (2023, arXiv 2205.00671) did.
      kind: what is asked: `"classes"`, `"values"` or `"tokens"`.
      own: whether some task has rows of the network's own head.
      compare: whether candidates are compared with the whole network, by divergence.
      chunk: candidates side by side on an accelerator: more is faster and takes more memory. A CPU
        takes them one at a time, which is faster there (a folded batch falls out of the caches).
      whole: whether nothing is ever removed, so that there is no width of one's own to run at.
    """

    graph: Subject
    encoding: AbstractEncoding
    mode: str = "recalibrated"
    kind: str = "classes"
    own: bool = True
    compare: bool = False
    chunk: int = CHUNK
    whole: bool = False

    def __post_init__(self) -> None:
        require_known("search.fitness", self.mode, MODES)
        require_known("kind", self.kind, KINDS)
        require_number("search.chunk", self.chunk, 1, whole=True)

    @property
    def lanes(self) -> int | None:
        """Candidates side by side on this backend; `None`: one after the other.

        So it is on a CPU, where the sets do not depend on the chunk. Side by side, sums are taken
        in another order: an example whose two best logits differ in the last bit may change sides.
        """
        return None if jax.default_backend() == "cpu" else self.chunk

    @property
    def narrow(self) -> bool:
        """Whether candidates run at their own width."""
        return self.lanes is None and not self.whole

    @property
    def _token_judged(self) -> Callable[..., tuple[Array, Array]]:
        return partial(token_judged, self.graph, self.narrow, self.compare)

    def solved(self, params: Any, batch: TaskBatch) -> TaskBatch:
        """Solve a head for the whole network on every task's examples, and say how it was fitted.

        The penalty is the one of `PENALTIES` with the least leave-one-out squared error: without
        rows of the network to lean on, it depends on the number of examples and features. Tasks
        with own rows keep `PENALTY`.

        Returns:
          The batch with heads [T, F, C] and [T, C], and penalties [T].
        """
        masks = [jnp.ones(size, bool) for size in self.graph.sizes]

        def one(task: TaskBatch) -> tuple[RidgeHead, Array]:
            features, _ = self._features(params, task, masks, estimate=False)

            def fit(penalty: Array) -> tuple[RidgeHead, Array]:
                head, left_out = ridge_head(features, task.targets, None, penalty, task.real)
                square = jnp.where(task.valid, (left_out - task.targets) ** 2 / task.scale, 0)
                rows = square.sum(-1)
                return head, (rows if task.real is None else rows * task.real).sum()

            penalties = jnp.asarray(PENALTIES)
            heads, errors = jax.lax.map(fit, penalties)
            best = jnp.argmin(errors)
            penalty = jnp.where(task.own, PENALTY, penalties[best])
            return jax.tree.map(lambda leaf: leaf[best], heads), penalty

        heads, penalty = jax.lax.map(one, batch)
        return batch._replace(solved=heads, penalty=penalty)

    def moments(self, params: Any, task: TaskBatch, key: Array) -> dict[str, Array]:
        """Return what compensation has to know of each site, [F, F] by its leaf."""
        weights = jnp.ones(len(task.inputs)) if task.real is None else task.real
        if self.kind == "tokens":
            weights = weights[:, None] * (task.targets >= 0)
        return task_moments(self.graph, params, task.inputs, weights, self.side_by_side // 4, key)

    def jacks(self, params: Any, batch: TaskBatch) -> Array | None:
        """Return what the whole network says of the examples, judged as candidates are."""
        if self.kind == "tokens":
            return None  # as many as the vocabulary for every token: computed when asked
        masks = [jnp.ones(size, bool) for size in self.graph.sizes]
        return jax.lax.map(lambda task: self._said(self._fit(params, task, masks)[0], task), batch)

    def scores(
        self, params: Any, batch: TaskBatch, names: Sequence[str] = MEASURED
    ) -> dict[str, list[Array]]:
        """Score the units of every group on each task's examples, in one pass over them.

        Args:
          params: the full parameters.
          batch: the search data.
          names: some of `"taylor"`, `"fisher"`, `"activation"`.

        Returns:
          By name, float32 [T, size] for each group; larger is more important.
        """

        def one(task: TaskBatch) -> dict[str, list[Array]]:
            kernel = None if self.kind == "tokens" else self._head(params, task).kernel
            loss = partial(self._loss, params, task)
            rows = self.side_by_side // 4
            return task_scores(self.graph, params, task, kernel, loss, rows, names)

        return jax.lax.map(one, batch)

    def costs(
        self, params: Any, batch: TaskBatch, rankings: list[Array], genotypes: Float[Array, "T N D"]
    ) -> Float[Array, "T N K"]:
        """Judge every genotype on the task of its row.

        Args:
          params: the full parameters.
          batch: the search data.
          rankings: what the encoding decodes over, for all tasks.
          genotypes: N for each task.

        Returns:
          Error, parameters, bytes and FLOPs of each, and its divergence if that is asked; all
          infinite where the error is not finite.
        """

        def one_task(row: Any) -> Array:
            task, places, genes = row

            def one(genotype: Array) -> Array:
                masks = self.encoding.decode(genotype, places)
                return self._with_costs(*self.judged(params, task, masks), task, masks)

            return jax.lax.map(one, genes, batch_size=self.lanes)

        # Tasks one after the other: their examples differ, so nothing could be shared, and memory
        # stays that of one chunk.
        return jax.lax.map(one_task, (batch, rankings, genotypes))

    def calibrate(
        self, params: Any, task: TaskBatch, masks: list[Bool[Array, " _size"]]
    ) -> tuple[Array, Calibrated]:
        """Fit a sub-network to a task's examples without training.

        Returns:
          Its error (leave-one-out when recalibrated) and what it now carries.
        """
        if self.kind == "tokens":
            # Nothing is fitted, so that the examples need not be seen together.
            error, _ = self._token_judged(params, self.adapted(params, task, masks), task, masks)
            return error, Calibrated(self._own(params), None)
        outputs, carried = self._fit(params, task, masks)
        return self._error(outputs, task), carried

    def error(
        self, params: Any, task: TaskBatch, masks: list[Bool[Array, " _size"]], carried: Calibrated
    ) -> Float[Array, ""]:
        """Return a calibrated sub-network's error on other examples of its task.

        Args:
          params: the parameters that are its own: see `adapted`.
          task: the examples.
          masks: of groups, and perhaps of blocks.
          carried: what it carries.
        """
        if carried.head is None:
            params = with_leaves(params, named_leaves(params) | carried.statistics)
            return self._token_judged(params, params, task, masks)[0]
        return self._error(self.answers(params, task, masks, carried), task)

    def marks(
        self, params: Any, task: TaskBatch, masks: list[Array], carried: Calibrated
    ) -> tuple[Array, Array]:
        """Return the error, and the cross-entropy of classes, else the error again; see `error`."""
        if self.kind != "classes":
            error = self.error(params, task, masks, carried)
            return error, error
        outputs = self.answers(params, task, masks, carried)
        return self._error(outputs, task), entropy(outputs, task.targets, task.valid, task.real)

    def answers(
        self, params: Any, task: TaskBatch, masks: list[Array], carried: Calibrated
    ) -> Float[Array, "B *C"]:
        """Return what a calibrated sub-network says of every example; see `error`."""
        params = with_leaves(params, named_leaves(params) | carried.statistics)
        features, _ = self._features(params, task, masks, estimate=False)
        if carried.head is None:
            return features
        return features @ carried.head.kernel + carried.head.bias

    def weights(
        self, params: Any, task: TaskBatch, masks: list[Bool[Array, " _size"]]
    ) -> dict[str, Array]:
        """Return the weights that follow from the masks, by leaf path at full size."""
        if self.mode not in FITS:
            return {}
        assert task.known is not None
        return made_good(FITS[self.mode], self.graph.sites().found, params, masks, task.known)

    def untouched(self, params: Any, task: TaskBatch) -> Calibrated:
        """Return what the whole network carries: its own statistics, and the task's head."""
        head = None if self.kind == "tokens" else self._head(params, task)
        return Calibrated(self._own(params), head)

    def outputs(self, params: Any, batch: TaskBatch) -> Float[Array, "T B *C"]:
        """Return what the whole network says of every example, by each task's head."""
        masks = [jnp.ones(size, bool) for size in self.graph.sizes]

        def one(task: TaskBatch) -> Array:
            return self.answers(params, task, masks, self.untouched(params, task))

        return jax.lax.map(one, batch)

    @property
    def side_by_side(self) -> int:
        """Examples of a sub-network at once where they do not depend on each other."""
        return SENTENCES if self.kind == "tokens" else ROWS

    def adapted(self, params: Any, task: TaskBatch, masks: list[Array]) -> Any:
        """Return the full parameters with the weights that follow from the masks."""
        return with_leaves(params, named_leaves(params) | self.weights(params, task, masks))

    def _fit(self, params: Any, task: TaskBatch, masks: list[Array]) -> tuple[Array, Calibrated]:
        """Return a sub-network's outputs for a task's examples, and what it carries."""
        refit = self.mode != "raw"
        params = self.adapted(params, task, masks)
        features, statistics = self._features(params, task, masks, refit)
        if refit:
            prior = self._rows(params, task)
            penalty = PENALTY if task.penalty is None else task.penalty
            head, outputs = ridge_head(features, task.targets, prior, penalty, task.real)
        else:
            head = self._head(params, task)
            outputs = features @ head.kernel + head.bias
        return outputs, Calibrated(statistics, head)

    def judged(self, params: Any, task: TaskBatch, masks: list[Array]) -> tuple[Array, Array]:
        """Return a sub-network's error and its divergence, zero where it is not asked."""
        if self.kind == "tokens":
            return self._token_judged(params, self.adapted(params, task, masks), task, masks)
        outputs, _ = self._fit(params, task, masks)
        return self._error(outputs, task), self._divergence(outputs, task)

    def _own(self, params: Any) -> dict[str, Array]:
        leaves = named_leaves(params)
        return {name: leaves[name] for name in self.graph.buffers}

    def _features(
        self, params: Any, task: TaskBatch, masks: list[Array], estimate: bool
    ) -> tuple[Array, dict[str, Array]]:
        """Return the features of all examples, in parts unless statistics need them together."""
        narrow = self.narrow
        if estimate and self.graph.statistics:
            return self.graph.features(params, task.inputs, masks, True, task.real, narrow)

        def one(row: Array) -> Array:
            return self.graph.features(params, row[None], masks, False, narrow=narrow)[0][0]

        if len(task.inputs) <= ROWS:
            features, _ = self.graph.features(params, task.inputs, masks, False, narrow=narrow)
            return features, self._own(params)
        return jax.lax.map(one, task.inputs, batch_size=ROWS), self._own(params)

    def _rows(self, params: Any, task: TaskBatch) -> RidgeHead | None:
        """Return the Jack's own rows for the task's outputs, zero where there is none."""
        if not self.own or self.graph.head is None:
            return None
        leaves, valid = named_leaves(params), task.valid & task.own
        kernel, bias = leaves[self.graph.head.kernel], leaves[self.graph.head.bias]
        return RidgeHead(
            jnp.where(valid, kernel[:, task.classes], 0), jnp.where(valid, bias[task.classes], 0)
        )

    def _head(self, params: Any, task: TaskBatch) -> RidgeHead:
        """Return the whole network's head for a task: its own rows, or what was solved for it."""
        rows = self._rows(params, task)
        if rows is None or task.solved is None:
            head = task.solved if rows is None else rows
            assert head is not None
            return head
        return jax.tree.map(partial(jnp.where, task.own), rows, task.solved)

    def _loss(self, params: Any, task: TaskBatch, outputs: Array, targets: Array) -> Array:
        """Return what a ranking differentiates, of one example."""
        if self.kind == "tokens":
            return cross_entropy(outputs, targets)[0].sum()
        head = self._head(params, task)
        logits = outputs @ head.kernel + head.bias
        square = jnp.where(task.valid, (logits - targets) ** 2 / task.scale, 0).sum()
        if self.kind == "values":
            return square
        entropy = optax.softmax_cross_entropy(jnp.where(task.valid, logits, -1e9), targets).sum()
        # A head in closed form has least squares behind it, and its outputs are no log odds.
        return entropy if task.solved is None else jnp.where(task.own, entropy, square)

    def _error(self, outputs: Array, task: TaskBatch) -> Array:
        if self.kind == "values":
            return unexplained(outputs, task.targets, task.valid, task.scale, task.real)
        return error_rate(outputs, task.targets, task.valid, task.real)

    def _said(self, outputs: Array, task: TaskBatch) -> Array:
        """Return outputs as the shares that they stand for; values are values."""
        if self.kind == "values":
            return outputs
        return as_shares(outputs, task.valid, task.own & (self.mode == "raw"))

    def _divergence(self, outputs: Array, task: TaskBatch) -> Array:
        if not self.compare:
            return jnp.zeros(())
        assert task.jack is not None
        if self.kind == "values":
            rows = jnp.ones(len(outputs)) if task.real is None else task.real
            scale = jnp.cov(task.jack, rowvar=False, bias=True, aweights=rows)
            scale = jnp.maximum(jnp.diag(jnp.atleast_2d(scale)), 1e-12)
            return unexplained(outputs, task.jack, task.valid, scale, task.real)
        return divergence(task.jack, self._said(outputs, task), task.valid, task.real)

    def _with_costs(self, error: Array, apart: Array, task: TaskBatch, masks: list[Array]) -> Array:
        kept = jnp.stack([mask.sum() for mask in masks])
        counts = self.graph.counts(kept, task.valid.sum(), jnp)
        costs = self.graph.costs.approximate(counts)
        latency = [costs[name] for name in self.graph.costs.further]
        own = [apart] * bool(self.compare or latency)
        row = jnp.stack([error, *(costs[name] for name in COSTS), *own, *latency])
        return jnp.where(jnp.isfinite(error) & jnp.isfinite(apart), row, jnp.inf)
