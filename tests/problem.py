"""A tiny network, its data and tasks: a whole search of them takes seconds."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from sosjax import Dataset, Environment, Head, Jat, Settings, Split, Task, search
from sosjax._tree import named_leaves, with_leaves
from sosjax.models import built, jat_of

SHAPE = (8, 8, 1)
CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox")
TASKS = (Task("legs", ("ant", "cat", "dog")), Task("wings <&> / ../x", ("bee", "eel")))
ENVIRONMENTS = (Environment("watch", bytes=1500), Environment("any", parameters=1e9))
SETTINGS = Settings(
    fitness="recalibrated",
    population=6,
    generations=3,
    images=48,
    calibration=64,
    checkpoint_every=2,
    chunk=2,
    uniform=2,
)
ARCHITECTURE = {
    "family": "resnet",
    "widths": (4, 6),
    "depths": (1, 1),
    "classes": len(CLASSES),
    "input_shape": SHAPE,
    "stem": "strided",
    "mean": 0.3,
    "deviation": 0.4,
}


def make_split(count, seed):
    """Draw images of stripes whose direction, width and brightness depend on the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    rows, columns = np.indices(SHAPE[:2])
    stripes = [(rows // 2) % 2, (columns // 2) % 2, rows % 2, columns % 2, (rows + columns) % 2]
    patterns = np.stack([*stripes, np.zeros(SHAPE[:2])])
    light = rng.uniform(0.2, 0.8, (count, 1, 1)) * patterns[labels]
    inputs = light + rng.uniform(0, 0.4, (count, *SHAPE[:2]))
    return Split(inputs[..., None].astype(np.float32), labels.astype(np.int32))


def make_data(search=120, validation=96, test=96):
    """Make the data set."""
    splits = (make_split(search, 1), make_split(validation, 2), make_split(test, 3))
    return Dataset("squares", CLASSES, *splits)


def shuffled(data, part):
    """Return the data with the labels of one split in another order."""
    split = getattr(data, part)
    labels = np.random.default_rng(9).permutation(split.labels)
    return replace(data, **{part: Split(split.inputs, labels)})


def drawn(shapes, seed=0):
    """Draw parameters: kernels scaled by their fan-in, variances and scales around one."""
    rng = np.random.default_rng(seed)
    leaves = {}
    for name, leaf in named_leaves(shapes).items():
        if name.endswith(("var", "scale")):
            draw = rng.uniform(0.5, 1.5, leaf.shape)
        else:
            draw = rng.normal(size=leaf.shape) / max(np.prod(leaf.shape[:-1]), 1) ** 0.5
        leaves[name] = np.asarray(draw, np.float32)
    return with_leaves(shapes, leaves)


def make_resnet():
    """Make a network of a family."""
    return jat_of(ARCHITECTURE, drawn(built(ARCHITECTURE).shapes), name="tiny")


def mlp_apply(params, inputs):
    """Two hidden layers; the second is divided by a sum over the first."""
    flat = inputs.reshape(inputs.shape[0], 64)
    hidden = jax.nn.relu(flat @ params["first"]["kernel"] + params["first"]["bias"])
    inner = jnp.tanh(hidden @ params["second"]["kernel"]) / (hidden @ params["gate"])
    return inner @ params["head"]["kernel"] + params["head"]["bias"]


MLP_SHAPES = {
    "first": {"kernel": (64, 4), "bias": (4,)},
    "second": {"kernel": (4, 5)},
    "gate": (4, 1),
    "head": {"kernel": (5, 6), "bias": (6,)},
}


def make_mlp(gate=(1.0, 1.0, 1.0, 1.0), **options):
    """Make a network given as a function; without the units of its gate its output is NaN."""
    shapes = jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, np.float32),
        MLP_SHAPES,
        is_leaf=lambda node: isinstance(node, tuple),
    )
    params = drawn(shapes, 4)
    params["first"]["bias"] = np.ones(4, np.float32)
    params["first"]["kernel"] = np.abs(params["first"]["kernel"])
    params["gate"] = np.asarray(gate, np.float32)[:, None]
    return Jat(
        mlp_apply,
        params,
        input_shape=SHAPE,
        head=Head("head/kernel", "head/bias"),
        name="perceptron",
        **options,
    )


@cache
def network():
    """Return the ResNet."""
    return make_resnet()


@cache
def perceptron():
    """Return the network that is given as a function."""
    return make_mlp()


@cache
def found():
    """Return the sets of the ResNet."""
    return search(network(), make_data(), TASKS, ENVIRONMENTS, SETTINGS)


@cache
def found_by_perceptron():
    """Return the sets of the network that is given as a function."""
    return search(perceptron(), make_data(), TASKS, ENVIRONMENTS, SETTINGS)


def contents(sets):
    """Return all that sets hold, to be compared for equality of every bit."""
    return [
        (task.name, task.classes, task.jack, task.uniform, [_bits(one) for one in task.members])
        for task in sets.tasks
    ]


def _bits(member):
    arrays = {"kernel": member.kernel, "bias": member.bias, **member.statistics}
    arrays |= {f"mask{group}": mask for group, mask in enumerate(member.masks)}
    arrays |= {f"weights/{name}": leaf for name, leaf in member.weights.items()}
    return member.scores, {
        name: (np.asarray(array).dtype, np.shape(array), np.asarray(array).tobytes())
        for name, array in arrays.items()
    }


def smallest():
    return found().tasks[0].members[0]


def inputs(count=4, seed=0):
    return np.random.default_rng(seed).random((count, *SHAPE), np.float32)


@cache
def masked_logits(jat):
    return jax.jit(jat.graph.logits)


def full_params(jat, member):
    """Return the whole network's parameters with the member's own statistics and head."""
    head = jat.graph.head
    leaves = member.leaves(named_leaves(jat.params), head)
    return with_leaves(jat.params, leaves)
