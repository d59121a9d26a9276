"""What every strategy promises, over the table of all of them."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_table import (
    GENERATIONS,
    PEOPLE,
    ROWS,
    SOLUTION,
    each,
    each_row,
    judge_of,
    run,
)

from sosjax.pareto._dominance import fronts, nondominated
from sosjax.pareto._hypervolume import hypervolume

REFERENCE = jnp.array([1.1, 6.0])
TRUE_VOLUME = 1.1 * 6 - 1 / 3
fronts_jit = jax.jit(jax.vmap(fronts))


@pytest.fixture(scope="module", params=ROWS.values(), ids=list(ROWS))
def ran(request):
    """A row's strategy and whole runs of it with the keys 0, 1 and 0, vmapped."""
    row = request.param
    strategy = row.strategy()
    keys = jax.vmap(jax.random.key)(jnp.array([0, 1, 0]))
    final, history = jax.jit(jax.vmap(lambda key: run(strategy, key, judge_of(row))))(keys)
    names = ("before", "children", "costs", "after", "metrics")
    fields = dict(zip(names, history, strict=True))
    return SimpleNamespace(row=row, strategy=strategy, final=final, **fields)


def by_task(ran, rows):
    """Return what one seed's generations hold, [G, P, ...], as [G * T, N, ...]."""
    return np.asarray(rows).reshape(-1, PEOPLE // ran.strategy.tasks, *rows.shape[2:])


def equal(one, two):
    """Check two trees for equality, bit for bit, with structure, shapes and dtypes."""
    assert jax.tree.structure(one) == jax.tree.structure(two)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def seed(tree, number):
    """Return one of the vmapped runs."""
    return jax.tree.map(lambda leaf: leaf[number], tree)


def test_the_same_key_gives_the_same_run_and_another_key_another(ran):
    equal(seed(ran.final, 0), seed(ran.final, 2))
    one, other = ran.final.population[:2]
    assert (one != other).mean() > 0.3


def test_a_plain_loop_gives_what_a_vmapped_scan_gives_and_never_compiles_anew(ran, monkeypatch):
    make, strategy, traced = ran.row.make, ran.row.strategy(), []

    def counted(method):
        def call(*arguments, **options):
            traced.append(method.__name__)
            return method(*arguments, **options)

        return call

    for name in ("_children", "_best_first"):
        monkeypatch.setattr(make, name, counted(getattr(make, name)))
    params = strategy.default_params
    judge = jax.jit(jax.vmap(judge_of(ran.row)))

    # As evosax's users write it.
    key, loop_key = jax.random.split(jax.random.key(0))
    population = strategy.sample(key)
    fitness = judge(strategy.skill_factors, population)
    state = strategy.init(key, population, fitness, params)
    keys = jax.random.split(loop_key, GENERATIONS)
    for generation in range(6):
        if generation == 3:
            equal(state, jax.tree.map(lambda leaf: leaf[0, 2], ran.after))
            compiled = list(traced)
            params = jax.tree.map(lambda number: number * 0.9, params)
        key_ask, key_eval = jax.random.split(keys[generation])
        population, state = strategy.ask(key_ask, state, params)
        fitness = judge(strategy.skill_factors, population)
        state, metrics = strategy.tell(key_eval, population, fitness, state, params)
    assert metrics["generation_counter"] == 6
    assert "_children" in compiled
    assert traced == compiled


def test_every_number_counts(ran):
    if not ran.row.learns:
        return
    strategy, key = ran.strategy, jax.random.key(1)
    state = jax.tree.map(lambda leaf: leaf[0, 2], ran.after)
    # No rate is 0, with which its companions would be idle.
    params = strategy.default_params
    if hasattr(params, "sharpness"):  # some pairs are accepted, some refused
        params = params.replace(sharpness=jnp.asarray(4.0))
    numbers, form = jax.tree.flatten(params)
    numbers = [number + 0.1 for number in numbers]

    def asked(numbers):
        children, _ = strategy.ask(key, state, jax.tree.unflatten(form, numbers))
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(children)])

    usual = asked(numbers)
    for place, number in enumerate(numbers):
        assert (asked([*numbers[:place], number * 40, *numbers[place + 1 :]]) != usual).any()


