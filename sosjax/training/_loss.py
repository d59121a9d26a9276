"""What training descends: the distance to targets, and to what another network says."""

import jax
import jax.numpy as jnp
import optax

from .._types import Array, Float
from ..fitness._batch import TaskBatch


def training_loss(
    kind: str,
    task: TaskBatch,
    outputs: Array,
    targets: Array,
    teacher: Array | None,
    share: float | Array,
    heat: float = 1.0,
) -> Float[Array, ""]:
    """Return the mean loss of some examples.

    Cross-entropy and divergence for classes and tokens; squares over the variance for values, and
    for classes by a head in closed form, which has least squares behind it.

    Args:
      kind: what is asked: `"classes"`, `"values"` or `"tokens"`.
      task: whose examples they are.
      outputs: [B, C]; of tokens [B, S, V].
      targets: as in `TaskBatch`, of these examples.
      teacher: the other network's outputs; `None`: there is none.
      share: of the loss that is the distance to the teacher, in [0, 1].
      heat: the temperature of that distance.
    """
    if kind == "tokens":
        wanted = targets >= 0
        hard = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.maximum(targets, 0))
        each = hard if teacher is None else _mixed(hard, _apart(outputs, teacher, heat), share)
        return jnp.where(wanted, each, 0).sum() / jnp.maximum(wanted.sum(), 1)
    square = _squares(task, outputs, targets)
    if teacher is not None:
        square = _mixed(square, _squares(task, outputs, teacher), share)
    if kind == "values":
        return square.mean()
    outputs = jnp.where(task.valid, outputs, -1e9)
    entropy = optax.softmax_cross_entropy(outputs, targets)
    if teacher is not None:
        teacher = jnp.where(task.valid, teacher, -1e9)
        entropy = _mixed(entropy, _apart(outputs, teacher, heat), share)
    mean = entropy.mean()
    return mean if task.solved is None else jnp.where(task.own, mean, square.mean())


def _mixed(hard: Array, apart: Array, share: float | Array) -> Array:
    return (1 - share) * hard + share * apart


def _squares(task: TaskBatch, outputs: Array, wanted: Array) -> Array:
    return jnp.where(task.valid, (outputs - wanted) ** 2 / task.scale, 0).sum(-1)


def _apart(outputs: Array, teacher: Array, heat: float) -> Array:
    """Return the divergence of the outputs from the teacher's, times the squared temperature.

    The square keeps the size of its gradient, whatever the temperature.
    """
    logs, wanted = jax.nn.log_softmax(outputs / heat), jax.nn.log_softmax(teacher / heat)
    return heat**2 * (jnp.exp(wanted) * (wanted - logs)).sum(-1)
