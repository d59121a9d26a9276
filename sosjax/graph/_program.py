"""Any `apply(params, *inputs)` as flat lists of equations over numbered values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax

from .._tree import named_leaves
from ._calls import CALLS
from ._equation import Equation, Region


@final
@dataclass(frozen=True)
class Program:
    """A network without calls: every nested call is written out at its place.

    Attributes:
      region: the operations, from leaves and inputs to outputs.
      avals: shape and dtype of every value, by number; numbers are shared with all bodies.
      constants: the arrays that belong to no leaf, by number.
      leaves: the number of every parameter leaf, by path.
      inputs: the numbers of the inputs' leaves, in tree order.
      outputs: the tree of the outputs' structure.
      notes: what was not kept as it was, in sentences.
    """

    region: Region
    avals: dict[int, Any]
    constants: dict[int, Any]
    leaves: dict[str, int]
    inputs: tuple[int, ...]
    outputs: Any
    notes: tuple[str, ...] = ()

    @property
    def output(self) -> int:
        """The number of the only output."""
        (output,) = self.region.outputs
        return output

    def shape(self, number: int) -> tuple[Any, ...]:
        """Return the shape of a value as traced."""
        return tuple(self.avals[number].shape)

    def given(self, params: Any, inputs: Sequence[Any]) -> dict[int, Any]:
        """Return parameters and inputs as values by number, to evaluate with."""
        leaves = {self.leaves[name]: leaf for name, leaf in named_leaves(params).items()}
        rows = jax.tree.leaves(tuple(inputs))
        return leaves | dict(zip(self.inputs, rows, strict=True))

    def evaluate(self, values: Mapping[int, Any], targets: Sequence[int]) -> list[Any]:
        """Compute the target values, and nothing they do not need.

        Args:
          values: what is given, by number: leaves, inputs, or anything in between.
          targets: the values wanted, by number.

        Returns:
          The targets' arrays, in order.
        """
        return evaluate(self.region, {**self.constants, **values}, targets, self.constants)

    def outcome(self, values: Mapping[int, Any]) -> Any:
        """Compute the outputs, as the tree that the network returns."""
        return jax.tree.unflatten(self.outputs, self.evaluate(values, self.region.outputs))


def evaluate(
    region: Region,
    values: Mapping[int, Any],
    targets: Sequence[int],
    constants: Mapping[int, Any],
) -> list[Any]:
    """Compute values of one region from what is given."""
    known = dict(values)
    for equation in region.ordered(set(known), targets):
        outcome = _execute(equation, known, constants)
        known.update(zip(equation.writes, outcome, strict=True))
    return [known[number] for number in targets]


def _execute(
    equation: Equation, known: dict[int, Any], constants: Mapping[int, Any]
) -> Sequence[Any]:
    arrays = [known[number] for number in equation.reads]
    if equation.run is not None:
        return equation.run(*arrays)
    if equation.rewritten:
        shared = {number: known[number] for number in equation.shared}

        def call(body: int, given: Sequence[Any]) -> list[Any]:
            region = equation.bodies[body]
            inside = {**constants, **shared, **dict(zip(region.inputs, given, strict=True))}
            return evaluate(region, inside, region.outputs, constants)

        return CALLS[equation.name](equation, arrays, call)
    outcome = equation.primitive.bind(*arrays, **equation.params)
    return outcome if equation.primitive.multiple_results else [outcome]
