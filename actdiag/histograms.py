"""Histograms whose counts are exact: a sorted block is counted by binary search, with no rounding of bin indices."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from actdiag.arrays import Array, Counts, Doubles

PERCENTILE = 99.9
"""The percentile of |a| at layer 1 that ends the axis of unbounded activations."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of entries. counts + below + above + zero + nan + inf make all of them.

    Attributes:
        edges: The bins' edges, one more than bins; of a magnitude histogram they are powers of ten (log10 |x|).
        counts: Entries other than exact zeros in each bin [edge, next edge); the last bin is closed.
        below: Finite entries under the first edge.
        above: Finite entries over the last edge.
        zero: Exact zeros, wherever the edges are.
        nan: Entries that are not a number.
        inf: Infinite entries of both signs.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    below: int
    above: int
    zero: int
    nan: int
    inf: int


class SortedBlock:
    """The entries of an array in ascending order, for counting."""

    def __init__(self, x: Array) -> None:
        self._x = np.sort(x, axis=None)
        self.nan = self._x.size - self._before(np.nan)
        self._start = self._before(-np.inf, itself=True)
        self._stop = self._before(np.inf)
        self.inf = self._x.size - self.nan - (self._stop - self._start)
        self.zero = self._before(0, itself=True) - self._before(0)
        tiny = float(np.finfo(x.dtype).tiny)
        self.subnormal = self._before(tiny) - self._before(-tiny, itself=True) - self.zero

    def _before(self, value: float, itself: bool = False) -> int:
        return int(np.searchsorted(self._x, self._x.dtype.type(value), side="right" if itself else "left"))

    def bins(self, edges: Sequence[float]) -> Counts:
        """Return the counts under the first edge, in each bin and over the last, exact zeros left out."""
        limits = np.asarray(edges)
        cuts = np.searchsorted(self._x, _rounded_up(limits, self._x.dtype), side="left")
        last = limits[-1].astype(self._x.dtype)  # the last bin is closed, so its edge is rounded down
        last = np.nextafter(last, -np.inf, dtype=last.dtype) if last > limits[-1] else last
        cuts[-1] = np.searchsorted(self._x, last, side="right")
        cuts = np.clip(cuts, self._start, self._stop)
        counts = np.diff(np.concatenate([[self._start], cuts, [self._stop]])).astype(np.int64)
        holds_zero = int(np.searchsorted(limits, 0, side="right")) - (limits[-1] == 0)
        counts[holds_zero] -= self.zero
        return counts

    def decades(self) -> Counts:
        """Return the counts in each decade of |x| that the dtype can hold, from `lowest_decade` up."""
        limits = _decade_limits(self._x.dtype.name)
        above = np.searchsorted(self._x, limits, side="left")
        below = np.searchsorted(self._x, -limits, side="right")
        return (
            np.diff(np.clip(above, self._start, self._stop)) - np.diff(np.clip(below, self._start, self._stop))
        ).astype(np.int64)


def _rounded_up(limits: Doubles, dtype: np.dtype[Any]) -> Array:
    """Return the least numbers of `dtype` that are at least `limits`: x >= limit exactly where x >= its rounding."""
    rounded: Array = limits.astype(dtype)
    return np.where(rounded < limits, np.nextafter(rounded, dtype.type(np.inf)), rounded)


@lru_cache(maxsize=4)
def _decade_limits(dtype: str) -> Array:
    info = np.finfo(dtype)
    powers = [_power_of_ten(power) for power in range(lowest_decade(dtype), int(np.log10(float(info.max))) + 1)]
    finite = _rounded_up(np.array(powers), np.dtype(dtype))
    return np.concatenate([finite, np.array([np.inf], dtype=dtype)])


def _power_of_ten(power: int) -> float:
    """Return the least float64 that is at least 10**power, exactly."""
    nearest = float(f"1e{power}")
    numerator, denominator = nearest.as_integer_ratio()
    short = numerator * 10 ** max(-power, 0) < denominator * 10 ** max(power, 0)
    return math.nextafter(nearest, math.inf) if short else nearest


def lowest_decade(dtype: str) -> int:
    """Return the power of ten at or under the smallest number above 0 of `dtype`, subnormals included."""
    return {"float32": -45, "float64": -324}[dtype]


