"""Latency as an objective: the first environment with a device foretells it inside the kernel."""

from collections.abc import Sequence

from .._errors import require
from ..environments._environment import LATENCY, Environment
from ..models._jat import Jat
from ._settings import Settings


def with_latency(jat: Jat, environments: Sequence[Environment], settings: Settings) -> Jat:
    """Return the network with latency among its costs, if that is an objective.

    Args:
      jat: the network.
      environments: the first one with a device says what it is.
      settings: of the search.

    Raises:
      InputError: no environment has a device, or it is of another network.
    """
    if LATENCY not in settings.objectives:
        return jat
    place = next((one for one in environments if one.device is not None), None)
    require(
        place is not None,
        f"`search.objectives` may name {LATENCY} only where an environment has a `device`, got "
        "none that has.",
    )
    assert place is not None and place.device is not None
    device, batch, graph = place.device, place.batch, jat.graph
    groups = [(group.name, group.size) for group in graph.groups]
    device.require_network(f"environments {place.name}.device", groups, len(graph.blocks))
    device.timetable(batch)  # or a refusal
    return jat.with_costs({LATENCY: lambda counts, xp: 1e3 * device.seconds(counts, batch, xp)})
