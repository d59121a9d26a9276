"""The examples of every task, stacked so that one program can visit the tasks in turn."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from .._errors import require
from .._types import Array
from ..tasks._dataset import Split


class TaskBatch(NamedTuple):
    """Examples of T tasks, each with its own.

    Attributes:
      inputs: [T, B, ...].
      targets: one-hot rows [T, B, C]; a row of zeros is padding.
      classes: the network's class for each output of a task, int32 [T, C]; 0 where not valid.
      valid: whether a task has that output, [T, C].
    """

    inputs: Array
    targets: Array
    classes: Array
    valid: Array


def task_batch(
    split: Split,
    part: str,
    labels: Sequence[Sequence[int]],
    *,
    limit: int | None = None,
    seed: int = 0,
    multiple: int = 1,
) -> TaskBatch:
    """Gather each task's examples.

    Args:
      split: where from.
      part: the split's name, for messages.
      labels: each task's classes.
      limit: draw that many for each task, or as many as the poorest task has if that is less,
        so that nothing is padded; `None` takes all and pads.
      seed: of the order in which they are drawn.
      multiple: pad to a multiple of this, so that batches of like size share a program.

    Raises:
      InputError: a task has no example of one of its classes.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for wanted in labels:
        present = np.isin(wanted, split.labels)
        require(
            bool(present.all()),
            f"`data.{part}` must hold every class of every task, "
            f"got no example of class {np.asarray(wanted)[~present].tolist()}.",
        )
        found = np.flatnonzero(np.isin(split.labels, wanted))
        rows.append(found if limit is None else rng.permutation(found))
    sizes = [len(found) for found in rows]
    size = -(-max(sizes) // multiple) * multiple if limit is None else min(*sizes, limit)
    width = max(len(wanted) for wanted in labels)
    shape = (len(labels), size)
    inputs = np.zeros((*shape, *split.inputs.shape[1:]), np.float32)
    targets = np.zeros((*shape, width), np.float32)
    classes = np.zeros((len(labels), width), np.int32)
    valid = np.zeros((len(labels), width), bool)
    for task, (found, wanted) in enumerate(zip(rows, labels, strict=True)):
        found = found[:size]
        inputs[task, : len(found)] = split.inputs[found]
        outputs = (split.labels[found][:, None] == np.asarray(wanted)).astype(np.float32)
        targets[task, : len(found), : len(wanted)] = outputs
        classes[task, : len(wanted)] = wanted
        valid[task, : len(wanted)] = True
    return TaskBatch(*jax.device_put((inputs, targets, classes, valid)))
