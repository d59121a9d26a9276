"""Does the shrunk network do what the search judged, at the costs that it used?"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import jax
import numpy as np

from .._errors import InputError, require
from .._files import read_json, write_json
from .._tree import named_leaves, with_leaves
from ..graph._certify import Certificate
from ..models._jat import Jat
from ..sets._member import Member


def certify(jat: Jat, member: Member, inputs: np.ndarray | None = None) -> Certificate:
    """Compare a member's masked, shrunk and exported network, and its costs with the search's.

    Args:
      jat: the whole network.
      member: the member.
      inputs: examples [B, ...] to compare on; random ones if none are given.

    Returns:
      The certificate.

    Raises:
      RuntimeError: outputs differ by more than rounding explains, or a count differs. That is a
        fault of sosjax, never of the member.
    """
    graph = jat.graph
    leaves = member.leaves(named_leaves(jat.params), graph.head)
    params = with_leaves(jat.params, leaves)
    params = graph.expanded(params, member.weights, member.masks)
    inputs = check_inputs(jat) if inputs is None else inputs
    certificate = graph.certify(params, member.masks, jax.numpy.asarray(inputs))
    counted = {name: getattr(certificate, name) for name in member.scores.costs}
    if not certificate.holds or counted != member.scores.costs:
        raise RuntimeError(
            f"The shrunk network is not what the search judged: {certificate}; the search had "
            f"{member.scores.costs}."
        )
    return certificate


def kept_certificate(folder: Path, load: Callable[[], Jat], member: Member) -> Certificate:
    """Return a member's certificate from a run's folder; make it and keep it if none is whole.

    Args:
      folder: the run's.
      load: returns the network; only called where the certificate must be made.
      member: the member.
    """
    digest = hashlib.sha256(repr((member.task, member.scores)).encode())
    for mask in member.masks:
        digest.update(np.packbits(mask).tobytes())
    for name, leaf in member.weights.items():
        digest.update(name.encode() + leaf.tobytes())
    path = folder / "certificates" / f"{digest.hexdigest()[:16]}.json"
    with suppress(InputError, AttributeError, KeyError, TypeError):
        return Certificate.of(read_json(path)["certificate"])
    certificate = certify(load(), member)
    path.parent.mkdir(exist_ok=True)
    # Named as in an export's architecture.json, so that a report finds both in one way.
    about = {"task": member.task, "scores": asdict(member.scores)}
    write_json(path, about | {"certificate": asdict(certificate)})
    return certificate


def check_inputs(jat: Jat, count: int = 8, seed: int = 0) -> np.ndarray:
    """Return random inputs [count, ...] to compare networks on: in [0, 1), or tokens."""
    shape = (count, *jat.graph.inputs.shape)
    require(count >= 1, f"`count` must be at least 1, got {count}.")
    rng = np.random.default_rng(seed)
    if jat.vocabulary is not None:
        return rng.integers(0, jat.vocabulary, shape, np.int32)
    return rng.random(shape, np.float32)
