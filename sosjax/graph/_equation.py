"""One operation of a network, and lists of them, over numbered values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

Shape = tuple[Any, ...]
"""Sizes of axes: whole numbers, or symbols for a batch of any size."""


@final
@dataclass(frozen=True)
class Equation:
    """One operation.

    Attributes:
      name: the primitive's name.
      primitive: what runs it; `None` where `run` does.
      reads: the values it reads, by number.
      writes: the values it writes, by number.
      params: the primitive's parameters.
      source: `file:line` of the user's code that made it, empty where JAX does not know.
      bodies: what a loop, a branch or a function with its own derivative runs inside.
      shared: values of the program around that the bodies read under their own number.
      rewritten: whether the bodies differ from those the primitive was traced with.
      run: arrays read -> arrays written, in the place of the primitive.
    """

    name: str
    primitive: Any
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    params: dict[str, Any]
    source: str = ""
    bodies: tuple["Region", ...] = ()
    shared: tuple[int, ...] = ()
    rewritten: bool = False
    run: Callable[..., Sequence[Any]] | None = None


@final
@dataclass(frozen=True)
class Region:
    """Operations with inputs and outputs: a whole network, or the body of a loop.

    Attributes:
      inputs: the values that are given, by number.
      outputs: the values that are asked for, by number.
      equations: the operations; evaluation finds their order.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    equations: tuple[Equation, ...]

    def ordered(self, known: set[int], targets: Sequence[int]) -> list[Equation]:
        """Return the equations that the targets need beyond what is known, in order."""
        producer = {number: eqn for eqn in self.equations for number in eqn.writes}
        ordered, done, waiting = [], set(known), list(targets)
        while waiting:
            number = waiting[-1]
            needs = () if number in done else (*producer[number].reads, *producer[number].shared)
            missing = [read for read in needs if read not in done]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if number not in done:
                ordered.append(producer[number])
                done.update(producer[number].writes)
        return ordered
