"""What a file holds: bytes, gzipped or plain, and text with a known encoding."""

import gzip
import zlib
from pathlib import Path

from .._errors import InputError

_GZIP = b"\x1f\x8b"


def read_content(path: str | Path) -> bytes:
    """Read a file whole; one named `*.gz`, or that begins as a gzip file, is unzipped.

    Raises:
      InputError: no such file, it cannot be read, or the gzip file is damaged.
    """
    path = Path(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} must be a file, got none there.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    if path.suffix != ".gz" and not raw.startswith(_GZIP):
        return raw
    try:
        return gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} must be a whole gzip file, got a damaged one: {reason(error)}."
        ) from None


def read_text(path: str | Path, encoding: str = "utf-8", otherwise: str | None = None) -> str:
    r"""Read a text file whole, gzipped or plain; a byte order mark at its start is dropped.

    Args:
      path: the file.
      encoding: of the text.
      otherwise: the encoding if it is not that; `None` refuses it.

    Raises:
      InputError: as `read_content`, the text is not of this encoding, or there is no such encoding.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "price.txt"
    >>> _ = path.write_bytes(b"one\n\xa32")
    >>> read_text(path, "latin-1")
    'one\n£2'
    """
    return _decoded(path, read_content(path), encoding, otherwise)


def read_lines(path: str | Path, encoding: str = "utf-8") -> list[str]:
    """Read the lines of a text file, without their ends; a last empty one is no line.

    Only a line feed, or a carriage return before it, ends a line: sentences may hold other
    separators of Unicode, and aligned files must not lose step by them.

    Raises:
      InputError: as `read_text`.
    """
    lines = read_text(path, encoding).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def reason(error: Exception) -> str:
    """Return what a library says of a file, on one line and without its full stop."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _decoded(path: str | Path, raw: bytes, encoding: str, otherwise: str | None) -> str:
    try:
        return raw.decode(encoding).removeprefix("\ufeff")
    except LookupError:
        raise InputError(
            f"`encoding` must be one that Python knows, such as 'utf-8', got {encoding!r}."
        ) from None
    except UnicodeDecodeError as error:
        if otherwise is not None:
            return _decoded(path, raw, otherwise, None)
        name = "UTF-8" if encoding.lower() in ("utf-8", "utf8") else encoding
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} must be {name} text, got the byte 0x{raw[error.start]:02x} in line {line}; "
            "name its `encoding` or save it again."
        ) from None
