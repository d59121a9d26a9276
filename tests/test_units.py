"""Units joined, pinned and defined, against all assignments that what was said allows."""

import numpy as np
import pytest
from agreement import examples
from hypothesis import given
from hypothesis import strategies as st

from sosjax.graph._units import Fixed, Units

# What was said is a list of ("join", axis, axis), ("pin", axis) and ("define", axis, parts), with
# axes as lists of units, and parts as lists of one unit for each unit of the axis.


def solved(count, said):
    """Say it all, and return the solution and the reasons."""
    units = Units()
    units.fresh(count)
    reason = units.reason("said so")
    for kind, axis, *rest in said:
        axis = np.array(axis, np.int64)
        if kind == "join":
            units.unite(axis, np.array(rest[0], np.int64))
        elif kind == "pin":
            units.pin(axis, reason)
        else:
            places = np.arange(len(axis))
            units.define(axis, [(np.array(part, np.int64), places) for part in rest[0]])
    return units.solve(), units.reasons


def choices(number):
    """Return all assignments of truth values, [2 ** number, number]."""
    return np.arange(2**number)[:, None] >> np.arange(number) & 1 > 0


def found(count, said):
    """Return which units are there for every choice of atoms, bool [choices, units]."""
    solution, _ = solved(count, said)
    rows = solution.atoms[solution.label]
    atoms, places = np.unique(rows, return_inverse=True)
    there = choices((atoms >= 0).sum())
    there = np.concatenate([np.ones((len(there), (atoms < 0).sum()), bool), there], 1)
    return there[:, places.reshape(rows.shape)].all(2)


def allowed(there, said):
    """Return which assignments [choices, units] fit what was said."""
    fits = np.ones(len(there), bool)
    for kind, axis, *rest in said:
        if kind == "pin":
            fits &= there[:, axis].all(1)
        elif kind == "join":
            fits &= (there[:, axis] == there[:, rest[0]]).all(1)
        else:
            fits &= (there[:, axis] == there[:, np.array(rest[0])].all(1)).all(1)
    return fits


def rows(there):
    return {tuple(row) for row in there.tolist()}


COUNT = 9
unit = st.integers(0, COUNT - 1)
axis = st.lists(unit, min_size=1, max_size=3)
pins = axis.map(lambda units: ("pin", units))


@st.composite
def joins(draw, unit=unit):
    size = draw(st.integers(1, 3))
    axes = st.lists(unit, min_size=size, max_size=size)
    return ("join", draw(axes), draw(axes))


@st.composite
def definitions(draw):
    whole = draw(axis)
    part = st.lists(unit, min_size=len(whole), max_size=len(whole))
    return ("define", whole, draw(st.lists(part, min_size=1, max_size=3)))


@st.composite
def without_conflict(draw):
    """Every unit is defined once at most, by units before it, and only the others are joined."""
    atoms = st.integers(0, 4)
    said = draw(st.lists(joins(atoms) | pins, max_size=3))
    for whole in draw(st.lists(st.integers(5, COUNT - 1), unique=True)):
        part = st.integers(0, whole - 1).map(lambda part: [part])
        said.append(("define", [whole], draw(st.lists(part, min_size=1, max_size=3))))
    return draw(st.permutations(said))


@st.composite
def reshapes(draw):
    """Cut one axis into blocks in one to three ways, join some of the new axes, pin a unit."""
    size = draw(st.sampled_from([4, 6, 8, 12]))
    said, axes, count = [], [list(range(size))], size
    shapes = [shape for shape in SHAPES if np.prod(shape) == size]
    for shape in draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=3)):
        new = [list(range(start, start + n)) for n, start in _starts(shape, count)]
        count += sum(shape)
        places = np.unravel_index(np.arange(size), shape)
        parts = [np.array(part)[place].tolist() for part, place in zip(new, places, strict=True)]
        said.append(("define", axes[0], parts))
        axes += new
    for _ in range(draw(st.integers(0, 2))):
        first = draw(st.sampled_from(axes))
        second = draw(st.sampled_from([axis for axis in axes if len(axis) == len(first)]))
        said.append(("join", first, second[:: draw(st.sampled_from([1, 1, -1]))]))
    said += draw(st.lists(st.integers(0, count - 1).map(lambda unit: ("pin", [unit])), max_size=1))
    return count, said


SHAPES = [(2, 2), (2, 3), (3, 2), (2, 4), (4, 2), (2, 2, 2), (2, 6), (3, 4), (4, 3), (2, 2, 3)]


def _starts(shape, start):
    ends = start + np.cumsum([0, *shape])
    return list(zip(shape, ends.tolist(), strict=False))


@examples(60)
@given(st.lists(joins() | pins, max_size=8))
def test_joined_and_pinned_units_are_exactly_what_was_said(said):
    everything = choices(COUNT)
    assert rows(found(COUNT, said)) == rows(everything[allowed(everything, said)])


@examples(100)
@given(without_conflict())
def test_definitions_without_conflict_are_exactly_what_was_said(said):
    everything = choices(COUNT)
    assert rows(found(COUNT, said)) == rows(everything[allowed(everything, said)])


