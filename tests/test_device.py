"""Devices: pieces of a network, the timetable made of them, files, and environments that use it."""

import json
import math
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problem import ENVIRONMENTS, SETTINGS, TASKS, found, make_data, network
from scipy.optimize import nnls

import sosjax
from sosjax import Environment, InputError, load_device, load_sets, save_device, save_sets
from sosjax.cli import main
from sosjax.deploy import _measure
from sosjax.environments._device import Device, Memory
from sosjax.environments._timetable import Timetable, Timing, levels_of
from sosjax.graph._pieces import pieces
from sosjax.graph._program import evaluate
from sosjax.search._asked import check_asked


def traced(jat, batch=3):
    row = jat.graph.inputs
    rows = jax.ShapeDtypeStruct((batch, *row.shape), row.dtype)
    return jat.graph.graph.traced(jat.params, (rows,))


@cache
def device():
    """Return a device that was measured without looking at a clock."""
    jat = network()
    graph, own = jat.graph, pieces(traced(jat))
    timings, found_pieces, needs = [], [], []
    for piece in own:
        sizes = [graph.sizes[one] for one in piece.counts if one < len(graph.groups)]
        levels = tuple(levels_of(size, len(sizes)) for size in sizes)
        grid = np.meshgrid(*map(np.array, levels), indexing="ij") if levels else []
        timings.append(Timing(levels, np.asarray(1e-4 * math.prod(grid))))
        found_pieces.append((len(timings) - 1, piece.counts))
        first = len(graph.groups)
        needs.append(frozenset(frozenset(first + b for b in every) for every in piece.need))
    table = Timetable(2, tuple(timings), tuple(found_pieces), tuple(needs), 1.5, 1e-5, 2e-3)
    table = replace(table, cache=500.0, stream=1e-6, error=0.04, worst=0.2, spread=0.01)
    return Device(
        name="a phone",
        machine={"platform": "cpu"},
        network=jat.name,
        groups=tuple((group.name, group.size) for group in graph.groups),
        blocks=len(graph.blocks),
        outputs=graph.classes,
        timetables=(table,),
        memory=Memory(graph.costs, 1.25, 4096.0, 0.1),
    )


def test_pieces_one_after_the_other_are_the_network():
    jat = network()
    own, whole = pieces(traced(jat)), traced(jat).program
    rows = np.random.default_rng(0).random((3, *jat.graph.inputs.shape), np.float32)
    values = {**whole.constants, **whole.given(jat.params, (rows,))}
    waiting = list(own)
    while waiting:
        ready = [one for one in waiting if set(one.region.inputs) <= set(values)]
        assert ready, "pieces wait for one another"
        for piece in ready:
            region = piece.region
            outputs = evaluate(region, values, region.outputs, whole.constants)
            values |= dict(zip(region.outputs, outputs, strict=True))
            waiting.remove(piece)
    expected = whole.evaluate(whole.given(jat.params, (rows,)), whole.region.outputs)
    np.testing.assert_array_equal(values[whole.output], expected[0])


