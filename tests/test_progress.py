"""Progress: what is told, in a file and on a terminal."""

import io
import json

from sosjax.cli._progress import Progress, cut, progress_text


def line(generation, seconds, total=20, **volumes):
    return {
        "generation": generation,
        "generations": total,
        "evaluations": 100 * (generation + 1),
        "hypervolume": volumes or {"tops": 0.5},
        "seconds": seconds,
    }


def test_progress_text():
    text = progress_text(line(12, 20.0, tops=0.5123, shoes=float("nan")), line(2, 10.0))
    assert text == "generation 12/20  100 evaluations/s  0:08 left  hypervolume tops 0.512"
    assert progress_text(line(2, 10.0)) == "generation 2/20  hypervolume tops 0.500"
    assert progress_text({}) == "generation ?"
    slow = progress_text(line(1, 9000.0), line(0, 0.0))
    assert "47:30:00 left" in slow


def test_progress_in_a_file_is_one_line_for_each_tenth():
    stream = io.StringIO()
    with Progress(stream) as progress:
        for generation in range(101):
            progress(line(generation, 1.0 + generation, total=100))
        progress({"event": "judging"})
    lines = stream.getvalue().splitlines()
    assert [text.split()[1] for text in lines[:-1]] == [f"{n}/100" for n in range(0, 101, 10)]
    assert lines[-1] == "judging"
    assert "\r" not in stream.getvalue()


def test_speed_leaves_out_the_first_block():
    stream = io.StringIO()
    progress = Progress(stream)
    for generation, seconds in ((0, 60.0), (1, 60.0), (2, 62.0), (3, 62.0)):
        progress(line(generation, seconds, total=3))
    assert "100 evaluations/s" in stream.getvalue().splitlines()[-1]


def test_progress_on_a_terminal_rewrites_one_line():
    stream = io.StringIO()
    with Progress(stream, terminal=True) as progress:
        progress(line(1, 1.0, **{f"task{n}": 0.5 for n in range(40)}))
        progress({"event": "checkpoint 12 is damaged: using 10"})
        progress(line(2, 2.0))
    shown = stream.getvalue().split("\n")
    assert shown[0].startswith("\rgeneration 1/20")
    assert shown[0].endswith("\x1b[K")
    assert len(shown[0].removeprefix("\r").removesuffix("\x1b[K")) == 79
    assert shown[1] == "checkpoint 12 is damaged: using 10"
    assert shown[2].startswith("\rgeneration 2/20")
    assert shown[3] == ""


def test_progress_survives_a_closed_stream():
    stream = io.StringIO()
    progress = Progress(stream, terminal=False)
    stream.close()
    progress(line(1, 1.0))
    progress({"event": "x"})


def test_cut_counts_wide_characters_twice():
    assert cut("abc", 5) == "abc"
    assert cut("abc", 2) == "ab"
    assert cut("日本語", 5) == "日本"


def test_journal_lines_are_understood():
    journal = '{"generation":2,"evaluations":480,"hypervolume":{"tops":0.51},"seconds":3.2}'
    assert progress_text(json.loads(journal)) == "generation 2  hypervolume tops 0.510"
