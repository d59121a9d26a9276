"""The closed-form head against numpy, and the kernel that fits it for every candidate."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import taylor_rankings
from hypothesis import given
from hypothesis import strategies as st

from sosjax._errors import InputError
from sosjax._tree import named_leaves
from sosjax.fitness._batch import _drawn, task_batch
from sosjax.fitness._error import error_rate
from sosjax.fitness._kernel import Kernel
from sosjax.fitness._ridge import RidgeHead, inverse, ridge_head
from sosjax.space._encoding import Bits, Ratios
from sosjax.tasks._dataset import Split

ROWS, FEATURES, CLASSES = 14, 5, 3
inverse_jit = jax.jit(inverse)
ridge_jit = jax.jit(ridge_head, static_argnums=3)


@given(st.integers(0, 10**6), st.sampled_from([1e-2, 1.0, 1e3]))
def test_inverse_is_that_of_numpy(seed, shift):
    root = np.random.default_rng(seed).normal(size=(6, 6))
    matrix = root @ root.T + shift * np.eye(6)
    found = np.asarray(inverse_jit(matrix.astype(np.float32)))
    np.testing.assert_allclose(found @ matrix, np.eye(6), atol=2e-2 if shift < 1 else 1e-3)
    np.testing.assert_allclose(found, found.T, rtol=1e-3, atol=1e-4 * np.abs(found).max())


@pytest.mark.parametrize("size", [128, 129, 150, 192])
def test_inverse_in_blocks_is_that_of_numpy(size):
    root = np.random.default_rng(size).normal(size=(size, 2 * size))
    matrix = root @ root.T / size
    found = np.asarray(inverse_jit(matrix.astype(np.float32)))
    np.testing.assert_allclose(found, np.linalg.inv(matrix), atol=1e-4)


def test_inverse_of_one_number():
    assert inverse_jit(jnp.array([[4.0]])) == 0.25


def problem(seed, removed=()):
    """Draw features whose classes can be told apart, a prior, and one-hot targets."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(ROWS) % CLASSES)
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    features = rng.normal(size=(ROWS, FEATURES)) + targets @ rng.normal(size=(CLASSES, FEATURES))
    features[:, list(removed)] = 0
    prior = RidgeHead(
        rng.normal(size=(FEATURES, CLASSES)).astype(np.float32), np.zeros(CLASSES, np.float32)
    )
    return features.astype(np.float32), targets, prior


def solved(features, targets, prior, ridge):
    """Solve the ridge over features and prior outputs in float64; the intercept is free."""
    center, average = features.mean(0), targets.mean(0)
    design = np.hstack([features - center, (features - center) @ prior.kernel])
    gram = design.T @ design + ridge * np.eye(design.shape[1])
    weights = np.linalg.solve(gram, design.T @ (targets - average))
    kernel = weights[: features.shape[1]] + prior.kernel @ weights[features.shape[1] :]
    return kernel, average - center @ kernel


def total_ridge(features, penalty):
    """Return what is added to the diagonal of the unscaled Gram matrix."""
    variance = features.var(0).mean()
    return len(features) * (penalty * variance + 1e-6)


@pytest.mark.parametrize("removed", [(), (0,), (1, 3, 4)])
@pytest.mark.parametrize("penalty", [0.01, 0.05, 10.0])
def test_the_head_is_the_solution_of_the_normal_equations(removed, penalty):
    features, targets, prior = problem(1, removed)
    head, _ = ridge_jit(features, targets, prior, penalty)
    wide = features.astype(np.float64)
    kernel, bias = solved(wide, targets, prior, total_ridge(wide, penalty))
    np.testing.assert_allclose(head.kernel, kernel, atol=1e-3)
    np.testing.assert_allclose(wide @ head.kernel + head.bias, wide @ kernel + bias, atol=1e-3)


