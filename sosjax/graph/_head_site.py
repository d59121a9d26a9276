"""Where a network multiplies by its classifier, however its code writes that."""

from typing import NamedTuple

from .._errors import listing, require
from ._alias import leaf_aliases
from ._equation import Equation
from ._head import Head
from ._program import Program


class HeadSite(NamedTuple):
    """The product of features with the head's kernel.

    Attributes:
      equation: the contraction.
      side: which of its operands the features are.
      summed: the features' axis that is summed over; the other one is the batch's.
      classes: the product's axis of classes.
    """

    equation: Equation
    side: int
    summed: int
    classes: int

    @property
    def features(self) -> int:
        """The number of the features' value."""
        return self.equation.reads[self.side]

    @property
    def product(self) -> int:
        """The number of the product's value."""
        return self.equation.writes[0]


def head_site(program: Program, head: Head) -> HeadSite:
    """Return the contraction that is the classifier.

    Raises:
      InputError: the head's kernel is used otherwise than for one product with features [B, F], or
        [F, B] as under a `vmap` over examples.
    """
    sites = _products(program, head.kernel)
    found = [one for one, axis in sites if axis == 0 and len(program.shape(one.product)) == 2]
    require(
        len(found) == len(sites) == 1,
        f"`head.kernel` {head.kernel!r} must be multiplied once with features [B, F], "
        f"got {len(sites)} uses.",
    )
    return found[0]


def is_turned(program: Program, head: Head) -> bool:
    """Return whether the kernel is [classes, features], as equinox and PyTorch keep it."""
    return [axis for _, axis in _products(program, head.kernel)] == [1]


def last_layer(program: Program) -> Head:
    """Return the head of a network that ends in a product with one leaf plus another.

    Raises:
      InputError: it ends otherwise.
    """
    aliases, shapes = leaf_aliases(program), [program.shape(one) for one in program.region.outputs]
    require(
        [len(shape) for shape in shapes] == [2],
        "`apply` must return logits of shape [B, classes] where `head` is 'last', got "
        f"{listing([list(shape) for shape in shapes]) or 'none'}.",
    )
    reads, _, last = _last_sum(program)
    biases = [aliases[read][0] for read in reads if read in aliases]
    products = [_producer(program, _origin(program, read, 1)[0]) for read in reads]
    kernels = [
        aliases[read][0]
        for one in products
        if one is not None and one.name == "dot_general"
        for read in one.reads
        if read in aliases
    ]
    require(
        len(biases) == len(kernels) == 1,
        "`head` 'last' must be there to be found: the network must end in features times a leaf "
        f"plus a leaf, got {last!r} last.",
    )
    return Head(kernels[0], biases[0])


def check_logits(program: Program, head: Head) -> None:
    """Refuse a network that changes its logits: candidates are judged on the head's own.

    Raises:
      InputError: the output is not features times kernel plus bias.
    """
    site, aliases = head_site(program, head), leaf_aliases(program)
    reads, classes, last = _last_sum(program)
    added = [aliases.get(number, ("",))[0] for number in reads]
    made = [_origin(program, number, classes) for number in reads]
    require(
        sorted(name == head.bias for name in added) == [False, True]
        and (site.product, site.classes) in made,
        "`apply` must return logits: features times `head.kernel` plus `head.bias` and nothing "
        f"after that, such as a softmax or a scale; got {last!r} last.",
    )


def _products(program: Program, kernel: str) -> list[tuple[HeadSite, int | None]]:
    """Return every contraction of a leaf with anything, and which axis of the leaf it sums over."""
    aliases, found = leaf_aliases(program), []
    for equation in program.region.equations:
        if equation.name != "dot_general":
            continue
        summed, batch = equation.params["dimension_numbers"]
        for side in (0, 1):
            leaf, axes = aliases.get(equation.reads[1 - side], ("", ()))
            if leaf == kernel:
                plain = len(axes) == 2 and [len(one) for one in (*summed, *batch)] == [1, 1, 0, 0]
                axis = axes[summed[1 - side][0]] if plain else None
                place = summed[side][0] if plain else 0
                found.append((HeadSite(equation, side, place, 1 - side), axis))
    return found


def _last_sum(program: Program) -> tuple[tuple[int, ...], int, str]:
    """Return what the output is the sum of, its axis of classes, and the last operation's name.

    Where the last operation is another one, that is the sum of nothing.
    """
    number, classes = _origin(program, program.output, 1)
    last = _producer(program, number)
    if last is None:
        return (), classes, "nothing"
    return last.reads if last.name == "add" else (), classes, last.name


def _producer(program: Program, number: int) -> Equation | None:
    return next((one for one in program.region.equations if number in one.writes), None)


def _origin(program: Program, number: int, axis: int) -> tuple[int, int]:
    """Return what a value is but for the order of its axes, and which axis of that `axis` is."""
    made = _producer(program, number)
    if made is None or made.name != "transpose":
        return number, axis
    return _origin(program, made.reads[0], made.params["permutation"][axis])
