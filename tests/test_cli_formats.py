"""Networks and data of every kind, from a configuration file to an exported member."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from formats import (
    ANY,
    COLOUR,
    GREY,
    LSTM,
    MODEL,
    MOODS,
    SEARCH,
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
from pieces import language_folder
from pieces import texts as sentences

from sosjax.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    return put_elsewhere(tmp_path, monkeypatch)


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
