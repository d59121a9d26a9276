"""What a command says of the member that it wants: a task, limits and a preference."""

import argparse
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._errors import InputError, require, require_number, require_unique
from ..environments._environment import COUNTED, MEASURED, Environment
from ._keys import require_keys

COSTS = (*COUNTED, *MEASURED[:2])
"""The costs that have an option of their own for a limit."""

if TYPE_CHECKING:
    from ..sets._preference import AbstractPreference
    from ..sets._set_of_sets import SetOfSets

OWN = "as asked"
"""How an environment of limits on the command line is called."""


def number(text: str) -> float:
    """Return the number that a text is; whole ones as such, also where it is `1e6`."""
    value = float(text)
    return int(value) if value.is_integer() else value


def add_limits(parser: argparse.ArgumentParser, of: str) -> None:
    """Add `--env` and a limit for each cost; they are limits on `of`."""
    text = f"an environment of the run, or a TOML file with a name and limits: limits on {of}"
    parser.add_argument("--env", metavar="E", help=text)
    helps = {"latency_ms": "at most N milliseconds", "peak_memory": "at most N bytes of memory"}
    for cost in COSTS:
        parser.add_argument(
            _option(cost),
            type=number,
            action="append",
            metavar="N",
            help=helps.get(cost, f"at most N {cost}"),
        )
    parser.add_argument(
        "--device", metavar="FILE", help="what `sosjax measure-device` wrote, for these two"
    )
    parser.add_argument(
        "--batch", type=int, metavar="B", help="examples side by side there (default: 1)"
    )


def _option(cost: str) -> str:
    return f"--{cost.replace('_', '-')}"


def add_choice(parser: argparse.ArgumentParser) -> None:
    """Add the options that name one member."""
    parser.add_argument("--task", required=True, metavar="T", help="the name of a task")
    add_limits(parser, "the member")
    one_of = parser.add_mutually_exclusive_group()
    one_of.add_argument(
        "--knee", metavar="COST", help="the knee of error and a cost (default: the lowest error)"
    )
    one_of.add_argument(
        "--weights",
        action="append",
        metavar="NAME=W,...",
        help="a compromise of error and costs: error=2,flops=1",
    )
    one_of.add_argument("--at", metavar="COST=N", help="the largest at or below: parameters=20000")


def add_team(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which members a team has, and what they may cost in all."""
    add_limits(parser, "the sum over all members")
    parser.add_argument(
        "--tasks", action="append", metavar="A,B,...", help="the tasks (default: all)"
    )
    parser.add_argument(
        "--weights", action="append", metavar="TASK=W,...", help="of their errors (default: 1 each)"
    )


def environment_of(sets: "SetOfSets", arguments: argparse.Namespace) -> Environment | None:
    """Return the limits that a command gives; `None` if none.

    Raises:
      InputError: they are given twice or cannot be used, or there is no such environment.
    """
    given = {cost: getattr(arguments, cost) for cost in COSTS if getattr(arguments, cost)}
    name = arguments.env
    for cost, values in given.items():
        require(
            len(values) == 1,
            f"`{_option(cost)}` must be given once, got {' and '.join(map(str, values))}.",
        )
        require_number(_option(cost), values[0], 1 if cost != "latency_ms" else 1e-9)
    own = [_option(one) for one in ("device", "batch") if getattr(arguments, one) is not None]
    if name is None:
        limits = {cost: values[0] for cost, values in given.items()}
        require(limits or not own, f"`{''.join(own[:1])}` must come with a limit, got none.")
        return _measured(limits, arguments) if limits else None
    require(
        not (given or own),
        f"`--env` must be left out where there are limits of your own, got {name!r} and "
        f"{', '.join(f'`{one}`' for one in [*map(_option, given), *own])}.",
    )
    if name.endswith(".toml") and name not in [one.name for one in sets.environments]:
        return _environment_in(Path(name))
    return sets.environment(name)


def _measured(limits: dict[str, Any], arguments: argparse.Namespace) -> Environment:
    """Return an environment of limits, on the device that a command names, if any."""
    for cost in limits:
        require(
            cost in COUNTED or arguments.device is not None,
            f"`{_option(cost)}` must come with a `--device`, got none.",
        )
    own = {"batch": arguments.batch, "device": arguments.device}
    given = {name: value for name, value in own.items() if value is not None}
    from ._config import environment

    return environment({"name": OWN} | limits | given, Path.cwd())


def preference_of(arguments: argparse.Namespace) -> "AbstractPreference":
    """Return the preference that a command names.

    Raises:
      InputError: it cannot be understood.
    """
    from ..sets import At, Best, Knee, Weighted

    if arguments.knee is not None:
        return Knee(arguments.knee)
    if arguments.weights is not None:
        return Weighted(weights_of(arguments.weights))
    if arguments.at is not None:
        pairs = _pairs("--at", [arguments.at])
        require(len(pairs) == 1, f"`--at` must be one COST=NUMBER, got {arguments.at!r}.")
        return At(*pairs[0])
    return Best()


def weights_of(texts: Sequence[str], known: Collection[str] = ()) -> dict[str, float]:
    """Return the weights in texts such as `a=2,b=1`.

    Args:
      texts: of one option that may be given more than once.
      known: names in which a comma separates nothing.

    Raises:
      InputError: a text has no number, or a name comes twice.
    """
    pairs = _pairs("--weights", texts, known)
    require_unique("--weights", [name for name, _ in pairs])
    return dict(pairs)


def names_of(texts: Sequence[str], known: Collection[str]) -> list[str]:
    """Return the names in texts such as `a,b`; in known ones a comma separates nothing."""
    return [name for text in texts for name in _parts(text, text in known)]


def _pairs(
    argument: str, texts: Sequence[str], known: Collection[str] = ()
) -> list[tuple[str, float]]:
    parts = [part for text in texts for part in _parts(text, text.rpartition("=")[0] in known)]
    return [_pair(argument, part) for part in parts]


def _pair(argument: str, text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        require(name, "")
        return name, number(value)
    except ValueError:
        raise InputError(f"`{argument}` must be NAME=NUMBER, got {text!r}.") from None


def _parts(text: str, whole: bool) -> list[str]:
    return [text] if whole else [part.strip() for part in text.split(",")]


def _environment_in(path: Path) -> Environment:
    """Read an environment from a file: the keys of one of [[environments]], the name optional."""
    try:
        table: dict[str, Any] = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"`--env` must be an environment or a TOML file, got no such file: {path}."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} must be TOML, got a mistake: {error}.") from None
    require_keys("environments", table, f" in {path}")
    from ._config import environment

    return environment({"name": path.stem, **table}, path.absolute().parent)
