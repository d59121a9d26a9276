"""Convolutions written so that their gradient is fast inside a loop: the numbers are the same."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosjax import trace
from sosjax.graph._convolution import with_fast_gradients

NUMBERS = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}


def convolved(images, kernel, strides, padding, **options):
    numbers = NUMBERS[len(strides)]
    return jax.lax.conv_general_dilated(
        images, kernel, strides, padding, dimension_numbers=numbers, **options
    )


def slopes(run, images, kernel):
    """Return the value and both gradients of a sum that weighs every output otherwise."""

    def loss(images, kernel):
        out = run(images, kernel)
        return (jnp.sin(out) * jnp.arange(out.size).reshape(out.shape)).sum() / out.size

    return jax.value_and_grad(loss, (0, 1))(images, kernel)


def rewritten(apply, params, images):
    """Return the network's function with the convolutions rewritten."""
    graph = trace(apply, params, images)

    def run(images, kernel):
        program = graph.traced(params, (images,)).program
        given = program.given({"kernel": kernel}, (images,))
        return with_fast_gradients(program).outcome(given)

    return run


@settings(max_examples=15)
@given(st.data())
def test_value_and_gradients_are_those_of_jax(data):
    spatial = data.draw(st.sampled_from([1, 2]))
    sizes = data.draw(st.lists(st.integers(4, 9), min_size=spatial, max_size=spatial))
    windows = data.draw(st.lists(st.integers(1, 4), min_size=spatial, max_size=spatial))
    strides = data.draw(st.lists(st.integers(1, 3), min_size=spatial, max_size=spatial))
    padding = data.draw(st.sampled_from(["SAME", "VALID", "uneven"]))
    if padding == "uneven":
        padding = [(window - 1, 0) for window in windows]
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, *sizes, 3)).astype(np.float32)
    kernel = rng.normal(size=(*windows, 3, 5)).astype(np.float32)

    def apply(params, images):
        return convolved(images, params["kernel"], strides, padding)

    fast = rewritten(apply, {"kernel": kernel}, images)
    value, found = slopes(fast, images, kernel)
    wanted, expected = slopes(lambda i, k: apply({"kernel": k}, i), images, kernel)
    np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{"feature_group_count": 3}, {"rhs_dilation": (2, 2)}])
def test_other_convolutions_stay_as_they_are(options):
    channels = 3 // options.get("feature_group_count", 1)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 6, 6, 3)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, channels, 6)).astype(np.float32)

    def apply(params, images):
        return convolved(images, params["kernel"], (1, 1), "SAME", **options)

    graph = trace(apply, {"kernel": kernel}, images)
    program = graph.traced({"kernel": kernel}, (images,)).program
    changed = with_fast_gradients(program).region.equations
    assert [one.run for one in changed] == [one.run for one in program.region.equations]


def test_gradients_in_a_loop_are_written_as_cpus_want_them():
    """What XLA would rewrite outside of a loop is there from the start."""
    images, kernel = jnp.ones((2, 6, 6, 3)), jnp.ones((3, 3, 3, 4))

    def apply(params, images):
        return convolved(images, params["kernel"], (1, 1), "SAME")

    fast = rewritten(apply, {"kernel": kernel}, images)
    text = jax.jit(lambda i, k: slopes(fast, i, k)).lower(images, kernel).as_text()
    lines = [line for line in text.splitlines() if "stablehlo.convolution(" in line]
    assert len(lines) == 3
    assert all("[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]" in line for line in lines)
