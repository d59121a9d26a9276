"""What `architecture.json` says of an exported member."""

from dataclasses import asdict
from typing import Any

import numpy as np

from .._tree import named_leaves
from ..graph._certify import Certificate
from ..models._exported import FORMAT, VERSION
from ..models._jat import Jat
from ..sets._member import Member
from ._stored import Stored


def described_member(
    jat: Jat, member: Member, stored: Stored, certificate: Certificate
) -> dict[str, Any]:
    """Return what it takes to build the network again, and what is known of it, ready for JSON."""
    graph, rules = jat.graph, jat.graph.rules
    return {
        "format": FORMAT,
        "version": VERSION,
        "architecture": jat.architecture,
        "task": member.task,
        "classes": list(member.classes),
        "input_shape": list(graph.inputs.shape),
        "input_dtype": str(graph.inputs.dtype),
        "head": None if graph.head is None else asdict(graph.head),
        "protect": list(rules.protect),
        "only": list(rules.only),
        "groups": [
            {"name": group.name, "size": group.size, "kept": np.flatnonzero(mask).tolist()}
            for group, mask in zip(graph.groups, member.masks, strict=False)
        ],
        "blocks": [
            {"name": block.name, "kept": bool(mask.all())}
            for block, mask in zip(graph.blocks, member.masks[len(graph.groups) :], strict=False)
        ],
        "leaves": _leaves(jat, stored),
        "weights": list(stored.arrays),
        "scores": asdict(member.scores),
        "certificate": {key: value for key, value in asdict(certificate).items() if value != {}},
    }


def _leaves(jat: Jat, stored: Stored) -> dict[str, Any]:
    """Return each leaf's dtype and shapes; of those stored as int8 the axes that have scales."""
    full = named_leaves(jat.graph.graph.shapes)
    return {
        name: {
            "dtype": str(leaf.dtype),
            "full": list(full[name].shape),
            "shape": list(leaf.shape),
            **({"channels": stored.channels[name]} if name in stored.channels else {}),
        }
        for name, leaf in named_leaves(stored.network.params).items()
    }
