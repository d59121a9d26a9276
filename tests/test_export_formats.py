"""ONNX, PyTorch's files and int8: what is written is what the member does, or is refused."""

import json
import logging
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from jax.extend.core import Primitive
from jax.interpreters import mlir
from members import drawn_masks, made, tiny
from problem import found, make_data, make_mlp, mlp_apply, network

from sosjax import InputError, Jat, export, load, load_network, load_stablehlo, shrink
from sosjax._tree import named_leaves
from sosjax.deploy import _export as exporting
from sosjax.deploy import _formats, _reload
from sosjax.deploy._accuracy import error_on_test
from sosjax.deploy._channels import output_channels
from sosjax.deploy._formats import asked_formats
from sosjax.deploy._network import Network
from sosjax.deploy._onnx import _run
from sosjax.deploy._reload import Reloaded
from sosjax.deploy._stored import stored
from sosjax.deploy._told import told
from sosjax.models._int8 import quantised, restored
from sosjax.models._weights import load_arrays


def images(jat, count=5):
    return np.random.default_rng(1).random((count, *jat.graph.inputs.shape), np.float32)


def description(folder):
    return json.loads((folder / "architecture.json").read_text())


@pytest.fixture
def unchecked(monkeypatch):
    """Leave out the fresh process, whose checks have tests of their own."""
    nothing = Reloaded({}, {"stablehlo": {"1": 0.5, "64": 2.25}}, {})
    monkeypatch.setattr(exporting, "verify_in_fresh_process", lambda folder: nothing)


def test_onnx_gives_what_the_member_does(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("jax2onnx")
    jat = tiny("resnet", stem="imagenet", padding="same")
    member = made(jat, drawn_masks(jat, 0.6, gone=(1,)))
    kept = {name: getattr(jnp, name) for name in dir(jnp)}
    levels = [logging.getLogger(name).level for name in ("jax2onnx", "onnx_ir")]
    certificate = export(jat, member, tmp_path / "out", formats=["onnx"], quantize="int8")
    # jax2onnx leaves `jax.numpy.cumsum` replaced.
    assert all(getattr(jnp, name) is value for name, value in kept.items())
    assert levels == [logging.getLogger(name).level for name in ("jax2onnx", "onnx_ir")]
    assert certificate.reloaded["onnx"] <= 1e-6 and certificate.failed == {}
    session = runtime.InferenceSession(tmp_path / "out" / "network.onnx")
    assert [one.name for one in session.get_inputs()] == ["inputs"]
    assert session.get_inputs()[0].shape[1:] == [9, 8, 3]
    loaded = load_network(tmp_path / "out")
    for count in (1, 4):
        rows = images(jat, count)
        (logits,) = session.run(["logits"], {"inputs": rows})
        np.testing.assert_allclose(logits, loaded(rows), atol=1e-5)
    told_of = description(tmp_path / "out")["formats"]
    assert list(told_of) == ["safetensors", "stablehlo", "onnx"] and told_of["onnx"]["opset"] == 18
    for name in ("stablehlo", "onnx"):
        assert set(told_of[name]["latency_ms"]) == {"1", "64"}
        assert all(time > 0 for time in told_of[name]["latency_ms"].values())
    size = (tmp_path / "out" / "network.onnx").stat().st_size
    assert f"onnx (opset 18): {size:,} bytes on disk, " in told(tmp_path / "out")


@pytest.mark.parametrize("window", [(1, 3, 3, 1), (1, 1, 3, 2), (1, 2, 1, 1), (1, 1, 1, 1)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_maxima_over_windows_in_any_layout(window, dilation):
    rows = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 6, 5)), np.float32)
    wide = [size > 1 for size in window]
    steps, pads = ([2 if one else 1 for one in wide], [(1, 0) if one else (0, 0) for one in wide])
    dilations = [dilation if one else 1 for one in wide]

    def pooled(array):
        given = (window, steps, pads, None, dilations)
        return jax.lax.reduce_window(array, -np.inf, jax.lax.max, *given)

    equations = jax.make_jaxpr(pooled)(rows)
    np.testing.assert_array_equal(_run(equations, rows), pooled(rows))
    inner = jax.make_jaxpr(partial(_run, equations))(rows).eqns
    ranks = [one.invars[0].aval.ndim for one in inner if "window" in one.primitive.name]
    # onnxruntime pools over three axes at most.
    assert ranks == [4 if (dilation == 2 and any(wide)) or not any(wide) else 1 + sum(wide)]


