"""Tables and their columns, parallel text, folders of texts, arrays."""

import gzip
import json
import sys

import numpy as np
import pytest

from sosjax._errors import InputError
from sosjax.readers import (
    labels,
    numbers,
    read_arrays,
    read_parallel,
    read_table,
    read_text_folder,
    texts,
)

ROWS = {"name": ["a, b", 'say "x"', "ö"], "size": ["1", "2.5", "-3e2"]}


def sentence(function, *arguments, **named):
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    return str(caught.value)


@pytest.fixture
def file(tmp_path):
    """A function that writes a file and returns its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# Tables

CSV = 'name,size\n"a, b",1\n"say ""x""",2.5\nö,-3e2\n'
TSV = 'name\tsize\na, b\t1\nsay "x"\t2.5\nö\t-3e2\n'
ORANGE = 'name\tsize\nstring\tc\nmeta\t\n\na, b\t1\n\t\n"say ""x"""\t2.5\nö\t-3e2\n'
JSONL = "".join(
    json.dumps(dict(zip(ROWS, row, strict=True))) + "\n\n"
    for row in zip(*ROWS.values(), strict=True)
)


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", CSV), ("t.tsv", TSV), ("t.tab", ORANGE), ("t.jsonl", JSONL), ("t.ndjson", JSONL)],
)
@pytest.mark.parametrize("written", [str.encode, lambda c: c.replace("\n", "\r\n").encode(),
                                     lambda c: b"\xef\xbb\xbf" + c.encode(),
                                     lambda c: c.rstrip("\n").encode()])  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_every_format_gives_the_same_columns(file, name, content, written, zipped):
    raw = written(content)
    path = file(f"{name}.gz", gzip.compress(raw)) if zipped else file(name, raw)
    assert read_table(path) == ROWS
    assert list(read_table(path, ["size", "name"])) == ["size", "name"]
    assert read_table(path, ["size"]) == {"size": ROWS["size"]}


def test_parquet_gives_arrays_for_numbers_and_lists_for_texts(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"name": ROWS["name"], "size": [1.0, None, 3.0], "count": [1, 2, 3]}
    parquet.write_table(pyarrow.table(table), tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet", ["size", "name", "count"])
    assert list(read) == ["size", "name", "count"]
    assert read["name"] == ROWS["name"]
    np.testing.assert_array_equal(read["size"], [1, np.nan, 3])
    assert numbers(read, "count").tolist() == [1, 2, 3]
    assert labels(read, "count")[0].tolist() == [0, 1, 2]
    assert "the columns nam, it lacks nam (did you mean 'name'?)" in sentence(
        read_table, tmp_path / "t.parquet", ["nam"]
    )
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but not really")
    assert "must be a whole Parquet file, got " in sentence(read_table, tmp_path / "t.parquet")


def test_without_pyarrow_the_way_to_it_is_said(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert sentence(read_table, file("t.parquet", "")) == (
        "Parquet needs pyarrow: pip install 'sosjax[data]'."
    )


def test_a_table_without_header_takes_names(file):
    path = file("t.txt", TSV.split("\n", 1)[1])
    assert read_table(path, names=["name", "size"], format="tsv") == ROWS


def test_quotes_and_separators_of_unicode_in_tsv_are_text(file):
    path = file("t.tsv", 'a\tb\n"open\tx\u2028y\x85\n')
    assert read_table(path) == {"a": ['"open'], "b": ["x\u2028y\x85"]}


def test_a_document_may_be_long_and_of_several_lines(file):
    document = "word\n" * 100_000
    path = file("t.csv", f'id,text\n1,"{document}"\n')
    assert read_table(path)["text"] == [document]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "", "{} must begin with the names of its columns, got an empty file."),
        ("t.csv", "a,b\n", "{} must hold rows, got none."),
        ("t.csv", "a,a\n1,2\n", "`{}: columns` must have different names, got twice: a."),
        ("t.csv", "a,b\n1,2\n\n3\n", "{} line 4 must have 2 cells, one for each column, got 1."),
        ("t.tsv", "a\tb\n1\t2\t3\n", "{} line 2 must have 2 cells, one for each column, got 3."),
        ("t.csv", 'a,b\n1,"2\n3,4\n', "{} line 3 must be a row of CSV, got unexpected "
         "end of data."),
        ("t.csv", b"a,b\nx,y\nx,\xe9\n", "{} must be UTF-8 text, got the byte 0xe9 in line 3; "
         "name its `encoding` or save it again."),
        ("t.csv.gz", "a,b\n", "{} must be a whole gzip file, got a damaged one: Not a gzipped "
         "file (b'a,')."),
        ("t.tab", "a\tb\n1\t2\n", "{} must have the kinds of its columns in its second line and "
         "their roles in its third, got '1, 2'; without them give `format`='tsv'."),
        ("t.jsonl", '{"a": 1}\n{"a": \n', "{} line 2 must be JSON, got Expecting value: "
         "line 1 column 7 (char 6)."),
        ("t.jsonl", "[1]\n", "{} line 1 must be an object with the columns, got list."),
        ("t.jsonl", '{"a": 1}\n{"b": 2}\n', "{} line 2 must have the columns a, it lacks a; "
         "it has b."),
        ("t.jsonl", "\n", "{} must hold rows, got none."),
        ("t.xls", "", "{} must end in .csv, .tsv, .tab, .jsonl, .ndjson, .parquet (or that and "
         ".gz), got '.xls'; else name its `format`."),
    ],
)  # fmt: skip
def test_a_bad_table_is_named_with_the_line(file, name, content, said):
    path = file(name, content)
    assert sentence(read_table, path) == said.format(path)


