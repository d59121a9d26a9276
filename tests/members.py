"""Tiny networks of every family, and members of them that no search has found."""

import numpy as np
from problem import drawn

from sosjax import Member, Scores
from sosjax._tree import named_leaves
from sosjax.models import built, jat_of

TEXT = {"vocabulary": 40, "hidden": 16, "layers": 2, "heads": 4, "intermediate": 24}
FAMILIES = {
    "resnet": {"widths": (4, 6), "depths": (2, 2), "classes": 5, "input_shape": (9, 8, 3)},
    "vit": {"hidden": 16, "layers": 2, "heads": 4, "intermediate": 24, "patch": 4, "classes": 5}
    | {"input_shape": (8, 12, 3)},
    "bert": TEXT | {"positions": 12, "length": 8},
    "mpnet": TEXT | {"positions": 12, "length": 8},
    "efficientnet": {"width": 0.1, "depth": 0.3, "classes": 5, "input_shape": (21, 17, 3)},
    "lstm": {"hidden": 6, "layers": 2, "channels": 2, "length": 5, "outputs": 3},
    "m2m100": {"vocabulary": 40, "width": 16, "encoder_layers": 2, "decoder_layers": 2}
    | {"encoder_heads": 4, "decoder_heads": 2, "encoder_inner": 24, "decoder_inner": 20}
    | {"length": 8, "positions": 16},
}


def tiny(family, **options):
    """Return a network with drawn weights."""
    architecture = {"family": family, **FAMILIES[family], **options}
    return jat_of(architecture, drawn(built(architecture).shapes, 3), name=f"tiny {family}")


def drawn_masks(jat, share, gone=(), seed=0):
    """Return masks that keep about a share of each group, and all blocks but some."""
    rng = np.random.default_rng(seed)
    masks = [rng.permutation(size) < max(1, round(share * size)) for size in jat.graph.sizes]
    if share == 1:
        masks = [mask | True for mask in masks]
    blocks = [np.array([number not in gone]) for number in range(len(jat.graph.blocks))]
    return (*masks[: len(jat.graph.groups)], *(blocks if gone else ()))


def made(jat, masks, classes=("ant", "<b>|cat", "dog"), seed=0):
    """Return a member with a drawn head, and the costs that it has."""
    head, rng = jat.graph.head, np.random.default_rng(seed)
    if head is None:
        classes, kernel, bias = (), np.zeros((0, 0), np.float32), np.zeros(0, np.float32)
    else:
        features = named_leaves(jat.params)[head.kernel].shape[0]
        kernel = rng.normal(size=(features, len(classes))).astype(np.float32) / 4
        bias = rng.normal(size=len(classes)).astype(np.float32)
    kept = tuple(int(mask.sum()) for mask in masks)
    costs = {name: int(cost) for name, cost in jat.graph.cost(np.array(kept), len(bias)).items()}
    scores = Scores(kept, **costs, search_error=0.25, validation_error=0.5, test_error=0.125)
    return Member("legs", tuple(classes), scores, masks, {}, kernel, bias)
