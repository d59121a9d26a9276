"""How a candidate is written down: genotypes in [0, 1] and the masks they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from .._errors import require_known
from .._types import Array, Bool, Float, Int, Key

Ranking = Sequence[Int[Array, " _size"]]
"""For each group the place of every unit in the order of importance, 0 for the most important."""


@runtime_checkable
class AbstractEncoding(Protocol):
    """Genotypes and what they mean; every genotype in [0, 1]^D is a valid sub-network."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units in each group, [G]."""
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
        """Return the masks of one genotype; at least one unit of every group is kept."""
        ...


@final
@dataclass(frozen=True)
class Ratios:
    """One keep ratio for each group, over a ranking of its units: the default.

    A gene r keeps round(size^r) units, so that equal steps of a gene are equal factors of width.

    Attributes:
      sizes: units in each group, [G].
    """

    sizes: tuple[int, ...]

    @property
    def dimensions(self) -> int:
        """The number of genes: one for each group."""
        return len(self.sizes)

    def sample(
        self, key: Key[Array, ""], count: int, low: float = 0.0, high: float = 1.0
    ) -> Float[Array, "count D"]:
        """Draw genotypes: a density in [low, high] for each, and its genes spread around it."""
        density_key, spread_key = jax.random.split(key)
        density = jax.random.uniform(density_key, (count, 1), minval=low, maxval=high)
        spread = jax.random.uniform(spread_key, (count, self.dimensions), minval=-0.25, maxval=0.25)
        return jnp.clip(density + spread, 0, 1)

    def uniform(self, ratios: np.ndarray) -> Float[Array, "count D"]:
        """Return the genotypes that keep nearly the same share of every group.

        Args:
          ratios: shares in (0, 1], [count].
        """
        sizes = np.array(self.sizes, np.float64)
        kept = np.clip(np.round(np.asarray(ratios)[:, None] * sizes), 1, sizes)
        genes = np.where(sizes > 1, np.log(kept) / np.log(np.maximum(sizes, 2)), 1.0)
        return jnp.asarray(genes, jnp.float32)

    def decode(self, genotype: Float[Array, " D"], ranking: Ranking) -> list[Bool[Array, " _size"]]:
        """Keep the first round(size^gene) units of each ranking."""
        sizes = jnp.asarray(self.sizes, genotype.dtype)
        kept = jnp.clip(jnp.round(sizes**genotype), 1, sizes)
        return [places < kept[group] for group, places in enumerate(ranking)]


@final
@dataclass(frozen=True)
class Bits:
    """One gene for each unit, rounded to a bit: the paper's encoding.

    Attributes:
      sizes: units in each group, [G].
    """

    sizes: tuple[int, ...]

    @property
    def dimensions(self) -> int:
        """The number of genes: one for each unit of every group."""
        return sum(self.sizes)

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
        """Keep the units whose gene is at least 1/2; of an empty group, the most important."""
        ends = np.cumsum(self.sizes)[:-1].tolist()
        masks = [part >= 0.5 for part in jnp.split(genotype, ends)]
        return [
            jnp.where(mask.any(), mask, places == 0)
            for mask, places in zip(masks, ranking, strict=True)
        ]


ENCODINGS: dict[str, type[Ratios] | type[Bits]] = {"ratios": Ratios, "bits": Bits}


def make_encoding(name: str, sizes: tuple[int, ...]) -> Ratios | Bits:
    """Return the encoding of that name.

    Raises:
      InputError: the name is unknown.
    """
    require_known("search.encoding", name, ENCODINGS)
    return ENCODINGS[name](sizes)
