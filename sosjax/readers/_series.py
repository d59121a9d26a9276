"""Windows of a multivariate time series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from .._errors import listing, require, require_number

_POINTS = (
    *("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE"),
    *("S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"),
)


@final
@dataclass(frozen=True)
class Series:
    """Measurements in the order of time.

    Attributes:
      name: where or what was measured.
      times: when, datetime64 [N], rising.
      channels: a name for each column of the values.
      values: float64 [N, channels]; NaN where nothing was measured.
    """

    name: str
    times: np.ndarray
    channels: tuple[str, ...]
    values: np.ndarray

    def column(self, channel: str) -> np.ndarray:
        """Return the values of one channel, [N].

        Raises:
          InputError: there is no such channel.
        """
        require(
            channel in self.channels,
            f"`channel` must be one of {listing(self.channels, 20)}, got {channel!r}.",
        )
        return self.values[:, self.channels.index(channel)]


@final
@dataclass(frozen=True)
class Windows:
    """What a regressor sees and what it should say.

    Attributes:
      inputs: float32 [B, S, channels].
      targets: float32 [B, O].
      rows: int64 [B]: the row of the series that each target is from.
      filled: how many missing values of the channels were interpolated.
      dropped: how many windows were left out since they cross a gap, end in a value that was not
        measured, or have no measured target.
    """

    inputs: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    filled: int
    dropped: int

    def __len__(self) -> int:
        return len(self.rows)


def windows(
    channels: np.ndarray,
    targets: np.ndarray,
    length: int,
    horizon: int = 1,
    stride: int = 1,
    fill: int = 0,
    times: np.ndarray | None = None,
) -> Windows:
    """Cut a series into windows, each with the target `horizon` steps after its last row.

    A window never crosses a gap in time or in values. With `fill`, missing values of a channel are
    interpolated over that many steps at most, and only between measured ones. Targets are never
    filled, and the last row of a window is always a measured one: interpolating there would look
    at later rows, the target among them.

    Args:
      channels: numbers [N, channels] in the order of time.
      targets: numbers [N, O] of the same rows.
      length: rows of a window, `S`.
      horizon: steps from a window's last row to its target, at least 1.
      stride: steps from a window to the next.
      fill: the longest run of missing values to interpolate; 0 refuses any that is missing.
      times: datetime64 [N] or numbers [N], rising; where two rows are further apart than most are,
        there is a gap. `None` if the rows follow each other evenly.

    Returns:
      The windows in the order of time. Two of them have no row in common, targets included, if
      their `rows` are `length + horizon` or more apart.

    Raises:
      InputError: arrays differ in rows, a value is missing where `fill` is 0, any is infinite,
        times do not rise, or no window is left.

    >>> steps = np.arange(6.0)[:, None]
    >>> cut = windows(steps, 10 * steps, length=3, horizon=2)
    >>> cut.inputs[:, :, 0].tolist(), cut.targets[:, 0].tolist()
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]], [40.0, 50.0])
    """
    for name, value in (("length", length), ("horizon", horizon), ("stride", stride)):
        require_number(name, value, 1, whole=True)
    require_number("fill", fill, 0, whole=True)
    _check(channels, targets, fill)
    segments = _segments(times, len(channels))
    values, was_missing = _interpolated(channels, segments, fill)
    span = length + horizon
    starts = np.arange(0, len(values) - span + 1, stride)
    lasts, rows = starts + length - 1, starts + span - 1
    gaps = np.concatenate([[0], np.cumsum(np.isnan(values).any(1))])
    good = (segments[starts] == segments[rows]) & (gaps[starts + length] == gaps[starts])
    good &= ~was_missing[lasts].any(1) & ~np.isnan(targets[rows]).any(1)
    require(
        good.any(),
        f"the series must hold {span} rows without a gap for one window, got {len(values)} rows "
        "and no such stretch.",
    )
    starts, rows = starts[good], rows[good]
    inputs = values.astype(np.float32)[starts[:, None] + np.arange(length)]
    filled = int((was_missing & ~np.isnan(values)).sum())
    return Windows(
        inputs, targets[rows].astype(np.float32), rows, filled, int(len(good) - good.sum())
    )


def _check(channels: np.ndarray, targets: np.ndarray, fill: int) -> None:
    for name, array in (("channels", channels), ("targets", targets)):
        require(
            array.ndim == 2 and array.dtype.kind in "iuf",
            f"`{name}` must be numbers of shape [N, {'channels' if name == 'channels' else 'O'}], "
            f"got {array.dtype} of shape {array.shape}.",
        )
        bad = np.isinf(array) if fill else ~np.isfinite(array)
        row = int(np.argmax(bad.any(1))) + 1 if bad.any() else 0
        require(
            not bad.any(),
            f"`{name}` must be {'finite or missing' if fill else 'finite'}, got {int(bad.sum())} "
            f"{'infinite' if fill else 'missing or infinite'} values, the first in row {row}"
            f"{'' if fill else '; `fill` interpolates short gaps'}.",
        )
    require(
        len(channels) == len(targets),
        f"`targets` must have a row for each of `channels`, got {len(targets)} "
        f"for {len(channels)}.",
    )


def _segments(times: np.ndarray | None, count: int) -> np.ndarray:
    """Return int [N]: which stretch without a gap in time each row belongs to."""
    if times is None or count < 2:
        return np.zeros(count, int)
    require(times.shape == (count,), f"`times` must have shape ({count},), got {times.shape}.")
    steps = np.diff(times)
    wrong = ~(steps > steps.dtype.type(0))
    require(
        not wrong.any(),
        f"`times` must rise from row to row, got {times[1:][wrong][:1]} after "
        f"{times[:-1][wrong][:1]}.",
    )
    return np.concatenate([[0], np.cumsum(steps > np.median(steps))])


def _interpolated(
    channels: np.ndarray, segments: np.ndarray, fill: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the values with short runs of NaN filled, and where they were NaN."""
    values = channels.astype(np.float64)
    missing = np.isnan(values)
    for column in range(values.shape[1]):
        measured = np.flatnonzero(~missing[:, column])
        steps = np.diff(measured)
        for place in np.flatnonzero((steps > 1) & (steps <= fill + 1)):
            ends = measured[place : place + 2]
            if segments[ends[0]] == segments[ends[1]]:
                inside = np.arange(ends[0] + 1, ends[1])
                values[inside, column] = np.interp(inside, ends, channels[ends, column])
    return values, missing


def compass(names: Sequence[str]) -> np.ndarray:
    """Return the sine and cosine of compass points, float64 [B, 2]; of 16 points, N is (0, 1).

    An empty name, or NA, is missing and becomes NaN.

    Raises:
      InputError: a name is none of the 16 points.

    >>> compass(["E", "NA"]).round(3)
    array([[ 1.,  0.],
           [nan, nan]])
    """
    angles = {name: index * np.pi / 8 for index, name in enumerate(_POINTS)}
    angles |= dict.fromkeys(("", "NA", "NaN"), np.nan)
    for row, name in enumerate(names, 1):
        require(
            name in angles,
            f"a wind direction must be one of {listing(_POINTS, 16)}, got {name!r} in row {row}.",
        )
    turned = np.array([angles[name] for name in names])
    return np.stack([np.sin(turned), np.cos(turned)], 1)
