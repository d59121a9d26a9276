"""The data of the benchmark of a tenth: what it trains on chose nothing and tests nothing."""

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

import sosjax

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import tenth


def write_idx(path, array):
    head = bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + array.tobytes(), 1, mtime=0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the four files, every image of them another."""
    place = tmp_path_factory.mktemp("images")
    for prefix, first, count in (("train", 0, 60_000), ("t10k", 60_000, 100)):
        images = np.zeros((count, 28, 28), np.uint8)
        numbers = np.arange(first, first + count)
        for pixel in range(3):
            images[:, 0, pixel] = numbers // 256**pixel % 256
        write_idx(place / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(place / f"{prefix}-labels-idx1-ubyte.gz", (numbers % 10).astype(np.uint8))
    return place


def numbers_of(inputs, mirrored=False):
    pixels = np.round(255 * inputs[:, 0, ::-1, 0] if mirrored else 255 * inputs[:, 0, :, 0])
    return pixels[:, :3].astype(int) @ [1, 256, 256**2]


def test_it_trains_on_what_neither_chooses_nor_tests(folder):
    data = sosjax.fashion_mnist(folder)
    longer = tenth.longer_data(data, folder, 0)
    plain, mirrored, *shifted = np.split(longer.search.inputs, 4)
    assert numbers_of(plain).tolist() == list(range(58_000))
    assert numbers_of(mirrored, mirrored=True).tolist() == list(range(58_000))
    assert np.array_equal(longer.search.labels, np.tile(np.arange(58_000) % 10, 4))
    assert all(len(part) == 58_000 for part in shifted)
    assert np.array_equal(longer.validation.inputs, data.validation.inputs)
    assert np.array_equal(longer.test.inputs, data.test.inputs)
    assert numbers_of(data.validation.inputs).min() == 58_000


def test_it_takes_the_files_that_the_data_are_of(folder):
    with pytest.raises(SystemExit, match="must hold the original files"):
        tenth.longer_data(sosjax.fashion_mnist(), folder, 0)


def test_shifted_images_are_those_moved():
    rng = np.random.default_rng(0)
    images = rng.random((25, 6, 5, 1), np.float32)
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 2), -1).reshape(-1, 2)
    for image, (down, right), found in zip(
        images, shifts, tenth.shifted(images, shifts), strict=True
    ):
        wanted = np.zeros_like(image)
        for row in range(6):
            for column in range(5):
                if 0 <= row - down < 6 and 0 <= column - right < 5:
                    wanted[row, column] = image[row - down, column - right]
        assert np.array_equal(found, wanted)