def test_children_are_solutions_within_their_bounds(ran):
    children = ran.children
    assert jax.tree.structure(children) == jax.tree.structure(SOLUTION)
    for child, leaf in zip(jax.tree.leaves(children), jax.tree.leaves(SOLUTION), strict=True):
        assert child.shape == (3, GENERATIONS, PEOPLE, *leaf.shape)
        assert child.dtype == leaf.dtype
    for leaf, low, high in [
        (children["reals"], -1, 3),
        (children["half"], -2, 2),
        (children["nested"]["wholes"][..., 0], 1, 5),
        (children["nested"]["wholes"][..., 1], -3, 0),
    ]:
        assert (leaf >= low).all() and (leaf <= high).all()


def test_whole_numbers_take_all_their_values_and_bits_both(ran):
    wholes, bits = ran.children["nested"]["wholes"], ran.children["nested"]["bits"]
    assert np.unique(wholes[..., 0]).tolist() == [1, 2, 3, 4, 5]
    # The second one is nowhere judged.
    assert np.unique(wholes[..., 1]).tolist() == [-3, -2, -1, 0]
    assert set(np.unique(bits)) == {False, True}


def test_states_are_arrays_of_the_same_shapes_from_the_first_to_the_last(ran):
    genes = ran.strategy.num_dims
    assert genes == 10
    assert ran.final.population.shape == (3, PEOPLE, genes)
    assert ran.final.fitness.shape == (3, PEOPLE, ran.row.objectives)
    assert (ran.final.generation_counter == GENERATIONS).all()
    assert ran.final.generation_counter.dtype == jnp.int32
    restored = ran.strategy.get_population(seed(ran.final, 0))
    assert jax.tree.structure(restored) == jax.tree.structure(SOLUTION)


def test_metrics_count_generations_and_finite_children(ran):
    assert (ran.metrics["generation_counter"] == 1 + np.arange(GENERATIONS)).all()
    assert (ran.metrics["finite_children"] == PEOPLE).all()
    assert all(np.isfinite(metric).all() for metric in ran.metrics.values())


def test_survivors_were_there_in_the_same_task_with_the_same_costs(ran):
    encode = jax.jit(jax.vmap(ran.strategy.genotype.encode))
    before = np.concatenate([ran.before.population[0], ran.before.fitness[0]], -1)
    asked = np.concatenate([encode(seed(ran.children, 0)), ran.costs[0]], -1)
    after = np.concatenate([ran.after.population[0], ran.after.fitness[0]], -1)
    for old, new, kept in zip(
        *(by_task(ran, rows) for rows in (before, asked, after)), strict=True
    ):
        there = [row.tobytes() for row in (*old, *new)]
        for row in kept:
            there.remove(row.tobytes())


def test_costs_stay_with_their_genes(ran):
    state = seed(ran.final, 0)
    solutions = ran.strategy.get_population(state)
    costs = jax.jit(jax.vmap(judge_of(ran.row)))(ran.strategy.skill_factors, solutions)
    np.testing.assert_allclose(costs, state.fitness, rtol=1e-5, atol=1e-5)


def test_the_best_cost_of_no_task_ever_gets_worse(ran):
    before, after = (by_task(ran, state.fitness[0]).min(1) for state in (ran.before, ran.after))
    assert (after <= before).all()


def test_nothing_that_was_dropped_dominates_what_was_kept(ran):
    fitness = [state.fitness[0] for state in (ran.before, ran.after)]
    before, after, asked = (by_task(ran, costs) for costs in (*fitness, ran.costs[0]))
    for old, new, kept in zip(before, asked, after, strict=True):
        survivors = {row.tobytes() for row in kept}
        dropped = np.array([row for row in (*old, *new) if row.tobytes() not in survivors])
        no_larger = (dropped[:, None] <= kept).all(-1)
        smaller = (dropped[:, None] < kept).any(-1)
        assert not (no_larger & smaller).any()


def test_individuals_of_a_task_are_sorted_by_front(ran):
    front = np.asarray(fronts_jit(by_task(ran, ran.after.fitness[0])))
    assert (np.diff(front, axis=1) >= 0).all()


