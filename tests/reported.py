"""A small run folder, written by hand, and what the report makes of it."""

import copy
import json
import re
from io import StringIO

from rich.console import Console

from sosjax.report import table

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


def write(run, content):
    (run / "sets.json").write_text(json.dumps(content))


def printed(run, width=80):
    file = StringIO()
    Console(file=file, width=width).print(table(run))
    return file.getvalue()


def embedded(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text.group(1))


def made_folder(run):
    """Write the run into a new folder and return it."""
    run.mkdir()
    write(run, sets())
    (run / "journal.jsonl").write_text(journal() + '{"generation": 4, "hyperv')
    notes = {"format": "sosjax-run", "version": 1, "sosjax": "0.1.0", "versions": {"jax": "9.8.7"}}
    (run / "run.json").write_text(json.dumps(notes))
    return run


def put(content, path, value):
    """Put a value where a path of keys and places in lists leads."""
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value
