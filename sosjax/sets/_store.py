"""A Set of Sets on disk: `sets.json` for people and `sets.safetensors` for the arrays.

`sets.json` holds everything but arrays. `sets.safetensors` holds, for task number t with M members,
`t/mask` uint8 [M, N] (the groups one after the other), `t/kernel` [M, F, C], `t/bias` [M, C] and
`t/statistics/LEAF` [M, ...]; row i belongs to member i of `sets.json`; `t/weights/i/LEAF` are the
weights that member i has of its own, if any, as small as it is deployed. The JSON file is written
last, with the other's SHA-256 as `arrays`: where it is, the set is whole.
"""

from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from .._errors import InputError, require
from .._files import read_json, sha256, write_json
from ..environments._environment import Environment
from ._member import Member, Scores
from ._set_of_sets import SetOfSets, TaskSet

# JAX, which `models` imports, takes seconds: only what has to do with arrays imports it.

FORMAT = "sosjax-sets"
VERSION = 2
READABLE = (1, VERSION)
"""Version 1 had no weights of members."""
JSON_NAME = "sets.json"
ARRAYS_NAME = "sets.safetensors"


def save_sets(sets: SetOfSets, folder: str | Path) -> None:
    """Write a Set of Sets into a folder, which is made if there is none, arrays first.

    Raises:
      InputError: the folder cannot be written.
    """
    from ..models._weights import save_arrays

    folder = Path(folder)
    arrays: dict[str, np.ndarray] = {}
    for number, task in enumerate(sets.tasks):
        members = task.members
        if not members:
            arrays[f"{number}/mask"] = np.zeros((0, 0), np.uint8)
            continue
        masks = [np.concatenate(member.masks) for member in members]
        arrays[f"{number}/mask"] = np.stack(masks).astype(np.uint8)
        arrays[f"{number}/kernel"] = np.stack([member.kernel for member in members])
        arrays[f"{number}/bias"] = np.stack([member.bias for member in members])
        for leaf in members[0].statistics:
            stacked = np.stack([member.statistics[leaf] for member in members])
            arrays[f"{number}/statistics/{leaf}"] = stacked
        for row, member in enumerate(members):
            for leaf, weights in member.weights.items():
                arrays[f"{number}/weights/{row}/{leaf}"] = weights
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"`folder` {folder} cannot be made: {error.strerror}.") from None
    save_arrays(folder / ARRAYS_NAME, arrays)
    write_json(folder / JSON_NAME, _as_json(sets) | {"arrays": sha256(folder / ARRAYS_NAME)})


def load_sets(folder: str | Path) -> SetOfSets:
    """Read a Set of Sets from a folder.

    Raises:
      InputError: a file is missing, damaged, of another version, or the two do not belong
        together.
    """
    from ..models._weights import load_arrays

    path = Path(folder) / JSON_NAME
    content = _content(path)
    arrays, _ = load_arrays(Path(folder) / ARRAYS_NAME)
    require(
        content.get("arrays") == sha256(Path(folder) / ARRAYS_NAME),
        f"{Path(folder) / ARRAYS_NAME} must belong to {JSON_NAME}, got one that was not written "
        "with it.",
    )
    return _sets(path, content, arrays)


def load_scores(folder: Path) -> SetOfSets:
    """Read a Set of Sets without its arrays: enough to select members, not to shrink them.

    The members have no masks, statistics, heads or weights. It takes milliseconds however large the
    network is.

    Raises:
      InputError: `sets.json` is missing, damaged or of another version.
    """
    path = Path(folder) / JSON_NAME
    return _sets(path, _content(path), None)


def _content(path: Path) -> dict[str, Any]:
    """Read `sets.json`, of a version that this knows."""
    content = read_json(path)
    require(
        isinstance(content, dict) and content.get("format") == FORMAT,
        f"{path} must be a {FORMAT} file, got another one.",
    )
    require(
        content.get("version") in READABLE,
        f"{path} must be of version {VERSION}, got {content.get('version')!r}: "
        "use the sosjax that wrote it.",
    )
    return content


def _sets(path: Path, content: dict[str, Any], arrays: dict[str, np.ndarray] | None) -> SetOfSets:
    try:
        sizes = [group["size"] for group in content["network"]["groups"]]
        tasks = tuple(
            _scored(task) if arrays is None else _task(number, task, arrays, sizes)
            for number, task in enumerate(content["tasks"])
        )
        environments = tuple(
            Environment.of(found, f"environment {found['name']!r} in {path}")
            for found in content["environments"]
        )
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{path} must be a whole {FORMAT} file, got a damaged one: {error!r}."
        ) from None
    own = ("format", "version", "tasks", "environments", "arrays")
    facts = {key: value for key, value in content.items() if key not in own}
    return SetOfSets(tasks, environments, facts)


def _as_json(sets: SetOfSets) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        **sets.facts,
        "environments": [environment.content() for environment in sets.environments],
        "tasks": [
            {
                "name": task.name,
                "classes": list(task.classes),
                "jack": asdict(task.jack),
                "members": [asdict(member.scores) for member in task.members],
                "uniform": [asdict(scores) for scores in task.uniform],
            }
            for task in sets.tasks
        ],
    }


def _scores(content: dict[str, Any]) -> Scores:
    values: dict[str, Any] = {
        field.name: content.get(field.name, field.default)
        if field.default is not MISSING
        else content[field.name]
        for field in fields(Scores)
    }
    values["kept"] = tuple(values["kept"])
    return Scores(**values)


def _below(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays whose name begins with the prefix, by the rest of it."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _task(number: int, content: dict[str, Any], arrays: Any, sizes: list[int]) -> TaskSet:
    statistics = _below(arrays, f"{number}/statistics/")
    ends = np.cumsum(sizes)[:-1]
    members = tuple(
        Member(
            task=content["name"],
            classes=tuple(content["classes"]),
            scores=_scores(scores),
            masks=tuple(np.split(arrays[f"{number}/mask"][row].astype(bool), ends)),
            statistics={leaf: moments[row] for leaf, moments in statistics.items()},
            kernel=arrays[f"{number}/kernel"][row],
            bias=arrays[f"{number}/bias"][row],
            weights=_below(arrays, f"{number}/weights/{row}/"),
        )
        for row, scores in enumerate(content["members"])
    )
    masks = [tuple(int(mask.sum()) for mask in member.masks) for member in members]
    require(
        len(arrays[f"{number}/mask"]) == len(members)
        and masks == [member.scores.kept for member in members],
        f"{ARRAYS_NAME} must belong to {JSON_NAME}, got other masks for {content['name']!r}.",
    )
    return _task_set(content, members)


def _scored(content: dict[str, Any]) -> TaskSet:
    """Return a set whose members have scores alone."""
    none, name = np.zeros((0, 0), np.float32), content["name"]
    classes = tuple(content["classes"])
    members = (_scores(scores) for scores in content["members"])
    return _task_set(
        content, tuple(Member(name, classes, one, (), {}, none, none.ravel()) for one in members)
    )


def _task_set(content: dict[str, Any], members: tuple[Member, ...]) -> TaskSet:
    return TaskSet(
        name=content["name"],
        classes=tuple(content["classes"]),
        jack=_scores(content["jack"]),
        members=members,
        uniform=tuple(_scores(scores) for scores in content["uniform"]),
    )
