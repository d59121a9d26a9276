"""The front door: names that are imported when they are used, and what they hide."""

import ast
import subprocess
import sys
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import sosjax
from sosjax import strategies

DOORS = (sosjax, strategies)


def stub(package):
    return Path(package.__file__).with_suffix(".pyi")


@pytest.mark.parametrize("package", DOORS, ids=lambda package: package.__name__)
def test_every_name_of_the_stub_is_there(package):
    named = {
        alias.name
        for node in ast.parse(stub(package).read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert named == set(package.__all__) and len(named) >= 12
    for name in named:
        assert getattr(package, name).__doc__ or name == "ALGORITHMS", f"{name} says nothing"


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = sosjax.nothing_of_the_kind


def test_functions_are_not_hidden_by_the_packages_of_their_names():
    code = (
        "import sosjax, sys\n"
        "assert 'jax' not in sys.modules\n"
        "import sosjax.search._problem, sosjax.recover._case, sosjax.report\n"
        "assert all(callable(one) for one in (sosjax.search, sosjax.recover, sosjax.report))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert isinstance(sosjax.search, FunctionType) and isinstance(sosjax.graph, ModuleType)
