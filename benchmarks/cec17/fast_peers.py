"""DDMTOLab's slow helpers replaced by compiled ones with the same results.

    python -m benchmarks.cec17.fast_peers --check

Runs in the peers' environment (ddmtolab, pymoo, numba), never in sosjax's. As shipped, DDMTOLab
1.0.10 breeds, evaluates and ranks one individual at a time in Python, which would make a fair
comparison at 200,000 evaluations take days. `patch` puts compiled functions in the place of those
helpers. They consume NumPy's random stream draw for draw, so that a run from the same seed is the
same run; the one thing added is a seed for `tournament_selection`, which as shipped takes a
generator that nobody can seed. Powers and exponentials may differ from NumPy's in the last bit.

`--check` compares each function with the one it replaces, and short whole runs of each algorithm.
"""
# pyright: reportMissingImports=false, reportMissingModuleSource=false

import argparse
import importlib
import os
import sys
import time
from typing import Any

import numpy as np

from . import fast_selection as fast
from .fast_draws import borrow, give_back
from .fast_variation import (
    assortative_mating,
    dck_cso,
    dck_de,
    ga_pairs,
    mkta_generation,
)

LIBRARY = "ddmtolab.Algorithms"
ALGORITHMS = ("MO_MFEA", "MO_MFEA_II", "MTDE_MKTA", "MTEA_DCK", "EMT_ET")
_tournaments = np.random.default_rng(0)
_shipped: list[tuple[Any, str, Any]] = []


def module(name: str) -> Any:
    """Return the module of DDMTOLab that holds an algorithm."""
    return importlib.import_module(f"{LIBRARY}.MTMO.{name}")


def seed(number: int) -> None:
    """Seed NumPy's global generator and that of the tournaments."""
    global _tournaments
    np.random.seed(number)  # noqa: NPY002
    _tournaments = np.random.default_rng([number, 1])


def _seeded_tournament(shipped):
    def tournament_selection(K, N, *fitness, rng=None):
        return shipped(K, N, *fitness, rng=_tournaments if rng is None else rng)

    return tournament_selection


def ga_generation(parents, muc, mum):
    """Children of parents in random order: crossover in pairs, then mutation."""
    if len(parents) % 2:
        raise NotImplementedError("the fast variation takes an even number of parents")
    parents = parents.copy()
    np.random.shuffle(parents)  # noqa: NPY002
    state = borrow()
    children = ga_pairs(*state[:2], parents, float(muc), float(mum))
    give_back(*state)
    return children


def _padded(rows, width):
    """Lay tasks of different sizes into one array [T, N, width], or [T, width]."""
    shape = (len(rows), *np.max([np.shape(one)[:-1] for one in rows], axis=0).astype(int), width)
    together = np.zeros(shape)
    for place, one in zip(together, rows, strict=True):
        place[tuple(slice(size) for size in np.shape(one))] = one
    return together


def _mkta_generation(self, decs, params, ranks, models, t, n_per_task):
    names = ("F", "CR", "TR", "KP")
    dims = np.array([one.shape[1] for one in decs])
    own = np.stack([params[t][name] for name in names], axis=1)
    mean = _padded([one["mean"] for one in models], dims.max())
    std = _padded([one["std"] for one in models], dims.max())
    counts, taus = np.array(n_per_task), np.array([self.tau1, self.tau2])
    state = borrow()
    children, new = mkta_generation(
        *state, _padded(decs, dims.max()), dims, counts, own, ranks[t], mean, std, t, taus
    )
    give_back(*state)
    return children, {name: new[:, i].copy() for i, name in enumerate(names)}


def _dck_de(self, decs, vel, F, CR, TRD, winners, losers, union, t, nt, upper, lower):
    params = np.stack([F[t], CR[t], TRD[t]], axis=1)
    state = borrow()
    children, velocities, new = dck_de(
        *state,
        *(np.stack(decs), np.stack(vel), params, np.stack(winners), union, t),
        *(np.stack(lower), np.stack(upper), self.Tau),
    )
    give_back(*state)
    return children, velocities, *(new[:, i].copy() for i in range(3))


def _dck_cso(self, decs, vel, F, CR, TRD, winners, losers, t, nt, factor):
    rate = self.TRC0 * ((1 - factor) ** 2)
    state = borrow()
    children, velocities = dck_cso(
        *state[:2], np.stack(decs), np.stack(vel), np.stack(winners), np.stack(losers), t, rate
    )
    give_back(*state)
    chosen = winners[t]
    return children, velocities, F[t][chosen], CR[t][chosen], TRD[t][chosen]


def _parents(shipped, problem, decs, objs, cons, count):
    """Choose each task's parents by binary tournament, in the unified space."""
    pools = []
    for t in range(problem.n_tasks):
        rank, _, _ = shipped.nsga2_sort(objs[t], cons[t])
        pools.append(shipped.tournament_selection(2, count, rank))
    chosen = [[rows[t][pool] for t, pool in enumerate(pools)] for rows in (decs, objs, cons)]
    return shipped.space_transfer(problem, *chosen, type="uni")


