"""Windows of series, and the hours of the Beijing stations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sosjax._errors import InputError
from sosjax.readers import (
    AIR_QUALITY_CHANNELS,
    compass,
    read_air_quality,
    read_stations,
    windows,
)


def sentence(function, *arguments, **named):
    with pytest.raises(InputError) as caught:
        function(*arguments, **named)
    return str(caught.value)


def column(*values):
    return np.array(values, float)[:, None]


NAN = np.nan


@given(
    count=st.integers(2, 40),
    length=st.integers(1, 6),
    horizon=st.integers(1, 4),
    stride=st.integers(1, 5),
    jumps=st.sets(st.integers(1, 39)),
)
def test_windows_are_stretches_without_a_gap_and_targets_come_after(
    count, length, horizon, stride, jumps
):
    times = np.cumsum(np.where(np.isin(np.arange(count), sorted(jumps)), 50, 1))
    if len([jump for jump in jumps if jump < count]) * 2 >= count - 1:
        return  # most steps are jumps: then these are the rule
    data = np.stack([np.arange(count), np.arange(count) + 100], 1)
    whole = [
        start
        for start in range(0, count - length - horizon + 1, stride)
        if not jumps & set(range(start + 1, start + length + horizon))
    ]
    arguments = (data, data[:, :1], length, horizon, stride)
    if not whole:
        assert "without a gap for one window" in sentence(windows, *arguments, times=times)
        return
    cut = windows(*arguments, times=times)
    assert cut.inputs.shape == (len(whole), length, 2) and cut.targets.shape == (len(whole), 1)
    assert (cut.inputs.dtype, cut.targets.dtype) == (np.float32, np.float32)
    assert cut.inputs[:, 0, 0].tolist() == whole
    assert (np.diff(cut.inputs[:, :, 0]) == 1).all()
    np.testing.assert_array_equal(cut.inputs[:, -1, :1] + horizon, cut.targets)
    np.testing.assert_array_equal(cut.rows, cut.targets[:, 0])
    assert len(cut) == len(whole) and cut.filled == 0


def test_missing_values_are_refused_unless_filled():
    values = column(0, NAN, 2, NAN)
    assert sentence(windows, values, column(0, 1, 2, 3), 1) == (
        "`channels` must be finite, got 2 missing or infinite values, the first in row 2; "
        "`fill` interpolates short gaps."
    )
    assert "`targets` must be finite, got 1" in sentence(
        windows, column(0, 1, 2), column(0, 1, NAN), 1
    )


def test_short_runs_are_interpolated_and_long_ones_never_crossed():
    values = column(0, 1, NAN, NAN, 4, 5, 6, NAN, NAN, NAN, 10, 11, 12)
    cut = windows(values, column(*range(13)), length=2, fill=2)
    # The window of rows 1 and 2 would end in a value that row 4 was needed for.
    assert cut.inputs[:, :, 0].tolist() == [[0, 1], [3, 4], [4, 5], [5, 6], [10, 11]]
    assert cut.rows.tolist() == [2, 5, 6, 7, 12]
    assert (cut.filled, cut.dropped) == (2, 6)


def test_no_window_sees_what_comes_after_it():
    """Whatever later rows hold, the inputs of a window stay the same."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 3))
    values[rng.random((60, 3)) < 0.15] = NAN
    targets = rng.normal(size=(60, 1))
    cut = windows(values, targets, length=4, fill=3)
    for cutoff in range(10, 58):
        other = values.copy()
        other[cutoff:] += 100
        early = cut.rows <= cutoff
        again = windows(other, targets, length=4, fill=3)
        np.testing.assert_array_equal(again.inputs[: early.sum()], cut.inputs[early])


def test_targets_are_never_filled():
    values = column(*range(6))
    cut = windows(values, column(0, 1, 2, NAN, 4, 5), length=1, fill=5)
    assert cut.rows.tolist() == [1, 2, 4, 5] and cut.dropped == 1


def test_a_gap_in_time_is_not_filled():
    times = np.array([0, 1, 2, 50, 51, 52])
    cut = windows(column(0, 1, NAN, 3, 4, 5), column(*range(6)), 2, fill=5, times=times)
    assert cut.inputs[:, :, 0].tolist() == [[0, 1], [3, 4]]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"length": 0}, "`length` must be a whole number at least 1, got 0."),
        ({"horizon": 0}, "`horizon` must be a whole number at least 1, got 0."),
        ({"stride": 0}, "`stride` must be a whole number at least 1, got 0."),
        ({"fill": -1}, "`fill` must be a whole number at least 0, got -1."),
        ({"length": 6}, "the series must hold 7 rows without a gap for one window, got 6 rows "
         "and no such stretch."),
        ({"channels": np.zeros(6)}, "`channels` must be numbers of shape [N, channels], "
         "got float64 of shape (6,)."),
        ({"channels": column(0, 1, np.inf, 3, 4, 5), "fill": 1}, "`channels` must be finite or "
         "missing, got 1 infinite values, the first in row 3."),
        ({"targets": column(0, 1)}, "`targets` must have a row for each of `channels`, got 2 "
         "for 6."),
        ({"times": np.arange(5)}, "`times` must have shape (6,), got (5,)."),
        ({"times": np.array([0, 1, 1, 2, 3, 4])}, "`times` must rise from row to row, got [1] "
         "after [1]."),
    ],
)  # fmt: skip
def test_what_windows_refuses(named, said):
    good = {"channels": column(*range(6)), "targets": column(*range(6)), "length": 2}
    assert sentence(windows, **(good | named)) == said