def test_missing_columns_are_named_with_those_there_are(file):
    path = file("t.csv", CSV)
    assert sentence(read_table, path, ["text", "size", "nme"]) == (
        f"{path} must have the columns text, size, nme, it lacks text, nme; it has name, size."
    )


def test_what_read_table_is_given(file, tmp_path):
    path = tmp_path / "none.csv"
    assert sentence(read_table, path) == f"{path} must be a file, got none there."
    path = file("t.jsonl", JSONL)
    assert "`names` are for a CSV or TSV without header, got them" in sentence(
        read_table, path, names=["a"]
    )
    assert "`format` must be one of csv, jsonl, orange, parquet, tsv, got 'json'" in sentence(
        read_table, path, format="json"
    )
    assert sentence(read_table, file("t.csv", CSV), encoding="utf-9") == (
        "`encoding` must be one that Python knows, such as 'utf-8', got 'utf-9'."
    )


# Columns


def test_numbers_are_read_from_texts_and_values():
    table = {"a": [" 1 ", "2.5", "-3e2"], "b": [1, 2.5, True], "c": np.array([1, 2, 3])}
    assert [numbers(table, name).tolist() for name in "abc"] == [[1, 2.5, -300], [1, 2.5, 1],
                                                                  [1, 2, 3]]  # fmt: skip
    assert numbers(table, "c").dtype == np.float64


@pytest.mark.parametrize("absent", ["", " ", "NA", "n/a", "NaN", "null", None, np.nan])
def test_missing_numbers_are_counted_or_become_nan(absent):
    table = {"a": ["1", absent, "2", absent]}
    assert sentence(numbers, table, "a") == (
        "`a` must hold a finite number in each row, got 2 missing or infinite, the first in row 2."
    )
    np.testing.assert_array_equal(numbers(table, "a", missing=True), [1, np.nan, 2, np.nan])


@pytest.mark.parametrize("wrong", ["one", "1,5", "1_000", [1], {}])
def test_what_is_no_number_is_named(wrong):
    said = sentence(numbers, {"a": ["1", wrong]}, "a", missing=True)
    assert said == f"`a` must hold numbers, got {wrong!r} in row 2."


def test_infinite_numbers_are_never_missing():
    assert "got 1 missing or infinite, the first in row 1." in sentence(
        numbers, {"a": np.array([np.inf, np.nan])}, "a", missing=True
    )


def test_texts_are_texts_and_not_empty():
    assert texts({"a": ["x", " y "]}, "a") == ["x", " y "]
    assert texts({"a": ["x", None]}, "a", empty=True) == ["x", ""]
    assert sentence(texts, {"a": ["x", " ", None]}, "a") == (
        "`a` must hold a text in each row, got 2 empty, the first in row 2."
    )
    assert sentence(texts, {"a": ["x", 3]}, "a") == "`a` must hold texts, got 3 in row 2."
    assert sentence(texts, {"abc": ["x"]}, "abd") == (
        "the table must have the columns abd, it lacks abd (did you mean 'abc'?); it has abc."
    )