def _evaluated(shipped, problem, decs, factors, like):
    """Evaluate each row on the task of its skill factor, a task at a time."""
    objs = np.zeros((len(decs), like.shape[1]))
    for t in range(problem.n_tasks):
        rows = factors == t
        values, _ = shipped.evaluation_single(
            problem, decs[rows, : problem.dims[t]], t, unified=True, fill_value=0.0
        )
        objs[rows] = values
    return objs


def _mfea_generation(shipped, problem, decs, objs, cons, rmp, count):
    """One generation of MO_MFEA, or of MO_MFEA_II where no `rmp` is given."""
    tasks = problem.n_tasks
    decs, objs, cons = _parents(shipped, problem, decs, objs, cons, count)
    matrix = np.full((tasks, tasks), rmp) if rmp is not None else None
    if matrix is None:
        matrix = shipped.learnRMP(decs, problem.dims)
    decs, objs, cons = shipped.vstack_groups(decs, objs, cons)
    factors = np.repeat(np.arange(tasks), count)
    order = np.random.permutation(len(decs))  # noqa: NPY002
    state = borrow()
    children, child_factors = assortative_mating(
        *state[:2], decs, factors, order, matrix, rmp is None
    )
    give_back(*state)
    child_objs = _evaluated(shipped, problem, children, child_factors, objs)
    decs, objs, cons, _ = shipped.momfea_selection(
        np.vstack([decs, children]),
        np.vstack([objs, child_objs]),
        np.vstack([cons, np.zeros_like(cons)]),
        np.concatenate([factors, child_factors])[:, None],
        count,
        tasks,
    )
    return shipped.space_transfer(problem, decs, objs, cons, type="real")


def _mfea(name):
    """Make `optimize` for MO_MFEA or MO_MFEA_II: the loop as shipped, a generation at once."""
    shipped = module(name)

    def optimize(self):
        start = time.time()
        problem, tasks = self.problem, self.problem.n_tasks
        decs = shipped.initialization(problem, self.n)
        objs, cons = shipped.evaluation(problem, decs)
        history = shipped.init_history(decs, objs, cons)
        rmp = getattr(self, "rmp", None)
        done = self.n * tasks
        while done < self.max_nfes * tasks:
            state = (decs, objs, cons)
            decs, objs, cons = _mfea_generation(shipped, problem, *state, rmp, self.n)
            done += self.n * tasks
            shipped.append_history(history[0], decs, history[1], objs, history[2], cons)
        return shipped.build_save_results(
            *history[:2],
            time.time() - start,
            shipped.par_list(self.max_nfes, tasks),
            all_cons=history[2],
            bounds=problem.bounds,
            save_data=False,
        )

    return optimize


def _replacements():
    """Yield (owner, name, function) for all that `patch` replaces."""
    ranking = importlib.import_module(f"{LIBRARY}.STMO.NSGA_II")
    mkta, dck, et = module("MTDE_MKTA"), module("MTEA_DCK"), module("EMT_ET")
    for owner in (ranking, et):
        yield owner, "nd_sort", fast.nd_sort
        yield owner, "crowding_distance", fast.crowding_distance
    for name in ("MO_MFEA", "MO_MFEA_II"):
        yield getattr(module(name), name), "optimize", _mfea(name)
    yield module("MO_MFEA_II"), "learnRMP", fast.learn_rmp
    yield et, "ga_generation", ga_generation
    yield mkta.MTDE_MKTA, "_generation", _mkta_generation
    yield mkta.MTDE_MKTA, "_cal_spea2_fitness", fast.mkta_fitness
    yield mkta.MTDE_MKTA, "_truncation", fast.mkta_truncation
    yield dck, "spea2_fitness", fast.spea2_fitness
    yield dck, "spea2_truncation", fast.spea2_truncation
    yield dck.MTEA_DCK, "_generation_de", _dck_de
    yield dck.MTEA_DCK, "_generation_cso", _dck_cso


def seed_tournaments() -> None:
    """Make every algorithm's tournaments follow `seed`; all else stays as shipped."""
    for name in ("MO_MFEA", "MO_MFEA_II", "EMT_ET"):
        owner = module(name)
        if owner.tournament_selection.__module__ != __name__:
            owner.tournament_selection = _seeded_tournament(owner.tournament_selection)


def patch() -> None:
    """Put the compiled functions in place; `unpatch` undoes it."""
    seed_tournaments()
    if _shipped:
        return
    for owner, name, function in list(_replacements()):
        _shipped.append((owner, name, getattr(owner, name)))
        setattr(owner, name, function)


def unpatch() -> None:
    """Put back the functions as shipped."""
    while _shipped:
        owner, name, function = _shipped.pop()
        setattr(owner, name, function)


