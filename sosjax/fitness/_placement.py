"""Where populations run: each device takes a share of the rows, what all read is on every one."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from .._errors import InputError

T = TypeVar("T")

AXIS = "population"
"""The mesh's only axis. Rows are independent, so that memory and time fall by its size."""


def population_mesh() -> Mesh:
    """Return all devices of the backend, other processes' among them, as one axis."""
    return Mesh(np.array(jax.devices()), (AXIS,), axis_types=(AxisType.Auto,))


def leads() -> bool:
    """Return whether this process is the one of several that writes and tells."""
    return jax.process_index() == 0


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Say what has become of a program of several processes when one of them is gone.

    Raises:
      InputError: a process has ended, or cannot be reached.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or "RESOURCE_EXHAUSTED" in str(error):
            raise
        reason = str(error).splitlines()[0]
        raise InputError(
            f"a process of this run has ended or cannot be reached ({reason}); what is kept in its "
            "folder can be resumed with any number of devices and processes."
        ) from error


def spread(function: Callable[..., T], shared: tuple, rows: tuple, mesh: Mesh) -> T:
    """Call `function(*shared, *rows)` on every device's share of the rows.

    Args:
      function: pure; each row of what it returns follows from the same row of what it is given.
      shared: trees of arrays that all rows need.
      rows: trees of arrays [T, N, ...].
      mesh: the devices.

    Returns:
      A tree of arrays [T, N, ...], whole on every device.
    """
    if mesh.size == 1:
        return function(*shared, *rows)
    count = jax.tree.leaves(rows)[0].shape[1]

    def filled(leaf: Any) -> Any:
        more = [(0, 0)] * jnp.ndim(leaf)
        more[1] = (0, -count % mesh.size)
        return jnp.pad(leaf, more)

    def share(shared: tuple, rows: tuple) -> T:
        found = function(*shared, *rows)
        return jax.tree.map(lambda leaf: jax.lax.all_gather(leaf, AXIS, axis=1, tiled=True), found)

    whole, parts = PartitionSpec(), PartitionSpec(None, AXIS)
    # What is gathered is the same on all devices, which JAX cannot infer.
    run = jax.shard_map(share, mesh=mesh, in_specs=(whole, parts), out_specs=whole, check_vma=False)
    found = run(shared, jax.tree.map(filled, rows))
    return jax.tree.map(lambda leaf: leaf[:, :count], found)


def everywhere(tree: T, mesh: Mesh) -> T:
    """Put arrays, the same in every process, on all devices; with one they stay as they are."""
    if mesh.size == 1:
        return tree
    whole = NamedSharding(mesh, PartitionSpec())

    def put(leaf: Any) -> Any:
        if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key):
            return jax.random.wrap_key_data(put(jax.random.key_data(leaf)))
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, whole, lambda place: array[place])

    return jax.tree.map(put, tree)


def fetched(tree: T, mesh: Mesh) -> T:
    """Return arrays that are whole on all devices as the host's; of one device as they are."""
    return tree if mesh.size == 1 else jax.device_get(tree)
