"""What a classifier says of itself: its head, and the moments its normalisations read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Statistics:
    """Moments of an activation that a normalisation reads, such as those of BatchNorm.

    Attributes:
      mean: path of the leaf [channels] that is subtracted from the activation.
      variance: path of the leaf [channels] with its (biased) variance.
    """

    mean: str
    variance: str


def statistics_leaves(statistics: Sequence[Statistics]) -> tuple[str, ...]:
    """Return the paths of all means and variances, pair by pair."""
    return tuple(leaf for pair in statistics for leaf in (pair.mean, pair.variance))


@final
@dataclass(frozen=True)
class Head:
    """The classifier: the last contraction of the network.

    Attributes:
      kernel: path of the leaf [features, classes]; `Jat` takes [classes, features] too.
      bias: path of the leaf [classes].
    """

    kernel: str
    bias: str