def _sample(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Random objectives, now and then coarse (ties), with duplicates or a constant column."""
    objs = rng.random((rows, columns))
    kind = rng.integers(4)
    if kind == 1:
        objs = np.round(objs, 1)
    elif kind == 2:
        objs = objs[rng.integers(rows, size=rows)]
    elif kind == 3:
        objs[:, -1] = 0.0
    if rng.random() < 0.5:
        objs /= np.linalg.norm(objs, axis=1, keepdims=True) + 1e-9
    return objs


def _check_rankings(times: int) -> None:
    """Compare fronts, crowding, SPEA2's fitness and truncation: equal to the last bit."""
    shipped = importlib.import_module("ddmtolab.Methods.Algo_Methods.algo_utils")
    mkta = module("MTDE_MKTA").MTDE_MKTA
    rng = np.random.default_rng(0)
    for _ in range(times):
        objs = _sample(rng, int(rng.integers(20, 90)), int(rng.integers(2, 4)))
        count = len(objs)
        free = np.zeros((count, int(rng.integers(2))))
        front, last = shipped.nd_sort(objs, free, count)
        again, last_again = fast.nd_sort(objs, free, count)
        assert last == last_again and np.array_equal(front, again)
        crowd = shipped.crowding_distance(objs, front)
        assert np.array_equal(crowd, fast.crowding_distance(objs, front))
        cons = rng.integers(-1, 2, (count, 1)).astype(float)
        for limits in (free, cons):
            fitness = shipped.spea2_fitness(objs, limits)
            assert np.array_equal(fitness, fast.spea2_fitness(objs, limits))
            cvs = np.maximum(0, limits).sum(axis=1)
            fitness = mkta._cal_spea2_fitness(None, objs, cvs)
            assert np.array_equal(fitness, fast.mkta_fitness(None, objs, cvs))
        keep = int(rng.integers(2, count))
        rest = shipped.spea2_truncation(objs, keep)
        assert np.array_equal(rest, fast.spea2_truncation(objs, keep))
        gone = mkta._truncation(None, objs, count - keep)
        assert np.array_equal(gone, fast.mkta_truncation(None, objs, count - keep))
    print(f"rankings: equal on {times} populations")


def _check_variation(times: int) -> None:
    """Compare crossover with mutation, and the learnt rmp, from the same seeds."""
    shipped = importlib.import_module("ddmtolab.Methods.Algo_Methods.algo_utils")
    rng, worst, worst_rmp = np.random.default_rng(0), 0.0, 0.0
    for number in range(times):
        parents = rng.random((92, 50)) ** rng.integers(1, 9)
        seed(number)
        children = shipped.ga_generation(parents, 20.0, 15.0)
        after = np.random.rand()  # noqa: NPY002
        seed(number)
        worst = max(worst, np.abs(children - ga_generation(parents, 20.0, 15.0)).max())
        assert after == np.random.rand(), "another number of draws"  # noqa: NPY002
        if number < 5:
            other = 0.1 * number + 0.05 * rng.random((92, 50))
            seed(number)
            matrix = module("MO_MFEA_II").learnRMP([parents, other], [50, 30])
            seed(number)
            again = fast.learn_rmp([parents, other], [50, 30])
            worst_rmp = max(worst_rmp, np.abs(matrix - again).max())
    assert worst < 1e-12 and worst_rmp < 1e-9
    print(f"variation: same draws, largest difference {worst}; learnt rmp {worst_rmp}")


def _check_runs(evaluations: int) -> None:
    """Compare whole runs from the same seed, generation by generation, to the last bit.

    MO_MFEA and MO_MFEA_II evaluate one row at a time as shipped, where a product with a matrix
    rounds otherwise than for many rows; so their pairs are those without a matrix.
    """
    problems = importlib.import_module("ddmtolab.Problems.MTMO.cec17_mtmo").CEC17MTMO()
    for name in ALGORITHMS:
        for pair in ("P1", "P3", "P9") if name.startswith("MO") else ("P1", "P5", "P8", "P9"):
            histories = []
            for change in (unpatch, patch):
                change()
                seed_tournaments()
                seed(1)
                made = getattr(module(name), name)
                run = made(getattr(problems, pair)(), n=100, max_nfes=evaluations, save_data=False)
                histories.append(run.optimize().all_objs)
            first, second = ([*history[0], *history[1]] for history in histories)
            equal = [np.array_equal(x, y) for x, y in zip(first, second, strict=True)]
            assert all(equal), f"{name} on {pair}: differs in population {equal.index(False)}"
            print(f"{name} on {pair}: {len(equal)} populations equal", flush=True)
    unpatch()


def check() -> None:
    """Compare all that is replaced, in a process whose NumPy takes powers as the C library does."""
    switch = "NPY_DISABLE_CPU_FEATURES"
    if switch not in os.environ:
        command = [sys.executable, "-m", __spec__.name, "--check"]
        os.execve(sys.executable, command, os.environ | {switch: "X86_V4 AVX512_ICL AVX512_SPR"})
    _check_rankings(200)
    _check_variation(20)
    _check_runs(1_000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compare the compiled helpers.")
    parser.add_argument("--check", action="store_true", required=True)
    parser.parse_args()
    check()
