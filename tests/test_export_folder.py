"""Exports of a member: whole, loaded again to the same, refused where damaged."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from problem import (
    ARCHITECTURE,
    full_params,
    inputs,
    masked_logits,
    network,
    smallest,
)

from sosjax import (
    InputError,
    export,
    load,
    load_network,
    load_stablehlo,
)
from sosjax.deploy import _export as exporting
from sosjax.deploy import _reload as reloading
from sosjax.deploy._reload import Reloaded


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return the folder of the smallest member; whoever changes it copies it first."""
    folder = tmp_path_factory.mktemp("exported") / "small"
    certificate = export(network(), smallest(), folder)
    assert certificate.parameters == smallest().scores.parameters
    return folder


@pytest.fixture
def copied(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def test_export_holds_all_that_is_needed(exported):
    assert sorted(path.name for path in exported.parent.rglob("*")) == [
        "README.md",
        "architecture.json",
        "check.safetensors",
        "function.stablehlo",
        "network.stablehlo",
        "small",
        "weights.safetensors",
    ]
    content = json.loads((exported / "architecture.json").read_text())
    assert (content["format"], content["version"]) == ("sosjax-network", 3)
    assert content["classes"] == ["ant", "cat", "dog"] and content["task"] == "legs"
    assert content["architecture"] == json.loads(json.dumps(network().architecture))
    assert content["scores"]["parameters"] == smallest().scores.parameters
    assert content["certificate"]["shrunk"]["float32"]["relative"] <= 1e-4
    assert content["head"] == {"kernel": "head/kernel", "bias": "head/bias"}
    assert (content["protect"], content["only"]) == ([], ["*"])
    names = [f"stages/{stage}/0/conv{number}" for stage in (0, 1) for number in (1, 2)]
    assert [group["name"] for group in content["groups"]] == names
    kept = [np.flatnonzero(mask).tolist() for mask in smallest().masks]
    assert [group["kept"] for group in content["groups"]] == kept
    # Neither this machine's folders nor the names of source files travel along.
    program = (exported / "network.stablehlo").read_bytes()
    assert b".py" not in program and str(exported.parent).encode() not in program
    sizes = [leaf["shape"] for leaf in content["leaves"].values()]
    assert sum(4 * int(np.prod(size)) for size in sizes) == smallest().scores.bytes


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_loaded_networks_give_the_same(batch, exported):
    images = inputs(batch, batch)
    loaded, program = load_network(exported), load_stablehlo(exported)
    params = full_params(network(), smallest())
    wanted = masked_logits(network())(params, images, smallest().masks)
    assert loaded.classes == smallest().classes and wanted.shape == (batch, 3)
    np.testing.assert_allclose(loaded(images), wanted, atol=1e-4)
    np.testing.assert_allclose(program(images), wanted, atol=1e-4)


def test_existing_folder_is_refused(exported, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("here", "link"):
        with pytest.raises(InputError, match="`folder` must be a new folder, got one that exists"):
            export(network(), smallest(), tmp_path / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["here", "link", "mine"]


@pytest.mark.parametrize("failure", [RuntimeError("other outputs"), OSError(28, "No space left")])
def test_export_is_whole_or_not_at_all(failure, tmp_path, monkeypatch):
    def failing(folder):
        assert (folder / "weights.safetensors").exists()
        raise failure

    monkeypatch.setattr(exporting, "verify_in_fresh_process", failing)
    wanted = InputError if isinstance(failure, OSError) else RuntimeError
    with pytest.raises(wanted, match="other outputs|`folder` .* cannot be written: No space left"):
        export(network(), smallest(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_export_that_differs_when_loaded_again_is_refused(copied):
    content = json.loads((copied / "architecture.json").read_text())
    assert set(reloading.differences(copied)) == {"stablehlo", "safetensors", "architecture"}
    check = copied / "check.safetensors"
    arrays, _ = reloading.load_arrays(check)
    exporting.save_arrays(check, arrays | {"logits": arrays["logits"] + 1})
    assert reloading.differences(copied)["safetensors"] == pytest.approx(1, abs=1e-3)
    assert content["architecture"]["family"] == "resnet"
    with pytest.raises(RuntimeError, match="The export gives other outputs when loaded again"):
        exporting.verify_in_fresh_process(copied)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(share, copied):
    loads = {
        "weights.safetensors": load_network,
        "architecture.json": load_network,
        "network.stablehlo": load_stablehlo,
    }
    for name, loading in loads.items():
        content = (copied / name).read_bytes()
        (copied / name).write_bytes(content[: int(share * (len(content) - 2))])
        with pytest.raises(InputError) as refusal:
            loading(copied)
        assert str(refusal.value).startswith(f"{copied}/{name} must ")
        (copied / name).unlink()
        with pytest.raises(InputError, match=f"{name} must be a .*file, got no"):
            loading(copied)
        (copied / name).write_bytes(content)


@pytest.mark.parametrize("name", ["weights.safetensors", "network.stablehlo", "function.stablehlo"])
def test_a_flipped_bit_is_noticed(name, copied):
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(bytes(content))
    loading = {
        "network": load_stablehlo,
        "weights": load_network,
        "function": reloading.differences,
    }[name.split(".")[0]]
    with pytest.raises(InputError) as refusal:
        loading(copied)
    assert str(refusal.value) == (
        f"{copied}/{name} must be the file that was exported, got another or a damaged one."
    )


def edited(folder, change):
    content = json.loads((folder / "architecture.json").read_text())
    change(content)
    (folder / "architecture.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("leaves"),
        lambda content: content.update(leaves=[]),
        lambda content: content.pop("classes"),
        lambda content: content.pop("architecture"),
        lambda content: content["architecture"].pop("widths"),
        lambda content: content["architecture"].update(widths="wide"),
        lambda content: content["architecture"].update(family="vit"),
        lambda content: content["leaves"]["head/bias"].update(shape=[7]),
        lambda content: content["leaves"]["head/bias"].update(dtype="float33"),
        lambda content: content.pop("head"),
        lambda content: content.pop("protect"),
        lambda content: content.pop("groups"),
        lambda content: content["groups"][0].pop("kept"),
        lambda content: content["groups"][0].update(kept=[]),
        lambda content: content["groups"][0].update(kept=[0, 1, 2, 3]),
        lambda content: content["groups"][0].update(size=5),
        lambda content: content["groups"].pop(),
        lambda content: content.update(protect=["*conv1*"]),
        lambda content: content.update(input_shape=None),
        lambda content: content.update(version=1),
        lambda content: content.update(format="other"),
    ],
)
def test_damaged_architecture_is_refused(change, copied):
    edited(copied, change)
    with pytest.raises(InputError, match="must "):
        load_network(copied)


def test_names_never_become_paths(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "verify_in_fresh_process", lambda folder: Reloaded({}, {}, {}))
    member = replace(smallest(), task="../../x", classes=("<b>", "/etc", ".."))
    export(network(), member, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert load_network(tmp_path / "out").classes == ("<b>", "/etc", "..")


def test_weights_of_another_network_are_refused(exported):
    with pytest.raises(InputError, match="the weights must be those of the 'resnet' network, got "):
        load(exported / "weights.safetensors", **ARCHITECTURE)
