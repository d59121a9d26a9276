"""Cut the embedded 12,000 images out of the original Fashion-MNIST idx files.

python benchmarks/make_fashion_subset.py --data /usr/share/datasets/fashion-mnist
"""

import argparse
import gzip
import hashlib
from pathlib import Path

import numpy as np

from sosjax.tasks._fashion_mnist import TRAINING, read_idx

TARGET = Path(__file__).parents[1] / "sosjax" / "data" / "fashion_mnist"
RANGES = {"train": slice(TRAINING, None), "t10k": slice(0, 2_000)}


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write bytes as a gzipped idx file; the same bytes every time."""
    head = bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + array.tobytes(), 9, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the four idx files")
    folder = parser.parse_args().data
    lines = []
    for prefix, rows in RANGES.items():
        for kind, dimensions in (("images-idx3", 3), ("labels-idx1", 1)):
            name = f"{prefix}-{kind}-ubyte.gz"
            write_idx(TARGET / name, read_idx(folder / name, dimensions)[rows])
            digest = hashlib.sha256((TARGET / name).read_bytes()).hexdigest()
            lines.append(f"{digest}  {name}\n")
            print(f"{(TARGET / name).stat().st_size:>9,d} bytes  {name}")
    (TARGET / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main()
