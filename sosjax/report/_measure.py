"""What the axes of the plots and the limits may be: costs, of which some only a device has."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..environments._environment import COUNTED, Environment
from ._number import LABELS, UNITS
from ._result import Result

ERRORS = {
    "test_error": "test error",
    "validation_error": "validation error",
    "expected_error": "expected validation error",
    "search_error": "search error",
    "test_error_before": "test error before recovery",
    "validation_error_before": "validation error before recovery",
}
"""The errors of members, and how they are called in front of people."""


@dataclass(frozen=True)
class Measure:
    """A cost of members.

    Attributes:
      key: its name; on a device also the device's and the batch, as it is unique.
      cost: the name of the cost in an environment.
      label: for people.
      unit: behind a number with a decimal prefix, `B` say.
      environment: that has the device; `None` for what is counted.
    """

    key: str
    cost: str
    label: str
    unit: str
    environment: Environment | None = None

    def of(self, counted: Mapping[str, float], kept: Sequence[int], outputs: int) -> float:
        """Return the cost of what keeps so many units and has so many outputs."""
        own = self.environment
        return (counted if own is None else own.costs(counted, kept, outputs))[self.cost]


_MEASURED = {
    "latency_ms": ("latency", "ms"),
    "peak_memory": ("peak memory", "B"),
    "energy_mj": ("energy", "mJ"),
    "price": ("price of a million examples", ""),
}


def measures(result: Result) -> list[Measure]:
    """Return the costs: those that are counted, and those of each measured place, once each."""
    found = [Measure(cost, cost, LABELS[cost], UNITS[cost]) for cost in COUNTED]
    known: list[Environment] = []
    for one in result.environments:
        if one.device is not None and not any(_same_place(one, other) for other in known):
            known.append(one)
            found += _of_place(one, {measure.key for measure in found})
    return found


def measure_of(environment: Environment, cost: str, known: list[Measure]) -> Measure:
    """Return the measure that an environment limits."""
    return next(
        one
        for one in known
        if one.cost == cost
        and (one.environment is None or _same_place(one.environment, environment))
    )


def _same_place(one: Environment, other: Environment) -> bool:
    """Return whether a member costs the same in two environments."""
    if one.device is None or other.device is None:
        return False
    names = ("batch", "watts", "price_per_hour")
    same = all(getattr(one, name) == getattr(other, name) for name in names)
    # As text, in which a number that is none equals itself.
    return same and str(one.device.content()) == str(other.device.content())


def _of_place(one: Environment, taken: set[str]) -> Iterator[Measure]:
    assert one.device is not None
    name = str(one.device.content().get("name", one.name))
    place = f"{name}, batch {one.batch}"
    if any(key.endswith(f" on {place}") for key in taken):
        place = f"{place}, {one.name}"
    priced = {"energy_mj": one.watts, "price": one.price_per_hour}
    for cost, (label, unit) in _MEASURED.items():
        if priced.get(cost, 1) is not None:
            yield Measure(f"{cost} on {place}", cost, f"{label} on {place}", unit, one)
