"""Tables, such as of embeddings, that inputs pick rows of."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._tree import named_leaves, with_leaves
from ._equation import Equation
from ._graph import graph_of
from ._subject import Subject, subject
from ._traced import Traced


def rows_read(graph: Subject, *inputs: Any) -> dict[str, np.ndarray]:
    """Return which rows these inputs read of the leaves that they pick rows of.

    Only of leaves that nothing but lookups read, by numbers that follow from the inputs alone: no
    table of embeddings that is tied to the outputs, sliced, cast or looked up in a loop; and none
    that these inputs read beyond its ends.

    Args:
      graph: the network.
      inputs: arrays of examples, each [..., *shape of one].

    Returns:
      Ascending row numbers, by the leaf's path.
    """
    network = graph.graph.traced(graph.graph.shapes, graph.graph.inputs)
    program, lookups = network.program, _lookups(network)
    if not lookups:
        return {}

    def rows(example: Any) -> dict[str, list[Any]]:
        given = {program.inputs[0]: example[None]}
        return {
            name: program.evaluate(given, [program.region.equations[one].reads[1] for one in own])
            for name, own in lookups.items()
        }

    @jax.jit
    def ask(*inputs: Any) -> dict[str, tuple[Any, Any, Any]]:
        batches = [batch.reshape(-1, *graph.inputs.shape) for batch in inputs]
        numbers = [jax.vmap(rows)(batch) for batch in batches]
        found = {}
        for name in lookups:
            read = jnp.concatenate([one.ravel() for batch in numbers for one in batch[name]])
            seen = jnp.zeros(program.shape(program.leaves[name])[0], bool).at[read].set(True)
            found[name] = seen, read.min(), read.max()
        return found

    found = ask(*inputs).items()
    return {
        name: np.flatnonzero(seen)
        for name, (seen, first, last) in found
        if first >= 0 and last < len(seen)
    }


def with_fewer_rows(graph: Subject, rows: Mapping[str, np.ndarray]) -> Subject:
    """Return the network for leaves of which only some rows are there.

    It takes the inputs that it took, as long as they read none of the other rows, and has the same
    groups and blocks.

    Args:
      graph: the network.
      rows: ascending row numbers, as `rows_read` returns them, of all or some of its leaves.
    """
    whole = graph.graph
    leaves = named_leaves(whole.shapes)
    places = {name: _places(own, leaves[name].shape[0]) for name, own in rows.items()}

    def apply(params: Any, inputs: Any) -> Any:
        network = whole.traced(params, (inputs,))
        region = network.program.region
        equations = list(region.equations)
        lookups = _lookups(network)
        for name, new in places.items():
            for one in lookups[name]:
                equations[one] = _renumbered(equations[one], new)
        program = replace(network.program, region=replace(region, equations=tuple(equations)))
        return program.outcome(program.given(params, (inputs,)))

    fewer = {
        name: jax.ShapeDtypeStruct((len(own), *leaves[name].shape[1:]), leaves[name].dtype)
        for name, own in rows.items()
    }
    shapes = with_leaves(whole.shapes, leaves | fewer)
    found = graph_of(apply, shapes, whole.inputs, whole.rules)
    return subject(found, graph.statistics, graph.head)


def _lookups(network: Traced) -> dict[str, list[int]]:
    """Return the leaves that inputs pick rows of and nothing else reads, and by which equations.

    Equations are told by their places.
    """
    program = network.program
    names = {number: name for name, number in program.leaves.items()}
    found: dict[str, list[int]] = {}
    other = {names.get(number) for number in program.region.outputs}
    for place, equation in enumerate(program.region.equations):
        picks = _picks_rows(equation) and _is_input(network, equation.reads[1])
        for side, number in enumerate((*equation.reads, *equation.shared)):
            if number in names and picks and side == 0:
                found.setdefault(names[number], []).append(place)
            else:
                other.add(names.get(number))
    return {name: own for name, own in found.items() if name not in other}


def _picks_rows(equation: Equation) -> bool:
    """Return whether an equation looks up whole rows of what it reads first."""
    if equation.name != "gather":
        return False
    numbers = equation.params["dimension_numbers"]
    return (
        numbers.start_index_map == (0,)
        and numbers.collapsed_slice_dims == (0,)
        and not numbers.operand_batching_dims
    )


def _is_input(network: Traced, number: int) -> bool:
    """Return whether a value follows from the inputs, without any leaf."""
    program = network.program
    try:
        program.region.ordered({*program.inputs, *program.constants}, [number])
    except KeyError:
        return False
    return number in network.relations.data


def _places(rows: np.ndarray, size: int) -> np.ndarray:
    """Return where each of so many rows is among these; one that is not is beyond their end."""
    places = np.full(size, len(rows))
    places[rows] = np.arange(len(rows))
    return places


def _renumbered(equation: Equation, places: np.ndarray) -> Equation:
    """Return the lookup for a table whose rows have these new places, by their old ones."""

    def run(table: Any, rows: Any) -> Sequence[Any]:
        rows = jnp.asarray(places, rows.dtype).at[rows].get(mode="clip")
        return [equation.primitive.bind(table, rows, **equation.params)]

    return replace(equation, run=run)
