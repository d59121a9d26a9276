"""Where numbers stand on an axis, and which of them are written out."""

import math
from dataclasses import dataclass
from typing import final

from ._number import brief


@final
@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis of a cost, from left to right in percent of the width.

    Attributes:
      low: value at the left end, above 0.
      high: value at the right end, above `low`.
    """

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return the place of a value in percent; values beyond an end stand at the end."""
        value = min(max(value, self.low), self.high)
        return 100 * math.log(value / self.low) / math.log(self.high / self.low)

    def holds(self, value: float) -> bool:
        """Return whether a value lies within the axis."""
        return self.low <= value <= self.high

    def ticks(self, cost: str) -> list[tuple[float, str]]:
        """Return places and labels, such as 1 k, 2 k, 5 k; empty labels between."""
        decades = math.log10(self.high / self.low)
        labelled = {1} if decades > 3 else {1, 3} if decades > 2.2 else {1, 2, 5}
        if decades < 0.9:
            labelled = set(range(1, 10)) if decades < 0.4 else {1, 2, 3, 5, 7}
        lowest, highest = (math.floor(math.log10(end)) for end in (self.low, self.high))
        values = (
            (digit, digit * 10.0**power)
            for power in range(lowest, highest + 1)
            for digit in range(1, 10)
        )
        return [
            (self.at(value), brief(value, cost) if digit in labelled else "")
            for digit, value in values
            if self.holds(value)
        ]


def log_axis(points: list[float]) -> LogAxis:
    """Return an axis that shows all points."""
    points = [max(float(point), 1.0) for point in points] or [1.0]
    low, high = min(points), max(points)
    room = max((high / low) ** 0.04, 1.03)
    if high / low < 1.5:
        room = 1.5
    return LogAxis(low / room, high * room)


@final
@dataclass(frozen=True)
class ErrorAxis:
    """A linear axis of errors, from the bottom up in pixels.

    Attributes:
      low: error at the bottom, in [0, 1).
      high: error at the top, above `low`.
      step: distance of the ticks.
      top: pixels above the axis.
      height: its length in pixels.
    """

    low: float
    high: float
    step: float
    top: int
    height: int

    def at(self, error: float) -> float:
        """Return how far below the upper edge an error stands, in pixels."""
        return self.top + self.height * (self.high - error) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Return places and labels such as `15 %`."""
        digits = 0 if self.step >= 0.01 else 1 if self.step >= 0.001 else 2
        count = round((self.high - self.low) / self.step)
        errors = [self.low + self.step * index for index in range(count + 1)]
        return [(self.at(error), f"{100 * error:.{digits}f} %") for error in errors]


def error_axis(errors: list[float], top: int, height: int) -> ErrorAxis:
    """Return an axis that shows all errors between round ends."""
    low, high = min(errors), max(errors)
    span = max(high - low, 0.002)
    rough = span / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * digit for digit in (1, 2, 5, 10) if size * digit >= rough * 0.999)
    bottom = max(0.0, step * math.floor((low - 0.02 * span) / step))
    upper = step * math.ceil((high + 0.02 * span) / step)
    return ErrorAxis(bottom, max(upper, bottom + step), step, top, height)
