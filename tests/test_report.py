"""The report reads files and nothing else: numbers, names, refusals."""

import hashlib
import json
import re
import subprocess
import sys
from base64 import b64encode
from html import escape
from pathlib import Path

import pytest
from reported import NASTY, embedded, made_folder, member, printed, sets, write

import sosjax._errors
from sosjax._errors import InputError
from sosjax.environments._environment import Environment
from sosjax.report import read_folder, report, table
from sosjax.report._page import SCRIPTS
from sosjax.report._result import select


@pytest.fixture
def folder(tmp_path):
    return made_folder(tmp_path / "first")


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


def test_sets_of_both_versions_are_shown(folder):
    write(folder, sets() | {"version": 2})
    assert "22.45 %" in report(folder).read_text()


def test_journal_keeps_the_last_line_of_a_generation(folder):
    lines = read_folder(folder).journal
    assert [(one.generation, one.hypervolume["tops"]) for one in lines] == [(0, 0.5), (2, 0.625)]


def test_the_report_needs_no_jax():
    # The front door of the package may import jax; the room itself must not.
    code = (
        "import sys, types, pathlib; package = types.ModuleType('sosjax');"
        "package.__path__ = [sys.argv[1]]; sys.modules['sosjax'] = package;"
        "import sosjax.report; assert 'jax' not in sys.modules"
    )
    place = sosjax._errors.__file__.rsplit("/", 1)[0].rsplit("\\", 1)[0]
    subprocess.run([sys.executable, "-c", code, place], check=True)
