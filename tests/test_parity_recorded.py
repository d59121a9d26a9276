"""Every family against what PyTorch made of the same weights, as it was once recorded.

The outputs are of `python -m benchmarks.record_parity`; `pytest -m torch` compares with PyTorch
itself, at more sizes and on real weights.
"""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.recorded_states import inputs_of, state_of
from sosjax.models import FAMILIES, built
from sosjax.models._fitted import fitted

RECORDED = json.loads((Path(__file__).parent / "recorded_parity.json").read_text())["networks"]


@pytest.mark.parametrize("row", RECORDED, ids=[row["family"] for row in RECORDED])
def test_outputs_are_those_of_pytorch(row):
    network = built({"family": row["family"], **row["options"]})
    params = fitted(network.family, network.shapes, state_of(row["shapes"]))
    inputs = jnp.asarray(inputs_of(row["kind"], network.options))
    ours, wanted = np.asarray(jax.jit(network.apply)(params, inputs)), np.asarray(row["outputs"])
    assert ours.shape == wanted.shape and np.abs(wanted).max() > 0.05
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-4)
    # No output is another's, so that nothing but the right one would do.
    assert len(np.unique(np.round(wanted, 3))) > wanted.size / 4


def test_every_family_is_recorded():
    assert {row["family"] for row in RECORDED} == set(FAMILIES)
