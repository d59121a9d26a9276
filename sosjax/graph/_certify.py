"""Does the shrunk network do what the masked one does, and still so when it was exported?"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from .._errors import require
from ._layout import Rules
from ._memory import network_costs
from ._shrink import Shrunk
from ._traced import traced

TOLERANCE = {"float32": 1e-4, "bfloat16": 1e-1}
"""The relative difference that rounding explains, by type."""


@final
@dataclass(frozen=True)
class Gap:
    """How far apart the outputs of two networks are.

    Attributes:
      absolute: the largest difference of any output.
      relative: the same, divided by the largest absolute output of the masked network.
    """

    absolute: float
    relative: float

    def __str__(self) -> str:
        """Return both numbers."""
        return f"{self.absolute:.1e} (relative {self.relative:.1e})"


@final
@dataclass(frozen=True)
class Certificate:
    """What was compared with the masked network, and what was counted in the shrunk one.

    Attributes:
      shrunk: how far the shrunk network is from the masked one, by type of the numbers.
      exported: the same for the shrunk network written by `jax.export` and read again.
      examples: how many inputs were compared: the size of their first axis.
      parameters: counted in the shrunk arrays: numbers of floating leaves.
      bytes: counted in the shrunk arrays.
      flops: counted in the shrunk network's own trace, for one example.
      reloaded: for each exported file the largest absolute difference of any output when a fresh
        process loads it again; empty before files are written.
      failed: why formats that were asked for could not be written, in a sentence each.
      skipped: why nothing was compared in a type, in which the whole network does not run.
    """

    shrunk: dict[str, Gap]
    exported: dict[str, Gap]
    examples: int
    parameters: int
    bytes: int
    flops: int
    reloaded: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every difference is one that rounding explains."""
        gaps = [*self.shrunk.items(), *self.exported.items()]
        return all(gap.relative <= TOLERANCE[dtype] for dtype, gap in gaps)

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Certificate":
        """Return the certificate that `dataclasses.asdict` made this of."""
        gaps: dict[str, Any] = {
            key: {dtype: Gap(**gap) for dtype, gap in content[key].items()}
            for key in ("shrunk", "exported")
        }
        return cls(**(content | gaps))

    def __str__(self) -> str:
        """Return what was found, in words."""
        lines = [
            f"{dtype}: masked and shrunk differ by at most {gap}, exported {self.exported[dtype]}"
            for dtype, gap in self.shrunk.items()
        ]
        lines += [f"{dtype}: not compared, {why}" for dtype, why in self.skipped.items()]
        if self.reloaded:
            gaps = ", ".join(f"{name} {gap:.1e}" for name, gap in self.reloaded.items())
            lines.append(f"loaded again by a fresh process: {gaps}")
        lines += [f"not written as {name}: {why}" for name, why in self.failed.items()]
        counted = (
            f"{self.parameters:,} parameters, {self.bytes:,} bytes and {self.flops:,} FLOPs, "
            f"counted in it; {self.examples} inputs"
        )
        return "\n".join([*lines, counted])


Run = Callable[[Any, tuple[Any, ...]], Any]
"""From parameters and inputs to outputs."""


def certify(
    masked: Run, small: Shrunk, params: Any, inputs: Sequence[Any], buffers: Sequence[str] = ()
) -> Certificate:
    """Compare a masked network with its shrunk one, and count what is left.

    Args:
      masked: the masked network.
      small: the shrunk one.
      params: the full parameters.
      inputs: example inputs; the first axis of the first is that of examples.
      buffers: floating leaves that are no parameters.
    """
    # Accelerators multiply float32 in fewer bits unless told otherwise.
    with jax.default_matmul_precision("highest"):
        shrunk, exported, skipped = _compare(masked, small, params, inputs)
    network = traced(small.apply, small.params, inputs, Rules())
    sizes = [group.size for group in network.layout.groups]
    kept = np.array([*sizes, *(1 for _ in network.branches)], np.int64)
    costs = network_costs(network, buffers).exact(kept)
    examples = int(np.shape(jax.tree.leaves(tuple(inputs))[0])[0])
    return Certificate(
        shrunk,
        exported,
        examples,
        int(costs["parameters"]),
        int(costs["bytes"]),
        int(costs["flops"]) // examples,
        skipped=skipped,
    )


def _compare(
    masked: Run, small: Shrunk, params: Any, inputs: Sequence[Any]
) -> tuple[dict[str, Gap], dict[str, Gap], dict[str, str]]:
    """Run the masked, the shrunk and the exported network in every type that it runs in."""
    gaps: tuple[dict[str, Gap], dict[str, Gap]] = {}, {}
    skipped: dict[str, str] = {}
    for dtype in TOLERANCE:
        rows = _cast(tuple(inputs), dtype)
        if dtype != "float32":
            try:
                jax.eval_shape(masked, _cast(params, dtype), rows)
            except Exception as error:  # of the user's own code, whose words alone are told
                said = re.split(r", got (?=\w+ at )", str(error))[-1]
                skipped[dtype] = f"since the network does not run in it: {said.rstrip('.')}"
                continue
        leaves, structure = jax.tree.flatten((_cast(small.params, dtype), rows))
        wanted = jax.jit(masked)(_cast(params, dtype), rows)

        def function(*leaves: Any, structure: Any = structure) -> Any:
            params, rows = jax.tree.unflatten(structure, leaves)
            return jax.tree.leaves(small.apply(params, *rows))

        # Flat leaves: what is exported must not depend on the classes of somebody's pytree.
        program = export.export(jax.jit(function))(*leaves)
        read = export.deserialize(bytearray(program.serialize()))
        gaps[0][dtype] = _gap(wanted, jax.jit(function)(*leaves))
        gaps[1][dtype] = _gap(wanted, read.call(*leaves))
    return *gaps, skipped


def _cast(tree: Any, dtype: str) -> Any:
    def one(leaf: Any) -> Any:
        leaf = leaf if hasattr(leaf, "dtype") else jnp.asarray(leaf)
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(one, tree)


def _gap(wanted: Any, came: Any) -> Gap:
    wide = partial(np.asarray, dtype=np.float64)
    ones, others = ([*map(wide, jax.tree.leaves(tree))] for tree in (wanted, came))
    for one in ones:
        require(
            np.isfinite(one).all(), "`inputs` must give finite outputs, got NaN or infinite ones."
        )
    # numpy's maximum, and not Python's: that of NaN must be NaN.
    gaps = [np.abs(one - other).max(initial=0) for one, other in zip(ones, others, strict=True)]
    absolute = float(np.max(gaps, initial=0))
    largest = float(np.max([np.abs(one).max(initial=0) for one in ones], initial=0))
    return Gap(absolute, absolute / max(largest, 1e-30))
