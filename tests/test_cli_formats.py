"""Networks and data of every kind, from a configuration file to an exported member."""

import json
import pickle
import re
import shutil
import struct
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from pieces import language_folder
from pieces import texts as sentences
from problem import drawn

from sosjax import Dataset
from sosjax._errors import InputError
from sosjax._tree import named_leaves
from sosjax.cli import main
from sosjax.cli._config import read_config
from sosjax.models import FAMILIES, built, jat_of, save
from sosjax.models._weights import save_arrays

MODEL = '[model]\npath = "net.safetensors"\n'
TASK = '[[tasks]]\nname = "one"\n'
ANY = '[[environments]]\nname = "any"\nparameters = 1_000_000\n'
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


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where the configuration, the network and the data are; commands run in another folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


# Networks in files.


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


def parts_of(data):
    return [data.search, data.validation, data.test]


def assert_disjoint(data, count):
    one, two, three = ({row.tobytes() for row in part.inputs} for part in parts_of(data))
    assert not (one & two or one & three or two & three)
    assert sum(sizes(data)) == count


def sizes(data):
    return [len(part) for part in parts_of(data)]


def test_idx_keeps_its_test_images_and_leaves_out_what_was_trained_on(folder):
    put_network(folder, GREY)
    (folder / "mnist").mkdir()
    put_idx(folder / "mnist")
    text = MODEL + '[data]\nformat = "idx"\npath = "mnist"\n'
    data = loaded(folder, text + "trained_on = 40\nshares = [0.75, 0.25]\n")
    assert (data.name, data.classes, sizes(data)) == ("mnist", ("0", "1", "2", "3"), [30, 10, 24])
    images, labels = stripes(80, 8, 1, 4, 1)
    np.testing.assert_allclose(data.search.inputs, images[40:70] / 255, rtol=1e-6)
    np.testing.assert_array_equal(data.validation.labels, labels[70:])
    assert_disjoint(data, 64)
    assert sizes(loaded(folder, text)) == [64, 16, 24]


def test_cifar10_has_class_names_and_colours(folder):
    put_network(folder, COLOUR)
    put_cifar(folder)
    data = loaded(folder, MODEL + '[data]\nname = "ten"\nformat = "cifar10"\npath = "."\n')
    assert (data.name, "".join(data.classes)) == ("ten", "abcdefghij")
    assert sizes(data) == [24, 6, 6] and data.search.inputs.shape[1:] == (32, 32, 3)
    assert 0 <= data.test.inputs.min() and data.test.inputs.max() <= 1
    assert_disjoint(data, 36)


def test_images_are_scaled_to_the_size_that_is_asked(folder):
    pytest.importorskip("PIL")
    put_network(folder, GREY)
    put_images(folder)
    text = MODEL + '[data]\nformat = "images"\npath = "photos"\n'
    data = loaded(folder, text)
    assert (data.name, data.classes) == ("photos", ("class0", "class1", "class2", "class3"))
    assert sum(sizes(data)) == 40 and data.search.inputs.shape[1:] == (8, 8, 1)
    assert all(set(part.labels) == {0, 1, 2, 3} for part in parts_of(data))
    assert_disjoint(data, 40)


