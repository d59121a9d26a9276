"""Beijing Multi-Site Air Quality (Chen, 2017, https://doi.org/10.24432/C5RK5G)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._errors import InputError, listing, nearest, require
from ._column import numbers, texts
from ._series import Series, compass
from ._table import read_table

_POLLUTANTS = ("PM2.5", "PM10", "SO2", "NO2", "CO", "O3")
_WEATHER = ("TEMP", "PRES", "DEWP", "RAIN", "WSPM")
AIR_QUALITY_CHANNELS = (*_POLLUTANTS, *_WEATHER, "wd_sin", "wd_cos")
"""Pollutants in µg/m³, temperature and dew point in °C, pressure in hPa, rain in mm, wind speed in
m/s, and the sine and cosine of the wind's direction."""


def read_air_quality(path: str | Path) -> Series:
    """Read the hours of one station: `PRSA_Data_<Station>_20130301-20170228.csv`.

    Returns:
      A series named after the station, with `AIR_QUALITY_CHANNELS`; NaN where the file says NA.

    Raises:
      InputError: the file is missing or damaged, lacks a column, holds an hour twice or more than
        one station.
    """
    clock = ("year", "month", "day", "hour")
    table = read_table(path, [*clock, *_POLLUTANTS, *_WEATHER, "wd", "station"])
    stations = sorted(set(texts(table, "station")))
    require(len(stations) == 1, f"{path} must hold one station, got {listing(stations)}.")
    values = [numbers(table, name, missing=True) for name in (*_POLLUTANTS, *_WEATHER)]
    wind = compass(texts(table, "wd", empty=True))
    times = _hours(path, *(numbers(table, name) for name in clock))
    return Series(stations[0], times, AIR_QUALITY_CHANNELS, np.column_stack([*values, wind]))


def read_stations(folder: str | Path, stations: Sequence[str] | None = None) -> dict[str, Series]:
    """Read stations from the folder of their files.

    Args:
      folder: holds `PRSA_Data_<Station>_*.csv`.
      stations: their names; `None` for all that are there.

    Returns:
      The series by station, in the order asked for, else by name.

    Raises:
      InputError: as `read_air_quality`, or a station has no file.
    """
    folder = Path(folder)
    files = {path.name.split("_")[2]: path for path in sorted(folder.glob("PRSA_Data_*_*.csv*"))}
    require(files, f"{folder} must hold files PRSA_Data_<Station>_*.csv, got none.")
    for name in stations or ():
        require(
            name in files,
            f"`stations` must be among {listing(files)}, got {name!r}{nearest(name, files)}.",
        )
    return {name: read_air_quality(files[name]) for name in stations or files}


def _hours(
    path: str | Path, year: np.ndarray, month: np.ndarray, day: np.ndarray, hour: np.ndarray
) -> np.ndarray:
    """Return datetime64 [N], in hours."""
    clock = zip(*(column.tolist() for column in (year, month, day, hour)), strict=True)
    hours = [f"{int(y):04}-{int(m):02}-{int(d):02}T{int(h):02}" for y, m, d, h in clock]
    try:
        times = np.array(hours, "datetime64[h]")
    except ValueError as error:
        raise InputError(f"{path} must hold year, month, day and hour, got {error}.") from None
    late = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "h"))
    require(
        not len(late),
        f"{path} must hold its hours in order, got row {int(late[0]) + 2 if len(late) else 0} "
        "not after the row before.",
    )
    return times
