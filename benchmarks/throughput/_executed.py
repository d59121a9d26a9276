"""FLOPs of the contractions that a program really takes, for what it is given."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import numpy as np

CALLS = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}
"""Where the body of an equation is that runs once."""


def executed(function: Callable[..., Any], *given: Any) -> float:
    """Run a function one operation after the other and count, of each choice the branch taken.

    Where branches are for platforms, the one for any platform is counted: however a convolution is
    taken, it counts as the plain sum.

    Raises:
      NotImplementedError: there is a loop, or another program within, which is not followed.
    """
    program = jax.make_jaxpr(function)(*given)
    return _run(program, jax.tree.leaves(given))[1]


def _run(program: Any, given: Sequence[Any]) -> tuple[list[Any], float]:
    """Return what a closed program gives, and its FLOPs."""
    inside, total = program.jaxpr, 0.0
    known = dict(zip((*inside.constvars, *inside.invars), (*program.consts, *given), strict=True))

    def value(one: Any) -> Any:
        return one.val if hasattr(one, "val") else known[one]

    for equation in inside.eqns:
        arrays = [value(one) for one in equation.invars]
        out, flops = _step(equation, arrays)
        total += flops
        known.update(zip(equation.outvars, out, strict=True))
    return [value(one) for one in inside.outvars], total


def _step(equation: Any, arrays: Sequence[Any]) -> tuple[list[Any], float]:
    """Return what an equation gives, and its FLOPs."""
    name, params = equation.primitive.name, equation.params
    if name == "platform_index":
        return [np.int32(len(params["platforms"]) - 1)], 0.0
    if name == "cond":
        branches = params["branches"]
        return _run(branches[int(np.clip(arrays[0], 0, len(branches) - 1))], arrays[1:])
    if name in CALLS:
        return _run(params[CALLS[name]], arrays)
    if any(hasattr(getattr(one, "jaxpr", one), "eqns") for one in params.values()):
        raise NotImplementedError(f"what {name} runs inside is not counted")
    out = equation.primitive.bind(*arrays, **params)
    return out if equation.primitive.multiple_results else [out], _flops(equation)


def _flops(equation: Any) -> float:
    """Return the FLOPs of a contraction; zero of all else."""
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        ((summed, _), _), (left, _) = params["dimension_numbers"], equation.invars
        inner = [left.aval.shape[axis] for axis in summed]
    elif name == "conv_general_dilated":
        _, kernel = equation.invars
        _, *axes = params["dimension_numbers"].rhs_spec
        inner = [kernel.aval.shape[axis] for axis in axes]
    else:
        return 0.0
    return 2.0 * prod(equation.outvars[0].aval.shape) * prod(inner)
