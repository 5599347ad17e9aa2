"""Means, stds and norms that no dtype, offset or magnitude can spoil: float64, shifted, scaled, finite entries only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actdiag.arrays import Array, Doubles

_LEAST_EXPONENT = -1100
"""Under the exponent of every float64 above 0."""


@dataclass(frozen=True, slots=True)
class UnitMoments:
    """First and second moments of each unit over some rows, in units of 2**exponent.

    Attributes:
        count: Finite entries of each unit, shape (units,).
        mean: Mean of the finite entries, shape (units,), 0 where there are none.
        squares: Sum of squared deviations from `mean`, shape (units,).
        exponent: The power of two that values were divided by before they were squared.
        low: The least finite entry, inf where there is none.
        high: The greatest finite entry, -inf where there is none.
        nonfinite: Entries that are NaN or infinite, all units together.
    """

    count: Doubles
    mean: Doubles
    squares: Doubles
    exponent: int
    low: float
    high: float
    nonfinite: int


@dataclass(frozen=True, slots=True)
class Pooled:
    """Moments over all finite entries; each None where there are none."""

    mean: float | None
    std: float | None
    rms: float | None
    min: float | None
    max: float | None


def scaled(x: Array) -> tuple[Doubles, int]:
    """Return finite `x` as a new float64 array divided by 2**exponent, and the exponent.

    Squares of float32 fit float64 as they are. Those of float64 may not, so the largest entry is brought near 1; zeros
    alone have the least exponent, so that they never set the scale of what they are merged with.
    """
    if x.dtype != np.float64:
        return x.astype(np.float64), 0
    largest = max(float(x.max(initial=0)), -float(x.min(initial=0)))
    exponent = int(np.frexp(largest)[1]) if largest else _LEAST_EXPONENT
    return np.ldexp(x, -exponent), exponent


def unit_moments(x: Array) -> UnitMoments:
    """Return the moments of each column of `x`, shape (rows, units)."""
    low, high = float(x.min()), float(x.max())
    rows, units = x.shape
    if np.isfinite(low) and np.isfinite(high):
        deviations, exponent = scaled(x)
        # The first row as a provisional mean makes constants exact; the second pass makes every offset harmless.
        first = deviations[0].copy()
        deviations -= first
        shift = deviations.mean(axis=0)
        deviations -= shift
        squares = np.einsum("ij,ij->j", deviations, deviations)
        return UnitMoments(np.full(units, float(rows)), first + shift, squares, exponent, low, high, 0)
    finite = np.isfinite(x)
    values, exponent = scaled(np.where(finite, x, 0).astype(x.dtype))
    count = finite.sum(axis=0, dtype=np.float64)
    mean = values.sum(axis=0) / np.maximum(count, 1)
    deviations = np.where(finite, values - mean, 0)
    squares = np.einsum("ij,ij->j", deviations, deviations)
    kept = x[finite]
    low, high = float(kept.min(initial=np.inf)), float(kept.max(initial=-np.inf))
    return UnitMoments(count, mean, squares, exponent, low, high, int(x.size - len(kept)))


def merge_moments(parts: Sequence[UnitMoments]) -> UnitMoments:
    """Return the moments of all rows from those of blocks of rows, in their order (Chan, Golub & LeVeque 1983)."""
    exponent = max(part.exponent for part in parts)
    count, mean, squares = np.zeros_like(parts[0].mean), np.zeros_like(parts[0].mean), np.zeros_like(parts[0].mean)
    for part in parts:
        total = np.maximum(count + part.count, 1)
        difference = np.ldexp(part.mean, part.exponent - exponent) - mean
        difference[part.count == 0] = 0
        squares += np.ldexp(part.squares, 2 * (part.exponent - exponent))
        squares += np.square(difference) * (count * part.count / total)
        mean += difference * (part.count / total)
        count += part.count
    return UnitMoments(
        count,
        mean,
        squares,
        exponent,
        min(part.low for part in parts),
        max(part.high for part in parts),
        sum(part.nonfinite for part in parts),
    )


def pool(moments: UnitMoments) -> Pooled:
    """Return mean, std (ddof 0), rms, min and max over all units and rows together."""
    total = moments.count.sum()
    if total == 0:
        return Pooled(None, None, None, None, None)
    seen = moments.count > 0
    count, mean, squares = moments.count[seen], moments.mean[seen], moments.squares[seen]
    offset = mean[0]
    shift = np.dot(count, mean - offset) / total
    centre = offset + shift
    variance = (squares.sum() + np.dot(count, np.square(mean - offset - shift))) / total
    in_units = np.array([centre, np.sqrt(variance), np.sqrt(variance + centre**2)])
    pooled_mean, std, rms = (float(value) for value in np.ldexp(in_units, moments.exponent))
    return Pooled(pooled_mean, std, rms, moments.low, moments.high)


def mean_unit_std(moments: UnitMoments) -> float | None:
    """Return each unit's std over its finite rows, averaged over the units with two or more; None without any."""
    several = moments.count >= 2
    if not several.any():
        return None
    stds = np.sqrt(moments.squares[several] / moments.count[several])
    return float(np.ldexp(stds.mean(), moments.exponent))