@pytest.mark.parametrize("removed", [(), (2,), (0, 1, 2, 3)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_logit_is_that_of_a_head_refitted_without_its_row(seed, removed):
    features, targets, prior = problem(seed, removed)
    _, left_out = ridge_jit(features, targets, prior, 0.05)
    wide = features.astype(np.float64)
    ridge = total_ridge(wide, 0.05)
    for row in range(ROWS):
        rest = np.arange(ROWS) != row
        kernel, bias = solved(wide[rest], targets[rest], prior, ridge)
        np.testing.assert_allclose(left_out[row], wide[row] @ kernel + bias, atol=2e-3)


def test_a_huge_penalty_leaves_the_means():
    features, targets, prior = problem(0)
    head, _ = ridge_jit(features, targets, prior, 1e6)
    np.testing.assert_allclose(
        features @ head.kernel + head.bias, targets.mean(0) * np.ones((ROWS, 1)), atol=1e-3
    )


def test_under_a_large_penalty_the_head_leans_on_a_strong_prior():
    features, targets, prior = problem(0)
    strong = RidgeHead(prior.kernel * 30, prior.bias)
    head, _ = ridge_jit(features, targets, strong, 20.0)
    # What is left of the kernel lies in the span of the prior's columns.
    basis, _ = np.linalg.qr(prior.kernel)
    outside = head.kernel - basis @ (basis.T @ head.kernel)
    assert np.linalg.norm(outside) < 0.05 * np.linalg.norm(head.kernel)


def test_no_feature_at_all_gives_the_means_and_no_nan():
    _, targets, prior = problem(0)
    head, left_out = ridge_jit(np.zeros((ROWS, FEATURES), np.float32), targets, prior, 0.05)
    np.testing.assert_allclose(head.bias, targets.mean(0), rtol=1e-5)
    rest = (targets.sum(0) - targets) / (ROWS - 1)
    np.testing.assert_allclose(left_out, rest, rtol=1e-4, atol=1e-6)


def test_a_removed_feature_cannot_be_read():
    features, targets, prior = problem(0, removed=(2,))
    head, _ = ridge_jit(features, targets, prior, 0.05)
    kept = [0, 1, 3, 4]
    smaller = RidgeHead(prior.kernel[kept], prior.bias)
    # The penalty is a share of the mean variance over all features, removed ones among them.
    wide = features[:, kept].astype(np.float64)
    kernel, bias = solved(wide, targets, smaller, total_ridge(features.astype(np.float64), 0.05))
    logits = features @ head.kernel + head.bias
    np.testing.assert_allclose(logits, wide @ kernel + bias, atol=1e-3)


def test_the_error_counts_the_real_rows_and_the_valid_classes():
    logits = jnp.array([[3.0, 1, 9], [0, 1, 9], [2, 1, 9], [5, 0, 0]])
    targets = jnp.array([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]])
    valid = jnp.array([True, True, False])
    real = jnp.array([1.0, 1, 1, 0])
    assert error_rate(logits, targets, valid, real) == pytest.approx(2 / 3)
    assert error_rate(logits[:3], targets[:3], valid) == pytest.approx(2 / 3)
    assert error_rate(logits.at[0, 1].set(jnp.nan), targets, valid, real) == jnp.inf
    assert error_rate(logits.at[0, 2].set(jnp.nan), targets, valid, real) == pytest.approx(2 / 3)
    assert error_rate(logits.at[3, 0].set(jnp.nan), targets, valid, real) == pytest.approx(2 / 3)


TASKS = ((0, 1), (2, 0, 1), (1, 2))


@pytest.fixture(scope="module")
def batch():
    """Images of three classes that differ by where they are bright."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.random((60, 8, 8, 1)) * 0.5
    images[np.arange(60), labels * 2] += 0.5
    split = Split(images.astype(np.float32), labels.astype(np.int32))
    return task_batch([split] * len(TASKS), "search", TASKS, limit=24)


def kernel_of(network, **options):
    return Kernel(network.graph, Ratios(network.graph.sizes), **options)


def plain_rankings(graph):
    return [jnp.tile(jnp.arange(size), (len(TASKS), 1)) for size in graph.sizes]


@pytest.fixture(scope="module")
def judged(tiny_resnet, batch):
    """Costs of five genotypes for each task: all units first, one unit of each group last."""
    genotypes = jnp.linspace(1, 0, 5)[None, :, None] * jnp.ones(
        (3, 1, len(tiny_resnet.graph.sizes))
    )
    kernel = kernel_of(tiny_resnet)
    costs = jax.jit(kernel.costs)(
        tiny_resnet.params, batch, plain_rankings(tiny_resnet.graph), genotypes
    )
    return genotypes, np.asarray(costs)


def test_a_batch_has_the_tasks_own_outputs(batch):
    assert batch.inputs.shape == (3, 24, 8, 8, 1)
    assert batch.classes.tolist() == [[0, 1, 0], [2, 0, 1], [1, 2, 0]]
    assert batch.valid.tolist() == [[True, True, False], [True] * 3, [True, True, False]]
    assert (batch.targets.sum(-1) == 1).all()
    assert (batch.targets[~np.broadcast_to(batch.valid[:, None], batch.targets.shape)] == 0).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 12), st.integers(0, 99))
def test_a_draw_has_every_class(labels, limit, seed):
    """As many as there is room for, and no row twice; where none lacks it is what was drawn."""
    labels, order = np.array(labels), np.random.default_rng(seed).permutation(len(labels))
    wanted = sorted(set(labels.tolist()))
    rows = _drawn(order, labels, wanted, limit)
    assert len(rows) == min(limit, len(labels)) == len(set(rows.tolist()))
    assert len(set(labels[rows].tolist())) == min(len(wanted), len(rows))
    if set(labels[order[:limit]].tolist()) == set(wanted):
        assert np.array_equal(rows, order[:limit])


def test_a_batch_without_limit_pads_and_a_lacking_class_is_refused():
    split = Split(np.zeros((5, 2), np.float32), np.array([0, 0, 0, 1, 2], np.int32))
    whole = task_batch([split] * 2, "test", [(0, 1), (1, 2)], limit=None)
    assert whole.real.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    drawn = task_batch([split] * 2, "test", [(0, 1), (1, 2)], limit=3)
    assert drawn.inputs.shape[:2] == (2, 3) and drawn.real.sum(1).tolist() == [3, 2]
    assert task_batch([split] * 2, "test", [(0, 1), (1, 2)], limit=2).real is None
    with pytest.raises(InputError) as caught:
        task_batch([split], "test", [(0, 7)], limit=None)
    assert str(caught.value) == (
        "`data.test` must hold every class of every task, got no example of class [7]."
    )


def test_the_costs_of_a_genotype_are_the_exact_ones(tiny_resnet, judged):
    graph = tiny_resnet.graph
    for task, labels in enumerate(TASKS):
        for row, kept in ((0, graph.sizes), (4, [1] * len(graph.sizes))):
            wanted = graph.cost(np.array(kept), len(labels))
            assert judged[1][task, row, 1:].tolist() == [int(wanted[n]) for n in wanted]


def test_errors_are_shares(judged):
    errors = judged[1][..., 0]
    assert ((errors >= 0) & (errors <= 1)).all()
    assert errors[:, 0].mean() < 0.4


def test_the_chunk_changes_no_result_on_a_cpu(tiny_resnet):
    assert kernel_of(tiny_resnet, chunk=4).lanes == (None if jax.default_backend() == "cpu" else 4)


def test_a_kernel_holds_no_custom_call_of_a_linear_algebra_library(tiny_resnet, batch):
    lowered = jax.jit(kernel_of(tiny_resnet).costs).lower(
        tiny_resnet.params,
        batch,
        plain_rankings(tiny_resnet.graph),
        jnp.ones((3, 2, len(tiny_resnet.graph.sizes))),
    )
    text = lowered.as_text().lower()
    assert not [name for name in ("lapack", "cusolver", "cublas", "cholesky") if name in text]
    # The word is there when such a call is: else this test would say nothing.
    control = jax.jit(jnp.linalg.cholesky).lower(jnp.eye(3)).as_text().lower()
    assert "lapack" in control or "cholesky" in control or "cusolver" in control


def test_raw_fitness_is_the_networks_own_answer(tiny_resnet, batch):
    kernel = kernel_of(tiny_resnet, mode="raw")
    ones = [jnp.ones(size, bool) for size in tiny_resnet.graph.sizes]
    task = jax.tree.map(lambda leaf: leaf[1], batch)
    error, carried = jax.jit(kernel.calibrate)(tiny_resnet.params, task, ones)
    logits = np.asarray(tiny_resnet.apply(tiny_resnet.params, jnp.asarray(task.inputs)))[
        :, TASKS[1]
    ]
    assert float(error) == pytest.approx((logits.argmax(1) != task.targets.argmax(1)).mean())
    leaves = named_leaves(tiny_resnet.params)
    for name, moment in carried.statistics.items():
        np.testing.assert_array_equal(moment, leaves[name])


def test_a_calibrated_network_judges_other_examples(tiny_resnet, batch):
    kernel = kernel_of(tiny_resnet)
    ones = [jnp.ones(size, bool) for size in tiny_resnet.graph.sizes]
    task = jax.tree.map(lambda leaf: leaf[1], batch)
    _, carried = jax.jit(kernel.calibrate)(tiny_resnet.params, task, ones)
    again = jax.jit(kernel.error)(tiny_resnet.params, task, ones, carried)
    # On the very examples it was fitted to, the head does no worse than by chance.
    assert float(again) < 0.4


def test_an_error_that_is_not_finite_makes_every_cost_infinite(tiny_resnet, batch):
    broken = batch._replace(inputs=np.full_like(batch.inputs, np.nan))
    costs = jax.jit(kernel_of(tiny_resnet).costs)(
        tiny_resnet.params,
        broken,
        plain_rankings(tiny_resnet.graph),
        jnp.ones((3, 1, len(tiny_resnet.graph.sizes))),
    )
    assert jnp.isinf(costs).all()


def test_rankings_are_permutations_for_each_task(tiny_resnet, batch):
    places = taylor_rankings(kernel_of(tiny_resnet), tiny_resnet.params, batch)
    for size, group in zip(tiny_resnet.graph.sizes, places, strict=True):
        assert group.shape == (3, size)
        assert (np.sort(group, 1) == np.arange(size)).all()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"mode": "row"},
            "`search.fitness` must be one of recalibrated, raw, compensated, rescaled, got "
            "'row' (did you mean 'raw'?).",
        ),
        ({"chunk": 0}, "`search.chunk` must be a whole number at least 1, got 0."),
    ],
)
def test_a_kernel_refuses(tiny_resnet, options, sentence):
    with pytest.raises(InputError) as caught:
        Kernel(tiny_resnet.graph, Bits(tiny_resnet.graph.sizes), **options)
    assert str(caught.value) == sentence


TRAP = """
import jax, jax.numpy as jnp
from sosjax.fitness._ridge import RidgeHead, ridge_head

TASKS, POPULATION, BATCH = 5, 8, 64

def features(weights, masks, images):
    hidden = images
    for kernel, mask in zip(weights, masks):
        hidden = jax.lax.conv_general_dilated(
            hidden, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        hidden = jax.nn.relu(hidden - hidden.mean((0, 1, 2))) * mask
    return hidden.mean((1, 2))

@jax.jit
def costs(weights, masks, images, targets):
    def one_task(task):
        def one(mask):
            prior = RidgeHead(jnp.ones((weights[-1].shape[-1], 5)), jnp.zeros(5))
            found = features(weights, mask, images[task])
            _, logits = ridge_head(found, targets[task], prior, 0.05)
            return jnp.mean(logits.argmax(-1) != targets[task].argmax(-1))
        return jax.vmap(one)(masks)
    return jnp.stack([one_task(task) for task in range(TASKS)])

keys = jax.random.split(jax.random.key(0), 8)
shapes = [(3, 3, 1, 16), (3, 3, 16, 32), (3, 3, 32, 64)]
weights = [0.1 * jax.random.normal(key, shape) for key, shape in zip(keys, shapes)]
masks = [
    (jax.random.uniform(key, (POPULATION, shape[-1])) < 0.5).astype(jnp.float32)
    for key, shape in zip(keys[3:], shapes)
]
images = jax.random.normal(keys[6], (TASKS, BATCH, 28, 28, 1))
targets = jax.nn.one_hot(jax.random.randint(keys[7], (TASKS, BATCH), 0, 5), 5)
for _ in range(3):
    found = costs(weights, masks, images, targets).block_until_ready()
print("ended", found.shape, bool(jnp.isfinite(found).all()))
"""


def test_many_heads_beside_convolutions_run_to_the_end():
    """LAPACK calls at this place stop for ever on a CPU of two cores."""
    ended = subprocess.run(
        [sys.executable, "-c", TRAP], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.split() == ["ended", "(5,", "8)", "True"]