def test_nondominated_marks_the_answer_of_every_task(ran):
    state = seed(ran.final, 0)
    marked = by_task(ran, ran.strategy.nondominated(state)[None])
    costs = state.fitness.reshape(ran.strategy.tasks, -1, ran.row.objectives)
    np.testing.assert_array_equal(marked, jax.vmap(nondominated)(costs))
    assert marked.any(1).all()


def test_every_task_is_solved_far_better_than_by_as_many_random_solutions(ran):
    judge, strategy = judge_of(ran.row), ran.strategy
    draws = strategy.genotype.decode(jax.random.uniform(jax.random.key(5), (1220, 10)))
    volume = jax.jit(lambda costs: hypervolume(costs, REFERENCE) / TRUE_VOLUME)
    for task in range(strategy.tasks):
        drawn = jax.jit(jax.vmap(lambda solution, task=task: judge(task, solution)))(draws)
        found = ran.final.fitness[0].reshape(strategy.tasks, -1, ran.row.objectives)[task]
        if not ran.row.learns:
            assert volume(found) == pytest.approx(float(volume(drawn)), abs=0.15)
        elif ran.row.objectives == 1:
            assert found.min() < 0.05 < drawn.min() / 2
        else:
            assert volume(found) > 0.95 > volume(drawn) + 0.05


DTYPES = {
    "double": {"a": jnp.float64, "b": jnp.bool_},
    "single among doubles": {"a": jnp.float32, "b": jnp.int64},
}


@each_row
@pytest.mark.parametrize("name", DTYPES)
def test_a_generation_can_be_a_branch_of_cond_and_the_body_of_scan(row, name):
    dtypes = DTYPES[name]

    def program(key, solution, costs, go):
        strategy = row.make(8, solution, tasks=row.tasks, bounds=(0, 3))
        params = strategy.default_params
        state = strategy.init(key, strategy.sample(key), costs, params)

        def generation(state, key):
            children, state = strategy.ask(key, state, params)
            return strategy.tell(key, children, costs, state, params)

        state = jax.lax.cond(go, lambda: generation(state, key)[0], lambda: state)
        state, _ = jax.lax.scan(generation, state, jax.random.split(key, 2))
        return strategy.ask(key, state, params)[0], state.population, state.fitness

    with jax.enable_x64(True):
        solution = {name: jnp.zeros(2, dtype) for name, dtype in dtypes.items()}
        costs = jnp.zeros((8, row.objectives), jnp.float32)
        told = jax.eval_shape(program, jax.random.key(0), solution, costs, True)
    children, rows, fitness = jax.tree.map(lambda leaf: leaf.dtype, told)
    assert children == dtypes
    assert rows == (jnp.float64 if jnp.float64 in dtypes.values() else jnp.float32)
    assert fitness == jnp.float32


INTERLEAVED = np.random.default_rng(0).permutation(PEOPLE)
"""Row i of the interleaved strategies is row INTERLEAVED[i] of the sorted ones."""


