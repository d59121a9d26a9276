"""The one exception for bad input, and the sentences shared by several rooms."""

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# What refuses a wrong command needs no numpy, which takes longer to import than all else here.


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that names the argument in backticks, what was wanted and what
    came. The command line prints it and exits with code 2.
    """


def require(condition: Any, message: str) -> None:
    """Raise `InputError(message)` unless the condition holds."""
    if not condition:
        raise InputError(message)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the nearest known name, or nothing."""
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def listing(names: Iterable[Any], limit: int = 12) -> str:
    """Return names as `a, b, c`, cut after `limit` of them."""
    names = [str(name) for name in names]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def require_known(argument: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not among the known ones, and offer the nearest."""
    known = list(known)
    require(
        name in known,
        f"`{argument}` must be one of {listing(known)}, got {name!r}{nearest(name, known)}.",
    )


def require_name(argument: str, name: Any) -> None:
    """Refuse anything but a printable, non-empty text of at most 200 characters."""
    require(
        isinstance(name, str) and len(name.strip()) > 0 and len(name) <= 200 and name.isprintable(),
        f"`{argument}` must be a printable name of 1 to 200 characters, got {name!r}.",
    )


def require_unique(argument: str, names: Iterable[str]) -> None:
    """Refuse names that occur twice."""
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"`{argument}` must have different names, got twice: {listing(twice)}.")


def require_number(
    argument: str, value: Any, low: float, high: float = math.inf, whole: bool = False
) -> None:
    """Refuse a value that is not a finite number in [low, high], whole if asked."""
    kind = "whole number" if whole else "number"
    good = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    good = good and math.isfinite(value) and low <= float(value) <= high
    bound = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
    require(good, f"`{argument}` must be a {kind} {bound}, got {value!r}.")


def require_finite(argument: str, array: "np.ndarray") -> None:
    """Refuse an array with NaN or infinity, naming how many and where the first is."""
    import numpy as np

    if array.dtype.kind not in "fcV":  # bfloat16 and its like are of kind V
        return
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(index) for index in np.argwhere(bad)[0])
        raise InputError(
            f"`{argument}` must be finite, got {int(bad.sum())} NaN or infinite values, "
            f"the first at index {first}."
        )
