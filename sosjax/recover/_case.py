"""A sub-network before and after it was trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from .._tree import named_leaves, with_leaves
from ..models._jat import Jat
from ..sets._member import Member


def kept_of(masks: Sequence[np.ndarray]) -> list[int]:
    """Return how many units of each group masks keep, and whether each block is there."""
    return [int(mask.sum()) for mask in masks]


@final
@dataclass(frozen=True)
class Case:
    """One member to train.

    Its leaves at full size are made when they are asked for: those of a whole front of a large
    network would not fit into memory.

    Attributes:
      task: the number of its task.
      member: the member.
      sharpness: what its outputs are multiplied by.
    """

    task: int
    member: Member
    sharpness: float = 1.0

    @property
    def masks(self) -> tuple[np.ndarray, ...]:
        """Of groups, then of blocks."""
        return self.member.masks

    @property
    def kept(self) -> list[int]:
        """How many units of each group are kept, and whether each block is there."""
        return kept_of(self.masks)

    def params(self, jat: Jat) -> Any:
        """Return its leaves at full size, with statistics and head of its own."""
        params, head = full_params(jat, self.member), jat.graph.head
        if head is None or self.sharpness == 1:
            return params
        leaves, factor = named_leaves(params), np.float32(self.sharpness)
        own = {name: factor * leaves[name] for name in (head.kernel, head.bias)}
        return with_leaves(params, leaves | own)


def full_params(jat: Jat, member: Member) -> Any:
    """Return a member's leaves at full size."""
    leaves = member.leaves(named_leaves(jat.params), jat.graph.head)
    params = jax.tree.map(np.asarray, with_leaves(jat.params, leaves))
    return jat.graph.expanded(params, member.weights, member.masks)


@final
@dataclass(frozen=True)
class FineTuned:
    """What training made of one member.

    Attributes:
      weights: its leaves, as small as it is deployed.
      epoch: the best; 0 if no epoch was better than the member as it came.
      lost: whether its numbers went beyond all bounds.
      before: validation error as it came.
      after: validation error of the best epoch.
      loss: validation loss of the best epoch: of classes the cross-entropy in nats, else the error.
    """

    weights: dict[str, np.ndarray]
    epoch: int
    lost: bool
    before: float
    after: float
    loss: float