@examples(100)
@given(st.lists(joins() | pins | definitions(), max_size=6))
def test_whatever_is_said_holds(said):
    assert allowed(found(COUNT, said), said).all()


@examples(100)
@given(reshapes())
def test_reshapes_in_several_ways_hold(case):
    count, said = case
    assert allowed(found(count, said), said).all()


@examples(100)
@given(st.data())
def test_the_order_of_what_is_said_does_not_matter(data):
    several = st.lists(joins() | pins | definitions(), max_size=6)
    count, said = data.draw(several.map(lambda said: (COUNT, said)) | reshapes())
    other = data.draw(st.permutations(said))
    assert rows(found(count, other)) == rows(found(count, said))


# Single cases, by how many units and atoms there are: units that stay have none.


def atoms(count, said):
    """Return the atoms of every unit, each as a set of the first units that are there with it."""
    solution, _ = solved(count, said)
    first = {label: unit for unit, label in reversed(list(enumerate(solution.label.tolist())))}
    return [{first[atom] for atom in row if atom >= 0} for row in solution.rows(np.arange(count))]


def cut(whole, *parts):
    """Say that an axis is cut into blocks, with its new axes from the outermost in."""
    places = np.unravel_index(np.arange(len(whole)), [len(part) for part in parts])
    blocks = [np.array(part)[place].tolist() for part, place in zip(parts, places, strict=True)]
    return ("define", whole, blocks)


HEADS = cut([0, 1, 2, 3, 4, 5], [6, 7], [8, 9, 10])


def test_an_axis_of_heads_is_there_where_head_and_place_are():
    assert atoms(11, [HEADS])[:6] == [{6, 8}, {6, 9}, {6, 10}, {7, 8}, {7, 9}, {7, 10}]


def test_pinned_heads_leave_the_places_and_pinned_indices_leave_nothing():
    assert atoms(11, [HEADS, ("pin", [6, 7])])[:6] == [{0}, {1}, {2}] * 2
    assert atoms(11, [HEADS, ("pin", [0])])[:6] == [set(), {1}, {2}, {3}, {3, 1}, {3, 2}]


def test_two_axes_of_heads_that_are_joined_share_heads_and_places():
    other = cut([11, 12, 13, 14, 15, 16], [17, 18], [19, 20, 21])
    said = [HEADS, other, ("join", list(range(6)), list(range(11, 17)))]
    assert atoms(22, said)[17:] == [{6}, {7}, {8}, {9}, {10}]
    assert atoms(22, said)[11:17] == atoms(22, said)[:6]


def test_blocks_within_blocks_are_cut_to_the_innermost():
    said = [cut([8, 9, 10, 11], [12, 13], [14, 15]), cut(list(range(8)), [16, 17], [8, 9, 10, 11])]
    assert atoms(18, said)[0] == {16, 12, 14}
    assert atoms(18, said)[7] == {17, 13, 15}


def test_blocks_that_do_not_fit_stay_and_say_why():
    solution, reasons = solved(17, [HEADS, cut([0, 1, 2, 3, 4, 5], [11, 12], [13, 14, 15], [16])])
    assert atoms(17, [HEADS, cut([0, 1, 2, 3, 4, 5], [11, 12], [13, 14, 15])])[11:14] == [
        {6},
        {7},
        {8},
    ]
    assert (solution.reason[solution.label] >= 0).all()
    assert reasons[solution.reason.max()].startswith("one axis is cut into blocks in two ways")


@pytest.mark.parametrize(
    "circle",
    [
        [("define", [0], [[1], [2]]), ("define", [1], [[0], [3]])],
        [("define", [0], [[0], [1]])],
        [("define", [0], [[1], [2]]), ("define", [1], [[3], [4]]), ("define", [3], [[0], [5]])],
    ],
    ids=["of two", "of one", "of three"],
)
def test_circles_end(circle):
    there = found(6, circle)
    assert allowed(there, circle).all()
    assert len(there) > 1


def test_an_axis_that_is_fixed_passes_its_reason_on():
    units = Units()
    fixed, whole, part = Fixed(units.reason("fixed")), units.fresh(4), units.fresh(2)
    places = [np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])]
    units.define(whole, [(fixed, places[0]), (part, places[1])])
    other, inner = units.fresh(2), units.fresh(2)
    assert units.unite(fixed, other) is fixed
    units.define(fixed, [(inner, places[1])])
    solution = units.solve()
    assert (solution.label[whole] == solution.label[np.tile(part, 2)]).all()
    assert (solution.reason[solution.label[part]] == -1).all()
    for axis in (other, inner):
        assert [units.reasons[r] for r in solution.reason[solution.label[axis]]] == ["fixed"] * 2


def test_reasons_are_kept_when_units_are_joined():
    units = Units()
    first, second = units.fresh(3), units.fresh(3)
    units.pin(second[:1], units.reason("one"))
    units.pin(first[2:], units.reason("two"))
    assert units.unite(first, second) is first
    solution = units.solve()
    reasons = solution.reason[solution.label[first]]
    assert [units.reasons[r] if r >= 0 else "" for r in reasons] == ["one", "", "two"]


def test_nothing_said_is_nothing_found():
    solution = Units().solve()
    assert solution.label.size == solution.atoms.size == 0
