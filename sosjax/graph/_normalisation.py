"""Which leaves are the moments of BatchNorm: found in how the network reads them."""

from ._alias import fixed_values, scaled_leaves
from ._equation import Equation
from ._head import Statistics
from ._program import Program

_LAYOUT = frozenset(
    ["broadcast_in_dim", "reshape", "transpose", "convert_element_type", "copy", "stop_gradient"]
)
_ROOTS = ("rsqrt", "sqrt")


def found_statistics(program: Program) -> tuple[Statistics, ...]:
    """Return the means and variances that activations are normalised by, in the order of names.

    A mean is a leaf that is subtracted from an activation; its variance is the leaf whose root,
    a constant added, divides that difference: `(x - mean) / sqrt(variance + epsilon)`, or times
    `rsqrt`, whatever leaves scale either.
    """
    reader = _Reader(program)
    for equation in program.region.equations:
        reader.read(equation)
    pairs = sorted(reader.pairs.items(), key=lambda pair: pair[0].split("/"))
    return tuple(Statistics(*pair) for pair in pairs)


class _Reader:
    """What values are made of, equation by equation."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.leaves = {number: one.leaf for number, one in scaled_leaves(program).items()}
        """Leaves, their axes moved about and perhaps scaled: equinox takes a bias off moments."""
        self.fixed = fixed_values(program)
        """Values that no input has a part in."""
        self.shifted: dict[int, str] = {}
        """Variances, a constant added: value -> leaf."""
        self.roots: dict[int, str] = {}
        """Roots of such, scaled by leaves: value -> leaf."""
        self.gaps: dict[int, str] = {}
        """Activations less a mean: value -> leaf of the mean."""
        self.pairs: dict[str, str] = {}

    def read(self, equation: Equation) -> None:
        """Note what an equation writes."""
        reads, name = equation.reads, equation.name
        if len(equation.writes) != 1 or not reads:
            return
        write = equation.writes[0]
        if name in ("add", "max") and (leaf := self._beside_constant(reads)) is not None:
            self.shifted[write] = leaf
        elif name in _LAYOUT:
            for kind in (self.shifted, self.roots, self.gaps):
                if reads[0] in kind:
                    kind[write] = kind[reads[0]]
        elif name in _ROOTS and reads[0] in self.shifted:
            self.roots[write] = self.shifted[reads[0]]
        elif name == "sub" and reads[1] in self.leaves and reads[0] not in self.fixed:
            self.gaps[write] = self.leaves[reads[1]]
        elif name in ("mul", "div"):
            self._scaled(reads, write)

    def _beside_constant(self, reads: tuple[int, ...]) -> str | None:
        """Return the leaf that a constant is added to, if there is nothing else."""
        leaves = [self.leaves.get(one) or self.shifted.get(one) for one in reads]
        known = [leaf for leaf in leaves if leaf is not None]
        constants = sum(number in self.program.constants for number in reads)
        return known[0] if len(known) == constants == 1 else None

    def _scaled(self, reads: tuple[int, ...], write: int) -> None:
        """Note a product or quotient: of a gap and a root it is a normalised activation."""
        for one, other in (reads, reads[::-1]):
            if one in self.gaps and other in self.roots:
                mean, variance = self.gaps[one], self.roots[other]
                sizes = {self.program.shape(self.program.leaves[leaf]) for leaf in (mean, variance)}
                if len(sizes) == 1 and len(sizes.pop()) == 1:
                    self.pairs.setdefault(mean, variance)
                return
        for kind in (self.gaps, self.roots):
            for one, other in (reads, reads[::-1]):
                if one in kind and other in self.fixed:
                    kind[write] = kind[one]
