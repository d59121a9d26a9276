"""A configuration with a section `[adaptation]`: run, resume, and what later commands use."""

import json
import shutil

import numpy as np
import pytest
from test_cli_formats import ANY, GREY, MODEL, SEARCH, TASK, put_idx, put_network, said

from sosjax import load, load_network, load_sets, shrink
from sosjax.cli import main
from sosjax.models._weights import load_arrays
from sosjax.search import _search as driver

SECTION = """
[adaptation]
epochs = 6
batch = 8
rate = 0.02
subnetworks = 1
tolerance = 1.0
"""
DATA = '[data]\nformat = "idx"\npath = "digits"\n'
CHOICE = ["r", "--task", "one", "--env", "any"]


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Run once; the tests work on copies."""
    folder = tmp_path_factory.mktemp("adapted")
    put_network(folder, GREY)
    (folder / "digits").mkdir()
    put_idx(folder / "digits", train=240)
    (folder / "c.toml").write_text(MODEL + DATA + TASK + ANY + SEARCH + SECTION)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "c.toml", "--out", "r", "--quiet"]) == 0
    return folder


@pytest.fixture
def ran(once, tmp_path, monkeypatch):
    """Return the folder of a finished run of its own."""
    shutil.copytree(once / "r", tmp_path / "r")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "r"


def test_a_run_keeps_what_it_adapted_and_says_so(ran):
    facts = json.loads((ran / "sets.json").read_text())["adaptation"]
    assert facts["settings"]["epochs"] == 6 and facts["epoch"] > 0
    assert set(facts["dense"]["one"]) == {"before", "after"}
    jat = load(ran / "jack.safetensors")
    assert jat.adaptation == facts
    assert "adaptation" in json.loads((ran / "run.json").read_text())["asked"]


@pytest.mark.parametrize("kept", [True, False])
def test_resume_adapts_anew_only_what_was_not_finished(kept, once, ran, capsys, monkeypatch):
    for name in ("sets.json", "sets.safetensors", "journal.jsonl"):
        (ran / name).unlink()
    shutil.rmtree(ran / "checkpoints")
    if kept:
        monkeypatch.setattr(driver, "Adapting", None)
    else:
        (ran / "jack.safetensors").unlink()
    _, err = said(capsys, "resume", "r")
    assert ("adapting: epoch 6 of 6" in err) == (not kept)
    for name in ("sets.json", "sets.safetensors"):
        assert (ran / name).read_bytes() == (once / "r" / name).read_bytes()
    # The order of a file's metadata is not always the same.
    (again, said_again), (first, said_first) = (
        load_arrays(folder / "jack.safetensors") for folder in (ran, once / "r")
    )
    assert said_again == said_first and again.keys() == first.keys()
    assert all(np.array_equal(leaf, first[name]) for name, leaf in again.items())


def test_later_commands_use_the_adapted_weights(once, ran, capsys):
    said(capsys, "export", *CHOICE, "--out", "x")
    member = load_sets(ran).select("one", "any")
    inputs = np.random.default_rng(0).random((5, 8, 8, 1), np.float32)
    outputs = load_network("x")(inputs)
    np.testing.assert_allclose(
        outputs, shrink(load(ran / "jack.safetensors"), member)(inputs), atol=1e-5
    )
    before = shrink(load(once / "net.safetensors"), member)(inputs)
    assert not np.allclose(outputs, before, atol=1e-3)
    out, _ = said(capsys, "select", *CHOICE)
    assert "certificate" in out


def test_without_its_weights_a_run_says_what_is_missing(ran, capsys):
    (ran / "jack.safetensors").unlink()
    assert main(["export", *CHOICE, "--out", "x"]) == 2
    assert (
        "jack.safetensors must be a safetensors file, got no such file" in capsys.readouterr().err
    )


def test_too_few_examples_leave_no_folder(once, tmp_path, capsys):
    text = (once / "c.toml").read_text().replace("batch = 8", "batch = 500")
    (once / "large.toml").write_text(text)
    assert main(["run", str(once / "large.toml"), "--out", str(tmp_path / "new")]) == 2
    assert "`adaptation.batch` must be at most the" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
