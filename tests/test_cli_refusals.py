"""Networks and data that cannot be used: one sentence says why, before anything is computed."""

import json
import pickle
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from formats import (
    BERT,
    COLOUR,
    GREY,
    LSTM,
    MODEL,
    SERIES,
    SUBJECTS,
    TASK,
    WORDS,
    loaded,
    put_arrays,
    put_cifar,
    put_csv,
    put_elsewhere,
    put_encoder,
    put_idx,
    put_images,
    put_network,
    put_series,
    put_texts,
    stripes,
    written,
)

from sosjax._errors import InputError
from sosjax.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    return put_elsewhere(tmp_path, monkeypatch)


@pytest.fixture
def refused(folder, monkeypatch, capsys):
    """Return a function of a configuration to the one sentence that a run of it fails with."""

    def compiled(*_):
        raise AssertionError("nothing may be computed")

    monkeypatch.setattr(import_module("sosjax.search._search"), "Problem", compiled)

    def sentence(text, tasks=TASK):
        (folder / "c.toml").write_text(text + tasks)
        assert main(["run", str(folder / "c.toml"), "--out", "r", "--quiet"]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n"), Path("r").exists()) == ("", 1, False)
        assert err.startswith("sosjax: error: ") and err.endswith(".\n")
        return err

    return sentence


NET = '[model]\npath = "net"\n'
NEWS = '[data]\nformat = "texts"\npath = "news"\n'
PTH = '[model]\npath = "net.pth"\nfamily = "resnet18"\n'


def put_config(folder, **changes):
    (folder / "net").mkdir()
    (folder / "net" / "config.json").write_text(json.dumps(BERT | changes))


def put_shards(folder):
    put_encoder(folder)
    (folder / "net" / "model.safetensors").rename(folder / "net" / "model-1.safetensors")
    places = {"pooler.dense.weight": "model-1.safetensors", "x": "model-2.safetensors"}
    index = folder / "net" / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))


def put_pickle(path):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps({"weight": [1.0]}))


def put_no_head(folder):
    put_network(folder, GREY)
    put_csv(folder / "reviews.csv", written(SUBJECTS))


BAD_NETWORKS = {
    "a folder without config": (
        lambda folder: (folder / "net").mkdir(),
        NET,
        "`path` must be a folder with config.json, got one without: ",
    ),
    "an architecture we lack": (
        lambda folder: put_config(folder, model_type="gpt9"),
        NET,
        "must have a `model_type` among bert, m2m_100, mpnet, ",
    ),
    "shards missing": (
        put_shards,
        NET,
        "every shard that model.safetensors.index.json names, got none of model-2.safetensors",
    ),
    "no weights": (put_config, NET, "pytorch_model.bin, got one with config.json: "),
    "a pickle by another name": (
        lambda folder: put_pickle(folder / "net.safetensors"),
        MODEL,
        "must be a safetensors file, got a pickle, as PyTorch writes them: save it as safetensors,",
    ),
    "a repository of the hub without its client": (
        lambda folder: None,
        '[model]\npath = "hf://team/small"\n',
        "`path` must be on this machine, since the hub's client is not installed, got hf://team/",
    ),
    "a bare file without family": (
        lambda folder: put_pickle(folder / "net.pth"),
        PTH.replace("family", "name"),
        "`family` must be named for a bare weights file such as net.pth, one of ",
    ),
    "more tokens than positions": (
        put_encoder,
        NET + "options = { length = 600 }\n",
        "`model.length` must be a whole number from 1 to 512, got 600.",
    ),
    "an unknown option": (
        put_encoder,
        NET + "options = { lenght = 8 }\n",
        "`model` must have options of 'bert' (vocabulary, hidden, layers",
    ),
    "a key of the section as an option": (
        put_encoder,
        NET + 'options = { name = "mine" }\n',
        "`model.options` must hold options of the network's family, got `name`, a key of [model]",
    ),
    "an unknown family": (
        put_encoder,
        '[model]\npath = "net/model.safetensors"\nfamily = "resnet5"\n',
        "`family` must be one of ",
    ),
}


