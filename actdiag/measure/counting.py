"""Counts of a block's entries by bin and by decade: each is where comparing it with the edges puts it.

Blocks of finite entries are counted by arithmetic that was checked for these edges, all others by sorting.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import inf, isfinite
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Counts, Doubles
from actdiag.engine.blocks import in_double, in_order
from actdiag.formats import FORMATS
from actdiag.measure.bins import EqualBins, Filling, equal_bins, round_up
from actdiag.measure.decades import count_decades, decade_limits

_NEGATIVE_NORMAL, _UP_TO_ZERO, _NEGATIVE, _UNDER_NORMAL, _NUMBER = -5, -4, -3, -2, -1
"""Where the last of the thresholds stand: what they are above."""


class Thresholds(NamedTuple):
    """The numbers that entries are compared with.

    Attributes:
        edges: The bins' edges; none where entries are counted by decade only.
        values: Numbers of the entries' dtype: the edges; the limits of the decades above 0; those below 0, each the
            next number up; then the next after -tiny, the next after 0, 0, tiny (the smallest normal number) and NaN.
        equal: The bins, where arithmetic finds them.
    """

    edges: tuple[float, ...]
    values: Array
    equal: EqualBins | None

    def tally(self, x: Array) -> "EntryCounts":
        """Count the entries of `x`, shape (rows, columns)."""
        counting = Counting(self, x)
        if counting.by_piece:
            for values in in_double(x):
                counting.add(values)
        return counting.counts()

    def tally_ordered(self, ordered: Array) -> "EntryCounts":
        """Count the entries of `ordered`, which ascend with NaN at their end, shape (entries,)."""
        under = ordered.searchsorted(self.values)
        ends = (float(ordered[0]), float(ordered[-1])) if ordered.size else (inf, -inf)
        if not (isfinite(ends[0]) and isfinite(ends[1])):
            finite = ordered[np.isfinite(ordered)]
            ends = (float(finite[0]), float(finite[-1])) if finite.size else (inf, -inf)
        first = len(self.edges)
        limits = (len(under) - first - 5) // 2
        above, below = under[first : first + limits], under[first + limits : first + 2 * limits]
        zero = int(under[_UP_TO_ZERO] - under[_NEGATIVE])
        bins = _NO_BINS
        if self.edges:
            bins = np.diff(np.concatenate([below[-1:], under[:first], above[-1:]]))
            bins[_bin_of_zero(self.edges)] -= zero
        within = np.diff(above - below)
        lowest = FORMATS[self.values.dtype.name].decades.start
        return EntryCounts(
            edges=self.edges,
            bins=bins,
            decades={lowest + int(at): int(within[at]) for at in np.flatnonzero(within)},
            zero=zero,
            subnormal=int(under[_UNDER_NORMAL] - under[_NEGATIVE_NORMAL]) - zero,
            nan=ordered.size - int(under[_NUMBER]),
            inf=int(under[_NUMBER] - above[-1] + below[-1]),
            size=ordered.size,
            least=ends[0],
            greatest=ends[1],
        )


class Counting:
    """A block that is being counted while it is gone through: `add` each piece of rows, then take the `counts`.

    Attributes:
        by_piece: Whether the pieces are needed.
    """

    def __init__(self, thresholds: Thresholds, x: Array) -> None:
        self._thresholds, self._x = thresholds, x
        self._low, self._high = (float(x.min()), float(x.max())) if x.size else (inf, -inf)
        self._sorting = not (isfinite(self._low) and isfinite(self._high))
        self._filling: Filling | None = None
        if thresholds.edges and not self._sorting:
            self._sorting = thresholds.equal is None
            if thresholds.equal is not None:
                self._filling = Filling(thresholds.equal, x, self._low, self._high)
        self.by_piece = self._filling is not None

    def add(self, values: Doubles) -> None:
        """Take the next rows, in float64, which are overwritten unless they are the block's own."""
        if self._filling is not None:
            self._filling.add(values)

    def counts(self) -> "EntryCounts":
        """Return the counts of the whole block."""
        if self._sorting:
            return self._thresholds.tally_ordered(in_order(self._x))
        decades, zero, subnormal = count_decades(self._x, self._low, self._high)
        bins, edges = _NO_BINS, self._thresholds.edges
        if self._filling is not None:
            bins = self._filling.counts()
            bins[_bin_of_zero(edges)] -= zero
        return EntryCounts(edges, bins, decades, zero, subnormal, 0, 0, self._x.size, self._low, self._high)


