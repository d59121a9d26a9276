"""The notebooks say what they need, are kept without outputs, and run from top to bottom."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROGRAMS

ROOT = Path(__file__).parents[1]
FIGURES = {
    "01_first_set_of_sets": 6,
    "02_bring_your_own_model": 3,
    "03_strategies_in_your_jax_project": 4,
    "04_against_pytorch": 3,
    "05_colab_tpu_scale": 3,
}
HEAVY = {"04_against_pytorch": pytest.mark.torch}
NOTEBOOKS = [pytest.param(name, marks=HEAVY.get(name, ())) for name in FIGURES]


def cells(name):
    return json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]


def test_all_are_tested():
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} == FIGURES.keys()


@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_says_what_it_needs_and_installs_it(name):
    first, *others = cells(name)
    told = "".join(first["source"])
    assert "**What it needs.**" in told and "**How long it takes.**" in told
    code = [cell for cell in others if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert code[0]["metadata"]["tags"] == ["install"]
    assert "%pip install" in "".join(code[0]["source"])
    assert not any("%" in "".join(cell["source"])[:1] for cell in code[1:])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name, tmp_path):
    environment = os.environ | {
        "SOSJAX_SMALL": "1",
        "TMPDIR": str(tmp_path),  # where notebooks put their folders
        "PYTHONPATH": str(ROOT),
        "JAX_COMPILATION_CACHE_DIR": str(PROGRAMS),  # and as conftest has it
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    program = [sys.executable, "-W", "error", str(ROOT / "tests" / "run_notebook.py")]
    done = subprocess.run(
        [*program, str(ROOT / "notebooks" / f"{name}.ipynb")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    pictures = list(tmp_path.glob("figure-*.png"))
    assert len(pictures) == FIGURES[name]
    assert all(path.stat().st_size > 5_000 for path in pictures)  # none is blank