def test_a_piece_of_a_sub_network_has_its_shapes():
    jat = network()
    sizes = jat.graph.sizes
    for piece in pieces(traced(jat)):
        masks = [np.arange(size) < max(1, size // 2) for size in sizes]
        run, inputs = piece.at(traced(jat), masks, {})
        outputs = run([jnp.ones(one.shape, one.dtype) for one in inputs])
        assert all(np.isfinite(np.asarray(one)).all() for one in outputs)
        if piece.counts:
            full, _ = piece.at(traced(jat), [np.ones(size, bool) for size in sizes], {})
            del full
            wide = piece.at(traced(jat), [np.ones(size, bool) for size in sizes], {})[1]
            small = sum(math.prod(one.shape) for one in inputs)
            assert small < sum(math.prod(one.shape) for one in wide)


def test_pieces_that_are_alike_are_named_alike():
    def apply(params, rows):
        for name in ("a", "b", "c"):
            rows = rows + jax.nn.relu(rows @ params[name]["up"]) @ params[name]["down"]
        return rows @ params["head"]

    shapes = {"up": (6, 8), "down": (8, 6)}
    layer = {name: jnp.ones(shape) for name, shape in shapes.items()}
    params = {"a": layer, "b": layer, "c": layer, "head": jnp.ones((6, 4))}
    graph = sosjax.trace(apply, params, jnp.ones((5, 6)))
    own = pieces(graph.traced(params, (jnp.ones((5, 6)),)))
    assert len(own) == 7
    assert len({one.likeness for one in own}) == 3
    assert [one.counts for one in own if one.counts] == [(0,), (0,), (1,), (1,), (2,), (2,)]


@given(st.integers(1, 3000), st.integers(1, 3))
def test_levels_lie_within_the_group_and_reach_its_size(size, counts):
    levels = levels_of(size, counts)
    assert list(levels) == sorted(set(levels))
    assert levels[0] >= 1 and levels[-1] == size


def table_of(levels, seconds, **own):
    timing = Timing(levels, np.asarray(seconds, float))
    counts = tuple(range(len(levels)))
    return Timetable(1, (timing,), ((0, counts),), (frozenset([frozenset()]),), **own)


def test_levels_are_met_and_between_them_logarithms_are_linear():
    table = table_of(((1, 4, 8, 16),), [1e-3, 4e-3, 2e-3, 5e-3])
    found = table.seconds(np.array([[1], [4], [8], [16], [2], [3]]))
    between = [1e-3 * 4 ** (math.log(n) / math.log(4)) for n in (2, 3)]
    np.testing.assert_allclose(found, [1e-3, 4e-3, 2e-3, 5e-3, *between])


def test_multiples_of_a_tile_have_a_curve_of_their_own():
    table = table_of(((7, 8, 15, 16, 32),), [9.0, 1.0, 11.0, 2.0, 4.0])
    assert table.seconds(np.array([24])) == pytest.approx(2 * 2 ** (math.log(1.5) / math.log(2)))
    assert 9.0 < table.seconds(np.array([11])) < 11.0
    assert table.seconds(np.array([31])) == pytest.approx(11.0)  # beyond what was timed


def test_two_counts_are_interpolated_together():
    levels = ((2, 6), (3, 5, 7))
    seconds = np.outer([1.0, 3.0], [1.0, 2.0, 5.0])
    table = table_of(levels, seconds)
    for row, kept in enumerate(levels[0]):
        for column, other in enumerate(levels[1]):
            assert table.seconds(np.array([kept, other])) == pytest.approx(seconds[row, column])
    part = math.log(4 / 2) / math.log(3)
    assert table.seconds(np.array([4, 5])) == pytest.approx(2 * 3**part)


def test_what_a_left_out_block_needs_takes_no_time():
    timing = Timing((), np.array(0.5))
    need = frozenset([frozenset([1]), frozenset([2, 3])])
    always = frozenset([frozenset()])
    table = Timetable(1, (timing,), ((0, ()), (0, ())), (need, always), step=0.1, constant=2.0)
    counts = np.array([[5, 1, 0, 0], [5, 0, 1, 1], [5, 0, 1, 0]])
    np.testing.assert_allclose(table.seconds(counts), [3.2, 3.2, 2.6])


def test_weights_beyond_the_cache_are_streamed():
    table = table_of(((4,),), [3.0], scale=2.0, constant=1.0, cache=100.0, stream=0.5)
    found = table.seconds(np.array([[4]] * 3), np.array([50.0, 100.0, 104.0]))
    np.testing.assert_allclose(found, [7.0, 7.0, 9.0])


def test_a_call_takes_at_least_a_tenth_of_its_pieces():
    table = table_of(((4,),), [3.0], scale=2.0, step=-9.0)
    assert table.seconds(np.array([4])) == pytest.approx(0.6)


@pytest.mark.parametrize("cache", [2.0**20, 2.0**22])
def test_what_lies_between_the_pieces_is_learnt(cache):
    """From sub-networks of a made-up machine whose calls, cache and memory are known."""
    rng = np.random.default_rng(0)
    table = table_of(((1, 2048),), [1e-6, 2048e-6])
    truth = replace(table, scale=1.5, step=-2e-6, constant=1e-5, cache=cache, stream=1e-10)
    counts = np.exp(rng.uniform(2, 7.6, (20, 1))).astype(int)
    weights = 4.0 * counts[:, 0] ** 2
    wholes = [
        _measure._Whole(own, 1, float(truth.seconds(own, size)), 0.0, None)
        for own, size in zip(counts, weights, strict=True)
    ]
    found = _measure._fitted(table, wholes, weights)
    assert found.error < 1e-3
    np.testing.assert_allclose(
        found.seconds(counts, weights), truth.seconds(counts, weights), rtol=1e-2
    )
    none = _measure._fitted(table, wholes, np.zeros(20))
    assert none.error > 0 and none.stream == 0


@given(st.data())
def test_inside_jit_as_outside(data):
    own = device()
    kept = [data.draw(st.integers(1, size)) for _, size in own.groups]
    blocks = [data.draw(st.integers(0, 1)) for _ in range(own.blocks)]
    counts = np.array([*kept, *blocks])
    inside = jax.jit(lambda counts: own.latency_ms(counts, 3, 2, jnp))(counts)
    assert float(inside) == pytest.approx(float(own.latency_ms(counts, 3, 2)), rel=1e-4)
    assert own.peak_memory(counts, 3, 2) == pytest.approx(
        own.memory.costs.exact(own._counts(counts, 3, np))["bytes"]
        + 1.25 * 2 * own.memory.costs.exact(own._counts(counts, 3, np))["memory"]
        + 4096
    )


def test_a_device_survives_its_file(tmp_path):
    save_device(device(), tmp_path / "phone.toml")
    again = load_device(tmp_path / "phone.toml")
    kept = np.array([[size for _, size in again.groups], [1 for _ in again.groups]])
    np.testing.assert_allclose(
        again.latency_ms(kept, 3, 2), device().latency_ms(kept, 3, 2), rtol=1e-3
    )
    np.testing.assert_allclose(again.peak_memory(kept, 3, 2), device().peak_memory(kept, 3, 2))
    assert again.content() == Device.of(again.content(), "x").content()
    json.dumps(again.content(), allow_nan=False)


def test_measuring_on_this_machine(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_measure, "SUB_NETWORKS", 4)
    jat = network()
    told = []
    own = sosjax.measure_device(jat, [2], name="here", progress=told.append)
    table = own.timetable(2)
    assert len(told) == 2 and own.name == "here"
    assert all((one.seconds > 0).all() and np.isfinite(one.seconds).all() for one in table.timings)
    assert table.error <= table.worst and table.scale >= 0 and table.constant >= 0
    kept = np.array(jat.graph.sizes)
    assert own.latency_ms(kept, jat.graph.classes, 2) > 0
    assert own.peak_memory(kept, jat.graph.classes, 2) >= jat.graph.cost(kept, 3)["bytes"]


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 19))
def test_the_fit_where_every_sub_network_has_as_many_steps(seed, rows):
    """At least as good as without steps, which say no more than the constant."""
    rng = np.random.default_rng(seed)
    seconds = rng.lognormal(-9, 1, rows)[rng.integers(0, rows, rows)]
    sums = seconds * rng.choice([0.5, 0.7, 1.5], rows)
    nothing = np.zeros(rows)
    (scale, step, constant, stream), _, misfit = _measure._fit(
        sums, np.full(rows, 5.0), nothing, seconds, 2.0**20
    )
    _, reference = nnls(np.stack([sums, np.ones(rows)], -1) / seconds[:, None], np.ones(rows))
    assert stream == 0 and abs(step) < 1
    assert misfit <= reference**2 / 2 + 1e-9
    off = (scale * sums + 5 * step + constant) / seconds - 1
    np.testing.assert_allclose((off**2).sum() / 2, misfit, atol=1e-4)


