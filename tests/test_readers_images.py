"""idx files, CIFAR in all its forms, and folders of images."""

import gzip
import io
import pickle
import struct
import sys
import tarfile
import zlib

import numpy as np
import pytest

from sosjax._errors import InputError
from sosjax.readers import (
    CIFAR_CHECKSUMS,
    idx_folder,
    read_cifar10,
    read_cifar100,
    read_idx,
    read_image_folder,
)
from sosjax.readers._pickled import plain_data


def sentence(function, *arguments, **named):
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    return str(caught.value)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def images():
    """Images [4, 32, 32, 3] and their labels."""
    drawn = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    return drawn, np.array([3, 0, 9, 1])


# idx


@pytest.mark.parametrize("name", ["{}-{}-{}-ubyte", "{}-{}.{}-ubyte", "{}-{}-{}-ubyte.gz"])
def test_the_four_files_of_the_family_are_read_by_any_of_their_names(tmp_path, name):
    for count, prefix in ((5, "train"), (3, "t10k")):
        for kind, form, array in (
            ("images", "idx3", np.arange(count * 12, dtype=np.uint8).reshape(count, 4, 3)),
            ("labels", "idx1", np.arange(count, dtype=np.uint8)),
        ):
            path = tmp_path / name.format(prefix, kind, form)
            path.write_bytes(gzip.compress(idx(array)) if path.suffix == ".gz" else idx(array))
    train, test = idx_folder(tmp_path)
    assert (train.images.shape, test.images.shape) == ((5, 4, 3, 1), (3, 4, 3, 1))
    assert train.images[4, 3, 2, 0] == 59
    assert (train.images.dtype, train.labels.dtype) == (np.uint8, np.int32)
    assert test.labels.tolist() == [0, 1, 2] and len(test) == 3


def test_an_idx_file_whose_shape_overflows_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    assert f"{path} must hold {(2**32 - 1) ** 3} bytes" in sentence(read_idx, path, 3)


def test_a_missing_idx_file_is_named(tmp_path):
    path = tmp_path / "none"
    assert sentence(read_idx, path, 1) == f"{path} must be a file, got none there."


def test_a_folder_in_place_of_a_file(tmp_path):
    assert sentence(read_idx, tmp_path, 1) == f"{tmp_path} cannot be read: Is a directory."


# CIFAR


NAMES = tuple(f"class{number}" for number in range(10))


def channels_first(images):
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def binary10(images, labels):
    """Return the files of the binary version; every training batch holds the same images."""
    rows = np.concatenate([np.asarray(labels, np.uint8)[:, None], channels_first(images)], 1)
    files = {f"data_batch_{number}.bin": rows.tobytes() for number in range(1, 6)}
    return files | {
        "test_batch.bin": rows[:2].tobytes(),
        "batches.meta.txt": "\n".join(NAMES).encode() + b"\n\n",
    }


def old_pickle(value, memo=None):
    """Write a value as Python 2 did, which this Python cannot: bytes as its strings, protocol 2."""
    if memo is None:
        return b"\x80\x02" + old_pickle(value, [0]) + b"."
    if isinstance(value, dict):
        items = b"".join(old_pickle(x, memo) for item in value.items() for x in item)
        return b"}" + put(memo) + b"(" + items + b"u"
    if isinstance(value, list):
        return b"]" + put(memo) + b"(" + b"".join(old_pickle(x, memo) for x in value) + b"e"
    if isinstance(value, bytes):
        head = (
            b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
        )
        return head + value + put(memo)
    if isinstance(value, int):
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
    kind = (
        b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNN"
        + b"J\xff\xff\xff\xff" * 2
        + b"K\x00tb"
    )
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    shape = b"".join(old_pickle(length, memo) for length in value.shape)
    return (
        made
        + b"(K\x01("
        + shape
        + b"t"
        + kind
        + b"\x89"
        + old_pickle(value.tobytes(), memo)
        + b"tb"
    )


def put(memo):
    memo[0] += 1
    return b"r" + struct.pack("<I", memo[0])


def pickled10(images, labels):
    batch = {b"labels": [int(label) for label in labels], b"data": channels_first(images)}
    files = {f"data_batch_{number}": old_pickle(batch) for number in range(1, 6)}
    test = {b"labels": batch[b"labels"][:2], b"data": batch[b"data"][:2]}
    names = {b"num_vis": 3072, b"label_names": [name.encode() for name in NAMES]}
    return files | {"test_batch": old_pickle(test), "batches.meta": old_pickle(names)}


