"""A TOML file becomes objects: every key is known, of the right type, and in its place."""

import difflib
import json
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .._errors import InputError, listing, require, require_known, require_number, require_unique
from ..environments._environment import Environment
from ..tasks._task import Task

if TYPE_CHECKING:
    from ..models._jat import Jat
    from ..search._settings import Settings
    from ..tasks._dataset import Dataset

MODELS = ("fashion-resnet", "resnet")
DATA = ("fashion-mnist",)
REMOVAL = ("protect", "only", "granularity")

# What the value of each key must be: one of the kinds of `_require_kind`.
KEYS = {
    "": {"base": "text", "model": "section", "data": "section", "search": "section"}
    | {"tasks": "sections", "environments": "sections"},
    "model": {"name": "text", "weights": "text", "widths": "wholes", "depths": "wholes"}
    | {"classes": "whole", "input_shape": "wholes"}
    | {"protect": "texts", "only": "texts", "granularity": "whole"},
    "data": {"name": "text", "folder": "text"},
    "tasks": {"name": "text", "classes": "texts"},
    "environments": {"name": "text", "parameters": "number", "bytes": "number", "flops": "number"},
    "search": {"objectives": "texts", "strategy": "text", "encoding": "text", "fitness": "text"}
    | {"depth": "truth"}
    | {"population": "whole", "generations": "whole", "images": "whole", "calibration": "whole"}
    | {"rmp": "number", "directions": "whole", "low": "number", "high": "number"}
    | {"chunk": "whole", "checkpoint_every": "whole", "seed": "whole"},
}


@final
@dataclass(frozen=True)
class ModelChoice:
    """Which pretrained network.

    Attributes:
      name: one of `MODELS`.
      options: the arguments of `sosjax.resnet`; empty for an embedded network.
      removal: what may be removed: arguments of `sosjax.trace`.
    """

    name: str
    options: dict[str, Any]
    removal: dict[str, Any]

    def load(self) -> "Jat":
        """Read the weights and trace the network."""
        from ..models._jat import fashion_resnet, resnet

        if self.name == "resnet":
            return resnet(**self.options, **self.removal)
        return fashion_resnet(**self.removal)


@final
@dataclass(frozen=True)
class DataChoice:
    """Which images.

    Attributes:
      name: one of `DATA`.
      folder: the original files, or `None` for the embedded ones.
    """

    name: str
    folder: Path | None

    def load(self) -> "Dataset":
        """Read the images."""
        from ..tasks._fashion_mnist import fashion_mnist

        return fashion_mnist(self.folder)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, without reading any image."""
        from ..tasks._fashion_mnist import CLASSES

        return CLASSES


@final
@dataclass(frozen=True)
class Config:
    """What one configuration file asks for.

    Attributes:
      model: the pretrained network.
      data: the images.
      tasks: one or more tasks with different names.
      environments: any number, with different names.
      settings: of the search.
      text: the file's content, which means the same wherever it is put.
    """

    model: ModelChoice
    data: DataChoice
    tasks: tuple[Task, ...]
    environments: tuple[Environment, ...]
    settings: "Settings"
    text: str


def example_text() -> str:
    """Return the example configuration, with comments."""
    return (resources.files("sosjax.cli") / "example.toml").read_text(encoding="utf-8")


def with_seed(text: str, seed: int) -> str:
    """Return the example configuration with another seed."""
    return re.sub(r"(?m)^seed = .*$", f"seed = {seed}", text)


def read_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
      InputError: there is no such file, it is not TOML, or it asks for something that is not.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"`CONFIG` must be a TOML file, got no such file: {path}.") from None
    except IsADirectoryError:
        raise InputError(f"`CONFIG` must be a TOML file, got a folder: {path}.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"`CONFIG` must be TOML in UTF-8, got byte {error.start} of {path} that is not."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return parse_config(text, path.absolute().parent, str(path))


def parse_config(text: str, folder: Path, name: str) -> Config:
    """Turn the text of a configuration into objects.

    Args:
      text: TOML.
      folder: relative paths are relative to it, unless the text has a `base`.
      name: how messages call the text.

    Raises:
      InputError: as `read_config`.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{name} must be TOML, got a mistake: {error}.") from None
    _require_keys("", content)
    for section in ("model", "data"):
        require(
            section in content,
            f"`{section}` must be a section, got none: add [{section}] with a name "
            "(`sosjax init` writes an example).",
        )
    require(
        len(content.get("tasks", ())) > 0,
        "`tasks` must be one or more sections, got none: add [[tasks]] with a name and classes.",
    )
    base, text = _base(content, folder, text)
    data = _data(content["data"], base)
    model = _model(content["model"], base)
    tasks = tuple(
        _task(table, number, data) for number, table in enumerate(content["tasks"], start=1)
    )
    require_unique("tasks", [task.name for task in tasks])
    environments = tuple(
        _environment(table, number)
        for number, table in enumerate(content.get("environments", ()), start=1)
    )
    require_unique("environments", [environment.name for environment in environments])
    return Config(model, data, tasks, environments, _settings(content.get("search", {})), text)


def _base(content: dict[str, Any], folder: Path, text: str) -> tuple[Path, str]:
    """Return the folder of relative paths, and the text with that folder in it if it has any."""
    base = Path(content.get("base", folder))
    require(base.is_absolute(), f"`base` must be an absolute path, got {str(base)!r}.")
    paths = [content["model"].get("weights"), content["data"].get("folder")]
    relative = any(isinstance(path, str) and not path.startswith(("/", "~")) for path in paths)
    if relative and "base" not in content:
        # Run folders hold a copy, from which a run is resumed: it must find the same files.
        text = f"base = {json.dumps(str(base), ensure_ascii=False)}\n{text}"
    return base, text


