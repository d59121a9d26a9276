"""What a genotype means: ratios over a ranking, and bits with repair."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sosjax._errors import InputError
from sosjax.space._encoding import Bits, Ratios, make_encoding
from sosjax.space._importance import example_scores, magnitude, ranking

SIZES = (1, 4, 16, 64)
RATIOS, BITS = Ratios(SIZES), Bits(SIZES)
PLACES = [jnp.asarray(np.random.default_rng(size).permutation(size), jnp.int32) for size in SIZES]
ratios_decode = jax.jit(lambda genotype: RATIOS.decode(genotype, PLACES))
bits_decode = jax.jit(lambda genotype: BITS.decode(genotype, PLACES))


def genotypes(count):
    genes = st.sampled_from([0.0, 1.0, 0.5]) | st.floats(0, 1, width=32)
    return hnp.arrays(np.float32, count, elements=genes)


@given(genotypes(len(SIZES)))
def test_ratios_keep_the_first_places_and_at_least_one(genotype):
    for size, gene, places, mask in zip(
        SIZES, genotype, PLACES, ratios_decode(genotype), strict=True
    ):
        kept = int(mask.sum())
        assert mask.dtype == bool
        assert mask.shape == (size,)
        assert 1 <= kept <= size
        assert abs(kept - size ** float(gene)) <= 0.5 + 1e-3
        assert sorted(np.asarray(places)[np.asarray(mask)]) == list(range(kept))


def test_a_larger_gene_keeps_a_superset():
    genes = jnp.linspace(0, 1, 30)[:, None] * jnp.ones(len(SIZES))
    masks = jax.vmap(ratios_decode)(genes)
    for mask in masks:
        assert (mask[:-1] <= mask[1:]).all()
        assert mask[0].sum() == 1
        assert mask[-1].all()


@given(st.floats(0.001, 1))
def test_uniform_ratios_keep_nearly_that_share_of_every_group(ratio):
    genotype = RATIOS.uniform(np.array([ratio]))[0]
    kept = [int(mask.sum()) for mask in ratios_decode(genotype)]
    assert kept == [max(1, round(ratio * size)) for size in SIZES]


def test_every_number_of_units_can_be_written_as_a_ratio():
    sizes = (64,)
    genes = Ratios(sizes).uniform(np.arange(1, 65) / 64)
    places = [jnp.arange(64)]
    kept = [int(Ratios(sizes).decode(gene, places)[0].sum()) for gene in genes]
    assert kept == list(range(1, 65))


@given(genotypes(sum(SIZES)))
def test_bits_keep_at_least_one_unit_and_are_their_own_repair(genotype):
    masks = bits_decode(genotype)
    assert all(mask.any() for mask in masks)
    again = bits_decode(jnp.concatenate(masks).astype(jnp.float32))
    for mask, other in zip(masks, again, strict=True):
        np.testing.assert_array_equal(mask, other)


def test_an_empty_group_of_bits_keeps_its_most_important_unit():
    for mask, places in zip(bits_decode(jnp.zeros(sum(SIZES))), PLACES, strict=True):
        np.testing.assert_array_equal(mask, places == 0)


def test_bits_are_the_rounded_genes_in_the_order_of_groups():
    genes = jnp.arange(sum(SIZES)) % 3 / 2
    bits = np.asarray(genes >= 0.5)
    masks = np.concatenate(bits_decode(genes))
    # The group of one unit was empty and is repaired.
    np.testing.assert_array_equal(masks[1:], bits[1:])
    assert masks[0]


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.2, 0.4), (0.7, 0.7), (0, 0), (1, 1)])
def test_sampled_bits_have_the_density(low, high):
    genes = BITS.sample(jax.random.key(0), 400, low, high)
    density = np.asarray(genes >= 0.5).mean(1)
    assert ((genes >= 0) & (genes <= 1)).all()
    assert density.mean() == pytest.approx((low + high) / 2, abs=0.03)
    # The density of each is drawn anew: its spread is that of an even draw and of the bits.
    mean = (low + high) / 2
    bits = (mean * (1 - mean) - (high - low) ** 2 / 12) / sum(SIZES)
    assert density.var() == pytest.approx((high - low) ** 2 / 12 + bits, abs=0.01)


def test_sampled_ratios_spread_around_a_density():
    genes = RATIOS.sample(jax.random.key(0), 400, 0.4, 0.6)
    assert genes.shape == (400, 4)
    assert ((genes >= 0.15) & (genes <= 0.85)).all()
    assert float(genes.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(jnp.corrcoef(genes.T)[0, 1]) > 0.05


@pytest.mark.parametrize("encoding", [RATIOS, BITS])
def test_samples_follow_the_key(encoding):
    one, two, other = (encoding.sample(jax.random.key(seed), 5) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, two)
    assert (one != other).mean() > 0.5
    assert one.shape == (5, encoding.dimensions)


@pytest.mark.parametrize("kind", [Ratios, Bits])
@pytest.mark.parametrize("granularity", [2, 3, 8, 100])
def test_kept_counts_are_multiples_of_the_granularity_or_all(kind, granularity):
    encoding = kind(SIZES, granularity)
    genes = encoding.sample(jax.random.key(0), 60)
    masks = jax.vmap(lambda gene: encoding.decode(gene, PLACES))(genes)
    for size, mask in zip(SIZES, masks, strict=True):
        kept = np.asarray(mask.sum(1))
        assert ((kept % granularity == 0) | (kept == size)).all() and (kept > 0).all()


def test_a_granularity_keeps_the_nearest_multiple_of_the_most_important():
    (mask,) = Ratios((16,), 4).decode(jnp.log(jnp.array([9.0])) / jnp.log(16.0), [PLACES[2]])
    np.testing.assert_array_equal(mask, PLACES[2] < 8)
    genes = jnp.asarray(np.random.default_rng(0).permutation(16) / 16, jnp.float32)
    assert int((0.9 * genes >= 0.5).sum()) == 7
    (mask,) = Bits((16,), 4).decode(0.9 * genes, [PLACES[2]])
    np.testing.assert_array_equal(mask, genes >= 0.5)  # the largest eight


@pytest.mark.parametrize("kind", [Ratios, Bits])
def test_blocks_have_a_gene_each_at_the_end(kind):
    encoding, plain = kind(SIZES, blocks=3), kind(SIZES)
    assert encoding.dimensions == plain.dimensions + 3
    genes = jnp.concatenate([plain.sample(jax.random.key(0), 1)[0], jnp.array([0.1, 0.5, 0.9])])
    *groups, first, second, third = encoding.decode(genes, PLACES)
    assert [mask.tolist() for mask in (first, second, third)] == [[False], [True], [True]]
    for mask, other in zip(groups, plain.decode(genes[:-3], PLACES), strict=True):
        np.testing.assert_array_equal(mask, other)


def test_uniform_ratios_keep_every_block():
    genes = Ratios(SIZES, blocks=2).uniform(np.array([0.01, 1.0]))
    assert genes.shape == (2, len(SIZES) + 2) and (genes[:, -2:] == 1).all()


def test_encodings_are_made_by_name():
    assert make_encoding("ratios", SIZES) == RATIOS
    assert make_encoding("bits", SIZES) == BITS
    assert make_encoding("bits", SIZES, 8, 2) == Bits(SIZES, 8, 2)
    with pytest.raises(InputError) as caught:
        make_encoding("ratio", SIZES)
    assert str(caught.value) == (
        "`search.encoding` must be one of ratios, bits, got 'ratio' (did you mean 'ratios'?)."
    )


def test_rankings_place_the_largest_score_first_and_ties_by_index():
    (places,) = ranking([jnp.array([0.1, 3.0, 0.1, 2.0])])
    assert places.tolist() == [2, 0, 3, 1]


def test_taylor_scores_are_the_mean_absolute_derivatives():
    weight = jnp.array([1.0, -2.0, 0.0])

    def loss(masks, watch, inputs, targets):
        del watch
        return (((inputs * masks[0]) @ weight - targets[:, 0]) ** 2).sum()

    inputs = jax.random.normal(jax.random.key(0), (70, 3))
    targets = jax.random.normal(jax.random.key(1), (70, 1))
    scores = example_scores(loss, [3], (inputs, targets), jnp.ones(70), 64, ("taylor",))
    (score,) = scores["taylor"]
    residual = inputs @ weight - targets[:, 0]
    wanted = jnp.abs(2 * residual[:, None] * inputs * weight).mean(0)
    np.testing.assert_allclose(score, wanted, rtol=1e-4, atol=1e-6)


def test_magnitude_scores_sum_the_owned_parameters_without_statistics(cnn):
    one, two = magnitude(cnn.graph, cnn.params)
    wanted = 0
    for leaf, axes in (("conv1", (0, 1, 2)), ("conv2", (0, 1, 3))):
        size = np.abs(cnn.params[leaf])
        wanted = wanted + size.mean(axes) / size.mean()
    for leaf in ("scale", "bias"):
        size = np.abs(cnn.params["norm1"][leaf])
        wanted = wanted + size / size.mean()
    np.testing.assert_allclose(one, wanted, rtol=1e-5)
    assert two.shape == (6,)
