"""The same population in PyTorch, as one would write it there. All of it is prepared untimed."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from ..torch_resnet import as_torch
from ._work import Work

EAGER, COMPILED = "PyTorch, one by one", "PyTorch, compiled, one by one"
VMAP, PRUNED = "PyTorch, vmap", "PyTorch, pruned copies, one by one"
DENSE = (EAGER, COMPILED, VMAP)
"""Ways that run all of the network for every sub-network."""


class Ways:
    """The ways, by name what gives the logits of all sub-networks, [P, B, C].

    A sub-network at full size is the network with weights that are zero where units are gone (its
    normalisations' as well), so that no operation is added for masks.
    """

    def __init__(self, work: Work, chunk: int, compiled: bool) -> None:
        """Prepare all of them.

        Args:
          work: what is judged.
          chunk: sub-networks side by side under `vmap`.
          compiled: whether `torch.compile` takes part: it needs a C++ compiler.
        """
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.images = work.inputs.ndim == 4
        inputs = as_torch(work.inputs) if self.images else torch.tensor(work.inputs).long()
        self.inputs, numbers = self._placed(inputs), range(work.candidates)
        kept = [[int(mask.sum()) for mask in work.row(number)] for number in numbers]
        sizes = work.jat.graph.sizes
        whole = [self._module(work, work.zeroed(number), sizes) for number in numbers]
        self.network, self.states = whole[0], [_state(module) for module in whole]
        pruned = [self._module(work, work.cut(number), kept[number]) for number in numbers]
        self.found: dict[str, Callable[[], np.ndarray]] = {
            EAGER: lambda: _together([self._call(state) for state in self.states]),
            PRUNED: lambda: _together([module(self.inputs) for module in pruned]),
        }
        if compiled:
            call = torch.compile(self._call)
            self.found[COMPILED] = lambda: _together([call(state) for state in self.states])
        stacked = {name: torch.stack([one[name] for one in self.states]) for name in self.states[0]}
        many = torch.vmap(self._call, chunk_size=chunk)

        def side_by_side() -> np.ndarray:
            # The fused attention has no rule for batches, and would be called one by one.
            with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
                return many(stacked).float().cpu().numpy()

        self.found[VMAP] = side_by_side

    def _call(self, state: dict[str, Any]) -> Any:
        return torch.func.functional_call(self.network, state, (self.inputs,))

    def _module(self, work: Work, leaves: dict[str, np.ndarray], kept: Sequence[int]) -> Any:
        leaves = jax.tree.map(np.asarray, leaves)
        return self._placed(work.module(leaves, kept).eval().requires_grad_(False))

    def _placed(self, one: Any) -> Any:
        if self.images:  # the layout that convolutions are fastest in
            return one.to(self.device, memory_format=torch.channels_last)
        return one.to(self.device)


def _state(module: Any) -> dict[str, Any]:
    return dict(module.named_parameters()) | dict(module.named_buffers())


def _together(logits: Sequence[Any]) -> np.ndarray:
    return torch.stack(list(logits)).float().cpu().numpy()
