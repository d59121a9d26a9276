"""Compiled programs are kept from one command to the next."""

import os
import subprocess
import sys

import jax
import pytest

from sosjax.cli import _programs

CHILD = """
from sosjax.cli._programs import Compiling, keep_programs
keep_programs()
compiling = Compiling()
import jax
jax.jit(lambda x: jax.numpy.sin(x) @ x)(jax.numpy.ones((64, 64)))
print(compiling)
"""


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Be a process that was told nothing, of a user with a cache folder of his own."""
    old = {name: getattr(jax.config, name) for name in (_programs.FOLDER, _programs.BRIEFEST)}
    jax.config.update(_programs.FOLDER, None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    yield tmp_path / "sosjax" / f"programs-{_programs.processor()}"
    for name, value in old.items():
        jax.config.update(name, value)


def child(tmp_path, **variables):
    own = {"XDG_CACHE_HOME": str(tmp_path), "JAX_PLATFORMS": "cpu", _programs.BRIEFEST.upper(): "0"}
    others = {name: text for name, text in os.environ.items() if not name.startswith("JAX_")}
    run = [sys.executable, "-c", CHILD]
    return subprocess.run(
        run, env=others | own | variables, capture_output=True, text=True, check=True
    ).stdout


def test_the_second_process_finds_what_the_first_compiled(tmp_path):
    first, second = child(tmp_path), child(tmp_path)
    assert "kept" not in first and "compiling took" in first
    programs = first.split(" for ")[1].split()[0]
    assert int(programs) > 0
    assert f"for {programs} programs, {programs} of them kept from earlier runs" in second


def test_who_wants_no_cache_has_none(tmp_path):
    outputs = [child(tmp_path, JAX_ENABLE_COMPILATION_CACHE="false") for _ in range(2)]
    assert not any("kept" in text for text in outputs)


def test_the_folder_is_the_users(fresh):
    _programs.keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(fresh) and fresh.is_dir()


def test_what_the_user_set_is_left_alone(fresh):
    jax.config.update(_programs.FOLDER, "elsewhere")
    _programs.keep_programs()
    assert jax.config.jax_compilation_cache_dir == "elsewhere" and not fresh.exists()


def test_without_a_place_to_write_all_is_as_before(fresh):
    fresh.parent.write_text("a file where a folder would have to be")
    _programs.keep_programs()
    assert jax.config.jax_compilation_cache_dir is None


def test_a_user_without_a_home_has_no_cache(fresh, monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(_programs.Path, "home", staticmethod(homeless))
    _programs.keep_programs()
    assert jax.config.jax_compilation_cache_dir is None and not fresh.exists()


def test_the_oldest_programs_are_let_go(fresh, monkeypatch):
    fresh.mkdir(parents=True)
    for age, name in enumerate(("new", "older", "oldest")):
        (fresh / name).write_bytes(bytes(100))
        os.utime(fresh / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(_programs, "MOST", 200)
    _programs.keep_programs()
    assert sorted(path.name for path in fresh.iterdir()) == ["new", "older"]
