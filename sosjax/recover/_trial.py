"""A member, what was trained of it, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._tree import named_leaves, with_leaves
from .._types import Array
from ..fitness._kernel import Calibrated
from ..fitness._ridge import RidgeHead
from ..models._jat import Jat
from ..search._judge import share
from ..search._problem import Problem
from ..sets._member import Member
from ._bucket import widened
from ._case import Case, Healed


@final
@dataclass(frozen=True)
class Trial:
    """One member that was recovered.

    Attributes:
      case: as it came to be trained.
      member: as it was before.
      healed: what became of it.
    """

    case: Case
    member: Member
    healed: Healed

    def after(self) -> Member:
        """Return the member with what it has become; its errors on test data are yet unknown."""
        scores = replace(
            self.member.scores,
            validation_error=share(self.healed.after),
            epoch=self.healed.epoch,
            validation_error_before=self.member.scores.validation_error,
        )
        return replace(self.member, scores=scores, weights=self.healed.weights)


def case_of(jat: Jat, number: int, member: Member) -> Case:
    """Return a member of a task as it comes to be trained."""
    return Case(number, member.masks, full_params(jat, member))


def full_params(jat: Jat, member: Member) -> Any:
    """Return a member's leaves at full size."""
    leaves = member.leaves(named_leaves(jat.params), jat.graph.head)
    return jat.graph.expanded(with_leaves(jat.params, leaves), member.weights, member.masks)


def told(problem: Problem, number: int, trials: Sequence[Trial]) -> tuple[Member, ...]:
    """Look at test data, once, for the members of a task that were chosen without it."""
    task = jax.tree.map(lambda leaf: leaf[number], problem.test)
    # Members have all weights of their own: nothing is to be made up for once more.
    kernel = replace(problem.kernel, mode="recalibrated")
    judged = jax.jit(lambda params, masks, own: kernel.error(params, task, masks, own))
    found = []
    for trial in trials:
        after = trial.after()
        errors = [
            float(judged(*_evaluated(problem, one, task.valid.shape[0])))
            for one in (trial.member, after)
        ]
        before, now = map(share, errors)
        scores = replace(after.scores, test_error=now, test_error_before=before)
        found.append(replace(after, scores=scores))
    return tuple(found)


def _evaluated(
    problem: Problem, member: Member, outputs: int
) -> tuple[Any, list[Array], Calibrated]:
    """Return full parameters, masks and head, as the kernel takes them."""
    jat, head = problem.jat, problem.jat.graph.head
    leaves = named_leaves(widened(full_params(jat, member), head, outputs))
    own = None
    if head is not None:
        own = RidgeHead(jnp.asarray(leaves[head.kernel]), jnp.asarray(leaves[head.bias]))
        whole = named_leaves(jat.params)
        leaves |= {name: whole[name] for name in (head.kernel, head.bias)}
    params = jax.tree.map(jnp.asarray, with_leaves(jat.params, leaves))
    statistics = {name: named_leaves(params)[name] for name in jat.graph.buffers}
    masks = [jnp.asarray(np.asarray(mask)) for mask in member.masks]
    return params, masks, Calibrated(statistics, own)
