"""The driver: one pass over all tasks, in blocks of generations between two checkpoints."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require
from .._progress import Progress
from ..environments._environment import Environment
from ..fitness._placement import everywhere, fetched, leads, population_mesh, together
from ..pareto._dominance import nondominated
from ..sets._member import Member, Scores
from ..sets._origin import weights_digest
from ..sets._set_of_sets import SetOfSets, TaskSet
from ..tasks._dataset import Dataset
from ..tasks._task import Task, data_of
from ._checkpoint import load_checkpoint, save_checkpoint
from ._chunk import fitted
from ._evolution import Evolution, Progressed
from ._judge import candidates, judge, share, unbeaten
from ._problem import Problem
from ._run_folder import RunFolder
from ._uniform import uniform_candidates


@final
class Driver:
    """One search: its parts, put together once, and its run.

    Attributes:
      problem: the network, the tasks and their examples.
      settings: how to search.
      environments: where members will run.
    """

    def __init__(
        self,
        problem: Problem,
        environments: Sequence[Environment],
        progress: Progress,
        known: np.ndarray | None = None,
    ) -> None:
        """Put a search together.

        Args:
          problem: what is asked.
          environments: where members will run.
          progress: called with what happens.
          known: genotypes that each task's first generation holds, [N, D]; `None`: none.
        """
        self.problem, self.settings = problem, problem.settings
        self.progress = progress
        self.known = known
        self.environments = tuple(environments)
        self.evolution = Evolution.of(problem)

    def run(self, run: RunFolder | None) -> SetOfSets:
        """Search from the newest checkpoint, or from the start, to the sets.

        Args:
          run: what holds checkpoints and journal, and gets more of them; `None` keeps nothing.
        """
        for note in _notes(self.problem.tasks):
            self.progress({"event": note})
        settings, last = self.settings, self.settings.generations + 1
        start, state = time.monotonic(), self._start(run)
        self.progress({"event": "compiling the first generation"})
        run = run if leads() else None  # all processes read it, one writes
        seconds = self._seconds_before(run, int(state.generation))
        key, limit = jax.random.key(settings.seed), jnp.int32(settings.generations)
        mesh = population_mesh()
        asked = everywhere((self.problem.jat.params, self.problem.search, key, limit), mesh)
        evolution = fitted(self.evolution, *asked, everywhere(state, mesh))
        while (done := int(state.generation)) < last:
            with together():
                found = evolution.advance(*asked, everywhere(state, mesh))
                state, volumes = fetched(found, mesh)
            elapsed = seconds + time.monotonic() - start
            lines = [
                self._line(done + index, volume, elapsed)
                for index, volume in enumerate(np.asarray(volumes)[: last - done])
            ]
            if run is not None:
                # The journal first: a resumed run drops the lines after its checkpoint.
                run.append_journal(lines)
                save_checkpoint(run.checkpoints, int(state.generation), state)
            for line in lines:
                self.progress(line | {"generations": settings.generations})
        self.progress({"event": "judging the sets on validation and test data"})
        return SetOfSets(self._sets(state), self.environments, self._facts())

    def _start(self, run: RunFolder | None) -> Progressed:
        start = self.evolution.start(self.problem.unranked(), self.settings.seed, self.known)
        if run is not None:
            state, warnings = load_checkpoint(run.checkpoints, start)
            for warning in warnings:
                self.progress({"event": warning, "warning": True})
            if state is not None:
                return state
        return start._replace(rankings=self.problem.rankings())

    def _seconds_before(self, run: RunFolder | None, generation: int) -> float:
        lines = run.rewind_journal(generation - 1) if run is not None else []
        return lines[-1]["seconds"] if lines else 0.0

    def _line(self, generation: int, volumes: np.ndarray, seconds: float) -> dict[str, Any]:
        evaluations = (generation + 1) * self.settings.population * len(self.problem.tasks)
        names = [task.name for task in self.problem.tasks]
        return {
            "generation": generation,
            "evaluations": evaluations,
            "hypervolume": {
                name: round(float(volume), 6) for name, volume in zip(names, volumes, strict=True)
            },
            "seconds": round(seconds, 3),
        }

    def _sets(self, state: Progressed) -> tuple[TaskSet, ...]:
        """Judge the fronts and the baseline in the same way, by the same program."""
        problem, tasks = self.problem, len(self.problem.tasks)
        population, fitness = (
            leaf.reshape(tasks, -1, leaf.shape[-1])
            for leaf in (state.strategy.population, state.strategy.fitness)
        )
        fronts = candidates(
            problem.encoding, population, state.rankings, jax.vmap(nondominated)(fitness)
        )
        sets = []
        cuts = uniform_candidates(problem, state.rankings, environments=self.environments)
        judged = judge(problem, [fronts, cuts])
        each = zip(problem.tasks, judged, fitness[..., 0], strict=True)
        for number, (task, (jack, (found, uniform)), seen) in enumerate(each):
            require(
                len(found) > 0,
                f"`tasks` {task.name} must have a candidate with a finite error, got none.",
            )
            first = self.settings.objectives[0] == "error"
            members = [
                replace(
                    member,
                    scores=replace(member.scores, search_error=share(seen[row]) if first else None),
                )
                for row, member in found.items()
            ]
            if self.settings.uniform:
                members += uniform.values()
                scores = [member.scores for member in members]
                errors = [one.validation_error for one in scores]
                rows = unbeaten(problem, number, scores, errors)
                members = [members[row] for row in rows]
                members = _smaller(members, jack) or members
            members.sort(key=lambda member: (member.scores.parameters, member.scores.flops))
            scores = tuple(member.scores for member in uniform.values())
            sets.append(TaskSet(task.name, tuple(task.classes), jack, tuple(members), scores))
        return tuple(sets)

    def _groups(self) -> list[dict[str, Any]]:
        """Return what members keep some of, and what they keep or not: blocks have size one."""
        graph = self.problem.jat.graph
        blocks = graph.blocks[: self.problem.encoding.blocks]
        groups = [{"name": group.name, "size": group.size} for group in graph.groups]
        return groups + [{"name": f"block {block.name}", "size": 1} for block in blocks]

    def _facts(self) -> dict[str, Any]:
        jat = self.problem.jat
        graph = jat.graph
        dense = graph.cost(np.asarray(graph.sizes), graph.classes)
        return {
            "network": {
                "name": jat.name,
                "architecture": jat.architecture,
                "groups": self._groups(),
                "weights": weights_digest(jat),
                **{name: int(cost) for name, cost in dense.items()},
            },
            "kind": self.problem.kind,
            "units": self.problem.units(),
            "data": _described(self.problem.tasks),
            **({} if jat.adaptation is None else {"adaptation": jat.adaptation}),
            **asdict(self.settings),
        }


def _smaller(members: Sequence[Member], jack: Scores) -> list[Member]:
    """Return the members that have fewer parameters than the whole network."""
    return [member for member in members if member.scores.parameters < jack.parameters]


def _distinct(tasks: Sequence[Task]) -> list[Dataset]:
    """Return the tasks' data, each once."""
    return list({id(data): data for data in map(data_of, tasks)}.values())


def _notes(tasks: Sequence[Task]) -> list[str]:
    """Return what is to be known of the tasks' data, how many texts were cut say."""
    return list(dict.fromkeys(note for data in _distinct(tasks) for note in data.notes))


def _described(tasks: Sequence[Task]) -> dict[str, Any]:
    """Return name, classes, sizes and notes of the tasks' data; of several, joined."""
    own, parts = _distinct(tasks), ("search", "validation", "test")
    return {
        "name": ", ".join(dict.fromkeys(data.name for data in own)),
        "classes": list(dict.fromkeys(name for data in own for name in data.classes)),
        "sizes": {part: sum(len(getattr(data, part)) for data in own) for part in parts},
        "notes": _notes(tasks),
    }