@dataclass(frozen=True, slots=True)
class SquareSum:
    """A sum of squares of finite entries, in units of 4**exponent.

    Attributes:
        total: The sum.
        exponent: The power of two that values were divided by before they were squared.
        count: How many entries were finite.
        nonfinite: How many were not.
    """

    total: float
    exponent: int
    count: int
    nonfinite: int

    @property
    def norm(self) -> float | None:
        """The root of the sum; None where an entry is not finite."""
        return None if self.nonfinite else float(np.ldexp(np.sqrt(self.total), self.exponent))

    @property
    def rms(self) -> float | None:
        """The root of the mean square over the finite entries; None where there are none."""
        return float(np.ldexp(np.sqrt(self.total / self.count), self.exponent)) if self.count else None


def square_sum(x: Array) -> SquareSum:
    """Return the sum of the squares of the finite entries of `x`."""
    flat = x.ravel()
    if not np.isfinite(flat.sum(dtype=np.float64)):  # one pass that NaN and inf survive; rarely, finite values overflow
        flat = flat[np.isfinite(flat)]
    values, exponent = scaled(flat)
    return SquareSum(float(np.dot(values, values)), exponent, len(values), x.size - len(values))


def merge_squares(parts: Sequence[SquareSum]) -> SquareSum:
    """Return the sum over all parts, in their order."""
    exponent = max(part.exponent for part in parts)
    total = 0.0
    for part in parts:
        total += float(np.ldexp(part.total, 2 * (part.exponent - exponent)))
    return SquareSum(total, exponent, sum(part.count for part in parts), sum(part.nonfinite for part in parts))


@dataclass(frozen=True, slots=True)
class Directions:
    """The sum of some rows' unit vectors, shape (units,), and how many rows have one (finite and not zero)."""

    total: Doubles
    count: int


def directions(x: Array) -> Directions:
    """Return the sum of the directions of the rows of `x`, shape (rows, units)."""
    usable = np.isfinite(x.sum(axis=1, dtype=np.float64)) | np.isfinite(x).all(axis=1)
    values = (x if usable.all() else np.where(usable[:, np.newaxis], x, 0)).astype(np.float64)
    if x.dtype == np.float64:  # squares of float32 fit float64 as they are; here each row is brought near 1
        largest = np.abs(values).max(axis=1, keepdims=True)
        values /= np.where(largest > 0, largest, 1)
    squares = np.einsum("ij,ij->i", values, values)
    usable &= squares > 0
    inverse_norms = np.where(usable, 1 / np.sqrt(np.where(usable, squares, 1)), 0)
    return Directions(inverse_norms @ values, int(usable.sum()))


def mean_cosine(parts: Sequence[Directions]) -> float | None:
    """Return the mean cosine over ordered pairs of different rows; None where under two rows have a direction."""
    count = sum(part.count for part in parts)
    if count < 2:
        return None
    total = np.zeros_like(parts[0].total)
    for part in parts:
        total += part.total
    cosine = (float(np.dot(total, total)) - count) / (count * (count - 1))
    return min(max(cosine, -1.0), 1.0)
