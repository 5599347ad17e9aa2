"""Means and stds of units that no dtype, offset or magnitude can spoil: in float64, shifted, scaled."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.engine.blocks import in_double, rows_added
from actdiag.measure.pooled import LEAST_SQUARE, MOST_CANCELLED, MOST_SQUARE, Pooled, scaled

_FOLD, _WIDE = 8, 512
"""Rows that are laid end to end, and the width from which on it does not pay."""


class BlockMoments(NamedTuple):
    """Sums over the finite entries of each unit in a block of rows, in units of 2**exponent.

    Attributes:
        counts: How many there are, shape (units,), or (1,) where every unit has as many.
        origin: One of them or 0, shape (units,).
        sums: Sum of their deviations from `origin`, shape (units,).
        squares: Sum of the squares of these deviations, shape (units,).
        exponent: The power of two that values were divided by before they were squared.
        nonfinite: Entries that are NaN or infinite, all units together.
    """

    counts: Doubles
    origin: Doubles
    sums: Doubles
    squares: Doubles
    exponent: int = 0
    nonfinite: int = 0


class UnitMoments(NamedTuple):
    """First and second moments of each unit over all rows, in units of 2**exponent.

    Attributes:
        counts: Finite entries of each unit, shape (units,).
        mean: Mean of the finite entries, shape (units,), 0 where there are none.
        squares: Sum of squared deviations from `mean`, shape (units,).
        exponent: The power of two that values were divided by before they were squared.
        nonfinite: Entries that are NaN or infinite, all units together.
    """

    counts: Doubles
    mean: Doubles
    squares: Doubles
    exponent: int
    nonfinite: int


def block_moments(x: Array, also: Callable[[Doubles], None] | None = None) -> BlockMoments:
    """Return the sums over each column of `x`, shape (rows, units).

    Args:
        x: The array.
        also: Called with every piece of `x` in float64, which must not be kept, and may be overwritten where it is a
            copy.
    """
    rows = len(x)
    count, origin = np.array([float(rows)]), np.zeros(x.shape[1])
    sums, squares = _sums(x, None, also)
    if LEAST_SQUARE < squares.sum() < MOST_SQUARE:
        if (sums * sums > MOST_CANCELLED * rows * squares).any():
            # With one of the rows as the origin no more than 1 - 1/rows of the squares can cancel, by Cauchy-Schwarz.
            origin = x[0].astype(np.float64)
            sums, squares = _sums(x, origin)
        return BlockMoments(count, origin, sums, squares)
    # Something is not finite, or squares would leave float64: scaled, and from an origin of each unit's own.
    finite = np.isfinite(x)
    values, exponent = scaled(np.where(finite, x, 0))
    origin = np.take_along_axis(values, finite.argmax(axis=0)[np.newaxis], axis=0)[0]
    values = np.where(finite, values - origin, 0)
    squares = np.einsum("ij,ij->j", values, values)
    count = finite.sum(axis=0, dtype=np.float64)
    return BlockMoments(count, origin, values.sum(axis=0), squares, exponent, int(x.size - count.sum()))


def _sums(x: Array, origin: Doubles | None, also: Callable[[Doubles], None] | None = None) -> tuple[Doubles, Doubles]:
    """Return the sum of each column's deviations from `origin` (from 0 where None), and that of their squares."""
    sums, squares = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for values in in_double(x):
        deviations = values if origin is None else values - origin
        sums += rows_added(deviations)
        squares += np.einsum("ij,ij->j", deviations, deviations)
        if also is not None:
            also(values)
    return sums, squares


def merge_moments(parts: Sequence[BlockMoments]) -> UnitMoments:
    """Return the moments over all rows from those of blocks of rows (Chan, Golub & LeVeque 1983)."""
    if len(parts) == 1:
        (part,) = parts
        shift = part.sums / np.maximum(part.counts, 1)
        squares = np.maximum(part.squares - part.sums * shift, 0)
        count = part.counts if len(part.counts) == len(shift) else np.full(len(shift), part.counts[0])
        return UnitMoments(count, part.origin + shift, squares, part.exponent, part.nonfinite)
    exponent = max(part.exponent for part in parts)
    count = np.array(np.broadcast_arrays(*(part.counts for part in parts)))
    origin, sums, squares = (
        np.array([getattr(part, name) for part in parts]) for name in ("origin", "sums", "squares")
    )
    if any(part.exponent != exponent for part in parts):
        powers = np.array([[part.exponent - exponent] for part in parts])
        origin, sums, squares = np.ldexp(origin, powers), np.ldexp(sums, powers), np.ldexp(squares, 2 * powers)
    own_shift = sums / np.maximum(count, 1)
    means = origin + own_shift
    squares = np.maximum(squares - sums * own_shift, 0)
    # Means are taken from one of them, so that those of constants do not differ.
    first = means[0] if (count[0] > 0).all() else means[(count > 0).argmax(axis=0), np.arange(means.shape[1])]
    total = count.sum(axis=0)
    apart = (count > 0) * (means - first)
    shift = (count * apart).sum(axis=0) / np.maximum(total, 1)
    squares += count * np.square(apart - shift)
    count = np.broadcast_to(total, first.shape)
    return UnitMoments(count, first + shift, squares.sum(axis=0), exponent, sum(part.nonfinite for part in parts))


def pool(moments: UnitMoments) -> Pooled:
    """Return mean, std (ddof 0) and rms over all units and rows together."""
    count, mean = moments.counts, moments.mean
    total = count.sum()
    if total == 0:
        return Pooled(None, None, None)
    offset = mean[0]
    apart = mean - offset
    shift = np.dot(count, apart) / total
    centre = offset + shift
    variance = (moments.squares.sum() + np.dot(count, np.square(apart - shift))) / total
    in_units = np.array([centre, np.sqrt(variance), np.sqrt(variance + centre**2)])
    return Pooled(*np.ldexp(in_units, moments.exponent).tolist())


def unit_highest(x: Array) -> Array:
    """Return the greatest entry of each column of `x`, shape (rows, columns), in shape (columns,); NaN where one is."""
    rows, columns = len(x), x.shape[1]
    if columns >= _WIDE or rows < 2 * _FOLD or not x.flags.c_contiguous:
        highest: Array = x.max(axis=0)
        return highest
    # Rows that are laid end to end make fewer and longer ones, which go faster.
    whole = rows - rows % _FOLD
    highest = x[:whole].reshape(-1, _FOLD * columns).max(axis=0).reshape(_FOLD, columns).max(axis=0)
    return np.maximum(highest, x[whole:].max(axis=0)) if whole < rows else highest


def mean_unit_std(moments: UnitMoments) -> float | None:
    """Return each unit's std over its finite rows, averaged over the units with two or more; None without any."""
    several = np.count_nonzero(moments.counts >= 2)
    if not several:
        return None
    stds = np.sqrt(moments.squares / np.maximum(moments.counts, 1))  # 0 where there is but one
    return float(np.ldexp(stds.sum() / several, moments.exponent))
