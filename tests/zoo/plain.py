"""Perceptrons, mixtures and mixers, as plain functions of dictionaries."""

import jax
import jax.numpy as jnp

from ._network import Network, rows, tokens, weights
from .layers import dense, dense_shapes, layer_norm, layer_norm_shapes


def mlp():
    """Two hidden layers."""

    def apply(params, x):
        x = jax.nn.relu(dense(params["one"], x))
        x = jnp.tanh(dense(params["two"], x))
        return dense(params["head"], x)

    shapes = {"one": dense_shapes(5, 8), "two": dense_shapes(8, 6), "head": dense_shapes(6, 3)}
    return Network(apply, weights(shapes), rows(5))


def transposed_mlp():
    """Weights times columns, as libraries with [out, in] weights compute it, one row at a time."""

    def one(params, x):
        hidden = jax.nn.silu(params["up"] @ x + params["bias"])
        return params["down"] @ hidden

    def apply(params, x):
        return jax.vmap(one, (None, 0))(params, x)

    return Network(apply, weights({"up": (7, 5), "bias": (7,), "down": (3, 7)}), rows(5))


def siamese():
    """The same tower twice; the distance of its features is scored."""

    def tower(params, x):
        return dense(params["two"], jax.nn.gelu(dense(params["one"], x)))

    def apply(params, x):
        gap = tower(params, x[:, :5]) - tower(params, x[:, 5:])
        return dense(params["head"], jnp.abs(gap))

    shapes = {"one": dense_shapes(5, 8), "two": dense_shapes(8, 6), "head": dense_shapes(6, 3)}
    return Network(apply, weights(shapes), rows(10))


def swiglu():
    """A gated hidden layer behind a normalisation, with a skip connection, twice."""

    def block(params, x):
        hidden = layer_norm(params["norm"], x)
        hidden = jax.nn.silu(hidden @ params["gate"]) * (hidden @ params["up"])
        return x + hidden @ params["down"]

    def apply(params, x):
        return block(params["second"], block(params["first"], x)) @ params["head"]

    def block_shapes(hidden):
        matrices = {"gate": (5, hidden), "up": (5, hidden), "down": (hidden, 5)}
        return {"norm": layer_norm_shapes(5), **matrices}

    shapes = {"first": block_shapes(8), "second": block_shapes(9), "head": (5, 3)}
    return Network(apply, weights(shapes), rows(5))


def fused_glu():
    """Both halves of a gated layer from one matrix, cut apart at half."""

    def apply(params, x):
        value, gate = jnp.split(x @ params["up"], 2, axis=-1)
        return (value * jax.nn.sigmoid(gate)) @ params["down"]

    return Network(apply, weights({"up": (5, 14), "down": (7, 3)}), rows(5))


def experts():
    """A softmax gate that weighs all of three experts."""

    def apply(params, x):
        gate = jax.nn.softmax(x @ params["gate"], -1)
        hidden = jax.nn.gelu(jnp.einsum("bd,edh->beh", x, params["up"]))
        out = jnp.einsum("beh,eho->beo", hidden, params["down"])
        return jnp.einsum("be,beo->bo", gate, out)

    shapes = {"gate": (5, 3), "up": (3, 5, 7), "down": (3, 7, 4)}
    return Network(apply, weights(shapes), rows(5))


def routed_experts():
    """The two best of three experts for every token, by ragged products."""

    def apply(params, x):
        scores, chosen = jax.lax.top_k(x @ params["gate"], 2)
        order = jnp.argsort(chosen.reshape(-1), stable=True)
        sizes = jnp.bincount(chosen.reshape(-1), length=3).astype(jnp.int32)
        sent = jnp.repeat(x, 2, axis=0)[order]
        hidden = jax.nn.relu(jax.lax.ragged_dot(sent, params["up"], sizes))
        out = jax.lax.ragged_dot(hidden, params["down"], sizes)
        back = out[jnp.argsort(order, stable=True)].reshape(-1, 2, 4)
        mixed = (back * jax.nn.softmax(scores, -1)[..., None]).sum(1)
        return mixed @ params["head"]

    shapes = {"gate": (5, 3), "up": (3, 5, 7), "down": (3, 7, 4), "head": (4, 2)}
    return Network(apply, weights(shapes), rows(5))


