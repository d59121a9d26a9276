"""What a search finds out of the whole network once, for compensation and the surgeon's scores."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..fitness._batch import TaskBatch
from ..fitness._compensation import Moments, factorised
from ..fitness._kernel import Kernel
from ..fitness._surgeon import surgeon_scores


class Study(NamedTuple):
    """What is known of the sites.

    Attributes:
      known: the moments of each site for every task, [T, ...] by its leaf; `None` if not asked.
      scores: the surgeon's, float32 [T, size] for each group, `None` for groups without a site;
        `None` if not asked.
    """

    known: dict[str, Moments] | None
    scores: list[Array | None] | None


def study(
    kernel: Kernel, params: Any, batch: TaskBatch, seed: int, known: bool, scores: bool
) -> Study:
    """Look at every task's examples with the whole network.

    Args:
      kernel: of the network.
      params: the full parameters.
      batch: the examples.
      seed: of the random sums of outputs.
      known: whether moments are asked.
      scores: whether scores are.
    """
    sites, sizes = kernel.graph.sites().found, kernel.graph.sizes

    def one(number: int) -> tuple[Any, Any]:
        # One task at a time: a network's moments are larger than its weights.
        asked = params, batch, jnp.int32(number), jax.random.key(seed)
        found = jax.device_get(_moments(kernel, *asked))
        written = {leaf: factorised(each) for leaf, each in found.items()} if known else None
        return written, surgeon_scores(sites, params, found, sizes) if scores else None

    rows = [one(number) for number in range(len(batch.inputs))]
    written, scored = zip(*rows, strict=True)
    if not scores:
        return Study(_stacked(written), None)
    each = zip(*scored, strict=True)
    stacked = [None if group[0] is None else jnp.asarray(np.stack(group)) for group in each]
    return Study(_stacked(written) if known else None, stacked)


@partial(jax.jit, static_argnums=0)
def _moments(kernel: Kernel, params: Any, batch: TaskBatch, number: Array, key: Array) -> Any:
    return kernel.moments(params, batch.task(number), key)


def _stacked(rows: Any) -> Any:
    return jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *rows))