def test_arrays_may_name_classes_and_groups(folder):
    put_network(folder, GREY)
    groups = np.arange(40) // 2
    put_arrays(folder, classes=np.array(["a", "b", "c", "d"]), groups=groups)
    text = MODEL + '[data]\nformat = "arrays"\npath = "all.npz"\n'
    data = loaded(folder, text)
    assert (data.name, data.classes) == ("all", ("a", "b", "c", "d"))
    group = {
        row.tobytes(): one
        for row, one in zip(stripes(40, 8, 1, 4)[0].astype(np.float32) / 255, groups, strict=True)
    }
    seen = [{group[row.tobytes()] for row in part.inputs} for part in parts_of(data)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    put_arrays(folder)
    assert loaded(folder, text).classes == ("0", "1", "2", "3")
    assert sizes(loaded(folder, text + "seed = 3\nshares = [0.5, 0.25, 0.25]\n")) == [20, 10, 10]


def test_arrays_of_values_are_a_regression(folder):
    put_network(folder, LSTM)
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(30, 6, 2)), rng.normal(size=(30, 1))
    np.savez(folder / "all.npz", inputs=inputs, labels=labels, classes=np.array(["dust"]))
    data = loaded(folder, MODEL + '[data]\nformat = "arrays"\npath = "all.npz"\n')
    assert (data.kind, data.classes, sum(sizes(data))) == ("values", ("dust",), 30)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_of_texts_becomes_tokens_and_counts_the_cut_ones(folder, ending):
    model, rows = put_encoder(folder), written(SUBJECTS)
    rows += [(text + " the ball of the state", name) for text, name in rows[:5]]
    if ending == "csv":
        put_csv(folder / "reviews.csv", rows, "review,stars")
    else:
        lines = [json.dumps({"review": text, "stars": name, "more": 1}) for text, name in rows]
        (folder / "reviews.jsonl").write_text("\n".join(lines))
    text = f'[data]\nformat = "table"\npath = "reviews.{ending}"\ntext = "review"\n'
    data = loaded(folder, model + text + 'label = "stars"\n')
    assert (data.name, data.classes) == ("reviews", tuple(SUBJECTS))
    assert data.search.inputs.shape[1:] == (8,) and data.search.inputs.dtype == np.int32
    assert data.notes[0] == "5 of 65 texts of reviews were cut at 8 tokens."
    assert set(data.search.inputs[:, 0]) == {WORDS.index("[CLS]")}
    assert_disjoint(data, 65 - sum(int(note.split()[0]) for note in data.notes[1:]))


