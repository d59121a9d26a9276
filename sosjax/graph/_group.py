"""What can be removed from a network, as plain data."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Group:
    """Units that are removed one by one: the channels of a layer, its heads, its experts.

    Attributes:
      name: unique in its network, after the first parameter that produces the units.
      size: number of units.
      places: where the units live: pairs of a leaf's path and an axis.
      granularity: kept counts are multiples of it, or all.
    """

    name: str
    size: int
    places: tuple[tuple[str, int], ...]
    granularity: int = 1


@final
@dataclass(frozen=True)
class Block:
    """The branch of a residual sum, removed as a whole: depth.

    Attributes:
      name: unique in its network: what its parameters' paths have in common, or the name given to
        its output by `jax.ad_checkpoint.checkpoint_name`.
      leaves: the parameters that only this branch needs.
    """

    name: str
    leaves: tuple[str, ...]
