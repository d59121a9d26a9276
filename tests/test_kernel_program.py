"""The fitness kernel: every candidate by itself, all in one program."""

from dataclasses import replace

import chex
import jax
import numpy as np
import pytest
from conftest import taylor_rankings
from problem import SETTINGS, TASKS, contents, make_data, make_mlp, network, perceptron, shuffled

from sosjax import Bits, InputError, Kernel, Ratios, search
from sosjax._tree import named_leaves, with_leaves
from sosjax.fitness import _kernel as kernels
from sosjax.fitness._batch import task_batch
from sosjax.search._evolution import Evolution

LABELS = [task.labels(make_data()) for task in TASKS]


def batch_of(data=None, limit=24):
    return task_batch([(data or make_data()).search] * len(LABELS), "search", LABELS, limit=limit)


def genotypes(encoding, count=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((len(TASKS), count, encoding.dimensions), np.float32)


@pytest.fixture(scope="module")
def judged():
    """Return a function: genotypes of the perceptron to costs, compiled once."""
    kernel = Kernel(perceptron().graph, Ratios(perceptron().graph.sizes))
    batch = batch_of()
    rankings = taylor_rankings(kernel, perceptron().params, batch)
    costs = jax.jit(kernel.costs)
    return lambda genes: np.asarray(costs(perceptron().params, batch, rankings, genes))


def test_rows_are_independent(judged):
    genes = genotypes(Ratios(perceptron().graph.sizes))
    costs = judged(genes)
    order = np.array([3, 0, 4, 2, 1])
    assert np.array_equal(judged(genes[:, order]), costs[:, order])
    others = genotypes(Ratios(perceptron().graph.sizes), seed=1)
    others[:, 2] = genes[:, 2]
    assert np.array_equal(judged(others)[:, 2], costs[:, 2])
    assert not np.array_equal(judged(others)[:, 1], costs[:, 1])
    assert len(np.unique(costs[0], axis=0)) > 2


def test_tasks_are_independent(judged):
    genes = genotypes(Ratios(perceptron().graph.sizes))
    others = genes.copy()
    others[1] = 0
    assert np.array_equal(judged(others)[0], judged(genes)[0])


def test_costs_are_the_graphs(judged):
    genes = np.ones((len(TASKS), 5, 2), np.float32)
    rows = judged(genes)
    graph = perceptron().graph
    for number, task in enumerate(TASKS):
        costs = graph.cost(np.array(graph.sizes), len(task.classes))
        assert rows[number, 0, 1:].tolist() == [int(cost) for cost in costs.values()]
        assert 0 <= rows[number, 0, 0] <= 1


def test_not_finite_rows_are_infinite_in_everything():
    jat = make_mlp(gate=(1.0, 0.0, 0.0, 0.0))
    encoding = Bits(jat.graph.sizes)
    kernel = Kernel(jat.graph, encoding)
    batch = batch_of()
    rankings = taylor_rankings(kernel, jat.params, batch)
    genes = genotypes(encoding, 6)
    costs = np.asarray(jax.jit(kernel.costs)(jat.params, batch, rankings, genes))
    alive = genes[..., 0] >= 0.5
    assert alive.any() and not alive.all()
    assert np.isfinite(costs[alive]).all()
    assert (costs[~alive] == np.inf).all()


@pytest.mark.parametrize("mode", ["recalibrated", "raw"])
def test_error_is_that_of_the_shrunk_network(mode):
    graph = network().graph
    kernel = Kernel(graph, Ratios(graph.sizes), mode)
    masks = [np.arange(size) % 2 == 0 for size in graph.sizes]
    data = make_data()
    search = jax.tree.map(lambda leaf: leaf[0], batch_of(limit=60))
    own = jax.tree.map(
        lambda leaf: leaf[0], task_batch([data.validation] * len(LABELS), "validation", LABELS)
    )
    _, carried = jax.jit(kernel.calibrate)(network().params, search, masks)
    error = float(jax.jit(kernel.error)(network().params, own, masks, carried))
    leaves = named_leaves(network().params) | carried.statistics
    leaves |= {graph.head.kernel: carried.head.kernel, graph.head.bias: carried.head.bias}
    small = graph.shrink(with_leaves(network().params, leaves), masks)
    rows = np.isin(data.validation.labels, LABELS[0])
    logits = jax.jit(small.apply)(small.params, data.validation.inputs[rows])
    labels = np.array([LABELS[0].index(label) for label in data.validation.labels[rows]])
    assert error == pytest.approx(float((np.asarray(logits).argmax(1) != labels).mean()), abs=1e-6)
    assert 0 < error < 1


def convolutions(jaxpr):
    """Yield the shapes of what every convolution of a program reads, loops and all."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "conv_general_dilated":
            yield tuple(equation.invars[0].aval.shape)
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda leaf: hasattr(leaf, "jaxpr")
        ):
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                yield from convolutions(inner)


def traced(population, chunk, monkeypatch, backend="gpu"):
    monkeypatch.setattr(kernels.jax, "default_backend", lambda: backend)
    graph = network().graph
    kernel = Kernel(graph, Ratios(graph.sizes), chunk=chunk)
    batch = batch_of()
    ranks = [np.zeros((len(TASKS), size), np.int32) for size in graph.sizes]
    genes = np.zeros((len(TASKS), population, len(graph.sizes)), np.float32)
    return jax.make_jaxpr(kernel.costs)(network().params, batch, ranks, genes).jaxpr


def test_program_does_not_grow_with_the_population(monkeypatch):
    sizes = [len(list(convolutions(traced(population, 4, monkeypatch)))) for population in (8, 64)]
    image = jax.ShapeDtypeStruct((24, *network().graph.inputs.shape), np.float32)
    program = jax.make_jaxpr(network().graph.graph.apply)(network().params, image)
    once = len(list(convolutions(program.jaxpr)))
    assert sizes == [once, once] and once == 6


def test_what_precedes_the_masks_is_computed_once_for_a_chunk(monkeypatch):
    shapes = list(convolutions(traced(8, 4, monkeypatch)))
    stems = [shape for shape in shapes if shape[1:] == (8, 8, 1)]
    assert stems == [(24, 8, 8, 1)]
    # The others run on the examples of four candidates.
    assert all(np.prod(shape) % (4 * 24) == 0 for shape in shapes if shape not in stems)


def test_cpu_takes_one_at_a_time(monkeypatch):
    assert Kernel(network().graph, Ratios(network().graph.sizes), chunk=8).lanes is None
    monkeypatch.setattr(kernels.jax, "default_backend", lambda: "gpu")
    assert Kernel(network().graph, Ratios(network().graph.sizes), chunk=8).lanes == 8


def test_batches():
    data = make_data()
    batch = task_batch([data.validation] * len(LABELS), "validation", LABELS)
    assert batch.inputs.shape == (2, 48, 8, 8, 1) and batch.targets.shape == (2, 48, 3)
    assert batch.real.sum(1).tolist() == [48, 32]
    assert batch.valid.tolist() == [[True] * 3, [True, True, False]]
    assert batch.classes.tolist() == [LABELS[0], [*LABELS[1], 0]]
    for task, labels in enumerate(LABELS):
        rows = np.isin(data.validation.labels, labels)
        assert np.array_equal(batch.inputs[task, : rows.sum()], data.validation.inputs[rows])
        assert (batch.inputs[task, rows.sum() :] == batch.inputs[task, 0]).all()
    assert batch_of(limit=40).real is None
    assert batch_of(limit=1000).real.sum(1).tolist() == [60, 40]
    empty = replace(data.search, labels=np.zeros_like(data.search.labels))
    with pytest.raises(InputError, match=r"got no example of class \[2, 3\]"):
        task_batch([empty] * len(LABELS), "search", LABELS, limit=8)


def test_bad_kernel():
    with pytest.raises(InputError, match="`search.fitness` must be one of recalibrated, raw"):
        Kernel(network().graph, Ratios(network().graph.sizes), "tuned")


def test_searches_are_traced_once_for_all_blocks_seeds_and_examples(monkeypatch):
    chex.clear_trace_counter()
    traced = chex.assert_max_traces(Evolution.steps, n=1)
    monkeypatch.setattr(Evolution, "advance", jax.jit(traced, static_argnums=0))
    blocks = replace(SETTINGS, generations=4, checkpoint_every=2)  # the last one stops early
    first = search(perceptron(), make_data(), TASKS, (), blocks)
    # Another seed, number of generations and other examples ask for the same program.
    other = replace(blocks, generations=3, seed=1)
    second = search(perceptron(), shuffled(make_data(), "search"), TASKS, (), other)
    assert contents(first) != contents(second)


@pytest.mark.parametrize("mode", ["recalibrated", "raw"])
def test_padding_never_changes_a_cost(mode):
    """A task is judged beside a larger one as it is alone, BatchNorm's moments included."""
    data, kernel = make_data(), Kernel(network().graph, Ratios(network().graph.sizes), mode)
    both = batch_of(data, limit=1000)
    alone = task_batch([data.search], "search", LABELS[1:], limit=1000)
    assert both.real is not None and alone.real is None
    # The draws follow each other, so that the order within the task differs, but not what is there.
    genes = genotypes(kernel.encoding, 4)
    costs = jax.jit(kernel.costs)
    rankings = taylor_rankings(kernel, network().params, both)
    ranked = taylor_rankings(kernel, network().params, alone)
    for one, other in zip(rankings, ranked, strict=True):
        assert np.array_equal(one[1], other[0])
    found = costs(network().params, both, rankings, genes)[1]
    wanted = costs(network().params, alone, ranked, genes[1:])[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_examples_that_do_not_fit_the_device_are_refused(monkeypatch):
    monkeypatch.setattr("sosjax.fitness._batch.os.sysconf", lambda name: 100)
    with pytest.raises(
        InputError, match=r"`data.search` must fit into half of the device's memory"
    ):
        batch_of()


def test_a_solved_head_is_least_squares_on_the_features():
    kernel = Kernel(network().graph, Ratios(network().graph.sizes), own=False)
    solved = jax.jit(kernel.solved)(network().params, batch_of(limit=60))
    assert solved.solved.kernel.shape == (2, 6, 3) and solved.solved.bias.shape == (2, 3)
    error = jax.jit(kernel.error)
    for place in range(2):
        task = jax.tree.map(lambda leaf, place=place: leaf[place], solved)
        carried = kernel.untouched(network().params, task)
        masks = [np.ones(size, bool) for size in network().graph.sizes]
        assert 0 <= error(network().params, task, masks, carried) < 0.5
