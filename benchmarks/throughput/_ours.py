"""The population in sosjax: one program, weights shared."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sosjax._tree import named_leaves

from ._work import Work

MASKED, OWN = "sosjax, masks", "sosjax, own width"


def ways(work: Work, chunk: int) -> dict[str, Callable[[], np.ndarray]]:
    """Return by name what gives the logits of all sub-networks, [P, B, C].

    Args:
      work: what is judged.
      chunk: sub-networks side by side on an accelerator; a CPU takes them one at a time.
    """
    graph, inputs = work.jat.graph, jnp.asarray(work.inputs)
    masks = [jnp.asarray(mask) for mask in work.masks]
    head = graph.head
    assert head is not None
    on_cpu = jax.default_backend() == "cpu"

    @partial(jax.jit, static_argnums=0)
    def logits(narrow: bool, params: Any, masks: list[Any], inputs: Any) -> Any:
        leaves = named_leaves(params)

        def one(masks: list[Any]) -> Any:
            features, _ = graph.features(params, inputs, masks, False, narrow=narrow)
            return features @ leaves[head.kernel] + leaves[head.bias]

        return jax.lax.map(one, masks, batch_size=None if on_cpu else chunk)

    def run(narrow: bool) -> np.ndarray:
        return np.asarray(logits(narrow, work.jat.params, masks, inputs))

    found = {MASKED: partial(run, False)}
    return found | ({OWN: partial(run, True)} if on_cpu else {})
