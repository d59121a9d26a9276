"""Where in the user's code an equation was made."""

import re
import traceback
from pathlib import Path
from typing import Any

_OURS = str(Path(__file__).parent)
_LIBRARY = re.compile(r"site-packages/(jax|flax|equinox|haiku|optax|jaxtyping|beartype)/|^<")


def raised_at(error: BaseException) -> str:
    """Return ` at file.py:line`, the innermost frame of an error outside the libraries, if any."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if _outside(frame.filename):
            return f" at {Path(frame.filename).name}:{frame.lineno}"
    return ""


def source(eqn: Any) -> str:
    """Return `file.py:line` of the innermost frame outside the libraries, empty without one."""
    made = getattr(eqn.source_info, "traceback", None)
    frames = made.frames if made is not None else []
    for frame in frames:
        if _outside(frame.file_name):
            return f"{Path(frame.file_name).name}:{frame.line_num}"
    return ""


def _outside(path: str) -> bool:
    return not _LIBRARY.search(path) and not path.startswith(_OURS)
