"""An environment that allows a share of what the whole network costs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sosjax import Dataset, Environment, Jat, Task


def share_of(
    jat: Jat, data: Dataset | None, tasks: Sequence[Task], name: str, cost: str, share: float
) -> Environment:
    """Return what allows the share of a cost, on every task.

    Args:
      jat: the network.
      data: of the tasks, if they share them.
      tasks: the one with the fewest outputs counts.
      name: of the environment.
      cost: `parameters`, `bytes` or `flops`.
      share: in (0, 1].
    """
    sizes = np.asarray(jat.graph.sizes)
    whole = [int(jat.graph.cost(sizes, len(task.on(data).classes))[cost]) for task in tasks]
    limit: dict[str, Any] = {cost: int(share * min(whole))}
    return Environment(name, **limit)
