"""Every family by name, and a network from what describes it."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

import jax
from flax import nnx

from .._errors import InputError, listing, require, require_known
from .._tree import named_leaves
from ..graph._head import Head
from ._bert import BERT
from ._efficientnet import EFFICIENTNET
from ._family import Family
from ._lstm import LSTM
from ._m2m100 import M2M100
from ._module import functional
from ._mpnet import MPNET
from ._new_head import with_new_head
from ._resnet import RESNET
from ._vit import VIT

_ALL = (BERT, EFFICIENTNET, LSTM, M2M100, MPNET, RESNET, VIT)
FAMILIES = {family.name: family for family in _ALL}

NAMED = {
    name: {"family": family.name, **options}
    for family in FAMILIES.values()
    for name, options in family.sizes.items()
}
"""Networks with a name of their own, by their description."""


def options_of(architecture: dict[str, Any]) -> Any:
    """Return the options of a network from its description.

    Args:
      architecture: `{"family": ..., option: value, ...}`, as JSON has it.

    Raises:
      InputError: the family or an option is unknown, or a value is not possible.
    """
    name = architecture.get("family", "")
    require_known("model.family", name, FAMILIES)
    values = {
        key: _hashable(value) for key, value in architecture.items() if key not in ("family",)
    }
    options = FAMILIES[name].options
    unknown = sorted(set(values) - set(options.__dataclass_fields__))
    require(
        not unknown,
        f"`model` must have options of {name!r} ({listing(options.__dataclass_fields__, 30)}), "
        f"got {listing(unknown)}.",
    )
    try:
        return options(**values)
    except TypeError as error:
        raise InputError(f"`model` must describe a {name!r} network, got: {error}.") from None


def architecture_of(family: Family, options: Any) -> dict[str, Any]:
    """Return what `options_of` reads."""
    return {"family": family.name, **asdict(options)}


class Built(NamedTuple):
    """A network without weights, as its files have it.

    Attributes:
      family: what it is one of.
      options: what makes it this one.
      apply: `apply(params, inputs)`.
      shapes: the parameters as `jax.ShapeDtypeStruct`.
      example: the shape and dtype of one input, without the batch.
    """

    family: Family
    options: Any
    apply: Callable[..., Any]
    shapes: dict[str, Any]
    example: jax.ShapeDtypeStruct

    @property
    def head(self) -> Head | None:
        """The family's head, if the options gave the network one."""
        head = self.family.head
        return head if head is not None and head.kernel in named_leaves(self.shapes) else None


def built(architecture: dict[str, Any]) -> Built:
    """Build a network without weights.

    Raises:
      InputError: the description is none of a network.
    """
    options, family = options_of(architecture), FAMILIES[architecture["family"]]
    try:
        apply, shapes = functional(lambda: family.build(options, nnx.Rngs(0)))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"`model` must be a network that can be built, got: {error}") from error
    return Built(family, options, apply, shapes, family.example(options))


def network_from(architecture: dict[str, Any]) -> tuple[Callable[..., Any], Any]:
    """Build a network again from its description, with a new head where it ends in features.

    Returns:
      `apply` and the full parameters' shapes as `jax.ShapeDtypeStruct`.

    Raises:
      InputError: the description is none of a network.
    """
    network = built(architecture)
    apply, shapes, row = network.apply, network.shapes, network.example
    example = jax.ShapeDtypeStruct((1, *row.shape), row.dtype)
    try:
        outcome = jax.eval_shape(apply, shapes, example)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"`model` must be a network that traces, got: {error}") from error
    if network.head is None and outcome.ndim == 2:
        return with_new_head(apply, shapes, outcome.shape[1])
    return apply, shapes


def _hashable(value: Any) -> Any:
    """Return lists as tuples, which frozen options can hold."""
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
