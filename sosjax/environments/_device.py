"""A device as it was measured: how long a network's sub-networks take on it, and their memory."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, final

import numpy as np

from .._errors import InputError, require, require_name
from .._files import write_whole
from ..graph._cost import CostTable
from ._timetable import Timetable, Timing

FORMAT = "sosjax-device"
VERSION = 2
FITTED = ("scale", "step", "constant", "cache", "stream", "error", "worst", "spread")


@final
@dataclass(frozen=True, eq=False)
class Memory:
    """What a sub-network needs in memory: its weights, and what the compiler needs besides.

    Attributes:
      costs: the network's, `bytes` and `memory` among them.
      scale: bytes that the compiler asks for each byte of activations alive at once.
      constant: bytes that it always asks for.
      error: the median error of the bytes besides the weights, relative, of sub-networks that had
        no part in the two.
    """

    costs: CostTable
    scale: float = 1.0
    constant: float = 0.0
    error: float = float("nan")

    def bytes(self, counts: Any, batch: int, xp: Any = np) -> Any:
        """Return the bytes at the peak, [...], of counts [..., counts]."""
        costs = _counted(self.costs, counts, xp)
        return costs["bytes"] + self.scale * batch * costs["memory"] + self.constant


@final
@dataclass(frozen=True, eq=False, repr=False)
class Device:
    """What `measure_device` found of one network on one machine.

    Attributes:
      name: of the device.
      machine: what it is, for people.
      network: the network's name.
      groups: name and size of each of its groups.
      blocks: how many blocks it has.
      outputs: of its head; 0 without one.
      timetables: for each batch size one.
      memory: what its sub-networks need.
    """

    name: str
    machine: Mapping[str, str]
    network: str
    groups: tuple[tuple[str, int], ...]
    blocks: int
    outputs: int
    timetables: tuple[Timetable, ...]
    memory: Memory

    def __repr__(self) -> str:
        """Return what was measured, and how far off it is."""
        tables = [f"batch {one.batch} off by {one.error:.0%}" for one in self.timetables]
        return f"Device({self.name}, {self.network}: {', '.join(tables)} in the median)"

    def timetable(self, batch: int) -> Timetable:
        """Return the timetable for a batch size.

        Raises:
          InputError: there is none.
        """
        known = [one.batch for one in self.timetables]
        require(
            batch in known,
            f"`batch` must be one that {self.name} was measured with, "
            f"{', '.join(map(str, known))}, got {batch}.",
        )
        return self.timetables[known.index(batch)]

    def latency_ms(self, kept: Any, outputs: Any, batch: int = 1, xp: Any = np) -> Any:
        """Return the predicted milliseconds for a batch, [...].

        Args:
          kept: units kept in each group, [..., groups], and whether each block is there, if wanted.
          outputs: of the head, as many as the task has classes.
          batch: examples side by side.
          xp: `numpy`, or `jax.numpy` inside `jit`.
        """
        return 1e3 * self.seconds(self._counts(kept, outputs, xp), batch, xp)

    def seconds(self, counts: Any, batch: int, xp: Any = np) -> Any:
        """Return the predicted seconds for a batch, [...], of counts [..., counts]."""
        weights = _counted(self.memory.costs, counts, xp)["bytes"]
        return self.timetable(batch).seconds(counts, weights, xp)

    def peak_memory(self, kept: Any, outputs: Any, batch: int = 1, xp: Any = np) -> Any:
        """Return the predicted bytes of weights and activations at the peak, [...]."""
        return self.memory.bytes(self._counts(kept, outputs, xp), batch, xp)

    def require_network(
        self, argument: str, groups: Sequence[tuple[str, int]], blocks: int
    ) -> None:
        """Refuse a device that was measured with another network.

        Raises:
          InputError: groups or blocks are others.
        """
        own = [tuple(group) for group in groups]
        require(
            list(self.groups) == own and self.blocks == blocks,
            f"`{argument}` must be measured with this network, of {len(own)} groups and {blocks} "
            f"blocks, got one measured with {self.network}, of {len(self.groups)} groups and "
            f"{self.blocks} blocks.",
        )

    def _counts(self, kept: Any, outputs: Any, xp: Any) -> Any:
        kept = xp.asarray(kept)
        first = len(self.groups)
        require(
            first <= kept.shape[-1] <= first + self.blocks,
            f"`device` {self.name} must be measured with the same network, got sub-networks of "
            f"{kept.shape[-1]} counts where {self.network} has {first} groups and {self.blocks} "
            "blocks.",
        )
        one = xp.ones((*kept.shape[:-1], 1), kept.dtype)
        blocks = [one] * (len(self.groups) + self.blocks - kept.shape[-1])
        return xp.concatenate([kept, *blocks, *([one * outputs] if self.outputs else [])], -1)

    def content(self) -> dict[str, Any]:
        """Return the device as what TOML and JSON can hold; `of` reads it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "network": self.network,
            "blocks": self.blocks,
            "outputs": self.outputs,
            "groups": [f"{size} {name}" for name, size in self.groups],
            "machine": dict(self.machine),
            "timetables": [_table(one) for one in self.timetables],
            "memory": {
                "scale": self.memory.scale,
                "constant": self.memory.constant,
                "error": self.memory.error,
                "costs": _costs(self.memory.costs),
            },
        }

    @staticmethod
    def of(content: Any, source: str) -> "Device":
        """Return the device that `content` describes.

        Args:
          content: what `Device.content` returned.
          source: where it is from, for messages.

        Raises:
          InputError: it is of another format or version, or damaged.
        """
        require(
            isinstance(content, dict) and content.get("format") == FORMAT,
            f"{source} must be what `sosjax measure-device` wrote, got another file.",
        )
        require(
            content.get("version") == VERSION,
            f"{source} must be of version {VERSION}, got {content.get('version')!r}: measure the "
            "device with this sosjax.",
        )
        try:
            return _device(content)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{source} must be whole, got a damaged file: {error!r}.") from None


