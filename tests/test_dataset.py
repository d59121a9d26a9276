"""The embedded images, idx files, and what a data set refuses."""

import gzip
import shutil
from importlib import resources

import numpy as np
import pytest

from sosjax._errors import InputError
from sosjax.tasks._dataset import Dataset, Split
from sosjax.tasks._fashion_mnist import (
    CLASSES,
    _require_checksums,
    fashion_mnist,
    idx_split,
    read_idx,
)
from sosjax.tasks._task import Task

PARTS = ("search", "validation", "test")


def sentence(function, *arguments):
    with pytest.raises(InputError) as caught:
        function(*arguments)
    return str(caught.value)


@pytest.fixture(scope="module")
def embedded():
    return fashion_mnist()


@pytest.fixture
def folder(tmp_path):
    """A copy of the embedded files."""
    with resources.as_file(resources.files("sosjax") / "data" / "fashion_mnist") as path:
        return shutil.copytree(path, tmp_path / "copy")


def test_the_embedded_splits_have_their_sizes_and_types(embedded):
    assert [len(getattr(embedded, part)) for part in PARTS] == [8000, 2000, 2000]
    assert embedded.classes == CLASSES
    for part in PARTS:
        split = getattr(embedded, part)
        assert split.inputs.shape[1:] == (28, 28, 1)
        assert (split.inputs.dtype, split.labels.dtype) == (np.float32, np.int32)
        assert (split.inputs.min(), split.inputs.max()) == (0, 1)
        assert set(split.labels.tolist()) == set(range(10))


def test_no_image_is_in_two_embedded_splits(embedded):
    rows = [{row.tobytes() for row in getattr(embedded, part).inputs} for part in PARTS]
    assert not rows[0] & rows[1]
    assert not rows[0] & rows[2]
    assert not rows[1] & rows[2]


def test_a_damaged_embedded_file_is_named(folder):
    _require_checksums(folder)
    name = "t10k-labels-idx1-ubyte.gz"
    raw = bytearray((folder / name).read_bytes())
    raw[100] ^= 1
    (folder / name).write_bytes(raw)
    assert sentence(_require_checksums, folder) == (
        f"the embedded file {name} is damaged: reinstall sosjax."
    )


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes() + array.tobytes()


def test_idx_files_are_read_plain_and_gzipped(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "plain").write_bytes(idx(array))
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(idx(array)))
    for name in ("plain", "zipped.gz"):
        np.testing.assert_array_equal(read_idx(tmp_path / name, 3), array)


def test_a_truncated_idx_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx(np.zeros((2, 3, 4), np.uint8))[:-5])
    assert sentence(read_idx, path, 3) == (
        f"{path} must hold 24 bytes for shape (2, 3, 4), got 19: is it truncated?"
    )


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x08\x03", b"\x89PNG" + bytes(20)])
def test_another_format(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sentence(read_idx, path, 3) == (
        f"{path} must be an idx file of bytes in 3 dimensions, got another format."
    )


def test_labels_for_images(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(idx(np.zeros(4, np.uint8)))
    assert sentence(read_idx, path, 3).endswith("of bytes in 3 dimensions, got another format.")


@pytest.mark.parametrize("damage", [lambda raw: raw[:-20], lambda raw: b"no" + raw[2:]])
def test_a_damaged_gzip_file(tmp_path, damage):
    path = tmp_path / "file.gz"
    path.write_bytes(damage(gzip.compress(idx(np.zeros((2, 3, 4), np.uint8)))))
    said = sentence(read_idx, path, 3)
    assert said.startswith(f"{path} must be a whole gzip file, got a damaged one: ")


def test_a_missing_file(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    assert sentence(fashion_mnist, tmp_path) == (
        f"`data.folder` must hold {path.name}, got no such file: {path}."
    )


def test_a_folder_without_all_training_images(folder):
    assert sentence(fashion_mnist, folder) == (
        "`data.folder` must hold the 60,000 training images, got 10000."
    )


def test_images_and_labels_that_differ_in_number(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 2, 2), np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, np.uint8)))
    assert sentence(idx_split, tmp_path, "train") == (
        f"{tmp_path}: `train` must have one label for each image, got 3 images and 2 labels."
    )


GOOD = Split(np.zeros((4, 2), np.float32), np.array([0, 1, 0, 1]))