@pytest.fixture(scope="module", params=ROWS.values(), ids=list(ROWS))
def one_round(request):
    """A row's strategy with unsorted skill factors, and one generation of it with given costs."""
    row = request.param
    factors = (np.arange(PEOPLE) * row.tasks // PEOPLE)[INTERLEAVED]
    strategy = row.strategy(skill_factors=factors)
    params = strategy.default_params

    @jax.jit
    def go(key, population, fitness, told):
        state = strategy.init(key, population, fitness, params)
        children, asked = strategy.ask(key, state, params)
        state, metrics = strategy.tell(key, children, told, asked, params)
        answer = strategy.nondominated(state)
        return {"first": children, "state": state, "metrics": metrics, "answer": answer} | {
            "next": strategy.ask(key, state, params)
        }

    return SimpleNamespace(row=row, strategy=strategy, go=go)


def drawn_costs(row, seed):
    """Return costs of parents and of children."""
    return np.random.default_rng(seed).random((2, PEOPLE, row.objectives), np.float32)


def test_skill_factors_in_any_order_give_what_sorted_ones_give(one_round):
    row, key = one_round.row, jax.random.key(3)
    strategy = row.strategy()
    params = strategy.default_params
    fitness, told = drawn_costs(row, 0)
    # Stable, as rows of one task keep their order.
    order = np.argsort(one_round.strategy.skill_factors, kind="stable")
    place = np.argsort(order)
    population = strategy.sample(key)

    def moved(tree):
        return jax.tree.map(lambda leaf: leaf[place], tree)

    state = strategy.init(key, population, fitness, params)
    children, asked = strategy.ask(key, state, params)
    state, metrics = strategy.tell(key, children, told, asked, params)
    there = one_round.go(key, moved(population), fitness[place], told[place])
    equal(there["first"], moved(children))
    equal(there["state"].population, state.population[place])
    equal(there["state"].fitness, state.fitness[place])
    equal(there["answer"], strategy.nondominated(state)[place])
    equal(there["metrics"], metrics)


SHARES = st.sampled_from([0.0, 0.2, 0.9, 1.0])


@given(st.integers(0, 10**6), SHARES, SHARES, st.sampled_from([np.nan, np.inf, -np.inf]))
def test_failed_individuals_never_displace_finite_ones(one_round, seed, old, new, bad):
    row, strategy, draw = one_round.row, one_round.strategy, np.random.default_rng(seed)
    costs = drawn_costs(row, seed)
    failed = draw.random((2, PEOPLE)) < np.array([[old], [new]])
    # One bad cost is enough, however good the others are.
    costs[failed] = -5
    costs[failed, draw.integers(row.objectives)] = bad
    key = jax.random.key(seed)
    after = one_round.go(key, strategy.sample(key), *costs)
    count = PEOPLE // strategy.tasks
    finite = np.isfinite(after["state"].fitness).all(-1)
    for task in range(strategy.tasks):
        rows = strategy.skill_factors == task
        left = min((~failed[:, rows]).sum(), count)
        # Those that are finite come first.
        assert finite[rows].tolist() == [True] * left + [False] * (count - left)
        assert after["answer"][rows].any() == (left > 0)
    assert not (after["answer"] & ~finite).any()
    assert (np.asarray(after["state"].fitness)[~finite] == np.inf).all()
    assert after["metrics"]["finite_children"] == (~failed[1]).sum()
    for leaf in jax.tree.leaves(after):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            assert not np.isnan(leaf).any()


def test_a_population_that_failed_as_a_whole_recovers(one_round):
    key, told = jax.random.key(0), drawn_costs(one_round.row, 0)[1]
    population = one_round.strategy.sample(key)
    after = one_round.go(key, population, np.full_like(told, np.nan), told)
    kept, asked = (np.asarray(costs).tolist() for costs in (after["state"].fitness, told))
    assert sorted(kept) == sorted(asked)
    children = jax.vmap(one_round.strategy.genotype.encode, 0)(
        jax.tree.map(lambda leaf: leaf[:, None], after["first"])
    )[:, 0]
    for row, costs in enumerate(kept):
        np.testing.assert_array_equal(after["state"].population[row], children[asked.index(costs)])


@each({name: ROWS[name] for name in ("MOMFEA2", "AdaptiveDE", "MFEA2")})
def test_many_tasks_of_two_individuals(row):
    strategy = row.strategy(128, jnp.zeros(3), tasks=64)

    def judge(task, genes):
        costs = jnp.abs(genes - task / 63)
        return costs if row.objectives > 1 else costs.sum(keepdims=True)

    final, (before, *_) = jax.jit(lambda key: run(strategy, key, judge, 8))(jax.random.key(0))
    start, end = (costs.reshape(64, 2, -1) for costs in (before.fitness[0], final.fitness))
    assert not ((start[:, :, None] < end[:, None]).all(-1)).any()
    assert float((end.sum(-1).min(1) < start.sum(-1).min(1)).mean()) > 0.5
    costs = jax.vmap(judge)(strategy.skill_factors, final.population)
    np.testing.assert_allclose(costs, final.fitness, atol=1e-6)


@each_row
def test_strategies_are_frozen(row):
    strategy = row.strategy(8)
    with pytest.raises(AttributeError, match="cannot assign to field 'tasks'"):
        strategy.tasks = 2
    with pytest.raises(ValueError, match="read-only"):
        strategy.skill_factors[0] = 1
