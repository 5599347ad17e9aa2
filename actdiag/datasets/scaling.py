"""How inputs are brought to a scale: by the numbers of the training inputs alone, in float64, to float32."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles, Numbers, cut
from actdiag.errors import InvalidField

_ENTRIES_AT_ONCE = 2**16

SCALES = ("standard", "unit", "raw")


class Scaling(NamedTuple):
    """How an input x is scaled: (x / unit - mean) / std."""

    unit: float = 1.0
    mean: float = 0.0
    std: float = 1.0


def find_scaling(scale: str, inputs: Numbers) -> Scaling:
    """Return how inputs like these are scaled.

    Args:
        scale: `standard` brings all entries together to mean 0 and std 1 (not every feature by itself): MNIST's mean
            of 0.1307 and std of 0.3081 of a white pixel. `unit` divides by the largest magnitude. `raw` changes
            nothing. Constant inputs become 0 under `standard`.
        inputs: The training inputs, shape (rows, features). A uint8 counts as a pixel, whose largest is 255; of any
            other kind, the largest magnitude that occurs.
    """
    if scale == "raw":
        return Scaling()
    unit = 255.0 if inputs.dtype == np.uint8 else max(float(np.abs(part).max()) for part in _in_double(inputs)) or 1.0
    if scale == "unit":
        return Scaling(unit)
    # In units of the largest, no square leaves float64.
    mean = math.fsum(float((part / unit).sum()) for part in _in_double(inputs)) / inputs.size
    squares = math.fsum(float(np.square(part / unit - mean).sum()) for part in _in_double(inputs))
    std = math.sqrt(squares / inputs.size)
    return Scaling(unit, mean, std if std > 1e-12 else math.inf)  # what rounding leaves of a constant


def scaled(inputs: Numbers, scaling: Scaling, name: str) -> Array:
    """Return scaled inputs in float32, shape (rows, features); no copy of all of them in float64 is made.

    Raises:
        InvalidField: A number is too large for float32.
    """
    result = np.empty(inputs.shape, dtype=np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, part in zip(_pieces(inputs), _in_double(inputs), strict=True):
            result[rows] = (part / scaling.unit - scaling.mean) / scaling.std
            if not np.isfinite(result[rows]).all():
                largest = float(np.abs(part).max())
                problem = f"must hold numbers that float32 can hold once scaled, got up to {largest:.3g} in {name}"
                raise InvalidField(field="data", problem=problem)
    return result


def _pieces(inputs: Numbers) -> Iterator[slice]:
    return cut(len(inputs), max(1, _ENTRIES_AT_ONCE // inputs.shape[1]))


def _in_double(inputs: Numbers) -> Iterator[Doubles]:
    for rows in _pieces(inputs):
        yield inputs[rows].astype(np.float64)
