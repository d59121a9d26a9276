"""Any `apply(params, inputs)` as a flat list of equations over numbered values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
from jax.extend.core import ClosedJaxpr, Literal

from .._errors import require
from .._tree import named_leaves
from ._resize import Shape, resized_params

_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_INLINED = frozenset(
    [
        "jit",
        "pjit",
        "closed_call",
        "core_call",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
        "remat",
        "remat2",
        "checkpoint",
    ]
)


@final
@dataclass(frozen=True)
class Equation:
    """One operation of a program.

    Attributes:
      name: the primitive's name.
      run: arrays read -> arrays written.
      reads: the values it reads, by number.
      writes: the values it writes, by number.
      params: the primitive's parameters.
    """

    name: str
    run: Callable[..., Sequence[Any]]
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    params: dict[str, Any]


@final
@dataclass(frozen=True)
class Program:
    """A network without calls: every nested call is written out at its place.

    Attributes:
      equations: the operations; `evaluate` finds their order, so any order will do.
      shapes: the shape of every value, by number.
      constants: the arrays that belong to no leaf, by number.
      leaves: the number of every parameter leaf, by path.
      inputs: the number of the inputs.
      output: the number of the output.
    """

    equations: tuple[Equation, ...]
    shapes: dict[int, Shape]
    constants: dict[int, Any]
    leaves: dict[str, int]
    inputs: int
    output: int

    def given(self, params: Any, inputs: Any) -> dict[int, Any]:
        """Return parameters and inputs as values by number, to evaluate with."""
        leaves = {self.leaves[name]: leaf for name, leaf in named_leaves(params).items()}
        return leaves | {self.inputs: inputs}

    def evaluate(self, values: dict[int, Any], targets: Sequence[int]) -> list[Any]:
        """Compute the target values, and nothing they do not need.

        Args:
          values: what is given, by number: leaves, inputs, or anything in between. Arrays may be
            smaller than the traced ones along removed axes.
          targets: the values wanted, by number.

        Returns:
          The targets' arrays, in order.
        """
        known = {**self.constants, **values}
        for equation in self._order(known, targets):
            outcome = equation.run(*(known[number] for number in equation.reads))
            known.update(zip(equation.writes, outcome, strict=True))
        return [known[number] for number in targets]

    def _order(self, known: dict[int, Any], targets: Sequence[int]) -> list[Equation]:
        producer = {number: eqn for eqn in self.equations for number in eqn.writes}
        ordered, done, waiting = [], set(known), list(targets)
        while waiting:
            number = waiting[-1]
            missing = [] if number in done else [r for r in producer[number].reads if r not in done]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if number not in done:
                ordered.append(producer[number])
                done.update(producer[number].writes)
        return ordered


def trace(apply: Callable[..., Any], params: Any, inputs: Any) -> Program:
    """Trace `apply(params, inputs)` to a flat program.

    Args:
      apply: a pure function to one array [B, classes].
      params: a pytree of arrays or `jax.ShapeDtypeStruct`.
      inputs: one array or `jax.ShapeDtypeStruct` [B, ...]; B may be symbolic.

    Returns:
      The program for these shapes.

    Raises:
      InputError: the function does not return one array.
    """
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
    closed = jax.make_jaxpr(apply)(shapes, inputs)
    require(
        len(closed.out_avals) == 1,
        f"`apply` must return one array of logits, got {len(closed.out_avals)} arrays.",
    )
    builder = _Builder()
    arguments = [builder.fresh(var.aval.shape) for var in closed.jaxpr.invars]
    (output,) = builder.inline(closed, arguments)
    names = list(named_leaves(params))
    return Program(
        tuple(builder.equations),
        builder.shapes,
        builder.constants,
        dict(zip(names, arguments[:-1], strict=True)),
        arguments[-1],
        output,
    )


class _Builder:
    """Numbers the values of a jaxpr while its calls are written out."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.shapes: dict[int, Shape] = {}
        self.constants: dict[int, Any] = {}

    def fresh(self, shape: Shape) -> int:
        self.shapes[len(self.shapes)] = tuple(shape)
        return len(self.shapes) - 1

    def constant(self, value: Any) -> int:
        number = self.fresh(getattr(value, "shape", ()))
        self.constants[number] = value
        return number

    def inline(self, closed: ClosedJaxpr, arguments: Sequence[int]) -> list[int]:
        """Append the equations of one call; JAX shares inner jaxprs, so each call gets its own."""
        numbers = dict(zip(closed.jaxpr.invars, arguments, strict=True))
        for var, value in zip(closed.jaxpr.constvars, closed.consts, strict=True):
            numbers[var] = self.constant(value)

        def number(atom: Any) -> int:
            return self.constant(atom.val) if isinstance(atom, Literal) else numbers[atom]

        for eqn in closed.jaxpr.eqns:
            reads = [number(atom) for atom in eqn.invars]
            if eqn.primitive.name in _INLINED:
                writes = self.inline(_inner(eqn), reads)
            else:
                writes = [self.fresh(var.aval.shape) for var in eqn.outvars]
                self.equations.append(self._equation(eqn, reads, writes))
            numbers.update(zip(eqn.outvars, writes, strict=True))
        return [number(atom) for atom in closed.jaxpr.outvars]

    def _equation(self, eqn: Any, reads: list[int], writes: list[int]) -> Equation:
        traced = [self.shapes[number] for number in reads]

        def run(*arrays: Any) -> Sequence[Any]:
            shapes = [jax.numpy.shape(array) for array in arrays]
            params = eqn.params
            if shapes != traced:
                params = resized_params(eqn.primitive.name, params, traced, shapes)
            outcome = eqn.primitive.bind(*arrays, **params)
            return outcome if eqn.primitive.multiple_results else [outcome]

        return Equation(eqn.primitive.name, run, tuple(reads), tuple(writes), eqn.params)


def _inner(eqn: Any) -> ClosedJaxpr:
    jaxpr = next(eqn.params[name] for name in _CALLS if name in eqn.params)
    return jaxpr if isinstance(jaxpr, ClosedJaxpr) else ClosedJaxpr(jaxpr, ())
