"""The report reads files and nothing else: numbers, names, refusals."""

import copy
import hashlib
import json
import re
import subprocess
import sys
from base64 import b64encode
from html import escape
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import sosjax._errors
from sosjax._errors import InputError
from sosjax.environments._environment import Environment
from sosjax.report import read_folder, report, table, write_page
from sosjax.report._axis import error_axis, log_axis
from sosjax.report._number import brief, part, short
from sosjax.report._page import SCRIPTS
from sosjax.report._result import Jack, Member, Task, limits_of, select, shortfall

NASTY = "</script><script>alert(1)</script>\"'&<!-- [bold red]../x"


def member(kept, parameters, errors):
    search, validation, test = errors
    return {
        "kept": kept,
        "parameters": parameters,
        "bytes": 4 * parameters + 100,
        "flops": 50 * parameters,
        "search_error": search,
        "validation_error": validation,
        "test_error": test,
    }


def sets():
    """Return a small `sets.json`: two tasks, three environments, one of which nothing fits."""
    task = {
        "name": "tops",
        "classes": ["Shirt", "Coat"],
        "jack": {
            "parameters": 9000,
            "bytes": 36100,
            "flops": 450_000,
            "validation_error": 0.125,
            "test_error": 0.1305,
        },
        "members": [
            member([2, 3], 1000, (0.3, 0.31, 0.3215)),
            member([4, 5], 2500, (0.2, 0.21, 0.2245)),
            member([8, 9], 5001, (0.15, 0.16, 0.1575)),
        ],
        "uniform": [member([4, 8], 3000, (0.4, 0.41, 0.4325))],
    }
    return {
        "format": "sosjax-sets",
        "version": 1,
        "network": {
            "name": "small",
            "architecture": None,
            "groups": [{"name": "trunk0", "size": 8}, {"name": "trunk1", "size": 16}],
            "parameters": 9000,
            "bytes": 36100,
            "flops": 450_000,
        },
        "data": {
            "name": "Fashion",
            "classes": ["Shirt", "Coat", "Bag"],
            "sizes": {"search": 800, "validation": 200, "test": 201},
        },
        "objectives": ["error", "parameters"],
        "seed": 7,
        "encoding": "ratios",
        "strategy": "mo-mfea",
        "fitness": "recalibrated",
        "environments": [
            {"name": "watch", "limits": {"bytes": 12_000}},
            {"name": "phone", "limits": {"parameters": 6000, "flops": 300_000}},
            {"name": "chip", "limits": {"parameters": 900}},
        ],
        "tasks": [task, {**copy.deepcopy(task), "name": "bags"}],
    }


