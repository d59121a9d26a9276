"""Plain data out of a pickle, by reading its instructions instead of running them.

Unpickling runs whatever the file says. Here the instructions are only looked at: numbers, texts,
lists and dictionaries are built, and an array is taken from its bytes. No name in the file is ever
imported or called, so there is nothing that a bad file could start.
"""

import pickletools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError

_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_DTYPE, _ARRAY = "numpy dtype", "numpy ndarray"
_PUSH = {
    "BININT", "BININT1", "BININT2", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINUNICODE",
    "SHORT_BINUNICODE",
}  # fmt: skip
_MAKE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}


class _Mark:
    """The place on the stack where a list, tuple or dictionary begins."""


class _Named:
    """A name that the file gives, and nothing behind it."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Made:
    """What the file would make by a call: who, from what, in which state."""

    def __init__(self, name: str, arguments: tuple) -> None:
        self.name, self.arguments, self.state = name, arguments, None


class _Reader:
    """A stack and a memo, as the format has them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSH:
            self.stack.append(argument)
        elif name in _MAKE:
            self.stack.append(_MAKE[name]())
        elif name in ("BINSTRING", "SHORT_BINSTRING"):
            self.stack.append(argument.encode("latin-1"))  # pickletools decodes Python 2's bytes
        elif name == "MARK":
            self.stack.append(_Mark())
        elif name in ("BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            _admit(argument)
            self.stack.append(_Named(argument))
        else:
            self._combine(name)

    def _combine(self, name: str) -> None:
        stack = self.stack
        if name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name == "APPEND":
            item = stack.pop()
            _of(stack[-1], list).append(item)
        elif name == "APPENDS":
            items = self._since_mark()
            _of(stack[-1], list).extend(items)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _of(stack[-1], dict)[key] = value
        elif name == "SETITEMS":
            items = self._since_mark()
            _of(stack[-1], dict).update(zip(items[::2], items[1::2], strict=True))
        elif name == "REDUCE":
            arguments, named = _of(stack.pop(), tuple), _of(stack.pop(), _Named)
            stack.append(_Made(named.name, arguments))
        elif name == "BUILD":
            state = _of(stack.pop(), tuple)
            _of(stack[-1], _Made).state = state
        else:
            raise ValueError(f"the instruction {name}")

    def _since_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[index], _Mark):
                items = self.stack[index + 1 :]
                del self.stack[index:]
                return items
        raise ValueError("no mark")


def plain_data(content: bytes, source: str | Path) -> dict[bytes | str, Any]:
    """Read a dictionary of numbers, texts, lists and uint8 arrays from a pickle.

    Args:
      content: the pickle, of protocol 2 or 3.
      source: its file, for the message.

    Returns:
      The dictionary, its values as written; texts of Python 2 are bytes.

    Raises:
      InputError: the pickle holds anything else, or is damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a backslash in a name
            (read,) = _stack(content)
        return {key: _value(value) for key, value in _of(read, dict).items()}
    except (ValueError, KeyError, IndexError, TypeError, OverflowError) as error:
        raise InputError(
            f"{source} must be a pickle of numbers, texts and byte arrays only, got {error}; "
            "use the binary version of the data, which is no pickle."
        ) from None


def _stack(content: bytes) -> list[Any]:
    """Return what the instructions leave on the stack."""
    reader = _Reader()
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "STOP":
            break
        if opcode.name not in ("PROTO", "FRAME"):
            reader.step(opcode.name, argument)
    return reader.stack


def _admit(name: str) -> None:
    if name not in (*_RECONSTRUCT, _DTYPE, _ARRAY):
        raise ValueError(f"the name {name.replace(' ', '.', 1)!r}")


def _of(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def _value(value: Any) -> Any:
    """Return an array for what would make one, a plain value as it is."""
    if isinstance(value, (_Named, _Mark)):
        raise ValueError("a name as value")
    if not isinstance(value, _Made):
        return value
    if value.name not in _RECONSTRUCT:
        raise ValueError(f"{value.name} as value")
    _, shape, dtype, fortran, raw = _of(value.state, tuple)
    if not isinstance(dtype, _Made) or dtype.name != _DTYPE:
        raise ValueError("an array of unknown type")
    if dtype.arguments[:1] not in ((b"u1",), ("u1",)):
        raise ValueError(f"an array of type {dtype.arguments[:1]}, not bytes")
    array = np.frombuffer(_of(raw, bytes), np.uint8)
    return array.reshape(shape, order="F" if fortran else "C")