def test_rows_of_one_group_are_in_one_part(folder):
    model = put_encoder(folder)
    rows = [(text, name, row // 4) for row, (text, name) in enumerate(written(SUBJECTS))]
    lines = [json.dumps(dict(zip(("t", "l", "by"), row, strict=True))) for row in rows]
    (folder / "r.jsonl").write_text("\n".join(lines))
    text = '[data]\nformat = "table"\npath = "r.jsonl"\ntext = "t"\nlabel = "l"\ngroup = "by"\n'
    data = loaded(folder, model + text)
    assert_disjoint(data, 60)
    assert all(size % 4 == 0 for size in sizes(data))


def test_a_table_of_numbers_is_for_a_network_of_numbers(folder):
    put_network(folder, LSTM)
    rng = np.random.default_rng(0)
    rows = [[f"{a:.5f}", f"{b:.5f}", "yes" if a > b else "no"] for a, b in rng.normal(size=(50, 2))]
    put_csv(folder / "people.csv", rows, "age,height,ill")
    text = '[data]\nformat = "table"\npath = "people.csv"\ninputs = ["height", "age"]\n'
    data = loaded(folder, MODEL + text + 'label = "ill"\n')
    assert (data.name, data.classes, sum(sizes(data))) == ("people", ("no", "yes"), 50)
    assert data.search.inputs.shape[1:] == (2,) and data.search.inputs.dtype == np.float32
    assert ((data.test.inputs[:, 1] > data.test.inputs[:, 0]) == data.test.labels).all()
    assert_disjoint(data, 50)


def test_a_folder_of_texts_has_its_folders_as_classes(folder):
    model = put_encoder(folder)
    put_texts(folder / "news", SUBJECTS, 60)
    data = loaded(folder, model + '[data]\nformat = "texts"\npath = "news"\n')
    assert (data.name, data.classes) == ("news", tuple(SUBJECTS))
    assert sum(sizes(data)) == 60 and data.notes == ()
    assert_disjoint(data, 60)


def put_translator(folder):
    """Write a tokenizer of three languages, a network of its vocabulary, and pairs in two files."""
    language_folder(folder, ["cs", "de", "en"])
    vocabulary = len(json.loads((folder / "vocab.json").read_text())) + 3
    network = {"vocabulary": vocabulary, "width": 8, "encoder_layers": 1, "decoder_layers": 1}
    network |= {"encoder_heads": 2, "decoder_heads": 2, "encoder_inner": 6, "decoder_inner": 6}
    put_network(folder, {"family": "m2m100", **network, "length": 24, "positions": 40})
    lines = [line[: 10 + row] for row, line in enumerate(sorted(set(sentences()))[:40])]
    (folder / "talk.de").write_text("\n".join(lines) + "\n")
    (folder / "talk.en").write_text("\n".join(line[::-1] for line in lines) + "\n")
    return vocabulary


def test_sentences_and_translations_become_pairs_of_tokens(folder):
    pytest.importorskip("sentencepiece")
    vocabulary = put_translator(folder)
    text = '[data]\nformat = "parallel"\npath = "talk.de"\ntargets = "talk.en"\n'
    data = loaded(folder, MODEL + text + 'languages = ["de", "en"]\n')
    assert (data.name, data.classes, data.kind) == ("talk", (), "tokens")
    inputs, labels = data.search.inputs, data.search.labels
    assert inputs.shape[1:] == (2, 24) and labels.shape[1:] == (24,)
    assert set(inputs[:, 0, 0]) == {vocabulary - 2} and set(labels[:, 0]) == {vocabulary - 1}
    assert set(inputs[:, 1, 0]) == {2} and inputs.max() < vocabulary
    np.testing.assert_array_equal(
        labels[:, :-1][labels[:, 1:] >= 0], inputs[:, 1, 1:][labels[:, 1:] >= 0]
    )
    np.testing.assert_array_equal(labels < 0, inputs[:, 1] == 1)
    assert [note for note in data.notes if "of 80 texts of talk were cut at 24 tokens." in note]
    again = [int(note.split()[0]) for note in data.notes if "earlier part" in note]
    assert_disjoint(data, 40 - sum(again))


SERIES = '[data]\nformat = "series"\npath = "air.csv"\ninputs = ["dust", "wind"]\n'
SERIES += 'values = ["dust"]\n'


def test_a_series_is_cut_into_windows_apart_in_time(folder):
    put_network(folder, LSTM)
    put_series(folder)
    data = loaded(folder, MODEL + SERIES + "horizon = 2\n")
    assert (data.name, data.classes, data.kind) == ("air", ("dust",), "values")
    count = 120 - 8 + 1
    assert sum(sizes(data)) == count - 2 * 7
    assert data.search.inputs.shape[1:] == (6, 2) and data.search.inputs.dtype == np.float32
    np.testing.assert_array_equal(data.search.labels[0], data.search.inputs[7, 0, :1])
    steps = [{row.tobytes() for row in part.inputs.reshape(-1, 2)} for part in parts_of(data)]
    assert not (steps[0] & steps[1] or steps[0] & steps[2] or steps[1] & steps[2])


def test_a_stride_leaves_out_no_more_windows_than_overlap(folder):
    put_network(folder, LSTM)
    put_series(folder)
    data = loaded(folder, MODEL + SERIES + "stride = 7\n")
    assert sum(sizes(data)) == 17
    steps = [{row.tobytes() for row in part.inputs.reshape(-1, 2)} for part in parts_of(data)]
    assert not (steps[0] & steps[1] or steps[0] & steps[2] or steps[1] & steps[2])


def test_gaps_of_a_series_are_filled_as_asked_and_counted(folder):
    put_network(folder, LSTM)
    put_series(folder, gap=(20, 60, 61, 62))
    data = loaded(folder, MODEL + SERIES + "fill = 1\n")
    # No window ends in the row that is filled or asks for it, and none crosses the other gap.
    filled, dropped = data.notes
    assert filled == "1 missing values of air were interpolated."
    assert dropped == "11 windows of air were left out: values are missing in them."


# The whole command line.


def said(capsys, *arguments):
    """Return what a command prints on stdout and stderr."""
    assert main(arguments) == 0
    found = capsys.readouterr()
    return found.out, found.err


def run_through(folder, capsys, text):
    """Run, and resume from the copy of the configuration; return the sets and what the run said."""
    (folder / "c.toml").write_text(text + ANY + SEARCH)
    _, err = said(capsys, "run", str(folder / "c.toml"), "--out", "r")
    copy = Path("r/config.toml")
    assert copy.read_text() == f"base = {json.dumps(str(folder))}\n{text}{ANY}{SEARCH}"
    # Whether it is the same search is checked on the files that the copy names.
    assert said(capsys, "resume", "r", "--quiet")[0] == "r/report.html\n"
    assert said(capsys, "report", "r")[0].endswith("report: r/report.html\n")
    return json.loads(Path("r/sets.json").read_text()), err


def test_two_tasks_with_texts_of_their_own(folder, capsys):
    put_texts(folder / "news", SUBJECTS, 90, words=7)
    put_csv(folder / "moods.csv", written(MOODS, 40, seed=1))
    tasks = '[[tasks]]\nname = "subject"\ndata = { format = "texts", path = "news" }\n'
    tasks += '[[tasks]]\nname = "mood"\n[tasks.data]\nformat = "table"\npath = "moods.csv"\n'
    text = put_encoder(folder) + tasks + 'text = "text"\nlabel = "label"\n'
    sets, err = run_through(folder, capsys, text)
    (note,) = [note for note in sets["data"]["notes"] if "were cut" in note]
    assert note == "90 of 90 texts of news were cut at 8 tokens."
    assert note in err.splitlines()
    data = sets["data"]
    assert (data["name"], data["classes"]) == ("news, moods", [*SUBJECTS, *MOODS])
    assert 100 < sum(data["sizes"].values()) <= 130
    out, _ = said(capsys, "select", "r", "--task", "mood", "--env", "any")
    assert out.startswith("task              mood (bad, good)\n")


PAIRS = '[data]\nformat = "parallel"\npath = "talk.de"\ntargets = "talk.en"\n'
PAIRS += 'languages = ["de", "en"]\n'


def test_translations_through_the_command_line(folder, capsys):
    pytest.importorskip("sentencepiece")
    pytest.importorskip("sacrebleu")
    put_translator(folder)
    sets, _ = run_through(folder, capsys, MODEL + PAIRS + TASK)
    assert sets["kind"] == "tokens"
    chosen = ["select", "r", "--task", "one", "--env", "any"]
    out, _ = said(capsys, *chosen, "--texts", "3")
    assert re.search(r"\ntest error        [\d.]+ % \([\d.]+ nats a token\)\n", out)
    last = out.splitlines()[-1]
    score = r"BLEU \d+\.\d\d, chrF \d+\.\d\d"
    assert re.fullmatch(
        rf"test texts        {score} \(the Jack {score}\) of 3 test sentences", last
    )
    assert main([*chosen, "--texts", "0"]) == 2
    assert "`limit` must be a whole number at least 1, got 0." in capsys.readouterr().err


def test_a_series_through_the_command_line(folder, capsys):
    put_network(folder, LSTM)
    put_series(folder, gap=(20,))
    sets, err = run_through(folder, capsys, MODEL + SERIES + "fill = 1\n" + TASK)
    assert sets["kind"] == "values" and sets["data"]["classes"] == ["dust"]
    assert "1 missing values of air were interpolated." in err.splitlines()
    chosen = ["select", "r", "--task", "one", "--env", "any"]
    told = r"test error        [\d.]+ % \((MSE [\d.e-]+, R2 \d\.\d{4}|no better than the mean)\)"
    assert re.search(told, said(capsys, *chosen)[0])
    assert main([*chosen, "--texts", "3"]) == 2
    assert "`--texts` must be left out unless the network writes" in capsys.readouterr().err
    arguments = ["export", "r", "--task", "one", "--env", "any", "--out", "small"]
    assert said(capsys, *arguments)[0].startswith("export: small\n")
    assert Path("small/weights.safetensors").is_file()


def test_idx_through_the_command_line(folder, capsys):
    put_network(folder, GREY)
    (folder / "mnist").mkdir()
    put_idx(folder / "mnist")
    text = MODEL + '[data]\nformat = "idx"\npath = "mnist"\ntrained_on = 20\n'
    text += '[[tasks]]\nname = "even"\nclasses = ["0", "2"]\n[[tasks]]\nname = "all"\n'
    sets, _ = run_through(folder, capsys, text)
    assert sets["data"]["sizes"] == {"search": 48, "validation": 12, "test": 24}
    assert sets["data"]["notes"] == []


# What is refused, before anything is compiled.


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
