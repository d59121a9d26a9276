"""How a candidate is written down: genotypes in [0, 1] and the masks they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require_known
from .._types import Array, Bool, Float, Int, Key
from ._importance import mixture
from ._importance import ranking as places

Ranking = Sequence[Int[Array, " _size"]] | Sequence[Float[Array, "_R _size"]]
"""For each group the place of every unit in the order of importance, 0 for the most important; or,
for an encoding that mixes R rankings, scores of mean 1 in each, larger for the more important."""


@runtime_checkable
class AbstractEncoding(Protocol):
    """Genotypes and what they mean; every genotype in [0, 1]^D is a valid sub-network."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units in each group, [G]."""
        ...

    @property
    def blocks(self) -> int:
        """The number of blocks that may be left out."""
        ...

    @property
    def rankings(self) -> int:
        """How many rankings it mixes, R: with one it takes places, with more it takes scores."""
        ...

    @property
    def dimensions(self) -> int:
        """The number of genes, D."""
        ...

    def sample(
        self, key: Key[Array, ""], count: int, low: float, high: float
    ) -> Float[Array, "count D"]:
        """Draw genotypes, each of a density drawn evenly from [low, high]."""
        ...

    def decode(self, genotype: Float[Array, " D"], ranking: Ranking) -> list[Bool[Array, " _size"]]:
        """Return the masks of one genotype: of groups, then of blocks.

        At least one unit of every group is kept; a block may be gone.
        """
        ...

    def encode(self, masks: Sequence[np.ndarray]) -> Float[Array, " D"]:
        """Return the genotype of masks as `decode` returns them, as nearly as it can be written."""
        ...


@final
@dataclass(frozen=True)
class Ratios:
    """One keep ratio for each group, over a ranking of its units: the default.

    A gene r keeps round(size^r) units, so that equal steps of a gene are equal factors of width.

    Of several rankings each candidate has a mixture of its own: the units' scores, of mean 1 over
    each group in each ranking, are added up with the last genes as weights, the same for all
    groups. Only their shares of their sum matter; if all are zero, all count alike.

    Attributes:
      sizes: units in each group, [G].
      granularity: kept counts are multiples of it, or all.
      blocks: how many blocks may be left out: each has one more gene, and is kept from 1/2 on.
      rankings: how many rankings are mixed: with more than one, each has one more gene.
    """

    sizes: tuple[int, ...]
    granularity: int = 1
    blocks: int = 0
    rankings: int = 1

    @property
    def dimensions(self) -> int:
        """The number of genes: one for each group and block, and for each of several rankings."""
        return len(self.sizes) + self.blocks + self.weights

    @property
    def weights(self) -> int:
        """The number of genes at the end that are weights of rankings: none for a single one."""
        return self.rankings if self.rankings > 1 else 0

    def sample(
        self, key: Key[Array, ""], count: int, low: float = 0.0, high: float = 1.0
    ) -> Float[Array, "count D"]:
        """Draw genotypes: a density in [low, high] for each, and its genes spread around it.

        The weights of rankings are drawn evenly from [0, 1].
        """
        density_key, spread_key = jax.random.split(key)
        density = jax.random.uniform(density_key, (count, 1), minval=low, maxval=high)
        shape = (count, self.dimensions - self.weights)
        spread = jax.random.uniform(spread_key, shape, minval=-0.25, maxval=0.25)
        genes = jnp.clip(density + spread, 0, 1)
        if not self.weights:
            return genes
        weights = jax.random.uniform(jax.random.fold_in(key, 1), (count, self.weights))
        return jnp.concatenate([genes, weights], 1)

    def uniform(self, ratios: np.ndarray) -> Float[Array, "count D"]:
        """Return the genotypes that keep nearly the same share of every group.

        Args:
          ratios: shares in (0, 1], [count].
        """
        sizes = np.array(self.sizes, np.float64)
        return self.keeping(np.clip(np.round(np.asarray(ratios)[:, None] * sizes), 1, sizes))

    def keeping(self, kept: np.ndarray) -> Float[Array, "*P D"]:
        """Return the genotypes that keep so many units of each group.

        Several rankings have the same weight.

        Args:
          kept: counts of at least one, [..., G], and which blocks are kept, [..., G + blocks]; all
            are if that is left out.
        """
        sizes = np.array(self.sizes, np.float64)
        counts, rest = np.split(kept, [len(sizes)], -1)
        genes = np.where(sizes > 1, np.log(counts) / np.log(np.maximum(sizes, 2)), 1.0)
        room = [(0, 0)] * (kept.ndim - 1) + [(0, self.dimensions - kept.shape[-1])]
        genes = np.pad(np.concatenate([genes, rest], -1), room, constant_values=1)
        return jnp.asarray(genes, jnp.float32)

    def encode(self, masks: Sequence[np.ndarray]) -> Float[Array, " D"]:
        """Return the genotype that keeps as many units: which ones, its ranking says."""
        return self.keeping(np.array([np.sum(mask) for mask in masks], np.float64))

    def kept(self, genotypes: Float[Array, "*P D"]) -> Float[Array, "*P _counts"]:
        """Return how many units of each group are kept, and whether each block is there."""
        ends = np.cumsum([len(self.sizes), self.blocks]).tolist()
        ratios, present, _ = jnp.split(genotypes, ends, -1)
        sizes = jnp.asarray(self.sizes, genotypes.dtype)
        counts = _multiple(sizes**ratios, sizes, self.granularity)
        return jnp.concatenate([counts, (present >= 0.5).astype(counts.dtype)], -1)

    def decode(self, genotype: Float[Array, " D"], ranking: Ranking) -> list[Bool[Array, " _size"]]:
        """Keep the first round(size^gene) units of each ranking, to the nearest multiple."""
        ends = np.cumsum([len(self.sizes), self.blocks]).tolist()
        _, present, weights = jnp.split(genotype, ends)
        kept = self.kept(genotype)
        order = places(mixture(ranking, weights)) if self.weights else ranking
        masks = [place < kept[group] for group, place in enumerate(order)]
        return masks + _present(present)