def journal():
    lines = [
        {"generation": 0, "evaluations": 80, "hypervolume": {"tops": 0.5, "bags": 0.4}},
        {"event": "checkpoint"},
        {"generation": 2, "evaluations": 240, "hypervolume": {"tops": 0.1}, "seconds": 3.2},
        {"generation": 2, "evaluations": 240, "hypervolume": {"tops": 0.625}, "seconds": 3.2},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def folder(tmp_path):
    run = tmp_path / "first"
    run.mkdir()
    write(run, sets())
    (run / "journal.jsonl").write_text(journal() + '{"generation": 4, "hyperv')
    notes = {"format": "sosjax-run", "version": 1, "sosjax": "0.1.0", "versions": {"jax": "9.8.7"}}
    (run / "run.json").write_text(json.dumps(notes))
    return run


def write(run, content):
    (run / "sets.json").write_text(json.dumps(content))


def printed(run, width=80):
    file = StringIO()
    Console(file=file, width=width).print(table(run))
    return file.getvalue()


def embedded(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text.group(1))


def test_page_numbers_are_those_of_the_file(folder):
    page = report(folder).read_text()
    content = embedded(page)
    for mine, theirs in zip(content["tasks"], sets()["tasks"], strict=True):
        assert mine["chosen"] == {"watch": 1, "phone": 2, "chip": None}
        assert mine["name"] == theirs["name"] and mine["classes"] == theirs["classes"]
        assert [one["number"] for one in mine["members"]] == [0, 1, 2]
        for kind in ("members", "uniform"):
            for one, wanted in zip(mine[kind], theirs[kind], strict=True):
                assert {key: one[key] for key in wanted} == wanted
        assert {key: mine["jack"][key] for key in theirs["jack"]} == theirs["jack"]
        assert mine["jack"]["kept"] == [8, 16]
    assert content["groups"] == sets()["network"]["groups"]
    assert [one["key"] for one in content["costs"]] == ["parameters", "bytes", "flops"]
    errors = [one["key"] for one in content["errors"]]
    assert errors == ["test_error", "validation_error", "search_error"]
    assert content["environments"] == sets()["environments"]
    assert content["hypervolume"] == [
        {"name": "tops", "curve": [[0, 0.5], [2, 0.625]]},
        {"name": "bags", "curve": [[0, 0.4]]},
    ]
    assert content["first"] == "parameters" and not content["recovered"]
    for text in ("22.45 %", "15.75 %", "13.05 %", "5,001", "2,500", "10.1 kB", "+9.40 pts"):
        assert text in page
    for text in ("800 examples", "(200)", "(201)", "9.8.7", "<dd>7</dd>", "0.625", "240"):
        assert text in page
    assert "the nearest, tops/0, needs 1,000 parameters, 100 (11 %) over 900" in page
    assert "<b>0.100" not in page  # the line before the resume


def test_a_page_is_small(folder):
    assert report(folder).stat().st_size < 400_000
    (folder / "journal.jsonl").unlink()
    content = sets()
    content["network"]["groups"] = [{"name": f"layer {n}", "size": 64} for n in range(100)]
    many = [member([64] * 100, 1000 + n, (0.2, 0.2, 0.2)) for n in range(60)]
    content["tasks"] = [
        {**content["tasks"][0], "name": f"task {n}", "members": many, "uniform": []}
        for n in range(8)
    ]
    write(folder, content)
    assert report(folder).stat().st_size < 1_000_000


def test_what_was_done_to_the_data_is_in_the_summary(folder):
    content = sets()
    note = f"2 of 9 texts of {NASTY} were cut at 8 tokens."
    content["data"]["notes"] = [note, "x" * 300]
    write(folder, content)
    page = report(folder).read_text()
    assert f'<ul class="note"><li>{escape(note)}</li><li>{"x" * 300}</li></ul>' in page
    assert note in printed(folder, 200)
    content["data"]["notes"] = "none"
    write(folder, content)
    with pytest.raises(InputError, match=r"`data.notes` in .* must be a list, got 'none'."):
        report(folder)


def test_errors_of_values_and_tokens_are_told_in_their_own_units(folder):
    content = sets() | {"kind": "values", "units": {"tops": {"validation": 3.0, "test": 20.0}}}
    content["tasks"][1]["jack"]["test_error"] = 1.0
    write(folder, content)
    page = report(folder).read_text()
    assert "<b>22.45 %</b><small>MSE 4.49, R2 0.7755</small>" in page
    assert "<b>22.45 %</b><small>R2 0.7755</small>" in page  # of bags the variance is not known
    assert "<b>100.00 %</b><small>no better than the mean</small>" in page
    write(folder, content | {"kind": "tokens"})
    assert "<b>22.45 %</b><small>4.490 nats a token</small>" in report(folder).read_text()
    write(folder, content | {"kind": "classes"})
    assert "</b><small>MSE" not in report(folder).read_text()
    write(folder, content | {"units": {"tops": {"test": "much"}}})
    with pytest.raises(InputError, match=r"`units.tops.test` in .* must be a finite number"):
        report(folder)


def recovered():
    """Return the sets after recovery, in which one member has been beaten."""
    content = {**sets(), "version": 2, "recovery": {"epochs": 8, "rate": 0.005, "images": None}}
    for task in content["tasks"]:
        del task["members"][1]
        for epoch, one in zip((3, 0), task["members"], strict=True):
            one["epoch"] = epoch
            for split in ("validation", "test"):
                one[f"{split}_error_before"] = one[f"{split}_error"]
                one[f"{split}_error"] -= 0.05 * (epoch > 0)
        for one in task["uniform"]:
            one |= {"epoch": None, "validation_error_before": None, "test_error_before": None}
    return content


@pytest.fixture
def recovered_folder(folder):
    (folder / "recovered").mkdir()
    write(folder / "recovered", recovered())
    return folder


def test_recovered_sets_come_in_place_of_the_others(recovered_folder):
    result = read_folder(recovered_folder)
    assert result.recovery == {"epochs": "8", "rate": "0.005"} and result.name == "first"
    for task in result.tasks:
        assert [one.epoch for one in task.members] == [3, 0]
        assert [one.test_error_before for one in task.members] == [0.3215, 0.1575]
        assert [one.test_error for one in task.before] == [0.3215, 0.2245, 0.1575]
    page = report(recovered_folder).read_text()
    assert "<td><b>27.15 %</b></td><td>32.15 %</td><td>+14.10 pts</td>" in page
    assert "<td>26.00 %</td><td>31.00 %</td><td>30.00 %</td><td>3</td>" in page
    content = embedded(page)
    assert content["recovered"] and content["errors"][-1]["key"] == "validation_error_before"
    for task in content["tasks"]:
        assert [one["epoch"] for one in task["members"]] == [3, 0]
        assert [one["test_error_before"] for one in task["members"]] == [0.3215, 0.1575]
        assert [one["test_error"] for one in task["before"]] == [0.3215, 0.2245, 0.1575]
    assert "<dt>Recovery rate</dt><dd>0.005</dd>" in page and "thin line" in page
    heads = re.findall(r"<table class=.tight.><thead><tr>(.*?)</tr>", page, re.DOTALL)
    assert heads and all(one.count("<th>") == 13 for one in heads)
    for row in re.findall(r'<tr class="jack">(.*?)</tr>', page, re.DOTALL):
        assert row.count("<td>") == 12
    text = printed(recovered_folder)
    assert "Recovered sets; `before` is the test error before recovery." in text
    line = next(one for one in text.splitlines() if "phone" in one).split()
    assert line[-4:] == ["16.00", "15.75", "15.75", "13.05"]
    assert max(map(len, text.splitlines())) <= 80


def test_after_rounds_members_are_chosen_by_expected_errors(recovered_folder):
    content = recovered()
    for task in content["tasks"]:
        task["members"][0]["expected_error"] = 0.155
        task["members"][1]["expected_error"] = 0.2
    write(recovered_folder / "recovered", content)
    task = read_folder(recovered_folder).tasks[0]
    assert select(task, Environment("a", parameters=9000)) is task.members[0]
    page = report(recovered_folder).read_text()
    assert "<td>26.00 %<small>expected 15.50 %</small></td>" in page
    assert "The expected validation error of a member is its own held against" in page
    assert (
        page.count("lowest expected validation error")
        + page.count("lowest\nexpected validation error")
        == 3
    )
    own = embedded(page)
    assert [one["expected_error"] for one in own["tasks"][0]["members"]] == [0.155, 0.2]
    assert {"key": "expected_error", "label": "expected validation error"} in own["errors"]
    assert set(own["tasks"][0]["chosen"].values()) <= {0, None}
    text = printed(recovered_folder)
    assert "`valid.` is what rounds of recovery expect of the validation error." in text
    line = next(one for one in text.splitlines() if "phone" in one).split()
    assert line[-4:] == ["15.50", "27.15", "32.15", "13.05"]
    del content["tasks"][0]["members"][0]["expected_error"]
    write(recovered_folder / "recovered", content)
    assert select(read_folder(recovered_folder).tasks[0], Environment("a", flops=1e9)).epoch == 0


def test_unrecovered_sets_are_still_there(recovered_folder):
    before = report(recovered_folder, unrecovered=True).read_text()
    assert "thin line" not in before and "28 %" in before
    assert [task["before"] for task in embedded(before)["tasks"]] == [[], []]
    assert "Recovered" not in "".join(
        one.plain for one in table(recovered_folder, True).renderables if hasattr(one, "plain")
    )
    assert not read_folder(recovered_folder, unrecovered=True).recovery


def test_damaged_recovered_sets_are_left_out(recovered_folder):
    content = recovered()
    content["tasks"][0]["members"][0]["test_error_before"] = 2
    write(recovered_folder / "recovered", content)
    result = read_folder(recovered_folder)
    assert not result.recovery and result.unrecovered
    (problem,) = result.problems
    assert "`tasks[0].members[0].test_error_before` in " in problem and "recovered" in problem
    page = report(recovered_folder).read_text()
    assert escape(problem) in page and embedded(page)["problems"] == [problem]
    assert f"Not shown: {problem}" in printed(recovered_folder, 400)


def test_page_loads_nothing_and_runs_only_its_own_scripts(folder):
    page = report(folder).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    texts = [("style", re.findall(r"<style>(.*?)</style>", page, re.DOTALL))]
    texts.append(("script", re.findall(r"<script>(.*?)</script>", page, re.DOTALL)))
    assert [len(found) for _, found in texts] == [1, len(SCRIPTS)]
    for tag, found in texts:
        digests = [b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
        allowed = " ".join(f"'sha256-{one}'" for one in digests)
        assert f"{tag}-src {allowed};" in policy
    # D3 names the namespaces of SVG and its own home in a comment; what it draws loads nothing.
    own = page.replace(texts[1][1][0], "")
    assert not re.search(r"https?:|url\(|@import|<link|<img|\bsrc=|\sstyle=|\son\w+=", own)


def test_d3_is_the_file_that_its_readme_names():
    web = Path(sosjax._errors.__file__).parent / "report" / "web"
    digest = hashlib.sha256((web / "d3.min.js").read_bytes()).hexdigest()
    readme = (web / "README.md").read_text()
    assert digest in readme and "Permission to use" in (web / "LICENSE-d3").read_text()
    version = re.search(r"D3 ([\d.]+) as published", readme).group(1)
    assert f"v{version} " in (web / "d3.min.js").read_text(encoding="utf-8")[:100]


def test_names_stay_text(folder):
    content = sets()
    content["tasks"][0]["name"] = content["environments"][0]["name"] = NASTY
    content["tasks"][0]["classes"] = content["objectives"] = [NASTY, NASTY]
    content["network"]["name"] = content["data"]["name"] = content["strategy"] = NASTY
    content["network"]["groups"][0]["name"] = NASTY
    write(folder, content)
    line = {"generation": 1, "hypervolume": {NASTY: 0.5}}
    (folder / "journal.jsonl").write_text(json.dumps(line) + "\n")
    notes = {"format": "sosjax-run", "version": 1, "versions": {NASTY: NASTY}}
    (folder / "run.json").write_text(json.dumps(notes | {"machine": {NASTY: NASTY}}))
    page = report(folder).read_text()
    assert page.count("<script") == page.count("</script") == 1 + len(SCRIPTS)
    assert "alert(1)<" not in page
    assert "<!--" not in page
    assert embedded(page)["tasks"][0]["name"] == NASTY
    assert embedded(page)["groups"][0]["name"] == NASTY
    assert list(embedded(page)["tasks"][0]["chosen"]) == [NASTY, "phone", "chip"]


def test_names_in_the_terminal_are_no_markup(folder):
    content = sets()
    content["tasks"][0]["name"] = "[red]tops[/red]"
    content["environments"][2]["name"] = "[/]chip"
    write(folder, content)
    text = printed(folder)
    assert "[red]tops[/red] in [/]chip: nothing fits" in text.replace("\n", " ")
    assert text.count("[/]chip") == 4


def test_table_says_what_to_deploy(folder):
    text = printed(folder)
    lines = [line.split() for line in text.splitlines()]
    watch = ["tops", "watch", "2.50", "k", "(28", "%)", "10.1", "kB", "125", "k", "21.00", "22.45"]
    assert [*watch, "13.05"] in lines
    assert "tops in chip: nothing fits: the nearest, tops/0, needs 1,000 parameters, 100" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text


def test_long_names_fit_into_80_columns(folder):
    content = sets()
    content["tasks"][0]["name"] = "x" * 90
    content["environments"][0]["name"] = "y" * 90
    write(folder, content)
    text = printed(folder)
    assert max(map(len, text.splitlines())) <= 80
    assert "22.45" in text
    assert text.count("x") >= 90
    report(folder)


def test_no_environments_no_members_no_journal(folder):
    content = sets()
    content["environments"] = []
    content["tasks"][0]["members"] = []
    del content["tasks"][0]["uniform"]
    write(folder, content)
    (folder / "journal.jsonl").unlink()
    (folder / "run.json").unlink()
    assert "no environments" in printed(folder)
    page = report(folder).read_text()
    assert "Hypervolume" not in page
    assert "0 members" in page
    content["environments"] = sets()["environments"]
    write(folder, content)
    assert "nothing fits: the set is empty" in printed(folder)


def test_selection_is_by_validation_error_then_parameters():
    def one(parameters, validation, test=0.5):
        return Member((), parameters, 10 * parameters, parameters, 0.0, validation, test)

    members = (one(1, 0.4), one(3, 0.2, 0.0), one(2, 0.2), one(4, 0.3, 0.0), one(5, 0.1))
    task = Task("a", (), Jack(1, 1, 1, 0.0, 0.0), members, ())
    assert select(task, Environment("a", parameters=4)) is members[2]
    assert select(task, Environment("a", parameters=5)) is members[4]
    assert select(task, Environment("a", parameters=5, bytes=10)) is members[0]
    assert select(task, Environment("a", bytes=9)) is None
    assert "the nearest, a/0, needs 10 bytes, 1 (11 %) over 9" in shortfall(
        task, Environment("a", bytes=9)
    )


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("format",), "other", "`format` in {} must be 'sosjax-sets', got 'other'."),
        (("version",), 3, "`version` in {} must be 1 or 2, got 3."),
        (("version",), True, "`version` in {} must be 1 or 2, got True."),
        (("tasks",), {}, "`tasks` in {} must be a list, got {{}}."),
        (("tasks", 0), 3, "`tasks[0]` in {} must be a JSON object, got 3."),
        (
            ("tasks", 1, "members", 2, "test_error"),
            1.5,
            "`tasks[1].members[2].test_error` in {} must be a number from 0 to 1, got 1.5.",
        ),
        (
            ("tasks", 0, "members", 0, "validation_error"),
            float("nan"),
            "`tasks[0].members[0].validation_error` in {} must be a number from 0 to 1, got nan.",
        ),
        (
            ("tasks", 0, "jack", "bytes"),
            -1,
            "`tasks[0].jack.bytes` in {} must be a whole number of at least 0, got -1.",
        ),
        (
            ("tasks", 0, "jack", "flops"),
            10**400,
            "`tasks[0].jack.flops` in {} must be a whole number of at least 0, got int.",
        ),
        (
            ("tasks", 0, "members", 0, "kept"),
            [9, 3],
            (
                "`tasks[0].members[0].kept` in {} must give at most the size of each of the "
                "2 groups, got [9, 3]."
            ),
        ),
        (
            ("tasks", 0, "members", 0, "kept"),
            [3],
            (
                "`tasks[0].members[0].kept` in {} must give at most the size of each of the "
                "2 groups, got [3]."
            ),
        ),
        (
            ("tasks", 0, "name"),
            "a\x1bb",
            "`tasks[0].name` in {} must be a printable name of 1 to 200 characters, got 'a\\x1bb'.",
        ),
        (("tasks", 0, "name"), "bags", "`tasks.name` must have different names, got twice: bags."),
        (
            ("environments", 0, "limits"),
            {"watts": 3},
            (
                "`environments[0].limits` in {} must limit one or more of parameters, bytes, "
                "flops, latency_ms, peak_memory, energy_mj, price, got {{'watts': 3}}."
            ),
        ),
    ],
)
def test_wrong_content_is_refused(folder, path, value, text):
    content = sets()
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    write(folder, content)
    with pytest.raises(InputError) as refusal:
        report(folder)
    assert str(refusal.value) == text.format(folder / "sets.json")
    assert not (folder / "report.html").exists()


