"""Networks from files: every array finds its place, or one sentence says which did not."""

import json
import pickle
import socket
import sys
from dataclasses import replace
from types import ModuleType

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from problem import drawn

from sosjax import Jat, export, load
from sosjax._errors import InputError
from sosjax._tree import named_leaves
from sosjax.models import (
    FAMILIES,
    built,
    jat_of,
    load_language_tokenizer,
    load_tokenizer,
    save,
)
from sosjax.models._fitted import fitted
from sosjax.models._hub import FILES
from sosjax.models._timm import from_timm
from sosjax.models._weights import save_arrays

CONFIG = {
    "model_type": "bert",
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
    "pad_token_id": 0,
}
BERT = FAMILIES["bert"]
TINY = built({"family": "bert", **BERT.from_huggingface(CONFIG).__dict__, "length": 6})
PARAMS = drawn(TINY.shapes, 1)
IDS = np.array([[3, 4, 5, 6, 7, 0], [8, 9, 0, 0, 0, 0]], np.int32)


@pytest.fixture
def folder(tmp_path):
    """A folder in Hugging Face layout."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_arrays(tmp_path / "model.safetensors", theirs_of())
    return tmp_path


def theirs_of():
    """Return the state dict that the family's own names make, renamed back by brute force."""
    state = {}
    for name, leaf in named_leaves(PARAMS).items():
        outer, _, last = name.replace("/", ".").rpartition(".")
        leaf = np.asarray(leaf)
        turned = leaf.T if last == "kernel" else leaf
        state[f"{outer}.{'bias' if last == 'bias' else 'weight'}"] = np.ascontiguousarray(turned)
    return state


def sentence(function, *arguments, **options):
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_folder_in_hugging_face_layout_gives_the_network(folder):
    jat = load(folder, length=6)
    assert (jat.name, jat.vocabulary, jat.own_head) == (folder.name, 20, False)
    assert jat.graph.inputs == jax.ShapeDtypeStruct((6,), jnp.int32)
    features, _ = jat.graph.features(jat.params, jnp.asarray(IDS), jat.graph.graph.full(), False)
    np.testing.assert_allclose(features, TINY.apply(PARAMS, jnp.asarray(IDS)), atol=1e-5)
    assert jat.params["head"]["kernel"].shape == (8, 2) and "head" not in jat.bare_params


def test_shards_give_what_one_file_gives(folder):
    state = theirs_of()
    (folder / "model.safetensors").unlink()
    places = {}
    for number, names in enumerate((sorted(state)[:5], sorted(state)[5:])):
        file = f"model-{number}.safetensors"
        save_arrays(folder / file, {name: state[name] for name in names})
        places |= dict.fromkeys(names, file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    jat = load(folder, length=6)
    for name, leaf in named_leaves(PARAMS).items():
        assert np.array_equal(named_leaves(jat.params)[name], leaf)
    (folder / "model-1.safetensors").unlink()
    assert "must hold every shard that model.safetensors.index.json names, got none of model-1" in (
        sentence(load, folder, length=6)
    )


def test_half_precision_is_read_as_float32(folder):
    state = {name: leaf.astype(ml_dtypes.bfloat16) for name, leaf in theirs_of().items()}
    save_arrays(folder / "model.safetensors", state)
    jat = load(folder, length=6)
    assert {leaf.dtype for leaf in jax.tree.leaves(jat.params)} == {np.dtype(np.float32)}


def test_files_beside_an_encoder_say_pooling_and_length(folder):
    (folder / "1_Pooling").mkdir()
    said = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 9}))
    jat = load(folder)
    assert (jat.architecture["pooling"], jat.graph.inputs.shape) == ("cls", (9,))
    assert load(folder, length=5, pooling="mean").architecture["pooling"] == "mean"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({}, "mean"),
    ],
)
def test_pooling_is_read_from_files_new_and_old(folder, said, wanted):
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    assert load(folder).architecture["pooling"] == wanted


