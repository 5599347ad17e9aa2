"""Inputs and labels that are given: checked, and brought to rows."""

import numpy as np

from actdiag.arrays import Array, ArrayRecord, Counts, Doubles, Numbers, check_memory
from actdiag.errors import InvalidField


def flatten_input(array: Numbers, rows: int | None, label: str, most: int | None = None) -> Numbers:
    """Return the first `rows` rows (all up to `most` where None) of an array of real numbers as (rows, features).

    Raises:
        InvalidField: The array is not real, is empty, has no axes, has fewer rows than asked, or holds NaN or inf.
    """
    check_rows("input", array, label)
    if rows is not None and rows > len(array):
        raise InvalidField(field="batch", problem=f"must be at most {len(array)}, the rows of {label}, got {rows}")
    part = array[: rows or most]
    check_memory("input", 2 * part.nbytes, f"its {len(part)} rows need", label)  # a file may be far longer than memory
    taken = np.array(part)
    flat = taken.reshape(len(taken), -1)
    check_finite("input", flat, label)
    return flat


def given_inputs(data: Array | ArrayRecord, label: str, dtype: str) -> Array:
    """Return the inputs of a stack, called `label`, in its dtype.

    Raises:
        InvalidField: There is only their record, or one does not fit the dtype.
    """
    if isinstance(data, ArrayRecord):
        raise InvalidField(field="input", problem=f"must be given again: of {label} a document has the digest")
    with np.errstate(over="ignore"):
        inputs: Array = np.ascontiguousarray(data, dtype=dtype)
    if not np.isfinite(inputs).all():
        problem = f"must hold numbers that {dtype} can hold, got up to {np.abs(data).max():.3g}"
        raise InvalidField(field="input", problem=problem)
    return inputs


def check_rows(field: str, array: Numbers, label: str) -> None:
    """Refuse an array, called `label`, that is not of real numbers or has no rows or no features."""
    if array.dtype.kind not in "buif":
        raise InvalidField(field, f"must hold real numbers, got dtype {array.dtype} in {label}")
    if array.ndim == 0 or array.size == 0:
        raise InvalidField(field, f"must have rows and features, got shape {array.shape} in {label}")


def check_finite(field: str, rows: Numbers, label: str) -> None:
    """Refuse numbers, shape (rows, features), that hold NaN or inf."""
    finite = np.isfinite(rows)
    if not finite.all():
        row = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise InvalidField(field, f"must hold finite numbers, got NaN or inf in row {row} (from 0) of {label}")


def checked_targets(targets: Numbers, batch: int) -> Doubles:
    """Return the first `batch` targets of regression in float64, shape (batch,).

    Raises:
        InvalidField: They are not one finite number a row, or fewer than `batch`.
    """
    if targets.ndim == 0 or targets.size != len(targets):
        raise InvalidField(field="labels", problem=f"must be one number a row, got shape {targets.shape}")
    if len(targets) < batch:
        raise InvalidField(field="labels", problem=f"must cover the {batch} rows of the input, got {len(targets)}")
    used = targets.reshape(-1)[:batch].astype(np.float64)
    check_finite("labels", used.reshape(-1, 1), "the labels")
    return used


def checked_labels(labels: Numbers, batch: int, classes: int) -> Counts:
    """Return the first `batch` labels as int64, shape (batch,).

    Raises:
        InvalidField: They are not whole numbers from 0 to classes - 1, one a row, or fewer than `batch`.
    """
    accepted = f"must be whole numbers from 0 to {classes - 1} (one under the classes)"
    if labels.dtype.kind not in "ui":
        raise InvalidField(
            field="labels", problem=f"must be whole numbers from 0 to {classes - 1}, got dtype {labels.dtype}"
        )
    if labels.ndim == 0 or labels.size != len(labels):
        raise InvalidField(field="labels", problem=f"must be one number a row, got shape {labels.shape}")
    if len(labels) < batch:
        raise InvalidField(field="labels", problem=f"must cover the {batch} rows of the input, got {len(labels)}")
    used = labels.reshape(-1)[:batch]
    outside = (used < 0) | (used >= classes)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise InvalidField(field="labels", problem=f"{accepted}, got {used[row]} in row {row} (from 0)")
    return used.astype(np.int64)
