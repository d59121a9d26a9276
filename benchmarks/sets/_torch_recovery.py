"""The same recovery in PyTorch: same weights, optimiser, schedule, batches, steps, distillation."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import torch  # pyright: ignore[reportMissingImports]

from sosjax import Member, Recovery
from sosjax._tree import named_leaves
from sosjax.recover._case import full_params
from sosjax.recover._course import Course, course_of
from sosjax.recover._sharpness import CHOSEN_ON, SHARPNESS
from sosjax.search._problem import Problem
from sosjax.training._orders import orders
from sosjax.training._recovery import warmed

from ..torch_resnet import TorchResNet, as_torch
from ._flagship import Flagship
from ._methods import Tell
from ._numbers import IN_TORCH, THERE

functional = torch.nn.functional


def add_torch_recovery(
    record: dict[str, Any],
    flagship: Flagship,
    problem: Problem,
    picked: Mapping[str, Sequence[Sequence[Member]]],
    tell: Tell,
) -> None:
    """Recover the members of Torch-Pruning in PyTorch and add them as a method of their own."""
    start = time.perf_counter()
    course = course_of(problem, flagship.recovery)
    course = jax.tree.map(np.asarray, course)
    rows: dict[str, list[dict[str, Any]]] = {}
    for number, own in enumerate(picked[THERE]):
        name = problem.tasks[number].name
        known = record["members"][THERE][name]
        rows[name] = [
            row | recovered(problem, course, flagship.recovery, number, member)
            for row, member in zip(known, own, strict=True)
        ]
        tell(f"{name} recovered in PyTorch")
    record["members"][IN_TORCH] = rows
    record["recoveries"][IN_TORCH] = record["recoveries"][THERE]
    record["seconds"]["search"][IN_TORCH] = record["seconds"]["search"][THERE]
    record["seconds"]["recovery"][IN_TORCH] = time.perf_counter() - start


def recovered(
    problem: Problem, course: Course, recovery: Recovery, task: int, member: Member
) -> dict[str, Any]:
    """Train one member as `sosjax.recover` does.

    Args:
      problem: the network and the test examples.
      course: examples and the Jack's outputs, as numpy arrays.
      recovery: how; all parts are trained.
      task: the number of its task.
      member: calibrated, with its head.

    Returns:
      `epoch`, `validation_error` and `test_error` of the best epoch.
    """
    if recovery.parts != "all":
        raise ValueError(f"PyTorch trains all parts here, got {recovery.parts!r}.")
    module = small(problem, member)
    classes = len(member.classes)
    batch = course.lessons.batch
    images = as_torch(batch.inputs[task])
    targets = torch.tensor(batch.targets[task][:, :classes])
    teacher = torch.tensor(
        course.lessons.teacher[task][:, :classes] if recovery.distillation else 0.0
    )
    sharpen(module, *real_rows(batch, task))
    first = orders(batch, recovery, 0)
    steps = int(first.shape[1]) * recovery.epochs
    rate = recovery.suited(problem.jat.graph).rate or 0.0
    schedule = warmed(rate, recovery.warmup, steps)
    pace = recovery.pace(problem.share(task, member.scores.kept))
    rates = pace * np.asarray(schedule(np.arange(steps)))
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=recovery.decay)
    best, kept = marks(module, course.validation, task), 0
    test_error = marks(module, problem.test, task)[0]
    done = stale = 0
    for epoch in range(1, recovery.epochs + 1):
        for rows in np.array(orders(batch, recovery, epoch - 1)[task]):
            optimiser.param_groups[0]["lr"] = float(rates[done])
            module.train()
            said = teacher[rows] if recovery.distillation else None
            optimiser.zero_grad()
            loss(module(images[rows]), targets[rows], said, recovery).backward()
            optimiser.step()
            done += 1
        calibrate(module, course.calibration, task)
        found, stale = marks(module, course.validation, task), stale + 1
        if found < best:
            best, kept, stale = found, epoch, 0
            test_error = marks(module, problem.test, task)[0]
        if stale >= recovery.patience:
            break
    return {"validation_error": best[0], "epoch": kept, "test_error": test_error}


def small(problem: Problem, member: Member) -> Any:
    """Return a member as a PyTorch network of its own widths."""
    graph, full = problem.jat.graph, full_params(problem.jat, member)
    leaves = graph.graph.cut_params(full, member.masks, graph.resized(len(member.classes)))
    options = dict(problem.jat.architecture or {})
    return TorchResNet(named_leaves(jax.tree.map(np.asarray, leaves)), options)


def sharpen(module: Any, images: Any, targets: Any) -> None:
    """Turn the head's outputs into log odds, as recovery does here."""
    with torch.no_grad():
        module.eval()
        outputs, targets = module(images[:CHOSEN_ON]), targets[:CHOSEN_ON]
        losses = [float(functional.cross_entropy(one * outputs, targets)) for one in SHARPNESS]
        factor = SHARPNESS[int(np.argmin(losses))]
        module.head.weight *= factor
        module.head.bias *= factor


def loss(outputs: Any, targets: Any, teacher: Any, recovery: Recovery) -> Any:
    """Return cross-entropy and the divergence from the Jack's outputs."""
    hard = functional.cross_entropy(outputs, targets)
    if teacher is None:
        return hard
    heat = recovery.temperature
    logs, wanted = (functional.log_softmax(one / heat, -1) for one in (outputs, teacher))
    apart = heat**2 * (wanted.exp() * (wanted - logs)).sum(-1).mean()
    return (1 - recovery.distillation) * hard + recovery.distillation * apart


def calibrate(module: Any, batch: Any, task: int) -> None:
    """Estimate the moments of all norms on the calibration examples."""
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = 1.0
        module.train()
        images, _ = real_rows(batch, task)
        module(images)


def marks(module: Any, batch: Any, task: int) -> tuple[float, float]:
    """Return the share of wrong examples, and the cross-entropy in nats that tells ties apart."""
    images, labels = real_rows(batch, task)
    with torch.no_grad():
        module.eval()
        outputs = module(images)
        wrong = float((outputs.argmax(-1) != labels).float().mean())
        return wrong, float(functional.cross_entropy(outputs, labels))


def real_rows(batch: Any, task: int) -> tuple[Any, Any]:
    """Return a task's images and labels without padding."""
    images, targets = np.asarray(batch.inputs[task]), np.asarray(batch.targets[task])
    real = slice(None) if batch.real is None else np.asarray(batch.real[task]) > 0
    return as_torch(images[real]), torch.tensor(targets[real].argmax(-1))