def test_pooling_that_we_lack_is_refused_unless_the_user_says_which(folder):
    (folder / "1_Pooling").mkdir()
    said = {"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    message = sentence(load, folder)
    assert "must name one of pooling_mode_cls_token, pooling_mode_mean_tokens, got" in message
    assert load(folder, pooling="mean").architecture["pooling"] == "mean"


TIMM = {
    "architecture": "resnet18",
    "num_classes": 7,
    "pretrained_cfg": {"input_size": [3, 32, 48], "mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]},
}


def test_a_folder_of_timm_says_which_network_it_is(folder):
    found = from_timm(TIMM)
    assert found.pop("family") == "resnet18"
    assert found == {
        "classes": 7,
        "input_shape": (32, 48, 3),
        "mean": [0.1, 0.2, 0.3],
        "deviation": [1, 2, 3],
    }
    found = from_timm(TIMM | {"architecture": "vit_tiny_patch16_224.augreg_in21k"})
    assert (found["family"], found["fused"], found["epsilon"]) == ("vit-tiny-patch16", True, 1e-6)
    (folder / "config.json").write_text(json.dumps(TIMM))
    message = sentence(load, folder)
    assert "must be those of the 'resnet' network, got them without head.bias, head.kernel" in (
        message
    )


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"architecture": "resnet18d.ra2"}, "must be one of resnet18, resnet34, resnet50 or such"),
        ({"architecture": "vit_huge_patch14_224"}, "got 'vit_huge_patch14_224'."),
        (
            {"architecture": "vit_base_patch16_224", "global_pool": "avg"},
            "must be 'token' for vit_base_patch16_224, got 'avg'.",
        ),
        ({"global_pool": "max"}, "must be 'avg' for resnet18, got 'max'."),
    ],
)
def test_networks_of_timm_that_are_none_of_ours_are_refused(folder, changes, wanted):
    (folder / "config.json").write_text(json.dumps(TIMM | changes))
    assert wanted in sentence(load, folder)


# The hub, and no other way to the network.


@pytest.fixture
def offline(monkeypatch):
    """Refuse every connection."""

    def refuse(*_, **__):
        raise AssertionError("nothing may go to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


class Hub(ModuleType):
    """A client that keeps one repository, and notes what it was asked."""

    def __init__(self, folder):
        super().__init__("huggingface_hub")
        self.folder, self.asked = folder, []

    def snapshot_download(self, repository, revision, allow_patterns):
        self.asked.append((repository, revision, allow_patterns))
        if repository != "team/small":
            raise OSError(f"404 Client Error.\nRepository {repository} Not Found.")
        return str(self.folder)


@pytest.fixture
def hub(folder, monkeypatch):
    client = Hub(folder)
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)
    return client


def test_a_path_is_never_asked_of_the_hub(folder, hub, offline, monkeypatch):
    monkeypatch.chdir(folder)
    load(folder)
    (folder / "team").mkdir()
    (folder / "team" / "small").symlink_to(folder)
    assert load("team/small").name == folder.name
    message = sentence(load, "team/other")
    assert message.endswith(
        "no such path: team/other; a repository of the hub is named hf://team/other."
    )
    assert sentence(load, "no/such/path").endswith("no such path: no/such/path.")
    assert hub.asked == []


def test_a_named_repository_is_had_from_the_client(folder, hub, offline):
    jat = load("hf://team/small@main", name="small")
    assert jat.architecture == load(folder).architecture
    assert hub.asked == [("team/small", "main", list(FILES))]
    (folder / "model.safetensors").unlink()
    assert "got one with config.json: " in sentence(load, "hf://team/small")
    assert hub.asked[1:] == [
        ("team/small", None, list(FILES)),
        ("team/small", None, [*FILES, "pytorch_model.bin"]),
    ]


@pytest.mark.parametrize("read", [load, load_tokenizer, load_language_tokenizer])
def test_what_the_hub_does_not_give_is_one_sentence(read, hub):
    message = sentence(read, "hf://team/none")
    assert message.startswith("`path` must be a repository that the hub gives, got none of hf://")
    assert message.endswith("OSError: 404 Client Error. Repository team/none Not Found.")
    assert "must be hf://OWNER/NAME or" in sentence(read, "hf://team")


def test_without_the_client_the_ways_out_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    message = sentence(load, "hf://team/small")
    assert "`path` must be on this machine, since the hub's client is not installed" in message
    assert "pip install 'sosjax[hub]', or download it and name its folder." in message


def test_a_saved_network_is_loaded_again(tmp_path):
    jat = jat_of({"family": "bert", **TINY.options.__dict__}, PARAMS, name="tiny")
    save(tmp_path / "tiny.safetensors", jat)
    again = load(tmp_path / "tiny.safetensors")
    assert again.architecture == jat.architecture and again.name == "tiny"
    assert jax.tree.all(jax.tree.map(np.array_equal, again.params, jat.params))
    assert "must be of a family" in sentence(save, tmp_path / "x", _function())


def _function():
    params = {"up": np.ones((3, 4), np.float32), "down": np.ones((4, 2), np.float32)}
    apply = lambda params, x: jax.nn.relu(x @ params["up"]) @ params["down"]  # noqa: E731
    return Jat(apply, params, input_shape=(3,))


