"""Histograms of a layer, from the counts of its blocks, and the axis that all layers share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

import numpy as np

from actdiag.arrays import Array
from actdiag.formats import FORMATS
from actdiag.measure.counting import EntryCounts

PERCENTILE = 99.9
"""The percentile of |a| at layer 1 that ends the axis of unbounded activations."""

_STEP, _MOST_STEPS = 0.8, 8
"""The percentile is looked for from the greatest down, by this factor, so many times."""


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


def linear_histogram(counts: EntryCounts) -> Histogram:
    """Return the histogram over the edges that entries were counted between."""
    below, *inside, above = counts.bins.tolist()
    return Histogram(counts.edges, tuple(inside), below, above, counts.zero, counts.nan, counts.inf)


def magnitude_histogram(counts: EntryCounts) -> Histogram:
    """Return the histogram of log10 |x|, one bin a decade, from the lowest decade that has an entry to the highest."""
    first, last = (min(counts.decades), max(counts.decades)) if counts.decades else (0, 0)
    inside = tuple(counts.decades.get(power, 0) for power in range(first, last + 1))
    return Histogram(_powers(first, last + 1), inside, 0, 0, counts.zero, counts.nan, counts.inf)


@lru_cache(maxsize=256)
def _powers(first: int, last: int) -> tuple[float, ...]:
    """Return the edges from one power of ten to another; deep stacks hold one tuple for all layers."""
    return tuple(float(power) for power in range(first, last + 1))


def bounded_axis(bounds: tuple[float, float], bins: int, dtype: str) -> tuple[float, ...] | None:
    """Return the edges between the bounds of an activation's range, or None where one is infinite."""
    low, high = bounds
    if not (isfinite(low) and isfinite(high)):
        return None
    # Rounding to the stack's dtype may carry a value that sits on its bound across it.
    kind = np.dtype(dtype).type
    return spaced(min(low, float(kind(low))), max(high, float(kind(high))), bins)


def axis_edges(parts: Sequence[Array], bounds: tuple[float, float], bins: int) -> tuple[float, ...]:
    """Return the edges that all layers share: the activation's bounds where both are finite, else the data's reach.

    Args:
        parts: The activations of layer 1, block by block.
        bounds: The closed hull of the activation's range.
        bins: How many bins.
    """
    edges = bounded_axis(bounds, bins, parts[0].dtype.name)
    if edges is not None:
        return edges
    reach = _percentile_of_magnitudes(parts, PERCENTILE)
    reach = reach if reach >= FORMATS["float64"].normal * 1e3 else 1.0
    return spaced(0.0 if bounds[0] >= 0 else -reach, reach, bins)


def _percentile_of_magnitudes(parts: Sequence[Array], percent: float) -> float:
    """Return the linear percentile of |x| over the finite entries of all parts, 0 where there are none."""
    magnitudes = [np.abs(part).reshape(-1) for part in parts]
    if not all(isfinite(part.max(initial=0)) for part in magnitudes):
        magnitudes = [part[np.isfinite(part)] for part in magnitudes]
    count = sum(part.size for part in magnitudes)
    if not count:
        return 0.0
    position = percent / 100 * (count - 1)
    wanted = count - int(position)  # no more of the largest magnitudes are needed
    limit = max(float(part.max(initial=0)) for part in magnitudes)
    for _ in range(_MOST_STEPS):
        limit *= _STEP
        if sum(np.count_nonzero(part >= limit) for part in magnitudes) >= wanted:
            break
    else:
        limit = 0.0
    largest = np.sort(np.concatenate([part[part >= limit] for part in magnitudes]))
    below, above = (float(largest[min(rank - wanted, -1)]) for rank in (0, 1))
    return below + (above - below) * (position - int(position))


def spaced(low: float, high: float, bins: int) -> tuple[float, ...]:
    """Return the edges of `bins` equal bins from `low` to `high`."""
    share = np.arange(bins + 1) / bins
    return tuple(float(edge) for edge in low * (1 - share) + high * share)  # high - low might overflow
