"""Programs as this library has them compiled."""

import jax
import jax.numpy as jnp
import pytest

from sosjax import _compile
from sosjax._compile import EIGEN, jit, options


@pytest.fixture
def _anew():
    options.cache_clear()
    yield
    options.cache_clear()


def convolution(images, weights):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, weights, (1, 1), "SAME", dimension_numbers=numbers)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="a matter of CPUs")
def test_convolutions_are_not_yunnpacks():
    """The option is known to this XLA and does what it is for, and the result is the same."""
    images, weights = jnp.ones((8, 14, 14, 64)), jnp.ones((3, 3, 64, 64))
    plain, ours = jax.jit(convolution), jax.jit(convolution, compiler_options=options())
    if "__ynn_fusion" in plain.lower(images, weights).compile().as_text():
        assert "__ynn_fusion" not in ours.lower(images, weights).compile().as_text()
    assert jnp.allclose(jit(convolution)(images, weights), plain(images, weights), rtol=1e-5)


@pytest.mark.usefixtures("_anew")
def test_an_option_that_xla_does_not_know_is_not_asked(monkeypatch):
    monkeypatch.setattr(_compile, "EIGEN", {"xla_cpu_of_another_year": "1"})
    assert options() == {}
    assert jit(lambda x: x + 1)(1) == 2


@pytest.mark.usefixtures("_anew")
def test_an_accelerator_is_asked_nothing(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert options() == {}
    assert EIGEN


def test_it_is_jit_of_functions_and_of_methods():
    traces = []

    class Counted:
        def __init__(self, step):
            self.step = step

        def add(self, x, times):
            traces.append(times)
            return x + self.step * times

        added = jit(add, static_argnums=(0, 2))

    one = Counted(2)
    assert [int(one.added(x, 3)) for x in (1, 2, 3)] == [7, 8, 9]
    assert traces == [3]
    assert one.added.__name__ == "add"
