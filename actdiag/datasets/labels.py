"""Labels as they come, brought to classes from 0 or to the targets of regression."""

from typing import Literal, NamedTuple, get_args

import numpy as np

from actdiag.arrays import Counts, Doubles, Numbers, check_memory
from actdiag.errors import InvalidField, check_choice

Task = Literal["classification", "regression"]

TASKS: tuple[str, ...] = get_args(Task)
"""What a network can be trained to do."""

TASKS_OR_AUTO = ("auto", *TASKS)

MOST_CLASSES = 10_000
_FEW_VALUES, _ROWS_A_VALUE = 20, 10
"""Whole numbers are classes where there are so few of them, or so many rows of each on average."""

_BYTES_AN_ENTRY = 10
"""What telling one-hot rows from others takes."""

_SHOWN = 6
_LARGE = 1e6

_ALL_DIGITS = 2**53
"""Whole numbers of a float under it are exact."""


class Labelling(NamedTuple):
    """Labels of rows as classes or targets.

    Attributes:
        labels: Classes from 0 in int64, or targets in float64, shape (rows,).
        classes: The number of classes; 1 of regression.
        names: How class k was called in the data, in the order of the classes; empty where it was called k.
        notes: What was made of them, in phrases.
        mean: What targets were standardized by; 0 and 1 where they were not.
        std: Likewise.
    """

    labels: Counts | Doubles
    classes: int
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0

    @property
    def task(self) -> Task:
        """`classification` or `regression`."""
        return "regression" if self.labels.dtype.kind == "f" else "classification"


def labelled(
    field: str,
    labels: Numbers,
    name: str,
    *,
    task: str = "auto",
    raw_targets: bool = False,
    to_train_on: int | None = None,
    classes: int | None = None,
) -> Labelling:
    """Return labels as classes or targets.

    Text, booleans and one-hot rows are classes. Whole numbers, also those that are written as floats, are classes where
    they have at most 20 values, or at least 10 rows a value on average. All else is regression.

    Args:
        field: The field that they were given in, for errors.
        labels: As they stand in the data, shape (rows,), (rows, 1), or (rows, classes) of one-hot rows.
        name: What they are called where they are refused.
        task: `auto`, or what they are whatever they look like.
        raw_targets: Whether targets stay as they are; else they are brought to mean 0 and std 1.
        to_train_on: How many of the rows, from the first, the mean and std of targets are of; None for all.
        classes: The number of classes, where labels are known to run from 0 to one under it.

    Raises:
        InvalidField: They are no labels of the task.
    """
    values = checked_values(field, labels, name, task)
    task = check_choice("task", task, TASKS_OR_AUTO)
    whole = _whole(values)
    text = values.dtype.kind == "U"
    known = classes is not None or (labels.ndim == 2 and labels.shape[1] > 1) or values.dtype.kind == "b"
    if task == "auto":
        task = "classification" if known or text or (whole and _are_classes(values)) else "regression"
        why = _why(values, whole) if task == "regression" else ""
    else:
        why = ""
    if task == "regression":
        if text:
            problem = f"must be numbers for regression, got text, such as {values.tolist()[0]!r} in {name}"
            raise InvalidField(field, problem)
        return _targets(values.astype(np.float64), raw_targets, to_train_on, why)
    return _classes(field, values, name, classes)


def checked_values(field: str, labels: Numbers, name: str, task: str = "auto") -> Numbers:
    """Return one label a row, shape (rows,): numbers, booleans or text.

    Raises:
        InvalidField: They are no labels, one is missing, or they are no whole numbers where `task` asks for classes.
    """
    values = _of_rows(field, labels, name)
    if values.dtype.kind == "f":
        _check_finite(field, values, name)
    if task == "classification" and values.dtype.kind != "U" and not _whole(values):
        row = int(np.flatnonzero(values != np.round(values))[0])
        accepted = "must be whole numbers, text or booleans for classification"
        raise InvalidField(field, f"{accepted}, got {values[row]:g} in row {row} (from 0) of {name}")
    return values


def _whole(values: Numbers) -> bool:
    return values.dtype.kind in "biu" or (values.dtype.kind == "f" and bool((values == np.round(values)).all()))


def _of_rows(field: str, labels: Numbers, name: str) -> Numbers:
    """Return one label a row, shape (rows,)."""
    if labels.dtype.kind not in "biufUSO":
        raise InvalidField(field, f"must hold numbers, text or booleans, got dtype {labels.dtype} in {name}")
    if labels.ndim == 0 or not len(labels):
        raise InvalidField(field, f"must have one label a row, got shape {labels.shape} in {name}")
    if labels.ndim == 2 and labels.shape[1] > 1:
        return _from_one_hot(field, labels, name)
    if labels.size != len(labels):
        raise InvalidField(field, f"must have one label a row, got shape {labels.shape} in {name}")
    flat = labels.reshape(-1)
    if flat.dtype.kind == "S":
        return flat.astype(str)
    return _of_objects(field, flat, name) if flat.dtype.kind == "O" else flat