def dataset(
    inputs=GOOD.inputs, labels=GOOD.labels, part="validation", classes=("a", "b"), name="d"
):
    splits = dict.fromkeys(PARTS, GOOD) | {part: Split(inputs, labels)}
    return Dataset(name, classes, **splits)


def test_inputs_become_float32_and_labels_int32():
    split = dataset(np.zeros((4, 2)), np.array([0, 1, 0, 1], np.uint8)).validation
    assert (split.inputs.dtype, split.labels.dtype) == (np.float32, np.int32)
    assert len(split) == 4


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("inputs", "labels", "said"),
    [
        (
            np.array([[0, 0], [0, np.nan], [0, 0], [np.inf, 0]], np.float32),
            GOOD.labels,
            "`{}.inputs` must be finite, got 2 NaN or infinite values, the first at index (1, 1).",
        ),
        (
            np.zeros((4, 2), np.uint8),
            GOOD.labels,
            "`{}.inputs` must be floating point, or int32 for tokens, got uint8; "
            "divide images by 255 to bring them to [0, 1].",
        ),
        (
            GOOD.inputs,
            np.zeros(4),
            "`{}.labels` must be whole numbers of shape [B], got float64 of shape (4,).",
        ),
        (
            GOOD.inputs,
            np.zeros((4, 1), int),
            "`{}.labels` must be whole numbers of shape [B], got int64 of shape (4, 1).",
        ),
        (GOOD.inputs, np.array([0, 1, 2, -1]), "`{}.labels` must be in [0, 2), got -1 to 2."),
        (np.zeros((0, 2)), np.zeros(0, int), "`{}` must hold examples, got none."),
        (
            np.zeros((3, 2)),
            GOOD.labels,
            "`{}.inputs` must have shape (4, 2) to go with its labels and with `search`, "
            "got (3, 2).",
        ),
    ],
)
def test_a_data_set_refuses(part, inputs, labels, said):
    assert sentence(dataset, inputs, labels, part) == said.format(part)


def test_splits_must_have_one_shape():
    assert sentence(dataset, np.zeros((4, 3))) == (
        "`validation.inputs` must have shape (4, 2) to go with its labels and with `search`, "
        "got (4, 3)."
    )


def test_inputs_that_float32_cannot_hold_are_refused():
    said = sentence(dataset, np.full((4, 2), 1e300))
    assert said.startswith("`validation.inputs` must be finite, got 8 NaN or infinite values")


def test_a_data_set_refuses_its_names():
    assert sentence(lambda: dataset(classes=("a",))) == "`classes` must be 2 or more, got 1."
    assert sentence(lambda: dataset(classes=("a", "a"))) == (
        "`classes` must have different names, got twice: a."
    )
    assert sentence(lambda: dataset(name="")) == (
        "`data.name` must be a printable name of 1 to 200 characters, got ''."
    )


def test_a_task_gives_its_labels_in_its_own_order(embedded):
    assert Task("boots", ("Ankle boot", "Sandal")).labels(embedded) == [9, 5]


@pytest.mark.parametrize(
    ("name", "classes", "said"),
    [
        ("", ("a", "b"), "`tasks.name` must be a printable name of 1 to 200 characters, got ''."),
        ("t", "ab", "`tasks` t.classes must be a list of names, got 'ab'."),
        ("t", ("a",), "`tasks` t.classes must name two or more classes, got 1."),
        ("t", ("a", "b", "a"), "`tasks t.classes` must have different names, got twice: a."),
    ],
)
def test_a_task_refuses(name, classes, said):
    assert sentence(Task, name, classes) == said


def test_a_task_of_an_unknown_class(embedded):
    assert sentence(Task("t", ("Bag", "Sandals")).labels, embedded) == (
        f"`tasks t.classes` must be one of {', '.join(CLASSES)}, "
        "got 'Sandals' (did you mean 'Sandal'?)."
    )


def test_splits_that_share_examples_are_refused():
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    one, two = (Split(rng.random((40, 3), np.float32), labels) for _ in range(2))
    with pytest.raises(InputError) as caught:
        Dataset("same", ("a", "b"), one, two, two)
    assert str(caught.value) == (
        "`validation` and `test` must hold different examples, got 40 in both."
    )
