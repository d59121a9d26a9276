"""The examples of every task, stacked so that one program can visit the tasks in turn."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from .._errors import require
from .._types import Array
from ..tasks._dataset import Split
from ._compensation import Moments
from ._ridge import RidgeHead


class TaskBatch(NamedTuple):
    """Examples of T tasks, each with its own.

    Attributes:
      inputs: [T, B, ...]; padding repeats a task's first example.
      targets: [T, B, C], one-hot rows or values, zero where a task has no such output; or tokens
        int32 [T, B, S], -1 where none is wanted.
      real: 1 for an example and 0 for padding, [T, B]; `None` if nothing is padded.
      valid: whether a task has that output, [T, C].
      scale: what one is divided by in the squared error of an output: its variance, [T, C].
      classes: the network's own output for each output of a task, int32 [T, C]; 0 where not valid.
      own: whether the task's head is rows of the network's own, [T].
      solved: the heads of the other tasks, solved for the whole network; `None` if all are own.
      penalty: the ridge penalty that suits each task's examples, [T]; `None`: `PENALTY`.
      known: what compensation knows of each site, by its leaf; `None` where nothing is compensated.
      jack: what the whole network says of the examples, shares or values [T, B, C]; `None` where
        nothing is compared with it.
    """

    inputs: Array
    targets: Array
    real: Array | None
    valid: Array
    scale: Array
    classes: Array
    own: Array
    solved: RidgeHead | None = None
    penalty: Array | None = None
    known: dict[str, Moments] | None = None
    jack: Array | None = None

    def task(self, number: Array) -> "TaskBatch":
        """Return what is one task's, without the leading axis."""
        return jax.tree.map(lambda leaf: leaf[number], self)

    def first(self, count: int) -> "TaskBatch":
        """Return the first examples of every task, in which rare classes may be lacking."""
        parts = {name: getattr(self, name) for name in ("inputs", "targets", "real", "jack")}
        return self._replace(**jax.tree.map(lambda leaf: leaf[:, :count], parts))


def task_batch(
    splits: Sequence[Split],
    part: str,
    outputs: Sequence[Sequence[int]],
    *,
    kind: str = "classes",
    own: Sequence[bool] | None = None,
    limit: int | None = None,
    seed: int = 0,
    multiple: int = 1,
) -> TaskBatch:
    """Gather each task's examples.

    Args:
      splits: where from, one for each task.
      part: the split's name, for messages.
      outputs: each task's classes or values by their index in its data; empty for tokens.
      kind: `"classes"`, `"values"` or `"tokens"`.
      own: whether each task has the network's own head; all by default.
      limit: draw that many for each task, or all it has if that is less, of every class at least
        one if there are as many; `None` takes all.
      seed: of the order in which they are drawn.
      multiple: pad to a multiple of this, so that batches of like size share a program.

    Raises:
      InputError: a task has no example of one of its classes, or all of it does not fit into the
        memory of the device.
    """
    rng = np.random.default_rng(seed)
    rows = [_rows(split, part, wanted, kind) for split, wanted in zip(splits, outputs, strict=True)]
    if limit is not None:
        each = zip(splits, rows, outputs, strict=True)
        rows = [
            _drawn(rng.permutation(found), split.labels, wanted if kind == "classes" else (), limit)
            for split, found, wanted in each
        ]
    longest = max(map(len, rows))
    size = -(-longest // multiple) * multiple
    each = splits[0].inputs[:1].nbytes + splits[0].labels[:1].nbytes
    require_fits(
        len(splits) * size * each,
        f"`data.{part}` must fit into",
        "fewer examples (`search.images`, `search.calibration`, smaller splits) or smaller ones do",
    )
    width = max(1, *(len(wanted) for wanted in outputs))
    real = np.zeros((len(rows), size), np.float32)
    classes = np.zeros((len(rows), width), np.int32)
    valid = np.zeros((len(rows), width), bool)
    scale = np.ones((len(rows), width), np.float32)
    inputs, targets = [], []
    for task, (split, found, wanted) in enumerate(zip(splits, rows, outputs, strict=True)):
        real[task, : len(found)] = 1
        places = np.concatenate([found, np.full(size - len(found), found[0])])
        inputs.append(split.inputs[places])
        asked = _targets(split.labels[places], wanted, kind, width)
        targets.append(asked)
        classes[task, : len(wanted)] = wanted
        valid[task, : len(wanted)] = True
        if kind == "values":
            scale[task] = np.maximum(asked[: len(found)].var(0), 1e-12)
    owned = np.ones(len(rows), bool) if own is None else np.asarray(own, bool)
    stacked = (np.stack(inputs), np.stack(targets), real if real.min() == 0 else None)
    return TaskBatch(*jax.device_put((*stacked, valid, scale, classes, owned)))


def require_fits(size: int, claim: str, remedy: str) -> None:
    """Refuse what does not fit into the memory of the device beside the network.

    Args:
      size: bytes, of all tasks.
      claim: the sentence up to "half of the device's memory".
      remedy: its end: what would fit.

    Raises:
      InputError: it needs more than half of it.
    """
    memory = device_memory()
    require(
        size <= memory / 2,
        f"{claim} half of the device's memory, {memory / 2e9:.1f} GB, got {size / 1e9:.1f} GB for "
        f"all tasks: {remedy}.",
    )


def device_memory() -> int:
    """Return the bytes of memory of a device; of the machine, where a device does not tell."""
    known = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    if known is None:
        known = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(known)


def _rows(split: Split, part: str, wanted: Sequence[int], kind: str) -> np.ndarray:
    if kind != "classes":
        return np.arange(len(split))
    present = np.isin(wanted, split.labels)
    require(
        bool(present.all()),
        f"`data.{part}` must hold every class of every task, "
        f"got no example of class {np.asarray(wanted)[~present].tolist()}.",
    )
    return np.flatnonzero(np.isin(split.labels, wanted))


def _drawn(order: np.ndarray, labels: np.ndarray, wanted: Sequence[int], limit: int) -> np.ndarray:
    """Return the first examples of an order, the last of them replaced by those of lacking classes.

    Args:
      order: rows, shuffled.
      labels: of all rows.
      wanted: the classes of which none may lack.
      limit: how many rows.
    """
    first, rest = order[:limit], order[limit:]
    lacking = [one for one in wanted if one not in labels[first]]
    if not lacking:
        return first
    own = np.array([rest[labels[rest] == one][0] for one in lacking[:limit]])
    # A class must not lose its only example to another.
    again = np.array([one in labels[first[:row]] for row, one in enumerate(labels[first])])
    gone = [*np.flatnonzero(again)[::-1], *np.flatnonzero(~again)[::-1]][: len(own)]
    return np.concatenate([np.delete(first, gone), own])


def _targets(labels: np.ndarray, wanted: Sequence[int], kind: str, width: int) -> np.ndarray:
    if kind == "tokens":
        return labels
    targets = np.zeros((len(labels), width), np.float32)
    chosen = labels[:, list(wanted)] if kind == "values" else labels[:, None] == np.asarray(wanted)
    targets[:, : len(wanted)] = chosen
    return targets
