"""The network that sets were found in, held against the one that is at hand."""

import hashlib

import numpy as np

from .._errors import require
from .._tree import named_leaves
from ..models._adapted import JACK_NAME
from ..models._jat import Jat
from ._set_of_sets import SetOfSets


def weights_digest(jat: Jat) -> str:
    """Return what tells a network's weights from others."""
    digest = hashlib.sha256()
    for name, leaf in named_leaves(jat.params).items():
        digest.update(name.encode() + np.asarray(leaf).tobytes())
    return digest.hexdigest()


def check_network(jat: Jat, sets: SetOfSets) -> None:
    """Refuse a network that the sets were not found in.

    Raises:
      InputError: groups, sizes, adaptation or weights are others.
    """
    facts = sets.facts["network"]
    kept = [(group["name"], group["size"]) for group in facts["groups"]]
    groups = [(group.name, group.size) for group in jat.graph.groups]
    require(
        kept[: len(groups)] == groups,
        f"`jat` must be the network of the sets, {facts['name']} with {len(kept)} groups, got "
        f"{jat.name} with other groups.",
    )
    dense = jat.graph.cost(np.asarray(jat.graph.sizes), jat.graph.classes)
    for cost in ("parameters", "bytes"):
        asked, known = int(dense[cost]), facts[cost]
        require(
            asked == known,
            f"`jat` must be the network of the sets, of {known:,} {cost}, got one of {asked:,}: "
            "it may hold other arrays beside its weights.",
        )
    require(
        sets.facts.get("adaptation") == jat.adaptation,
        f"`jat` must be the network of the sets as it was adapted (a run keeps its weights as "
        f"{JACK_NAME}), got {jat.name} with other weights.",
    )
    require(
        "weights" not in facts or facts["weights"] == weights_digest(jat),
        f"`jat` must have the weights that the sets were found with, got {jat.name} with others, "
        "trained again perhaps: members are cut out of those, and hold no whole network.",
    )
