"""A TOML file becomes objects: every key is known, of the right type, and in its place."""

import json
import re
import tomllib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .._errors import InputError, require, require_known, require_unique
from ..environments._environment import Environment
from ..tasks._task import Task
from ._data_choice import DataChoice, data_choice
from ._keys import path_of, require_keys, wanted_key
from ._model_choice import ModelChoice, model_choice

if TYPE_CHECKING:
    from ..models._jat import Jat
    from ..search._settings import Settings
    from ..tasks._dataset import Dataset
    from ..training._adaptation import Adaptation
    from ..training._recovery import Recovery


@final
@dataclass(frozen=True)
class TaskChoice:
    """One task, with its data still in files.

    Attributes:
      task: all but its data.
      data: what it is judged on; `None` for the data of all.
    """

    task: Task
    data: DataChoice | None

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name


@final
@dataclass(frozen=True)
class Config:
    """What one configuration file asks for.

    Attributes:
      model: the pretrained network.
      data: the examples of tasks without data of their own; `None` if all have their own.
      tasks: one or more tasks with different names.
      environments: any number, with different names.
      adaptation: of the network before the search; `None`: none.
      settings: of the search.
      recovery: of the members that it finds.
      text: the file's content, which means the same wherever it is put.
    """

    model: ModelChoice
    data: DataChoice | None
    tasks: tuple[TaskChoice, ...]
    environments: tuple[Environment, ...]
    adaptation: "Adaptation | None"
    settings: "Settings"
    recovery: "Recovery"
    text: str

    def load(self) -> tuple["Jat", "Dataset | None", tuple[Task, ...]]:
        """Read the network, and every file of examples once."""
        jat = self.model.load()
        named = {repr(one): one for one in (self.data, *(task.data for task in self.tasks)) if one}
        read = {key: one.load(jat, self.model) for key, one in named.items()}
        tasks = tuple(
            replace(task.task, data=read[repr(task.data)]) if task.data else task.task
            for task in self.tasks
        )
        return jat, read[repr(self.data)] if self.data else None, tasks


def example_text() -> str:
    """Return the example configuration, with comments."""
    return (resources.files("sosjax.cli") / "example.toml").read_text(encoding="utf-8")


def with_seed(text: str, seed: int) -> str:
    """Return the example configuration with another seed of search and recovery."""
    return re.sub(r"(?m)^seed = \d+", f"seed = {seed}", text)


def read_config(path: Path) -> Config:
    """Read a configuration file.

    Raises:
      InputError: there is no such file, it is not TOML, or it asks for something that is not.
    """
    return parse_config(text_of(path), path.absolute().parent, str(path))


def text_of(path: Path, argument: str = "CONFIG") -> str:
    """Read the text of a TOML file, which an argument names.

    Raises:
      InputError: there is no such file, or it cannot be read.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"`{argument}` must be a TOML file, got no such file: {path}.") from None
    except IsADirectoryError:
        raise InputError(f"`{argument}` must be a TOML file, got a folder: {path}.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"`{argument}` must be TOML in UTF-8, got byte {error.start} of {path} that is not."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None


def parse_config(text: str, folder: Path, name: str) -> Config:
    """Turn the text of a configuration into objects.

    Args:
      text: TOML.
      folder: relative paths are relative to it, unless the text has a `base`.
      name: how messages call the text.

    Raises:
      InputError: as `read_config`.
    """
    content = parse_toml(text, name)
    require_keys("", content)
    require(
        "model" in content,
        "`model` must be a section, got none: add [model] with a name or a path "
        "(`sosjax init` writes an example).",
    )
    tables = content.get("tasks", ())
    require(
        len(tables) > 0,
        "`tasks` must be one or more sections, got none: add [[tasks]] with a name and classes.",
    )
    require(
        "data" in content or all("data" in table for table in tables),
        "`data` must be a section, got none: add [data] with a name or a format and a path, or "
        "`data` to each of [[tasks]].",
    )
    for number, table in enumerate(tables, start=1):
        require_keys("tasks", table, f" in [[tasks]] number {number}")
    base, text = _base(content, folder, text)
    data = data_choice(content["data"], base) if "data" in content else None
    model = model_choice(content["model"], base)
    tasks = tuple(_task(table, number, data, base) for number, table in enumerate(tables, start=1))
    require_unique("tasks", [task.name for task in tasks])
    environments = tuple(
        _environment(table, number, base)
        for number, table in enumerate(content.get("environments", ()), start=1)
    )
    require_unique("environments", [environment.name for environment in environments])
    adaptation = _adaptation(content.get("adaptation"))
    settings = _settings(content.get("search", {}))
    recovery = _recovery(content.get("recovery", {}))
    return Config(model, data, tasks, environments, adaptation, settings, recovery, text)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Turn TOML into tables.

    Raises:
      InputError: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{name} must be TOML, got a mistake: {error}.") from None


def _base(content: dict[str, Any], folder: Path, text: str) -> tuple[Path, str]:
    """Return the folder of relative paths, and the text with that folder in it if it has any."""
    base = Path(content.get("base", folder))
    require(base.is_absolute(), f"`base` must be an absolute path, got {str(base)!r}.")
    sections = [content.get("data", {}), *(one.get("data", {}) for one in content["tasks"])]
    paths = [one.get(key) for one in sections for key in ("folder", "path", "targets")]
    paths.append(content["model"].get("path"))
    paths += [one.get("device") for one in content.get("environments", ())]
    relative = any(isinstance(path, str) and not path.startswith(("/", "~")) for path in paths)
    if relative and "base" not in content:
        # Run folders hold a copy, from which a run is resumed: it must find the same files.
        text = f"base = {json.dumps(str(base), ensure_ascii=False)}\n{text}"
    return base, text


def _task(table: dict[str, Any], number: int, shared: DataChoice | None, base: Path) -> TaskChoice:
    place = f" in [[tasks]] number {number}"
    require_keys("tasks", table, place)
    name, classes = wanted_key("tasks", table, "name", place), table.get("classes", ())
    require(
        "classes" not in table or len(classes) > 0,
        f"`tasks` {name}.classes must name two or more classes, got 0.",
    )
    own = data_choice(table["data"], base, place) if "data" in table else None
    data = own or shared
    if own is None and data is not None and data.format is None:
        wanted_key("tasks", table, "classes", place)
    task = Task(name, classes, head=table.get("head", "own"))
    for one in task.classes:
        require_known(f"tasks {name}.classes", one, (data and data.classes) or task.classes)
    return TaskChoice(task, own)


def _environment(table: dict[str, Any], number: int, base: Path) -> Environment:
    place = f" in [[environments]] number {number}"
    require_keys("environments", table, place)
    wanted_key("environments", table, "name", place)
    return environment(table, base)


def environment(table: dict[str, Any], base: Path) -> Environment:
    """Return the environment of a table whose `device`, if any, is a path from `base` on."""
    if "device" not in table:
        return Environment(**table)
    from ..environments._device import load_device

    place = path_of("environments.device", table["device"], base)
    found: dict[str, Any] = table | {"device": load_device(place)}
    return Environment(**found)


def _settings(table: dict[str, Any]) -> "Settings":
    from ..search._settings import Settings

    require_keys("search", table)
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    return Settings(**values)


def _adaptation(table: dict[str, Any] | None) -> "Adaptation | None":
    from ..training._adaptation import Adaptation

    if table is None:
        return None
    require_keys("adaptation", table)
    return Adaptation(**table)


def _recovery(table: dict[str, Any]) -> "Recovery":
    from ..training._recovery import Recovery

    require_keys("recovery", table)
    return Recovery(**table)
