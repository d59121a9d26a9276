"""Does the Set of Sets win, before and after recovery, against what one would do instead?

    python -m benchmarks.sets --flagship images --cache FOLDER
    python -m benchmarks.sets --flagship images --cache FOLDER --data FASHION_MNIST
    python -m benchmarks.sets --flagship text --cache FOLDER --data TEXTS --weights MINILM

Methods: the Set of Sets with the flagship's settings; uniform shares over a Taylor and a magnitude
ranking, and one threshold for all groups over Taylor scores, each as large as a budget allows;
random search on the same encoding; single-task NSGA-II, one search for each task; multitask
without transfer (rmp = 0); the paper's way (bits, raw fitness); and, with `--torch`,
Torch-Pruning's global and local Taylor pruning in PyTorch. The searches have the same evaluations.

All are judged alike: moments and closed-form head from the same calibration examples. For each task
every method contributes as many members at most, one for each budget of 2 to 50 %: of a search that
with the lowest validation error within, else the largest within. All are recovered by the same
program with the same number of gradient steps on the same examples. `--torch` also recovers the
members of Torch-Pruning in PyTorch, with the same optimiser, schedule and batches. Where recovery
seeks further members (`rounds`), within the budgets and between them, the first front alone is
shown as well; with `--matched`, uniform Taylor with as many recoveries; and, with `--control`,
what the same rounds make of a start by random search or by uniform Taylor, of the Jack adapted
first, and of a search and budgets that are of FLOPs. The errors of what went through rounds are
what these expect of them, as `select` takes them; those of all others their own.

Test data is told at the end and chooses nothing. Intervals of means are Student's t over seeds;
tests are Wilcoxon's signed ranks over the pairs of task and seed. Finished searches, recoveries and
seeds are kept in the cache: a run that was killed goes on. `--add` takes from the record the seeds
that it has already of the same settings and runs the others, and what else is asked of all;
`--renew` finds the Set of those again and leaves the other methods as they are. `--short` is a
trial of minutes.

FOLDERs: `--data` holds the four idx files of Fashion-MNIST, or the packages that
`benchmarks.text_corpora` names; MINILM is a folder in Hugging Face layout. Writes
`results/sets_FLAGSHIP.json` and `.png`.
"""

import argparse
import json
import re
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax

from sosjax import Recovery, Settings
from sosjax.fitness._kernel import MODES

from ..record import RESULTS, record
from ._control_seed import with_control
from ._flagship import BUDGETS, FLAGSHIPS, Flagship, short
from ._methods import SEARCHES, Tell
from ._numbers import CONTROLS, OURS, REPORTED, agreement, summary
from ._picture import draw
from ._seed import one_seed, renewed
from ._table import show

RECOVERY = {
    "epochs": "of every member's recovery",
    "rounds": "in which further members of the Set are sought",
    "further": "members for each task and round",
}
RENEWED = f"`{OURS}` was found and recovered again, by a later version than the other methods."
TAKEN = "Seeds"
BASELINES = 4
"""Methods without a search by sosjax, Torch-Pruning left out, and single-task search."""


def checked(cache: Path, flagship: Flagship) -> None:
    """Refuse a cache of other settings.

    Raises:
      SystemExit: it is of other settings.
    """
    cache.mkdir(parents=True, exist_ok=True)
    asked = json.dumps(
        {
            "flagship": flagship.name,
            "tasks": [task.name for task in flagship.tasks],
            "settings": asdict(flagship.settings),
            "recovery": asdict(flagship.recovery),
            "members": flagship.members,
            "matched": flagship.matched,
        },
        indent=1,
    )
    path = cache / "asked.json"
    if path.exists() and path.read_text() != asked:
        raise SystemExit(f"--cache must be of the same settings, got others in {path}")
    path.write_text(asked)


