"""How equations with bodies run: loops, branches, and functions with a derivative of their own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax import lax

from ._equation import Equation

Call = Callable[[int, Sequence[Any]], list[Any]]
"""`call(k, arrays)` runs body `k`."""


def scan_counts(params: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many operands of a `scan` are constants of its body, and how many are carried.

    JAX before 0.12 says it in numbers, later ones in the shape of the operands' tree.
    """
    if "num_consts" in params:
        return params["num_consts"], params["num_carry"]
    fixed, carried, _ = params["ft_in"].unpack()
    return len(fixed), len(carried)


def _scan(equation: Equation, arrays: Sequence[Any], call: Call) -> list[Any]:
    params = equation.params
    consts, carried = scan_counts(params)
    fixed, start = arrays[:consts], tuple(arrays[consts : consts + carried])

    def step(carry: Any, rows: Any) -> tuple[Any, Any]:
        outs = call(0, [*fixed, *carry, *rows])
        return tuple(outs[:carried]), tuple(outs[carried:])

    carry, rows = lax.scan(
        step,
        start,
        tuple(arrays[consts + carried :]),
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *rows]


def _while(equation: Equation, arrays: Sequence[Any], call: Call) -> list[Any]:
    ahead, inside = equation.params["cond_nconsts"], equation.params["body_nconsts"]
    asked, fixed = arrays[:ahead], arrays[ahead : ahead + inside]
    carry = lax.while_loop(
        lambda carry: call(0, [*asked, *carry])[0],
        lambda carry: tuple(call(1, [*fixed, *carry])),
        tuple(arrays[ahead + inside :]),
    )
    return [*carry]


def _cond(equation: Equation, arrays: Sequence[Any], call: Call) -> list[Any]:
    index, *operands = arrays

    def branch(body: int) -> Callable[..., tuple[Any, ...]]:
        return lambda *values: tuple(call(body, values))

    return [*lax.switch(index, [branch(body) for body in range(len(equation.bodies))], *operands)]


def _custom_jvp(equation: Equation, arrays: Sequence[Any], call: Call) -> list[Any]:
    del equation

    @jax.custom_jvp
    def function(*values: Any) -> tuple[Any, ...]:
        return tuple(call(0, values))

    @function.defjvp
    def derivative(values: Any, tangents: Any) -> Any:
        outs = call(1, [*values, *tangents])
        half = len(outs) // 2
        return tuple(outs[:half]), tuple(outs[half:])

    del derivative
    return [*function(*arrays)]


def _custom_vjp(equation: Equation, arrays: Sequence[Any], call: Call) -> list[Any]:
    del equation

    @jax.custom_vjp
    def function(*values: Any) -> tuple[Any, ...]:
        return tuple(call(0, values))

    def forward(*values: Any) -> Any:
        return tuple(call(0, values)), values

    def backward(values: Any, cotangents: Any) -> tuple[Any, ...]:
        return tuple(call(1, [*values, *cotangents]))

    function.defvjp(forward, backward)
    return [*function(*arrays)]


CALLS: dict[str, Callable[[Equation, Sequence[Any], Call], list[Any]]] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "custom_jvp_call": _custom_jvp,
    "custom_vjp_call": _custom_vjp,
}
"""Runners by the primitive's name, for bodies that are not those the primitive was traced with."""
