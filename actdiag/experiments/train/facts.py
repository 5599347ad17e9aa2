"""What is said of data that a stack is trained on."""

from math import log
from typing import NamedTuple

import numpy as np

from actdiag.datasets.catalogue import Dataset
from actdiag.errors import InvalidField
from actdiag.experiments.train.outcome import chance_of


class DataFacts(NamedTuple):
    """The data that a stack was trained on.

    Attributes:
        name: Their name.
        train_rows: Rows to train on.
        test_rows: Rows to test on.
        features: Features of a row.
        classes: The number of classes; 1 of regression.
        task: `classification` or `regression`.
        chance: The loss of the best prediction that needs no input: the entropy of the training labels under
            cross-entropy, the variance of the targets under mse. None of a document that does not say.
        commonest: The commonest class of the training rows; None of regression.
        commonest_fraction: The share of the training rows that it has.
        commonest_test_fraction: The share of the test rows that it has: the accuracy of always predicting it.
        missing: The classes that no training row has.
        class_names: How class k was called in the data; empty where it was called k.
        notes: What was made of the data as they were read, in phrases.
    """

    name: str
    train_rows: int
    test_rows: int
    features: int
    classes: int
    task: str = "classification"
    chance: float | None = None
    commonest: int | None = None
    commonest_fraction: float | None = None
    commonest_test_fraction: float | None = None
    missing: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def called(self, label: int) -> str:
        """Return what a class was called in the data."""
        return self.class_names[label] if self.class_names else str(label)

    @property
    def level(self) -> float:
        """The chance level; of a document that does not say, that of classes that are equally frequent."""
        return log(self.classes) if self.chance is None else self.chance


def facts_of(data: Dataset, name: str, loss: str) -> DataFacts:
    """Return what is said of data that a stack is trained on under a loss.

    Raises:
        InvalidField: All labels, or all targets, are the same: there is nothing to learn.
    """
    rows, features = data.train_inputs.shape
    chance = chance_of(data.train_labels, data.classes, loss)
    if not chance:
        what = "targets that differ" if data.task == "regression" else "labels of at least 2 classes"
        problem = f"must have {what} in its rows to train on, got {data.train_labels[0]:g} in all of {name}"
        raise InvalidField(field="data", problem=problem)
    facts = DataFacts(
        name,
        rows,
        len(data.test_inputs),
        features,
        data.classes,
        data.task,
        chance,
        class_names=data.class_names,
        notes=data.notes,
    )
    if data.task == "regression":
        return facts
    counts = np.bincount(data.train_labels, minlength=data.classes)
    most = int(counts.argmax())
    return facts._replace(
        commonest=most,
        commonest_fraction=float(counts[most] / rows),
        commonest_test_fraction=float(np.mean(data.test_labels == most)),
        missing=tuple(np.flatnonzero(counts == 0).tolist()),
    )
