"""The settings of a network's adaptation: static, frozen, checked when they are made."""

from dataclasses import dataclass
from typing import final

import optax

from .._errors import require, require_number
from ._recovery import scheduled_adam


@final
@dataclass(frozen=True)
class Adaptation:
    """How the Jack is trained before a search, so that its sub-networks are good without training.

    Each step trains the whole network, the smallest sub-network of a range and random ones between
    (the sandwich rule), and the sub-networks learn what the whole network says in that step
    (in-place distillation): Yu and Huang, 2019, https://arxiv.org/abs/1903.05134; Yu et al., 2020,
    https://arxiv.org/abs/2003.11142.

    >>> Adaptation(epochs=2, subnetworks=1).low
    0.5

    Attributes:
      epochs: each of `examples / batch` steps, examples of the largest task.
      images: examples of the search split to train on, for each task; `None`: all of it.
      batch: examples of a step, for each task.
      rate: the peak learning rate of Adam.
      warmup: the share of all steps in which the rate rises; then it falls by a cosine to 0.
      decay: weight decay, decoupled from the gradient.
      subnetworks: random ones in each step, beside the whole network and the smallest.
      low: the lowest gene of a group in training, in [0, 1]: of it size^gene units are kept. The
        smallest sub-network keeps so many of every group.
      high: the highest mean gene of a random sub-network.
      distillation: the share of the sub-networks' loss that is the distance to the whole network's
        outputs, in [0, 1]; the rest is the targets'.
      anchor: the share of the whole network's loss that is the distance to what the Jack said
        before, in [0, 1]; the rest is the targets'.
      tolerance: by how much the whole network's validation error, the mean over tasks, may grow: an
        epoch beyond it is not chosen.
      seed: of the order of examples and of the random sub-networks.

    Raises:
      InputError: a value is out of its range.
    """

    epochs: int = 4
    images: int | None = None
    batch: int = 32
    rate: float = 1e-3
    warmup: float = 0.1
    decay: float = 1e-4
    subnetworks: int = 2
    low: float = 0.5
    high: float = 1.0
    distillation: float = 1.0
    anchor: float = 0.5
    tolerance: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("adaptation.epochs", self.epochs, 1, 1e6, whole=True)
        require_number("adaptation.batch", self.batch, 2, whole=True)
        if self.images is not None:
            require_number("adaptation.images", self.images, 2, whole=True)
            require(
                self.images >= self.batch,
                f"`adaptation.images` must be at least a batch of {self.batch}, got {self.images}.",
            )
        require_number("adaptation.rate", self.rate, 0)
        require_number("adaptation.warmup", self.warmup, 0, 1)
        require_number("adaptation.decay", self.decay, 0, 1)
        require_number("adaptation.subnetworks", self.subnetworks, 0, 1000, whole=True)
        require_number("adaptation.low", self.low, 0, 1)
        require_number("adaptation.high", self.high, self.low, 1)
        require_number("adaptation.distillation", self.distillation, 0, 1)
        require_number("adaptation.anchor", self.anchor, 0, 1)
        require_number("adaptation.tolerance", self.tolerance, 0, 1)
        require_number("adaptation.seed", self.seed, 0, 2**32 - 1, whole=True)

    def optimiser(self, steps: int) -> optax.GradientTransformation:
        """Return Adam with its schedule for so many steps."""
        return scheduled_adam(self.rate, self.warmup, self.decay, steps)
