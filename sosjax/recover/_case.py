"""A sub-network before and after it was trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np


def kept_of(masks: Sequence[np.ndarray]) -> list[int]:
    """Return how many units of each group masks keep, and whether each block is there."""
    return [int(mask.sum()) for mask in masks]


@final
@dataclass(frozen=True)
class Case:
    """One sub-network to train.

    Attributes:
      task: the number of its task.
      masks: of groups, then of blocks.
      params: its leaves at full size, with statistics and head of its own.
    """

    task: int
    masks: tuple[np.ndarray, ...]
    params: Any

    @property
    def kept(self) -> list[int]:
        """How many units of each group are kept, and whether each block is there."""
        return kept_of(self.masks)


@final
@dataclass(frozen=True)
class Healed:
    """What training made of one member.

    Attributes:
      weights: its leaves, as small as it is deployed.
      epoch: the best; 0 if no epoch was better than the member as it came.
      lost: whether its numbers went beyond all bounds.
      before: validation error as it came.
      after: validation error of the best epoch.
    """

    weights: dict[str, np.ndarray]
    epoch: int
    lost: bool
    before: float
    after: float
