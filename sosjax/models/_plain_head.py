"""A head found, and its kernel turned to [features, classes]."""

from collections.abc import Callable
from typing import Any

import jax

from .._errors import require
from .._tree import named_leaves, with_leaves
from ..graph._head import Head
from ..graph._head_site import is_turned, last_layer
from ..graph._trace import trace_program


def with_plain_head(
    apply: Callable[..., Any],
    params: Any,
    example: jax.ShapeDtypeStruct,
    head: Head | str,
) -> tuple[Callable[..., Any], Any, Head]:
    """Return a network whose head has a kernel [features, classes], with its parameters.

    Args:
      apply: `apply(params, inputs) -> logits [B, C]`.
      params: its parameters; of equinox the kernel is [classes, features].
      example: one input, [1, ...].
      head: its leaves, or "last".

    Raises:
      InputError: the network cannot be traced, or ends in no such layer.
    """
    require(
        isinstance(head, Head) or head == "last",
        f"`head` must be a Head, 'last' or None, got {head!r}.",
    )
    leaves, program = named_leaves(params), None
    if not isinstance(head, Head):
        program = trace_program(apply, params, [example])
        head = last_layer(program)
    if {head.kernel, head.bias} - leaves.keys():
        return apply, params, head  # refused where all of it is checked
    kernel, bias = leaves[head.kernel].shape, leaves[head.bias].shape
    if len(kernel) != 2 or (kernel[0] != kernel[1] and kernel[1:] == bias):
        return apply, params, head
    if not is_turned(program or trace_program(apply, params, [example]), head):
        return apply, params, head

    def turned(params: Any) -> Any:
        leaves = named_leaves(params)
        return with_leaves(params, leaves | {head.kernel: leaves[head.kernel].T})

    def plain(params: Any, inputs: Any) -> Any:
        return apply(turned(params), inputs)

    return plain, turned(params), head
