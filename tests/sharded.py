"""Runs of its own process with eight devices: `python sharded.py` prints what sharding changes.

For three strategies it prints the largest difference between generations on one device and on
eight that share the population.
"""

import json

import conftest  # noqa: F401  (the same settings of JAX)
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from strategies_table import PEOPLE, ROWS, judge_of

NAMES = ("MOMFEA2", "AdaptiveDE", "MFEA")
"""Between them they do all that strategies do."""


def generations(row, place):
    """Run three generations; `place` puts a tree of rows somewhere before each."""
    strategy, judge = row.strategy(), jax.vmap(judge_of(row))
    params, key = strategy.default_params, jax.random.key(0)

    @jax.jit
    def step(key, state):
        children, state = strategy.ask(key, state, params)
        costs = judge(strategy.skill_factors, children)
        return strategy.tell(key, children, costs, state, params)[0]

    population = place(strategy.sample(key))
    costs = place(jax.jit(judge)(strategy.skill_factors, population))
    state = strategy.init(key, population, costs, params)
    for number in range(3):
        state = step(jax.random.fold_in(key, number), place(state))
    return jax.tree.leaves(state)


def shared_out(tree):
    """Share the leaves that have a row for each individual out among all devices."""
    mesh = jax.make_mesh((8,), ("people",), axis_types=(jax.sharding.AxisType.Auto,))

    def put(leaf):
        rows = leaf.ndim > 0 and leaf.shape[0] == PEOPLE
        put = jax.device_put(leaf, NamedSharding(mesh, PartitionSpec(*["people"] * rows)))
        assert not rows or {shard.data.shape[0] for shard in put.addressable_shards} == {PEOPLE / 8}
        return put

    return jax.tree.map(put, tree)


if __name__ == "__main__":
    differences = {}
    for name in NAMES:
        one, eight = (generations(ROWS[name], place) for place in (lambda tree: tree, shared_out))
        pairs = zip(one, eight, strict=True)
        gaps = [np.abs(np.asarray(one, float) - np.asarray(two, float)).max() for one, two in pairs]
        differences[name] = float(jnp.max(jnp.array(gaps)))
    print(json.dumps({"devices": jax.device_count(), "differences": differences}))
