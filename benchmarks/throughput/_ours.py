"""The population in sosjax: one program, weights shared."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from sosjax._tree import named_leaves
from sosjax.fitness._placement import everywhere, population_mesh, spread

from ._work import Work

MASKED, OWN = "sosjax, masks", "sosjax, own width"
SHARED, SHARED_OWN = (f"{name}, a device a core" for name in (MASKED, OWN))


def ways(work: Work, chunk: int) -> dict[str, Callable[[], np.ndarray]]:
    """Return by name what gives the logits of all sub-networks, [P, B, C].

    Args:
      work: what is judged.
      chunk: sub-networks side by side on an accelerator; a CPU takes them one at a time.
    """
    graph, head = work.jat.graph, work.jat.graph.head
    assert head is not None
    on_cpu, every = jax.default_backend() == "cpu", population_mesh()
    alone = Mesh(every.devices[:1], every.axis_names)

    @partial(jax.jit, static_argnums=(0, 1))
    def logits(narrow: bool, mesh: Mesh, params: Any, inputs: Any, masks: list[Any]) -> Any:
        def all_of(params: Any, inputs: Any, masks: list[Any]) -> Any:
            leaves = named_leaves(params)

            def one(masks: list[Any]) -> Any:
                features, _ = graph.features(params, inputs, masks, False, narrow=narrow)
                return features @ leaves[head.kernel] + leaves[head.bias]

            rows = [mask[0] for mask in masks]
            return jax.lax.map(one, rows, batch_size=None if on_cpu else chunk)[None]

        return spread(all_of, (params, inputs), (masks,), mesh)[0]

    def way(narrow: bool, mesh: Mesh) -> Callable[[], np.ndarray]:
        given = work.jat.params, work.inputs, [mask[None] for mask in work.masks]
        given = everywhere(jax.tree.map(jnp.asarray, given), mesh)
        return lambda: np.asarray(logits(narrow, mesh, *given))

    found = {MASKED: way(False, alone)}
    if on_cpu:
        found |= {OWN: way(True, alone)}
    if every.size > 1:
        found |= {SHARED: way(False, every)}
    if on_cpu and every.size > 1:
        found |= {SHARED_OWN: way(True, every)}
    return found
