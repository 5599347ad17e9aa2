"""How inputs are brought to a scale: by the numbers of the training inputs alone, in float64, to float32."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles, Numbers, cut
from actdiag.errors import InvalidField, check_choice

_ENTRIES_AT_ONCE = 2**16

SCALES = ("auto", "feature", "global", "unit", "none")

_ALSO = {"standard": "global", "raw": "none"}

_CONSTANT = 1e-12
"""Of its largest entry: a std under this share is what rounding leaves of a constant."""

_MEAN, _STDS = 0.1, (0.8, 1.25)
"""Inputs whose mean and std, over all entries, are so near to 0 and 1 need no scaling."""

_MEAN_OF_ONE, _STDS_OF_ONE = 1.0, (0.4, 2.5)
"""The same of one feature, which varies more where rows are few."""

_SAID = {
    "feature": "scaled per feature",
    "global": "scaled by one mean and std",
    "unit": "scaled to magnitudes of at most 1",
    "none": "not scaled",
}


class Scaling(NamedTuple):
    """How an input x is scaled: (x / unit - mean) / std, where these are of a feature or of all.

    Attributes:
        kind: `feature`, `global`, `unit` or `none`.
        unit: A number, or shape (features,).
        mean: Likewise.
        std: Likewise; inf for what is constant, which becomes 0.
    """

    kind: str
    unit: float | Doubles = 1.0
    mean: float | Doubles = 0.0
    std: float | Doubles = 1.0

    @property
    def note(self) -> str:
        """What it does, for a heading."""
        constant = int(np.isinf(self.std).sum()) if self.kind == "feature" else 0
        left = f", {constant} constant feature{'s' if constant > 1 else ''} left at 0" if constant else ""
        return f"{_SAID[self.kind]}{left}"


def checked_scale(field: str, scale: object) -> str:
    """Return one of `SCALES`; `standard` and `raw` are other names of `global` and `none`.

    Raises:
        InvalidField: It is none.
    """
    return check_choice(field, _ALSO.get(scale.lower(), scale) if isinstance(scale, str) else scale, SCALES)


def find_scaling(scale: str, inputs: Numbers, images: bool = False) -> Scaling:
    """Return how inputs like these are scaled.

    Args:
        scale: `feature` brings every feature to mean 0 and std 1. `global` brings all entries together there: MNIST's
            mean of 0.1307 and std of 0.3081 of a white pixel. `unit` divides by the largest magnitude. `none` changes
            nothing. What is constant becomes 0 under the first two. `auto` is `none` for inputs that are near mean 0
            and std 1 already, in a table every feature, else `global` for images and `feature` for tables.
        inputs: The training inputs, shape (rows, features). A uint8 counts as a pixel, whose largest is 255; of any
            other kind, the largest magnitude that occurs.
        images: Whether the features are of one kind, as the pixels of an image are.
    """
    if scale == "auto":
        found = _of_all(inputs)
        unit, mean, std = float(found.unit), float(found.mean), float(found.std)
        if abs(unit * mean) < _MEAN and _STDS[0] < unit * std < _STDS[1] and (images or _are_alike(inputs)):
            return Scaling("none")
        scale = "global" if images else "feature"
    if scale == "none":
        return Scaling("none")
    if scale == "feature":
        return _of_features(inputs)
    return Scaling("unit", _largest(inputs)) if scale == "unit" else _of_all(inputs)


def _are_alike(inputs: Numbers) -> bool:
    """Return whether every feature that varies is about as large as all are together."""
    found = _of_features(inputs)
    std, mean = found.unit * found.std, found.unit * found.mean
    varies = np.isfinite(std)
    alike = (np.abs(mean) < _MEAN_OF_ONE) & (std > _STDS_OF_ONE[0]) & (std < _STDS_OF_ONE[1])
    return bool((alike | ~varies).all())


def _largest(inputs: Numbers) -> float:
    if inputs.dtype == np.uint8:
        return 255.0
    return max(float(np.abs(part).max()) for part in _in_double(inputs)) or 1.0


def _of_all(inputs: Numbers) -> Scaling:
    unit = _largest(inputs)
    # In units of the largest, no square leaves float64.
    mean = math.fsum(float((part / unit).sum()) for part in _in_double(inputs)) / inputs.size
    squares = math.fsum(float(np.square(part / unit - mean).sum()) for part in _in_double(inputs))
    std = math.sqrt(squares / inputs.size)
    return Scaling("global", unit, mean, std if std > _CONSTANT else math.inf)


def _of_features(inputs: Numbers) -> Scaling:
    largest = np.max([np.abs(part).max(axis=0) for part in _in_double(inputs)], axis=0)
    unit = np.where(largest > 0, largest, 1.0)
    mean = np.sum([(part / unit).sum(axis=0) for part in _in_double(inputs)], axis=0) / len(inputs)
    squares = np.sum([np.square(part / unit - mean).sum(axis=0) for part in _in_double(inputs)], axis=0)
    std = np.sqrt(squares / len(inputs))
    return Scaling("feature", unit, mean, np.where(std > _CONSTANT, std, np.inf))


def scaled(inputs: Numbers, scaling: Scaling, name: str, field: str = "data", dtype: str = "float32") -> Array:
    """Return scaled inputs in a dtype, shape (rows, features); they are scaled in float64, some rows at a time.

    Raises:
        InvalidField: A number is too large for the dtype.
    """
    result = np.empty(inputs.shape, dtype=dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, part in zip(_pieces(inputs), _in_double(inputs), strict=True):
            result[rows] = (part / scaling.unit - scaling.mean) / scaling.std
            if not np.isfinite(result[rows]).all():
                largest = float(np.abs(part).max())
                problem = f"must hold numbers that {dtype} can hold once scaled, got up to {largest:.3g} in {name}"
                raise InvalidField(field, problem)
    return result


def _pieces(inputs: Numbers) -> Iterator[slice]:
    return cut(len(inputs), max(1, _ENTRIES_AT_ONCE // inputs.shape[1]))


def _in_double(inputs: Numbers) -> Iterator[Doubles]:
    for rows in _pieces(inputs):
        yield inputs[rows].astype(np.float64)
