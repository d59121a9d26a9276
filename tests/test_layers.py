"""The plan of the house: who may import whom, and what every file owes its reader."""

import ast
from pathlib import Path

import pytest

import sosjax

ROOT = Path(sosjax.__file__).parent
FLOORS = {
    "ground": 0,
    "graph": 1,
    "pareto": 1,
    "readers": 1,
    "space": 2,
    "problems": 2,
    "models": 2,
    "tasks": 2,
    "environments": 2,
    "fitness": 3,
    "strategies": 3,
    "sets": 3,
    "training": 4,
    "search": 5,
    "deploy": 5,
    "recover": 6,
    "report": 7,
    "cli": 8,
    "door": 9,
}
GROUND = {"_errors", "_files", "_progress", "_tree", "_types"}
DOORS = {"__init__", "__main__"}
FILES = sorted(ROOT.rglob("*.py"))
each_file = pytest.mark.parametrize(
    "file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix()
)


def room(parts):
    """Return the room of a module's path below the package; the ground is one room."""
    if not parts or parts[0] in DOORS:
        return "door"
    return "ground" if parts[0] in GROUND else parts[0]


def imports(file):
    """Yield every imported module as parts below `sosjax`, or of another package."""
    package = ["sosjax", *file.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            if node.module:
                yield module
            else:
                yield from ([*module, alias.name] for alias in node.names)


def test_every_room_has_a_floor():
    rooms = {
        file.parent.name for file in FILES if file.parent != ROOT and file.parent.parent == ROOT
    }
    assert rooms == set(FLOORS) - {"ground", "door"}
    assert {file.stem for file in ROOT.glob("*.py")} == GROUND | DOORS


@each_file
def test_a_floor_imports_only_from_floors_below(file):
    own = room(file.relative_to(ROOT).with_suffix("").parts)
    for module in imports(file):
        if module[0] == "sosjax":
            other = room(module[1:])
            below = other in FLOORS and FLOORS[other] < FLOORS[own]
            assert other == own or below, f"{own} imports {'.'.join(module)}"


@each_file
def test_foreign_libraries_enter_by_one_room(file):
    inside = file.relative_to(ROOT).as_posix()
    entries = {
        "evosax": "strategies/_evosax.py",
        "huggingface_hub": "models/_hub.py",
        "jax2onnx": "deploy/_onnx.py",
        "matplotlib": "report/_figures.py",
        "onnxruntime": "deploy/_onnx.py",
        "orbax": "search/",
        # The last is copied into exports, where it is alone.
        "safetensors": ("models/_weights.py", "deploy/_pytorch_network.py"),
    }
    for module in imports(file):
        for library, entry in entries.items():
            assert module[0] != library or inside.startswith(entry)


@each_file
def test_every_public_name_of_a_module_has_a_docstring(file):
    tree = ast.parse(file.read_text())
    defined = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in tree.body:
        if isinstance(node, defined) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} says nothing"
    if tree.body:
        assert ast.get_docstring(tree), "the module says nothing"


@each_file
def test_files_and_functions_are_small(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 50, f"{node.name} has {lines} lines"


def modules():
    """Return every module's file by its path as parts; a package is its `__init__`."""
    parts = {("sosjax", *file.relative_to(ROOT).with_suffix("").parts): file for file in FILES}
    return {path[:-1] if path[-1] == "__init__" else path: file for path, file in parts.items()}


def test_no_module_imports_itself_in_a_circle():
    """Rooms on one floor are apart, and so are the modules of a room: one is below the other."""
    files = modules()
    below = {}
    for module, file in files.items():
        # `from .a import b`, where `b` need not be a module.
        named = {tuple(path) for path in imports(file)}
        named = {path if path in files else path[:-1] for path in named}
        below[module] = (named & set(files)) - {module}
    while below:
        lowest = {module for module, others in below.items() if not others & set(below)}
        assert lowest, f"a circle among {sorted('.'.join(module) for module in below)}"
        below = {module: others for module, others in below.items() if module not in lowest}


def test_no_room_is_called_after_nothing():
    assert not [
        file for file in FILES if file.stem.strip("_") in ("utils", "helpers", "misc", "common")
    ]
