"""Greedy and beam search for the tokens that a sequence-to-sequence network writes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp

from .._errors import require, require_number
from .._tree import named_leaves, with_leaves
from ..graph._graph import Graph, Masks

_WORST = -1e9


@final
@dataclass(frozen=True)
class Decoding:
    """How texts are written.

    Attributes:
      start: id of the token that stands first in every text.
      end: id of the token that ends a text.
      pad: id after the end; never written before.
      length: the most tokens of a text, the first and the end included; 2 or more.
      beams: texts that are followed at once for each source; only `beam` reads it.
      penalty: a text's log-probability is divided by the number of its tokens (without the first)
        to this power, from -10 to 10: 1 is the mean, more favours long texts.
      early: stop as soon as every beam has an ended text; otherwise only when the texts that are
        not ended, judged by their log-probability so far, would not come before the ended ones.

    Raises:
      InputError: an option is of another type or out of range.
    """

    start: int = 2
    end: int = 2
    pad: int = 1
    length: int = 128
    beams: int = 5
    penalty: float = 1.0
    early: bool = True

    def __post_init__(self) -> None:
        for name, low in {"start": 0, "end": 0, "pad": 0, "length": 2, "beams": 1}.items():
            require_number(f"decoding.{name}", getattr(self, name), low, whole=True)
        require_number("decoding.penalty", self.penalty, -10, 10)
        require(
            isinstance(self.early, bool),
            f"`decoding.early` must be true or false, got {self.early!r}.",
        )
        require(
            self.pad != self.end,
            f"`decoding.pad` must be another token than `end`, got {self.pad} for both.",
        )


@final
@dataclass(frozen=True, eq=False)
class Steps:
    """A network as one step after the other. Keep it: each is compiled anew.

    Attributes:
      begin: `begin(params, source, length)`, the state for source ids [B, S] and at most `length`
        tokens.
      step: `step(params, state, tokens, place)`, logits [R, V] of the token after `place` of
        tokens [R, T], and the next state.
      repeat: `repeat(state, times)`, a state in which every row comes so many times in a row.
      reorder: `reorder(state, rows)`, a state with rows [R] of it, each of its own source.
    """

    begin: Callable[[Any, Any, int], Any]
    step: Callable[[Any, Any, Any, Any], tuple[Any, Any]]
    repeat: Callable[[Any, int], Any]
    reorder: Callable[[Any, Any], Any]


def whole_steps(apply: Callable[..., Any], pad: int = 1) -> Steps:
    """Return the steps of any network, which computes all tokens again for each new one.

    Args:
      apply: `apply(params, ids)` with ids int32 [R, 2, S] of source and decoder, logits [R, S, V]:
        a whole network, a masked one (`partial` of `Graph.masked`) or a shrunk one.
      pad: id of padding.
    """

    def widened(tokens: Any, width: int) -> Any:
        return jnp.pad(tokens, ((0, 0), (0, width - tokens.shape[1])), constant_values=pad)

    def step(params: Any, source: Any, tokens: Any, place: Any) -> tuple[Any, Any]:
        width = max(source.shape[1], tokens.shape[1])
        pairs = jnp.stack([widened(source, width), widened(tokens, width)], 1)
        return jax.lax.dynamic_index_in_dim(apply(params, pairs), place, 1, False), source

    return Steps(
        begin=lambda _, source, length: source,
        step=step,
        repeat=lambda source, times: jnp.repeat(source, times, 0),
        reorder=lambda source, rows: source,
    )


def cached_steps(apply: Callable[..., Any]) -> Steps:
    """Return the steps of a network with a key-value cache.

    For a sub-network give parameters made by `silenced`.

    Args:
      apply: `apply(params, *inputs, method=...)` of a module with the methods `begin` and `step`,
        whose state has methods `repeated` and `reordered`, such as `M2m100`.
    """

    def step(params: Any, cache: Any, tokens: Any, place: Any) -> tuple[Any, Any]:
        last = jax.lax.dynamic_index_in_dim(tokens, place, 1, False)
        return apply(params, cache, last, place, method="step")

    return Steps(
        begin=lambda params, source, length: apply(params, source, length, method="begin"),
        step=step,
        repeat=lambda cache, times: cache.repeated(times),
        reorder=lambda cache, rows: cache.reordered(rows),
    )


def silenced(graph: Graph, params: Any, masks: Masks) -> Any:
    """Return parameters of full size in which all that masks remove is zero.

    With them a transformer computes what its sub-network does: what reads a removed unit has no
    weight for it, and queries and keys that are removed are zero. It may be traced and mapped.

    Args:
      graph: of the network.
      params: the full parameters.
      masks: for each group a boolean array [size]; then, if wanted, one [1] for each block.
    """
    there = [jnp.ones(1, bool), *(jnp.asarray(mask, bool) for mask in masks[: len(graph.groups)])]
    alive = jnp.concatenate(there)
    leaves = named_leaves(params)
    for (name, axis), table in graph.tables().items():
        shape = [-1 if place == axis else 1 for place in range(leaves[name].ndim)]
        leaves[name] = jnp.where(alive[table].all(1).reshape(shape), leaves[name], 0)
    for block, mask in zip(graph.blocks, masks[len(graph.groups) :], strict=False):
        for name in block.leaves:
            leaves[name] = jnp.where(jnp.asarray(mask, bool).all(), leaves[name], 0)
    return with_leaves(params, leaves)


def greedy(
    steps: Steps, params: Any, source: Any, decoding: Decoding, first: Any = None
) -> jax.Array:
    """Write the most probable token after each other.

    Args:
      steps: the network.
      params: its parameters.
      source: int32 [B, S], padded source ids.
      decoding: when to end; its beams are not read.
      first: int32 [B], the token that must follow the start, such as that of the language.

    Returns:
      int32 [B, length]: start, first, tokens, end, padding.

    Raises:
      InputError: `source` or `first` is of another shape or type.

    Example:
      >>> follows = jnp.eye(5)[jnp.array([0, 0, 3, 4, 2])]
      >>> steps = whole_steps(lambda params, ids: follows[ids[:, 1]])
      >>> greedy(steps, None, jnp.ones((1, 3), int), Decoding(length=6)).tolist()
      [[2, 3, 4, 2, 1, 1]]
    """
    source, first = _checked(source, first)
    return _greedy(steps, decoding, params, source, first)


def beam(
    steps: Steps, params: Any, source: Any, decoding: Decoding, first: Any = None
) -> tuple[jax.Array, jax.Array]:
    """Follow the most probable texts and return the best that ended.

    Of the continuations of all beams the best `2 * beams` are looked at. Those among the best
    `beams` that end, or that are as long as may be, are done; the best others are followed. With
    one beam and `early` it is `greedy`.

    Args:
      steps: the network.
      params: its parameters.
      source: int32 [B, S], padded source ids.
      decoding: beams, penalty and when to end.
      first: int32 [B], the token that must follow the start, such as that of the language.

    Returns:
      int32 [B, length] as `greedy` returns, and float32 [B], the texts' log-probability by their
      length to the power of the penalty.

    Raises:
      InputError: `source` or `first` is of another shape or type.
    """
    source, first = _checked(source, first)
    return _beam(steps, decoding, params, source, first)


def _checked(source: Any, first: Any) -> tuple[jax.Array, jax.Array | None]:
    source = jnp.asarray(source)
    require(
        source.ndim == 2 and jnp.issubdtype(source.dtype, jnp.integer) and source.size > 0,
        f"`source` must be ids [B, S], got {source.dtype}{list(source.shape)}.",
    )
    if first is None:
        return source.astype(jnp.int32), None
    first = jnp.asarray(first)
    require(
        first.shape == source.shape[:1] and jnp.issubdtype(first.dtype, jnp.integer),
        f"`first` must be {len(source)} ids, one for each row of `source`, got "
        f"{first.dtype}{list(first.shape)}.",
    )
    return source.astype(jnp.int32), first.astype(jnp.int32)


@partial(jax.jit, static_argnums=(0, 1))
def _greedy(steps: Steps, decoding: Decoding, params: Any, source: Any, first: Any) -> jax.Array:
    rows, length = len(source), decoding.length

    def goes_on(carry: Any) -> Any:
        place, _, _, ended = carry
        return (place + 1 < length) & ~ended.all()

    def written(carry: Any) -> Any:
        place, state, tokens, ended = carry
        logits, state = steps.step(params, state, tokens, place)
        chosen = jnp.argmax(_without(logits, decoding.pad), -1).astype(jnp.int32)
        if first is not None:
            chosen = jnp.where(place == 0, first, chosen)
        chosen = jnp.where(ended, decoding.pad, chosen)
        tokens = jax.lax.dynamic_update_index_in_dim(tokens, chosen, place + 1, 1)
        return place + 1, state, tokens, ended | (chosen == decoding.end)

    state = steps.begin(params, source, length)
    start = (jnp.int32(0), state, _started(decoding, (rows,)), jnp.zeros(rows, bool))
    return jax.lax.while_loop(goes_on, written, start)[2]


class _Beams(NamedTuple):
    """Texts that are followed (live) and that ended (done), `N` beams for each of B sources."""

    place: jax.Array  # of the last token
    state: Any
    tokens: jax.Array  # int32 [B, N, T]
    scores: jax.Array  # [B, N], sums of log-probabilities
    done_tokens: jax.Array
    done_scores: jax.Array  # by length
    done: jax.Array  # bool [B, N], whether there is an ended text
    hopeful: jax.Array  # bool [B], whether a better text may still come
    stuck: jax.Array  # bool, whether no text can be continued


@partial(jax.jit, static_argnums=(0, 1))
def _beam(
    steps: Steps, decoding: Decoding, params: Any, source: Any, first: Any
) -> tuple[jax.Array, jax.Array]:
    rows, beams = len(source), decoding.beams
    state = steps.repeat(steps.begin(params, source, decoding.length), beams)
    tokens = _started(decoding, (rows, beams))
    none = jnp.full((rows, beams), _WORST, jnp.float32)
    start = _Beams(
        place=jnp.int32(0),
        state=state,
        tokens=tokens,
        # All beams begin alike: only the first counts, or all would remain alike.
        scores=none.at[:, 0].set(0),
        done_tokens=tokens,
        done_scores=none,
        done=jnp.zeros((rows, beams), bool),
        hopeful=jnp.ones(rows, bool),
        stuck=jnp.bool_(False),
    )

    def goes_on(now: _Beams) -> Any:
        return now.hopeful.any() & ~(now.done.all() & decoding.early) & ~now.stuck

    def written(now: _Beams) -> _Beams:
        logits, state = steps.step(
            params, now.state, now.tokens.reshape(rows * beams, -1), now.place
        )
        added = _without(jax.nn.log_softmax(logits.astype(jnp.float32)), decoding.pad)
        added = added.reshape(rows, beams, -1)
        if first is not None:
            forced = jnp.arange(added.shape[-1]) == first[:, None, None]
            added = jnp.where(now.place > 0, added, jnp.where(forced, 0.0, -jnp.inf))
        return _chosen(steps, decoding, now._replace(state=state), added)

    last = jax.lax.while_loop(goes_on, written, start)
    return last.done_tokens[:, 0], last.done_scores[:, 0]


def _chosen(steps: Steps, decoding: Decoding, now: _Beams, added: jax.Array) -> _Beams:
    """Return the beams after the tokens with these log-probabilities [B, N, V]."""
    rows, beams, words = added.shape
    sums = (now.scores[..., None] + added).reshape(rows, -1)
    scores, index = jax.lax.top_k(sums, 2 * beams)
    origin, token = index // words, (index % words).astype(jnp.int32)
    tokens = _taken(now.tokens, origin)
    tokens = jax.lax.dynamic_update_index_in_dim(tokens, token, now.place + 1, 2)
    ends = (token == decoding.end) | (now.place + 2 >= decoding.length)

    live, which = jax.lax.top_k(jnp.where(ends, scores + _WORST, scores), beams)
    flat = _taken(origin, which) + beams * jnp.arange(rows)[:, None]

    weight = (now.place + 1).astype(jnp.float32) ** decoding.penalty
    full = now.done.all(1) & decoding.early
    fresh = ends & (jnp.arange(2 * beams) < beams) & (now.hopeful & ~full)[:, None]
    merged = jnp.concatenate([now.done_scores, jnp.where(fresh, scores / weight, _WORST)], 1)
    done_scores, best = jax.lax.top_k(merged, beams)
    done = _taken(jnp.concatenate([now.done, fresh], 1), best)

    worst = jnp.where(done.all(1), done_scores[:, -1], _WORST)
    return _Beams(
        place=now.place + 1,
        state=steps.reorder(now.state, flat.reshape(-1)),
        tokens=_taken(tokens, which),
        scores=live,
        done_tokens=_taken(jnp.concatenate([now.done_tokens, tokens], 1), best),
        done_scores=done_scores,
        done=done,
        hopeful=now.hopeful & (live[:, 0] / weight > worst),
        stuck=ends.all(),
    )


def _without(scores: jax.Array, pad: int) -> jax.Array:
    """Return scores [..., V] that never choose padding, which a network does not see as a token."""
    return scores.at[..., pad].set(-jnp.inf)


def _started(decoding: Decoding, shape: tuple[int, ...]) -> jax.Array:
    tokens = jnp.full((*shape, decoding.length), decoding.pad, jnp.int32)
    return tokens.at[..., 0].set(decoding.start)


def _taken(array: jax.Array, index: jax.Array) -> jax.Array:
    """Return for each row [B] the beams [B, N] of it."""
    return jnp.take_along_axis(array, index.reshape(*index.shape, *[1] * (array.ndim - 2)), 1)
