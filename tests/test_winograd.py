"""Convolutions with fewer multiplications: the same numbers, on CPUs alone."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sosjax.graph._convolution import convolution
from sosjax.graph._winograd import is_worth, winograd

NUMBERS = ("NHWC", "HWIO", "NHWC")
SAME = ((1, 1), (1, 1))


def drawn(shape, *, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def exact(images, kernel, padding):
    """Sum the products one window after the other, in double precision."""
    (top, bottom), (left, right) = padding
    rows = np.pad(images.astype(float), ((0, 0), (top, bottom), (left, right), (0, 0)))
    height, width = rows.shape[1] - 2, rows.shape[2] - 2
    return sum(
        rows[:, i : i + height, j : j + width] @ kernel[i, j].astype(float)
        for i in range(3)
        for j in range(3)
    )


def plain(images, kernel, padding):
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), padding, dimension_numbers=NUMBERS)


def error(found, wanted):
    """Return the root of the mean squared error, as a share of that of the numbers."""
    return np.sqrt(((np.asarray(found) - wanted) ** 2).mean() / (wanted**2).mean())


@settings(max_examples=20)
@given(
    batch=st.integers(1, 9),
    sizes=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    padding=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
)
def test_every_shape_and_padding(batch, sizes, channels, padding):
    images, kernel = drawn((batch, *sizes, channels[0])), drawn((3, 3, *channels), seed=1)
    found = winograd(images, kernel, padding)
    wanted = exact(images, kernel, padding)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("batch", [1, 3, 10, 11])
def test_batches_that_go_through_in_parts(batch, monkeypatch):
    monkeypatch.setattr("sosjax.graph._winograd.CACHED", 3 * 16 * 4 * 5 * 9)  # three images
    images, kernel = drawn((batch, 6, 6, 5)), drawn((3, 3, 5, 4), seed=1)
    wanted = exact(images, kernel, SAME)
    np.testing.assert_allclose(winograd(images, kernel, SAME), wanted, atol=1e-4)


def test_images_side_by_side_are_one_batch(monkeypatch):
    """So that they go through in parts, as a batch does."""
    monkeypatch.setattr("sosjax.graph._winograd.CACHED", 3 * 16 * 4 * 5 * 9)
    images, kernels = drawn((10, 1, 6, 6, 5)), drawn((2, 3, 3, 5, 4), seed=1)
    run = jax.vmap(lambda rows: winograd(rows, kernels[0], SAME))
    np.testing.assert_allclose(run(images)[:, 0], exact(images[:, 0], kernels[0], SAME), atol=1e-4)
    assert "scan" in str(jax.make_jaxpr(run)(images))
    both = jax.vmap(lambda kernel: jax.vmap(lambda rows: winograd(rows, kernel, SAME))(images))
    for found, kernel in zip(both(kernels), kernels, strict=True):
        np.testing.assert_allclose(found[:, 0], exact(images[:, 0], kernel, SAME), atol=1e-4)


def test_nothing_comes_of_nothing():
    images, kernel = np.zeros((0, 14, 14, 64), np.float32), np.zeros((3, 3, 64, 64), np.float32)
    assert winograd(images, kernel, SAME).shape == (0, 14, 14, 64)
    nothing = np.zeros((2, 1, 1, 512), np.float32), np.zeros((3, 3, 512, 512), np.float32)
    assert not is_worth(*nothing, (1, 1), ((0, 0), (0, 0)))


@pytest.mark.parametrize(("size", "channels"), [(14, 64), (4, 256)])
def test_rounding_is_that_of_the_plain_sum(size, channels):
    images = np.maximum(drawn((8, size, size, channels)), 0)
    kernel = drawn((3, 3, channels, channels), seed=1)
    wanted = exact(images, kernel, SAME)
    fewer, usual = (error(way(images, kernel, SAME), wanted) for way in (winograd, plain))
    assert fewer < 4 * usual
    assert fewer < 1e-6


def test_what_it_is_worth():
    images, kernel = np.zeros((2, 14, 14, 64), np.float32), np.zeros((3, 3, 64, 64), np.float32)
    assert is_worth(images, kernel, (1, 1), SAME)
    assert not is_worth(images, kernel, (2, 2), SAME)
    assert not is_worth(images, kernel, (1, 1), ((-1, 1), (1, 1)))
    assert not is_worth(images, kernel[:2], (1, 1), SAME)
    assert not is_worth(images[:, :3, :3], kernel, (1, 1), SAME)  # few FLOPs
    assert not is_worth(images[..., :8], kernel[:, :, :8], (1, 1), SAME)  # few channels
    assert not is_worth(images.astype(np.float16), kernel.astype(np.float16), (1, 1), SAME)


def convolving(images, kernel):
    how = (("window_strides", (1, 1)), ("padding", SAME))
    return convolution(
        (*how, ("precision", None), ("preferred_element_type", None)), images, kernel
    )


def test_gradients():
    images, kernel = drawn((3, 14, 14, 64)), drawn((3, 3, 64, 64), seed=1) / 24
    slope = drawn((3, 14, 14, 64), seed=2)
    _, back = jax.vjp(convolving, images, kernel)
    _, usual = jax.vjp(partial(plain, padding=SAME), images, kernel)
    for found, wanted in zip(back(slope), usual(slope), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("platform", "direct"), [("cpu", False), ("cuda", True), ("tpu", True)])
def test_other_devices_convolve_as_they_do(platform, direct):
    shapes = [jax.ShapeDtypeStruct(s, np.float32) for s in ((2, 14, 14, 64), (3, 3, 64, 64))]
    lowered = jax.jit(convolving).trace(*shapes).lower(lowering_platforms=(platform,))
    assert ("stablehlo.convolution(" in lowered.as_text()) is direct
