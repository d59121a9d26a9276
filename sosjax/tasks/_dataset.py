"""Labelled examples in three splits that never overlap."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np

from .._errors import require, require_finite, require_name, require_unique

KINDS = ("classes", "values", "tokens")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Inputs and labels of one split.

    Attributes:
      inputs: float array [B, ...], finite, or whole numbers [B, ...]: tokens.
      labels: what is asked, by kind: int32 [B], each in [0, classes); float32 [B, O], finite; or
        int32 [B, S], the tokens wanted at each place, -1 where none is.
    """

    inputs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        """Return its size without its arrays."""
        return f"Split({len(self)} examples {list(self.inputs.shape[1:])})"


@final
@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """What sub-networks are judged on.

    A search and training may look at `search` as often as they like; `validation` is looked at once
    for every member of a search's sets, and after every epoch of training, of which it chooses one;
    `test` is only reported.

    Attributes:
      name: a name for reports.
      classes: the class names, in the order of the labels; the names of the O values; or nothing,
        where tokens are asked.
      search: the examples that fitness, rankings, calibration and heads are computed on.
      validation: the examples that members are chosen on.
      test: the examples that are reported.
      notes: sentences on what was done to the examples, how many texts were cut say.

    Raises:
      InputError: a split is empty, of a wrong shape or type, not finite, or has labels that are
        no class.
    """

    name: str
    classes: Sequence[str]
    search: Split
    validation: Split
    test: Split
    notes: Sequence[str] = ()

    def __repr__(self) -> str:
        """Return its sizes without its arrays."""
        parts = [
            f"{len(getattr(self, part)):,} {part}" for part in ("search", "validation", "test")
        ]
        return f"Dataset({self.name}: {len(self.classes)} classes, {', '.join(parts)})"

    def __post_init__(self) -> None:
        require_name("data.name", self.name)
        object.__setattr__(self, "classes", tuple(self.classes))
        for name in self.classes:
            require_name("classes", name)
        require_unique("classes", self.classes)
        kind, shape = self.kind, np.shape(self.search.inputs)[1:]
        fewest = {"classes": 2, "values": 1, "tokens": 0}[kind]
        require(
            len(self.classes) >= fewest,
            f"`classes` must be {fewest} or more, got {len(self.classes)}.",
        )
        for part in ("search", "validation", "test"):
            split: Split = getattr(self, part)
            inputs = _checked_inputs(part, split, shape)
            labels = {"classes": self._classes, "values": self._values, "tokens": self._tokens}
            object.__setattr__(self, part, Split(inputs, labels[kind](part, split)))
        self._check_disjoint()

    @property
    def kind(self) -> str:
        """What is asked: `"classes"`, `"values"` where labels are [B, O], or `"tokens"`."""
        labels = np.asarray(self.search.labels)
        if labels.ndim == 2 and labels.dtype.kind == "f":
            return "values"
        return "classes" if self.classes else "tokens"

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

    def _classes(self, part: str, split: Split) -> np.ndarray:
        labels = np.asarray(split.labels)
        require(
            labels.dtype.kind in "iu" and labels.ndim == 1,
            f"`{part}.labels` must be whole numbers of shape [B], got {labels.dtype} "
            f"of shape {labels.shape}.",
        )
        require(
            labels.min() >= 0 and labels.max() < len(self.classes),
            f"`{part}.labels` must be in [0, {len(self.classes)}), "
            f"got {labels.min()} to {labels.max()}.",
        )
        return labels.astype(np.int32)

    def _values(self, part: str, split: Split) -> np.ndarray:
        labels = np.asarray(split.labels)
        wanted = (len(split), len(self.classes))
        require(
            labels.dtype.kind == "f" and labels.shape == wanted,
            f"`{part}.labels` must be floating point of shape {wanted}, one for each of `classes`, "
            f"got {labels.dtype} of shape {labels.shape}.",
        )
        require_finite(f"{part}.labels", labels)
        constant = [
            name for name, row in zip(self.classes, labels.T, strict=True) if np.ptp(row) == 0
        ]
        require(not constant, f"`{part}.labels` must vary, got constant {', '.join(constant)}.")
        return labels.astype(np.float32)

    def _tokens(self, part: str, split: Split) -> np.ndarray:
        labels = np.asarray(split.labels)
        wanted = (len(split), *np.shape(self.search.labels)[1:])
        require(
            labels.dtype.kind in "iu" and labels.ndim == 2 and labels.shape == wanted,
            f"`{part}.labels` must be whole numbers of shape {wanted}, a token for each place, "
            f"got {labels.dtype} of shape {labels.shape}.",
        )
        require(
            labels.min() >= -1 and (labels >= 0).any(1).all(),
            f"`{part}.labels` must hold a token in every row and -1 where none is wanted, got "
            f"{int((labels < 0).all(1).sum())} rows without and {labels.min()} as the least.",
        )
        return labels.astype(np.int32)


def _checked_inputs(part: str, split: Split, shape: tuple[int, ...]) -> np.ndarray:
    inputs, count = np.asarray(split.inputs), len(split)
    require(count > 0, f"`{part}` must hold examples, got none.")
    require(
        inputs.dtype.kind == "f" or inputs.dtype in (np.int32, np.int64),
        f"`{part}.inputs` must be floating point, or int32 for tokens, got {inputs.dtype}; "
        "divide images by 255 to bring them to [0, 1].",
    )
    require(
        inputs.shape == (count, *shape),
        f"`{part}.inputs` must have shape {(count, *shape)} to go with its labels and "
        f"with `search`, got {inputs.shape}.",
    )
    if inputs.dtype.kind == "i":
        return inputs.astype(np.int32)
    with np.errstate(over="ignore"):
        inputs = inputs.astype(np.float32, copy=False)
    require_finite(f"{part}.inputs", inputs)
    return inputs