@pytest.mark.parametrize(
    ("batches", "sentence"),
    [
        ([], "`batches` must name a batch at least, got none."),
        ([0], "`batches` must be a whole number from 1 to 1e+06, got 0."),
        ([2, 2], "`batches` must differ, got [2, 2]."),
    ],
)
def test_bad_batches(batches, sentence):
    with pytest.raises(InputError) as error:
        sosjax.measure_device(network(), batches)
    assert str(error.value) == sentence


def damaged(change, folder):
    save_device(device(), folder / "d.toml")
    text = (folder / "d.toml").read_text()
    (folder / "d.toml").write_text(change(text))
    with pytest.raises(InputError) as error:
        load_device(folder / "d.toml")
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "", "must be what `sosjax measure-device` wrote"),
        (lambda text: "format = 3", "must be what `sosjax measure-device` wrote"),
        (lambda text: text + "= =", "must be a TOML file"),
        (lambda text: text.replace("version = 2", "version = 9"), "must be of version 2, got 9"),
        (lambda text: text.replace("blocks = ", "block = "), "must be whole, got a damaged file"),
        (lambda text: text.replace("scale = 1.5", "scale = nan"), "must be whole"),
        (lambda text: text.replace("microseconds = ", 'microseconds = "1" #'), "must be whole"),
    ],
)
def test_damaged_files_are_refused(change, words, tmp_path):
    assert words in damaged(change, tmp_path)


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        load_device(tmp_path / "x.toml")


