"""Data given from Python: arrays, pairs, data frames, tensors, and what scikit-learn returns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from actdiag.arrays import Numbers
from actdiag.datasets.parts import Part, Raw
from actdiag.datasets.tables import Table, table_of_frame
from actdiag.errors import InvalidField

PAIRS = (("x_train", "y_train"), ("x", "y"), ("data", "target"))
"""What inputs and labels to train on are called together, in any case."""

TEST = ("x_test", "y_test")


def is_frame(value: object) -> bool:
    """Return whether it is a data frame: what has named columns, by which it is indexed."""
    return hasattr(value, "columns") and hasattr(value, "__getitem__") and not isinstance(value, type)


def array_of(field: str, value: Any) -> Numbers:
    """Return an array, a tensor or a sequence as an array of numpy.

    Raises:
        InvalidField: It is none.
    """
    if hasattr(value, "detach"):  # a tensor that is being trained does not turn into an array by itself
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise InvalidField(field, f"must be an array of numbers, got {type(value).__name__}: {error}") from None


def raw_of(value: Any, label_column: str | int | None) -> Raw | None:
    """Return the data that an object holds; None where it holds none.

    It may be a pair (X, y) or four arrays (X, y, X_test, y_test), a mapping with the keys of a .npz file, as
    scikit-learn's Bunch is, or a data frame with a column of labels.

    Raises:
        InvalidField: A part of it is no array.
    """
    if is_frame(value):
        return raw_of_table(table_of_frame(value, "the data frame"), label_column)
    if isinstance(value, Mapping):
        return raw_of_mapping({str(key): value[key] for key in value}, "the mapping")
    if isinstance(value, tuple | list) and len(value) in (2, 4):
        arrays = [array_of("data", _plain(one)) for one in value]
        parts = [
            Part(arrays[at], arrays[at + 1], (f"{which}the inputs", f"{which}the labels"))
            for at, which in zip(range(0, len(arrays), 2), ("", "the test part of "), strict=False)
        ]
        return Raw(parts[0], parts[1] if len(parts) > 1 else None)
    return None


def raw_of_table(table: Table, label_column: str | int | None) -> Raw:
    """Return the data of a table: its column of labels, and all others as inputs.

    Raises:
        InvalidField: The column is not there, or another one holds no numbers.
    """
    place = table.place_of(label_column)
    names = table.path, f"column {table.names[place]!r} of {table.path}"
    return Raw(Part(table.features("data", place), table.labels("data", place), names))


def raw_of_mapping(arrays: Mapping[str, Any], name: str) -> Raw | None:
    """Return the data under the usual keys, in any case; None without them."""
    keys = {key.lower(): key for key in arrays}
    for x, y in PAIRS:
        if x in keys and y in keys:
            train = _part(arrays, keys[x], keys[y], name)
            tested = all(key in keys for key in TEST)
            return Raw(train, _part(arrays, keys[TEST[0]], keys[TEST[1]], name) if tested else None)
    return None


def _part(arrays: Mapping[str, Any], x: str, y: str, name: str) -> Part:
    inputs, labels = (array_of("data", _plain(arrays[key])) for key in (x, y))
    return Part(inputs, labels, (f"{x} of {name}", f"{y} of {name}"))


def _plain(value: Any) -> Any:
    """Return the numbers of a data frame, and anything else as it is."""
    return table_of_frame(value, "the data frame").features("data") if is_frame(value) else value
