"""Sub-networks of all tasks trained bucket by bucket, epoch by epoch."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._progress import Progress
from .._tree import named_leaves
from ..search._checkpoint import load_checkpoint, save_checkpoint
from ..search._problem import Problem
from ..training._orders import orders, steps
from ..training._recovery import Recovery
from ..training._trainer import SubNetwork, Trainer
from ._bucket import Bucket, buckets, cropped, placed, widened
from ._bucket_training import BucketTraining, Trainee
from ._case import Case, FineTuned
from ._course import Course, course_of
from ._kept import digest, load_tuned, save_tuned
from ._prepared import prepared
from ._trimmed import Trimmed, trim
from ._workers import side_by_side, workers

SECONDS = 20.0
"""Between checkpoints at least: one holds four times the weights of all that are trained."""


def fine_tune(
    problem: Problem,
    cases: Sequence[Case],
    recovery: Recovery,
    place: Path | None = None,
    progress: Progress | None = None,
    course: Course | None = None,
) -> list[FineTuned]:
    """Train sub-networks, those of like widths in one program.

    Args:
      problem: the network and the examples.
      cases: the sub-networks, of all tasks.
      recovery: how to train.
      place: a folder to keep checkpoints in.
      progress: as for `recover`.
      course: the examples, if they are laid out already.

    Returns:
      What became of each, in their order.
    """
    recovery = recovery.suited(problem.jat.graph)
    course = course_of(problem, recovery) if course is None else course
    cases, came = prepared(problem, course, cases)
    found: dict[int, FineTuned] = {}
    outputs = course.lessons.batch.valid.shape[1]
    taken = recovery.epochs * steps(course.lessons.batch, recovery)
    examples = 3.0 * taken * recovery.batch
    masks = [case.masks for case in cases]
    trimmed = trim(problem.jat.graph, course)
    sorted_in = buckets(
        trimmed.graph, masks, outputs, examples, recovery.together, workers(), taken
    )

    def run(number: int, tell: Progress) -> list[FineTuned]:
        bucket = sorted_in[number]
        name = f"bucket {number + 1} of {len(sorted_in)}, {len(bucket.rows)} members"
        own, before = zip(*((cases[row], came[row]) for row in bucket.rows), strict=True)
        own_place = None if place is None else place / f"bucket-{digest(own)}"
        tuned, warnings = (None, []) if own_place is None else load_tuned(own_place)
        for warning in warnings:
            tell({"event": f"{name}: {warning}", "warning": True})
        if tuned is None:
            filled = _Bucketful(problem, course, recovery, trimmed, bucket, own, before)
            tuned = filled.run(own_place, name, tell)
        _tell_diverged(problem, own, tuned, tell)
        return tuned

    for bucket, tuned in zip(sorted_in, side_by_side(run, len(sorted_in), progress), strict=True):
        found |= dict(zip(bucket.rows, tuned, strict=True))
    return [found[row] for row in range(len(cases))]


class _Bucketful:
    """One bucket's members, their programs and their checkpoints."""

    def __init__(
        self,
        problem: Problem,
        course: Course,
        recovery: Recovery,
        trimmed: Trimmed,
        bucket: Bucket,
        cases: Sequence[Case],
        before: Sequence[tuple[float, float]],
    ) -> None:
        self.problem, self.course, self.recovery = problem, course, recovery
        self.trimmed, self.bucket, self.cases = trimmed, bucket, cases
        self.before, self.losses = np.array(before, np.float32).T
        total = steps(course.lessons.batch, recovery) * recovery.epochs
        trainer = Trainer(bucket.graph, problem.kind, recovery, total)
        self.training = BucketTraining(trainer, problem.kernel.lanes)
        head, width = problem.jat.graph.head, course.lessons.batch.valid.shape[1]
        full = (trimmed.take(case.params(problem.jat)) for case in cases)
        pairs = [
            placed(trimmed.graph, widened(params, head, width), case.masks, wide)
            for params, case, wide in zip(full, cases, bucket.wide, strict=True)
        ]
        paces = [recovery.pace(problem.share(case.task, case.kept)) for case in cases]
        tasks = jnp.asarray([case.task for case in cases])
        params, there = map(_stacked, zip(*pairs, strict=True))
        self.members = SubNetwork(params, there, tasks, jnp.asarray(paces))

    def run(self, place: Path | None, name: str, progress: Progress) -> list[FineTuned]:
        """Train from the newest checkpoint, or from the start, to the last epoch."""
        start = written = time.monotonic()
        keys = jax.random.key(self.recovery.seed)
        keys = jax.random.split(keys, len(self.cases))
        start_of = jax.jit(self.training.start)
        trainees, done = start_of(keys, self.members.params, self.before, self.losses), 0
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
            kept, warnings = load_checkpoint(place, (jnp.zeros((), jnp.int32), trainees))
            for warning in warnings:
                progress({"event": f"{name}: {warning}", "warning": True})
            if kept is not None:
                done, trainees = int(kept[0]), kept[1]
        # What is trained is given up for what becomes of it: both at once would be twice as large.
        epoch = jax.jit(self.training.epoch, donate_argnums=1)
        while done < self.recovery.epochs and not self._all_rest(trainees):
            order = orders(self.course.lessons.batch, self.recovery, done)
            done += 1
            trainees = epoch(jnp.int32(done), trainees, self.members, order, self.course)
            if place is not None and time.monotonic() - written >= SECONDS:
                save_checkpoint(place, done, (jnp.int32(done), trainees))
                written = time.monotonic()
            error = float(np.asarray(trainees.error).mean())
            text = f"recovering {name}: epoch {done} of {self.recovery.epochs}, mean validation "
            text += f"error {error:.4f} ({self.before.mean():.4f} before)"
            progress({"event": f"{text}, {time.monotonic() - start:.0f} s"})
        self._warn(trainees, progress)
        tuned = self._tuned(trainees)
        if place is not None:
            save_tuned(place, tuned)
        return tuned

    def _warn(self, trainees: Trainee, progress: Progress) -> None:
        """Tell of the members that training made worse, if their numbers stayed within bounds."""
        lost, last = np.asarray(trainees.lost), np.asarray(trainees.last)
        worse = ~lost & (np.asarray(trainees.epoch) == 0) & (last > self.losses)
        if worse.any():
            before, after = (leaf[worse].mean() for leaf in (self.losses, last))
            text = f"{worse.sum()} of {len(worse)} members stay as they came, since no epoch made "
            text += f"them better and their validation losses rose, from {before:.3g} to "
            text += f"{after:.3g} on average"
            progress({"event": f"{text}; a lower `recovery.rate` may help", "warning": True})

    def _all_rest(self, trainees: Trainee) -> bool:
        rests = np.asarray(trainees.lost | (trainees.stale >= self.recovery.patience))
        return bool(rests.all())

    def _tuned(self, trainees: Trainee) -> list[FineTuned]:
        trainees = jax.tree.map(np.asarray, trainees._replace(learner=None))
        graph = self.problem.jat.graph
        found = []
        for row, (case, wide) in enumerate(zip(self.cases, self.bucket.wide, strict=True)):
            best = named_leaves(jax.tree.map(lambda leaf, row=row: leaf[row], trainees.best))
            params = case.params(self.problem.jat)
            best = cropped(best, graph.head, graph.outputs(params))
            trained = self.trimmed.graph.expanded(self.trimmed.take(params), best, wide)
            params = self.trimmed.put(params, trained)
            own = graph.graph.cut_params(params, case.masks, graph.resized(graph.outputs(params)))
            found.append(
                FineTuned(
                    weights={name: np.asarray(leaf) for name, leaf in named_leaves(own).items()},
                    epoch=int(trainees.epoch[row]),
                    lost=bool(trainees.lost[row]),
                    before=float(self.before[row]),
                    after=float(trainees.error[row]),
                    loss=float(trainees.loss[row]),
                )
            )
        return found


def _tell_diverged(
    problem: Problem, cases: Sequence[Case], tuned: Sequence[FineTuned], progress: Progress
) -> None:
    """Tell of the members whose numbers went beyond all bounds."""
    for case, one in zip(cases, tuned, strict=True):
        if one.lost:
            text = f"a member of {problem.tasks[case.task].name} that keeps {case.kept} diverged: "
            text += "it has the weights of its best epoch, or those it came with"
            progress({"event": f"{text}; a lower `recovery.rate` may help", "warning": True})


def _stacked(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jax.device_put(np.stack(leaves)), *trees)