def test_a_primitive_without_onnx_is_named_and_the_rest_is_written(tmp_path, unchecked):
    pytest.importorskip("jax2onnx")

    wobble = Primitive("wobble")
    wobble.def_impl(lambda array: array / 2)
    wobble.def_abstract_eval(lambda array: array)
    mlir.register_lowering(wobble, mlir.lower_fun(lambda array: array / 2, False))

    def odd(params, inputs):
        return mlp_apply(params, wobble.bind(inputs))

    plain = make_mlp()
    jat = Jat(odd, plain.params, input_shape=(8, 8, 1), head=plain.graph.head)
    member = made(jat, drawn_masks(jat, 0.5))
    certificate = export(jat, member, tmp_path / "out", formats=["onnx"])
    assert list(certificate.failed) == ["onnx"]
    assert certificate.failed["onnx"].startswith(
        "jax2onnx cannot write JAX's primitive 'wobble' in opset 18: "
    )
    assert "not written as onnx: jax2onnx cannot write JAX's primitive 'wobble'" in str(certificate)
    assert not (tmp_path / "out" / "network.onnx").exists()
    assert description(tmp_path / "out")["certificate"]["failed"] == certificate.failed
    rows = images(jat)
    want = shrink(jat, member)(rows)
    np.testing.assert_allclose(load_stablehlo(tmp_path / "out")(rows), want, atol=1e-5)


def test_a_format_that_gives_other_outputs_is_taken_away(tmp_path, monkeypatch):
    jat = tiny("bert")
    member = made(jat, drawn_masks(jat, 0.5))
    gaps = {"stablehlo": 0.0, "safetensors": 0.0, "pytorch": 0.5}
    answer = json.dumps(Reloaded(gaps, {"pytorch": {"1": 1.0}}, {})._asdict())
    ended = type("Ended", (), {"returncode": 0, "stdout": answer, "stderr": ""})
    monkeypatch.setattr(_reload.subprocess, "run", lambda *_, **__: ended)
    monkeypatch.setattr(_formats.importlib.util, "find_spec", lambda name: name)
    certificate = export(jat, member, tmp_path / "out", formats=["pytorch"])
    assert certificate.failed == {"pytorch": "its outputs differ from the member's by 5.0e-01."}
    assert "pytorch" not in certificate.reloaded and not (tmp_path / "out" / "pytorch").exists()
    assert "pytorch" not in description(tmp_path / "out")["formats"]


def test_a_format_that_does_not_load_again_fails_alone(tmp_path, unchecked):
    jat = tiny("bert")
    export(jat, made(jat, drawn_masks(jat, 0.5)), tmp_path / "out")
    (tmp_path / "out" / "network.onnx").write_bytes(b"no model")
    (tmp_path / "out" / "pytorch").mkdir()
    found_again = _reload.reloaded(tmp_path / "out")
    assert set(found_again.gaps) == {"stablehlo", "safetensors", "architecture"}
    assert max(found_again.gaps.values()) <= 1e-5
    assert set(found_again.failed) == {"onnx", "pytorch"}
    assert all(why.startswith("it does not load again: ") for why in found_again.failed.values())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["tflite"],
            "`formats` must be one of safetensors, stablehlo, onnx, pytorch, got 'tflite'.",
        ),
        (
            ["ONNX"],
            "`formats` must be one of safetensors, stablehlo, onnx, pytorch, got 'ONNX'.",
        ),
        ("onnx", "`formats` must be a list of formats, got the text 'onnx'."),
    ],
)
def test_unknown_formats_are_refused_before_anything_is_computed(
    given, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(exporting, "shrink", never)
    with pytest.raises(InputError) as refusal:
        export(network(), found().tasks[0].members[0], tmp_path / "out", formats=given)
    assert str(refusal.value) == said
    assert not list(tmp_path.iterdir())


def never(*_):
    raise AssertionError("nothing is to be computed")


def test_what_is_not_installed_is_named(monkeypatch):
    missing = {"onnxruntime", "torch"}
    monkeypatch.setattr(
        _formats.importlib.util, "find_spec", lambda name: None if name in missing else name
    )
    with pytest.raises(InputError) as refusal:
        asked_formats(["onnx"])
    assert str(refusal.value) == (
        "`formats` may name 'onnx' only where jax2onnx and onnxruntime are installed, got no "
        "onnxruntime: pip install 'sosjax[onnx]'."
    )
    with pytest.raises(InputError, match=r"got no torch: pip install 'sosjax\[torch\]'"):
        asked_formats(["pytorch"])
    assert asked_formats(["stablehlo", "safetensors"]) == ()
    missing.clear()
    assert asked_formats(["pytorch", "onnx", "onnx", "stablehlo"]) == ("onnx", "pytorch")


def test_pytorch_of_another_kind_of_network_is_refused(tmp_path, monkeypatch):
    jat = make_mlp()
    monkeypatch.setattr(_formats.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError) as refusal:  # before torch is asked for
        export(jat, made(jat, drawn_masks(jat, 0.5)), tmp_path / "out", formats=["pytorch"])
    assert str(refusal.value) == (
        "`formats` may name 'pytorch' only for networks of bert, efficientnet, lstm, m2m100, "
        "mpnet, resnet, vit, got a function."
    )
    assert not list(tmp_path.iterdir())


def test_an_unknown_quantisation_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "shrink", never)
    with pytest.raises(InputError) as refusal:
        export(network(), found().tasks[0].members[0], tmp_path / "out", quantize="int4")
    assert (
        str(refusal.value) == "`quantize` must be one of int8, got 'int4' (did you mean 'int8'?)."
    )