def options() -> argparse.ArgumentParser:
    """Return what the command line takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flagship", choices=list(FLAGSHIPS), default="images")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--members", type=int, help="of each method and task, to recover")
    for name, help in RECOVERY.items():
        parser.add_argument(f"--{name}", type=int, help=help)
    parser.add_argument("--fitness", choices=MODES, help="of the searches but the paper's")
    parser.add_argument("--data", type=Path, help="a folder of images or texts")
    parser.add_argument("--weights", type=Path, help="the folder of MiniLM")
    parser.add_argument("--cache", type=Path, required=True, help="a folder to go on from")
    parser.add_argument("--torch", action="store_true", help="also Torch-Pruning (images)")
    parser.add_argument(
        "--matched", action="store_true", help="also uniform Taylor with as many recoveries"
    )
    parser.add_argument(
        "--control",
        choices=list(CONTROLS),
        action="append",
        default=[],
        help="also the rounds after this start, or with this difference",
    )
    parser.add_argument("--add", action="store_true", help="seeds to those recorded already")
    parser.add_argument(
        "--renew", action="store_true", help="the Set alone; other methods are as recorded"
    )
    parser.add_argument("--short", action="store_true", help="a trial of minutes")
    parser.add_argument("--name", help="of the results, in place of sets_FLAGSHIP")
    return parser


def main() -> None:
    parser = options()
    asked = parser.parse_args()
    flagship = chosen(asked)
    if asked.torch and flagship.name != "images":
        parser.error("--torch is for images: see the record of text")
    checked(asked.cache, flagship)
    methods = len(SEARCHES) + BASELINES + 2 * asked.torch
    minutes = flagship.estimate(methods, len(SEARCHES) + 2)
    print(f"about {minutes:.0f} minutes a seed on two idle cores", flush=True)
    seeds, start = [], time.perf_counter()

    def tell(event: str) -> None:
        wall, busy = time.perf_counter() - start, time.process_time()
        print(f"{wall:>6.0f} s ({busy:.0f} s of processors)  {event}", flush=True)

    name = asked.name or f"sets_{flagship.name}{'_short' if asked.short else ''}"
    path = RESULTS / f"{name}.json"
    known = recorded(path, flagship) if asked.add or asked.renew else {}
    earlier = json.loads(path.read_text()) if known else None
    if asked.renew and not set(range(asked.seeds)) <= set(known):
        parser.error(f"--renew must find {asked.seeds} seeds of the same settings in {name}.json")
    for seed in range(asked.seeds):
        tell(f"seed {seed}{', as recorded' if seed in known else ''}")
        seeds.append(measured(seed, known, flagship, asked, tell))
        jax.clear_caches()  # compiled programs are some gigabytes a seed
        elapsed = (time.perf_counter() - start) / (seed + 1)
        left = (asked.seeds - seed - 1) * elapsed / 60
        tell(f"seed {seed} done; {left:.0f} minutes left at this pace")
    found = summary(seeds)
    show(found, flagship.cost, seeds)
    same = agreement(seeds)
    if same is not None:
        print(f"\nrecovered here and in PyTorch: {same}")
    content = facts(flagship, seeds, asked, earlier) | {
        "recovery_in_pytorch": same,
        "summary": found,
        "seeds": seeds,
    }
    path = record(name, content, ("scipy", "optax"))
    path.write_text(in_lines(path.read_text()))
    draw(seeds, flagship.cost, path.with_suffix(".png"))
    print(f"\n{path}\n{path.with_suffix('.png')}")


def measured(
    seed: int, known: dict[int, dict], flagship: Flagship, asked: argparse.Namespace, tell: Tell
) -> dict[str, Any]:
    """Return the record of a seed: as it is known, or anew, with what else is asked of all."""
    if asked.renew:
        found = renewed(known[seed], flagship, asked.cache, tell)
    elif seed in known:
        found = known[seed]
    else:
        found = one_seed(flagship, seed, asked.cache, tell)
        if asked.torch:
            from ._torch_seed import with_torch

            found = with_torch(found, flagship, seed, asked.cache, tell)
    for control in asked.control:
        found = with_control(found, flagship, control, seed, asked.cache, tell)
    return found


def chosen(asked: argparse.Namespace) -> Flagship:
    """Return the flagship with what was asked otherwise."""
    flagship = FLAGSHIPS[asked.flagship](asked.data, asked.weights)
    flagship = short(flagship) if asked.short else flagship
    flagship = replace(flagship, matched=asked.matched)
    if asked.fitness is not None:
        settings = replace(flagship.settings, fitness=asked.fitness)
        flagship = replace(flagship, settings=settings)
    if asked.members is not None:
        flagship = replace(flagship, members=asked.members)
    for name in RECOVERY:
        if getattr(asked, name) is not None:
            recovery = replace(flagship.recovery, **{name: getattr(asked, name)})
            flagship = replace(flagship, recovery=recovery)
    return flagship


def recorded(path: Path, flagship: Flagship) -> dict[int, dict]:
    """Return the seeds that an earlier record of the same settings has, by number."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text())
    # What a record of an earlier version does not name had its default.
    own = {"settings": Settings, "recovery": Recovery}
    known = content | {name: asdict(of(**content[name])) for name, of in own.items()}
    asked = wanted(flagship)
    for one in (known, asked):
        one["settings"] |= {"chunk": None}  # changes no result on a CPU
    known, asked = (json.loads(json.dumps(one)) for one in (known, asked))
    same = all(known[key] == value for key, value in asked.items())
    return {one["seed"]: one for one in content["seeds"]} if same else {}


