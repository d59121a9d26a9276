"""Tiny networks with random weights, and one place for the settings of JAX and hypothesis."""

import getpass
import tempfile
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sosjax._tree import named_leaves, with_leaves
from sosjax.cli._programs import processor
from sosjax.graph._graph import trace
from sosjax.graph._head import Head, Statistics
from sosjax.graph._subject import subject
from sosjax.models import built, jat_of, load, save
from sosjax.space._importance import ranking

PROGRAMS = Path(tempfile.gettempdir()) / f"sosjax-tests-{getpass.getuser()}-{processor()}"
jax.config.update("jax_compilation_cache_dir", str(PROGRAMS))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
# The tests compile far longer than they run.
jax.config.update("jax_disable_most_optimizations", True)

MAPS = 20_000
"""Memory maps of a process that is told to let its compiled programs go; Linux allows 65,530."""


@pytest.fixture(scope="module", autouse=True)
def programs_let_go():
    """Forget compiled programs before there are too many: each is mapped, and XLA would crash."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_text().splitlines()) > MAPS:
        jax.clear_caches()


def taylor_rankings(kernel, params, batch):
    """Return each group's Taylor ranking for every task, int32 [T, size] each."""
    scores = jax.jit(kernel.scores, static_argnums=2)(params, batch, ("taylor",))
    return ranking(scores["taylor"])


settings.register_profile(
    "sosjax",
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("sosjax")


def random_params(shapes, seed=0):
    """Draw every leaf from a normal distribution, variances from [0.5, 1.5]."""
    rng = np.random.default_rng(seed)
    leaves = {}
    for name, leaf in named_leaves(shapes).items():
        draw = (
            rng.uniform(0.5, 1.5, leaf.shape)
            if name.endswith("var")
            else rng.normal(size=leaf.shape)
        )
        leaves[name] = jnp.asarray(draw, leaf.dtype)
    return with_leaves(shapes, leaves)


def drawn_masks(data, graph):
    """Draw masks with at least one unit in each group; often exactly one, or all."""
    masks = []
    for size in graph.sizes:
        one = st.integers(0, size - 1).map(lambda i, size=size: np.arange(size) == i)
        bits = st.lists(st.booleans(), min_size=size, max_size=size).map(np.array)
        masks.append(data.draw(one | st.just(np.ones(size, bool)) | bits.filter(np.any)))
    return masks + [np.array([data.draw(st.booleans())]) for _ in graph.blocks]


def random_masks(sizes, seed):
    """Draw masks that keep the first unit of each group, and about two thirds of the others."""
    rng = np.random.default_rng(seed)
    masks = [rng.random(size) < 0.6 for size in sizes]
    return [mask | (np.arange(len(mask)) == 0) for mask in masks]


def kept_of(masks):
    """Return how many units masks keep."""
    return np.array([mask.sum() for mask in masks])


def close(one, other):
    """Check arrays for equality up to rounding, relative to the largest number."""
    scale = float(np.abs(other).max()) + 1e-6
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * scale)


def mlp_apply(params, inputs):
    """A residual hidden layer whose square kernel has the group on both axes, and an inner one."""
    hidden = jax.nn.relu(inputs @ params["first"]["kernel"] + params["first"]["bias"])
    hidden = hidden + jnp.tanh(hidden @ params["turn"])
    inner = jax.nn.relu(hidden @ params["up"]["kernel"] + params["up"]["bias"])
    return inner @ params["head"]["kernel"] + params["head"]["bias"]


MLP_SHAPES = {
    "first": {"kernel": (3, 5), "bias": (5,)},
    "turn": (5, 5),
    "up": {"kernel": (5, 7), "bias": (7,)},
    "head": {"kernel": (7, 4), "bias": (4,)},
}
HEAD = Head("head/kernel", "head/bias")


def convolved(inputs, kernel, stride):
    """Return a SAME convolution of [B, H, W, C]."""
    return jax.lax.conv_general_dilated(
        inputs, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def normalised(hidden, norm):
    """Normalise by the moments among the parameters, as BatchNorm does at inference."""
    scaled = (hidden - norm["mean"]) * jax.lax.rsqrt(norm["var"] + 1e-5)
    return jax.nn.relu(scaled * norm["scale"] + norm["bias"])


def cnn_apply(params, inputs):
    """Two convolutions with normalisations, global mean, linear head."""
    hidden = normalised(convolved(inputs, params["conv1"], 1), params["norm1"])
    hidden = normalised(convolved(hidden, params["conv2"], 2), params["norm2"])
    return hidden.mean((1, 2)) @ params["head"]["kernel"] + params["head"]["bias"]


def _norm(size):
    return {"mean": (size,), "var": (size,), "scale": (size,), "bias": (size,)}


CNN_SHAPES = {
    "conv1": (3, 3, 1, 4),
    "norm1": _norm(4),
    "conv2": (3, 3, 4, 6),
    "norm2": _norm(6),
    "head": {"kernel": (6, 3), "bias": (3,)},
}
CNN_STATISTICS = (Statistics("norm1/mean", "norm1/var"), Statistics("norm2/mean", "norm2/var"))


def structs(shapes):
    """Return shapes as parameters without values."""
    return jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32),
        shapes,
        is_leaf=lambda node: isinstance(node, tuple),
    )


def _subject_of(apply, params, shape, statistics):
    example = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    return subject(trace(apply, params, example), statistics, HEAD)


def _network(apply, params, graph, seed):
    inputs = jax.random.normal(jax.random.key(seed), (6, *graph.inputs.shape))
    return SimpleNamespace(apply=apply, params=params, graph=graph, inputs=inputs)


@pytest.fixture(scope="session")
def mlp():
    """The MLP: `apply`, `params`, `graph` and six `inputs`."""
    params = random_params(structs(MLP_SHAPES))
    graph = _subject_of(mlp_apply, params, (3,), ())
    return _network(mlp_apply, params, graph, 0)


@pytest.fixture(scope="session")
def cnn():
    """The CNN, of the same fields."""
    params = random_params(structs(CNN_SHAPES))
    graph = _subject_of(cnn_apply, params, (6, 6, 1), CNN_STATISTICS)
    return _network(cnn_apply, params, graph, 1)


@pytest.fixture(scope="session")
def tiny_jat(tmp_path_factory):
    """A ResNet of widths 4 and 6 and three classes for images [8, 8, 1], read from a file."""
    architecture = {
        "family": "resnet",
        "widths": (4, 6),
        "depths": (1, 1),
        "classes": 3,
        "input_shape": (8, 8, 1),
        "stem": "strided",
        "mean": 0.3,
        "deviation": 0.4,
    }
    params = random_params(built(architecture).shapes)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save(path, jat_of(architecture, params))
    return load(path, name="tiny")


@pytest.fixture(scope="session")
def tiny_resnet(tiny_jat):
    """The same ResNet, of the fields of `mlp`."""
    return _network(tiny_jat.graph.graph.apply, tiny_jat.params, tiny_jat.graph, 2)


@pytest.fixture(params=["mlp", "cnn", "tiny_resnet"])
def network(request):
    """Each of the three."""
    return request.getfixturevalue(request.param)
