"""What must hold of every graph: masked is shrunk, and costs are what is there."""

import math
import os
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import settings
from jax.extend import core

from sosjax import trace
from sosjax._tree import named_leaves
from sosjax.graph import _narrow

CUSTOM = {"custom_jvp_call", "custom_vjp_call"}


def examples(number):
    """Return settings for so many examples; `EXAMPLES=500` in the environment hunts for faults."""
    wanted = os.environ.get("EXAMPLES")
    return settings(max_examples=int(wanted or number), derandomize=wanted is None)


def random_masks(graph, seed):
    """Keep each unit and block with probability 0.6, and one unit of each group at least."""
    rng = np.random.default_rng(seed)
    masks = [rng.random(size) < 0.6 for size in graph.sizes]
    for mask in masks:
        mask[rng.integers(len(mask))] = True
    return [*masks, *(rng.random(1) < 0.6 for _ in graph.blocks)]


def one_survivor(graph, seed):
    """Keep one unit of each group, and every block."""
    rng = np.random.default_rng(seed)
    blocks = [np.ones(1, bool) for _ in graph.blocks]
    return [*(np.arange(size) == rng.integers(size) for size in graph.sizes), *blocks]


def narrowed_outputs(graph, params, masks, *inputs):
    """Run a network with as few units as its stretches allow, however small they are."""
    network = graph.traced(params, inputs)
    program, masking = graph.masked_program(network)
    values = program.given(params, inputs) | graph.given_masks(masks)
    outputs = program.region.outputs
    with mock.patch.object(_narrow, "WORTH", 0.0):
        program = _narrow.narrowed(program, network, masking, set(values), outputs)
    return program.outcome(values)


def kept(masks):
    """Return how many units masks keep, as `Graph.cost` wants it."""
    return np.array([int(np.sum(mask)) for mask in masks], np.int64)


def assert_close(one, other, tolerance=1e-5):
    """Compare trees of arrays, relative to the largest number of each array."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.dtype == b.dtype
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        scale = float(np.abs(b).max(initial=0)) + 1e-3
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * scale)


def assert_ones_change_no_bit(graph, params, inputs):
    """Compare masks of ones with the network, both run one operation at a time.

    JAX compiles the body of a loop as a whole, so there the last bits may differ.
    """
    program = graph.traced(params, inputs).program
    plain = program.outcome(program.given(params, inputs))
    masked = graph.masked(params, graph.full(), *inputs)
    if {equation.name for equation in program.region.equations if equation.bodies} <= CUSTOM:
        jax.tree.map(np.testing.assert_array_equal, masked, plain)
    assert_close(masked, plain)


def assert_costs_are_counted(graph, small, inputs, masks, memory=True):
    """Compare costs with the small arrays, with JAX's own equations and with a second trace."""
    cost = graph.cost(kept(masks))
    leaves = [jnp.asarray(leaf) for leaf in named_leaves(small.params).values()]
    floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    plain = [leaf for leaf in leaves if not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)]
    assert cost["parameters"] == sum(leaf.size for leaf in floats)
    assert cost["bytes"] == sum(leaf.nbytes for leaf in plain)
    assert cost["flops"] == flops(jax.make_jaxpr(small.apply)(small.params, *inputs))
    if memory:
        again = trace(small.apply, small.params, *inputs)
        found = again.cost(kept(again.full()))["memory"]
        # A sum without its branch is its trunk, and not stored a second time.
        skips = not all(mask.all() for mask in masks[len(graph.groups) :])
        assert found <= cost["memory"] if skips else found == cost["memory"]


def flops(closed):
    """Count two for each multiply-accumulate of the contractions in a jaxpr."""
    return sum(_flops(equation) for equation in closed.jaxpr.eqns)


def _flops(equation):
    params = equation.params
    if equation.primitive.name in ("dot_general", "ragged_dot_general"):
        numbers = params.get("dimension_numbers")
        if numbers is None:
            numbers = params["ragged_dot_dimension_numbers"].dot_dimension_numbers
        left, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
        return 2 * math.prod(out) * math.prod(left[axis] for axis in numbers[0][0])
    if equation.primitive.name == "conv_general_dilated":
        kernel, out = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
        channels = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2 * math.prod(out) * math.prod(kernel) // channels
    times = params["length"] if equation.primitive.name == "scan" else 1
    bodies = [
        one if isinstance(one, core.ClosedJaxpr) else core.ClosedJaxpr(one, ())
        for value in params.values()
        for one in (value if isinstance(value, (tuple, list)) else [value])
        if isinstance(one, (core.Jaxpr, core.ClosedJaxpr))
    ]
    return times * sum(flops(body) for body in bodies)


def assert_good(graph, params, inputs, tolerance=1e-5, memory=True, choices=None):
    """Check masks of ones, random ones and one survivor of each group, or the masks given."""
    masked = jax.jit(graph.masked)
    plain = jax.jit(graph.apply)(params, *inputs)
    assert_close(masked(params, graph.full(), *inputs), plain, tolerance)
    for masks in choices or (random_masks(graph, 0), one_survivor(graph, 0)):
        small = graph.shrink(params, masks)
        # The parameters are arguments, for XLA would compute with constants at length.
        found = jax.jit(small.apply)(small.params, *inputs)
        assert_close(masked(params, masks, *inputs), found, tolerance)
        assert_costs_are_counted(graph, small, inputs, masks, memory)
