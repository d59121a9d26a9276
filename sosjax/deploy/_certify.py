"""Does the shrunk network do what the masked one did, at the costs the search used?"""

from dataclasses import dataclass, field
from typing import final

import jax
import numpy as np

from .._errors import require
from .._tree import named_leaves, with_leaves
from ..models._jat import Jat
from ..sets._member import Member
from ._network import Network

TOLERANCE = 1e-4


@final
@dataclass(frozen=True)
class Certificate:
    """What was compared.

    Attributes:
      difference: largest absolute difference of any logit, masked against shrunk.
      examples: how many inputs were compared.
      parameters: counted in the shrunk arrays.
      bytes: counted in the shrunk arrays.
      flops: counted in the shrunk network's own trace.
      reloaded: for each exported file the largest absolute difference of any logit when a fresh
        process loads it again; empty before an export.
    """

    difference: float
    examples: int
    parameters: int
    bytes: int
    flops: int
    reloaded: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return what was found, in words."""
        found = f"masked and shrunk differ by at most {self.difference:.1e}"
        if self.reloaded:
            gaps = ", ".join(f"{name} {gap:.1e}" for name, gap in self.reloaded.items())
            found += f", loaded again by a fresh process: {gaps} ({self.examples} inputs)"
        return (
            f"{found}; {self.parameters:,} parameters, {self.bytes:,} bytes and "
            f"{self.flops:,} FLOPs, as searched"
        )


def certify(jat: Jat, member: Member, network: Network, inputs: np.ndarray) -> Certificate:
    """Compare a shrunk network with the masked one, and its costs with the search's.

    Args:
      jat: the whole network.
      member: the member.
      network: from `shrink`.
      inputs: examples [B, ...] to compare on.

    Returns:
      The certificate.

    Raises:
      RuntimeError: outputs differ by more than 1e-4 or a count differs. That is a fault of
        sosjax or of the declared groups, never of the member.
    """
    graph = jat.graph
    leaves = member.leaves(named_leaves(jat.params), graph.head.kernel, graph.head.bias)
    # Accelerators multiply float32 in fewer bits unless told otherwise.
    with jax.default_matmul_precision("highest"):
        masked = jax.jit(graph.logits)(with_leaves(jat.params, leaves), inputs, member.masks)
        difference = float(np.abs(np.asarray(masked) - np.asarray(network(inputs))).max())
    certificate = Certificate(
        difference,
        len(inputs),
        network.parameters(frozenset(graph.buffers)),
        network.bytes(),
        network.flops(graph.inputs.shape),
    )
    counted = {name: getattr(certificate, name) for name in member.scores.costs}
    if not difference <= TOLERANCE or counted != member.scores.costs:
        raise RuntimeError(
            f"The shrunk network is not what the search judged: outputs differ by {difference:.2e} "
            f"(at most {TOLERANCE:.0e} wanted), costs {counted} for {member.scores.costs}."
        )
    return certificate


def check_inputs(jat: Jat, count: int = 8, seed: int = 0) -> np.ndarray:
    """Return random inputs [count, ...] in [0, 1) to compare networks on."""
    shape = (count, *jat.graph.inputs.shape)
    require(count >= 1, f"`count` must be at least 1, got {count}.")
    return np.random.default_rng(seed).random(shape, np.float32)
