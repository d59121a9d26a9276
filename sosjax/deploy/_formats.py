"""What an export may be written as, and what each needs to be installed."""

import importlib.util
from collections.abc import Sequence

from .._errors import InputError, require, require_known

ALWAYS = ("safetensors", "stablehlo")
"""What every export holds."""

FORMATS = (*ALWAYS, "onnx", "pytorch")

QUANTISATIONS = ("int8",)

_NEEDED = {
    "onnx": (("jax2onnx", "onnxruntime"), "sosjax[onnx]"),
    "pytorch": (("torch",), "sosjax[torch]"),
}
"""The libraries that write a format and load it again, and the extra that has them."""


class FormatError(Exception):
    """A format that cannot hold this member, in one sentence; the others can."""


def asked_formats(formats: Sequence[str], argument: str = "formats") -> tuple[str, ...]:
    """Return what is to be written beside what always is, each once.

    Args:
      formats: names among `FORMATS`.
      argument: what they were given as, for the message.

    Raises:
      InputError: a format is unknown, or a library that it needs is not installed.
    """
    require(
        not isinstance(formats, str),
        f"`{argument}` must be a list of formats, got the text {formats!r}.",
    )
    for name in formats:
        require_known(argument, name, FORMATS)
    for name in formats:
        libraries, extra = _NEEDED.get(name, ((), ""))
        missing = [one for one in libraries if importlib.util.find_spec(one) is None]
        verb = "is" if len(libraries) == 1 else "are"
        require(
            not missing,
            f"`{argument}` may name {name!r} only where {' and '.join(libraries)} {verb} "
            f"installed, got no {' and no '.join(missing)}: pip install '{extra}'.",
        )
    return tuple(name for name in FORMATS if name in formats and name not in ALWAYS)


def require_quantisation(name: str | None) -> None:
    """Refuse a quantisation that is unknown; `None` is none."""
    if name is not None:
        require_known("quantize", name, QUANTISATIONS)


def refused(name: str, why: str) -> InputError:
    """Return the error of a format that cannot hold a kind of network at all."""
    return InputError(f"`formats` may name {name!r} only for {why}.")
