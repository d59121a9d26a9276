"""Animals and vehicles by one ResNet-18: the paper's second image experiment.

    python -m benchmarks.paper.cifar10 --data FOLDER --out FOLDER

FOLDER holds `cifar-10-binary.tar.gz` (MD5 c32a1d4ab5d03f1284b67883e8d87530) or
`cifar-10-python.tar.gz` (MD5 c58f30108f718f92721af3b95e74349a) of
https://www.cs.toronto.edu/~kriz/cifar.html, or is what one of them unpacks to. An archive with
another sum is refused.

With `--stand-in` it holds the four files of Fashion-MNIST
(https://github.com/zalandoresearch/fashion-mnist; Debian's package `dataset-fashion-mnist` has
them), and the tasks are tops and accessories, four classes each.

All else is as in `benchmarks.paper.mnist`, the options too. What made the published stand-in, at
the paper's population and generations on 2 cores:

    python -m benchmarks.paper.cifar10 --data FOLDER --out FOLDER --stand-in --record \
        --width 8 --stem strided --images 64 --epochs 4
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._images import run_images
from ._pictures import cifar10, fashion

PUBLISHED = {
    "animals": {
        "jack": "22 MB 98.54 %",
        "smallest": "0.98 MB 97.21 %",
        "best": "1.9 MB 99.0 %",
        "hypervolume": ".75 multitask, .67 single",
    },
    "vehicles": {
        "jack": "22 MB 99.18 %",
        "smallest": "0.95 MB 97.1 %",
        "best": "2.24 MB 99.06 %",
        "hypervolume": ".755 multitask, .673 single",
    },
}


def main(given: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the experiment and return what was recorded."""
    config = Path(__file__).with_suffix(".toml")
    readers = (cifar10, fashion)
    return run_images("paper_cifar10", __doc__ or "", config, readers, PUBLISHED, given)


if __name__ == "__main__":
    main()
