"""One sub-network of a set: what is kept, what it costs, how it did, and what it carries."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from ..graph._head import Head  # a choice among scores needs no JAX, which `graph` imports

ERRORS = ("search_error", "validation_error", "test_error")


@final
@dataclass(frozen=True)
class Scores:
    """What one sub-network costs and how often it errs on one task.

    Attributes:
      kept: units kept in each group.
      parameters: trainable numbers.
      bytes: bytes of weights and statistics, as stored.
      flops: FLOPs for one example, two per multiply-accumulate.
      search_error: the share the search saw (leave-one-out); `None` where no search saw it.
      validation_error: share of validation examples.
      test_error: share of test examples; reported, never used.
      epoch: the epoch of recovery that validation data chose, 0 if none was better than before;
        `None` where nothing was recovered. Then validation and test error are those after it,
        and these two the ones before.
      validation_error_before: as above.
      test_error_before: as above.
      expected_error: the validation error as the forecast expects it that rounds of recovery
        learn, held against those of sub-networks like it; `None` where there were no rounds.
      diverged: whether its numbers went beyond all bounds in recovery, which then ended; it has the
        weights of the epoch named.
    """

    kept: tuple[int, ...]
    parameters: int
    bytes: int
    flops: int
    search_error: float | None
    validation_error: float
    test_error: float
    epoch: int | None = None
    validation_error_before: float | None = None
    test_error_before: float | None = None
    # Digests of sets and of certificates are made of what is shown: those of before stay the same.
    expected_error: float | None = field(default=None, repr=False)
    diverged: bool = field(default=False, repr=False)

    @property
    def error(self) -> float:
        """What members are chosen by: the expected error, or else the validation error.

        The lowest of many noisy errors is mostly luck, which the expected error averages out.
        """
        return self.validation_error if self.expected_error is None else self.expected_error

    @property
    def basis(self) -> str:
        """What the error is: `on validation` data, or `expected`."""
        return "on validation" if self.expected_error is None else "expected"

    @property
    def costs(self) -> dict[str, int]:
        """Parameters, bytes and FLOPs by name."""
        return {"parameters": self.parameters, "bytes": self.bytes, "flops": self.flops}


@final
@dataclass(frozen=True, eq=False, repr=False)
class Member:
    """A sub-network that can be shrunk and exported as it was judged.

    Attributes:
      task: the task's name.
      classes: the class names of its outputs, in order; empty where they are tokens.
      scores: costs and errors.
      masks: for each group which units are kept, bool [size].
      statistics: re-estimated moments by leaf path, at full size.
      kernel: the head's kernel over all features, float32 [F, C]; empty where there is no head.
      bias: the head's bias, float32 [C].
      weights: leaves of its own by path, as small as it is deployed, before which those of the
        network, `statistics`, `kernel` and `bias` give way: kernels that were fitted anew, or all
        leaves after recovery.
    """

    task: str
    classes: tuple[str, ...]
    scores: Scores
    masks: tuple[np.ndarray, ...]
    statistics: dict[str, np.ndarray]
    kernel: np.ndarray
    bias: np.ndarray
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Return what it is in a line, without its arrays."""
        scores, share = self.scores, 100 * self.scores.error
        told = f"{share:.2f} % {scores.basis}"
        return f"Member({self.task}: {scores.parameters:,} parameters, {told})"

    def leaves(self, full: dict[str, Any], head: "Head | None") -> dict[str, Any]:
        """Return the network's full leaves with this member's statistics and head in their places.

        `weights` are of another size: see `Subject.expanded`.
        """
        own = {} if head is None else {head.kernel: self.kernel, head.bias: self.bias}
        return full | self.statistics | own