def mixer():
    """Patches mixed over places and over channels."""

    def block(params, x):
        hidden = layer_norm(params["norm1"], x).swapaxes(1, 2)
        hidden = dense(params["out1"], jax.nn.gelu(dense(params["in1"], hidden)))
        x = x + hidden.swapaxes(1, 2)
        hidden = layer_norm(params["norm2"], x)
        return x + dense(params["out2"], jax.nn.gelu(dense(params["in2"], hidden)))

    def apply(params, x):
        patches = x.reshape(-1, 2, 4, 2, 4, 3).swapaxes(2, 3).reshape(-1, 4, 48)
        x = block(params["block"], dense(params["patch"], patches))
        return dense(params["head"], layer_norm(params["norm"], x).mean(1))

    shapes = {
        "patch": dense_shapes(48, 6),
        "block": {
            "norm1": layer_norm_shapes(6),
            "in1": dense_shapes(4, 5),
            "out1": dense_shapes(5, 4),
            "norm2": layer_norm_shapes(6),
            "in2": dense_shapes(6, 9),
            "out2": dense_shapes(9, 6),
        },
        "norm": layer_norm_shapes(6),
        "head": dense_shapes(6, 3),
    }
    return Network(apply, weights(shapes), rows(8, 8, 3))


def stacked_layers():
    """Three residual layers of one scan over their stacked weights."""

    def apply(params, x):
        def layer(x, weights):
            hidden = jax.nn.relu(dense(weights["up"], layer_norm(weights["norm"], x)))
            return x + dense(weights["down"], hidden), None

        x, _ = jax.lax.scan(layer, dense(params["embed"], x), params["layers"])
        return dense(params["head"], x)

    layers = {"norm": layer_norm_shapes(6), "up": dense_shapes(6, 9), "down": dense_shapes(9, 6)}
    stacked = jax.tree.map(
        lambda shape: (3, *shape), layers, is_leaf=lambda node: isinstance(node, tuple)
    )
    shapes = {"embed": dense_shapes(5, 6), "layers": stacked, "head": dense_shapes(6, 3)}
    return Network(apply, weights(shapes), rows(5))


def autoencoder():
    """A narrow code with tied weights on both sides."""

    def apply(params, x):
        code = jnp.tanh(x @ params["tied"] + params["code"])
        return code @ params["tied"].T + params["out"]

    return Network(apply, weights({"tied": (6, 4), "code": (4,), "out": (6,)}), rows(6))


def messages():
    """Two rounds of messages along the edges of a graph, summed where they arrive."""
    senders, receivers = jnp.array([0, 1, 2, 3, 3]), jnp.array([1, 2, 0, 0, 2])

    def round_(params, nodes):
        sent = jax.nn.relu(dense(params["send"], nodes[:, senders]))
        got = jnp.zeros((*nodes.shape[:2], sent.shape[-1])).at[:, receivers].add(sent)
        return jax.nn.relu(dense(params["node"], nodes) + dense(params["got"], got))

    def apply(params, nodes):
        nodes = round_(params["one"], nodes)
        return dense(params["head"], round_(params["two"], nodes).max(1))

    def round_shapes(size, message, out):
        return {
            "send": dense_shapes(size, message),
            "got": dense_shapes(message, out),
            "node": dense_shapes(size, out),
        }

    shapes = {
        "one": round_shapes(3, 4, 5),
        "two": round_shapes(5, 6, 7),
        "head": dense_shapes(7, 2),
    }
    return Network(apply, weights(shapes), rows(4, 3))


def bag_of_words():
    """Embeddings summed over the words, one-hot and looked up."""

    def apply(params, words):
        looked = params["table"][words].mean(1)
        counted = jax.nn.one_hot(words, 11).sum(1) @ params["counts"]
        return dense(params["head"], jax.nn.relu(looked) + counted)

    shapes = {"table": (11, 6), "counts": (11, 6), "head": dense_shapes(6, 3)}
    return Network(apply, weights(shapes), tokens(11, 4))


def two_towers():
    """Users and things of one width, scored by their product and by a matrix between them."""

    def apply(params, users, things):
        user = jnp.tanh(params["users"][users[:, 0]])
        thing = jax.nn.relu(dense(params["thing"], params["things"][things].mean(1)))
        between = jnp.einsum("bu,bt,utk->bk", user, thing, params["between"])
        return between + (user * thing) @ params["both"]

    shapes = {
        "users": (11, 6),
        "things": (11, 5),
        "thing": dense_shapes(5, 6),
        "between": (6, 6, 2),
        "both": (6, 2),
    }
    return Network(apply, weights(shapes), tokens(11, 1, 3))


def modulated():
    """A hidden layer scaled and moved by another network's outputs."""

    def apply(params, x):
        change = jnp.tanh(dense(params["code"], x[:, :3]))
        scale, move = jnp.split(dense(params["film"], change), 2, -1)
        hidden = jax.nn.relu(dense(params["one"], x[:, 3:]) * (1 + scale) + move)
        return dense(params["head"], hidden)

    shapes = {
        "code": dense_shapes(3, 4),
        "film": dense_shapes(4, 14),
        "one": dense_shapes(5, 7),
        "head": dense_shapes(7, 3),
    }
    return Network(apply, weights(shapes), rows(8))
