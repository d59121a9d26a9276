"""Members cut out, certified, and carried to other processes."""

import json
from dataclasses import asdict, replace

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problem import (
    SHAPE,
    contents,
    found,
    found_by_perceptron,
    full_params,
    inputs,
    make_data,
    make_mlp,
    masked_logits,
    mlp_apply,
    network,
    perceptron,
    smallest,
)

from sosjax import (
    Certificate,
    InputError,
    Jat,
    certify,
    check_inputs,
    export,
    load_network,
    load_sets,
    load_stablehlo,
    save_sets,
    shrink,
)
from sosjax._tree import named_leaves
from sosjax.deploy._certify import kept_certificate
from sosjax.graph._shrink import Shrunk
from sosjax.graph._subject import Subject


@st.composite
def drawn_masks(draw, sizes):
    units = [draw(st.sets(st.integers(0, size - 1), min_size=1)) for size in sizes]
    return tuple(
        np.isin(np.arange(size), list(kept)) for size, kept in zip(sizes, units, strict=True)
    )


def with_masks(jat, member, masks):
    """Return the member with other masks, and the costs that they have."""
    kept = tuple(int(mask.sum()) for mask in masks)
    costs = jat.graph.cost(np.array(kept), len(member.classes))
    scores = replace(member.scores, kept=kept, **{name: int(cost) for name, cost in costs.items()})
    return replace(member, masks=masks, scores=scores)


@pytest.mark.parametrize("which", ["resnet", "perceptron"])
@settings(max_examples=4)
@given(data=st.data())
def test_shrunk_is_masked(which, data):
    jat, sets = {
        "resnet": (network, found),
        "perceptron": (perceptron, found_by_perceptron),
    }[which]
    jat, sets = jat(), sets()
    task = sets.tasks[data.draw(st.integers(0, 1))]
    masks = data.draw(drawn_masks(jat.graph.sizes))
    member = with_masks(jat, task.members[-1], masks)
    net = shrink(jat, member)
    certificate = certify(jat, member, inputs())
    assert certificate.holds and certificate.examples == 4
    assert certificate.shrunk["float32"].absolute <= 1e-4
    gap = net(inputs()) - masked_logits(jat)(full_params(jat, member), inputs(), masks)
    assert float(np.abs(gap).max()) <= 1e-4
    counted = {name: getattr(certificate, name) for name in member.scores.costs}
    assert counted == member.scores.costs
    assert net.classes == member.classes
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(net.params))


def with_weights(jat, member, share=1.0, seed=0):
    """Return the member with weights of its own for a share of its leaves."""
    rng = np.random.default_rng(seed)
    leaves = named_leaves(shrink(jat, member).params)
    own = {
        name: (leaf + 0.1 * np.abs(rng.normal(size=leaf.shape))).astype(leaf.dtype)
        for name, leaf in leaves.items()
        if rng.random() <= share
    }
    return replace(member, weights=own)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_weights_of_its_own_are_what_runs(share, tmp_path):
    jat = network()
    member = with_weights(jat, smallest(), share)
    net, plain = shrink(jat, member), shrink(jat, smallest())
    for name, leaf in named_leaves(net.params).items():
        assert np.array_equal(leaf, member.weights.get(name, named_leaves(plain.params)[name]))
    params = jat.graph.expanded(full_params(jat, member), member.weights, member.masks)
    gap = net(inputs()) - masked_logits(jat)(params, inputs(), list(member.masks))
    assert float(np.abs(gap).max()) <= 1e-4
    assert float(np.abs(net(inputs()) - plain(inputs())).max()) > 1e-3
    assert export(jat, member, tmp_path / "out").holds
    again = load_network(tmp_path / "out")
    assert np.array_equal(again(inputs()), net(inputs()))


def test_a_certificate_belongs_to_the_weights(tmp_path):
    jat, member = network(), smallest()
    kept_certificate(tmp_path, network, member)
    kept_certificate(tmp_path, network, with_weights(jat, member))
    assert len(list((tmp_path / "certificates").iterdir())) == 2


