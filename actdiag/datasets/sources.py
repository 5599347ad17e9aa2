"""The inputs of a stack and their labels, by name, from a file, or from Python."""

from pathlib import Path
from typing import Any

import numpy as np

from actdiag.arrays import Numbers
from actdiag.datasets.catalogue import is_named, load_named
from actdiag.datasets.files import load_array
from actdiag.datasets.inputs import flatten_input
from actdiag.datasets.objects import array_of, is_frame
from actdiag.datasets.scaling import find_scaling, scaled
from actdiag.datasets.tables import Table, is_table, read_table, table_of_frame

_FILES = "digits, synthetic, a table (.csv, .tsv, .parquet), a .npy file or a .npz file with a key after a colon"


_MOST_LABELS = 10_000_000
"""The labels of a file that are looked at: it may be longer than memory."""


def read_input(
    source: Any, label_column: str | int | None, batch: int | None, most: int, scale: str
) -> tuple[Numbers, str]:
    """Return given inputs, shape (batch, features), and what they are called.

    Args:
        source: A name of data, a file, an array, a tensor or a data frame.
        label_column: The column of a table that is none of the inputs; None for all columns but one that is called as
            labels usually are.
        batch: How many rows; None for all up to `most`.
        most: Likewise.
        scale: One of the scales; its numbers are those of the rows that are returned.

    Raises:
        InvalidField: They are no inputs, or are fewer than `batch`.
    """
    images = False
    if isinstance(source, str) and is_named(source):
        found, label = load_named("input", source).train_inputs, source
        images = source.partition(":")[0].strip().lower() == "digits"
    elif isinstance(source, str | Path) and is_table(str(source)):
        found, label = _features(read_table("input", str(source)), label_column), str(source)
    elif isinstance(source, str | Path):
        found, label = load_array("input", str(source), f"must be normal, uniform, {_FILES}"), str(source)
    elif is_frame(source):
        found, label = _features(table_of_frame(source, "the data frame"), label_column), "data frame"
    else:
        found, label = array_of("input", source), "array"
    images = images or found.ndim > 2 or found.dtype == np.uint8
    rows = flatten_input(found, batch, "the array" if label == "array" else label, most)
    scaling = find_scaling(scale, rows, images)
    if scaling.kind == "none":
        return rows, label
    return scaled(rows, scaling, label, "input", "float64"), f"{label}, {scaling.note}"


def read_labels(source: Any, label_column: str | int | None) -> tuple[Numbers, str]:
    """Return given labels as they stand there, and what they are called.

    Raises:
        InvalidField: They are none.
    """
    if isinstance(source, str) and is_named(source):
        return load_named("labels", source).train_labels, source
    if isinstance(source, str | Path) and is_table(str(source)):
        return _labels(read_table("labels", str(source)), label_column), str(source)
    if isinstance(source, str | Path):
        found = load_array("labels", str(source), f"must be {_FILES}")
        return found[:_MOST_LABELS] if found.ndim else found, str(source)
    if is_frame(source):
        return _labels(table_of_frame(source, "the data frame"), label_column), "the data frame"
    return array_of("labels", source), "the labels"


def _features(table: Table, label_column: str | int | None) -> Numbers:
    without = table.usual if label_column is None else table.place_of(label_column)
    return table.features("input", without)


def _labels(table: Table, label_column: str | int | None) -> Numbers:
    place = 0 if label_column is None and len(table.names) == 1 else table.place_of(label_column)
    return table.labels("labels", place)
