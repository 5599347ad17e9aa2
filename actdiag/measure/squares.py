"""Sums of squares that no magnitude can spoil, and of columns beside them: float64, scaled, finite entries only."""

from collections.abc import Sequence
from math import ldexp, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.engine.blocks import in_double, rows_added
from actdiag.measure.pooled import LEAST_SQUARE, MOST_SQUARE, scaled


class SquareSum(NamedTuple):
    """A sum of squares of finite entries, in units of 4**exponent.

    Attributes:
        total: The sum.
        exponent: The power of two that values were divided by before they were squared.
        size: How many entries were finite.
        nonfinite: How many were not.
    """

    total: float
    exponent: int
    size: int
    nonfinite: int

    @property
    def norm(self) -> float | None:
        """The root of the sum; None where an entry is not finite."""
        return None if self.nonfinite else float(np.ldexp(sqrt(self.total), self.exponent))

    @property
    def rms(self) -> float | None:
        """The root of the mean square over the finite entries; None where there are none."""
        return float(np.ldexp(sqrt(self.total / self.size), self.exponent)) if self.size else None


def square_sum(x: Array) -> SquareSum:
    """Return the sum of the squares of the finite entries of `x`, shape (rows, columns)."""
    total = sum(float(np.vdot(values, values)) for values in in_double(x))
    if LEAST_SQUARE < total < MOST_SQUARE:
        return SquareSum(total, 0, x.size, 0)
    kept, exponent = scaled(x[np.isfinite(x)])
    return SquareSum(float(np.dot(kept, kept)), exponent, kept.size, x.size - kept.size)


def merge_squares(parts: Sequence[SquareSum]) -> SquareSum:
    """Return the sum over all parts, in their order."""
    exponent = max(part.exponent for part in parts)
    total = 0.0
    for part in parts:
        total += ldexp(part.total, 2 * (part.exponent - exponent))
    return SquareSum(total, exponent, sum(part.size for part in parts), sum(part.nonfinite for part in parts))


def column_sums(x: Array) -> Doubles:
    """Return the sum of each column of `x`, shape (rows, columns)."""
    total = np.zeros(x.shape[1])
    for values in in_double(x):
        total += rows_added(values)
    return total


def column_and_square_sums(x: Array) -> tuple[Doubles, SquareSum]:
    """Return the sum of each column of `x`, shape (rows, columns), and that of the squares of its finite entries."""
    sums, total = np.zeros(x.shape[1]), 0.0
    for values in in_double(x):
        sums += rows_added(values)
        total += float(np.vdot(values, values))
    known = LEAST_SQUARE < total < MOST_SQUARE
    return sums, SquareSum(total, 0, x.size, 0) if known else square_sum(x)
