"""What is wrong, missing or damaged in a run folder is named; the rest is shown."""

import re
from html import escape

import pytest
from reported import embedded, journal, made_folder, printed, put, sets, write

from sosjax._errors import InputError
from sosjax.report import read_folder, report, table, write_page


@pytest.fixture
def folder(tmp_path):
    return made_folder(tmp_path / "first")


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
    put(content, path, value)
    write(folder, content)
    with pytest.raises(InputError) as refusal:
        report(folder)
    assert str(refusal.value) == text.format(folder / "sets.json")
    assert not (folder / "report.html").exists()


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