@final
@dataclass(frozen=True)
class Bits:
    """One gene for each unit, rounded to a bit: the paper's encoding.

    Attributes:
      sizes: units in each group, [G].
      granularity: kept counts are multiples of it, or all.
      blocks: how many blocks may be left out: each has one more gene, and is kept from 1/2 on.
    """

    sizes: tuple[int, ...]
    granularity: int = 1
    blocks: int = 0

    @property
    def rankings(self) -> int:
        """One: there is nothing to mix, since bits choose the units."""
        return 1

    @property
    def dimensions(self) -> int:
        """The number of genes: one for each unit of every group, and for each block."""
        return sum(self.sizes) + self.blocks

    def sample(
        self, key: Key[Array, ""], count: int, low: float = 0.0, high: float = 1.0
    ) -> Float[Array, "count D"]:
        """Draw genotypes whose share of ones is drawn evenly from [low, high] for each."""
        density_key, gene_key = jax.random.split(key)
        density = jax.random.uniform(density_key, (count, 1), minval=low, maxval=high)
        genes = jax.random.uniform(gene_key, (count, self.dimensions))
        # A gene below 1/2 is a zero, so shift the cut from `1 - density` to 1/2.
        low_part = genes / jnp.maximum(2 * (1 - density), 1e-6)
        high_part = 1 - (1 - genes) / jnp.maximum(2 * density, 1e-6)
        return jnp.clip(jnp.where(genes < 1 - density, low_part, high_part), 0, 1)

    def decode(self, genotype: Float[Array, " D"], ranking: Ranking) -> list[Bool[Array, " _size"]]:
        """Keep the units whose gene is at least 1/2; of an empty group, the most important.

        With a granularity, the nearest multiple of as many units is kept: those of largest genes.
        """
        *parts, last = jnp.split(genotype, np.cumsum(self.sizes).tolist())
        masks = [part >= 0.5 for part in parts]
        if self.granularity > 1:
            masks = [self._rounded(part, mask) for part, mask in zip(parts, masks, strict=True)]
        filled = [
            jnp.where(mask.any(), mask, places == 0)
            for mask, places in zip(masks, ranking, strict=True)
        ]
        return filled + _present(last)

    def encode(self, masks: Sequence[np.ndarray]) -> Float[Array, " D"]:
        """Return the genotype that keeps these units."""
        return jnp.concatenate([jnp.asarray(mask, jnp.float32) for mask in masks])

    def _rounded(
        self, genes: Float[Array, " _size"], mask: Bool[Array, " _size"]
    ) -> Bool[Array, " _size"]:
        size = jnp.asarray(mask.size, genes.dtype)
        kept = _multiple(mask.sum().astype(genes.dtype), size, self.granularity)
        return jnp.argsort(jnp.argsort(-genes, stable=True)) < kept


def _present(genes: Float[Array, " _blocks"]) -> list[Bool[Array, " _one"]]:
    """Return one mask [1] for each block."""
    return [genes[block : block + 1] >= 0.5 for block in range(genes.size)]


def _multiple(counts: Array, sizes: Array, granularity: int) -> Array:
    """Return the nearest multiples within the sizes, at least one of them; or the whole size."""
    rounded = jnp.maximum(jnp.round(counts / granularity), 1) * granularity
    return jnp.minimum(rounded, sizes)


ENCODINGS = ("ratios", "bits")


def make_encoding(
    name: str, sizes: tuple[int, ...], granularity: int = 1, blocks: int = 0, rankings: int = 1
) -> Ratios | Bits:
    """Return the encoding of that name, which mixes so many rankings if it can.

    Raises:
      InputError: the name is unknown.
    """
    require_known("search.encoding", name, ENCODINGS)
    if name == "bits":
        return Bits(sizes, granularity, blocks)
    return Ratios(sizes, granularity, blocks, rankings)
