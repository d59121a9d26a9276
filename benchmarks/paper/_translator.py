"""A small M2M100 and its tokenizer, trained from nothing on a user's sentences."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from sosjax.fitness._error import cross_entropy
from sosjax.models import built
from sosjax.models._module import params_of
from sosjax.models._sentencepiece import PIECES, VOCABULARY


def make_tokenizer(
    folder: Path, sentences: Sequence[str], vocabulary: int, languages: Sequence[str]
) -> None:
    """Write sentence pieces of sentences and the ids of M2M100, in its layout.

    Args:
      folder: made.
      sentences: of all languages.
      vocabulary: how many pieces, the four special ones included.
      languages: their codes.
    """
    import sentencepiece

    folder.mkdir(parents=True)
    with (folder / PIECES).open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=file,
            vocab_size=vocabulary,
            model_type="bpe",
            character_coverage=1.0,
            hard_vocab_limit=False,
            minloglevel=2,
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / PIECES))
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    names = special + [piece for piece in pieces if piece not in special]
    names += [f"__{code}__" for code in languages]
    ids = {name: number for number, name in enumerate(names)}
    (folder / VOCABULARY).write_text(json.dumps(ids), encoding="utf-8")


def trained(
    architecture: dict[str, Any], inputs: np.ndarray, labels: np.ndarray, jack: dict[str, Any]
) -> Any:
    """Return parameters after Adam with one cycle of steps.

    Args:
      architecture: of the network.
      inputs: int32 [B, 2, S], sources and what the decoder is given.
      labels: int32 [B, S], the tokens wanted, -1 where none is.
      jack: `batch`, `steps` and the peak `rate`.
    """
    network = built(architecture)
    params = params_of(network.family.build(network.options, nnx.Rngs(0)))
    rate = optax.cosine_onecycle_schedule(max(jack["steps"], 2), jack["rate"], 0.1)
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate, b2=0.98))

    @jax.jit
    def step(params: Any, state: Any, rows: Any, wanted: Any) -> tuple[Any, Any, Any]:
        def loss(params: Any) -> Any:
            shares, counts = cross_entropy(network.apply(params, rows), wanted)
            return shares.sum() / counts.sum()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimiser.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    params = jax.tree.map(jnp.asarray, params)
    state, values = optimiser.init(params), []
    for number, rows in enumerate(batches(inputs, labels, jack), 1):
        width = bucket((labels[rows] >= 0).sum(1).max(), (inputs[rows, 0] != 1).sum(1).max())
        params, state, value = step(params, state, inputs[rows, :, :width], labels[rows, :width])
        values.append(value)
        if number % 200 == 0 or number == jack["steps"]:
            share = float(np.mean(jax.device_get(values[-200:])))
            print(f"step {number}: cross-entropy {share:.4f} of equal odds'", flush=True)
    return jax.tree.map(np.asarray, params)


def bucket(*lengths: int, step: int = 8) -> int:
    """Return the length that holds all, rounded up so that few programs are compiled.

    >>> bucket(3, 9)
    16
    """
    return int(-(-max(lengths) // step) * step)


def batches(inputs: np.ndarray, labels: np.ndarray, jack: dict[str, Any]) -> list[np.ndarray]:
    """Return the rows of each step: drawn anew each epoch, like lengths side by side."""
    rng, size, found = np.random.default_rng(0), jack["batch"], []
    lengths = (inputs != 1).sum((1, 2))
    while len(found) < jack["steps"]:
        order = rng.permutation(len(inputs))
        pools = np.array_split(order, max(1, len(order) // (50 * size)))
        pools = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
        rows = [pool[at : at + size] for pool in pools for at in range(0, len(pool), size)]
        full = [one for one in rows if len(one) == size] or rows
        found += [full[place] for place in rng.permutation(len(full))]
    return found[: jack["steps"]]
