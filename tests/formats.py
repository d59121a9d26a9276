"""Networks and data of every kind in files, and the configurations that name them."""

import json
import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from problem import drawn

from sosjax import Dataset
from sosjax._tree import named_leaves
from sosjax.cli._config import read_config
from sosjax.models import FAMILIES, built, jat_of, save
from sosjax.models._weights import save_arrays

MODEL = '[model]\npath = "net.safetensors"\n'
TASK = '[[tasks]]\nname = "one"\n'
ANY = '[[environments]]\nname = "any"\nparameters = 1_000_000\n'
SERIES = '[data]\nformat = "series"\npath = "air.csv"\ninputs = ["dust", "wind"]\n'
SERIES += 'values = ["dust"]\n'
SEARCH = """
[search]
population = 4
generations = 1
images = 32
calibration = 32
checkpoint_every = 1
chunk = 2
"""
RESNET = {"family": "resnet", "widths": (4,), "depths": (1,), "stem": "strided"}
RESNET |= {"mean": 0.3, "deviation": 0.4}
GREY = RESNET | {"classes": 4, "input_shape": (8, 8, 1)}
COLOUR = RESNET | {"classes": 10, "input_shape": (32, 32, 3)}
LSTM = {"family": "lstm", "channels": 2, "outputs": 1, "hidden": 4, "layers": 1, "length": 6}
SUBJECTS = {"politics": "vote law state", "space": "star moon sky", "sport": "ball goal team"}
MOODS = {"bad": "awful poor dull", "good": "great fine nice"}
WORDS = " ".join(["[PAD] [UNK] [CLS] [SEP] the a of", *SUBJECTS.values(), *MOODS.values()]).split()
BERT = {
    "model_type": "bert",
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
    "pad_token_id": 0,
}


def put_elsewhere(folder, monkeypatch):
    """Return where configuration, network and data are; commands run in another folder."""
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    return folder


@cache
def saved(key):
    """Return a file of `save` with random weights."""
    architecture = dict(key)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "net.safetensors"
        save(path, jat_of(architecture, drawn(built(architecture).shapes)))
        return path.read_bytes()


def put_network(folder, architecture):
    (folder / "net.safetensors").write_bytes(saved(tuple(architecture.items())))


def put_encoder(folder, **changes):
    """Write a BERT as Hugging Face has it, `net`, with the names of PyTorch."""
    config, net = BERT | changes, folder / "net"
    net.mkdir()
    (net / "config.json").write_text(json.dumps(config))
    (net / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    options = FAMILIES["bert"].from_huggingface(config)
    params = drawn(built({"family": "bert", **vars(options)}).shapes)
    state = {}
    for name, leaf in named_leaves(params).items():
        outer, _, last = name.replace("/", ".").rpartition(".")
        leaf = np.asarray(leaf)
        state[f"{outer}.{'bias' if last == 'bias' else 'weight'}"] = (
            leaf.T if last == "kernel" else leaf
        )
    save_arrays(net / "model.safetensors", state)
    return '[model]\npath = "net"\noptions = { length = 8 }\n'


# Data in files.


def stripes(count, size, channels, classes, seed=0):
    """Draw images, uint8, each class of another brightness."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % classes).astype(np.int32)
    images = rng.integers(0, 120, (count, size, size, channels), np.uint8)
    return images + (labels * (135 // classes)).astype(np.uint8)[:, None, None, None], labels


def put_idx(folder, train=80, test=24, classes=4):
    for prefix, count, seed in (("train", train, 1), ("t10k", test, 2)):
        images, labels = stripes(count, 8, 1, classes, seed)
        head = struct.pack(">4B3I", 0, 0, 8, 3, count, 8, 8)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        head = struct.pack(">4BI", 0, 0, 8, 1, count)
        raw = head + labels.astype(np.uint8).tobytes()
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(raw)


def put_cifar(folder, rows=6, label=None):
    files = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for seed, name in enumerate(files):
        images, labels = stripes(rows, 32, 3, 3, seed)
        labels = labels if label is None else np.full_like(labels, label)
        flat = images.transpose(0, 3, 1, 2).reshape(rows, -1)
        raw = np.concatenate([labels[:, None].astype(np.uint8), flat], 1)
        (folder / name).write_bytes(raw.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join("abcdefghij"))


def put_images(folder):
    from PIL import Image

    images, labels = stripes(40, 10, 1, 4)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = folder / "photos" / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{number}.png")


def put_arrays(folder, **changes):
    images, labels = stripes(40, 8, 1, 4)
    arrays = {"inputs": images.astype(np.float32) / 255, "labels": labels}
    np.savez(folder / "all.npz", **{**arrays, **changes})


def written(classes, count=60, seed=0, words=6):
    """Return rows of a text of so many words and a class; every text is another."""
    rng, rows = np.random.default_rng(seed), {}
    while len(rows) < count:
        name = list(classes)[len(rows) % len(classes)]
        own = classes[name].split()
        rows[" ".join(rng.choice([*own, *own, "the", "a", "of"], words))] = name
    return list(rows.items())


def put_csv(path, rows, header="text,label"):
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join([header, *lines]) + "\n")


def put_texts(folder, classes, count=60, seed=0, words=6):
    for number, (text, name) in enumerate(written(classes, count, seed, words)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{number}.txt").write_text(text)


def put_series(folder, count=120, gap=()):
    rng = np.random.default_rng(0)
    values = np.sin(np.arange(count)[:, None] / [3, 5]) + rng.normal(0, 0.1, (count, 2))
    rows = [[f"{one:.4f}" for one in row] for row in values]
    for row in gap:
        rows[row][0] = "NA"
    put_csv(folder / "air.csv", rows, "dust,wind")


# From a configuration to data.


def loaded(folder, text, tasks=TASK) -> Dataset:
    """Return the data that a configuration names for all."""
    (folder / "c.toml").write_text(text + tasks)
    _, data, _ = read_config(folder / "c.toml").load()
    return data