def as_folder(path, files):
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def as_archive(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kept", [as_folder, as_archive])
@pytest.mark.parametrize("version", [binary10, pickled10])
def test_cifar10_is_the_same_from_every_version(tmp_path, images, version, kept):
    train, test = read_cifar10(kept(tmp_path / "mine.tar.gz", version(*images)))
    np.testing.assert_array_equal(train.images, np.concatenate([images[0]] * 5))
    np.testing.assert_array_equal(train.labels, np.concatenate([images[1]] * 5))
    np.testing.assert_array_equal(test.images, images[0][:2])
    assert train.classes == test.classes == NAMES
    assert (train.images.dtype, train.labels.dtype) == (np.uint8, np.int32)


@pytest.mark.parametrize("labels", ["fine", "coarse"])
@pytest.mark.parametrize("pickled", [False, True])
def test_cifar100_has_two_kinds_of_labels(tmp_path, images, labels, pickled):
    pixels, fine = channels_first(images[0]), np.array([99, 0, 5, 42])
    coarse = fine // 5
    names = {kind: [f"{kind}{number}" for number in range(n)] for kind, n in
             (("fine", 100), ("coarse", 20))}  # fmt: skip
    if pickled:
        batch = old_pickle(
            {b"fine_labels": fine.tolist(), b"coarse_labels": coarse.tolist(), b"data": pixels}
        )
        meta = {f"{k}_label_names".encode(): [n.encode() for n in v] for k, v in names.items()}
        files = {"train": batch, "test": batch, "meta": old_pickle(meta)}
    else:
        both = np.stack([coarse, fine], 1).astype(np.uint8)
        rows = np.concatenate([both, pixels], 1).tobytes()
        files = {f"{kind}_label_names.txt": "\n".join(v).encode() for kind, v in names.items()}
        files |= {"train.bin": rows, "test.bin": rows}
    train, test = read_cifar100(as_folder(tmp_path / "folder", files), labels)
    assert (
        train.labels.tolist()
        == test.labels.tolist()
        == (fine if labels == "fine" else coarse).tolist()
    )
    assert train.classes == tuple(names[labels])
    np.testing.assert_array_equal(train.images, images[0])


def test_a_missing_batch_is_named(tmp_path, images):
    files = binary10(*images)
    del files["data_batch_4.bin"]
    folder = as_folder(tmp_path / "folder", files)
    assert sentence(read_cifar10, folder) == (
        f"{folder} must hold data_batch_4.bin, got no such file in it."
    )


def test_an_empty_folder_says_what_it_lacks(tmp_path):
    assert "must hold batches.meta.txt" in sentence(read_cifar10, tmp_path)
    path = tmp_path / "none"
    assert sentence(read_cifar10, path) == (
        f"{path} must be a folder or a .tar.gz archive, got none there."
    )


def test_a_truncated_batch(tmp_path, images):
    files = binary10(*images)
    files["test_batch.bin"] = files["test_batch.bin"][:-1]
    said = sentence(read_cifar10, as_folder(tmp_path / "folder", files))
    assert said.endswith(
        "test_batch.bin must hold rows of 3073 bytes, got 6145 bytes: is it truncated?"
    )


def test_a_label_that_is_no_class(tmp_path, images):
    said = sentence(read_cifar10, as_folder(tmp_path / "f", binary10(images[0], [0, 1, 10, 2])))
    assert said.endswith("data_batch_1.bin must have labels in [0, 10), got [10].")


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"no" + raw[2:]])
def test_a_damaged_archive(tmp_path, images, damage):
    path = as_archive(tmp_path / "mine.tar.gz", binary10(*images))
    path.write_bytes(damage(path.read_bytes()))
    assert f"{path} must be a whole .tar.gz archive, got " in sentence(read_cifar10, path)


@pytest.mark.parametrize("name", CIFAR_CHECKSUMS)
def test_an_archive_of_a_published_name_is_held_to_its_checksum(tmp_path, images, name):
    path = as_archive(tmp_path / name, binary10(*images))
    said = sentence(read_cifar10, path)
    assert f"the published archive with the MD5 sum {CIFAR_CHECKSUMS[name]}, got " in said


