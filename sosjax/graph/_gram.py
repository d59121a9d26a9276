"""Second moments of what enters each site, every row weighed by how much the outputs depend on it.

Rows that the outputs do not depend on, such as padding that attention leaves out, count nothing:
their gradient is zero, whatever the network. The others are as unequal: the first and last token of
a sentence are often the largest of all and matter least, so that least squares without weights fits
them and little else.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from .._tree import named_leaves
from .._types import Array
from ._equation import Equation
from ._program import Program
from ._sites import Site
from ._traced import Traced


def site_moments(
    network: Traced,
    sites: Sequence[Site],
    params: Any,
    inputs: Any,
    target: int,
    cotangents: Array,
) -> dict[str, Array]:
    """Return the weighed second moments of the rows of every site.

    A row's weight is the squared gradient of a random sum of the network's outputs by the row's
    product, as in the Fisher information of a layer (Martens and Grosse, 2015,
    https://arxiv.org/abs/1503.05671).

    Args:
      network: the whole network, traced for these inputs.
      sites: of this trace.
      params: the full parameters.
      inputs: [B, ...].
      target: the number of the value that stands for the outputs, [B, ...].
      cotangents: [draws, B, ...]: what the target is summed with; zero for what must not count.

    Returns:
      Sums of products of features, [F, F] by the site's leaf.
    """
    program, probes = _probed(network.program, sites)
    given, leaves = program.given(params, (inputs,)), named_leaves(params)

    def run(added: list[Array]) -> tuple[Array, list[Array]]:
        values = given | dict(zip(probes, added, strict=True))
        outputs, *rows = program.evaluate(values, [target, *(site.data for site in sites)])
        return outputs, rows

    zeros = [jnp.zeros(program.shape(site.product), leaves[site.leaf].dtype) for site in sites]
    _, backwards, data = jax.vjp(run, zeros, has_aux=True)

    def weights(cotangent: Array) -> list[Array]:
        (slopes,) = backwards(cotangent)
        pairs = zip(sites, slopes, strict=True)
        return [(site.outputs(slope) ** 2).sum(-1).ravel() for site, slope in pairs]

    drawn = jax.lax.map(weights, cotangents)
    moments = {}
    for site, array, weight in zip(sites, data, drawn, strict=True):
        rows = site.rows(array, leaves[site.leaf].shape)
        rows = rows.reshape(-1, rows.shape[-1])
        moments[site.leaf] = (rows * weight.sum(0)[:, None]).T @ rows
    return moments


def _probed(program: Program, sites: Sequence[Site]) -> tuple[Program, list[int]]:
    """Return the program that adds a value to every site's product, and these values' numbers."""
    free = max(program.avals) + 1
    places = {site.product: number for number, site in enumerate(sites)}
    equations: list[Equation] = []
    for equation in program.region.equations:
        place = places.get(equation.writes[0]) if equation.writes else None
        if place is not None:
            bare, probe = free + 2 * place, free + 2 * place + 1
            add = lambda product, added: [product + added.astype(product.dtype)]  # noqa: E731
            equations.append(Equation("probe", None, (bare, probe), equation.writes, {}, run=add))
            equation = replace(equation, writes=(bare,))
        equations.append(equation)
    region = replace(program.region, equations=tuple(equations))
    return replace(program, region=region), [free + 2 * place + 1 for place in range(len(sites))]
