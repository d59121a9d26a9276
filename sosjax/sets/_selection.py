"""Which member of a task's set is chosen, and why the others are not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from .._errors import InputError, require, require_known
from ..environments._environment import Environment, amount
from ._member import Scores
from ._miss import Miss, listed, misses
from ._preference import AbstractPreference, Loss


@final
@dataclass(frozen=True)
class Verdict:
    """What became of one member of a set when one was chosen.

    Attributes:
      number: its place in the set, from 0.
      scores: its scores.
      costs: what it costs in the environment, with what its device foretells.
      misses: the limits that it exceeds; none if it was admitted.
      loss: what the preference minimises.
      chosen: whether it is the one.
      reason: the same in words.
    """

    number: int
    scores: Scores
    costs: dict[str, float]
    misses: tuple[Miss, ...]
    loss: Loss
    chosen: bool
    reason: str

    @property
    def admitted(self) -> bool:
        """Whether it is within every limit."""
        return not self.misses

    @property
    def excess(self) -> float:
        """By which share it exceeds the limit that it exceeds most; 0 if it was admitted."""
        return max((miss.share for miss in self.misses), default=0.0)


def verdicts(
    scores: Sequence[Scores],
    environment: Environment | None,
    prefer: AbstractPreference,
    outputs: int = 0,
) -> tuple[Verdict, ...]:
    """Return a verdict on every member of a set.

    Chosen is the lowest loss among the members within every limit; of equal ones that with the
    fewest parameters, and of those the first. None is chosen where none is admitted.

    Args:
      scores: of the M members.
      environment: has the limits; `None`: there are none.
      prefer: what gives the losses.
      outputs: of the members' heads, which a measured environment needs.

    Raises:
      InputError: the environment limits, or the preference names, a cost that members do not have,
        or the preference asks for more of a cost than the environment allows.
    """
    if not scores:
        return ()
    costs = [costs_in(environment, one, outputs) for one in scores]
    limits = _limits(environment, prefer, costs[0])
    exceeded = [misses(each, limits) for each in costs]
    columns = {name: [each[name] for each in costs] for name in costs[0]}
    losses = prefer.losses([one.error for one in scores], columns)

    def rank(number: int) -> tuple[Loss, int, int]:
        return losses[number], scores[number].parameters, number

    chosen = min((n for n, found in enumerate(exceeded) if not found), key=rank, default=None)
    reasons = [
        _reason(rank(number), None if chosen is None else rank(chosen), found, prefer)
        for number, found in enumerate(exceeded)
    ]
    return tuple(
        Verdict(number, *each, losses[number], number == chosen, reasons[number])
        for number, each in enumerate(zip(scores, costs, exceeded, strict=True))
    )


def chosen(
    task: str,
    found: Sequence[Verdict],
    environment: Environment | None,
    prefer: AbstractPreference,
) -> int:
    """Return the place of the chosen member.

    Raises:
      InputError: none was admitted; the message says what the nearest one needs.
    """
    require(found, f"`task` {task!r} must have members to select from, got an empty set.")
    for verdict in found:
        if verdict.chosen:
            return verdict.number
    asked = [] if environment is None else [f"`env` {environment.name}"]
    asked += ["`at`"] if prefer.limits else []
    raise InputError(
        f"{' and '.join(asked)} must admit a member of {task!r}, but the nearest needs "
        f"{listed(nearest(found).misses)}."
    )


def nearest(found: Sequence[Verdict]) -> Verdict:
    """Return the member that is nearest to the limits: whose largest excess is the smallest share.

    Of equal ones that with the fewest parameters, and of those the first.
    """
    return min(found, key=lambda one: (one.excess, one.scores.parameters, one.number))


def costs_in(environment: Environment | None, scores: Scores, outputs: int) -> dict[str, float]:
    """Return what a member costs in an environment; `None`: what is counted of it."""
    counted: dict[str, float] = dict(scores.costs)
    return counted if environment is None else environment.costs(counted, scores.kept, outputs)


def _limits(
    environment: Environment | None, prefer: AbstractPreference, known: Mapping[str, float]
) -> dict[str, float]:
    """Return the limits of the environment and of the preference in one."""
    limits = {} if environment is None else environment.limits
    for cost, wanted in prefer.limits.items():
        require_known("at", cost, known)
        limit = limits.get(cost, wanted)
        require(
            wanted <= limit,
            f"`at` must be within the limits, got {amount(wanted)} {cost} where at most "
            f"{amount(limit)} are allowed.",
        )
    return limits | prefer.limits


def _reason(
    own: tuple[Loss, int, int],
    best: tuple[Loss, int, int] | None,
    exceeded: Sequence[Miss],
    prefer: AbstractPreference,
) -> str:
    """Return why a member is or is not chosen, from its rank and that of the chosen one."""
    if best is None or exceeded:
        return f"needs {listed(exceeded)}"
    if own == best:
        return f"chosen: {prefer.told(own[0])}"
    if own[0] != best[0]:
        return f"{prefer.told(own[0])}; the chosen {prefer.told(best[0])}"
    more = own[1] - best[1]
    return f"as good, {f'with {more:,} parameters more' if more else 'and behind it in the set'}"