def test_sets_of_both_versions_are_shown(folder):
    write(folder, sets() | {"version": 2})
    assert "22.45 %" in report(folder).read_text()


def test_missing_field_is_named(folder):
    content = sets()
    del content["tasks"][1]["jack"]["test_error"]
    write(folder, content)
    with pytest.raises(InputError) as refusal:
        table(folder)
    place = folder / "sets.json"
    assert (
        str(refusal.value) == f"`tasks[1].jack.test_error` must be in {place}, got no such field."
    )


def test_missing_and_damaged_sets_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"^`folder` must be a run folder, got no folder at "):
        report(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"sets\.json must be a file, got none there\.$"):
        table(tmp_path / "empty")
    page = report(folder).read_bytes()
    whole = (folder / "sets.json").read_bytes()
    for damaged in (whole[:-9], b"", b"\xff\xfe\x00", b"[1]"):
        (folder / "sets.json").write_bytes(damaged)
        with pytest.raises(InputError, match=r"sets\.json must "):
            report(folder)
    assert (folder / "report.html").read_bytes() == page


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "journal.jsonl",
            '{"generation": 1\n{"generation"\n' + journal(),
            r"`line 1` in .*jour.* must hold JSON, got a .*\. So is 1 line more\.$",
        ),
        (
            "journal.jsonl",
            '{"generation": -1, "hypervolume": {}}\n' + journal(),
            r"`line 1\.generation` in .* must be a whole number",
        ),
        (
            "run.json",
            '{"format": "sosjax-run", "version": 9}',
            r"`version` in .*run\.json must be 1, got 9\.$",
        ),
        ("sets.safetensors", "no arrays", r"sets\.safetensors must be a whole safetensors file"),
    ],
)
def test_what_else_is_damaged_is_left_out_and_told(folder, name, text, said):
    (folder / name).write_text(text)
    (problem,) = read_folder(folder).problems
    assert re.search(said, problem)
    page = report(folder).read_text()
    assert escape(problem) in page and "22.45 %" in page
    assert ("0.625" in page) and ("9.8.7" in page) == (name != "run.json")
    assert "Not shown: " in printed(folder, 400)


