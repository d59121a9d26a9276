"""Searches that ask for values or for tokens, from the kernel to the export."""

import json
from dataclasses import asdict, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import taylor_rankings
from problem import drawn
from translation import OPTIONS

from sosjax import (
    Dataset,
    Environment,
    InputError,
    Settings,
    Split,
    Task,
    certify,
    export,
    load_network,
    load_sets,
    report,
    search,
    shrink,
)
from sosjax._tree import named_leaves
from sosjax.fitness._batch import task_batch
from sosjax.fitness._kernel import PENALTY, Kernel
from sosjax.models import built, jat_of
from sosjax.search._problem import Problem
from sosjax.space._encoding import make_encoding
from sosjax.tasks._task import data_of

KINDS = ("values", "tokens")
SETTINGS = Settings(population=4, generations=1, images=64, calibration=64, chunk=2)
SERIES = {
    "family": "lstm",
    "channels": 2,
    "hidden": 5,
    "layers": 2,
    "length": 4,
    "mean": (0.5, 0.0),
    "deviation": (0.4, 2.0),
}
TRANSLATION = {"family": "m2m100", **asdict(replace(OPTIONS, decoder_layers=1))}
ARCHITECTURES = {"values": SERIES, "tokens": TRANSLATION}


@cache
def network(kind):
    """Return the network that answers this kind of task."""
    architecture = ARCHITECTURES[kind]
    params = drawn(built(architecture).shapes)
    if kind == "tokens":
        # No token is certain, so that no cross-entropy is far above that of equal odds.
        params = jax.tree.map(lambda leaf: leaf * np.float32(0.4), params)
    return jat_of(architecture, params, name=f"tiny {kind}")