@lru_cache(maxsize=16)
@np.errstate(over="ignore")  # an edge may lie beyond the dtype
def thresholds(edges: tuple[float, ...], dtype: str) -> Thresholds:
    """Return the thresholds of the bins between equally spaced `edges`, if any, and of the decades of `dtype`."""
    kind = np.dtype(dtype).type
    bins = round_up(np.array(edges, dtype=np.float64), np.dtype(dtype))
    if edges and float(bins[-1]) <= edges[-1]:
        bins[-1] = np.nextafter(bins[-1], kind(np.inf))  # the last bin is closed, and holds its edge
    decades, tiny = decade_limits(dtype), FORMATS[dtype].normal
    upwards = [*-decades, -tiny, 0.0]  # what is at or under these
    others = np.array([0.0, tiny, np.nan], dtype=dtype)
    at_or_under = np.nextafter(np.array(upwards, dtype=dtype), kind(np.inf))
    return Thresholds(edges, np.concatenate([bins, decades, at_or_under, others]), equal_bins(edges, dtype))


class EntryCounts(NamedTuple):
    """What some entries add to the histograms of their layer.

    Attributes:
        edges: The edges of the bins; none where entries are counted by decade only.
        bins: Finite entries under the first edge, in each bin and over the last, exact zeros left out.
        decades: Finite entries by the decade of their magnitude, under its power of ten; empty decades are left out.
        zero: Exact zeros.
        subnormal: Entries other than zero that are nearer to it than the smallest normal number.
        nan: Entries that are not a number.
        inf: Infinite entries of both signs.
        size: How many entries there are, NaN included.
        least: The least finite entry, inf where there is none.
        greatest: The greatest finite entry, -inf where there is none.
    """

    edges: tuple[float, ...]
    bins: Counts
    decades: Mapping[int, int]
    zero: int
    subnormal: int
    nan: int
    inf: int
    size: int
    least: float
    greatest: float


_NO_BINS: Counts = np.zeros(0, dtype=np.int64)


def count_entries(x: Array, edges: tuple[float, ...] = ()) -> EntryCounts:
    """Count the entries of `x`, of any shape, in the equal bins between `edges` (if given) and by decade."""
    return thresholds(edges, x.dtype.name).tally(x if x.ndim == 2 else x.reshape(-1, 1))


def merge_counts(parts: Sequence[EntryCounts]) -> EntryCounts:
    """Return the counts of all parts together; they have the same edges."""
    if len(parts) == 1:
        return parts[0]
    decades: dict[int, int] = {}
    for part in parts:
        for power, count in part.decades.items():
            decades[power] = decades.get(power, 0) + count
    return EntryCounts(
        edges=parts[0].edges,
        bins=np.sum([part.bins for part in parts], axis=0),
        decades=decades,
        zero=sum(part.zero for part in parts),
        subnormal=sum(part.subnormal for part in parts),
        nan=sum(part.nan for part in parts),
        inf=sum(part.inf for part in parts),
        size=sum(part.size for part in parts),
        least=min(part.least for part in parts),
        greatest=max(part.greatest for part in parts),
    )


def _bin_of_zero(edges: tuple[float, ...]) -> int:
    """Return which of the counts under, between and over the edges holds 0."""
    return bisect_right(edges, 0) - (edges[-1] == 0)