def _path(name: str, text: str, base: Path) -> Path:
    try:
        require(
            text.isprintable() and text.strip() != "", f"`{name}` must be a path, got {text!r}."
        )
        return base / Path(text).expanduser()
    except RuntimeError:
        raise InputError(f"`{name}` must be a path, got one of an unknown user: {text}.") from None


def _model(table: dict[str, Any], base: Path) -> ModelChoice:
    _require_keys("model", table)
    name = _wanted("model", table, "name")
    require_known("model.name", name, MODELS)
    removal = {key: table[key] for key in REMOVAL if key in table}
    require_number("model.granularity", removal.get("granularity", 1), 1, whole=True)
    options = {key: value for key, value in table.items() if key not in ("name", *REMOVAL)}
    if name != "resnet":
        require(
            not options,
            f"`model.{next(iter(options), '')}` must be left out unless `model.name` is 'resnet', "
            f"got it with {name!r}.",
        )
        return ModelChoice(name, {}, removal)
    weights = _path("model.weights", _wanted("model", table, "weights"), base)
    require(
        weights.is_file(),
        f"`model.weights` must be a safetensors file, got "
        f"{'a folder' if weights.is_dir() else 'no such file'}: {weights}.",
    )
    for key in ("widths", "depths", "input_shape"):
        if key != "input_shape":
            _wanted("model", table, key)
        for value in table.get(key, ()):
            require_number(f"model.{key}", value, 1, whole=True)
    require_number("model.classes", table.get("classes", 10), 2, whole=True)
    require(
        len(table.get("input_shape", (0, 0, 0))) == 3,
        f"`model.input_shape` must be height, width and channels, got {table.get('input_shape')}.",
    )
    return ModelChoice(name, options | {"weights": weights}, removal)


def _data(table: dict[str, Any], base: Path) -> DataChoice:
    _require_keys("data", table)
    name = _wanted("data", table, "name")
    require_known("data.name", name, DATA)
    if "folder" not in table:
        return DataChoice(name, None)
    folder = _path("data.folder", table["folder"], base)
    require(
        folder.is_dir(),
        f"`data.folder` must be a folder with the four idx files, got "
        f"{'a file' if folder.exists() else 'no such folder'}: {folder}.",
    )
    return DataChoice(name, folder)


def _task(table: dict[str, Any], number: int, data: DataChoice) -> Task:
    place = f" in [[tasks]] number {number}"
    _require_keys("tasks", table, place)
    task = Task(_wanted("tasks", table, "name", place), _wanted("tasks", table, "classes", place))
    for name in task.classes:
        require_known(f"tasks {task.name}.classes", name, data.classes)
    return task


def _environment(table: dict[str, Any], number: int) -> Environment:
    place = f" in [[environments]] number {number}"
    _require_keys("environments", table, place)
    _wanted("environments", table, "name", place)
    return Environment(**table)


def _settings(table: dict[str, Any]) -> "Settings":
    from ..search._settings import Settings

    _require_keys("search", table)
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return Settings(**values)


def _dotted(section: str, key: str) -> str:
    return f"{section}.{key}" if section else key


def _wanted(section: str, table: dict[str, Any], key: str, place: str = "") -> Any:
    kind = KEYS[section][key]
    require(key in table, f"`{_dotted(section, key)}` must be {_KINDS[kind]}, got none{place}.")
    return table[key]


def _require_keys(section: str, table: dict[str, Any], place: str = "") -> None:
    """Refuse a key that is not known in this section, and a value of another kind."""
    known = KEYS[section]
    for key, value in table.items():
        name = _dotted(section, key)
        if key not in known:
            wanted = f"one of {listing(known, limit=20)}"
            hint = _nearest_key(section, key)
            end = f" (did you mean `{hint}`?)" if hint else ""
            raise InputError(f"`{name}` is not a known key{place}: it must be {wanted}{end}.")
        _require_kind(name, value, known[key], place)


def _nearest_key(section: str, key: str) -> str | None:
    """Return the full name of the nearest key of this section, or else of another one."""
    for sections in ([section], KEYS):
        names = {name: _dotted(where, name) for where in sections for name in KEYS[where]}
        matches = difflib.get_close_matches(key.lower(), names, n=1, cutoff=0.6)
        if matches:
            return names[matches[0]]
    return None


_KINDS = {
    "text": "a text in quotes",
    "whole": "a whole number",
    "number": "a number",
    "truth": "true or false",
    "texts": "a list of texts in quotes",
    "wholes": "a list of whole numbers",
    "section": "a section ([name])",
    "sections": "a list of sections ([[name]])",
}


def _require_kind(name: str, value: Any, kind: str, place: str) -> None:
    if kind == "truth":
        require(isinstance(value, bool), f"`{name}` must be {_KINDS[kind]}, got {value!r}{place}.")
        return
    single = {"text": str, "whole": int, "number": (int, float), "section": dict}
    items = {"texts": str, "wholes": int, "sections": dict}
    if kind in single:
        good = _is(value, single[kind])
    else:
        good = isinstance(value, list) and all(_is(item, items[kind]) for item in value)
    wanted = _KINDS[kind].replace("name", name)
    came = "a section" if isinstance(value, dict) else repr(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        came = "a list of sections"
    require(good, f"`{name}` must be {wanted}, got {came}{place}.")


def _is(value: Any, wanted: Any) -> bool:
    return isinstance(value, wanted) and not isinstance(value, bool)
