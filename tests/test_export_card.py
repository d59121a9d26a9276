"""The card of an export: what it says, that it can be read, and that its Python runs."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from members import drawn_masks, made, tiny
from problem import ENVIRONMENTS, found, make_mlp, network

from sosjax import InputError, Jat, export, load
from sosjax.cli._model_choice import model_choice
from sosjax.deploy import _export as exporting
from sosjax.deploy._card import plain
from sosjax.deploy._reload import Reloaded
from sosjax.models import jat_of, save


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    nothing = Reloaded({}, {"stablehlo": {"1": 0.5, "64": 2.25}}, {})
    monkeypatch.setattr(exporting, "verify_in_fresh_process", lambda folder: nothing)


def front(text):
    """Return the front matter, whose values are JSON."""
    start, matter, _ = text.split("---\n", 2)
    assert start == ""
    return {key: json.loads(value) for key, value in re.findall(r"(\w+): (.*)\n", matter)}


def test_a_card_says_what_is_known(tmp_path):
    sets, member = found(), found().tasks[0].members[0]
    export(network(), member, tmp_path / "out", sets=sets, environment=ENVIRONMENTS[0])
    text = (tmp_path / "out" / "README.md").read_text()
    assert front(text) == {
        "license": "unknown",
        "library_name": "sosjax",
        "tags": ["sosjax", "jax", "pruning"],
        "pipeline_tag": "image-classification",
    }
    scores, jack = member.scores, sets.tasks[0].jack
    for line in (
        "# legs: a sub-network of tiny",
        "- **Classes**: ant, cat, dog",
        "- **Inputs**: float32 [batch, 8, 8, 1]",
        "- **Its license**: not stated",
        "- **Chosen for**: watch (bytes at most 1,500)",
        "- **Data**: squares: 120 for search, 96 for validation, 96 for test",
        f"| test | {100 * scores.test_error:.2f} % | {100 * jack.test_error:.2f} % |",
        f"| parameters | {scores.parameters:,} | "
        f"{100 * scores.parameters / jack.parameters:.1f} % |",
        f"| bytes | {scores.bytes:,} | {100 * scores.bytes / jack.bytes:.1f} % |",
    ):
        assert line in text.splitlines(), line
    size = (tmp_path / "out" / "network.stablehlo").stat().st_size
    assert f"| stablehlo | {size:,} | 0.50 ms | 2.25 ms |" in text
    assert str(tmp_path) not in text


def test_a_card_without_what_is_not_known(tmp_path):
    jat = tiny("bert")
    jat = jat_of(jat.architecture, jat.bare_params, license='mit"\n---\nx: y'.replace("\n", " "))
    member = made(jat, drawn_masks(jat, 0.5))
    export(jat, member, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert front(text)["license"] == 'mit" --- x: y'
    assert front(text)["pipeline_tag"] == "text-classification"
    assert "- **Data**: not stated" in text and "- **Chosen for**: not stated" in text
    assert "- **Classes**: ant, \\<b\\>\\|cat, dog" in text
    assert "| search | 25.00 % | not measured |" in text


def test_names_of_the_user_do_nothing_in_a_card(tmp_path):
    member = found().tasks[0].members[0]
    nasty = "<script>alert(1)</script> [x](javascript:y) `z` | # **b**"
    member = replace(member, task=nasty, classes=("a|b", "<img src=x>", "$x$"))
    export(network(), member, tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert "<" not in re.sub(r"\\<", "", text) and not re.search(r"(?<!\\)\]\(", text)
    assert "a\\|b, \\<img src=x\\>, \\$x\\$" in text
    assert plain("a\nb  c") == "a b c"
    assert plain("_*x*_") == "\\_\\*x\\*\\_"


def test_the_python_of_a_card_runs_where_it_lies(tmp_path, monkeypatch):
    jat = tiny("vit")
    export(jat, made(jat, drawn_masks(jat, 0.5)), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    pieces = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(pieces) == 2
    monkeypatch.chdir(tmp_path / "out")
    outcomes = []
    for piece in pieces:
        scope = {}
        exec(piece, scope)
        outcomes.append(np.asarray(scope["logits"]))
    assert outcomes[0].shape == (1, 3)
    np.testing.assert_allclose(*outcomes, atol=1e-5)


def test_a_card_of_a_function_says_that_it_needs_it(tmp_path):
    jat = make_mlp(source="https://example.org/x_y")
    export(jat, made(jat, drawn_masks(jat, 0.5)), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    assert '`sosjax.load_network(".", jat)` gives arrays and a function' in text
    assert text.count("```python") == 1
    assert "- **Its source**: https://example.org/x\\_y" in text


@pytest.mark.parametrize("key", ["license", "source"])
def test_license_and_source_are_printable_texts(key):
    with pytest.raises(InputError, match=f"`model.{key}` must be a printable name"):
        make_mlp(**{key: "a\nb"})
    jat = make_mlp(**{key: "MIT"})
    assert isinstance(jat, Jat) and getattr(jat, key) == "MIT"
    assert getattr(jat.with_params(jat.params), key) == "MIT"


def test_license_and_source_of_a_configuration_reach_the_network(tmp_path, monkeypatch):
    save(tmp_path / "net.safetensors", network())
    table = {"path": "net.safetensors", "license": "mit", "source": "https://example.org"}
    monkeypatch.setattr("sosjax.cli._model_choice.keep_programs", lambda: None)
    jat = model_choice(table, tmp_path).load()
    assert (jat.license, jat.source) == ("mit", "https://example.org")
    assert load(tmp_path / "net.safetensors").source is None
