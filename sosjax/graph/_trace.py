"""From a Python function to a `Program`: traced once, every nested call written out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jax.extend import core

from .._errors import InputError, require
from .._tree import named_leaves
from ._equation import Equation, Region
from ._program import Program
from ._source import raised_at, source

_BODY = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_INLINED = frozenset(
    [
        "jit",
        "pjit",
        "closed_call",
        "core_call",
        "core_closed_call",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
        "remat",
        "remat2",
        "checkpoint",
    ]
)
_REMAT = ("remat", "remat2", "checkpoint")
_CUSTOM = ("custom_jvp_call", "custom_vjp_call")
_HEAVY = frozenset(
    ["dot_general", "conv_general_dilated", "ragged_dot_general", "scan", "while", "cond"]
)
"""What a function with its own derivative may not hold inside, to be kept as it is."""


def trace_program(apply: Callable[..., Any], params: Any, inputs: Sequence[Any]) -> Program:
    """Trace `apply(params, *inputs)` to a flat program.

    Args:
      apply: a pure function of arrays.
      params: a pytree of arrays or `jax.ShapeDtypeStruct`.
      inputs: pytrees of the same; axes may be symbolic.

    Raises:
      InputError: the function cannot be traced.
    """
    shapes, rows = jax.tree.map(struct, params), jax.tree.map(struct, tuple(inputs))
    try:
        closed, out = jax.make_jaxpr(apply, return_shape=True)(shapes, *rows)
    except InputError:
        raise
    except Exception as error:
        given = ", ".join(str(leaf.shape) for leaf in jax.tree.leaves(rows)) or "none"
        raise InputError(
            f"`apply` must be traceable as `apply(params, *inputs)` with inputs of shape {given}, "
            f"got {type(error).__name__}{raised_at(error)}: {_first_line(error)}"
        ) from error
    builder = _Builder()
    arguments = [builder.fresh(var.aval) for var in closed.jaxpr.invars]
    region = builder.region(closed, arguments)
    names = list(named_leaves(params))
    return Program(
        region=region,
        avals=builder.avals,
        constants=builder.constants,
        leaves=dict(zip(names, arguments[: len(names)], strict=True)),
        inputs=tuple(arguments[len(names) :]),
        outputs=jax.tree.structure(out),
        notes=tuple(dict.fromkeys(builder.notes)),
    )


def struct(leaf: Any) -> jax.ShapeDtypeStruct:
    """Return the shape and type of an array or a Python number.

    Whether the type is weak is part of it: a Python number takes on that of what it meets.
    """
    number = isinstance(leaf, (int, float, complex)) and not hasattr(leaf, "dtype")
    weak = bool(getattr(leaf, "weak_type", number))
    return jax.ShapeDtypeStruct(np.shape(leaf), jax.dtypes.result_type(leaf), weak_type=weak)


def _dtype(leaf: Any) -> Any:
    return leaf.dtype if hasattr(leaf, "dtype") else jax.dtypes.result_type(leaf)


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no message"


class _Builder:
    """Numbers the values of a jaxpr while its calls are written out."""

    def __init__(self) -> None:
        self.avals: dict[int, Any] = {}
        self.constants: dict[int, Any] = {}
        self.notes: list[str] = []
        self._derivatives: dict[Any, Any] = {}

    def fresh(self, aval: Any) -> int:
        self.avals[len(self.avals)] = aval
        return len(self.avals) - 1

    def constant(self, value: Any) -> int:
        shape, dtype = np.shape(value), _dtype(value)
        number = self.fresh(jax.ShapeDtypeStruct(shape, dtype))
        self.constants[number] = value
        return number

    def region(
        self, closed: Any, arguments: Sequence[int], around: str = "", keep: bool = True
    ) -> Region:
        """Return the region that a jaxpr is, with its inputs numbered already.

        Args:
          closed: the jaxpr.
          arguments: the numbers of its inputs.
          around: the source line of the equation it is the body of.
          keep: whether functions with their own derivative are kept as they are.
        """
        equations: list[Equation] = []
        outputs = self._inline(closed, arguments, equations, around, keep)
        return Region(tuple(arguments), tuple(outputs), _needed(equations, outputs))

    def _inline(
        self,
        closed: Any,
        arguments: Sequence[int],
        equations: list[Equation],
        around: str,
        keep: bool,
    ) -> list[int]:
        """Append a call's equations; JAX shares inner jaxprs, so each call gets its own."""
        numbers = dict(zip(closed.jaxpr.invars, arguments, strict=True))
        for var, value in zip(closed.jaxpr.constvars, closed.consts, strict=True):
            numbers[var] = self.constant(value)

        def number(atom: Any) -> int:
            return self.constant(atom.val) if isinstance(atom, core.Literal) else numbers[atom]

        for eqn in closed.jaxpr.eqns:
            _require_pure(eqn, source(eqn) or around)
            reads = [number(atom) for atom in eqn.invars]
            name, place = eqn.primitive.name, source(eqn) or around
            kept = keep and name in _CUSTOM and self._derivative(eqn) is not None
            if name in _INLINED and not kept:
                self._note(name, place, keep)
                writes = self._inline(_body(eqn), reads, equations, place, keep)
            else:
                writes = [self.fresh(var.aval) for var in eqn.outvars]
                equations.append(self._equation(eqn, reads, writes, place, kept))
            numbers.update(zip(eqn.outvars, writes, strict=True))
        return [number(atom) for atom in closed.jaxpr.outvars]

    def _equation(
        self, eqn: Any, reads: list[int], writes: list[int], place: str, kept: bool
    ) -> Equation:
        equation = Equation(
            eqn.primitive.name,
            eqn.primitive,
            tuple(reads),
            tuple(writes),
            dict(eqn.params),
            place,
        )
        if kept:
            inner = _body(eqn)
            bodies = [inner, self._derivative(eqn)]
            regions = [
                self.region(body, self._arguments(body), place, keep=False) for body in bodies
            ]
            return replace(equation, bodies=tuple(regions), run=_as_function(eqn))
        loops = {"scan": ["jaxpr"], "while": ["cond_jaxpr", "body_jaxpr"], "cond": ["branches"]}
        bodies = []
        for key in loops.get(equation.name, []):
            value = equation.params[key]
            bodies += value if isinstance(value, (tuple, list)) else [value]
        regions = [self.region(body, self._arguments(body), place) for body in bodies]
        return replace(equation, bodies=tuple(regions))

    def _arguments(self, closed: Any) -> list[int]:
        return [self.fresh(var.aval) for var in closed.jaxpr.invars]

    def _derivative(self, eqn: Any) -> Any:
        """Return the jaxpr of the function's own derivative; `None` where it cannot be kept.

        It is asked of JAX once for each function and shapes: a network has many equal calls.
        """
        key = (id(_body(eqn)), eqn.primitive.name)
        if key not in self._derivatives:
            # The jaxpr is kept too, so that its identity is not given to another.
            self._derivatives[key] = (_body(eqn), _derivative(eqn))
        return self._derivatives[key][1]

    def _note(self, name: str, place: str, keep: bool) -> None:
        if name in _REMAT:
            self.notes.append("`jax.checkpoint` is written out: sub-networks rematerialise nothing")
        elif keep and name in _CUSTOM:
            self.notes.append(
                f"the custom derivative at {place} is not kept: its function contracts, or takes "
                "whole numbers"
            )


