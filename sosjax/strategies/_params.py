"""The numbers of the multifactorial strategies: they may change without a new compilation."""

import jax.numpy as jnp
from flax import struct

from .._types import Array


@struct.dataclass
class Operators:
    """Numbers of crossover and mutation.

    Attributes:
      crossover_eta: distribution index of SBX.
      mutation_eta: distribution index of polynomial mutation.
      mutation_rate: probability that a gene mutates.
    """

    crossover_eta: Array | float
    mutation_eta: Array | float
    mutation_rate: Array | float


@struct.dataclass
class Mating(Operators):
    """With a rate of its own for pairs that mate.

    Attributes:
      mated_mutation_rate: `mutation_rate` for the children of a pair that was accepted; 0 leaves
        them as they were crossed.
    """

    mated_mutation_rate: Array | float


@struct.dataclass
class Fixed(Mating):
    """With random mating probabilities that are given.

    Attributes:
      rmp: random mating probability between tasks, [T, T]; its diagonal is not read.
    """

    rmp: Array


@struct.dataclass
class Learnt(Mating):
    """With random mating probabilities that are learnt.

    Attributes:
      sharpness: how strictly tasks are told apart; see `learn_rmp`.
    """

    sharpness: Array | float


def operators(genes: int, crossover_eta: float, mutation_eta: float) -> dict[str, Array]:
    """Return both indices, and the rate that mutates one gene of a child on average."""
    return {
        "crossover_eta": jnp.asarray(float(crossover_eta)),
        "mutation_eta": jnp.asarray(float(mutation_eta)),
        "mutation_rate": jnp.asarray(1.0 / genes),
    }


def mating(genes: int, crossover_eta: float, mutation_eta: float) -> dict[str, Array]:
    """Return `operators` and the same rate for pairs that mate."""
    numbers = operators(genes, crossover_eta, mutation_eta)
    return numbers | {"mated_mutation_rate": numbers["mutation_rate"]}
