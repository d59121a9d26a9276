"""Torch-Pruning on the same network and examples: what it keeps, as masks of our groups.

The physically pruned PyTorch network says which channels it kept: before pruning, the running mean
of every BatchNorm is made a list of channel numbers, which Torch-Pruning cuts with the channels.
"""

import time
import warnings
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torch_pruning  # pyright: ignore[reportMissingImports]

from sosjax import Jat
from sosjax._tree import named_leaves
from sosjax.search._judge import Candidates
from sosjax.search._problem import Problem

from ..torch_resnet import TorchResNet, as_torch
from ._flagship import Flagship
from ._methods import Tell, of_masks, sized
from ._numbers import THERE

STEPS = 120
"""Prunes a little at a time: in one step, Torch-Pruning leaves a group whole that it would empty.
Every step is a network to choose from."""
SCOPES = {THERE: True, "Torch-Pruning, local": False}


def torch_proposals(
    flagship: Flagship, problem: Problem, tell: Tell
) -> tuple[dict[str, Candidates], dict[str, float]]:
    """Prune by Taylor scores in PyTorch, for every task with its loss on our search examples.

    Returns:
      For each scope the largest network within each budget, and the seconds that pruning took.
    """
    found, seconds, sizes = {}, {}, problem.mask_sizes
    for name, is_global in SCOPES.items():
        start = time.perf_counter()
        paths = [pruned(problem, task, is_global) for task in range(len(problem.tasks))]
        found[name] = sized(problem, of_masks(paths, sizes), flagship.cost, flagship.sizes(name))
        seconds[name] = time.perf_counter() - start
        tell(f"{name}: {seconds[name]:.0f} s")
    return found, seconds


def pruned(problem: Problem, task: int, is_global: bool) -> list[list[np.ndarray]]:
    """Return masks of our groups for each step of pruning, the largest network first."""
    jat, batch = problem.jat, problem.search
    module = TorchResNet(named_leaves(jat.params), dict(jat.architecture or {}))
    images = as_torch(batch.inputs[task])
    labels = torch.tensor(np.asarray(batch.targets[task]).argmax(-1))
    classes = [int(one) for one in np.asarray(batch.classes[task])[np.asarray(batch.valid[task])]]
    module.eval()
    loss = torch.nn.functional.cross_entropy(module(images)[:, classes], labels, reduction="none")
    rows = (
        torch.ones(len(images)) if batch.real is None else torch.tensor(np.array(batch.real[task]))
    )
    (loss * rows).sum().div(rows.sum()).backward()
    for layer in norms(module).values():
        layer.running_mean.data = torch.arange(len(layer.running_mean)).float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pruner = torch_pruning.pruner.BasePruner(
            module,
            images[:1],
            importance=torch_pruning.importance.GroupTaylorImportance(),
            global_pruning=is_global,
            pruning_ratio=1.0,
            iterative_steps=STEPS,
            ignored_layers=[module.head],
        )
        found = [kept(jat, module)]
        for _ in range(STEPS - 1):
            pruner.step()
            found.append(kept(jat, module))
    return found


def norms(module: Any) -> dict[str, Any]:
    """Return the BatchNorms by our names."""
    return {
        name.replace(".", "/"): layer
        for name, layer in module.named_modules()
        if isinstance(layer, torch.nn.BatchNorm2d)
    }


def kept(jat: Jat, module: Any) -> list[np.ndarray]:
    """Return for each of our groups which units a tagged PyTorch network has left.

    Raises:
      ValueError: the layers of one of our groups kept different channels: the groups differ.
    """
    layers, masks = norms(module), []
    for group in jat.graph.groups:
        names = [leaf.removesuffix("/mean") for leaf, _ in group.places if leaf.endswith("/mean")]
        found = {tuple(layers[name].running_mean.long().tolist()) for name in names}
        if len(found) != 1:
            raise ValueError(f"Layers of group {group.name} keep {len(found)} sets of channels.")
        mask = np.zeros(group.size, bool)
        mask[list(found.pop())] = True
        masks.append(mask)
    return masks
