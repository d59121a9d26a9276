"""The examples in the readers' documentation run as they are written."""

import doctest
import importlib
import pkgutil

import pytest

import sosjax.readers

MODULES = [module.name for module in pkgutil.iter_modules(sosjax.readers.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(f"sosjax.readers.{name}")
    assert doctest.testmod(module).failed == 0


def test_examples_are_found():
    module = importlib.import_module("sosjax.readers._split")
    assert doctest.testmod(module).attempted >= 2
