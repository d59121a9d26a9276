"""Members in plain PyTorch: the same logits, and the names of the libraries that people use."""

import importlib.util
import json
import re

import numpy as np
import pytest
from members import FAMILIES, drawn_masks, made, tiny

from sosjax import check_inputs, load, shrink
from sosjax._tree import named_leaves
from sosjax.deploy._pytorch import _FAMILIES, pytorch_network, write_pytorch
from sosjax.deploy._stored import stored
from sosjax.models import FAMILIES as KNOWN
from sosjax.models._fitted import _ours, _renamed
from sosjax.models._weights import load_arrays

CASES = [
    ("resnet", {"stem": "imagenet"}, (1, 2)),
    ("resnet", {"stem": "imagenet", "padding": "same"}, ()),
    ("resnet", {"stem": "strided", "padding": "same", "block": "bottleneck"}, (0,)),
    ("resnet", {"stem": "small", "mean": 0.3, "deviation": 0.4}, (0,)),
    ("vit", {}, (1, 2)),
    ("vit", {"fused": True, "activation": "gelu_new"}, (0,)),
    ("vit", {"bias": False, "classes": 0}, ()),
    ("bert", {"pad": 3}, (0, 3)),
    ("bert", {"pooling": "pooler", "activation": "relu"}, ()),
    ("bert", {"pooling": "cls"}, (1,)),
    ("mpnet", {}, (0, 3)),
    ("mpnet", {"pooling": "cls", "activation": "gelu_new", "buckets": 8}, ()),
    ("efficientnet", {}, (0, 2)),
    ("efficientnet", {"padding": "symmetric", "width": 2.0, "epsilon": 1e-2}, ()),
    ("lstm", {}, ()),
    ("lstm", {"mean": (0.5, 1.0), "deviation": (2.0, 0.5), "layers": 3}, ()),
    ("m2m100", {"scaled": False}, (0, 1, 5)),
    ("m2m100", {"activation": "silu"}, ()),
]


def written(jat, member, folder, quantize=None):
    kept = stored(shrink(jat, member), quantize, jat.graph.inputs)
    write_pytorch(folder, jat, member, kept)
    return kept.network


@pytest.mark.torch
@pytest.mark.parametrize("quantize", [None, "int8"])
@pytest.mark.parametrize(("family", "options", "gone"), CASES)
def test_plain_pytorch_gives_the_same(family, options, gone, quantize, tmp_path):
    pytest.importorskip("torch")
    jat = tiny(family, **options)
    member = made(jat, drawn_masks(jat, 0.6, gone, seed=len(gone)))
    network = written(jat, member, tmp_path / "pytorch", quantize)
    run = pytorch_network(tmp_path / "pytorch")
    for count in (1, 5):
        rows = check_inputs(jat, count, seed=2)
        wanted = np.asarray(network(rows))
        assert np.ptp(wanted) > 0.01
        np.testing.assert_allclose(run(rows), wanted, atol=1e-5 * max(1, np.abs(wanted).max()))
    names = sorted(path.name for path in (tmp_path / "pytorch").iterdir())
    assert names == ["config.json", "model.safetensors", "network.py"]


@pytest.mark.parametrize("family", sorted(_FAMILIES))
def test_names_are_those_that_are_read(family, tmp_path):
    jat = tiny(family)
    written(jat, made(jat, drawn_masks(jat, 1)), tmp_path / "pytorch")
    arrays, _ = load_arrays(tmp_path / "pytorch" / "model.safetensors")
    wanted = {name.replace("/", "."): leaf for name, leaf in named_leaves(jat.bare_params).items()}
    found = {_ours(_renamed(KNOWN[family].renames, name), wanted) for name in arrays}
    assert found - {None} == set(wanted)
    left = [name for name in arrays if not _ours(_renamed(KNOWN[family].renames, name), wanted)]
    known = ("num_batches_tracked", "classifier.weight", "classifier.bias")
    assert all(name.endswith(known) for name in left)


def test_a_full_member_is_read_as_any_checkpoint(tmp_path):
    jat = tiny("resnet")
    member = made(jat, drawn_masks(jat, 1), tuple("abcde"))
    written(jat, member, tmp_path / "pytorch")
    path = tmp_path / "pytorch" / "model.safetensors"
    again = load(path, family="resnet", **FAMILIES["resnet"])
    rows = check_inputs(jat, 3)
    logits = again.graph.logits(again.params, rows, [np.ones(n, bool) for n in jat.graph.sizes])
    np.testing.assert_allclose(logits, shrink(jat, member)(rows), atol=1e-5)


def test_heads_are_named_where_they_were_cut(tmp_path):
    jat = tiny("m2m100")
    masks = [np.ones(group.size, bool) for group in jat.graph.groups]
    names = [group.name for group in jat.graph.groups]
    masks[names.index("encoder/layers/1/self_attn/k_proj.0")][[0, 2, 3]] = False
    written(jat, made(jat, tuple(masks)), tmp_path / "pytorch")
    config = json.loads((tmp_path / "pytorch" / "config.json").read_text())
    assert config["kept_heads"] == {
        "model.decoder.layers.0.encoder_attn": [0, 1],
        "model.decoder.layers.0.self_attn": [0, 1],
        "model.decoder.layers.1.encoder_attn": [0, 1],
        "model.decoder.layers.1.self_attn": [0, 1],
        "model.encoder.layers.0.self_attn": [0, 1, 2, 3],
        "model.encoder.layers.1.self_attn": [1],
    }


def test_the_module_that_is_shipped_needs_torch_and_safetensors_alone():
    source = importlib.util.find_spec("sosjax").submodule_search_locations[0]
    with open(f"{source}/deploy/_pytorch_network.py") as file:
        imported = re.findall(r"^(?:from|import) ([\w.]+)", file.read(), re.MULTILINE)
    assert {name.split(".")[0] for name in imported} == {
        "json",
        "math",
        "pathlib",
        "re",
        "safetensors",
        "torch",
        "typing",
    }


@pytest.mark.torch
def test_transformers_reads_a_full_bert(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    jat = tiny("bert", pad=3)
    member = made(jat, drawn_masks(jat, 1))
    network = written(jat, member, tmp_path / "pytorch")
    options = jat.architecture
    config = transformers.BertConfig(
        vocab_size=options["vocabulary"],
        hidden_size=options["hidden"],
        num_hidden_layers=options["layers"],
        num_attention_heads=options["heads"],
        intermediate_size=options["intermediate"],
        max_position_embeddings=options["positions"],
        pad_token_id=3,
    )
    (tmp_path / "hf").mkdir()
    config.save_pretrained(tmp_path / "hf")
    weights = (tmp_path / "pytorch" / "model.safetensors").read_bytes()
    (tmp_path / "hf" / "model.safetensors").write_bytes(weights)
    model = transformers.BertModel.from_pretrained(tmp_path / "hf", add_pooling_layer=False).eval()
    ids = check_inputs(jat, 4)
    mask = torch.from_numpy(ids != 3)
    with torch.no_grad():
        hidden = model(torch.from_numpy(ids).long(), attention_mask=mask.long()).last_hidden_state
    features = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
    logits = features.numpy() @ member.kernel + member.bias
    np.testing.assert_allclose(logits, network(ids), atol=1e-5)