@given(
    arrays.arrays(np.float32, (3, 4), elements=st.floats(-1e3, 1e3, width=32)),
    st.sampled_from([(0,), (1,), (0, 1), ()]),
)
def test_int8_is_off_by_half_a_step(leaf, channels):
    both = quantised({"a": leaf, "b": leaf}, {"a": channels})
    assert list(both) == ["a", "a/scale", "b"] and both["a"].dtype == np.int8
    wanted = tuple(size if axis in channels else 1 for axis, size in enumerate(leaf.shape))
    assert both["a/scale"].shape == wanted and both["a/scale"].dtype == np.float32
    again = restored(both)
    assert list(again) == ["a", "b"] and np.array_equal(again["b"], leaf)
    # The scale itself may have been rounded to a denormal number.
    slack = 1e-5 * np.abs(leaf) + 1e-37
    assert (np.abs(again["a"] - leaf) <= both["a/scale"] * 0.5001 + slack).all()
    assert np.abs(both["a"].astype(int)).max() <= 127
    rows = {"a": jnp.asarray(both["a"]), "a/scale": jnp.asarray(both["a/scale"])}
    assert np.array_equal(restored(rows)["a"], again["a"])


def test_scales_lie_along_the_outputs_in_any_layout():
    def apply(params, tokens):
        rows = params["table"][tokens].mean(1)
        hidden = jax.nn.relu(jnp.einsum("bi,oi->bo", rows, params["rows out"]))
        return hidden @ params["head"] + params["bias"] + params["wide"].reshape(1, 5)

    shapes = {"table": (30, 8), "rows out": (12, 8), "head": (12, 5), "bias": (5,)}
    shapes |= {"wide": (5, 1, 1)}
    params = {name: np.ones(shape, np.float32) for name, shape in shapes.items()}
    channels = output_channels(Network(apply, params, ()), jax.ShapeDtypeStruct((4,), np.int32))
    assert channels == {"table": (0,), "rows out": (0,), "head": (1,)}
    net = shrink(network(), found().tasks[0].members[-1])
    channels = output_channels(net, network().graph.inputs)
    kernels = {name for name, leaf in named_leaves(net.params).items() if leaf.ndim > 1}
    assert set(channels) <= kernels and channels["stem/kernel"] == (3,)
    assert channels["head/kernel"] == (1,)


def test_int8_is_stored_and_is_what_every_file_computes(tmp_path):
    jat, member = network(), found().tasks[0].members[-1]
    folder = tmp_path / "out"
    certificate = export(jat, member, folder, quantize="int8", data=make_data())
    assert max(certificate.reloaded.values()) <= 1e-5
    weights, _ = load_arrays(folder / "weights.safetensors")
    plain = named_leaves(shrink(jat, member).params)
    coarse = {name for name, leaf in weights.items() if leaf.dtype == np.int8}
    assert "stem/kernel" in coarse and "head/bias" not in coarse
    rough = load_network(folder)
    for name, leaf in named_leaves(rough.params).items():
        exact = plain[name]
        assert leaf.dtype == exact.dtype and leaf.shape == exact.shape
        step = weights[f"{name}/scale"] if name in coarse else 0.0
        assert (np.abs(leaf - exact) <= 0.5001 * step).all()
    rows = images(jat)
    np.testing.assert_allclose(load_stablehlo(folder)(rows), rough(rows), atol=1e-5)
    assert np.array_equal(
        rough(rows), stored(shrink(jat, member), "int8", jat.graph.inputs).network(rows)
    )
    said = description(folder)["quantization"]
    assert said["bytes"] == sum(leaf.nbytes for leaf in weights.values()) < said["float32_bytes"]
    assert said["float32_bytes"] == member.scores.bytes
    assert said["float32_test_error"] == pytest.approx(member.scores.test_error, abs=1e-6)
    assert 0 <= said["test_error"] <= 1
    assert f"in float32 {100 * member.scores.test_error:.2f} %" in told(folder)
    # A member in int8 is a network to search in like any other.
    assert np.array_equal(
        named_leaves(load(folder).params)["stem/kernel"], rough.params["stem"]["kernel"]
    )


def test_errors_are_those_that_the_search_counts():
    data = make_data()
    for task in found().tasks:
        for member in (task.members[0], task.members[-1]):
            error = error_on_test(shrink(network(), member), member, data)
            assert error == pytest.approx(member.scores.test_error, abs=1e-6)
