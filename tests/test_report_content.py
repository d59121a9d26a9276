"""What the page holds, the commands it tells, what tasks share, certificates and figures."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from reported import NASTY, embedded, made_folder, member, sets, write

from sosjax._errors import InputError
from sosjax.cli import main
from sosjax.cli._parser import parser
from sosjax.cli._selection import chosen_number
from sosjax.environments._environment import Environment
from sosjax.models._weights import save_arrays
from sosjax.report import figures, read_folder, report, summary
from sosjax.report._content import content
from sosjax.sets._store import load_scores


@pytest.fixture
def folder(tmp_path):
    return made_folder(tmp_path / "first")


class Phone:
    """A device that needs a millisecond for every unit."""

    def timetable(self, batch):
        return None

    def seconds(self, counts, batch, xp):
        return 1e-3 * counts.sum()

    def latency_ms(self, kept, outputs, batch, xp=None):
        return float(kept.sum() + outputs)

    def peak_memory(self, kept, outputs, batch, xp=None):
        return 100.0 * batch

    def require_network(self, argument, groups, blocks):
        return None

    def content(self):
        return {"name": "a phone"}


def on_a_phone(result):
    own = {"device": Phone(), "batch": 2}
    places = [
        Environment("fast", latency_ms=10.0, **own),
        Environment("slow", latency_ms=20, parameters=3000, **own),
        Environment("other", peak_memory=500, device=Phone(), watts=3.0),
    ]
    return type(result)(**{**vars(result), "environments": tuple(places)})


def test_measured_costs_of_a_place_come_once(folder):
    shown = content(on_a_phone(read_folder(folder)))
    assert [one["key"] for one in shown["costs"]][3:] == [
        "latency_ms on a phone, batch 2",
        "peak_memory on a phone, batch 2",
        "latency_ms on a phone, batch 1",
        "peak_memory on a phone, batch 1",
        "energy_mj on a phone, batch 1",
    ]
    assert [one["unit"] for one in shown["costs"]][3:5] == ["ms", "B"]
    assert [one["limits"] for one in shown["environments"]] == [
        {"latency_ms on a phone, batch 2": 10.0},
        {"parameters": 3000, "latency_ms on a phone, batch 2": 20},
        {"peak_memory on a phone, batch 1": 500},
    ]
    task = shown["tasks"][0]
    assert [one["latency_ms on a phone, batch 2"] for one in task["members"]] == [7, 11, 19]
    assert task["jack"]["latency_ms on a phone, batch 2"] == 26
    assert task["members"][0]["energy_mj on a phone, batch 1"] == 21
    assert task["chosen"] == {"fast": 0, "slow": 1, "other": 2}


def exporting(command):
    """Return what the export command would choose, from the arguments alone."""
    words = shlex.split(command)
    assert words[:2] == ["sosjax", "export"]
    arguments = parser("0").parse_args(words[1:])
    return arguments.task, chosen_number(load_scores(Path(arguments.run)), arguments)


def test_commands_export_the_member_that_they_stand_by(folder, monkeypatch):
    shown = sets()
    rng = np.random.default_rng(0)
    shown["tasks"][1]["members"] = [
        member([1, 1], int(size), (0.5, round(float(error), 2), 0.5))
        for size, error in zip(rng.integers(10, 60, 40), rng.random(40), strict=True)
    ]
    shown["tasks"][0]["name"] = "it's; rm -rf $HOME"
    for task in shown["tasks"]:
        for one in [task["jack"], *task["members"], *task["uniform"]]:
            one.setdefault("kept", [8, 16])
            one.setdefault("search_error", None)
    write(folder, shown)
    (folder / "config.toml").write_text("")
    found = content(read_folder(folder))["tasks"]
    assert found[0]["members"][0]["command"].endswith(
        "--at parameters=1000 --out it-s-rm--rf-HOME-0"
    )
    reached = [
        (task["name"], one["number"]) == exporting(one["command"])
        for task in found
        for one in task["members"]
        if one["command"]
    ]
    # Of members with the same costs only the best can be named.
    sizes = {one["parameters"] for one in found[1]["members"]}
    assert all(reached) and len(reached) == 3 + len(sizes)


def test_commands_are_python_without_a_configuration_and_know_unrecovered_sets(folder):
    text = content(read_folder(folder))["tasks"][0]["members"][2]["command"]
    assert text == (
        f"sets = sosjax.load_sets({str(folder)!r})\n"
        "sosjax.export(jat, sets.task('tops').members[2], 'tops-2', sets=sets)"
    )
    (folder / "config.toml").write_text("")
    (folder / "recovered").mkdir()
    write(folder / "recovered", sets())
    text = content(read_folder(folder, unrecovered=True))["tasks"][0]["members"][2]["command"]
    assert text.endswith(" --unrecovered")


def put_masks(folder, masks):
    save_arrays(folder / "sets.safetensors", {f"{n}/mask": mask for n, mask in enumerate(masks)})


def test_likeness_is_the_share_of_units_that_both_keep(folder):
    shown = sets()
    for task in shown["tasks"]:
        task["members"] = [member([2, 4], 1000, (0.3, 0.3, 0.3)), member([4, 8], 1500, (0.2,) * 3)]
    shown["tasks"][1]["members"] = [member([2, 4], 1100, (0.3, 0.3, 0.3))]
    write(folder, shown)

    def mask(first, second):
        return np.isin(np.arange(24), [*first, *(8 + n for n in second)]).astype(np.uint8)

    one, two = mask(range(2), range(4)), mask(range(4), range(8))
    other = mask((1, 2), range(4, 8))
    put_masks(folder, [np.stack([one, two]), np.stack([other])])
    found = read_folder(folder)
    assert not found.problems
    # tops/0 and bags/0 share one unit of eleven; tops/1 and bags/0 all six of twelve.
    three = [1 / 11, 6 / 12, 1 / 11]
    assert found.likeness.found[0][1] == found.likeness.found[1][0] == pytest.approx(sum(three) / 3)
    assert found.likeness.found[0][0] == pytest.approx(6 / 12)
    assert found.likeness.found[1][1] is None
    by_chance = 2 * 2 / 8 + 4 * 4 / 16
    likely = [by_chance / (12 - by_chance), 3 / 15, by_chance / (12 - by_chance)]
    assert found.likeness.chance[0][1] == pytest.approx(sum(likely) / 3)
    page = report(folder).read_text()
    assert f"<b>{sum(three) / 3:.2f}</b><small>chance {sum(likely) / 3:.2f}</small>" in page
    put_masks(folder, [np.stack([one, one]), np.stack([other])])
    (problem,) = read_folder(folder).problems
    assert "must hold the masks of the members, got other ones for 'tops'" in problem


def test_certificates_stand_by_their_member(folder):
    scores = asdict(read_folder(folder).tasks[0].members[1])
    gap = {"absolute": 1.2e-6, "relative": 3e-7}
    own = {
        "task": "tops",
        "scores": scores | {"kept": list(scores["kept"])},
        "certificate": {
            **{key: {"float32": gap} for key in ("shrunk", "exported")},
            **{"examples": 8, "parameters": 2500, "bytes": 10100, "flops": 125000, "reloaded": {}},
        },
    }
    (folder / "certificates").mkdir()
    # As an earlier version wrote it, which did not know of expected errors.
    earlier = {key: value for key, value in own["scores"].items() if key != "expected_error"}
    (folder / "certificates" / "a.json").write_text(json.dumps(own | {"scores": earlier}))
    (folder / "certificates" / "old.json").write_text(json.dumps(own["certificate"]))
    (folder / "certificates" / "wrong.json").write_text("{")
    (folder / "exports" / "bags").mkdir(parents=True)
    again = {**own["certificate"], "reloaded": {"StableHLO": 0.0}}
    text = json.dumps(own | {"task": "bags", "certificate": again})
    (folder / "exports" / "bags" / "architecture.json").write_text(text)
    result = read_folder(folder)
    (problem,) = result.problems
    assert "wrong.json must hold JSON" in problem
    tops, bags = (task["members"][1]["certificate"] for task in content(result)["tasks"])
    assert tops == [
        "float32: masked and shrunk differ by at most 1.2e-06 (relative 3.0e-07), masked and "
        "exported by 1.2e-06 (relative 3.0e-07)",
        "counted in the shrunk network: 2,500 parameters, 10,100 bytes, 125,000 FLOPs; 8 inputs",
    ]
    assert bags == [*tops, "loaded again by a fresh process: StableHLO 0.0e+00"]


def test_hostile_names_stay_text_in_the_content(folder):
    shown = sets()
    shown["tasks"][0]["name"] = shown["network"]["groups"][0]["name"] = NASTY
    write(folder, shown)
    found = embedded(report(folder).read_text())
    assert found == json.loads(json.dumps(content(read_folder(folder))))
    assert found["tasks"][0]["name"] == found["groups"][0]["name"] == NASTY


def test_figures_are_drawn_and_replace_only_their_own(folder):
    shown = sets()
    shown["tasks"][0]["name"] = "../$x^2$ \\frac{"
    write(folder, shown)
    result = read_folder(folder)
    paths = figures(result)
    assert [path.name for path in paths] == [
        "front-0-x-2-frac.png",
        "groups-0-x-2-frac.png",
        "front-1-bags.png",
        "groups-1-bags.png",
        "hypervolume.png",
    ]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in paths)
    assert {path.parent for path in paths} == {folder / "figures"}
    assert figures(result) == paths
    paths[1].write_bytes(b"mine")
    before = paths[0].stat().st_mtime_ns
    with pytest.raises(InputError, match=r"must be a figure of a report or not be there, got "):
        figures(result)
    assert paths[1].read_bytes() == b"mine" and paths[0].stat().st_mtime_ns == before


@pytest.fixture
def finished(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    return folder


def test_command_prints_a_summary(finished, capsys):
    assert main(["report", "first", "--json", "--png"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err == "" and found["page"] == "first/report.html"
    assert len(found["figures"]) == 5 and found["figures"][-1] == "first/figures/hypervolume.png"
    assert found["tasks"][0] == {
        "name": "tops",
        "members": 3,
        "chosen": {"watch": 1, "phone": 2, "chip": None},
    }
    assert found["hypervolume"] == {"tops": 0.625, "bags": 0.4} and found["finished"]
    assert found == summary(read_folder(Path("first")), finished / "report.html", []) | {
        key: found[key] for key in ("page", "figures")
    }
    assert main(["report", "first", "--png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-6:-4] == [
        "report: first/report.html",
        "figure: first/figures/front-0-tops.png",
    ]


def test_figures_without_matplotlib_are_refused_in_one_sentence(finished, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["report", "first", "--png"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == (
        "sosjax: error: `--png` needs matplotlib, which is not installed: "
        "pip install 'sosjax[plots]'.\n"
    )
    assert not (finished / "report.html").exists()