def test_a_series_shorter_than_a_window():
    assert "got 1 rows and no such stretch." in sentence(windows, column(1), column(1), 3)


# The Beijing stations

HEADER = "No,year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM,station"


def station(path, name="Tiantan", hours=(0, 1, 2, 23), wind=("N", "E", "NA", "SSW")):
    rows = [
        f'{i},2013,3,1,{hour},{i},"NA",3,4,300,6,-0.7,1023,-18.8,0,"{wd}",4.4,"{name}"'
        for i, (hour, wd) in enumerate(zip(hours, wind, strict=True))
    ]
    file = path / f"PRSA_Data_{name}_20130301-20170228.csv"
    file.write_text("\n".join([HEADER, *rows]) + "\n")
    return file


def test_a_station_is_read_with_its_hours_and_wind(tmp_path):
    read = read_air_quality(station(tmp_path))
    assert read.name == "Tiantan" and read.channels == AIR_QUALITY_CHANNELS
    assert read.values.shape == (4, 13)
    assert read.column("PM2.5").tolist() == [0, 1, 2, 3]
    assert np.isnan(read.column("PM10")).all() and read.column("PRES")[0] == 1023
    np.testing.assert_allclose(
        read.column("wd_sin")[[0, 1, 3]], [0, 1, -np.sin(np.pi / 8)], atol=1e-9
    )
    assert np.isnan(read.column("wd_cos")).tolist() == [False, False, True, False]
    assert np.diff(read.times).astype(int).tolist() == [1, 1, 21]
    assert str(read.times[0]) == "2013-03-01T00"
    assert "`channel` must be one of PM2.5, PM10" in sentence(read.column, "PM")


def test_a_station_is_cut_into_windows(tmp_path):
    read = read_air_quality(station(tmp_path))
    channels = np.stack([read.column("PM2.5"), read.column("wd_sin")], 1)
    cut = windows(channels, read.column("PM2.5")[:, None], 2, fill=1, times=read.times)
    assert cut.targets.tolist() == [[2]]


def test_stations_of_a_folder(tmp_path):
    for name in ("Wanliu", "Dingling"):
        station(tmp_path, name)
    assert list(read_stations(tmp_path)) == ["Dingling", "Wanliu"]
    assert list(read_stations(tmp_path, ["Wanliu"])) == ["Wanliu"]
    assert sentence(read_stations, tmp_path, ["Wanlu"]) == (
        "`stations` must be among Dingling, Wanliu, got 'Wanlu' (did you mean 'Wanliu'?)."
    )
    assert "must hold files PRSA_Data_<Station>_*.csv, got none." in sentence(
        read_stations, tmp_path / "none"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("WSPM", "wind", "it lacks WSPM (did you mean"),
        ("3,1,23,3", "3,1,25,3", "must hold year, month, day and hour, got "),
        ("SSW", "XYZ", "a wind direction must be one of N, NNE"),
        ('"Tiantan"\n1', '"Wanliu"\n1', "must hold one station, got Tiantan, Wanliu."),
        ("3,1,1,", "3,1,0,", "must hold its hours in order, got row 2 not after the row before."),
        ("3,1,0,0", "3,1,0,x", "`PM2.5` must hold numbers, got 'x' in row 1."),
        ("1,2013", "1,NA", "`year` must hold a finite number in each row, got 1 missing"),
    ],
)
def test_a_damaged_station(tmp_path, old, new, said):
    file = station(tmp_path)
    content = file.read_text().replace(old, new, 1)
    file.write_text(content)
    assert said in sentence(read_air_quality, file)


def test_the_compass_has_sixteen_points_around():
    quarter = ["N NNE NE ENE", "E ESE SE SSE", "S SSW SW WSW", "W WNW NW NNW"]
    points = [point for four in quarter for point in four.split()]
    angles = np.arctan2(*compass(points).T) % (2 * np.pi)
    np.testing.assert_allclose(angles, np.arange(16) * np.pi / 8, atol=1e-9)
    assert sentence(compass, ["N", "NNN"]).endswith("NW, NNW, got 'NNN' in row 2.")