def save_device(device: Device, path: str | Path) -> None:
    """Write a device to a TOML file, whole or not at all."""
    import tomli_w

    write_whole(Path(path), tomli_w.dumps(device.content()))


def load_device(path: str | Path) -> Device:
    """Read a device from what `save_device` wrote.

    Raises:
      InputError: there is no such file, or it is another one, damaged or of another version.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"`device` {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"`device` {path} must be a TOML file, got: {error}.") from None
    return Device.of(content, f"`device` {path}")


def _counted(costs: CostTable, counts: Any, xp: Any) -> dict[str, Any]:
    return costs.exact(counts) if xp is np else costs.approximate(counts)


def _table(table: Timetable) -> dict[str, Any]:
    """Return a timetable with a line of text for each timing's seconds, piece and need."""
    return {
        "batch": table.batch,
        **{name: getattr(table, name) for name in FITTED},
        "pieces": [" ".join(map(str, (number, *own))) for number, own in table.pieces],
        "needs": [_sets(need) for need in table.needs],
        "timings": [
            {
                "levels": [" ".join(map(str, level)) for level in one.levels],
                "microseconds": " ".join(f"{1e6 * each:.4g}" for each in one.seconds.ravel()),
            }
            for one in table.timings
        ],
    }


def _costs(costs: CostTable) -> dict[str, Any]:
    return {
        "names": list(costs.names),
        "axes": [" ".join(map(str, row)) for row in costs.axes.tolist()],
        "weights": [" ".join(map(str, row)) for row in costs.weights.tolist()],
        "points": [" ".join(map(str, row)) for row in costs.points.tolist()],
        "shared": [_sets(one) for one in costs.shared],
    }


def _sets(sets: frozenset[frozenset[int]]) -> str:
    """Return sets of counts as text, `3 4 | 5`: all of one of them."""
    return " | ".join(sorted(" ".join(map(str, sorted(one))) for one in sets))


def _device(content: dict[str, Any]) -> Device:
    require_name("name", content["name"])
    groups = [line.split(" ", 1) for line in content["groups"]]
    memory = content["memory"]
    return Device(
        name=content["name"],
        machine={str(key): str(value) for key, value in content["machine"].items()},
        network=str(content["network"]),
        groups=tuple((name, int(size)) for size, name in groups),
        blocks=int(content["blocks"]),
        outputs=int(content["outputs"]),
        timetables=tuple(_read_table(one) for one in content["timetables"]),
        memory=Memory(_read_costs(memory["costs"]), *_numbers(memory, fields(Memory)[1:])),
    )


def _read_table(content: dict[str, Any]) -> Timetable:
    timings = []
    for one in content["timings"]:
        levels = tuple(tuple(_whole(line)) for line in one["levels"])
        found = np.array([float(word) for word in one["microseconds"].split()]) / 1e6
        timings.append(Timing(levels, found.reshape([len(level) for level in levels])))
    pieces = tuple((row[0], tuple(row[1:])) for row in map(_whole, content["pieces"]))
    if not all(len(timings[number].levels) == len(own) for number, own in pieces):
        raise ValueError("pieces of other counts than their timings")
    own = {name: float(content[name]) for name in FITTED}
    if not all(math.isfinite(own[name]) for name in FITTED[:5]):
        raise ValueError("numbers that are not finite")
    needs = tuple(map(_read_sets, content["needs"]))
    return Timetable(int(content["batch"]), tuple(timings), pieces, needs, **own)


def _read_costs(content: dict[str, Any]) -> CostTable:
    return CostTable(
        names=tuple(content["names"]),
        axes=np.array([_whole(line) for line in content["axes"]], np.int32),
        weights=np.array([_whole(line) for line in content["weights"]], np.int64),
        points=np.array([_whole(line) for line in content["points"]], np.int64),
        shared=tuple(map(_read_sets, content["shared"])),
    )


def _numbers(content: dict[str, Any], wanted: Sequence[Any]) -> list[float]:
    return [float(content[field.name]) for field in wanted]


def _whole(line: str) -> list[int]:
    return [int(word) for word in line.split()]


def _read_sets(line: str) -> frozenset[frozenset[int]]:
    return frozenset(frozenset(_whole(part)) for part in line.split("|"))
