"""Who proposes the next candidates: strategies for several objectives and several tasks at once.

Each follows evosax's contract: `init(key, population, fitness, params)`, `ask`, `tell`,
`default_params`; states are pytrees, and everything runs in `jit`, `scan` and `vmap`.
"""

from typing import TYPE_CHECKING, Any

from ._adaptive_de import AdaptiveDE as AdaptiveDE
from ._mfea import MFEA as MFEA
from ._mfea2 import MFEA2 as MFEA2
from ._mo_mfea import MOMFEA as MOMFEA
from ._mo_mfea2 import MOMFEA2 as MOMFEA2
from ._nsga2 import NSGA2 as NSGA2
from ._random import RandomSearch as RandomSearch
from ._rmp import learn_rmp as learn_rmp
from ._strategy import AbstractStrategy as AbstractStrategy
from ._strategy import State as State

if TYPE_CHECKING:
    from ._decomposition import Decomposition as Decomposition
    from ._evosax import ALGORITHMS as ALGORITHMS


def __getattr__(name: str) -> Any:
    """Import what stands on evosax when it is asked for.

    evosax computes when it is imported, after which JAX cannot join other processes any more.
    """
    if name == "ALGORITHMS":
        from ._evosax import ALGORITHMS

        return ALGORITHMS
    if name == "Decomposition":
        from ._decomposition import Decomposition

        return Decomposition
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
