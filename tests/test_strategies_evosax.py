"""A loop and problems of evosax drive a strategy; nothing of ours is used but the strategy."""

import jax
import jax.numpy as jnp
import pytest
from evosax.problems import BBOBProblem

from sosjax.strategies._mfea import MFEA
from sosjax.strategies._nsga2 import NSGA2


@pytest.mark.parametrize(("make", "names"), [(MFEA, ["sphere"]), (NSGA2, ["sphere", "rastrigin"])])
def test_evosax_problems_are_solved_in_evosax_loops(make, names):
    key = jax.random.key(0)
    problems = [BBOBProblem(name, num_dims=3, seed=seed) for seed, name in enumerate(names)]
    key, subkey = jax.random.split(key)
    problem_states = [problem.init(subkey) for problem in problems]

    def evaluate(key, population):
        fitness = [
            problem.eval(key, population, state)[0]
            for problem, state in zip(problems, problem_states, strict=True)
        ]
        return fitness[0] if len(fitness) == 1 else jnp.stack(fitness, -1)

    strategy = make(
        population_size=32, solution=problems[0].sample(key), bounds=tuple(problems[0].x_range)
    )
    params = strategy.default_params.replace(mutation_eta=15.0)

    def step(carry, key):
        state, params = carry
        key_ask, key_eval, key_tell = jax.random.split(key, 3)
        population, state = strategy.ask(key_ask, state, params)
        fitness = evaluate(key_eval, population)
        state, metrics = strategy.tell(key_tell, population, fitness, state, params)
        return (state, params), metrics | {"best": state.fitness.min(0)}

    @jax.jit
    def loop(key):
        key_init, key_loop = jax.random.split(key)
        population = jax.vmap(problems[0].sample)(jax.random.split(key_init, 32))
        state = strategy.init(key_init, population, evaluate(key_init, population), params)
        return jax.lax.scan(step, (state, params), jax.random.split(key_loop, 60))

    (state, _), metrics = loop(key)
    optimum = jnp.array([problem.f_opt for problem in problems])
    gap = metrics["best"] - optimum
    assert state.generation_counter == 60
    assert (jnp.diff(metrics["best"], axis=0) <= 0).all()
    assert gap[-1, 0] < 0.05 * gap[0, 0] if len(names) > 1 else gap[-1, 0] < 1e-2
    assert (gap[-1] < 0.5 * gap[0]).all()
    best = strategy.get_population(state)[jnp.argmin(state.fitness[:, 0])]
    assert float(jnp.abs(best - problems[0].x_opt).max()) < 0.5