def test_unknown_kinds_of_labels(tmp_path):
    assert sentence(read_cifar100, tmp_path, "coarser") == (
        "`labels` must be one of fine, coarse, got 'coarser' (did you mean 'coarse'?)."
    )


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        ({b"data": np.zeros((2, 3072), np.uint8)}, "must hold the list `labels`, got none."),
        ({b"labels": [1, 2]}, "must hold `data` of 3072 bytes an image, got none."),
        (
            {b"labels": [1, 2], b"data": np.zeros((2, 3071), np.uint8)},
            "must hold `data` of 3072 bytes an image, got none.",
        ),
        (
            {b"labels": [1], b"data": np.zeros((2, 3072), np.uint8)},
            "must have one label for each image, got 2 images and 1 labels.",
        ),
        (
            {b"labels": [b"1", 2], b"data": np.zeros((2, 3072), np.uint8)},
            "must have labels in [0, 10), got [b'1'].",
        ),
    ],
)
def test_a_pickled_batch_without_what_it_needs(tmp_path, images, batch, said):
    folder = as_folder(tmp_path / "f", pickled10(*images) | {"test_batch": old_pickle(batch)})
    assert sentence(read_cifar10, folder) == f"{folder}: test_batch {said}"


def test_an_archive_that_unpacks_to_far_too_much(tmp_path, images, monkeypatch):
    monkeypatch.setattr("sosjax.readers._cifar._MEMBER", 1000)
    path = as_archive(tmp_path / "mine.tar.gz", binary10(*images))
    assert sentence(read_cifar10, path) == (
        f"{path}: data_batch_1.bin must have at most 1000 bytes, got 12292."
    )


# Pickles


def test_the_old_pickles_of_these_tests_are_true_ones(images):
    batch = {b"labels": [3, 1000], b"long": b"x" * 300, b"data": channels_first(images[0])}
    read = pickle.loads(old_pickle(batch), encoding="bytes")
    assert read.keys() == batch.keys() == plain_data(old_pickle(batch), "file").keys()
    np.testing.assert_array_equal(read[b"data"], batch[b"data"])


class Evil:
    """Unpickling this would leave a trace."""

    def __reduce__(self):
        return exec, ("import sys; sys.sosjax_was_here = True",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_in_a_pickle_is_ever_run(tmp_path, images, protocol):
    files = pickled10(*images)
    files["data_batch_1"] = pickle.dumps({b"labels": Evil()}, protocol)
    said = sentence(read_cifar10, as_folder(tmp_path / "folder", files))
    assert "data_batch_1 must be a pickle of numbers, texts and byte arrays only, got " in said
    assert said.endswith("; use the binary version of the data, which is no pickle.")
    assert not hasattr(sys, "sosjax_was_here")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "pickle exhausted"),
        (b"\x80\x02}", "pickle exhausted"),
        (b"\x80\x02cos\nsystem\n.", "the name 'os.system'"),
        (b"\x80\x02cbuiltins\neval\n.", "the name 'builtins.eval'"),
        (b"\x80\x02cnumpy\ndtype\n.", "_Named where dict belongs"),
        (b"\x80\x02]K\x01a.", "list where dict belongs"),
        (b"\x80\x02}K\x01K\x02R.", "int where tuple belongs"),
        (b"\x80\x02e.", "no mark"),
        (b"\x80\x02h\x07.", "7"),
        (b"\x80\x02\x82\x01.", "the instruction EXT1"),
        (b"\x80\x02}U\x01acnumpy\nndarray\ns.", "a name as value"),
        (b"\x80\x02}U\x01acnumpy\nndarray\n)Rs.", "numpy ndarray as value"),
        (old_pickle({b"a": np.zeros((2, 2), np.uint8)}).replace(b"u1", b"O8"), "not bytes"),
        (old_pickle({b"a": np.zeros((2, 2), np.uint8)}).replace(b"(K\x02", b"(K\x03"), "reshape"),
    ],
)  # fmt: skip
def test_a_pickle_of_anything_else_is_refused(content, said):
    assert said in sentence(plain_data, content, "file")


def test_plain_pickles_are_read_as_they_are():
    value = {"a": [1, 2.5, "text", b"bytes", None, True, (1,), (), {"b": [70000, -1]}]}
    assert plain_data(pickle.dumps(value, 3), "file") == value


