"""One evosax algorithm on one task along one direction: what it sees, and what it is told."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
from flax import struct

from .._types import Array, Float, Key
from ._evosax import BOX, Searcher
from ._scalarisation import View, all_finite


@struct.dataclass
class Subproblem:
    """An algorithm's state, and what is needed to tell it the truth.

    Attributes:
      search: the algorithm's own state.
      remembered: the costs [M, K + 1] behind the M fitnesses that the algorithm remembers, last
        the penalty for leaving [0, 1]. The costs are infinite where the individual failed, the
        penalty where a fitness is of no individual.
      asked: the rows [n, D] that the algorithm drew, not confined to the box; None for one that
        keeps a population.
      offered: whether the last row is an offer of another task.
    """

    search: Any
    remembered: Array
    asked: Array | None
    offered: Array


def started(
    searcher: Searcher,
    key: Key[Array, ""],
    genes: Float[Array, "N D"],
    costs: Float[Array, "N K"],
    view: View,
    params: Any,
) -> Subproblem:
    """Return an algorithm that starts from the best of its task's rows along its direction."""
    numbers = all_finite(view(costs))
    search = searcher.start(key, _boxed(genes), numbers, params)
    behind = _with_penalty(costs, jnp.zeros_like(numbers))
    return Subproblem(
        search=search,
        remembered=_recalled(searcher.fitnesses(search), numbers, behind),
        asked=None if searcher.keeps_rows else jnp.zeros((searcher.size, genes.shape[1])),
        offered=jnp.zeros((), bool),
    )


def asked(
    searcher: Searcher, key: Key[Array, ""], problem: Subproblem, params: Any
) -> tuple[Float[Array, "n D"], Subproblem]:
    """Return the algorithm's rows as genes in [0, 1], and what it needs to be told of them."""
    rows, search = searcher.ask(key, problem.search, params)
    # Some algorithms put their rows, and the fitnesses with them, into another order.
    before, after = (searcher.fitnesses(state) for state in (problem.search, search))
    problem = replace(
        problem,
        search=search,
        remembered=_recalled(after, before, problem.remembered),
        asked=None if searcher.keeps_rows else rows,
        offered=jnp.zeros((), bool),
    )
    return jnp.clip(jnp.nan_to_num(_genes(rows), nan=0.5), 0, 1), problem


def told(
    searcher: Searcher,
    key: Key[Array, ""],
    problem: Subproblem,
    genes: Float[Array, "n D"],
    costs: Float[Array, "n K"],
    view: View,
    params: Any,
) -> Subproblem:
    """Return the subproblem after its algorithm learnt from its rows.

    Ideal and nadir move with the generations, and a fitness of old would no longer compare with
    one of today: first every remembered fitness is computed anew from its costs.
    """
    size = searcher.size
    foreign = problem.offered & (jnp.arange(size) == size - 1)
    penalty = _penalty(problem.asked, foreign) if problem.asked is not None else jnp.zeros(size)
    behind = jnp.concatenate([_with_penalty(costs, penalty), problem.remembered])
    numbers = all_finite(view(behind[:, :-1]) + behind[:, -1])
    nobody = ~jnp.isfinite(problem.remembered[:, -1])
    before = searcher.fitnesses(problem.search)
    refreshed = jnp.where(nobody, before, numbers[size:])
    search = searcher.with_fitnesses(problem.search, refreshed)
    if problem.asked is None:
        search = searcher.tell(key, _boxed(genes), numbers[:size], search, params)
    else:
        own, offer = numbers[: size - 1], numbers[size - 1]
        # A row that was not drawn has no noise to rebuild: the drawn one neither pulls nor pushes.
        fitness = jnp.append(own, jnp.where(problem.offered, jnp.median(own), offer))
        search = searcher.tell(key, problem.asked, fitness, search, params)
        moves = problem.offered & (offer < own.min())
        search = searcher.move(search, _boxed(genes[-1]), offer, moves)
    known = jnp.concatenate([numbers[:size], refreshed])
    remembered = _recalled(searcher.fitnesses(search), known, behind)
    return replace(problem, search=search, remembered=remembered)


def _with_penalty(costs: Float[Array, "n K"], penalty: Float[Array, " n"]) -> Float[Array, "n C"]:
    """Return costs with their penalty behind; infinite costs and none for a failed row."""
    finite = jnp.isfinite(costs).all(-1) & jnp.isfinite(penalty)
    costs = jnp.where(finite[:, None], costs, jnp.inf)
    return jnp.column_stack([costs, jnp.where(finite, penalty, 0.0)])


def _recalled(
    values: Float[Array, " M"], known: Float[Array, " L"], behind: Float[Array, "L C"]
) -> Float[Array, "M C"]:
    """Return the costs behind values that were selected from known ones.

    The nearest, not the equal one: a compiler may compute a number twice and round it otherwise.
    """
    gap = jnp.abs(values[:, None] - known)
    gap = jnp.where(jnp.isfinite(gap), gap, jnp.inf)
    same = jnp.isfinite(values) & (gap.min(1) <= 1e-6 * (1 + jnp.abs(values)))
    nobody = jnp.zeros(behind.shape[1]).at[-1].set(jnp.inf)
    return jnp.where(same[:, None], behind[gap.argmin(1)], nobody)


def _penalty(rows: Float[Array, "n D"], foreign: Array) -> Float[Array, " n"]:
    """Return the mean square of what is cut off a row: 0 inside [0, 1], and for an offer."""
    genes = _genes(rows)
    cut = ((genes - jnp.clip(genes, 0, 1)) ** 2).mean(-1)
    return jnp.where(foreign, 0.0, cut)


def _genes(rows: Float[Array, "*rows D"]) -> Float[Array, "*rows D"]:
    return 0.5 + rows / (2 * BOX)


def _boxed(genes: Float[Array, "*rows D"]) -> Float[Array, "*rows D"]:
    return BOX * (2 * genes - 1)
