"""As many candidates side by side as fill an accelerator and fit into its memory."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import jaxtyping
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import SETTINGS, TASKS, make_data, network

from sosjax.fitness import _kernel as kernels
from sosjax.search import _chunk
from sosjax.search._chunk import _divisor, fitted
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem

POPULATION = 12


@cache
def asked():
    settings = replace(SETTINGS, chunk=None, population=POPULATION)
    problem = Problem(network(), make_data(), TASKS, settings)
    evolution = Evolution.of(problem)
    state = evolution.start(problem.rankings(), 0)
    return evolution, (network().params, problem.search, jax.random.key(0), jnp.int32(1), state)


@pytest.fixture
def gpu(monkeypatch):
    """Take candidates side by side, as on an accelerator; return how to set its free memory."""
    asked()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    # A program that is only lowered has descriptions of arrays in its trees.
    jaxtyping.config.update("jaxtyping_disable", True)
    yield lambda free: monkeypatch.setattr(_chunk, "_free", lambda: free)
    jaxtyping.config.update("jaxtyping_disable", False)


def chunk_of(chunk=None):
    evolution, arguments = asked()
    evolution = replace(evolution, settings=replace(evolution.settings, chunk=chunk))
    return fitted(evolution, *arguments).kernel.chunk


def test_a_cpu_takes_one_at_a_time_and_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(_chunk, "_needed", None)
    evolution, arguments = asked()
    assert fitted(evolution, *arguments) is evolution


def test_the_user_has_the_last_word(gpu, monkeypatch):
    gpu(1)
    monkeypatch.setattr(_chunk, "_needed", None)
    assert chunk_of(5) == 5


def test_a_device_that_does_not_say_gets_what_fills_it(gpu, monkeypatch):
    gpu(None)
    assert chunk_of() == POPULATION
    monkeypatch.setattr(_chunk, "EXAMPLES", 48 * 7)  # of 48 examples each, seven
    assert chunk_of() == 6


def test_examples_that_come_in_parts_count_as_a_part(gpu, monkeypatch):
    """Without moments to estimate, a sub-network sees so many examples at once and no more."""
    gpu(None)
    evolution, arguments = asked()
    raw = replace(evolution, kernel=replace(evolution.kernel, mode="raw"))
    monkeypatch.setattr(_chunk, "EXAMPLES", 48)  # as many as a task has
    monkeypatch.setattr(kernels, "ROWS", 12)
    assert chunk_of() == 1
    assert fitted(raw, *arguments).kernel.chunk == 4


def test_what_is_taken_fits_and_the_next_larger_would_not(gpu):
    """Bytes are the compiler's own; less memory, fewer side by side, and one at the least."""
    evolution, arguments = asked()
    needed = {
        chunk: _chunk._needed(_chunk._with(evolution, chunk), arguments) for chunk in (12, 6, 3, 1)
    }
    assert sorted(needed.values(), reverse=True) == list(needed.values())
    assert needed[12] > 1.5 * needed[3]
    for chunk in (12, 6, 3):
        gpu(needed[chunk] / _chunk.SHARE + 1)
        assert chunk_of() == chunk
        gpu(needed[chunk] / _chunk.SHARE - 1)
        assert chunk_of() < chunk
    gpu(0)
    assert chunk_of() == 1


def test_a_program_that_the_compiler_cannot_place_does_not_fit(gpu, monkeypatch):
    def lower(evolution, *_):
        if evolution.kernel.chunk > 3:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return Compiled()

    class Compiled:
        def compile(self):
            return self

        def memory_analysis(self):
            return None

    gpu(10**9)
    monkeypatch.setattr(Evolution, "advance", type("Program", (), {"lower": staticmethod(lower)}))
    assert chunk_of() == 3
    other = jax.errors.JaxRuntimeError("INTERNAL: another trouble")
    monkeypatch.setattr(
        Evolution.advance, "lower", staticmethod(lambda *_: (_ for _ in ()).throw(other))
    )
    with pytest.raises(jax.errors.JaxRuntimeError, match="another trouble"):
        chunk_of()


@given(st.integers(1, 500), st.integers(0, 600))
def test_divisors(rows, most):
    found, cap = _divisor(rows, most), max(1, min(most, rows))
    assert 1 <= found <= cap and 2 * found >= cap
    assert rows % found == 0 or found == cap