def _needed(equations: Sequence[Equation], outputs: Sequence[int]) -> tuple[Equation, ...]:
    """Leave out what no output needs: a loss that is not returned would pin what it goes over."""
    needed, kept = set(outputs), []
    for equation in reversed(equations):
        if needed.intersection(equation.writes):
            needed.update(equation.reads)
            kept.append(equation)
    return tuple(reversed(kept))


def _require_pure(eqn: Any, place: str) -> None:
    """Refuse side effects, which nothing asks for and evaluation would leave out."""
    effects = [type(one).__name__ for one in eqn.effects]
    require(
        all("Debug" in name for name in effects),
        f"`apply` must be a pure function, got `{eqn.primitive.name}` with a side effect"
        f"{' at ' + place if place else ''}.",
    )


def _body(eqn: Any) -> Any:
    jaxpr = next(eqn.params[name] for name in _BODY if name in eqn.params)
    return jaxpr if isinstance(jaxpr, core.ClosedJaxpr) else core.ClosedJaxpr(jaxpr, ())


def _derivative(eqn: Any) -> Any:
    """Trace the derivative of a custom function with float operands and nothing heavy inside."""
    floats = [_floating(var.aval) for var in (*eqn.invars, *eqn.outvars)]
    if not all(floats) or _HEAVY & _names(_body(eqn).jaxpr):
        return None
    function = _as_function(eqn)
    values = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in eqn.invars]
    if eqn.primitive.name == "custom_jvp_call":

        def forward(*arrays: Any) -> Any:
            half = len(arrays) // 2
            return jax.jvp(function, arrays[:half], arrays[half:])

        return jax.make_jaxpr(forward)(*values, *values)
    outs = [jax.ShapeDtypeStruct(var.aval.shape, var.aval.dtype) for var in eqn.outvars]

    def backward(*arrays: Any) -> Any:
        return jax.vjp(function, *arrays[: len(values)])[1](list(arrays[len(values) :]))

    return jax.make_jaxpr(backward)(*values, *outs)


def _floating(aval: Any) -> bool:
    return jax.numpy.issubdtype(aval.dtype, jax.numpy.floating)


def _names(jaxpr: Any) -> set[str]:
    inner = [_names(one) for one in core.subjaxprs(jaxpr)] if hasattr(core, "subjaxprs") else []
    return {eqn.primitive.name for eqn in jaxpr.eqns}.union(*inner)


def _as_function(eqn: Any) -> Callable[..., Any]:
    """Return the equation as a function of its operands, its own derivative included."""
    distinct = list(dict.fromkeys(v for v in eqn.invars if not isinstance(v, core.Literal)))
    info = _body(eqn).jaxpr.debug_info._replace(arg_names=None, result_paths=None)
    jaxpr = core.Jaxpr((), distinct, eqn.outvars, [eqn], debug_info=info)
    function = core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr, ()))
    places = [list(eqn.invars).index(var) for var in distinct]

    def run(*arrays: Any) -> Any:
        return function(*(arrays[place] for place in places))

    return run