def test_labels_are_sorted_or_as_given():
    assert labels({"a": ["10", "9", "10"]}, "a")[1] == ("9", "10")
    assert labels({"a": [1, 0, 1]}, "a")[0].tolist() == [1, 0, 1]
    found, classes = labels({"a": ["x", "y", "x"]}, "a", ["y", "x", "z"])
    assert found.tolist() == [1, 0, 1] and found.dtype == np.int32 and classes == ("y", "x", "z")


def test_labels_that_are_no_class_are_named():
    assert sentence(labels, {"a": ["cat", "dg"]}, "a", ["cat", "dog"]) == (
        "`a` must be one of cat, dog, got 'dg' in row 2 (did you mean 'dog'?)."
    )
    assert sentence(labels, {"a": ["cat", "", None]}, "a") == (
        "`a` must hold a label in each row, got 2 missing, the first in row 2."
    )


# Parallel text


def test_aligned_files_are_read_and_empty_pairs_counted(file):
    source = file("s.txt", "one \r\n\r\nthree\nfour\u2028four\n")
    target = file("t.txt.gz", gzip.compress(b"eins\nzwei\n drei\nvier"))
    pairs = read_parallel(source, target)
    assert pairs.sources == ("one", "three", "four\u2028four")
    assert pairs.targets == ("eins", "drei", "vier")
    assert (pairs.dropped, len(pairs)) == (1, 3)


def test_two_columns_of_one_file(file):
    path = file("t.tsv", "1\tone\teins\n2\ttwo\t\n\n3\tthree\tdrei\n")
    pairs = read_parallel(path, columns=(2, 1))
    assert (pairs.sources, pairs.targets, pairs.dropped) == (("eins", "drei"), ("one", "three"), 2)


def test_what_parallel_text_must_be(file):
    three, two = file("3", "a\nb\nc\n"), file("2", "a\nb\n")
    assert sentence(read_parallel, three, two) == (
        f"{three} and {two} must be aligned line by line, got 3 and 2 lines."
    )
    assert sentence(read_parallel, three) == (
        f"{three} line 1 must have 2 columns with a tab between, got 1."
    )
    empty = file("0", "\n\n\n")
    assert sentence(read_parallel, three, empty) == (
        f"{three} must hold pairs of sentences, got none that is not empty."
    )
    assert sentence(read_parallel, three, columns=(0, -1)) == (
        "`columns` must be counted from 0, got (0, -1)."
    )


# Folders of texts


def test_folders_of_texts_may_have_a_second_encoding(tmp_path):
    for name, content in (("b/1.txt", "£1"), ("a/2.txt", "£2"), ("a/1.txt", "plain")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode("latin-1" if name == "a/2.txt" else "utf-8"))
    assert sentence(read_text_folder, tmp_path) == (
        f"{tmp_path}/a/2.txt must be UTF-8 text, got the byte 0xa3 in line 1; "
        "name its `encoding` or save it again."
    )
    read = read_text_folder(tmp_path, otherwise="latin-1")
    assert read.texts == ("plain", "£2", "£1")
    assert read.labels.tolist() == [0, 0, 1] and read.classes == ("a", "b") and len(read) == 3
    assert read.files == ("a/1.txt", "a/2.txt", "b/1.txt")


# Arrays


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_by_name(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, x=np.arange(6).reshape(2, 3), y=np.array(["a", "b"]))
    read = read_arrays(path)
    assert list(read) == ["x", "y"] and read["y"].tolist() == ["a", "b"]
    assert list(read_arrays(path, ["y"])) == ["y"]
    assert sentence(read_arrays, path, ["z"]) == f"{path} must hold the array 'z', got x, y."


def test_arrays_of_objects_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.array([{}, 1], object))
    assert sentence(read_arrays, path) == (
        f"{path}: 'x' must be an array of numbers or texts, got an array of objects; "
        "save it without objects."
    )
    np.savez(path, x=np.zeros(2, [("a", "f4")]))
    assert "got another content." in sentence(read_arrays, path)


def test_a_file_that_holds_no_arrays(tmp_path, file):
    path = tmp_path / "a.npz"
    assert sentence(read_arrays, path) == f"{path} must be a file, got none there."
    file("a.npz", np.arange(3).tobytes())
    assert sentence(read_arrays, path) == (
        f"{path} must be a .npz file, got another format or a truncated one."
    )
    np.savez(path, x=np.arange(100))
    raw = bytearray(path.read_bytes())
    raw[200] ^= 1
    path.write_bytes(raw)
    assert f"{path} must be a whole .npz file, got a damaged one: " in sentence(read_arrays, path)
