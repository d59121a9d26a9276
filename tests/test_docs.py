"""The guides: their code runs, their commands parse, and every public name is in the reference."""

import ast
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from formats import MOODS, SUBJECTS, put_csv, put_encoder, written
from members import tiny
from pages import FRONT, GUIDES, REFERENCE, ROOT, block, blocks, commands

import sosjax
from sosjax.cli._keys import KEYS, require_keys
from sosjax.cli._parser import parser

LANGUAGES = {"python", "sh", "toml", ""}
PAGES = [*FRONT, *GUIDES]
NAMES = [path.name for path in GUIDES if any(one.language == "python" for one in blocks(path))]


@pytest.fixture(scope="session")
def stand_in():
    """Return a network for the same images and classes as the embedded one, soon compiled."""
    shape = {"widths": (4,), "depths": (1,), "classes": 10, "input_shape": (28, 28, 1)}
    return tiny("resnet", **shape, mean=0.3, deviation=0.4)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory, stand_in):
    """Return the folder of a tiny search with the stand-in."""
    folder = tmp_path_factory.mktemp("docs") / "my-run"
    tasks = [
        sosjax.Task("tops", ("T-shirt/top", "Pullover", "Coat", "Shirt")),
        sosjax.Task("long", ("Trouser", "Dress", "Coat", "Shirt")),
    ]
    settings = sosjax.Settings(
        population=4, generations=1, images=32, calibration=32, fitness="raw", ranking="magnitude"
    )
    sosjax.search(stand_in, sosjax.fashion_mnist(), tasks, (), settings, folder=folder)
    return folder


@pytest.fixture
def prepared(request, tmp_path, monkeypatch, stand_in):
    """Go into a folder with what the page in question asks for, and return the page's path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sosjax, "fashion_resnet", lambda: stand_in)
    path = ROOT / "docs" / request.param
    asked = [what for one in blocks(path) for what in one.mark("prepared")]
    if any("my-run" in one.code for one in blocks(path) if one.language == "python"):
        shutil.copytree(request.getfixturevalue("run_folder"), tmp_path / "my-run")
    if asked:
        pytest.importorskip("tokenizers")
        put_encoder(tmp_path)
        (tmp_path / "net").rename(tmp_path / "all-MiniLM-L6-v2")
        for name, classes in (("stars", MOODS), ("topics", SUBJECTS)):
            put_csv(tmp_path / f"{name}.csv", written(classes, 90))
    return path


def small(one):
    """Return the code of a block with what its marks make smaller."""
    code = one.code
    for mark in one.mark("small"):
        shown, run = mark.split(" => ")
        assert code.count(shown) == 1, shown
        code = code.replace(shown, run)
    return code


@pytest.mark.parametrize("prepared", NAMES, indirect=True)
def test_code_of_a_guide_runs_from_top_to_bottom(prepared, capsys):
    space = {"__name__": "guide"}
    for one in blocks(prepared):
        if one.language == "python" and not one.mark("not run"):
            exec(compile(small(one), "example.py", "exec"), space)
    CHECKS.get(prepared.name, lambda printed: None)(capsys.readouterr().out)


def check_model(printed):
    """What `trace` prints is what is shown, but for the words at the right."""
    path = ROOT / "docs" / "model.md"
    every = blocks(path)
    shown = every[every.index(block(path, "trace example")) + 1].code
    lines = [line.rstrip() for line in printed.splitlines()]
    for line in re.sub(r"<- .*", "", shown).splitlines():
        assert line.rstrip() in lines
    assert "float32: masked and shrunk differ by at most" in printed


def check_strategies(printed):
    """Three seeds are near the true front."""
    (distances,) = re.findall(r"(?m)^\[([\d. ]+)\]$", printed)
    assert len(distances.split()) == 3
    assert all(0.003 < float(distance) < 0.1 for distance in distances.split())


def check_data(printed):
    """The search of the text example has found something."""
    assert "Scores(kept=" in printed


CHECKS = {"model.md": check_model, "strategies.md": check_strategies, "data.md": check_data}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_what_is_not_run_says_why(path):
    for one in blocks(path):
        assert one.language in LANGUAGES
        if one.language == "python":
            assert all(len(why) > 10 for why in one.mark("not run"))
            ast.parse(one.code)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_parse(path):
    for words in commands(path):
        parser("1").parse_args(words[1:])


def test_there_are_commands_to_parse():
    assert sum(len(commands(path)) for path in PAGES) > 25


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_configurations_have_known_keys(path):
    for one in blocks(path):
        if one.language == "toml":
            content = tomllib.loads(one.code)
            require_keys("", content)
            for section, tables in content.items():
                for table in tables if isinstance(tables, list) else [tables]:
                    require_keys(section, table)
                    require_keys("data", table.get("data", {}) if section == "tasks" else {})


def test_every_section_is_known():
    assert {"model", "data", "tasks", "environments", "search"} < set(KEYS)


def public():
    """Return every public name, with the module that it is from."""
    folder = ROOT / "sosjax"
    for path in (folder, *sorted(folder.iterdir())):
        found = [path / name for name in ("__init__.pyi", "__init__.py") if (path / name).exists()]
        for node in ast.parse(found[0].read_text()).body if found else ():
            if isinstance(node, ast.ImportFrom) and node.level == 1 and path.name != "cli":
                package = ".".join(path.relative_to(ROOT).parts)
                for name in node.names:
                    yield package, node.module, name.asname or name.name


def named():
    """Return every path that the reference documents."""
    text = "\n".join(path.read_text() for path in REFERENCE)
    return re.findall(r"(?m)^::: (\S+)$", text)


def test_every_public_name_is_in_the_reference():
    pages = set(named())
    missing = [
        f"{package}.{name}"
        for package, module, name in public()
        if f"{package}.{name}" not in pages and f"{package}.{module}.{name}" not in pages
    ]
    assert missing == []


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for path in (*GUIDES, *REFERENCE):
        assert str(Path(path).relative_to(ROOT / "docs")) in navigation
