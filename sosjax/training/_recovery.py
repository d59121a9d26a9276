"""The settings of training: static, frozen, checked when they are made."""

from dataclasses import dataclass, replace
from typing import final

import optax

from .._errors import require, require_known, require_number
from ..graph._subject import Subject
from ._trainable import PARTS

LARGEST = 0.6
"""The share of a cost below which sub-networks are strewn: above, hardly any errs more."""
PACE = 0.25
"""How the rate rises as members get smaller, from trials on images; by width it would be 0.5."""


@final
@dataclass(frozen=True)
class Recovery:
    """How sub-networks are trained after they were found.

    >>> Recovery(epochs=3, parts="norms").batch
    64

    Attributes:
      epochs: each of `examples / batch` steps, examples of the largest task; smaller ones go
        through theirs more often.
      patience: a member rests after so many epochs without a lower validation error, or an equal
        one with a lower loss.
      images: examples of the search split to train on, for each task; `None`: all of it.
      parts: `"all"` leaves; `"norms"`: those with one axis (norms, biases) and the head;
        `"low-rank"`: the same, and of every other leaf an update of low rank that is folded in.
      rank: of those updates.
      batch: examples of a step.
      rate: the peak learning rate of Adam for the whole network; smaller members take larger steps,
        see `pace`; `None`: what suits the network, 0.005 if it has moments that are estimated
        (BatchNorm), 0.0003 else.
      warmup: the share of all steps in which the rate rises; then it falls by a cosine to 0.
      decay: weight decay, decoupled from the gradient (Loshchilov and Hutter, 2019,
        https://arxiv.org/abs/1711.05101).
      distillation: the share of the loss that is the distance to the Jack's outputs, in [0, 1]
        (Hinton et al., 2015, https://arxiv.org/abs/1503.02531).
      temperature: of that distance between classes.
      together: at most so many members in one program; what it holds in memory is four times
        their weights.
      rounds: how often further members are sought near the front and within environments, by a
        forecast of what recovery makes of a sub-network that is learnt from those recovered
        before; 0: none.
      further: new members for each task and round, at most, up to half of them for environments;
        and, if there are rounds, as many drawn at random that are recovered along with the first.
      smallest: a share of the whole network's costs; no further member is sought for being smaller;
        at most `LARGEST`, above which none is drawn.
      seed: of the order of examples, of low-rank updates and of the search for further members.

    Raises:
      InputError: a value is out of its range.
    """

    epochs: int = 8
    patience: int = 4
    images: int | None = None
    parts: str = "all"
    rank: int = 4
    batch: int = 64
    rate: float | None = None
    warmup: float = 0.1
    decay: float = 1e-4
    distillation: float = 0.5
    temperature: float = 2.0
    together: int = 32
    rounds: int = 3
    further: int = 6
    smallest: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        require_number("recovery.epochs", self.epochs, 1, 1e6, whole=True)
        require_number("recovery.patience", self.patience, 1, 1e6, whole=True)
        require_number("recovery.batch", self.batch, 2, whole=True)
        if self.images is not None:
            require_number("recovery.images", self.images, 2, whole=True)
            require(
                self.images >= self.batch,
                f"`recovery.images` must be at least a batch of {self.batch}, got {self.images}.",
            )
        require_known("recovery.parts", self.parts, PARTS)
        require_number("recovery.rank", self.rank, 1, whole=True)
        if self.rate is not None:
            require_number("recovery.rate", self.rate, 0)
        require_number("recovery.warmup", self.warmup, 0, 1)
        require_number("recovery.decay", self.decay, 0, 1)
        require_number("recovery.distillation", self.distillation, 0, 1)
        require_number("recovery.temperature", self.temperature, 0.1, 100)
        require_number("recovery.together", self.together, 1, whole=True)
        require_number("recovery.rounds", self.rounds, 0, 100, whole=True)
        require_number("recovery.further", self.further, 1, whole=True)
        require_number("recovery.smallest", self.smallest, 1e-6, LARGEST)
        require_number("recovery.seed", self.seed, 0, 2**32 - 1, whole=True)

    def suited(self, graph: Subject) -> "Recovery":
        """Return the same with a rate that suits the network, if none was given."""
        if self.rate is not None:
            return self
        return replace(self, rate=5e-3 if graph.statistics else 3e-4)

    @staticmethod
    def pace(share: float) -> float:
        """Return what multiplies the rate of a member with such a share of the parameters.

        Adam changes each weight alike, and so a unit the less the fewer it reads from: the rate
        that suits rises as the width falls (Yang et al., 2022, https://arxiv.org/abs/2203.03466).
        """
        return share**-PACE

    def optimiser(self, steps: int) -> optax.GradientTransformation:
        """Return Adam with its schedule for so many steps; the rate must be settled."""
        assert self.rate is not None
        return scheduled_adam(self.rate, self.warmup, self.decay, steps)


def scheduled_adam(
    rate: float, warmup: float, decay: float, steps: int
) -> optax.GradientTransformation:
    """Return Adam whose rate rises in a share of so many steps and then falls by a cosine to 0."""
    return optax.adamw(warmed(rate, warmup, steps), weight_decay=decay)


def warmed(rate: float, warmup: float, steps: int) -> optax.Schedule:
    """Return the rate by step; the first has one already, or a single step would be none."""
    warm = round(warmup * steps)
    return optax.warmup_cosine_decay_schedule(rate / (warm + 1), rate, warm, max(steps, warm + 1))
