"""Networks that go through time, as plain functions of dictionaries."""

import jax
import jax.numpy as jnp

from ._network import Network, rows, tokens, weights
from .layers import dense, dense_shapes


def lstm():
    """Words through two layers of cells with fused gates, the second one backwards."""

    def layer(params, rows, reverse=False):
        size = params["recur"].shape[0]
        start = (jnp.zeros((rows.shape[0], size)), jnp.zeros((rows.shape[0], size)))

        def step(carry, row):
            hidden, cell = carry
            gates = row @ params["read"] + hidden @ params["recur"] + params["bias"]
            read, forget, value, write = jnp.split(gates, 4, -1)
            cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(read) * jnp.tanh(value)
            hidden = jax.nn.sigmoid(write) * jnp.tanh(cell)
            return (hidden, cell), hidden

        (last, _), hidden = jax.lax.scan(step, start, rows.swapaxes(0, 1), reverse=reverse)
        return last, hidden.swapaxes(0, 1)

    def apply(params, words):
        _, hidden = layer(params["first"], params["words"][words])
        last, _ = layer(params["second"], hidden, reverse=True)
        return dense(params["head"], last)

    def layer_shapes(read, size):
        return {"read": (read, 4 * size), "recur": (size, 4 * size), "bias": (4 * size,)}

    shapes = {
        "words": (11, 6),
        "first": layer_shapes(6, 5),
        "second": layer_shapes(5, 7),
        "head": dense_shapes(7, 3),
    }
    return Network(apply, weights(shapes), tokens(11, 4))


def gru():
    """Cells with separate gates, started by a learnt state; every step is read."""

    def apply(params, x):
        def step(hidden, row):
            reset = jax.nn.sigmoid(row @ params["xr"] + hidden @ params["hr"])
            keep = jax.nn.sigmoid(row @ params["xz"] + hidden @ params["hz"] + params["bias"])
            new = jnp.tanh(row @ params["xn"] + reset * (hidden @ params["hn"]))
            hidden = (1 - keep) * new + keep * hidden
            return hidden, hidden

        start = jnp.broadcast_to(params["start"], (x.shape[0], 6))
        _, hidden = jax.lax.scan(step, start, jnp.tanh(x @ params["embed"]).swapaxes(0, 1))
        return hidden.mean(0) @ params["head"]

    shapes = {
        "embed": (3, 5),
        "start": (6,),
        "bias": (6,),
        **{f"x{gate}": (5, 6) for gate in "rzn"},
        **{f"h{gate}": (6, 6) for gate in "rzn"},
        "head": (6, 2),
    }
    return Network(apply, weights(shapes), rows(4, 3))


def state_space():
    """A diagonal state for every channel, computed by an associative scan, with a gate."""

    def apply(params, x):
        hidden = jax.nn.silu(x @ params["in"])
        decay = jax.nn.sigmoid(params["decay"])
        fed = jnp.einsum("bsc,cn->bscn", hidden, params["feed"])
        decays = jnp.broadcast_to(decay, fed.shape)

        def joined(one, two):
            return one[0] * two[0], two[0] * one[1] + two[1]

        _, states = jax.lax.associative_scan(joined, (decays, fed), axis=1)
        read = jnp.einsum("bscn,cn->bsc", states, params["read"])
        x = x + (read * jax.nn.silu(x @ params["gate"])) @ params["out"]
        return x @ params["head"]

    shapes = {
        "in": (4, 6),
        "gate": (4, 6),
        "decay": (6, 5),
        "feed": (6, 5),
        "read": (6, 5),
        "out": (6, 4),
        "head": (4, 2),
    }
    return Network(apply, weights(shapes), rows(5, 4))


def selective():
    """A state space whose steps depend on what is read, computed by a scan."""

    def apply(params, x):
        read = jax.nn.silu(x @ params["in"])
        pace = jax.nn.softplus(read @ params["pace"])
        decay = -jnp.exp(params["decay"])

        def step(state, row):
            read, pace, fed, asked = row
            fed = (pace * read)[..., None] * fed[:, None]
            state = jnp.exp(pace[..., None] * decay) * state + fed
            return state, jnp.einsum("bcn,bn->bc", state, asked)

        steps = (read, pace, read @ params["feed"], read @ params["ask"])
        start = jnp.zeros((x.shape[0], 6, 5))
        _, out = jax.lax.scan(step, start, tuple(row.swapaxes(0, 1) for row in steps))
        out = (out.swapaxes(0, 1) + read * params["skip"]) * jax.nn.silu(x @ params["gate"])
        return (x + out @ params["out"]) @ params["head"]

    shapes = {
        "in": (4, 6),
        "pace": (6, 6),
        "decay": (6, 5),
        "feed": (6, 5),
        "ask": (6, 5),
        "skip": (6,),
        "gate": (4, 6),
        "out": (6, 4),
        "head": (4, 2),
    }
    return Network(apply, weights(shapes), rows(3, 4))


def searched():
    """A fixed point found by a `while` loop, then one of two branches by its size."""

    def apply(params, x):
        fed = x @ params["in"]

        def go_on(carry):
            return carry[0] < 4

        def step(carry):
            turn, hidden = carry
            return turn + 1, jnp.tanh(fed + hidden @ params["turn"])

        _, hidden = jax.lax.while_loop(go_on, step, (0, jnp.zeros_like(fed)))
        branches = [
            lambda rows: jax.nn.relu(dense(params["one"], rows)),
            lambda rows: jnp.tanh(dense(params["two"], rows)),
        ]
        hidden = jax.lax.cond(x.sum() > 0, *branches, hidden)
        return hidden @ params["head"]

    shapes = {
        "in": (4, 6),
        "turn": (6, 6),
        "one": dense_shapes(6, 5),
        "two": dense_shapes(6, 5),
        "head": (5, 2),
    }
    return Network(apply, weights(shapes), rows(4))
