"""What a data set is, and the registry of the sources that are called by a name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np

from actdiag.arrays import Array, Counts, Doubles, digest
from actdiag.datasets.labels import MOST_CLASSES, TASKS, Task
from actdiag.datasets.parts import Part, Raw, check_features, checked, checked_regression
from actdiag.errors import InvalidField, check_choice
from actdiag.registry import Registry


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled rows to train on and to test on.

    Two are equal where all that they hold is; rows are compared by digest and are not to be changed.

    Attributes:
        name: How the user named it, for headings.
        train_inputs: Finite numbers of float32 or float64, shape (rows, features).
        train_labels: Classes from 0 in int64, shape (rows,); of regression the targets in float64.
        test_inputs: As `train_inputs`, with the same features.
        test_labels: As `train_labels`.
        classes: The number of classes, above every label; of regression the number of outputs, which is 1.
        task: `classification` or `regression`.
        class_names: How class k was called in the data, in the order of the classes; empty where it was called k.
        notes: What was made of the data as they were read, in phrases.
        target_mean: What targets were standardized by: their mean; 0 where they were not.
        target_std: Their std; 1 where they were not.

    Raises:
        InvalidField: A field holds something else.
    """

    name: str
    train_inputs: Array = field(repr=False)
    train_labels: Counts | Doubles = field(repr=False)
    test_inputs: Array = field(repr=False)
    test_labels: Counts | Doubles = field(repr=False)
    classes: int
    task: Task = "classification"
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), repr=False)
    target_mean: float = field(default=0.0, repr=False)
    target_std: float = field(default=1.0, repr=False)
    _digest: str | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check every field."""
        check_choice("task", self.task, TASKS)
        train = _checked("train", self.train_inputs, self.train_labels, self.task)
        test = _checked("test", self.test_inputs, self.test_labels, self.task)
        check_features(train, test)
        fewest, most = (1, 1) if self.task == "regression" else (2, MOST_CLASSES)
        if not fewest <= self.classes <= most:
            accepted = "1 output in regression" if most == 1 else f"{fewest} to {most} classes"
            raise InvalidField(field="data", problem=f"must have {accepted}, got {self.classes} in {self.name!r}")
        largest = max(int(train.labels.max()), int(test.labels.max()))
        if self.task == "classification" and largest >= self.classes:
            problem = f"must have labels under its {self.classes} classes, got {largest} in {self.name!r}"
            raise InvalidField(field="data", problem=problem)

    @property
    def digest(self) -> str:
        """A SHA-256 of the dtype, shape and entries of all rows and labels."""
        if self._digest is None:
            arrays = self.train_inputs, self.train_labels, self.test_inputs, self.test_labels
            object.__setattr__(self, "_digest", sha256("".join(map(digest, arrays)).encode()).hexdigest())
        assert self._digest is not None
        return self._digest

    def __eq__(self, other: object) -> bool:
        """Whether another data set holds the same."""
        if not isinstance(other, Dataset):
            return NotImplemented
        return self._facts() == other._facts() and (self is other or self.digest == other.digest)

    def __hash__(self) -> int:
        """The hash of all that is compared."""
        return hash((self._facts(), self.digest))

    def _facts(self) -> tuple[object, ...]:
        """Return all that is compared beside the rows."""
        targets = self.target_mean, self.target_std
        return self.name, self.classes, self.task, self.class_names, self.notes, targets


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Source:
    """Data that are called by a name.

    Attributes:
        name: The name, with its parameters.
        read: Returns the data of a seed.
    """

    name: str
    read: Callable[[int], Raw]


SOURCES: Registry[Source] = Registry("data", "source")
"""The sources that are called by a name."""


def _checked(part: str, inputs: Any, labels: Any, task: Task) -> Part:
    of_labels = ("int64",) if task == "classification" else ("float64",)
    wanted = ((inputs, "inputs", "(rows, features)", ("float32", "float64")), (labels, "labels", "(rows,)", of_labels))
    for array, name, shape, dtypes in wanted:
        axes = 2 if name == "inputs" else 1
        if not (isinstance(array, np.ndarray) and array.ndim == axes and array.dtype in dtypes):
            got = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
            accepted = f"must have {part}_{name} in {' or '.join(dtypes)} of shape {shape}"
            raise InvalidField(field="data", problem=f"{accepted}, got {got}")
    found = Part(inputs, labels, (f"{part}_inputs", f"{part}_labels"))
    return checked(found) if task == "classification" else checked_regression(found)
