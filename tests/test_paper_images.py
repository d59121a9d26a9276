"""The paper's image experiments: the published genes, equal images, and a run end to end."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

sys.path.insert(0, str(Path(__file__).parents[1]))
pytest.importorskip("matplotlib")

import sosjax
from benchmarks.paper import _images, _run, cifar10, mnist
from benchmarks.paper._jack import augmented, jack_of
from benchmarks.paper._numbers import megabytes, print_table
from benchmarks.paper._pictures import npm_digits
from benchmarks.paper._published import Quarters, errors, quarters_of
from benchmarks.paper._report import report
from sosjax._errors import InputError
from sosjax._tree import named_leaves
from sosjax.models import built, jat_of, params_of
from sosjax.search._problem import Problem

TINY = {
    "family": "resnet",
    "widths": (4, 8),
    "depths": (1, 1),
    "stem": "small",
    "classes": 4,
    "input_shape": (8, 8, 1),
    "mean": 0.0,
    "deviation": 1.0,
}
SIZES = {"training": 300, "search": 200, "validation": 100, "test": 100}


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder, count=600, test=100, classes=10):
    """Write noise whose brightness tells the class."""
    rng = np.random.default_rng(0)
    for prefix, rows in (("train", count), ("t10k", test)):
        labels = np.arange(rows, dtype=np.uint8) % classes
        images = rng.integers(0, 40, (rows, 8, 8), np.uint8) + 20 * labels[:, None, None]
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(idx(images.astype(np.uint8)))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(labels))


def write_digits(folder, each=70):
    rng = np.random.default_rng(0)
    for digit in range(10):
        grey = rng.random((each, 784)) * 0.2 + 0.08 * digit
        (folder / f"{digit}.json").write_text(json.dumps({"data": grey.ravel().tolist()}))


@pytest.fixture(scope="module")
def tiny():
    """A random network, its function, and two tasks of two classes."""
    network = built(TINY)
    params = params_of(network.family.build(network.options, nnx.Rngs(0)))
    rng = np.random.default_rng(0)
    parts = [
        sosjax.Split(rng.random((60, 8, 8, 1), np.float32), np.arange(60, dtype=np.int32) % 4)
        for _ in range(3)
    ]
    data = sosjax.Dataset("noise", ("a", "b", "c", "d"), *parts)
    tasks = [sosjax.Task("one", ("a", "b"), data), sosjax.Task("two", ("c", "d", "a"), data)]
    return jat_of(TINY, params, name="tiny"), network.apply, tasks


@pytest.mark.parametrize(("width", "genes"), [(64, 18_944), (8, 2_368)])
def test_a_resnet18_has_as_many_genes_as_the_paper_says(width, genes):
    widths = tuple(width * 2**stage for stage in range(4))
    network = built({"family": "resnet", "widths": widths, "classes": 10})
    assert quarters_of(network.apply, network.shapes).genes == genes


def test_a_gene_zeroes_one_quarter_of_one_filter(tiny):
    jat, apply, _ = tiny
    quarters = quarters_of(apply, jat.params)
    path, shape = quarters.shapes[0]
    assert "stem" not in path and shape == (3, 3, 4, 4)
    gene = 2 * shape[-1] + 1  # the third quarter of the second filter
    bits = jnp.ones(quarters.genes, bool).at[gene].set(False)
    by_hand = named_leaves(jax.tree.map(np.array, jat.params))
    by_hand[path][:, :, 2:3, 1] = 0
    for name, leaf in named_leaves(quarters.masked(jat.params, bits)).items():
        np.testing.assert_array_equal(leaf, by_hand[name], err_msg=name)
    assert int(quarters.left(bits)) == quarters.weights - 3 * 3 * 1


def test_the_size_is_the_number_of_weights_that_are_not_zero(tiny):
    jat, apply, _ = tiny
    quarters = quarters_of(apply, jat.params)
    bits = jax.random.bernoulli(jax.random.key(0), 0.3, (quarters.genes,))
    leaves = named_leaves(quarters.masked(jat.params, bits))
    counted = sum(int((leaves[path] != 0).sum()) for path, _ in quarters.shapes)
    assert int(quarters.left(bits)) == counted


def test_quarters_of_inputs_that_four_does_not_divide_cover_each_input_once():
    quarters = Quarters(lambda params, images: images, (("a", (1, 1, 6, 1)),))
    left = [int(quarters.left(jnp.arange(4) == gene)) for gene in range(4)]
    assert sum(left) == 6 and min(left) >= 1


def test_all_genes_on_are_the_jack_with_its_own_rows(tiny):
    jat, apply, tasks = tiny
    problem = Problem(jat, None, tasks, sosjax.Settings(images=40))
    quarters = quarters_of(apply, jat.params)
    task = jax.tree.map(lambda leaf: leaf[1], problem.search)
    images, rows = task.inputs, [2, 3, 0]
    wanted = np.asarray(task.targets).argmax(-1)
    wrong = np.asarray(apply(jat.params, images))[:, rows].argmax(-1) != wanted
    found = errors(quarters, jat.params, task, jnp.ones((2, quarters.genes), bool))
    np.testing.assert_allclose(found, wrong.mean(), atol=1e-6)


@pytest.mark.parametrize("place", [0, 1])
def test_a_task_alone_is_judged_on_the_images_that_it_has_beside_the_others(tiny, place):
    jat, _, tasks = tiny
    settings = sosjax.Settings(images=12, calibration=20, seed=3)
    both = Problem(jat, None, tasks, settings)
    single = Problem(jat, None, [_images.alone(tasks, place, 3)], settings)
    for part in ("search", "calibration"):
        seen = [np.asarray(getattr(one, part).inputs) for one in (both, single)]
        np.testing.assert_array_equal(seen[0][place], seen[1][0])


def test_images_move_by_two_pixels_at_most_and_keep_their_shape():
    images = np.zeros((50, 8, 8, 1), np.float32)
    images[:, 4, 4] = 1
    moved = np.asarray(augmented(jax.random.key(0), jnp.asarray(images), False))
    rows, columns = np.argwhere(moved[..., 0])[:, 1:].T
    assert moved.shape == images.shape and len(rows) == 50
    assert rows.min() == columns.min() == 2 and rows.max() == columns.max() == 6


def tiny_settings(path):
    text = path.read_text()
    for name, value in {
        "training": 300,
        "search": 200,
        "validation": 100,
        "test": 100,
        "width": 4,
        "epochs": 1,
        "population": 4,
        "generations": 2,
        "images": 16,
        "calibration": 40,
    }.items():
        lines = text.splitlines()
        text = "\n".join(
            f"{name} = {value}" if line.startswith(f"{name} =") else line for line in lines
        )
    return text


def test_the_smallest_run_goes_from_files_to_tables_and_figures(tmp_path, monkeypatch, capsys):
    data, out, results = (tmp_path / name for name in ("data", "out", "results"))
    data.mkdir(), results.mkdir()
    write_idx(data)
    monkeypatch.setattr(_run, "RESULTS", results)
    monkeypatch.setattr("benchmarks.record.RESULTS", results)
    config = tmp_path / "tiny.toml"
    config.write_text(tiny_settings(Path(mnist.__file__).with_suffix(".toml")))
    asked = ["--data", data, "--out", out, "--config", config, "--small", "--seeds", "1"]
    asked = [*map(str, asked), "--record", "--width", "4", "--only", "published"]
    first = mnist.main(asked)
    assert (out / "jack.safetensors").exists() and (out / "published-0.json").exists()
    kept = json.loads((results / "paper_mnist.json").read_text())
    assert len(kept["table"]) == 8 and kept["table"][1]["paper"] == "0.30 MB 99.28 %"
    assert len(list(results.glob("*.png"))) == 4
    for ones in kept["found"].values():
        curve = ones[0]["hypervolume"]["odd"]
        assert len(curve) == 3 and curve == sorted(curve)
        assert ones[0]["jack"]["odd"]["parameters"] > ones[0]["members"]["odd"][0]["parameters"]
    said = capsys.readouterr().out
    assert "is another edition" not in said and "22 MB 99.64 %" in said
    # A second call reads what is there.
    again = mnist.main(asked)
    assert again["found"] == first["found"] and "Jack, epoch" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="must be of the same settings"):
        mnist.main([*asked, "--images", "20"])


def test_beside_a_stand_in_the_published_numbers_are_said_to_be_of_other_images(tmp_path, capsys):
    scores = {"parameters": 10, "validation_error": 0.1, "test_error": 0.1}
    one = {"jack": {"even": scores}, "members": {"even": [scores]}, "hypervolume": {"even": [0.5]}}
    found = {f"published, {kind}": [one] for kind in ("multitask", "single-task")}
    run = _run.Run("paper", tmp_path, tmp_path, {"data": {"name": "x"}}, 1, True, False)
    table = report(run, found, mnist.PUBLISHED)["table"]
    assert table[1]["paper, its own images"] == "0.30 MB 99.28 %" and "paper" not in table[1]
    assert "Published, for other" not in capsys.readouterr().out
    report(run, found, cifar10.PUBLISHED)
    said = capsys.readouterr().out
    assert "Published, for other tasks on other images" in said and "0.98 MB 97.21 %" in said


def test_a_stand_in_is_said_to_be_one(tmp_path, capsys):
    write_idx(tmp_path, count=100)
    asked = ["--data", str(tmp_path), "--out", str(tmp_path / "out"), "--stand-in", "--small"]
    with pytest.raises(SystemExit, match=r"`data` of Fashion-MNIST must hold 13000 images"):
        cifar10.main(asked)


def test_the_npm_digits_are_split_and_refused_where_they_are_none(tmp_path):
    write_digits(tmp_path)
    pictures = npm_digits(tmp_path, SIZES)
    assert pictures.training.inputs.shape == (300, 28, 28, 1) and not pictures.flips
    assert [len(getattr(pictures.data, part)) for part in ("search", "test")] == [200, 100]
    (tmp_path / "3.json").write_text('{"data": [1, 2]}')
    with pytest.raises(InputError, match=r"3\.json must hold images of 28x28, got 2 numbers"):
        npm_digits(tmp_path, SIZES)


def test_a_jack_of_other_settings_is_refused(tmp_path):
    write_digits(tmp_path)
    pictures = npm_digits(tmp_path, SIZES)
    path = tmp_path / "jack.safetensors"
    settings = {"width": 4, "stem": "strided", "epochs": 1, "batch": 100, "rate": 0.1, "seed": 0}
    jack_of(path, pictures, settings)
    with pytest.raises(InputError, match="name another `--out`"):
        jack_of(path, pictures, settings | {"width": 8})


def test_sizes_count_sixteen_bits_and_tables_line_up(capsys):
    assert megabytes(11_000_000) == 22
    print_table("title", [{"a": "long cell", "b": 0.123456}, {"a": 1}])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "title",
        "a          b",
        "long cell  0.1235",
        "1          -",
    ]