def phone(**limits):
    return Environment("phone", device=device(), batch=2, **limits)


def test_what_a_device_foretells_limits_and_is_multiplied():
    member = found().tasks[0].members[0]
    place = phone(latency_ms=1e9, watts=3.0, price_per_hour=7.2)
    costs = place.costs(member.scores.costs, member.scores.kept, 3)
    latency = float(device().latency_ms(np.array(member.scores.kept), 3, 2))
    assert costs["latency_ms"] == pytest.approx(latency)
    assert costs["energy_mj"] == pytest.approx(latency * 3 / 2)
    assert costs["price"] == pytest.approx(1e6 * 7.2 * latency / 2 / 3.6e6)
    assert costs["parameters"] == member.scores.parameters
    assert place.admits(costs)
    assert not phone(latency_ms=latency / 2).admits(costs)
    assert not phone(peak_memory=costs["peak_memory"] - 1).admits(costs)


def latencies(sets, task):
    return [
        float(device().latency_ms(np.array(one.scores.kept), len(one.classes), 2))
        for one in sets.task(task).members
    ]


def test_selection_by_milliseconds():
    sets = found()
    task = sets.tasks[0].name
    known = sorted(latencies(sets, task))
    limit = known[len(known) // 2]
    member = sets.select(task, phone(latency_ms=limit))
    fitting = [
        one
        for one, latency in zip(sets.task(task).members, latencies(sets, task), strict=True)
        if latency <= limit
    ]
    best = min(one.scores.validation_error for one in fitting)
    assert member.scores.validation_error == best
    with pytest.raises(InputError, match=r"the nearest needs .* latency_ms"):
        sets.select(task, phone(latency_ms=known[0] / 2))
    assert sets.why(task, phone(latency_ms=limit))[0].costs["latency_ms"] > 0
    team = sets.team(phone(latency_ms=1e9))
    assert team.costs["latency_ms"] == pytest.approx(
        sum(
            float(device().latency_ms(np.array(one.scores.kept), len(one.classes), 2))
            for one in team.members.values()
        )
    )


def test_sets_keep_their_devices(tmp_path):
    sets = replace(found(), environments=(phone(latency_ms=3.0, watts=2.0),))
    save_sets(sets, tmp_path)
    (again,) = load_sets(tmp_path).environments
    assert again.limits == {"latency_ms": 3.0} and again.watts == 2.0 and again.batch == 2
    kept = found().tasks[0].members[0].scores.kept
    old = sets.environments[0].costs({}, kept, 3)
    assert again.costs({}, kept, 3) == pytest.approx(old, rel=1e-3)


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        ({"latency_ms": 2.0}, "`environments` e.latency_ms must come with a `device`, got none."),
        (
            {"energy_mj": 2.0, "device": "d"},
            "`environments` e.energy_mj must come with a `watts`, got none.",
        ),
        (
            {"price": 2.0, "device": "d", "batch": 2},
            "`environments` e.price must come with a `price_per_hour`, got none.",
        ),
        (
            {"latency_ms": 2.0, "device": "d"},
            "`batch` must be one that a phone was measured with, 2, got 1.",
        ),
        (
            {"latency_ms": 0.0, "device": "d"},
            "`environments e.latency_ms` must be a number at least 1e-09, got 0.0.",
        ),
    ],
)
def test_bad_environments(own, sentence):
    own = own | ({"device": device()} if "device" in own else {})
    with pytest.raises(InputError) as error:
        Environment("e", **own)
    assert str(error.value) == sentence