def test_a_run_that_is_not_finished_shows_its_search(folder):
    (folder / "sets.json").unlink()
    page = report(folder).read_text()
    assert "no sets yet; continue it with: sosjax resume " in page
    assert "<b>0.625</b>" in page and "9.8.7" not in page and "The fronts" not in page
    assert embedded(page)["tasks"] == [] and len(embedded(page)["hypervolume"]) == 2
    assert "Nothing to select: the run is not finished." in printed(folder, 400)
    (folder / "journal.jsonl").unlink()
    with pytest.raises(InputError, match=r"sets\.json must be a file, got none there\.$"):
        report(folder)


def test_a_file_of_the_name_that_is_no_report_stays(folder):
    (folder / "report.html").write_text("<title>mine</title>")
    with pytest.raises(InputError, match=r"report\.html must be a report or not be there, got "):
        report(folder)
    assert (folder / "report.html").read_text() == "<title>mine</title>"
    (folder / "report.html").write_text("<!doctype html><title>x - Set of Sets</title>")
    assert write_page(read_folder(folder)).stat().st_size > 1000


def test_journal_keeps_the_last_line_of_a_generation(folder):
    lines = read_folder(folder).journal
    assert [(one.generation, one.hypervolume["tops"]) for one in lines] == [(0, 0.5), (2, 0.625)]


