"""Rows and labels as a source gives them, what is refused of them, and the part that is held out."""

from typing import NamedTuple

import numpy as np

from actdiag.arrays import Counts, Numbers, check_memory
from actdiag.datasets.inputs import check_finite, check_rows
from actdiag.datasets.labels import MOST_CLASSES, checked_values
from actdiag.errors import InvalidField
from actdiag.streams import Stream, stream

_HELD_OUT = 5
"""One row of so many is held out for testing where a source has no test rows."""

_SPLIT_SEED = 0


class Part(NamedTuple):
    """Inputs and their labels.

    Attributes:
        inputs: Real numbers, shape (rows, ...).
        labels: Labels as they stand in the data, shape (rows,), (rows, 1) or (rows, classes).
        names: What inputs and labels are called where they are refused: `x_train of mnist.npz`.
    """

    inputs: Numbers
    labels: Numbers
    names: tuple[str, str]


class Raw(NamedTuple):
    """What a source holds, as it stands there.

    Attributes:
        train: What to train on.
        test: What to test on; None to hold out a fifth of `train`.
        classes: The number of classes, where labels are known to run from 0 to one under it.
        images: Whether the features are of one kind, as pixels are; those of inputs with more than two axes, or of
            bytes, are.
    """

    train: Part
    test: Part | None = None
    classes: int | None = None
    images: bool = False


_FLOATS_AT_ONCE = 4
"""Arrays of float32 of the size of the data that reading, splitting and scaling take at once: 3.2 were measured."""


def data_bytes(count: int) -> int:
    """Return about how many bytes so many numbers take until they can be trained on."""
    return 4 * _FLOATS_AT_ONCE * count


def split(raw: Raw, task: str = "auto") -> tuple[Part, Part]:
    """Return what to train on and what to test on, inputs of shape (rows, features), labels as they stand in the data.

    Where a source has no test rows, a fifth of its rows, rounded down, is held out. The rows are shuffled before, by
    a seed that is always the same: every run is tested on the same rows. Where they are too few to hold any out, the
    two parts are the same.

    Args:
        raw: What the source holds.
        task: `classification`, `regression` or `auto`.

    Raises:
        InvalidField: The inputs are not real, finite and at least one; there is not one label for every row, or none of
            the task; or the parts differ in features.
    """
    train = _with_rows(raw.train, task)
    if raw.test is not None:
        test = _with_rows(raw.test, task)
        check_features(train, test)
        return train, test
    rows = len(train.inputs)
    if rows < _HELD_OUT:
        return train, train
    order = stream(_SPLIT_SEED, Stream.SPLIT).permutation(rows)
    held_out, kept = order[: rows // _HELD_OUT], order[rows // _HELD_OUT :]
    return (
        Part(train.inputs[kept], train.labels[kept], train.names),
        Part(train.inputs[held_out], train.labels[held_out], train.names),
    )


def _with_rows(part: Part, task: str) -> Part:
    inputs = _checked_inputs(part)
    checked_values("data", part.labels, part.names[1], task)  # before they are shuffled: an error names a row
    return part._replace(inputs=inputs)


def checked(part: Part) -> Part:
    """Return a part with inputs of shape (rows, features) and labels of int64, shape (rows,).

    Raises:
        InvalidField: The inputs are not real, finite and at least one; the labels are not whole numbers from 0 to 9999;
            or there is not one label for every row.
    """
    return Part(_checked_inputs(part), _checked_labels(part.labels, part.names[1]), part.names)


def checked_regression(part: Part) -> Part:
    """Return a part with inputs of shape (rows, features) and targets of float64, shape (rows,).

    Raises:
        InvalidField: Inputs or targets are not real, finite and at least one; or there is not one target for every row.
    """
    inputs, name = _checked_inputs(part), part.names[1]
    check_rows("data", part.labels, name)
    if part.labels.size != len(part.labels):
        raise InvalidField(field="data", problem=f"must have one target a row, got shape {part.labels.shape} in {name}")
    targets = part.labels.reshape(-1, 1).astype(np.float64)
    check_finite("data", targets, name)
    return Part(inputs, targets[:, 0], part.names)


def _checked_inputs(part: Part) -> Numbers:
    inputs_name, labels_name = part.names
    check_rows("data", part.inputs, inputs_name)
    check_memory("data", data_bytes(part.inputs.size), "its rows need", inputs_name)
    if part.labels.ndim == 0 or part.labels.ndim > 2:
        got = f"got shape {part.labels.shape} in {labels_name}"
        raise InvalidField(field="data", problem=f"must have one label a row, {got}")
    if len(part.labels) != len(part.inputs):
        got = f"{len(part.inputs)} rows in {inputs_name} and {len(part.labels)} labels in {labels_name}"
        raise InvalidField(field="data", problem=f"must have one label a row, got {got}")
    inputs = part.inputs.reshape(len(part.inputs), -1)
    check_finite("data", inputs, inputs_name)
    return inputs


def check_features(train: Part, test: Part) -> None:
    """Refuse two parts, as `checked` returns them, of which one has more features than the other."""
    features = train.inputs.shape[1], test.inputs.shape[1]
    if features[0] != features[1]:
        got = f"{features[0]} in {train.names[0]} and {features[1]} in {test.names[0]}"
        raise InvalidField(field="data", problem=f"must have the same features for training and testing, got {got}")


def _checked_labels(labels: Numbers, name: str) -> Counts:
    if labels.ndim == 2 and labels.shape[1] > 1:
        got = f"got shape {labels.shape} in {name} (one-hot labels: give their argmax over axis 1)"
        raise InvalidField(field="data", problem=f"must have one label a row, {got}")
    if labels.ndim == 0 or labels.size != len(labels):
        raise InvalidField(field="data", problem=f"must have one label a row, got shape {labels.shape} in {name}")
    if labels.dtype.kind not in "ui":
        raise InvalidField(
            field="data", problem=f"must have whole numbers as labels, got dtype {labels.dtype} in {name}"
        )
    flat = labels.reshape(-1)
    outside = (flat < 0) | (flat >= MOST_CLASSES)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        problem = f"must have labels from 0 to {MOST_CLASSES - 1}, got {flat[row]} in row {row} (from 0) of {name}"
        raise InvalidField(field="data", problem=problem)
    return flat.astype(np.int64)
