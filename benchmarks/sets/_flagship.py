"""What is measured: a network, its tasks, how it is searched and how members are recovered."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import sosjax
from sosjax import Dataset, Environment, Jat, Recovery, Settings, Task
from sosjax.cli._config import example_text, parse_config
from sosjax.models import load_tokenizer

from ..share import share_of
from ..text import SMALL, task_of

REPORTED = (0.02, 0.05, 0.10, 0.25, 0.50)
"""Shares of the whole network that errors are told at."""
BUDGETS = (0.10, 0.05, 0.50, 0.25, 0.02, 0.17, 0.35, 0.035)
"""Shares that members are chosen for, the first ones first where fewer are recovered."""
TEXTS = ("science", "R8")
"""Topics of forums and of news: where MiniLM's layers are worth most by validation data of seven
tasks. Recovered, it errs less than half as often as without any of them."""
MATCHED = "uniform Taylor, as many recoveries"


@dataclass(frozen=True)
class Flagship:
    """One network and its tasks.

    Attributes:
      name: `images` or `text`.
      jat: the network.
      data: the examples of all tasks, if they share them.
      tasks: the tasks.
      settings: of the search that is shown.
      recovery: of every method's members.
      cost: what budgets are shares of: `parameters` or `flops`.
      members: how many of each method are recovered for each task.
      matched: whether uniform Taylor is also shown with as many recoveries as the Set, rounds
        included.
      search_seconds: of one search, on two idle cores.
      epoch_seconds: of recovering one member for one epoch, likewise, compiling shared out.
    """

    name: str
    jat: Jat
    data: Dataset | None
    tasks: tuple[Task, ...]
    settings: Settings
    recovery: Recovery
    cost: str
    members: int
    search_seconds: float
    epoch_seconds: float
    matched: bool = False

    def at(self, seed: int) -> "Flagship":
        """Return the same with another seed of search and recovery."""
        return replace(
            self,
            settings=replace(self.settings, seed=seed),
            recovery=replace(self.recovery, seed=seed),
        )

    @property
    def environments(self) -> tuple[Environment, ...]:
        """The budgets as limits."""
        return tuple(
            share_of(
                self.jat, self.data, self.tasks, f"{share:.1%} of {self.cost}", self.cost, share
            )
            for share in BUDGETS
        )

    @property
    def recoveries(self) -> int:
        """How many members of the Set are recovered for each task, at most."""
        further = self.recovery.further if self.recovery.rounds else 0
        return self.members + (1 + self.recovery.rounds) * further

    def sizes(self, method: str) -> tuple[float, ...]:
        """Return the shares that a method without a search is sized by."""
        if method != MATCHED:
            return BUDGETS[: self.members]
        return tuple(np.geomspace(min(BUDGETS), max(BUDGETS), self.recoveries).tolist())

    def estimate(self, methods: int, searches: int) -> float:
        """Return the minutes that one seed takes on two idle cores."""
        each = (methods - 1) * self.members + (1 + self.matched) * self.recoveries
        recoveries = each * len(self.tasks)
        recovering = recoveries * self.recovery.epochs * self.epoch_seconds
        return (searches * self.search_seconds + recovering) / 60


def images(folder: Path | None = None, weights: Path | None = None) -> Flagship:
    """Return the embedded network with its images, or with all test images of a folder."""
    del weights  # they come with sosjax
    config = parse_config(example_text(), Path.cwd(), "the example")
    jat, data, tasks = config.load()
    if folder is not None:
        data = sosjax.fashion_mnist(folder)
    return Flagship(
        name="images",
        jat=jat,
        data=data,
        tasks=tasks,
        settings=config.settings,
        recovery=Recovery(epochs=4, rate=5e-3),
        cost="parameters",
        members=5,
        search_seconds=65.0,
        epoch_seconds=0.6,
    )


def text(folder: Path | None = None, weights: Path | None = None) -> Flagship:
    """Return MiniLM with tasks of `benchmarks.text`, searched and recovered much as there.

    Texts are longer, since of 16 tokens little more is learnt than which words they are.
    """
    if folder is None or weights is None:
        raise SystemExit("--data and --weights must name the folders of texts and of MiniLM")
    scale = replace(SMALL, length=24, most=768)
    jat = sosjax.load(weights, length=scale.length, name="MiniLM")
    tokenizer = load_tokenizer(weights)
    return Flagship(
        name="text",
        jat=jat,
        data=None,
        tasks=tuple(task_of(one, folder, tokenizer, scale) for one in TEXTS),
        settings=replace(scale.settings, generations=7),
        recovery=replace(scale.recovery, rounds=3, further=6),
        cost="flops",
        members=5,
        search_seconds=300.0,
        epoch_seconds=4.0,
    )


FLAGSHIPS: dict[str, Callable[..., Flagship]] = {"images": images, "text": text}


def short(flagship: Flagship) -> Flagship:
    """Return a trial of minutes: it shows that all parts work and what they cost, no more."""
    tasks = flagship.tasks[:2]
    changes: dict[str, Any] = {"population": 8, "generations": 1, "images": 64}
    return replace(
        flagship,
        tasks=tasks,
        settings=replace(flagship.settings, **changes),
        recovery=replace(flagship.recovery, epochs=1, images=512, rounds=1, further=2),
        members=2,
    )
