"""Labelled data to train on: by name, or from files."""

from pathlib import Path

from actdiag.datasets import digits, synthetic  # noqa: F401  (registers the sources)
from actdiag.datasets.entry import SOURCES, Dataset
from actdiag.datasets.files import reading
from actdiag.datasets.idx import is_idx, read_folder
from actdiag.datasets.numpy_files import read_npy, read_npz
from actdiag.datasets.parts import Raw, split
from actdiag.datasets.scaling import SCALES, find_scaling, scaled
from actdiag.errors import InvalidField, check_choice, check_integer, did_you_mean
from actdiag.options import TrainOptions

__all__ = ["SCALES", "SOURCES", "Dataset", "is_named", "load_dataset", "load_named"]

_ACCEPTED = f"must be {', '.join(SOURCES)}, a .npz file, a folder of MNIST's IDX files or one of them, or X.npy,Y.npy"
_MOST_SEED = 2**63 - 1


def load_dataset(
    spec: str | Path | Dataset, *, scale: str = TrainOptions.scale, seed: int = TrainOptions.seed
) -> Dataset:
    """Return the data that a name or a path stands for, scaled, with something held out to test on.

    Inputs are flattened to (rows, features) and kept in float32, whatever they came in: MNIST takes 220 MB, and half as
    much again while it is read. Where a source has no rows to test on, a fifth is held out: the same rows whatever the
    seed.

    Args:
        spec: One of

            - `digits`, scikit-learn's 1797 images of 8 x 8 (needs the extra `data`),
            - `synthetic[:rows=12500][:features=64][:classes=10]`, a task by a random teacher,
            - a .npz file with x_train, y_train and perhaps x_test and y_test, as Keras lays MNIST out,
            - a folder of MNIST's IDX files, or one of them, plain or gzipped,
            - `X.npy,Y.npy` or `X.npy,Y.npy,XTEST.npy,YTEST.npy`,
            - a Dataset, which is returned as it is.

            A Path is never a name.
        scale: `standard` brings all training entries together to mean 0 and std 1, `unit` divides by 255 where the
            training inputs are uint8 and else by their largest magnitude, `raw` leaves inputs as they are. Test inputs
            are scaled like training inputs.
        seed: What `synthetic` follows from; the others do not depend on it.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> data = load_dataset("synthetic:rows=1000")
        >>> data.train_inputs.shape, data.test_inputs.shape, data.classes
        ((800, 64), (200, 64), 10)
    """
    scale = check_choice("scale", scale, SCALES)
    check_integer("seed", seed, 0, _MOST_SEED)
    if isinstance(spec, Dataset):
        return spec
    if not isinstance(spec, str | Path) or not str(spec):
        raise InvalidField(field="data", problem=f"{_ACCEPTED}, got {spec!r}")
    raw = _read(spec, str(spec), seed)
    train, test = split(raw)
    scaling = find_scaling(scale, train.inputs)
    classes = raw.classes or 1 + int(max(train.labels.max(), test.labels.max()))
    return Dataset(
        name=str(spec),
        train_inputs=scaled(train.inputs, scaling, train.names[0]),
        train_labels=train.labels,
        test_inputs=scaled(test.inputs, scaling, test.names[0]),
        test_labels=test.labels,
        classes=classes,
    )


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


def _read(spec: str | Path, text: str, seed: int) -> Raw:
    name = text.partition(":")[0].strip()
    if isinstance(spec, str) and is_named(spec):
        return SOURCES.resolve(spec).read(seed)
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
