"""A task: what must be told apart, said or foretold, and on which data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from .._errors import InputError, require, require_known, require_name, require_unique
from ._dataset import Dataset

HEADS = ("own", "new")


@final
@dataclass(frozen=True)
class Task:
    """What one set of sub-networks is for.

    Attributes:
      name: unique in its search; any printable text.
      classes: two or more class names of the data set, in the order of the task's outputs; by
        default everything that its data asks.
      data: what the task is judged on; by default the data that the search was given for all.
      head: `"own"`: the rows of the network's own head; `"new"`: a head that is solved in closed
        form. A network without a head has only new ones.

    Raises:
      InputError: the name is empty, one class alone or one twice, or the head is of neither kind.
    """

    name: str
    classes: Sequence[str] = ()
    data: Dataset | None = None
    head: str = "own"

    def __post_init__(self) -> None:
        require_name("tasks.name", self.name)
        require_known(f"tasks {self.name}.head", self.head, HEADS)
        require(
            not isinstance(self.classes, str),
            f"`tasks` {self.name}.classes must be a list of names, got {self.classes!r}.",
        )
        object.__setattr__(self, "classes", tuple(self.classes))
        alone = len(self.classes) == 1 and (self.data is None or self.data.kind == "classes")
        require(
            not alone,
            f"`tasks` {self.name}.classes must name two or more classes, got {len(self.classes)}.",
        )
        require_unique(f"tasks {self.name}.classes", self.classes)

    def on(self, shared: Dataset | None) -> "Task":
        """Return the task with its data and all of its outputs in their places.

        Raises:
          InputError: there is no data, or it lacks a class.
        """
        task = self if self.data is not None else replace(self, data=shared)
        data = data_of(task)
        task.labels(data)
        return replace(task, classes=self.classes or data.classes)

    def labels(self, data: Dataset) -> list[int]:
        """Return the data set's labels of the task's classes, of all of them if it names none.

        Raises:
          InputError: the data set lacks a class.
        """
        for name in self.classes:
            require_known(f"tasks {self.name}.classes", name, data.classes)
        return [data.classes.index(name) for name in self.classes or data.classes]


def data_of(task: Task) -> Dataset:
    """Return a task's data.

    Raises:
      InputError: it has none.
    """
    if task.data is None:
        raise InputError(
            f"`tasks` {task.name}.data must be given where the tasks share none, got none."
        )
    return task.data
