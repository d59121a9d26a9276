"""How often a shrunk network errs on the examples that nothing was chosen by."""

import jax
import jax.numpy as jnp
import numpy as np

from ..fitness._error import cross_entropy, error_rate, finite_share, unexplained
from ..sets._member import Member
from ..tasks._dataset import Dataset
from ..tasks._task import Task
from ._network import Network

BATCH = 256


def error_on_test(network: Network, member: Member, data: Dataset) -> float:
    """Return the error of a network on a task's test split, as the search counts errors.

    Args:
      network: the member, cut out.
      member: its task and classes.
      data: of the task.

    Raises:
      InputError: the data lacks a class of the task.
    """
    wanted, split = Task(member.task, member.classes).labels(data), data.test
    rows = np.arange(len(split))
    if data.kind == "classes":
        rows = np.flatnonzero(np.isin(split.labels, wanted))
    run = jax.jit(network.apply)
    parts = [
        np.asarray(run(network.params, split.inputs[rows[start : start + BATCH]]))
        for start in range(0, len(rows), BATCH)
    ]
    outputs, labels = jnp.asarray(np.concatenate(parts)), split.labels[rows]
    if data.kind == "tokens":
        shares, counts = cross_entropy(outputs, jnp.asarray(labels))
        return float(finite_share(shares.sum(), counts.sum()))
    valid = jnp.ones(len(wanted), bool)
    if data.kind == "classes":
        targets = (labels[:, None] == np.asarray(wanted)).astype(np.float32)
        return float(error_rate(outputs, jnp.asarray(targets), valid))
    targets = labels[:, wanted]
    scale = jnp.asarray(np.maximum(targets.var(0), 1e-12))
    return float(unexplained(outputs, jnp.asarray(targets), valid, scale))
