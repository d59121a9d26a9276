"""Train the embedded JAT on the first 50,000 training images of Fashion-MNIST.

    python benchmarks/train_fashion_resnet.py --data /usr/share/datasets/fashion-mnist

SGD with momentum and one cycle; flips and shifts of two pixels; no choice is made on any held-out
image. Writes `sosjax/data/fashion_resnet.safetensors` and prints the accuracy on the validation
split and on all 10,000 test images.
"""

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sosjax.models._resnet import ResNet
from sosjax.models._weights import save_weights
from sosjax.tasks._fashion_mnist import TRAINING, fashion_mnist, idx_split

TARGET = Path(__file__).parents[1] / "sosjax" / "data" / "fashion_resnet.safetensors"
BATCH = 128
DECAY = 5e-4
PEAK_RATE = 0.2
SHIFT = 2


def augmented(key: jax.Array, images: jax.Array) -> jax.Array:
    """Flip half of the images [B, 28, 28, 1] and shift each by up to two pixels."""
    flip_key, shift_key = jax.random.split(key)
    flip = jax.random.bernoulli(flip_key, shape=(len(images), 1, 1, 1))
    images = jnp.where(flip, images[:, :, ::-1], images)
    padded = jnp.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    corners = jax.random.randint(shift_key, (len(images), 2), 0, 2 * SHIFT + 1)
    return jax.vmap(
        lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), images.shape[1:])
    )(padded, corners)


def make_step(net: ResNet, optimiser: optax.GradientTransformation):
    """Return the jitted `step(variables, state, key, images, labels)`."""

    def step(variables, state, key, images, labels):
        images = augmented(key, images)

        def loss(params):
            logits, statistics = net.apply(
                {**variables, "params": params}, images, train=True, mutable="batch_stats"
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
            return losses.mean(), statistics

        gradients, statistics = jax.grad(loss, has_aux=True)(variables["params"])
        updates, state = optimiser.update(gradients, state, variables["params"])
        params = optax.apply_updates(variables["params"], updates)
        return {"params": params, **statistics}, state

    return jax.jit(step, donate_argnums=(0, 1))


def train(net: ResNet, images: np.ndarray, labels: np.ndarray, epochs: int, seed: int):
    """Return the trained variables."""
    init_key, data_key = jax.random.split(jax.random.key(seed))
    variables = net.init(init_key, images[:1])
    per_epoch = len(images) // BATCH
    rate = optax.cosine_onecycle_schedule(per_epoch * epochs, PEAK_RATE, 0.2)
    optimiser = optax.chain(
        optax.add_decayed_weights(DECAY), optax.sgd(rate, momentum=0.9, nesterov=True)
    )
    state, step = optimiser.init(variables["params"]), make_step(net, optimiser)
    order = np.random.default_rng(seed)
    for epoch in range(epochs):
        start, rows = time.perf_counter(), order.permutation(len(images))
        for index in range(per_epoch):
            batch = rows[index * BATCH : (index + 1) * BATCH]
            key = jax.random.fold_in(data_key, epoch * per_epoch + index)
            variables, state = step(variables, state, key, images[batch], labels[batch])
        jax.block_until_ready(variables)
        print(f"epoch {epoch + 1}/{epochs}: {time.perf_counter() - start:.1f} s", flush=True)
    return variables


def accuracy(net: ResNet, variables, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of images whose largest logit is at their label."""
    predict = jax.jit(lambda batch: jnp.argmax(jnp.asarray(net.apply(variables, batch)), -1))
    batches = zip(np.array_split(images, 10), np.array_split(labels, 10), strict=True)
    return float(sum(np.sum(predict(batch) == wanted) for batch, wanted in batches) / len(labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the four idx files")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    whole = idx_split(arguments.data, "train")
    net = ResNet()
    variables = train(
        net, whole.inputs[:TRAINING], whole.labels[:TRAINING], arguments.epochs, arguments.seed
    )
    data = fashion_mnist(arguments.data)
    measured = {
        "validation": accuracy(net, variables, data.validation.inputs, data.validation.labels),
        "test": accuracy(net, variables, data.test.inputs, data.test.labels),
    }
    print(measured)
    architecture = {"family": "resnet", "widths": net.widths, "depths": net.depths}
    save_weights(
        TARGET,
        variables,
        {"architecture": json.dumps(architecture), "accuracy": json.dumps(measured)},
    )


if __name__ == "__main__":
    main()
