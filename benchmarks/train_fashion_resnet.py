"""Train the embedded JAT on the first 50,000 training images of Fashion-MNIST.

    python -m benchmarks.train_fashion_resnet --data /usr/share/datasets/fashion-mnist

SGD with momentum and one cycle; flips and shifts of two pixels; no choice is made on any held-out
image. Writes `sosjax/data/fashion_resnet.safetensors`, or the file that `--out` names, and prints
the accuracy on the validation split and on all 10,000 test images.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import sosjax
from sosjax.models import jat_of
from sosjax.models._weights import save_weights
from sosjax.tasks._fashion_mnist import TRAINING, fashion_mnist, idx_split

from .paper._jack import train
from .paper._pictures import Pictures

TARGET = Path(__file__).parents[1] / "sosjax" / "data" / "fashion_resnet.safetensors"
ARCHITECTURE: dict[str, Any] = {
    "family": "resnet",
    "widths": (16, 32, 64),
    "depths": (1, 1, 1),
    "stem": "strided",
    "classes": 10,
    "input_shape": (28, 28, 1),
    "mean": 0.286,
    "deviation": 0.353,
    "padding": "same",
}
BATCH = 128
PEAK_RATE = 0.2


def accuracy(jat: sosjax.Jat, split: sosjax.Split) -> float:
    """Return the share of images whose largest logit is at their label."""
    whole = [np.ones(size, bool) for size in jat.graph.sizes]
    predict = jax.jit(lambda images: jnp.argmax(jat.graph.logits(jat.params, images, whole), -1))
    batches = zip(np.array_split(split.inputs, 10), np.array_split(split.labels, 10), strict=True)
    right = sum(int(np.sum(predict(images) == labels)) for images, labels in batches)
    return right / len(split)


def write(path: Path, jat: sosjax.Jat, measured: dict[str, float]) -> None:
    """Write the network as `sosjax.models.save` does, and its accuracy."""
    described = {"architecture": jat.architecture, "accuracy": measured}
    texts = {name: json.dumps(value) for name, value in described.items()}
    save_weights(path, jat.bare_params, texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the four idx files")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=TRAINING, help="to train on, for a trial")
    parser.add_argument("--out", type=Path, default=TARGET)
    asked = parser.parse_args()
    if not BATCH <= asked.images <= TRAINING:
        parser.error(f"--images must be from {BATCH} to {TRAINING}, got {asked.images}")
    whole, data = idx_split(asked.data, "train"), fashion_mnist(asked.data)
    training = sosjax.Split(whole.inputs[: asked.images], whole.labels[: asked.images])
    settings = {"epochs": asked.epochs, "batch": BATCH, "rate": PEAK_RATE, "seed": asked.seed}
    params = train(ARCHITECTURE, Pictures(data, training, flips=True), settings)
    jat = jat_of(ARCHITECTURE, params, name="fashion-resnet")
    measured = {part: accuracy(jat, getattr(data, part)) for part in ("validation", "test")}
    print(measured)
    write(asked.out, jat, measured)
    print(asked.out)


if __name__ == "__main__":
    main()
