"""Moments over all entries of a layer together, units not told apart."""

from collections.abc import Sequence
from math import inf, isfinite, ldexp, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.engine.blocks import in_double

LEAST_EXPONENT = -1100
"""Under the exponent of every float64 above 0."""

LEAST_SQUARE, MOST_SQUARE = 1e-200, 1e200
"""Sums of squares between these keep their digits in float64; other values are scaled first."""

MOST_CANCELLED = 1 - 1e-7
"""The share of the squares about zero that a mean may account for before they are taken about another origin."""

_LEAST_MEAN_SQUARE, _MOST_MEAN_SQUARE = 1e-28, 1e30
"""Mean squares between these are exact to rounding in float32, though single squares may be lost."""

_MOST_CANCELLED_IN_SINGLE = 0.5
"""`MOST_CANCELLED` of sums in float32."""

_WIDEST_IN_SINGLE = 4096
"""The longest rows that are summed in float32."""


class Pooled(NamedTuple):
    """Moments over all finite entries; each None where there are none."""

    mean: float | None
    std: float | None
    rms: float | None


class EntryMoments(NamedTuple):
    """Sums over the finite entries of a block, in units of 2**exponent.

    Attributes:
        size: How many there are.
        origin: One of them or 0.
        total: Sum of their deviations from `origin`.
        squares: Sum of the squares of these deviations.
        exponent: The power of two that values were divided by before they were squared.
        nonfinite: Entries that are NaN or infinite.
    """

    size: int
    origin: float
    total: float
    squares: float
    exponent: int = 0
    nonfinite: int = 0


def entry_moments(x: Array) -> EntryMoments:
    """Return the sums over the entries of `x`, shape (rows, columns).

    The squares of a row of float32 are summed in float32, as BLAS does it in many partial sums, and the sums of the
    rows added up in float64.
    """
    if x.shape[1] <= _WIDEST_IN_SINGLE and x.dtype == np.float32:
        squares = float(np.vecdot(x, x).sum(dtype=np.float64))
        total = float(x.sum(dtype=np.float64))
        if _LEAST_MEAN_SQUARE * x.size < squares < _MOST_MEAN_SQUARE * x.size:
            if total * total <= _MOST_CANCELLED_IN_SINGLE * x.size * squares:
                return EntryMoments(x.size, 0.0, total, squares)
    total, squares = _sums(x, 0.0)
    if LEAST_SQUARE < squares < MOST_SQUARE:
        if total * total <= MOST_CANCELLED * x.size * squares:
            return EntryMoments(x.size, 0.0, total, squares)
        # With an entry as the origin no more than 1 - 1/size of the squares can cancel, by Cauchy-Schwarz.
        origin = float(x[0, 0])
        return EntryMoments(x.size, origin, *_sums(x, origin))
    # Something is not finite, or squares would leave float64.
    values, exponent = scaled(x[np.isfinite(x)])
    origin = float(values[0]) if values.size else 0.0
    values -= origin
    total, squares = float(values.sum()), float(np.dot(values, values))
    return EntryMoments(values.size, origin, total, squares, exponent, x.size - values.size)


def _sums(x: Array, origin: float) -> tuple[float, float]:
    """Return the sum of the deviations from `origin`, and that of their squares."""
    total = squares = 0.0
    for values in in_double(x):
        deviations = values - origin if origin else values
        total += float(deviations.sum())
        squares += float(np.vdot(deviations, deviations))
    return total, squares


def scaled(x: Array) -> tuple[Doubles, int]:
    """Return finite `x` in float64, divided by 2**exponent so that its squares fit, and the exponent.

    Zeros alone have the least exponent, so that they never set the scale of what they are merged with.
    """
    values = x.astype(np.float64, copy=False)
    largest = max(float(values.max(initial=0)), -float(values.min(initial=0)))
    exponent = int(np.frexp(largest)[1]) if largest else LEAST_EXPONENT
    return np.ldexp(values, -exponent), exponent


def pool_entries(parts: Sequence[EntryMoments]) -> Pooled:
    """Return mean, std (ddof 0) and rms over the entries of all parts (Chan, Golub & LeVeque 1983)."""
    parts = [part for part in parts if part.size]
    if not parts:
        return Pooled(None, None, None)
    exponent = max(part.exponent for part in parts)
    size = sum(part.size for part in parts)
    means, squares = [], 0.0
    for part in parts:
        down, shift = part.exponent - exponent, part.total / part.size
        means.append(ldexp(part.origin + shift, down))
        squares += ldexp(max(part.squares - part.total * shift, 0.0), 2 * down)
    # Means are taken from one of them, so that those of constants do not differ.
    apart = [(part.size, mean - means[0]) for part, mean in zip(parts, means, strict=True)]
    shift = sum(count * distance for count, distance in apart) / size
    squares += sum(count * (distance - shift) * (distance - shift) for count, distance in apart)
    mean, variance = means[0] + shift, squares / size
    moments = mean, sqrt(variance), sqrt(variance + mean * mean)
    return Pooled(*(np.ldexp(moments, exponent).tolist() if exponent else moments))


def value_range(x: Array) -> tuple[float, float]:
    """Return the least and the greatest finite entry; inf and -inf where there is none."""
    low, high = (float(x.min()), float(x.max())) if x.size else (inf, -inf)
    if isfinite(low) and isfinite(high):
        return low, high
    finite = x[np.isfinite(x)]
    return float(finite.min(initial=inf)), float(finite.max(initial=-inf))