@dataclass(frozen=True, slots=True)
class BlockCounts:
    """What a block of entries adds to the histograms of its layer.

    Attributes:
        bins: Counts as `SortedBlock.bins` gives them, or None where the axis is not known yet.
        decades: Counts as `SortedBlock.decades` gives them.
        zero: Exact zeros.
        subnormal: Entries other than zero that are nearer to it than the smallest normal number.
        nan: Entries that are not a number.
        inf: Infinite entries.
    """

    bins: Counts | None
    decades: Counts
    zero: int
    subnormal: int
    nan: int
    inf: int


def count_block(x: Array, edges: Sequence[float] | None) -> BlockCounts:
    """Count the entries of `x`, of any shape, in the bins of `edges` (if given) and by decade."""
    block = SortedBlock(x)
    bins = None if edges is None else block.bins(edges)
    return BlockCounts(bins, block.decades(), block.zero, block.subnormal, block.nan, block.inf)


def merge_counts(parts: Sequence[BlockCounts]) -> BlockCounts:
    """Return the counts of all blocks together."""
    bins = [part.bins for part in parts if part.bins is not None]
    return BlockCounts(
        sum(bins[1:], bins[0]) if bins else None,
        sum((part.decades for part in parts[1:]), parts[0].decades),
        sum(part.zero for part in parts),
        sum(part.subnormal for part in parts),
        sum(part.nan for part in parts),
        sum(part.inf for part in parts),
    )


def linear_histogram(counts: BlockCounts, edges: tuple[float, ...]) -> Histogram:
    """Return the histogram over `edges` from counts that were taken over them."""
    assert counts.bins is not None
    below, *inside, above = (int(count) for count in counts.bins)
    return Histogram(edges, tuple(inside), below, above, counts.zero, counts.nan, counts.inf)


def magnitude_histogram(counts: BlockCounts, dtype: str) -> Histogram:
    """Return the histogram of log10 |x|, one bin a decade, from the lowest decade that has an entry to the highest."""
    occupied = np.flatnonzero(counts.decades)
    first, last = (
        (int(occupied[0]), int(occupied[-1])) if len(occupied) else (-lowest_decade(dtype), -lowest_decade(dtype))
    )
    edges = tuple(float(power + lowest_decade(dtype)) for power in range(first, last + 2))
    inside = tuple(int(count) for count in counts.decades[first : last + 1])
    return Histogram(edges, inside, 0, 0, counts.zero, counts.nan, counts.inf)


def axis_edges(first_layer: Array, bounds: tuple[float, float], bins: int) -> tuple[float, ...]:
    """Return the edges that all layers share: the activation's bounds where both are finite, else the data's reach.

    Args:
        first_layer: The activations of layer 1, shape (batch, width).
        bounds: The closed hull of the activation's range.
        bins: How many bins.
    """
    low, high = bounds
    if np.isfinite(low) and np.isfinite(high):
        # Rounding to the stack's dtype may carry a value that sits on its bound across it.
        dtype = first_layer.dtype.type
        return spaced(min(low, float(dtype(low))), max(high, float(dtype(high))), bins)
    magnitudes = np.abs(first_layer)
    magnitudes = magnitudes[np.isfinite(magnitudes)]
    reach = _percentile(magnitudes, PERCENTILE) if magnitudes.size else 0.0
    reach = reach if reach >= np.finfo(np.float64).tiny * 1e3 else 1.0
    return spaced(0.0 if low >= 0 else -reach, reach, bins)


def _percentile(values: Array, percent: float) -> float:
    """Return numpy's linear percentile; numpy's own loads numpy.ma, a tenth of a short run."""
    position = percent / 100 * (values.size - 1)
    low = int(position)
    high = min(low + 1, values.size - 1)
    below, above = (float(value) for value in np.partition(values, (low, high))[[low, high]])
    return below + (above - below) * (position - low)


def spaced(low: float, high: float, bins: int) -> tuple[float, ...]:
    """Return the edges of `bins` equal bins from `low` to `high`."""
    share = np.arange(bins + 1) / bins
    return tuple(float(edge) for edge in low * (1 - share) + high * share)  # high - low might overflow
