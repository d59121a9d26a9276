"""The sentences of bad input, and files that are whole or not at all."""

import jax.numpy as jnp
import numpy as np
import pytest

from sosjax._errors import (
    InputError,
    listing,
    nearest,
    require,
    require_finite,
    require_known,
    require_name,
    require_number,
    require_unique,
)
from sosjax._files import read_json, write_json, write_whole
from sosjax._tree import concatenate, named_leaves, take, with_leaves


def sentence(function, *arguments, **options):
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value)


def test_bad_input_is_a_value_error():
    assert issubclass(InputError, ValueError)
    assert sentence(require, False, "`a` must be b, got c.") == "`a` must be b, got c."
    require(True, "nothing happens")


def test_the_nearest_name_is_offered_or_none():
    assert nearest("hed/kernel", ["head/kernel", "head/bias"]) == " (did you mean 'head/kernel'?)"
    assert nearest("zzz", ["head"]) == ""
    assert nearest("x", []) == ""


def test_a_listing_is_cut():
    assert listing("abc") == "a, b, c"
    assert listing(range(15), limit=3) == "0, 1, 2 and 12 more"


def test_an_unknown_name():
    require_known("part", "test", ["search", "test"])
    assert sentence(require_known, "part", "tset", ["search", "test"]) == (
        "`part` must be one of search, test, got 'tset' (did you mean 'test'?)."
    )


@pytest.mark.parametrize("name", ["", "  ", "a" * 201, "a\nb", "\x1b[31m", 3, None])
def test_no_name(name):
    assert sentence(require_name, "name", name) == (
        f"`name` must be a printable name of 1 to 200 characters, got {name!r}."
    )


def test_any_printable_name_will_do():
    for name in ("T-shirt/top", "Größe <b>", "a" * 200, "日本"):
        require_name("name", name)


def test_names_that_occur_twice():
    require_unique("tasks", ["a", "b"])
    assert sentence(require_unique, "tasks", ["b", "a", "b", "a", "c"]) == (
        "`tasks` must have different names, got twice: a, b."
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 11, "3", None, True, [3]])
def test_no_number_within_bounds(value):
    assert sentence(require_number, "n", value, 0, 10) == (
        f"`n` must be a number from 0 to 10, got {value!r}."
    )


@pytest.mark.parametrize("value", [0, 10, 2.5, np.float32(3), np.int64(4)])
def test_numbers_within_bounds(value):
    require_number("n", value, 0, 10)


def test_no_whole_number():
    require_number("n", np.int32(3), 1, whole=True)
    assert sentence(require_number, "n", 3.0, 1, whole=True) == (
        "`n` must be a whole number at least 1, got 3.0."
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, jnp.bfloat16])
def test_not_finite(dtype):
    array = np.zeros((2, 3), dtype)
    require_finite("w", array)
    array[1, 2], array[1, 0] = np.nan, np.inf
    assert sentence(require_finite, "w", array) == (
        "`w` must be finite, got 2 NaN or infinite values, the first at index (1, 0)."
    )


def test_whole_numbers_are_finite():
    require_finite("w", np.arange(3))


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert read_json(path) == {"a": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "taken").mkdir()
    said = sentence(write_whole, tmp_path / "taken", "text")
    assert said == f"{tmp_path / 'taken'} cannot be written: Is a directory."
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
    missing = tmp_path / "none" / "a"
    assert sentence(write_whole, missing, "text") == (
        f"{missing} cannot be written: No such file or directory."
    )


def test_nan_is_no_json_and_the_old_file_stays(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))
    assert read_json(path) == 1


@pytest.mark.parametrize("content", [b'{"a": ', b"\xff\xfe"])
def test_a_damaged_json_file(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert sentence(read_json, path).startswith(f"{path} must hold JSON, got a damaged file: ")


def test_a_missing_json_file(tmp_path):
    path = tmp_path / "a.json"
    assert sentence(read_json, path) == f"{path} must be a file, got none there."


def test_leaves_go_by_their_paths():
    tree = {"a": [1, {"b": 2}], "c": 3}
    leaves = named_leaves(tree)
    assert leaves == {"a/0": 1, "a/1/b": 2, "c": 3}
    assert with_leaves(tree, {name: -leaf for name, leaf in leaves.items()}) == {
        "a": [-1, {"b": -2}],
        "c": -3,
    }


def test_an_individual_moves_as_one():
    tree = {"genes": np.arange(6).reshape(3, 2), "cost": np.arange(3)}
    taken = take(tree, np.array([2, 0]))
    assert taken["genes"].tolist() == [[4, 5], [0, 1]]
    assert taken["cost"].tolist() == [2, 0]
    assert concatenate(tree, taken)["cost"].tolist() == [0, 1, 2, 2, 0]
