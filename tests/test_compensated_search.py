"""Searches whose candidates make up for what they lose, or are compared with the whole network."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problem import SETTINGS, TASKS, make_data, network

import sosjax
from sosjax import Dataset, InputError, Jat, Settings, Split, Task
from sosjax.fitness._divergence import as_shares, divergence
from sosjax.search._evolution import Evolution
from sosjax.search._problem import Problem

SHORT = replace(
    SETTINGS,
    population=2,
    generations=0,
    fitness="compensated",
    objectives=("divergence", "flops"),
)


@pytest.fixture(scope="module", params=["compensated", "rescaled"])
def found(request):
    """The sets of the ResNet."""
    settings = replace(SHORT, fitness=request.param)
    return sosjax.search(network(), make_data(), TASKS, (), settings)


def test_members_carry_the_weights_that_they_were_judged_with(found, tmp_path):
    data = make_data()
    leaves = {site.leaf for site in network().graph.sites().found}
    assert leaves and not leaves & set(network().graph.buffers)
    sosjax.save_sets(found, tmp_path)
    for task in sosjax.load_sets(tmp_path).tasks:
        wanted = next(one for one in TASKS if one.name == task.name)
        rows = np.isin(data.test.labels, wanted.labels(data))
        for member in task.members:
            assert set(member.weights) == leaves and member.scores.search_error is None
            small = sosjax.shrink(network(), member)
            logits = np.asarray(jax.jit(small.apply)(small.params, data.test.inputs[rows]))
            labels = np.array([wanted.labels(data).index(one) for one in data.test.labels[rows]])
            wrong = float((logits.argmax(1) != labels).mean())
            assert wrong == pytest.approx(member.scores.test_error, abs=0.021)
            assert sosjax.certify(network(), member).holds


def test_divergence_is_none_where_nothing_is_removed():
    problem = Problem(network(), make_data(), TASKS, SHORT)
    genes = np.ones((len(TASKS), 1, problem.encoding.dimensions), np.float32)
    genes = np.concatenate([genes, np.zeros_like(genes)], 1)
    asked = network().params, problem.search, problem.rankings(), genes
    rows = jax.jit(Evolution.of(problem).objectives)(*asked)
    np.testing.assert_allclose(rows[:, 0, 0], 0, atol=1e-6)
    assert (rows[:, 1, 0] > 0.01).all() and (rows[..., 0] <= 1).all()
    np.testing.assert_allclose(10 ** rows[:, 0, 1], problem.dense[:, 0], rtol=1e-5)


def test_shares_too_small_for_a_float_diverge_by_no_more_than_equal_odds():
    odds, valid = jnp.asarray([[3.0, 0.0, 0.0]]), jnp.ones(3, bool)
    wanted, found = (as_shares(one, valid, True) for one in (odds, -40 * odds))
    assert found[0, 0] == 0
    assert divergence(wanted, found, valid) == 1


def test_error_and_divergence_are_minimised_together():
    settings = replace(SHORT, objectives=("error", "divergence", "bytes"), fitness="raw")
    sets = sosjax.search(network(), make_data(), TASKS, (), settings)
    assert all(one.scores.search_error is not None for task in sets.tasks for one in task.members)


@pytest.mark.parametrize(
    "objectives",
    [
        ("flops", "divergence"),
        ("divergence",),
        ("error", "divergence"),
        ("error", "error", "flops"),
    ],
)
def test_objectives_are_shares_and_then_costs(objectives):
    with pytest.raises(InputError, match="`search.objectives` must be error, divergence or both"):
        Settings(objectives=objectives)


def tied():
    """Return a network without a weight of its own for what may be removed, and its data."""

    def shared(params, inputs):
        hidden = jax.nn.relu(inputs @ params["up"])
        hidden = hidden @ params["down"] + jax.nn.tanh(hidden) @ params["down"]
        return hidden @ params["head"]["kernel"] + params["head"]["bias"]

    params = {
        "up": np.ones((3, 5), np.float32),
        "down": np.ones((5, 4), np.float32),
        "head": {"kernel": np.ones((4, 2), np.float32), "bias": np.ones(2, np.float32)},
    }
    head = sosjax.Head("head/kernel", "head/bias")
    jat = Jat(shared, params, input_shape=(3,), head=head, protect="head*", name="tied")
    split = Split(np.zeros((8, 3), np.float32), (np.arange(8) % 2).astype(np.int32))
    return jat, Dataset("none", ("a", "b"), split, split, split)


def test_a_fitness_that_suits_the_network_is_taken_if_none_is_named():
    assert Settings().fitness is None
    assert Settings(fitness="raw").suited(network().graph).fitness == "raw"
    assert Settings().suited(tied()[0].graph).fitness == "recalibrated"
    settings = replace(SETTINGS, fitness=None, population=4, generations=0)
    sets = sosjax.search(network(), make_data(), TASKS, (), settings)
    assert sets.facts["fitness"] == "compensated"
    assert all(member.weights for task in sets.tasks for member in task.members)


def test_nothing_to_compensate_is_refused():
    jat, data = tied()
    with pytest.raises(InputError) as caught:
        sosjax.search(jat, data, [Task("both", ("a", "b"))], (), SHORT)
    assert str(caught.value) == (
        '`search.fitness` "compensated" must be asked of a network in which a parameter of its own '
        "is multiplied with what is removed, got none; down: it is used 2 times."
    )


@pytest.mark.parametrize(("name", "least"), [("images", 6), ("calibration", 6)])
def test_too_few_examples_for_a_head_are_refused(name, least):
    settings = replace(SETTINGS, **{name: 5})
    with pytest.raises(InputError) as caught:
        sosjax.search(network(), make_data(), TASKS, (), settings)
    assert str(caught.value) == (
        f"`search.{name}` must be at least {least} for a head in closed form, 2 for each of the 3 "
        "outputs of 'legs', got 5."
    )
    Problem(network(), make_data(), TASKS, replace(settings, fitness="raw"))
