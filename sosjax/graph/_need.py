"""Which values and leaves are still needed when blocks are left out."""

from collections.abc import Iterable, Sequence

from ._block import Branch
from ._program import Program

Need = frozenset[frozenset[int]]
"""Sets of blocks, by place: a value is needed if all blocks of one of the sets are there."""

ALWAYS: Need = frozenset([frozenset()])

_MOST = 64
"""How many sets are told apart; beyond, a value counts as needed more often than it is."""


def find_needs(program: Program, branches: Sequence[Branch]) -> dict[int, Need]:
    """Return when each value is computed, by number; inputs always are there.

    What nothing reads is there with what is written with it, or else not in the answer.
    """
    blocks = {
        (branch.equation, branch.side): frozenset([place]) for place, branch in enumerate(branches)
    }
    needs = dict.fromkeys(program.region.outputs, ALWAYS)
    for place, equation in reversed(list(enumerate(program.region.equations))):
        wanted = _either(needs[number] for number in equation.writes if number in needs)
        if not wanted:
            continue
        for number in equation.writes:
            needs.setdefault(number, wanted)
        for side, number in enumerate(equation.reads):
            block = blocks.get((place, side), frozenset())
            through = frozenset(others | block for others in wanted)
            needs[number] = _either([needs.get(number, frozenset()), through])
    return needs | dict.fromkeys(program.inputs, ALWAYS)


def leaf_needs(program: Program, needs: dict[int, Need]) -> dict[str, Need]:
    """Return when each leaf is there, by path; leaves that nothing reads and scalars always."""
    return {
        name: needs.get(number, ALWAYS) if program.shape(number) else ALWAYS
        for name, number in program.leaves.items()
    }


def is_needed(need: Need, skipped: Iterable[int]) -> bool:
    """Return whether something is needed when these blocks are left out."""
    gone = frozenset(skipped)
    return any(not blocks & gone for blocks in need)


def _either(needs: Iterable[Need]) -> Need:
    """Join needs; sets that hold another of them say nothing."""
    joined = frozenset().union(*needs)
    if len(joined) > _MOST:
        return frozenset([frozenset.intersection(*joined)])
    return frozenset(one for one in joined if not any(other < one for other in joined))
