"""The Jack of the image experiments: a ResNet trained on images that nothing else sees."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import sosjax
from sosjax._errors import require
from sosjax.models import built, jat_of, load, params_of, save
from sosjax.models._families import architecture_of

from ._pictures import Pictures

DECAY = 5e-4
SHIFT = 2
MOMENTUM = 0.9
"""Of the running moments: flax's 0.99 would still remember the start after a short training."""


def jack_of(path: Path, pictures: Pictures, settings: Mapping[str, Any]) -> sosjax.Jat:
    """Return the network in a file, or train it and keep it there.

    Args:
      path: the safetensors file.
      pictures: what it is trained on.
      settings: `width` of the first stage, `stem`, `epochs`, `batch`, `rate` and `seed`.

    Raises:
      InputError: the file holds another network.
    """
    wanted = architecture(pictures, settings)
    if path.exists():
        found = load(path, name="jack")
        require(
            found.architecture == wanted,
            f"{path} must hold {wanted}, got {found.architecture}: name another `--out`.",
        )
        return found
    jat = jat_of(wanted, train(wanted, pictures, settings), name="jack")
    save(path, jat)
    return jat


def architecture(pictures: Pictures, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a ResNet-18 whose widths double from stage to stage."""
    mean, deviation = pictures.moments
    network = built(
        {
            "family": "resnet",
            "widths": tuple(settings["width"] * 2**stage for stage in range(4)),
            "stem": settings["stem"],
            "classes": len(pictures.data.classes),
            "input_shape": pictures.training.inputs.shape[1:],
            "mean": mean,
            "deviation": deviation,
        }
    )
    return architecture_of(network.family, network.options)


def train(described: Mapping[str, Any], pictures: Pictures, settings: Mapping[str, Any]) -> Any:
    """Train from scratch: SGD with momentum, one cycle, shifts, and flips where they do no harm.

    No choice is made on any image.

    Returns:
      The parameters.

    Raises:
      InputError: there are fewer images than a batch has.
    """
    network = built(dict(described))
    module = network.family.build(network.options, nnx.Rngs(settings["seed"]))
    module.train()
    for _, part in nnx.iter_modules(module):
        if isinstance(part, nnx.BatchNorm):
            part.momentum = MOMENTUM
    definition, weights, moments = nnx.split(module, nnx.Param, ...)
    images, labels = pictures.training.inputs, pictures.training.labels
    steps = len(images) // settings["batch"]
    require(
        steps > 0,
        f"`data.sizes.training` must be at least a batch of {settings['batch']}, "
        f"got {len(images)}.",
    )
    rate = optax.cosine_onecycle_schedule(steps * settings["epochs"], settings["rate"], 0.2)
    optimiser = optax.chain(
        optax.add_decayed_weights(DECAY), optax.sgd(rate, momentum=0.9, nesterov=True)
    )
    step = jax.jit(partial(_step, definition, optimiser, pictures.flips), donate_argnums=(0, 1, 2))
    state, order = optimiser.init(weights), np.random.default_rng(settings["seed"])
    key, loss = jax.random.key(settings["seed"]), float("nan")
    for epoch in range(settings["epochs"]):
        start, rows = time.perf_counter(), order.permutation(len(images))
        for batch in rows[: steps * settings["batch"]].reshape(steps, -1):
            key, own = jax.random.split(key)
            weights, moments, state, loss = step(
                weights, moments, state, own, images[batch], labels[batch]
            )
        seconds = time.perf_counter() - start
        print(f"Jack, epoch {epoch + 1}: loss {float(loss):.3f}, {seconds:.0f} s", flush=True)
    return params_of(nnx.merge(definition, weights, moments))


def _step(
    definition: Any,
    optimiser: optax.GradientTransformation,
    flips: bool,
    weights: Any,
    moments: Any,
    state: Any,
    key: jax.Array,
    images: jax.Array,
    labels: jax.Array,
) -> tuple[Any, Any, Any, jax.Array]:
    images = augmented(key, images, flips)

    def loss(weights: Any) -> tuple[jax.Array, Any]:
        module = nnx.merge(definition, weights, moments, copy=True)
        losses = optax.softmax_cross_entropy_with_integer_labels(module(images), labels)
        return losses.mean(), nnx.split(module, nnx.Param, ...)[2]

    (value, moments), slopes = jax.value_and_grad(loss, has_aux=True)(weights)
    updates, state = optimiser.update(slopes, state, weights)
    return optax.apply_updates(weights, updates), moments, state, value


def augmented(key: jax.Array, images: jax.Array, flips: bool) -> jax.Array:
    """Shift each of the images [B, H, W, C] by up to two pixels, and flip half of them."""
    flip_key, shift_key = jax.random.split(key)
    if flips:
        flip = jax.random.bernoulli(flip_key, shape=(len(images), 1, 1, 1))
        images = jnp.where(flip, images[:, :, ::-1], images)
    padded = jnp.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))
    corners = jax.random.randint(shift_key, (len(images), 2), 0, 2 * SHIFT + 1)
    return jax.vmap(
        lambda image, corner: jax.lax.dynamic_slice(image, (*corner, 0), images.shape[1:])
    )(padded, corners)
