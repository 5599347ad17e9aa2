"""Labelled data to train on: by name, or from files."""

from pathlib import Path
from typing import Any

import numpy as np

from actdiag.datasets import digits, synthetic  # noqa: F401  (registers the sources)
from actdiag.datasets.entry import SOURCES, Dataset
from actdiag.datasets.files import reading
from actdiag.datasets.idx import is_idx, read_folder
from actdiag.datasets.labels import TASKS_OR_AUTO, Labelling, labelled
from actdiag.datasets.numpy_files import read_npy, read_npz
from actdiag.datasets.objects import raw_of, raw_of_table
from actdiag.datasets.parts import Part, Raw, split
from actdiag.datasets.scaling import SCALES, checked_scale, find_scaling, scaled
from actdiag.datasets.tables import is_table, read_table
from actdiag.errors import InvalidField, check_choice, check_integer, did_you_mean
from actdiag.options import TrainOptions

__all__ = ["SCALES", "SOURCES", "Dataset", "is_named", "load_dataset", "load_named"]

_ACCEPTED = (
    f"must be {', '.join(SOURCES)}, a table (.csv, .tsv, .parquet), a .npz file, a folder of MNIST's IDX files or one "
    "of them, or X.npy,Y.npy"
)
_MOST_SEED = 2**63 - 1


def load_dataset(
    spec: Any,
    *,
    scale: str = TrainOptions.scale,
    seed: int = TrainOptions.seed,
    label_column: str | int | None = TrainOptions.label_column,
    task: str = TrainOptions.task,
    raw_targets: bool = TrainOptions.raw_targets,
) -> Dataset:
    """Return the data that a name, a path or an object stands for, scaled, with something held out to test on.

    Inputs are flattened to (rows, features) and kept in float32, whatever they came in: MNIST takes 220 MB, and half as
    much again while it is read. Where a source has no rows to test on, a fifth is held out: the same rows whatever the
    seed. `notes` of the result say what was made of labels and inputs.

    Args:
        spec: One of

            - `digits`, scikit-learn's 1797 images of 8 x 8 (needs the extra `data`),
            - `synthetic[:rows=12500][:features=64][:classes=10]`, a task by a random teacher,
            - a table: .csv or .tsv, or .parquet (needs the extra `data`), with a column of labels,
            - a .npz file with x_train and y_train (and x_test and y_test), as Keras lays MNIST out, X and y, or data
              and target,
            - a folder of MNIST's IDX files, or one of them, plain or gzipped,
            - `X.npy,Y.npy` or `X.npy,Y.npy,XTEST.npy,YTEST.npy`,
            - from Python, a pair (X, y) of arrays or tensors, or four of them; a mapping with the keys of a .npz file,
              as scikit-learn's Bunch is; a data frame with a column of labels,
            - a Dataset, which is returned as it is.

            A Path is never a name.
        scale: `feature` brings every feature to mean 0 and std 1 over the training rows, `global` all entries together,
            `unit` divides by 255 where the training inputs are uint8 and else by their largest magnitude, `none` leaves
            inputs as they are. `auto` leaves what is near mean 0 and std 1 as it is, and takes `global` for images and
            `feature` for all else. Test inputs are scaled like training inputs.
        seed: What `synthetic` follows from; the others do not depend on it.
        label_column: The column of labels of a table, by name or by number from 1; by default the one that is called
            label, labels, target, class or y.
        task: `classification`, `regression`, or `auto`: text, booleans and one-hot rows are classes, and so are whole
            numbers with at most 20 values or with at least 10 rows a value; all else is regression.
        raw_targets: Whether the targets of regression stay as they are; else they are brought to mean 0 and std 1.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> data = load_dataset("synthetic:rows=1000")
        >>> data.train_inputs.shape, data.test_inputs.shape, data.classes
        ((800, 64), (200, 64), 10)
    """
    scale = checked_scale("scale", scale)
    check_choice("task", task, TASKS_OR_AUTO)
    check_integer("seed", seed, 0, _MOST_SEED)
    if isinstance(spec, Dataset):
        return spec
    name, raw = _raw(spec, seed, label_column)
    images = raw.images or raw.train.inputs.ndim > 2 or raw.train.inputs.dtype == np.uint8
    train, test = split(raw, task)
    found = _labelled(train, test, task, raw_targets, raw.classes)
    scaling = find_scaling(scale, train.inputs, images)
    rows = len(train.labels)
    few = ("too few rows to hold any out: tested on those to train on",) if train is test else ()
    named = is_named(spec) and scale == "auto"
    return Dataset(
        name=name,
        train_inputs=scaled(train.inputs, scaling, train.names[0]),
        train_labels=found.labels[:rows],
        test_inputs=scaled(test.inputs, scaling, test.names[0]),
        test_labels=found.labels[rows:],
        classes=found.classes,
        task=found.task,
        class_names=found.names,
        notes=(*found.notes, *(() if named else (scaling.note,)), *few),
        target_mean=found.mean,
        target_std=found.std,
    )


def _labelled(train: Part, test: Part, task: str, raw_targets: bool, classes: int | None) -> Labelling:
    """Return the labels of both parts, those to train on first."""
    kinds = {part.labels.dtype.kind in "USO" for part in (train, test)}
    shapes = {part.labels.shape[1:] for part in (train, test)}
    if len(kinds) > 1 or len(shapes) > 1:
        problem = f"must have labels of one kind to train and to test on, got others in {test.names[1]}"
        raise InvalidField(field="data", problem=problem)
    together = np.concatenate([train.labels, test.labels])
    name, rows = train.names[1], len(train.labels)
    return labelled("data", together, name, task=task, raw_targets=raw_targets, to_train_on=rows, classes=classes)


def _raw(spec: Any, seed: int, label_column: str | int | None) -> tuple[str, Raw]:
    """Return what data are called in a heading, and what they hold."""
    if isinstance(spec, str | Path) and str(spec):
        return str(spec), _read(spec, str(spec), seed, label_column)
    found = None if isinstance(spec, str) else raw_of(spec, label_column)
    if found is None:
        got = repr(spec) if isinstance(spec, str | int | float | None) else type(spec).__name__
        raise InvalidField(field="data", problem=f"{_ACCEPTED}, got {got}")
    return "data", found


def is_named(spec: object) -> bool:
    """Return whether it is text that names data, and no file."""
    return isinstance(spec, str) and spec.partition(":")[0].strip().lower() in SOURCES


def load_named(field: str, spec: str) -> Dataset:
    """Return the data of a name, in the standard scale, for a field that takes their inputs or their labels.

    Raises:
        InvalidField: It names data that are not there; the error names the field.
    """
    try:
        return load_dataset(spec)
    except InvalidField as error:
        raise InvalidField(field, error.problem) from None


def _read(spec: str | Path, text: str, seed: int, label_column: str | int | None) -> Raw:
    name = text.partition(":")[0].strip()
    if isinstance(spec, str) and is_named(spec):
        return SOURCES.resolve(spec).read(seed)
    if is_table(text):
        return raw_of_table(read_table("data", text), label_column)
    if text.endswith(".npz"):
        return read_npz(text)
    if text.endswith(".npy"):
        return read_npy(text)
    path = Path(text)
    with reading("data", text, _ACCEPTED):
        is_folder, missing = path.is_dir(), "" if path.exists() else ", which does not exist"
    if is_folder:
        return read_folder(path)
    if is_idx(path) and not missing:  # another of its kind beside it is not what was named
        return read_folder(path.parent, path.name)
    raise InvalidField(field="data", problem=f"{_ACCEPTED}, got {text!r}{did_you_mean(name, SOURCES) or missing}")
