"""What can be removed from a network, as plain data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from .._errors import require, require_name, require_number


@final
@dataclass(frozen=True)
class Group:
    """Units that are removed one by one: the channels of a layer, say.

    Attributes:
      name: unique in its network.
      size: number of units.
      slices: where the units live: pairs of a leaf's path and an axis. Unit `i` owns index `i`
        of each. At least one leaf must produce them and one contraction consume them.
    """

    name: str
    size: int
    slices: Sequence[tuple[str, int]]

    def __post_init__(self) -> None:
        require_name("groups.name", self.name)
        require_number(f"groups {self.name}.size", self.size, 1, whole=True)
        object.__setattr__(self, "slices", tuple((leaf, int(axis)) for leaf, axis in self.slices))
        require(len(self.slices) > 0, f"`groups` {self.name}.slices must not be empty.")
        for leaf, axis in self.slices:
            require(
                self.slices.count((leaf, axis)) == 1,
                f"`groups` {self.name}.slices must not name an axis twice, "
                f"got axis {axis} of {leaf}.",
            )


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
      kernel: path of the leaf [features, classes].
      bias: path of the leaf [classes].
    """

    kernel: str
    bias: str
