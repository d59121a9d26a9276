"""A section `[data]`, of all tasks or of one: which examples, in which files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .._errors import listing, require, require_known
from ._keys import path_of, require_keys, wanted_key
from ._model_choice import ModelChoice

if TYPE_CHECKING:
    from ..models._jat import Jat
    from ..tasks._dataset import Dataset

EMBEDDED = ("fashion-mnist",)

# Which keys each format takes, beside those of all: required ones first, then the others.
FORMATS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "idx": ((), ("trained_on",)),
    "cifar10": ((), ("trained_on",)),
    "cifar100": ((), ("trained_on",)),
    "images": ((), ("seed",)),
    "arrays": ((), ("seed",)),
    "table": (("label",), ("text", "inputs", "group", "encoding", "seed")),
    "texts": ((), ("encoding", "seed")),
    "parallel": (("languages",), ("targets", "seed")),
    "series": (("inputs", "values"), ("horizon", "stride", "fill")),
}
_COMMON = ("name", "format", "path", "shares")


@final
@dataclass(frozen=True)
class DataChoice:
    """Which examples.

    Attributes:
      name: one of `EMBEDDED`, or what reports call the data of `path`.
      format: one of `FORMATS`; `None` for embedded data.
      path: where; for embedded data a folder with the original files, or `None`.
      keys: the other keys of the section.
    """

    name: str | None
    format: str | None
    path: Path | None
    keys: dict[str, Any]

    def load(self, jat: "Jat", model: ModelChoice) -> "Dataset":
        """Read, split and, if need be, tokenise the examples for a network."""
        from ..tasks._fashion_mnist import fashion_mnist
        from ._formats import READERS, Source

        if self.format is None or self.path is None:
            return fashion_mnist(self.path)
        name = self.name or self.path.resolve().stem
        source = Source(name, self.path, self.keys, jat, model.path)
        return READERS[self.format](source)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The class names, where they are known without reading a file."""
        from ..tasks._fashion_mnist import CLASSES

        return CLASSES if self.format is None else None


def data_choice(table: dict[str, Any], base: Path, place: str = "") -> DataChoice:
    """Check a section `[data]`.

    Raises:
      InputError: a key is unknown or belongs to another format, or there is no such path.
    """
    require_keys("data", table, place)
    if "format" not in table:
        return _embedded(table, base)
    kind = table["format"]
    require_known("data.format", kind, FORMATS)
    required, others = FORMATS[kind]
    wrong = [key for key in table if key not in (*_COMMON, *required, *others)]
    require(
        not wrong,
        f"`data.{next(iter(wrong), '')}` must be left out for the format {kind!r}{place}, which "
        f"takes {listing((*_COMMON, *required, *others), 20)}; got it.",
    )
    for key in required:
        wanted_key("data", table, key, place)
    path = path_of("data.path", wanted_key("data", table, "path", place), base)
    require(path.exists(), f"`data.path` must be a file or a folder{place}, got none: {path}.")
    keys = {key: value for key, value in table.items() if key not in ("name", "format", "path")}
    if "targets" in keys:
        keys["targets"] = path_of("data.targets", keys["targets"], base)
    _require_columns(kind, keys, place)
    return DataChoice(table.get("name"), kind, path, keys)


def _require_columns(kind: str, keys: dict[str, Any], place: str) -> None:
    """Refuse columns that do not go together."""
    for key in ("inputs", "values"):
        require(
            len(keys.get(key, "?")) > 0,
            f"`data.{key}` must name one or more columns{place}, got none.",
        )
    if kind != "table":
        return
    require(
        ("text" in keys) != ("inputs" in keys),
        f"`data` must name a column `text` or columns `inputs`{place}, got "
        f"{'both' if 'text' in keys else 'neither'}.",
    )
    require(
        keys["label"] not in (keys.get("text"), *keys.get("inputs", ())),
        f"`data.label` must be another column than those that are looked at{place}, got "
        f"{keys['label']!r}.",
    )


def _embedded(table: dict[str, Any], base: Path) -> DataChoice:
    name = wanted_key("data", table, "name")
    require_known("data.name", name, EMBEDDED)
    wrong = [key for key in table if key not in ("name", "folder")]
    require(
        not wrong,
        f"`data.{next(iter(wrong), '')}` must be left out unless `data.format` is one of "
        f"{listing(FORMATS)}, got it with {name!r}.",
    )
    if "folder" not in table:
        return DataChoice(name, None, None, {})
    folder = path_of("data.folder", table["folder"], base)
    require(
        folder.is_dir(),
        f"`data.folder` must be a folder with the four idx files, got "
        f"{'a file' if folder.exists() else 'no such folder'}: {folder}.",
    )
    return DataChoice(name, None, folder, {})
