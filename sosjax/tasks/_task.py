"""A task: which of the network's classes must be told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from .._errors import require, require_known, require_name, require_unique
from ._dataset import Dataset


@final
@dataclass(frozen=True)
class Task:
    """A subset of classes.

    Attributes:
      name: unique in its search; any printable text.
      classes: two or more class names of the data set, in the order of the task's outputs.

    Raises:
      InputError: the name is empty, or fewer than two or repeated classes.
    """

    name: str
    classes: Sequence[str]

    def __post_init__(self) -> None:
        require_name("tasks.name", self.name)
        require(
            not isinstance(self.classes, str),
            f"`tasks` {self.name}.classes must be a list of names, got {self.classes!r}.",
        )
        object.__setattr__(self, "classes", tuple(self.classes))
        require(
            len(self.classes) >= 2,
            f"`tasks` {self.name}.classes must name two or more classes, got {len(self.classes)}.",
        )
        require_unique(f"tasks {self.name}.classes", self.classes)

    def labels(self, data: Dataset) -> list[int]:
        """Return the data set's labels of the task's classes.

        Raises:
          InputError: the data set lacks a class.
        """
        for name in self.classes:
            require_known(f"tasks {self.name}.classes", name, data.classes)
        return [data.classes.index(name) for name in self.classes]
