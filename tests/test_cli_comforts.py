"""What makes the command line easy: the doctor, completion, and help with examples."""

import argparse
import json
import shutil
import subprocess
from importlib import metadata

import jax
import pytest

from sosjax.cli import _doctor, main
from sosjax.cli._parser import parser


def commands():
    (choices,) = (
        action.choices
        for action in parser("1")._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return choices


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_shows_examples_that_parse(name):
    own = commands()[name]
    examples = own.format_help().split("examples:\n")[1].splitlines()
    assert examples
    for line in examples:
        words = line.split("#")[0].split(">")[0].split()
        assert words[:2] == ["sosjax", name]
        parser("1").parse_args(words[1:])


def doctor(capsys):
    code = main(["doctor", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_doctor_tells_what_is_there(capsys):
    code, found = doctor(capsys)
    assert code == 0 and found["faults"] == [] and found["computes"]
    assert found["packages"]["jax"] == jax.__version__
    assert len(found["devices"]) == jax.device_count()
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"jax {jax.__version__}" in out and "faults    none" in out


def test_doctor_names_what_is_missing_for_what(capsys, monkeypatch):
    def version(name):
        if name in ("tokenizers", "optax"):
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(_doctor.metadata, "version", version)
    code, found = doctor(capsys)
    assert code == 1
    assert found["extras"]["text"]["missing"] == ["tokenizers"]
    assert found["extras"]["data"]["missing"] == []
    assert found["faults"] == ["`optax` is not installed: pip install optax."]
    assert main(["doctor"]) == 1
    assert "pip install 'sosjax[text]'  (lacks tokenizers)" in capsys.readouterr().out


def test_doctor_sees_a_device_that_jax_does_not(capsys, monkeypatch):
    monkeypatch.setattr(_doctor.shutil, "which", lambda name: f"/bin/{name}")
    code, found = doctor(capsys)
    assert code == 1
    assert found["faults"] == [
        "There is an NVIDIA GPU that JAX does not see: pip install 'jax[cuda13]'."
    ]


def test_doctor_tells_what_jax_says_when_it_fails(capsys, monkeypatch):
    def devices():
        raise RuntimeError("no backend")

    monkeypatch.setattr(jax, "devices", devices)
    code, found = doctor(capsys)
    assert code == 1
    assert found["faults"] == ["JAX has no device to compute on: RuntimeError: no backend"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_every_command(shell, capsys):
    assert main(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in commands())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_command(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out + (
        '\nCOMP_WORDS=(sosjax fid); COMP_CWORD=1\n_shtab_sosjax\necho "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fidelity"]


def test_an_unknown_shell_is_refused(capsys):
    assert main(["completion", "bas"]) == 2
    err = capsys.readouterr().err
    assert "`SHELL` must be one of bash, zsh, tcsh, fish" in err and "did you mean 'bash'" in err
