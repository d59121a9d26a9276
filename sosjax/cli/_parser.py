"""The arguments of every command, and the help that teaches them by example."""

import argparse
from collections.abc import Callable
from typing import Any

from ._choice import add_choice, add_team

NAME = "sosjax"
DEMO = "sosjax-demo"
_DESCRIPTION = """\
One pretrained network, many tasks, many environments: one evolutionary search finds for each
task a Pareto set of compact sub-networks."""
_EPILOG = """\
start here:
  sosjax demo                          # two minutes: search, report, one export
  sosjax init                          # writes sosjax.toml: network, data, tasks, environments
  sosjax run sosjax.toml --out my-run  # searches; then recover, select, export, report
  sosjax doctor                        # what is installed, which devices, what is missing for what

exit codes:
  0 done; 1 the reader of the output went away, or doctor found a fault; 2 the input cannot be used,
  with one sentence on stderr; 130 interrupted, with the command that continues
"""
Add = Callable[..., argparse.ArgumentParser]


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Leaves examples as they are, and has room for the longest name."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)


def parser(version: str) -> argparse.ArgumentParser:
    """Return the parser; what it parses has `action`, a function of this package by its name."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{NAME} {version}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, action: str, text: str, *examples: str) -> argparse.ArgumentParser:
        lines = "\n".join(f"  {NAME} {name} {example}".rstrip() for example in examples)
        added = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"examples:\n{lines}",
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        added.set_defaults(action=action)
        return added

    _add_searches(add)
    _add_extension(add)
    _add_recovery(add)
    _add_selection(add)
    _add_readers(add)
    _add_device(add)
    _add_comforts(add)
    return parser


def _add_searches(add: Add) -> None:
    demo = add(
        "demo",
        "_commands.demo",
        "search with the embedded network and images",
        "",
        "--out trial --seed 1",
    )
    demo.add_argument(
        "--out", metavar="DIR", help=f"a new folder (default: {DEMO}, or -2, -3, ...)"
    )
    demo.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    init = add(
        "init",
        "_commands.init",
        "write an example configuration, ready to run",
        "",
        "my-search.toml",
    )
    init.add_argument(
        "path", nargs="?", default="sosjax.toml", metavar="PATH", help="default: sosjax.toml"
    )
    run = add(
        "run",
        "_commands.run",
        "search as a configuration file says",
        "sosjax.toml --out my-run",
        "sosjax.toml --out my-run --cluster auto  # the same on every host",
    )
    run.add_argument("config", metavar="CONFIG", help="a TOML file; see `sosjax init`")
    run.add_argument("--out", metavar="RUN", required=True, help="a new folder")
    resume = add(
        "resume",
        "_commands.resume",
        "continue a run from its last checkpoint",
        "my-run",
    )
    resume.add_argument("run", metavar="RUN", help="the folder of a run")
    for parser in (run, resume):
        parser.add_argument(
            "--cluster",
            metavar="C",
            help="started on several hosts: auto (Cloud TPU, SLURM, Kubernetes, Open MPI), or "
            "ADDRESS:PORT,COUNT,NUMBER of the first process, of all, and of this one",
        )
    for parser in (demo, run, resume):
        _add_quiet(parser, "report")


def _add_extension(add: Add) -> None:
    extend = add(
        "extend",
        "_extension.extend",
        "add tasks to a finished run, whose sets stay as they are",
        "my-run --task new.toml --out my-run-2  # new.toml holds [[tasks]]",
        "my-run --task a.toml --task b.toml --out my-run-2 --generations 10",
    )
    _add_run(extend)
    extend.add_argument(
        "--task",
        metavar="FILE",
        action="append",
        required=True,
        help="a TOML file of one or more [[tasks]], as in a configuration; may be given again",
    )
    extend.add_argument(
        "--out", metavar="RUN", required=True, help="a new folder, or one of this that goes on"
    )
    extend.add_argument(
        "--generations", type=int, metavar="N", help="default: as many as the run had"
    )
    _add_quiet(extend, "report")


def _add_recovery(add: Add) -> None:
    recover = add(
        "recover",
        "_recovery.recover",
        "train the members of a run further",
        "my-run",
        "my-run --epochs 20 --rate 0.001",
    )
    recover.add_argument("run", metavar="RUN", help="the folder of a finished run")
    recover.add_argument("--epochs", type=int, metavar="N", help="default: as configured")
    recover.add_argument("--rate", type=float, metavar="R", help="the peak learning rate")
    recover.add_argument("--parts", metavar="P", help="what is trained: all, norms or low-rank")
    _add_quiet(recover, "report")
    fidelity = add(
        "fidelity",
        "_recovery.fidelity",
        "compare the fitness of a run with errors after recovery",
        "my-run",
        "my-run --candidates 16 --out trial",
    )
    fidelity.add_argument("run", metavar="RUN", help="the folder of a finished run")
    fidelity.add_argument(
        "--candidates", type=int, default=40, metavar="N", help="for each task (default: 40)"
    )
    fidelity.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    fidelity.add_argument("--out", metavar="DIR", help="default: RUN/fidelity")
    fidelity.add_argument(
        "--json", action="store_true", help="print all numbers as one JSON object"
    )
    _add_quiet(fidelity, "page")


def _add_selection(add: Add) -> None:
    select = add(
        "select",
        "_commands.select",
        "show the sub-network of a task that fits or suits best",
        "my-run --task tops --env watch           # the lowest validation error that fits",
        "my-run --task tops --bytes 64e3 --why    # limits of your own; why not the others",
        'my-run --task tops --env phone.toml      # a file: name = "phone", flops = 2e6',
        "my-run --task tops --knee flops          # where more FLOPs begin to help less",
        "my-run --task tops --weights error=2,bytes=1",
        "my-run --task tops --at parameters=20000 --json",
    )
    team = add(
        "team",
        "_selection.team",
        "show the best members of several tasks under one total budget",
        "my-run --bytes 100e3                     # a member for every task, in 100 kB",
        "my-run --env hub --tasks tops,shoes      # the limits of an environment, for all",
        "my-run --bytes 1e5 --flops 4e6 --weights tops=3 --json",
    )
    for parser in (select, team):
        _add_run(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_choice(select)
    select.add_argument(
        "--why", action="store_true", help="show of every member why it was chosen or not"
    )
    select.add_argument(
        "--texts",
        type=int,
        metavar="N",
        help="write the translations of N test sentences and tell BLEU and chrF",
    )
    add_team(team)


def _add_readers(add: Add) -> None:
    export = add(
        "export",
        "_commands.export",
        "write the sub-network for a task and place",
        "my-run --task tops --env watch --out tops-on-watch",
        "my-run --task tops --knee bytes --out tops-knee  # chosen as by select",
        "my-run --task tops --env watch --out tops-int8 --format onnx,pytorch --int8",
    )
    report = add(
        "report",
        "_commands.report",
        "show the table of a run and write its page",
        "my-run",
        "my-run --png              # also figures for papers, in my-run/figures",
        "my-run --unrecovered --json",
    )
    report.add_argument(
        "--png", action="store_true", help="draw figures too; needs pip install 'sosjax[plots]'"
    )
    report.add_argument(
        "--json", action="store_true", help="print paths and what was chosen as one JSON object"
    )
    for parser in (export, report):
        _add_run(parser)
    add_choice(export)
    export.add_argument("--out", metavar="DIR", required=True, help="a new folder")
    export.add_argument(
        "--format",
        metavar="F",
        action="append",
        default=[],
        help="beside safetensors and StableHLO, which are always written: onnx, pytorch; may be "
        "given again, or as a list with commas",
    )
    export.add_argument(
        "--json",
        action="store_true",
        help="print what was written, checked and measured as one JSON object",
    )
    export.add_argument(
        "--int8",
        action="store_true",
        help="store matrices as int8, with a scale for each output, and tell the test error",
    )


def _add_run(parser: Any) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a finished run")
    parser.add_argument(
        "--unrecovered",
        action="store_true",
        help="the sets as they were found, where they were recovered",
    )


def _add_device(add: Add) -> None:
    measure = add(
        "measure-device",
        "_device.measure_device",
        "time a network's pieces on this machine, for limits in milliseconds",
        "--out laptop.toml  # the embedded network",
        "my-run --out phone.toml --batch 1 --batch 64",
    )
    measure.add_argument(
        "config",
        metavar="CONFIG",
        nargs="?",
        help="a TOML file or the folder of a run (default: the embedded network)",
    )
    measure.add_argument("--out", metavar="FILE", required=True, help="a new TOML file")
    measure.add_argument(
        "--batch", type=int, action="append", metavar="B", help="examples side by side (default: 1)"
    )
    measure.add_argument("--name", metavar="N", help="of the device (default: what JAX calls it)")
    measure.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    _add_quiet(measure, "file")


def _add_comforts(add: Add) -> None:
    doctor = add(
        "doctor",
        "_doctor.doctor",
        "tell versions, devices, the cache, and what is missing for what",
        "",
        "--json",
    )
    doctor.add_argument("--json", action="store_true", help="as JSON on stdout")
    completion = add(
        "completion",
        "_completion.completion",
        "print a script that completes commands in a shell",
        "bash > ~/.local/share/bash-completion/completions/sosjax",
        'zsh > "${fpath[1]}/_sosjax"',
        "fish > ~/.config/fish/completions/sosjax.fish",
    )
    completion.add_argument("shell", metavar="SHELL", help="bash, zsh, fish, tcsh or powershell")


def _add_quiet(parser: Any, what: str) -> None:
    parser.add_argument(
        "--quiet", action="store_true", help=f"print nothing but the path of the {what}"
    )
