"""Axis letters, in one place, and the array types that carry them.

`P` population, `T` tasks, `K` objectives, `M` members of a set, `G` removable groups, `N` mask bits
(the sum over groups), `B` batch, `F` features of the head, `C` classes. Combined in the order
`T P K`; population before batch (`P B`).
"""

from typing import Any

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

Params = Any
"""A pytree of arrays."""

AnyArray = Array | np.ndarray
"""An array of either library: known points, say, that need no device."""

__all__ = ["AnyArray", "Array", "Bool", "Float", "Int", "Key", "Params"]
