"""Labelled images in three splits that never overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np

from .._errors import require, require_finite, require_name, require_unique


@final
@dataclass(frozen=True)
class Split:
    """Inputs and labels of one split.

    Attributes:
      inputs: float array [B, ...], finite.
      labels: int32 array [B], each in [0, classes).
    """

    inputs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@final
@dataclass(frozen=True)
class Dataset:
    """What sub-networks are judged on.

    The search may look at `search` as often as it likes; `validation` is looked at once for every
    member of the final sets; `test` is only reported.

    Attributes:
      name: a name for reports.
      classes: the class names, in the order of the labels.
      search: the images that fitness, rankings, calibration and heads are computed on.
      validation: the images that members are chosen on.
      test: the images that are reported.

    Raises:
      InputError: a split is empty, of a wrong shape or type, not finite, or has labels that are
        no class.
    """

    name: str
    classes: Sequence[str]
    search: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        require_name("data.name", self.name)
        object.__setattr__(self, "classes", tuple(self.classes))
        require(len(self.classes) >= 2, f"`classes` must be 2 or more, got {len(self.classes)}.")
        for name in self.classes:
            require_name("classes", name)
        require_unique("classes", self.classes)
        shape = np.shape(self.search.inputs)[1:]
        for part in ("search", "validation", "test"):
            object.__setattr__(self, part, self._checked(part, getattr(self, part), shape))

        self._check_disjoint()

    def _check_disjoint(self) -> None:
        """Refuse splits that share more rows than the few duplicates any data set has."""
        rows = {
            part: {hash(row.tobytes()) for row in getattr(self, part).inputs}
            for part in ("search", "validation", "test")
        }
        for one, two in combinations(rows, 2):
            shared = len(rows[one] & rows[two])
            require(
                shared <= max(10, 0.1 * min(len(rows[one]), len(rows[two]))),
                f"`{one}` and `{two}` must hold different examples, got {shared} in both.",
            )

    def _checked(self, part: str, split: Split, shape: tuple[int, ...]) -> Split:
        inputs, labels = np.asarray(split.inputs), np.asarray(split.labels)
        require(
            inputs.dtype.kind == "f",
            f"`{part}.inputs` must be floating point, got {inputs.dtype}; "
            "divide images by 255 to bring them to [0, 1].",
        )
        require(
            labels.dtype.kind in "iu" and labels.ndim == 1,
            f"`{part}.labels` must be whole numbers of shape [B], got {labels.dtype} "
            f"of shape {labels.shape}.",
        )
        require(len(labels) > 0, f"`{part}` must hold examples, got none.")
        require(
            inputs.shape == (len(labels), *shape),
            f"`{part}.inputs` must have shape {(len(labels), *shape)} to go with its labels and "
            f"with `search`, got {inputs.shape}.",
        )
        require(
            labels.min() >= 0 and labels.max() < len(self.classes),
            f"`{part}.labels` must be in [0, {len(self.classes)}), "
            f"got {labels.min()} to {labels.max()}.",
        )
        with np.errstate(over="ignore"):
            inputs = inputs.astype(np.float32, copy=False)
        require_finite(f"{part}.inputs", inputs)
        return Split(inputs, labels.astype(np.int32))