# Folders of images


PIL = pytest.importorskip("PIL.Image")


def image_folder(path, sizes=((4, 6), (4, 6), (4, 6)), ending="png"):
    """Write a red and a green image of cats and a blue dog, each (height, width)."""
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    names = [f"cat/b.{ending}", f"cat/a.{ending}", f"dog/c.{ending}"]
    for (height, width), colour, name in zip(sizes, colours, names, strict=True):
        (path / name).parent.mkdir(exist_ok=True)
        PIL.new("RGB", (width, height), colour).save(path / name)
    return path


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG"])
def test_class_folders_are_read_in_the_order_of_their_names(tmp_path, ending):
    image_folder(tmp_path, ending=ending)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    read = read_image_folder(tmp_path)
    assert read.images.shape == (3, 4, 6, 3) and read.images.dtype == np.uint8
    assert read.images[:, 0, 0].argmax(-1).tolist() == [1, 0, 2]
    assert read.labels.tolist() == [0, 0, 1] and read.classes == ("cat", "dog")
    assert read.files == (f"cat/a.{ending}", f"cat/b.{ending}", f"dog/c.{ending}")


def test_images_are_resized_to_height_and_width(tmp_path):
    read = read_image_folder(image_folder(tmp_path, ((4, 6), (9, 3), (5, 5))), (2, 8), channels=1)
    assert read.images.shape == (3, 2, 8, 1)
    assert len(np.unique(read.images[0])) == 1


def test_images_of_two_sizes_need_one(tmp_path):
    image_folder(tmp_path, ((4, 6), (4, 6), (5, 5)))
    assert sentence(read_image_folder, tmp_path) == (
        f"{tmp_path}/dog/c.png must have 4 x 6 pixels as the first image, got 5 x 5 pixels; "
        "give `size` to resize all."
    )


@pytest.mark.parametrize("damage", [lambda raw: raw[:45], lambda raw: b"", lambda raw: b"GIF89a"])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_damaged_image_is_named(tmp_path, ending, damage):
    file = image_folder(tmp_path, ending=ending) / "cat" / f"b.{ending}"
    file.write_bytes(damage(file.read_bytes()))
    said = sentence(read_image_folder, tmp_path)
    assert said.startswith(f"{file} must be a PNG or JPEG image, got a damaged one: ")


def chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


@pytest.mark.parametrize("side", [8_000, 11_000, 60_000])
def test_an_image_that_unpacks_to_far_too_many_pixels_is_not_unpacked(tmp_path, side):
    file = image_folder(tmp_path) / "cat" / "a.png"
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b""))
    said = sentence(read_image_folder, tmp_path)
    assert said.startswith(f"{file} must have at most 50000000 pixels, got ")


def test_images_of_more_than_eight_bits(tmp_path):
    file = image_folder(tmp_path) / "cat" / "a.png"
    PIL.fromarray(np.full((4, 6), 3000, np.uint16)).save(file)
    assert sentence(read_image_folder, tmp_path) == (
        f"{file} must have 8 bits a channel, got the mode I;16."
    )


def test_what_a_folder_of_images_must_hold(tmp_path):
    assert "must be a folder of class folders, got none there." in sentence(
        read_image_folder, tmp_path / "none"
    )
    assert "two or more classes, got 0." in sentence(read_image_folder, tmp_path)
    image_folder(tmp_path)
    (tmp_path / "eel").mkdir()
    assert sentence(read_image_folder, tmp_path) == (
        f"{tmp_path}/eel must hold files named .png, .jpg, .jpeg, got none."
    )
    (tmp_path / "eel" / "a.webp").write_bytes(b"")
    assert sentence(read_image_folder, tmp_path) == (
        f"{tmp_path} must hold only .png, .jpg, .jpeg, got {tmp_path}/eel/a.webp."
    )
    assert sentence(read_image_folder, tmp_path, channels=4) == "`channels` must be 1 or 3, got 4."
    assert "`size` must be a whole number" in sentence(read_image_folder, tmp_path, (0, 4))


def test_without_pillow_the_way_to_it_is_said(tmp_path, monkeypatch):
    image_folder(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert sentence(read_image_folder, tmp_path) == (
        "images need Pillow: pip install 'sosjax[data]'."
    )