@pytest.mark.parametrize("cost", ["parameters", "bytes", "flops"])
def test_certificate_refuses_other_costs(cost):
    member = smallest()
    wrong = replace(member.scores, **{cost: getattr(member.scores, cost) + 1})
    with pytest.raises(RuntimeError, match="The shrunk network is not what the search judged"):
        certify(network(), replace(member, scores=wrong), inputs())


@pytest.mark.parametrize("added", [1.0, float("nan"), float("inf")])
def test_certificate_refuses_other_outputs(added, monkeypatch):
    whole = Subject.shrink

    def wrong(graph, params, masks):
        small = whole(graph, params, masks)
        return Shrunk(small.params, lambda *arguments: small.apply(*arguments) + added)

    monkeypatch.setattr(Subject, "shrink", wrong)
    with pytest.raises(RuntimeError, match="is not what the search judged: float32: masked and sh"):
        certify(network(), smallest(), inputs())


def test_certificate_of_outputs_that_are_not_finite_is_refused():
    member = replace(smallest(), bias=smallest().bias * np.float32("nan"))
    with pytest.raises(InputError) as refusal:
        certify(network(), member, inputs())
    assert str(refusal.value) == "`inputs` must give finite outputs, got NaN or infinite ones."


def test_certificate_is_kept_as_text():
    certificate = certify(network(), smallest(), inputs())
    again = Certificate.of(json.loads(json.dumps(asdict(certificate))))
    assert again == certificate
    lines = str(certificate).splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["float32", "bfloat16"]
    assert lines[2].startswith(f"{smallest().scores.parameters:,} parameters, ")


def test_masks_that_keep_nothing_are_refused():
    member = smallest()
    empty = replace(member, masks=(member.masks[0] & False, *member.masks[1:]))
    with pytest.raises(InputError) as refusal:
        shrink(network(), empty)
    assert str(refusal.value) == "`masks` stages/0/0/conv1 must keep 1 to 4 units, got none."


def test_member_read_from_a_folder_is_the_member(tmp_path):
    save_sets(found(), tmp_path)
    loaded = load_sets(tmp_path)
    assert contents(loaded) == contents(found())
    for one, other in zip(loaded.tasks, found().tasks, strict=True):
        for read, member in zip(one.members, other.members, strict=True):
            pairs = zip(
                jax.tree.leaves(shrink(network(), read).params),
                jax.tree.leaves(shrink(network(), member).params),
                strict=True,
            )
            assert all(np.array_equal(a, b) for a, b in pairs)


def test_network_of_a_function(tmp_path):
    member = found_by_perceptron().tasks[1].members[-1]
    folder = tmp_path / "perceptron"
    export(perceptron(), member, folder)
    images = inputs(5)
    wanted = shrink(perceptron(), member)(images)
    np.testing.assert_allclose(load_network(folder, perceptron())(images), wanted, atol=1e-4)
    np.testing.assert_allclose(load_stablehlo(folder)(images), wanted, atol=1e-4)
    with pytest.raises(InputError) as refusal:
        load_network(folder)
    assert str(refusal.value) == (
        "`jat` must be the network that the member was cut out of, since that is of no family, "
        "got None."
    )


def test_network_without_a_block(tmp_path):
    masks = (*smallest().masks, np.array([False]))
    member = with_masks(network(), smallest(), masks)
    assert member.scores.parameters < smallest().scores.parameters
    assert member.scores.flops < smallest().scores.flops
    certificate = export(network(), member, tmp_path / "out")
    assert certificate.holds and certificate.flops == member.scores.flops
    content = json.loads((tmp_path / "out" / "architecture.json").read_text())
    assert content["blocks"] == [{"name": "stages/0/0", "kept": False}]
    wanted = masked_logits(network())(full_params(network(), member), inputs(), masks)
    np.testing.assert_allclose(load_network(tmp_path / "out")(inputs()), wanted, atol=1e-4)
    np.testing.assert_allclose(load_stablehlo(tmp_path / "out")(inputs()), wanted, atol=1e-4)