def series(count, seed):
    """Draw windows and the mean of what was seen last, with noise."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(0.5, 0.5, (count, SERIES["length"], SERIES["channels"]))
    targets = 3 * inputs[:, -1].mean(1, keepdims=True) + 0.3 * rng.normal(size=(count, 1))
    return Split(inputs.astype(np.float32), targets.astype(np.float32))


def sentences(count, seed):
    """Draw texts of different lengths and the same texts as their translation."""
    rng = np.random.default_rng(seed)
    length, pad = OPTIONS.length, OPTIONS.pad
    texts = rng.integers(3, OPTIONS.vocabulary, (count, length))
    texts[np.arange(length) >= rng.integers(2, length + 1, (count, 1))] = pad
    given = np.concatenate([np.full((count, 1), OPTIONS.start), texts[:, :-1]], 1)
    labels = np.where(texts == pad, -1, texts)
    return Split(np.stack([texts, given], 1).astype(np.int32), labels.astype(np.int32))


DRAWS = {"values": series, "tokens": sentences}
FITTED = {"values": "recalibrated", "tokens": "raw"}
"""What each kind is judged by: nothing is fitted to tokens without BatchNorm."""


@cache
def tasks(kind):
    """Return two tasks; one has far fewer search examples."""
    names = ("PM2.5",) if kind == "values" else ()
    found = []
    for place, (name, count) in enumerate((("short", 13), ("long", 33))):
        rows = (count, 24, 20 + 2 * place)
        splits = [DRAWS[kind](one, 10 * place + seed) for seed, one in enumerate(rows)]
        found.append(Task(name, data=Dataset(name, names, *splits)))
    return tuple(found)


def kernel(kind, mode, own=True):
    graph = network(kind).graph
    encoding = make_encoding("bits", graph.sizes, graph.rules.granularity, 0)
    return Kernel(graph, encoding, mode, kind, own, chunk=2)


def answered(kind, masks):
    """Return the tasks with search labels that the masked network comes close to."""
    rng, found = np.random.default_rng(6), []
    for task in tasks(kind):
        data = data_of(task)
        says = small(kind, masks)(data.search.inputs)
        if kind == "values":
            labels = says + 0.5 * says.std() * rng.normal(size=says.shape)
        else:
            labels = np.where(data.search.labels < 0, -1, says.argmax(-1))
        split = Split(data.search.inputs, labels)
        found.append(replace(task, data=replace(data, search=split)))
    return found


def batch(kind, chosen, own=True):
    """Return all search examples of tasks."""
    outputs = [[0] if kind == "values" else [] for _ in chosen]
    splits = [data_of(task).search for task in chosen]
    owned = [own] * len(chosen)
    found = task_batch(splits, "search", outputs, kind=kind, own=owned)
    if kind == "tokens" or own:
        return found
    judged = kernel(kind, "raw", own)
    return jax.jit(judged.solved)(network(kind).params, found)


def masks_of(kind):
    """Return masks that keep about two thirds."""
    rng = np.random.default_rng(5)
    masks = [rng.random(size) < 0.6 for size in network(kind).graph.sizes]
    return [jnp.asarray(mask | (np.arange(len(mask)) == 0)) for mask in masks]


def one(stacked, place):
    """Return a task of a batch."""
    return jax.tree.map(lambda leaf: leaf[place], stacked)


def small(kind, masks):
    """Return the function of the network that masks leave, from its shrunk arrays."""
    jat = network(kind)
    cut = jat.graph.shrink(jat.params, [np.asarray(mask) for mask in masks])
    return lambda inputs: np.asarray(jax.jit(cut.apply)(cut.params, inputs), np.float64)


def cross_entropy(logits, labels):
    """Return the mean over wanted tokens, as a share of that of equal odds."""
    logits = logits - logits.max(-1, keepdims=True)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nats = [
        -logs[row, place, token] for (row, place), token in np.ndenumerate(labels) if token >= 0
    ]
    return np.mean(nats) / np.log(logits.shape[-1])


def left_out(features, prior, targets, penalty):
    """Return predictions of each row by a ridge regression on all others, with an intercept."""
    design = np.concatenate([features, features @ prior], 1)
    count = len(design)
    ridge = penalty * features.var(0).mean() + 1e-6
    found = []
    for row in range(count):
        others = np.delete(np.arange(count), row)
        rows = np.concatenate([np.ones((count - 1, 1)), design[others]], 1)
        shrinkage = np.diag([0.0] + [ridge * count] * design.shape[1])
        weights = np.linalg.solve(rows.T @ rows + shrinkage, rows.T @ targets[others])
        found.append(weights[0] + design[row] @ weights[1:])
    return np.array(found)


@pytest.mark.parametrize("mode", ["raw", "recalibrated"])
def test_the_error_of_values_is_the_unexplained_variance(mode):
    jat, masks, judged = network("values"), masks_of("values"), kernel("values", mode)
    asked = answered("values", masks)
    stacked = batch("values", asked)
    for place, task in enumerate(asked):
        data = data_of(task).search
        if mode == "raw":
            found = small("values", masks)(data.inputs)
        else:
            features, _ = jat.graph.features(jat.params, data.inputs, masks, False)
            prior = np.asarray(named_leaves(jat.params)["head/kernel"], np.float64)
            rows = np.asarray(features, np.float64)
            found = left_out(rows, prior, data.labels.astype(np.float64), PENALTY)
        wanted = ((found - data.labels) ** 2).mean() / data.labels.var()
        error, _ = jax.jit(judged.calibrate)(jat.params, one(stacked, place), masks)
        assert error == pytest.approx(wanted, rel=2e-3) and wanted < 1


def test_the_error_of_tokens_is_their_cross_entropy():
    jat, masks = network("tokens"), masks_of("tokens")
    asked = answered("tokens", masks)
    stacked = batch("tokens", asked)
    for place, task in enumerate(asked):
        data = data_of(task).search
        wanted = cross_entropy(small("tokens", masks)(data.inputs), data.labels)
        judged = kernel("tokens", "raw")
        error, carried = jax.jit(judged.calibrate)(jat.params, one(stacked, place), masks)
        assert error == pytest.approx(wanted, rel=1e-5) and wanted < 1
        assert carried.head is None and not carried.statistics


def test_no_error_is_above_that_of_knowing_nothing():
    far = batch("values", tasks("values")[:1])
    far = far._replace(targets=far.targets + 100)
    everything = [jnp.ones(size, bool) for size in network("values").graph.sizes]
    judged = jax.jit(kernel("values", "raw").calibrate)
    error, _ = judged(network("values").params, one(far, 0), everything)
    assert error == 1


WAYS = [
    ("values", "raw", True),
    ("values", "recalibrated", True),
    ("values", "raw", False),
    ("values", "recalibrated", False),
    # Nothing is fitted to tokens, so that both modes are one program.
    ("tokens", "raw", True),
]


@pytest.mark.parametrize(("kind", "mode", "own"), WAYS)
def test_costs_alone_are_those_beside_a_longer_task(kind, mode, own):
    judged, jat = kernel(kind, mode, own), network(kind)
    genes = jax.random.uniform(jax.random.key(3), (1, 3, judged.encoding.dimensions))

    def costs(chosen):
        rows = np.repeat(genes, len(chosen), 0)
        given = batch(kind, chosen, own)
        rankings = taylor_rankings(judged, jat.params, given)
        assert (given.real is None) == (len(chosen) == 1)
        return [np.asarray(leaf[:1]) for leaf in rankings], np.asarray(
            jax.jit(judged.costs)(jat.params, given, rankings, rows)[0]
        )

    (alone, wanted), (beside, found) = costs(tasks(kind)[:1]), costs(tasks(kind))
    assert np.isfinite(wanted).all() and (wanted[:, 0] > 0).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert all(map(np.array_equal, alone, beside))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return a function that returns the run folder of a search for both tasks."""

    @cache
    def folder(kind, mode=None):
        mode = mode or FITTED[kind]
        path, lines = tmp_path_factory.mktemp("runs") / "run", []
        most, settings = Environment("any", parameters=1e9), replace(SETTINGS, fitness=mode)
        how = {"folder": path, "progress": lines.append}
        search(network(kind), None, tasks(kind), (most,), settings, **how)
        assert [line["generation"] for line in lines if "generation" in line] == [0, 1]
        return path

    return folder