def test_a_function_to_features_gets_a_head_of_zeros():
    jat = _function()
    assert not jat.own_head and jat.graph.classes == 2
    assert [group.size for group in jat.graph.groups] == [2, 4]  # features may go too
    logits = jat.graph.logits(jat.params, np.ones((2, 3), np.float32), jat.graph.graph.full())
    assert np.array_equal(logits, np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (
            lambda state: state.pop("embeddings.word_embeddings.weight"),
            "got them without embeddings.word_embeddings.embedding.",
        ),
        (lambda state: state.update(extra=np.ones(2)), "got them with unexpected extra."),
        (
            lambda state: state.update({"embeddings.word_embeddings.weight": np.ones((3, 8))}),
            "got embeddings.word_embeddings.weight [3, 8] for [20, 8].",
        ),
        (
            lambda state: state["embeddings.word_embeddings.weight"].fill(np.nan),
            "must be finite, got 160 NaN or infinite values",
        ),
    ],
)
def test_arrays_without_a_place_are_named(change, wanted):
    state = {name: leaf.copy() for name, leaf in theirs_of().items()}
    change(state)
    assert wanted in sentence(fitted, BERT, TINY.shapes, state)


def test_tied_copies_stand_in_and_must_agree():
    tied = replace(BERT, tied={r"^cls\.decoder\.weight$": "embeddings.word_embeddings.embedding"})
    state = theirs_of()
    word = state["embeddings.word_embeddings.weight"]
    both = state | {"cls.decoder.weight": word + 1}
    assert "which are tied, got two that differ" in sentence(fitted, tied, TINY.shapes, both)
    alone = theirs_of() | {"cls.decoder.weight": word}
    del alone["embeddings.word_embeddings.weight"]
    found = fitted(tied, TINY.shapes, alone)
    assert np.array_equal(found["embeddings"]["word_embeddings"]["embedding"], word)


def test_bad_folders(folder, tmp_path):
    assert "got no such path" in sentence(load, tmp_path / "none")
    (folder / "model.safetensors").unlink()
    assert "got one with config.json" in sentence(load, folder)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"model_type": "gpt9"}))
    message = sentence(load, folder)
    assert "must have a `model_type` among bert" in message and "got 'gpt9'" in message
    (folder / "config.json").write_text("{")
    assert "must be JSON, got a mistake" in sentence(load, folder)
    (folder / "config.json").unlink()
    assert "must be a folder with config.json, got one without" in sentence(load, folder)


def test_bad_files(folder):
    bare = folder / "model.safetensors"
    assert "`family` must be named for a bare weights file" in sentence(load, bare)
    assert "(did you mean 'resnet" in sentence(load, bare, family="resnet5")
    wrong = sentence(load, bare, family="bert", lenght=3)
    assert "`model` must have options of 'bert'" in wrong and "got lenght" in wrong
    bare.write_bytes(b"\x00" * 100)
    assert "must be a whole safetensors file" in sentence(load, folder)


@pytest.mark.parametrize("start", [pickle.dumps({"weight": [1.0]}), b"PK\x03\x04" + bytes(90)])
def test_a_pickle_by_the_name_of_safetensors_is_refused_with_the_way_out(folder, start):
    (folder / "model.safetensors").write_bytes(start)
    message = sentence(load, folder)
    assert "must be a safetensors file, got a pickle, as PyTorch writes them: save it as" in message
    assert "pip install 'sosjax[torch]'" in message


def test_weights_by_another_name_are_offered(folder):
    (folder / "model.safetensors").rename(folder / "best.pth")
    message = sentence(load, folder)
    assert message.endswith("; name best.pth itself as `path`, with its `family`.")


@pytest.mark.torch
def test_shards_of_pytorch_give_what_one_file_gives(folder):
    torch = pytest.importorskip("torch")
    state = {name: torch.from_numpy(array) for name, array in theirs_of().items()}
    first, second = list(state)[:3], list(state)[3:]
    for file, names in (("a.bin", first), ("b.bin", second)):
        torch.save({name: state[name] for name in names}, folder / file)
    places = {name: "a.bin" if name in first else "b.bin" for name in state}
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    wanted = load(folder)
    (folder / "model.safetensors").unlink()
    for name, leaf in named_leaves(load(folder).params).items():
        assert np.array_equal(leaf, named_leaves(wanted.params)[name])
    (folder / "b.bin").unlink()
    assert "every shard that pytorch_model.bin.index.json names, got none of b.bin." in (
        sentence(load, folder)
    )


def test_an_index_that_is_none_is_refused(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("[]")
    assert "must have a `weight_map` from names to files, got none." in sentence(load, folder)


def test_an_unknown_option_and_a_wrong_value_are_named():
    assert "`model.family` must be one of" in sentence(built, {"family": "vgg"})
    assert "`model.widths`" in sentence(built, {"family": "resnet", "widths": (0,), "depths": (1,)})


def test_an_exported_member_is_a_network_again(tmp_path):
    from problem import found, network

    member = found().tasks[0].members[-1]
    export(network(), member, tmp_path / "out")
    again = load(tmp_path / "out")
    assert again.own_head and again.graph.classes == len(member.classes)
    assert sum(again.graph.sizes) <= sum(member.scores.kept)
