"""The ways that `benchmarks.throughput` compares say the same of every sub-network."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from benchmarks.throughput import __main__ as program  # noqa: E402
from benchmarks.throughput import _in_torch, _ours, _work  # noqa: E402
from sosjax.graph import _narrow  # noqa: E402

WORKS = {
    "images": lambda: _work.images(3, 4, 0.3, (4, 8, 8, 16)),
    "text": lambda: _work.text(3, 4, 0.3, 6),
}


@pytest.mark.parametrize("name", WORKS)
def test_all_ways_give_the_same_logits(name):
    work = WORKS[name]()
    found = _ours.ways(work, 2) | _in_torch.Ways(work, 2, compiled=False).found
    with torch.inference_mode():
        said = {way: ask() for way, ask in found.items()}
    assert len(said) == 5 and said[_ours.MASKED].shape[:2] == (3, 4)
    program.check(said)
    logits = said[_ours.MASKED]
    assert not np.allclose(logits[0], logits[1])  # other sub-networks say other things
    said[_in_torch.VMAP] = logits[::-1]
    with pytest.raises(SystemExit, match="PyTorch, vmap differs by"):
        program.check(said)


@pytest.mark.parametrize("name", WORKS)
def test_flops_executed_are_counted_of_the_branches_taken(name, monkeypatch):
    monkeypatch.setattr(_narrow, "WORTH", 100.0)
    work = WORKS[name]()
    whole, own = work.flops()
    assert own < work.executed() < 0.95 * whole
    monkeypatch.setattr(_narrow, "WORTH", 1e12)
    np.testing.assert_allclose(work.executed(), whole, rtol=0.01)  # but for the head's


def test_flops_are_those_of_the_cut_network():
    work = WORKS["images"]()
    whole, own = work.flops()
    assert 0.05 < own / whole < 0.9
    sizes = [len(leaf.ravel()) for leaf in work.cut(0).values()]
    full = [len(leaf.ravel()) for leaf in work.zeroed(0).values()]
    kept = [np.count_nonzero(leaf) for leaf in work.zeroed(0).values()]
    assert sum(sizes) < sum(full) and sum(kept) <= sum(sizes)