def wrong_by(kind, outputs, labels):
    """Return the error of outputs, by numpy."""
    if kind == "tokens":
        return cross_entropy(outputs, labels)
    return ((outputs - labels) ** 2).mean() / labels.var()


SEARCHES = [("values", "raw"), ("values", "recalibrated"), ("tokens", "raw")]


@pytest.mark.parametrize(("kind", "mode"), SEARCHES)
def test_members_are_reported_as_they_predict(kind, mode, found):
    sets = load_sets(found(kind, mode))
    for asked in tasks(kind):
        task, test = sets.task(asked.name), data_of(asked).test
        assert task.members and sets.facts["kind"] == kind
        jack = jax.jit(built(ARCHITECTURES[kind]).apply)(network(kind).params, test.inputs)
        wanted = min(wrong_by(kind, np.asarray(jack, np.float64), test.labels), 1)
        assert task.jack.test_error == pytest.approx(wanted, abs=1e-4)
        for member in task.members:
            outputs = np.asarray(shrink(network(kind), member)(test.inputs), np.float64)
            wanted = min(wrong_by(kind, outputs, test.labels), 1)
            assert member.scores.test_error == pytest.approx(wanted, abs=1e-3)
            assert member.classes == (("PM2.5",) if kind == "values" else ())


def test_a_head_in_closed_form_explains_more_than_a_random_one(found):
    modes = ("raw", "recalibrated")
    raw, fitted = (load_sets(found("values", mode)).task("long") for mode in modes)
    lowest = [min(one.scores.validation_error for one in task.members) for task in (raw, fitted)]
    assert lowest[1] < 0.9 < lowest[0]


@pytest.mark.parametrize("kind", KINDS)
def test_from_the_run_folder_to_the_export(kind, found, tmp_path):
    jat, folder = network(kind), found(kind)
    assert json.loads((folder / "sets.json").read_text())["kind"] == kind
    member = load_sets(folder).select("short", "any")
    assert certify(jat, member).holds
    assert export(jat, member, tmp_path / "net").reloaded
    loaded, inputs = load_network(tmp_path / "net"), data_of(tasks(kind)[0]).test.inputs
    np.testing.assert_allclose(loaded(inputs), shrink(jat, member)(inputs), atol=1e-5)
    page = report(folder).read_text()
    assert "short" in page and "long" in page


def test_a_draw_of_examples_is_padded_in_every_split():
    problem = Problem(network("values"), None, tasks("values"), SETTINGS)
    assert problem.search.real.sum(1).tolist() == [13, 33]
    assert problem.test.inputs.shape[:2] == (2, 256)
    np.testing.assert_allclose(
        problem.test.scale[:, 0],
        [data_of(task).test.labels.var() for task in tasks("values")],
        rtol=1e-5,
    )


def beyond(part):
    """Return a task of tokens, one of which the network has no logit of."""
    (task, *_) = tasks("tokens")
    split = getattr(task.data, part)
    labels = np.where(np.arange(split.labels.size).reshape(split.labels.shape) == 0, 99, 0)
    return (replace(task, data=replace(task.data, **{part: Split(split.inputs, labels)})),)


REFUSED = {
    "a token that is not there": (
        "tokens",
        beyond("test"),
        f"`test.labels` of short must be tokens below {OPTIONS.vocabulary}, or -1 where none is "
        "wanted, got 99: are tokenizer and model of one kind?",
    ),
    "mixed kinds": (
        "values",
        (*tasks("values")[:1], replace(tasks("tokens")[0], name="other")),
        "`tasks` must all ask the same kind of thing, got tokens and values.",
    ),
    "tokens of a regressor": (
        "values",
        tasks("tokens"),
        "`data` must have float32 inputs of shape [B, 4, 2] for the network, got int32 of "
        "[B, 2, 6] in short.",
    ),
    "a value that is not there": (
        "values",
        (replace(tasks("values")[0], classes=("PM10",)),),
        "`tasks short.classes` must be one of PM2.5, got 'PM10'.",
    ),
}


@pytest.mark.parametrize(("kind", "asked", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(kind, asked, sentence):
    with pytest.raises(InputError) as refusal:
        search(network(kind), None, asked, (), SETTINGS)
    assert str(refusal.value) == sentence


def test_nothing_to_recalibrate_is_refused():
    """Of tokens there is no head to fit, and layer norms have no moments to estimate."""
    settings = replace(SETTINGS, fitness="recalibrated")
    with pytest.raises(InputError) as refusal:
        search(network("tokens"), None, tasks("tokens"), (), settings)
    assert str(refusal.value) == (
        '`search.fitness` "recalibrated" must be asked of a network with BatchNorm, or with a head '
        'to fit, got one with neither: on it this is "raw".'
    )