def _of_objects(field: str, labels: Numbers, name: str) -> Numbers:
    """Return labels that came as objects as numbers where they all are, else as text."""
    listed = labels.tolist()
    missing = next((row for row, one in enumerate(listed) if one is None or one != one), None)
    if missing is not None:
        raise InvalidField(field, f"must have a label in every row, got none in row {missing} (from 0) of {name}")
    if all(isinstance(one, bool | int | float | np.generic) for one in listed):
        found = np.array(listed)
        if found.dtype.kind in "biuf":
            return found
    return np.array([one.decode() if isinstance(one, bytes) else str(one) for one in listed])


def _from_one_hot(field: str, labels: Numbers, name: str) -> Counts:
    check_memory(field, _BYTES_AN_ENTRY * labels.size, "its rows need", name)
    numbers = labels.dtype.kind in "biuf"
    if not numbers or not (np.isin(labels, (0, 1)).all() and (labels.astype(np.float64).sum(axis=1) == 1).all()):
        problem = f"must have one label a row, or one-hot rows, got shape {labels.shape} in {name}"
        raise InvalidField(field, problem)
    found: Counts = labels.argmax(axis=1).astype(np.int64)
    return found


def _check_finite(field: str, values: Numbers, name: str) -> None:
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InvalidField(field, f"must hold finite numbers, got NaN or inf in row {row} (from 0) of {name}")


def _are_classes(values: Numbers) -> bool:
    distinct = len(np.unique(values))
    return distinct <= _FEW_VALUES or len(values) >= _ROWS_A_VALUE * distinct


def _why(values: Numbers, whole: bool) -> str:
    if whole:
        distinct = len(np.unique(values))
        return f"regression ({distinct} values in {len(values)} rows); --task classification for classes"
    return "regression (targets that are no whole numbers)"


def _targets(values: Doubles, raw: bool, rows: int | None, why: str) -> Labelling:
    notes: tuple[str, ...] = (why or "regression",)
    if raw:
        largest = float(np.abs(values).max())
        large = (f"targets as they are, up to {largest:.3g}",) if largest > _LARGE else ("targets as they are",)
        return Labelling(values, 1, notes=(*notes, *large))
    measured = values[:rows]
    unit = float(np.abs(measured).max()) or 1.0  # so that no square leaves float64
    mean, std = float((measured / unit).mean()) * unit, float((measured / unit).std()) * unit
    if std <= 1e-12 * unit:
        return Labelling(values, 1, notes=notes)  # constant: there is nothing to learn, and training says so
    notes = (*notes, f"targets standardized (mean {mean:.3g}, std {std:.3g})")
    return Labelling((values - mean) / std, 1, notes=notes, mean=mean, std=std)


def _classes(field: str, values: Numbers, name: str, classes: int | None) -> Labelling:
    if classes is not None and values.dtype.kind != "U":
        numbers = values.astype(np.int64)
        outside = (numbers < 0) | (numbers >= classes)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            accepted = f"must be whole numbers from 0 to {classes - 1} (one under the classes)"
            raise InvalidField(field, f"{accepted}, got {_called(values[row].item())} in row {row} (from 0) of {name}")
        return Labelling(numbers, classes)
    distinct, numbers = np.unique(values, return_inverse=True)
    most = MOST_CLASSES if classes is None else classes
    if len(distinct) > most:
        raise InvalidField(field, f"must have at most {most} classes, got {len(distinct)} different labels in {name}")
    if len(distinct) == 1:
        raise InvalidField(
            field, f"must have labels of at least 2 classes, got {_called(distinct[0])} in all of {name}"
        )
    found = numbers.reshape(-1).astype(np.int64)
    names = tuple(_called(one) for one in distinct.tolist())
    if names == tuple(map(str, range(len(names)))):
        return Labelling(found, len(names))
    return Labelling(found, len(names) if classes is None else classes, names, (_mapping(names),))


def _called(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and abs(value) < _ALL_DIGITS else str(value)


def _mapping(names: tuple[str, ...]) -> str:
    shown = names if len(names) <= _SHOWN else (*names[:_SHOWN], "...")
    listed = " and ".join(shown) if len(shown) == 2 else ", ".join(shown)
    return f"labels {listed}: {len(names)} classes"