def wanted(flagship: Flagship) -> dict[str, Any]:
    """Return what a record says of what was asked."""
    return {
        "network": flagship.jat.name,
        "tasks": [task.name for task in flagship.tasks],
        "settings": asdict(flagship.settings),
        "recovery": asdict(flagship.recovery),
        "members": flagship.members,
    }


def in_lines(text: str) -> str:
    """Return JSON with one line for each innermost list and object, numbers to five digits."""

    def line(found: re.Match) -> str:
        return re.sub(
            r"\d+\.\d{6,}", lambda one: f"{float(one[0]):.5g}", " ".join(found[0].split())
        )

    return re.sub(r"[\[{][^\[\]{}]*[\]}]", line, text)


def facts(
    flagship: Flagship, seeds: list, asked: argparse.Namespace, earlier: dict[str, Any] | None
) -> dict[str, Any]:
    """Return what was run, for the record; `earlier` is the one that seeds were taken from."""
    settings = flagship.settings
    options = [f"--flagship {flagship.name}", f"--seeds {len(seeds)}"]
    given = {name: getattr(asked, name) for name in ("fitness", "members", *RECOVERY)}
    options += [f"--{name} {value}" for name, value in given.items() if value is not None]
    options += [
        f"--{name}"
        for name in ("torch", "matched", "add", "renew", "short")
        if getattr(asked, name)
    ]
    options += [f"--control '{name}'" for name in asked.control]
    options += [f"--{name} FOLDER" for name in ("data", "weights") if getattr(asked, name)]
    notes = [
        f"every method begins with at most {flagship.members} members for each task: for each "
        "budget the largest within it, and of a search the lowest validation error; rounds add "
        "further ones, see `recoveries`.",
        f"hypervolumes: from {min(REPORTED):.0%} to 100 %; what is smaller counts as the least.",
        "single-task NSGA-II is mo-mfea with one task, which does the same; it draws as many "
        "search examples of its own, and is judged on those of the others.",
        "the paper's way: bits and raw fitness in the search; its sub-networks are calibrated, "
        "given a head and recovered as all others.",
        "intervals: Student's t over seeds; tests: Wilcoxon's signed ranks over task and seed, "
        f"two-sided, `{OURS}` against each; `reduction`: 1 - sum of errors / sum of errors.",
        "seconds of recovery: of all methods together, shared out by their members' FLOPs.",
    ]
    if asked.renew:
        notes.append(RENEWED)
    if earlier is not None:
        notes += [one for one in earlier["notes"] if one.startswith((RENEWED, TAKEN))]
        taken = [seed["seed"] for seed in earlier["seeds"]]
        notes.append(f"{TAKEN} {taken} are of an earlier version: `{earlier['command']}`.")
    if flagship.name == "text":
        notes.append(
            "Torch-Pruning is left out: on encoders its groups are others (all heads with the "
            "sizes in them, and the residual width under layer norms: see torch_pruning_groups), "
            "so that what it prunes is no mask of this graph. `global Taylor`, one threshold for "
            "all groups, stands in its place."
        )
    return {
        "command": f"python -m benchmarks.sets {' '.join(options)} --cache FOLDER",
        "device": jax.devices()[0].device_kind,
        **wanted(flagship),
        "test_images": None if flagship.data is None else len(flagship.data.test),
        "evaluations": len(flagship.tasks) * settings.population * (settings.generations + 1),
        "budgets": sorted(BUDGETS),
        "notes": notes,
    }


if __name__ == "__main__":
    main()