def test_a_certificate_is_made_once_for_a_run(tmp_path):
    def never():
        raise AssertionError("the network is not needed")

    made = kept_certificate(tmp_path, network, smallest())
    (path,) = (tmp_path / "certificates").iterdir()
    assert kept_certificate(tmp_path, never, smallest()) == made
    path.write_text("{}")
    assert kept_certificate(tmp_path, network, smallest()) == made
    path.write_text(path.read_text()[:50])
    assert kept_certificate(tmp_path, network, smallest()) == made


def test_another_network_is_refused(tmp_path):
    folder = tmp_path / "perceptron"
    export(perceptron(), found_by_perceptron().tasks[1].members[-1], folder)

    def mixing(params, inputs):
        flat = inputs.reshape(inputs.shape[0], 64)
        hidden = jax.nn.softmax(flat @ params["first"]["kernel"] + params["first"]["bias"])
        inner = (hidden @ params["second"]["kernel"]) / (hidden @ params["gate"])
        return inner @ params["head"]["kernel"] + params["head"]["bias"]

    def of(apply):
        return Jat(apply, perceptron().params, input_shape=(8, 8, 1), head="last")

    with pytest.raises(InputError) as refusal:
        load_network(folder, of(mixing))
    assert str(refusal.value) == (
        "`jat` must be the network that was exported, with groups [('first', 4), ('second', 5)],"
        " got [('second', 5)]."
    )
    # One of the same groups is noticed by its logits.
    other = of(lambda params, inputs: mlp_apply(params, 1 - inputs))
    with pytest.raises(InputError, match=r"network that was exported, got one whose logits diff"):
        load_network(folder, other)


@pytest.mark.parametrize("rules", [{"protect": ("first/*",)}, {"only": "head/*"}])
def test_what_the_user_protects_stays_whole_when_loaded(rules, tmp_path):
    jat = make_mlp(**rules)
    assert [group.name for group in jat.graph.groups] == ["second"]
    masks = (np.arange(5) < 2,)
    member = found_by_perceptron().tasks[1].members[-1]
    member = with_masks(jat, replace(member, masks=masks), masks)
    export(jat, member, tmp_path / "out")
    loaded = load_network(tmp_path / "out", jat)
    assert loaded.params["first"]["kernel"].shape == (64, 4)
    assert loaded.params["second"]["kernel"].shape == (4, 2)
    np.testing.assert_allclose(loaded(inputs()), shrink(jat, member)(inputs()), atol=1e-6)


def test_check_inputs():
    images = check_inputs(network(), 3)
    assert images.shape == (3, *SHAPE) and images.dtype == np.float32
    assert 0 <= images.min() and images.max() < 1
    assert np.array_equal(images, check_inputs(network(), 3))
    with pytest.raises(InputError, match="`count` must be at least 1, got 0"):
        check_inputs(network(), 0)


def test_an_export_of_sets_needs_their_network(tmp_path):
    again = network().with_params(jax.tree.map(lambda leaf: 2 * leaf, network().params))
    with pytest.raises(
        InputError, match="must have the weights that the sets were found with, got"
    ):
        export(again, smallest(), tmp_path / "out", sets=found())
    assert not (tmp_path / "out").exists()


def test_printed_they_are_short():
    sets = found()
    assert repr(sets).count("\n") < 2 * sum(len(task.members) + 1 for task in sets.tasks)
    assert repr(sets.tasks[0]).startswith("legs: ") and " on test" in repr(sets.tasks[0])
    others = (smallest(), network(), make_data(), make_data().test, shrink(network(), smallest()))
    told = [repr(one) for one in others]
    assert all(len(text) < 120 and "array" not in text for text in told)
    assert smallest() in [smallest()] and len({smallest()}) == 1