@pytest.mark.parametrize("name", BAD_NETWORKS)
def test_bad_networks(name, folder, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    put, model, wanted = BAD_NETWORKS[name]
    put_texts(folder / "news", SUBJECTS, 6)
    put(folder)
    assert wanted in refused(model + NEWS)


@pytest.mark.parametrize("name", ["net.pth", "net/pytorch_model.bin"])
def test_a_pickle_without_pytorch_is_refused_with_the_way_out(name, folder, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    put_texts(folder / "news", SUBJECTS, 6)
    if name == "net.pth":
        put_pickle(folder / name)
    else:
        put_config(folder)
        put_pickle(folder / name)
    message = refused((PTH if name == "net.pth" else NET) + NEWS)
    assert f"`path` must be safetensors, got the pickle {Path(name).name}, which is" in message
    assert "pip install 'sosjax[torch]', or save it as safetensors." in message


class Malicious:
    """An object whose pickle runs something when it is read."""

    def __reduce__(self):
        return Path.touch, (Path("ran").absolute(),)


@pytest.mark.torch
@pytest.mark.parametrize("zipped", [False, True])
def test_a_malicious_pickle_is_never_run(zipped, folder, refused):
    torch = pytest.importorskip("torch")
    put_texts(folder / "news", SUBJECTS, 6)
    torch.save({"x": Malicious()}, folder / "net.pth", _use_new_zipfile_serialization=zipped)
    message = refused(PTH + NEWS)
    assert "must be a PyTorch file of arrays alone, got one that its weights-only reader" in message
    assert not Path("ran").exists()


def table(keys, path="reviews.csv"):
    return f'[data]\nformat = "table"\npath = "{path}"\n{keys}\n'


def put_numbers(folder, bad="0.5", column="age,height,ill"):
    put_network(folder, LSTM)
    rows = [[f"{row}.5", f"{row % 7}", "yes" if row % 2 else "no"] for row in range(40)]
    rows[12][1] = bad
    put_csv(folder / "people.csv", rows, column)


def put_reviews(folder, count=60):
    put_encoder(folder)
    put_csv(folder / "reviews.csv", written(SUBJECTS, count))


def put_foreign_words(folder):
    put_encoder(folder, vocab_size=len(WORDS) - 2)
    put_csv(folder / "reviews.csv", written(SUBJECTS))


def put_ten(folder, label):
    put_network(folder, COLOUR)
    put_cifar(folder, label=label)


def put_npz(folder, **changes):
    put_network(folder, GREY)
    put_arrays(folder, **changes)


def put_mnist(folder, **counts):
    put_network(folder, GREY)
    put_idx(folder, **counts)


def put_air(folder, **how):
    put_network(folder, LSTM)
    put_series(folder, **how)


REVIEWS = 'text = "text"\nlabel = "label"'
PEOPLE = table('inputs = ["age", "height"]\nlabel = "ill"', "people.csv")
ARRAYS = '[data]\nformat = "arrays"\npath = "all.npz"\n'
IDX = '[data]\nformat = "idx"\npath = "."\n'
NEGATIVE = np.where(np.arange(40) == 3, -1, np.arange(40) % 4)
INPUTS = stripes(40, 8, 1, 4)[0].astype(np.float32)
INFINITE = np.where(INPUTS == INPUTS.max(), np.inf, INPUTS)

BAD_DATA = {
    "a tokenizer of another vocabulary": (
        put_foreign_words,
        NET + table(REVIEWS),
        f"`tokenizer` and model must be of one vocabulary, got tokens up to {len(WORDS) - 1}",
    ),
    "a tokenizer that pads with another token": (
        lambda folder: (put_encoder(folder, pad_token_id=4), put_texts(folder / "news", SUBJECTS)),
        NET + NEWS,
        "must pad with the same token, got 0 for a model that takes 4",
    ),
    "a column missing": (
        put_reviews,
        NET + table('text = "text"\nlabel = "labels"'),
        "it lacks labels (did you mean 'label'?); it has text, label.",
    ),
    "a column of a series missing": (
        put_air,
        MODEL + SERIES.replace('["dust"]', '["ozone"]'),
        "air.csv must have the columns dust, wind, ozone, it lacks ozone; it has dust, wind.",
    ),
    "no number in a table": (
        lambda folder: put_numbers(folder, "tall"),
        MODEL + PEOPLE,
        "`height` must hold numbers, got 'tall' in row 13.",
    ),
    "NaN in a table": (
        lambda folder: put_numbers(folder, "NaN"),
        MODEL + PEOPLE,
        "`height` must hold a finite number in each row, got 1 missing or infinite, the first in "
        "row 13.",
    ),
    "a gap in a series": (
        lambda folder: put_air(folder, gap=(20, 21)),
        MODEL + SERIES,
        "`dust` must hold a number in each row unless `data.fill` admits gaps, got 2 missing, the "
        "first in row 21.",
    ),
    "infinite numbers in arrays": (
        lambda folder: put_npz(folder, inputs=INFINITE),
        MODEL + ARRAYS,
        "inputs` must be finite, got ",
    ),
    "a label that is no class": (
        lambda folder: put_ten(folder, 11),
        MODEL + '[data]\nformat = "cifar10"\npath = "."\n',
        "data_batch_1.bin must have labels in [0, 10), got [11].",
    ),
    "a negative label": (
        lambda folder: put_npz(folder, labels=NEGATIVE),
        MODEL + ARRAYS,
        "labels` must be in [0, 4), got ",
    ),
    "a label above those with a name": (
        lambda folder: put_npz(folder, classes=np.array(["a", "b", "c"])),
        MODEL + ARRAYS,
        "labels` must be in [0, 3), got 0 to 3.",
    ),
    "labels that are no numbers": (
        lambda folder: put_npz(folder, labels=np.array(["a", "b"] * 20)),
        MODEL + ARRAYS,
        "all.npz: 'labels' must be whole numbers [B] for classes",
    ),
    "labels that would be too many classes": (
        lambda folder: put_npz(folder, labels=np.arange(40) * 10**9),
        MODEL + ARRAYS,
        "all.npz: 'labels' must be below the number of rows, 40, unless",
    ),
    "no labels": (
        lambda folder: put_npz(folder, labels=np.zeros(0, int)),
        MODEL + ARRAYS,
        "all.npz must hold an array 'labels' with a row for each example, got inputs, labels.",
    ),
    "a list of names that is none": (
        lambda folder: put_npz(folder, classes=np.array("abcd")),
        MODEL + ARRAYS,
        "all.npz: 'classes' must be a list of names, got an array of shape ().",
    ),
    "more classes than the network has": (
        lambda folder: put_mnist(folder, classes=5),
        MODEL + IDX,
        "`data` must have the 4 classes of the network, got 5 in ",
    ),
    "all images seen in training": (
        put_mnist,
        MODEL + IDX + "trained_on = 80\n",
        "`data.trained_on` must leave some of the 80 images, got 80.",
    ),
    "an empty part of images": (
        put_mnist,
        MODEL + IDX + "shares = [1e-9, 1.0]\n",
        "`search` must hold examples, got none.",
    ),
    "no test images": (
        lambda folder: put_mnist(folder, test=0),
        MODEL + IDX,
        "must hold test images, got none.",
    ),
    "shares without an end": (
        put_mnist,
        MODEL + IDX + "shares = [inf, 1.0]\n",
        "`data.shares` must be those of search and validation here, got [inf, 1.0].",
    ),
    "an empty part of a table": (
        lambda folder: put_reviews(folder, 2),
        NET + table(REVIEWS),
        "must hold rows, got none of 2: give more rows or groups, other `shares` or another",
    ),
    "a series too short for three parts": (
        lambda folder: put_air(folder, count=16),
        MODEL + SERIES,
        "must hold rows, got none of 10: ",
    ),
    "a seed where order decides": (
        put_mnist,
        MODEL + IDX + "seed = 1\n",
        "`data.seed` must be left out for the format 'idx', which takes ",
    ),
    "no columns": (
        put_numbers,
        MODEL + table('inputs = []\nlabel = "ill"', "people.csv"),
        "`data.inputs` must name one or more columns, got none.",
    ),
    "a label among the inputs": (
        put_numbers,
        MODEL + table('inputs = ["age", "ill"]\nlabel = "ill"', "people.csv"),
        "`data.label` must be another column than those that are looked at, got 'ill'.",
    ),
    "texts for a network of images": (
        put_no_head,
        MODEL + table(REVIEWS),
        "`model` must be one of texts for the data 'reviews', got another.",
    ),
    "values for a network of classes": (
        lambda folder: (put_network(folder, GREY), put_series(folder)),
        MODEL + SERIES,
        "`data` must have float32 inputs of shape [B, 8, 8, 1] for the network, got float32 of "
        "[B, 8, 2] in air.",
    ),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data(name, folder, refused):
    put, text, wanted = BAD_DATA[name]
    put(folder)
    assert wanted in refused(text)


def test_images_need_a_network_of_images(folder):
    pytest.importorskip("PIL")
    put_network(folder, LSTM)
    put_images(folder)
    with pytest.raises(InputError, match="`model` must be one of images for the data 'photos'"):
        loaded(folder, MODEL + '[data]\nformat = "images"\npath = "photos"\n')


def test_a_folder_without_a_tokenizer_is_named(folder, refused):
    put_encoder(folder)
    put_texts(folder / "news", SUBJECTS)
    shutil.move(folder / "net" / "vocab.txt", folder / "vocab.txt")
    wanted = "must be a folder with tokenizer.json or vocab.txt, or such a file, got "
    assert wanted in refused(NET + NEWS)