def test_a_device_of_another_network_is_refused():
    jat, other = network(), replace(device(), groups=(("other", 3),))
    place = Environment("e", device=other, batch=2, latency_ms=1.0)
    with pytest.raises(InputError, match="must be measured with this network, of"):
        check_asked(jat, make_data(), TASKS, [place], False)
    with pytest.raises(InputError, match="must be measured with the same network"):
        place.costs({}, (1, 2, 3, 4, 5, 6, 7, 8, 9), 3)


def test_the_command_measures_and_selects_by_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    measured = []

    def measure(jat, batches, **own):
        measured.append((jat.name, batches, own["name"]))
        return device()

    monkeypatch.setattr(_measure, "measure_device", measure)
    assert main(["measure-device", "--out", "phone.toml", "--batch", "2", "--name", "mine"]) == 0
    assert measured == [("fashion-resnet", [2], "mine")]
    out = capsys.readouterr().out
    assert "foretold within 4.0 % in the median, 20 % at most" in out and "phone.toml" in out
    assert main(["measure-device", "--out", "phone.toml"]) == 2
    assert "must be a new file that ends in .toml" in capsys.readouterr().err
    save_sets(found(), tmp_path)
    (tmp_path / "run.json").write_text("{}")
    task = found().tasks[0].name
    command = ["select", ".", "--task", task, "--json", "--latency-ms", "1e9"]
    assert main([*command]) == 2
    assert "`--latency-ms` must come with a `--device`, got none." in capsys.readouterr().err
    assert main([*command, "--device", "phone.toml", "--batch", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["why"][0]["latency_ms"] == pytest.approx(latencies(found(), task)[0], rel=1e-3)
    (tmp_path / "e.toml").write_text(
        'name = "my phone"\ndevice = "phone.toml"\nbatch = 2\nlatency_ms = 1e9\n'
    )
    assert main(["select", ".", "--task", task, "--json", "--env", "e.toml"]) == 0
    assert json.loads(capsys.readouterr().out)["environment"]["name"] == "my phone"


def test_latency_is_an_objective(tmp_path):
    settings = replace(SETTINGS, objectives=("error", "latency_ms"), generations=2)
    place = phone(latency_ms=1e9)
    asked = (network(), make_data(), TASKS, [place], settings)
    sets = sosjax.search(*asked, folder=tmp_path / "run")
    for task in sets.tasks:
        known = [[one.scores.validation_error, *costs_of(one, place)] for one in task.members]
        for row in known:  # no member beats another on error and on all costs, latency among them
            others = [one for one in known if one is not row]
            assert not any(all(a <= b for a, b in zip(one, row, strict=True)) for one in others)
    again = sosjax.resume(*asked, folder=tmp_path / "run")
    assert [one.scores for task in again.tasks for one in task.members] == [
        one.scores for task in sets.tasks for one in task.members
    ]
    assert again.environments[0].limits == {"latency_ms": 1e9}
    recovery = sosjax.Recovery(epochs=1, images=32, batch=16, rounds=1, further=1)
    recovered = sosjax.recover(network(), again, make_data(), TASKS, recovery)
    assert all(task.members for task in recovered.tasks)


def costs_of(member, place):
    counted = member.scores.costs
    return place.costs(counted, member.scores.kept, len(member.classes)).values()


def test_latency_without_a_device_is_refused():
    settings = replace(SETTINGS, objectives=("error", "latency_ms"))
    with pytest.raises(InputError, match="only where an environment has a `device`, got none"):
        sosjax.search(network(), make_data(), TASKS, ENVIRONMENTS, settings)
