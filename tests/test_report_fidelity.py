"""The page and the table of a fidelity comparison: numbers, names, refusals."""

import copy
import json
import re
from io import StringIO

import pytest
from reported import NASTY, put, sets
from rich.console import Console

from sosjax._errors import InputError
from sosjax.report import fidelity_report, fidelity_table, report
from sosjax.report._comparison import read_comparison
from sosjax.report._scatter import scatter

NUMBERS = ("spearman", "kendall", "spearman_within", "kendall_within", "regret_1", "regret_3")


def agreement(*values):
    return dict(zip(NUMBERS, values, strict=True))


def comparison():
    """Return a small `fidelity.json`: two tasks, and a judge that fails once."""
    judges = {
        "raw": agreement(None, None, None, None, 0.05, 0.04),
        "recalibrated": agreement(0.912345, 0.75, 0.625, 0.5, 0.0125, 0.01),
        "validation": agreement(0.9, 0.7, 0.6, 0.5, 0.02, 0.01),
        "parameters": agreement(-0.25, 0.7, 0.1, 0.0, 0.02, 0.01),
        "flops": agreement(0.8, 0.7, 0.1, 0.0, 0.02, 0.01),
        "recovered": agreement(0.99, 0.9, 0.95, 0.9, 0.0, 0.0),
    }
    rows = [
        {
            "parameters": 100 * (row + 1),
            "flops": 5000 * (row + 1),
            "member": row % 2 == 0,
            "test_error": round(0.5 - 0.06 * row, 3),
            "test_error_before": 0.7,
            "validation_error_before": 0.7,
            "validation_error": 0.4,
            "judged": {"raw": None if row == 0 else 0.8, "recalibrated": 0.6 - 0.05 * row},
        }
        for row in range(6)
    ]
    levels = [{"low": 100.0, "high": 215.443, "candidates": 6, "spread": 0.04, "noise": 0.03}]
    task = {"name": "tops", "examples": 400, "judges": judges, "levels": levels, "candidates": rows}
    return {
        "format": "sosjax-fidelity",
        "version": 1,
        "network": "small",
        "data": "Fashion",
        "kind": "classes",
        "own": ["recalibrated"],
        "recovery": {"epochs": 8, "images": None},
        "judges": judges,
        "tasks": [task, {**copy.deepcopy(task), "name": "bags", "levels": []}],
    }


def write(folder, content):
    (folder / "fidelity.json").write_text(json.dumps(content))


def printed(folder):
    file = StringIO()
    Console(file=file, width=80).print(fidelity_table(folder))
    return file.getvalue()


def test_table_says_what_is_in_the_file(tmp_path):
    write(tmp_path, comparison())
    text = printed(tmp_path)
    assert max(map(len, text.splitlines())) <= 80
    rows = [line.split() for line in text.splitlines()]
    own = [row for row in rows if row[-6:] == ["0.912", "0.625", "0.750", "0.500", "1.25", "1.00"]]
    assert len(own) == 3  # the mean and two tasks
    assert [row for row in rows if row[-6:] == ["none", "none", "none", "none", "5.00", "4.00"]]
    assert "(the run's)" in text and "mean over tasks" in text and "FLOPs alone" in text
    flat = " ".join(text.split())
    assert "tops: in a level test errors deviate by 4.00 % on average, and a test error's" in flat
    assert "3.00 % (400 examples): much of a level is noise" in flat
    assert "bags: no level of size has 5 candidates; ask for more of them." in flat


def test_one_task_has_no_mean(tmp_path):
    content = comparison()
    del content["tasks"][1]
    write(tmp_path, content)
    assert "mean over tasks" not in printed(tmp_path)
    assert "Mean over tasks" not in fidelity_report(tmp_path).read_text()


def test_page_loads_nothing_and_shows_every_number(tmp_path):
    write(tmp_path, comparison())
    page = fidelity_report(tmp_path).read_text()
    assert not re.search(r"https?:|url\(|@import|<link|<img|<script|\bsrc=|\sstyle=|\son\w+=", page)
    assert "default-src 'none'" in page and "unsafe" not in page
    assert page.count('<svg class="scatter"') == 2 * 6
    assert page.count("<circle") == 2 * (5 + 5 * 6)  # what failed stands in no chart
    for text in ("0.912", "-0.250", "none", "1.25", "100 to 215", "<dt>epochs</dt><dd>8</dd>"):
        assert text in page


def test_dots_stand_where_the_numbers_are(tmp_path):
    """What a judge likes best is at the left: low errors, many parameters."""
    write(tmp_path, comparison())
    found = read_comparison(tmp_path)
    for judge in ("recalibrated", "parameters"):
        chart = scatter(found.tasks[0], judge, found)
        places = [
            (float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)%" cy="([\d.]+)"', chart)
        ]
        assert len(places) == 6 and all(0 <= x <= 100 and 0 <= y <= 158 for x, y in places)
        assert places == sorted(places, key=lambda place: -place[0])
        # The largest, with the lowest error, is the lowest of them.
        assert [y for _, y in places] == sorted(y for _, y in places)
    assert chart.count('fill="none"') == 3
    assert "600 parameters, test error 20.00 %" in chart


def test_a_judge_that_fails_everywhere(tmp_path):
    content = comparison()
    for row in content["tasks"][0]["candidates"]:
        row["judged"]["raw"] = None
    write(tmp_path, content)
    assert (
        "against test error after recovery, tops: none</p>" in fidelity_report(tmp_path).read_text()
    )


def test_names_stay_text(tmp_path):
    content = comparison()
    content["network"] = content["data"] = content["tasks"][0]["name"] = NASTY
    content["own"] = [NASTY]
    write(tmp_path, content)
    page = fidelity_report(tmp_path).read_text()
    assert "alert(1)<" not in page and "<script" not in page and "<!--" not in page
    assert NASTY.split("[")[0] in printed(tmp_path).replace("\n", "")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (
            ("format",),
            "sosjax-sets",
            "`format` in {} must be 'sosjax-fidelity', got 'sosjax-sets'.",
        ),
        (("version",), 2, "`version` in {} must be 1, got 2."),
        (
            ("judges", "raw", "spearman"),
            1.5,
            "`judges.raw.spearman` in {} must be a number from -1 to 1, got 1.5.",
        ),
        (
            ("tasks", 0, "candidates", 1, "judged", "raw"),
            "x",
            "`tasks[0].candidates[1].judged.raw` in {} must be a number from 0 to 1, got 'x'.",
        ),
        (("tasks", 0, "levels"), 3, "`tasks[0].levels` in {} must be a list, got 3."),
        (
            ("tasks", 1, "judges"),
            {},
            "`tasks` in {} must have the same judges, got other ones for 'bags'.",
        ),
    ],
)
def test_wrong_content_is_refused(tmp_path, path, value, text):
    content = json.loads(json.dumps(comparison()))
    put(content, path, value)
    write(tmp_path, content)
    with pytest.raises(InputError) as refusal:
        fidelity_report(tmp_path)
    assert str(refusal.value) == text.format(tmp_path / "fidelity.json")
    assert not (tmp_path / "fidelity.html").exists()


def test_the_page_of_the_run_links_to_it(tmp_path):
    (tmp_path / "sets.json").write_text(json.dumps(sets()))
    link = '<a href="fidelity/fidelity.html">fidelity</a>'
    assert link not in report(tmp_path).read_text()
    (tmp_path / "fidelity").mkdir()
    write(tmp_path / "fidelity", comparison())
    fidelity_report(tmp_path / "fidelity")
    assert link in report(tmp_path).read_text()