def test_numbers_in_words():
    texts = [short(value) for value in (0, 7, 999, 999.9, 1000, 12_431, 999_960, 5_104_000)]
    assert texts == ["0", "7", "999", "1.00 k", "1.00 k", "12.4 k", "1.00 M", "5.10 M"]
    assert [short(48_100, "bytes"), short(12, "bytes")] == ["48.1 kB", "12 B"]
    assert [brief(16_000, "bytes"), brief(12_345), brief(1.5e6)] == ["16 kB", "12.345 k", "1.5 M"]
    assert [part(1, 3), part(1, 300), part(1, 0)] == ["33 %", "0.3 %", "-"]
    assert limits_of(Environment("a", bytes=16_000, flops=1e6)) == "up to 16 kB, 1 M FLOPs"


@pytest.mark.parametrize("points", [[1], [0, 3], [900, 1000], [52_000, 97_000], [10, 10**9]])
def test_axes_hold_their_points_and_have_labels(points):
    axis = log_axis(points)
    assert all(0 <= axis.at(point) < 100 for point in points)
    assert 2 <= sum(bool(label) for _, label in axis.ticks("bytes")) <= 12


@pytest.mark.parametrize("errors", [[0.0], [1.0], [0.1, 0.1001], [0.02, 0.9]])
def test_error_axis_holds_its_points(errors):
    axis = error_axis(errors, top=10, height=100)
    assert all(10 <= axis.at(error) <= 110 for error in errors)
    labels = [label for _, label in axis.ticks()]
    assert 2 <= len(set(labels)) == len(labels) <= 9


def test_the_report_needs_no_jax():
    # The front door of the package may import jax; the room itself must not.
    code = (
        "import sys, types, pathlib; package = types.ModuleType('sosjax');"
        "package.__path__ = [sys.argv[1]]; sys.modules['sosjax'] = package;"
        "import sosjax.report; assert 'jax' not in sys.modules"
    )
    place = sosjax._errors.__file__.rsplit("/", 1)[0].rsplit("\\", 1)[0]
    subprocess.run([sys.executable, "-c", code, place], check=True)
