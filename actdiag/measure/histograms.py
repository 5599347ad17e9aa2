"""Histograms whose counts are exact: a sorted block is counted by binary search, with no rounding of bin indices."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from typing import Any, NamedTuple

import numpy as np

from actdiag.arrays import Array, Counts, Doubles
from actdiag.engine.blocks import in_order
from actdiag.formats import FORMATS

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


_NEGATIVE_NORMAL, _UP_TO_ZERO, _NEGATIVE, _UNDER_NORMAL, _NUMBER = -5, -4, -3, -2, -1
"""Where the last rungs of a ladder stand: what they are above."""


class Ladder(NamedTuple):
    """The numbers that entries are compared with.

    Attributes:
        edges: The bins' edges; none where entries are counted by decade only.
        rungs: Numbers of the entries' dtype: the edges; the limits of the decades above 0; those below 0, each the next
            number up; then the next after -tiny, the next after 0, 0, tiny (the smallest normal number) and NaN.
    """

    edges: tuple[float, ...]
    rungs: Array

    def tally(self, ordered: Array) -> "EntryCounts":
        """Count the entries of `ordered`, which ascend with NaN at their end, shape (entries,)."""
        under = ordered.searchsorted(self.rungs)
        ends = float(ordered[0]), float(ordered[-1])
        if not (isfinite(ends[0]) and isfinite(ends[1])):
            finite = ordered[np.isfinite(ordered)]
            ends = (float(finite[0]), float(finite[-1])) if finite.size else (inf, -inf)
        return EntryCounts(self, under, ordered.size, *ends)


@lru_cache(maxsize=16)
@np.errstate(over="ignore")  # an edge may lie beyond the dtype
def ladder(edges: tuple[float, ...], dtype: str) -> Ladder:
    """Return the ladder of the bins between `edges`, if any, and of the decades of `dtype`."""
    kind = np.dtype(dtype).type
    bins = _rounded_up(np.array(edges, dtype=np.float64), np.dtype(dtype))
    if edges and float(bins[-1]) <= edges[-1]:
        bins[-1] = np.nextafter(bins[-1], kind(np.inf))  # the last bin is closed, and holds its edge
    decades, tiny = _decade_limits(dtype), FORMATS[dtype].normal
    upwards = [*-decades, -tiny, 0.0]  # what is at or under these
    others = np.array([0.0, tiny, np.nan], dtype=dtype)
    at_or_under = np.nextafter(np.array(upwards, dtype=dtype), kind(np.inf))
    return Ladder(edges, np.concatenate([bins, decades, at_or_under, others]))


class EntryCounts(NamedTuple):
    """What some entries add to the histograms of their layer: how many lie under each rung of a ladder.

    Attributes:
        ladder: The ladder.
        under: How many entries are smaller than each of its rungs, shape (rungs,).
        size: How many entries there are, NaN included.
        least: The least finite entry, inf where there is none.
        greatest: The greatest finite entry, -inf where there is none.
    """

    ladder: Ladder
    under: Counts
    size: int
    least: float
    greatest: float

    @property
    def _decades(self) -> tuple[Counts, Counts]:
        """How many are under the lower limit of each decade above 0 and inf, and at or under those below 0 and -inf."""
        first = len(self.ladder.edges)
        limits = (len(self.under) - first - 5) // 2
        return self.under[first : first + limits], self.under[first + limits : first + 2 * limits]

    @property
    def nan(self) -> int:
        """Entries that are not a number."""
        return self.size - int(self.under[_NUMBER])

    @property
    def inf(self) -> int:
        """Infinite entries of both signs."""
        above, below = self._decades
        return int(self.under[_NUMBER] - above[-1] + below[-1])

    @property
    def zero(self) -> int:
        """Exact zeros."""
        return int(self.under[_UP_TO_ZERO] - self.under[_NEGATIVE])

    @property
    def subnormal(self) -> int:
        """Entries other than zero that are nearer to it than the smallest normal number."""
        return int(self.under[_UNDER_NORMAL] - self.under[_NEGATIVE_NORMAL]) - self.zero

    def bins(self) -> Counts:
        """Return the finite counts under the first edge, in each bin and over the last, exact zeros left out."""
        edges = self.ladder.edges
        above, below = self._decades
        under = np.concatenate([below[-1:], self.under[: len(edges)], above[-1:]])
        counts: Counts = under[1:] - under[:-1]
        holds_zero = bisect_right(edges, 0) - (edges[-1] == 0)
        counts[holds_zero] -= self.zero
        return counts

    def decades(self) -> Counts:
        """Return the finite counts in each decade of |x| that the dtype can hold, from its lowest one up."""
        above, below = self._decades
        within = above - below
        counts: Counts = within[1:] - within[:-1]
        return counts


def count_entries(x: Array, edges: tuple[float, ...] = ()) -> EntryCounts:
    """Count the entries of `x`, of any shape, in the bins between `edges` (if given) and by decade."""
    return ladder(edges, x.dtype.name).tally(in_order(x))


def merge_counts(parts: Sequence[EntryCounts]) -> EntryCounts:
    """Return the counts of all parts together; they come from one ladder."""
    under: Counts = np.sum([part.under for part in parts], axis=0)
    least, greatest = min(part.least for part in parts), max(part.greatest for part in parts)
    return EntryCounts(parts[0].ladder, under, sum(part.size for part in parts), least, greatest)


def _rounded_up(limits: Doubles, dtype: np.dtype[Any]) -> Array:
    """Return the least numbers of `dtype` that are at least `limits`: x >= limit exactly where x >= its rounding."""
    rounded: Array = limits.astype(dtype)
    return np.where(rounded < limits, np.nextafter(rounded, dtype.type(np.inf)), rounded)


@lru_cache(maxsize=4)
def _decade_limits(dtype: str) -> Array:
    powers = [_power_of_ten(power) for power in FORMATS[dtype].decades]
    finite = _rounded_up(np.array(powers), np.dtype(dtype))
    return np.concatenate([finite, np.array([np.inf], dtype=dtype)])


def _power_of_ten(power: int) -> float:
    """Return the least float64 that is at least 10**power, exactly."""
    nearest = float(f"1e{power}")
    numerator, denominator = nearest.as_integer_ratio()
    short = numerator * 10 ** max(-power, 0) < denominator * 10 ** max(power, 0)
    return math.nextafter(nearest, math.inf) if short else nearest


def linear_histogram(counts: EntryCounts) -> Histogram:
    """Return the histogram over the edges that entries were counted between."""
    below, *inside, above = counts.bins().tolist()
    return Histogram(counts.ladder.edges, tuple(inside), below, above, counts.zero, counts.nan, counts.inf)


def magnitude_histogram(counts: EntryCounts) -> Histogram:
    """Return the histogram of log10 |x|, one bin a decade, from the lowest decade that has an entry to the highest."""
    decades = counts.decades()
    lowest = FORMATS[counts.ladder.rungs.dtype.name].decades.start
    occupied = np.flatnonzero(decades)
    first, last = (int(occupied[0]), int(occupied[-1])) if len(occupied) else (-lowest, -lowest)
    edges = tuple(float(power + lowest) for power in range(first, last + 2))
    inside = tuple(decades[first : last + 1].tolist())
    return Histogram(edges, inside, 0, 0, counts.zero, counts.nan, counts.inf)


def axis_edges(ordered: Sequence[Array], bounds: tuple[float, float], bins: int) -> tuple[float, ...]:
    """Return the edges that all layers share: the activation's bounds where both are finite, else the data's reach.

    Args:
        ordered: The activations of layer 1 in parts, each ascending with NaN at its end.
        bounds: The closed hull of the activation's range.
        bins: How many bins.
    """
    low, high = bounds
    if np.isfinite(low) and np.isfinite(high):
        # Rounding to the stack's dtype may carry a value that sits on its bound across it.
        dtype = ordered[0].dtype.type
        return spaced(min(low, float(dtype(low))), max(high, float(dtype(high))), bins)
    reach = _percentile_of_magnitudes(ordered, PERCENTILE)
    reach = reach if reach >= FORMATS["float64"].normal * 1e3 else 1.0
    return spaced(0.0 if low >= 0 else -reach, reach, bins)


def _percentile_of_magnitudes(ordered: Sequence[Array], percent: float) -> float:
    """Return the linear percentile of |x| over the finite entries of all parts, 0 where there are none."""
    infinity = ordered[0].dtype.type(np.inf)  # in the entries' dtype, else numpy converts them all to look for it
    finite = [part[part.searchsorted(-infinity, "right") : part.searchsorted(infinity)] for part in ordered]
    count = sum(len(part) for part in finite)
    if not count:
        return 0.0
    position = percent / 100 * (count - 1)
    largest = count - int(position)  # no more of the largest magnitudes are needed, and they stand at a part's ends
    ends = [np.abs(end) for part in finite for end in (part[:largest], part[max(len(part) - largest, largest) :])]
    magnitudes = np.sort(np.concatenate(ends))
    below, above = (float(magnitudes[min(rank - largest, -1)]) for rank in (0, 1))
    return below + (above - below) * (position - int(position))


def spaced(low: float, high: float, bins: int) -> tuple[float, ...]:
    """Return the edges of `bins` equal bins from `low` to `high`."""
    share = np.arange(bins + 1) / bins
    return tuple(float(edge) for edge in low * (1 - share) + high * share)  # high - low might overflow
