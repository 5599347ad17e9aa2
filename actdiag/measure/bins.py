"""Entries counted in equal bins by arithmetic, in a tenth of the time of sorting, where that is known to be exact."""

from functools import lru_cache
from math import floor, inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from actdiag.arrays import Array, Counts, Doubles
from actdiag.engine.blocks import scratch

_MOST_BINS = 253
"""Their numbers, and two more for the entries on either side, fit a byte."""

_WIDEST_TABLE = 128
"""Entries over the last bin are told apart up to this cell, from which on they are first brought together."""

_FEWEST_PAIRS = 2**14
"""Entries from which on it pays to count them two at a time."""

_WHOLE = 1e-9
"""A shift nearer to a whole number than this is rounding."""


_MOST_NUMBER = 2.0**31
"""Whole numbers beyond this leave too few digits for the place within a bin."""


class EqualBins(NamedTuple):
    """Equal bins as a monotonic map to whole numbers: x lies in bin floor(x * scale + shift) - first.

    A map that is monotonic puts every x in its bin if it does so with each edge and with the number before it.

    Attributes:
        edges: The least numbers of the dtype that are at least each edge, shape (bins + 1,).
        scale: The bins in one unit of x.
        shift: What makes the edges whole numbers, in [0, 1). Where x = 0 is an edge it is 0, so that no addition takes
            a small x across that edge.
        first: The whole number of the first bin.
        last_edge: The last edge, where the dtype holds it: the last bin is closed.
    """

    edges: Array
    scale: float
    shift: float
    first: int
    last_edge: float | None

    def numbers(self, values: Doubles, low: float, high: float, out: Doubles) -> None:
        """Fill `out` with what becomes, cut to whole numbers, the bin of each value, 1 more where some lie below all.

        Args:
            values: What to place, shape (rows, columns).
            low: The least of them and of whatever is counted with them.
            high: The greatest.
            out: The answer, shaped like `values`, which it may be.
        """
        np.multiply(values, self.scale, out=out)
        below = bool(low < self.edges[0])
        base = self.first - below
        if self.shift:
            out += self.shift - base
        else:
            if low < 0:
                np.floor(out, out=out)
            if base:
                out -= base
        if below and low * self.scale + self.shift < base:
            np.maximum(out, 0, out=out)
        if high * self.scale + self.shift - base >= _WIDEST_TABLE:
            np.minimum(out, len(self.edges) - 1 + below, out=out)

    def is_exact(self) -> bool:
        """Return whether each edge and the number before it come out in their bins, whatever else is counted."""
        if not np.isfinite(self.edges).all():
            return False
        before = np.nextafter(self.edges, self.edges.dtype.type(-np.inf))
        values = np.concatenate([self.edges, before[np.isfinite(before)]]).astype(np.float64)
        bins = np.searchsorted(self.edges, values, "right") - 1
        last = len(self.edges) - 1
        for low in (-np.inf, float(values.min()), min(float(self.edges[0]), 0.0), max(float(self.edges[0]), 0.0)):
            for high in (float(values.max()), np.inf):
                known = values >= low
                numbers = values[known]
                self.numbers(numbers, low, high, out=numbers)
                numbers = np.floor(numbers) - (low < self.edges[0])
                if not np.array_equal(np.clip(numbers, -1, last), bins[known]):
                    return False
        return True


class Filling:
    """The bins of a block while it is gone through piece by piece: `add` each piece, then take the `counts`."""

    def __init__(self, bins: EqualBins, x: Array, low: float, high: float) -> None:
        self._bins, self._x = bins, x
        self._low, self._high = low, high
        self._cells = scratch("cells", (x.size + 1,), "uint8")
        self._filled = 0

    def add(self, values: Doubles) -> None:
        """Place the next rows of the block, in float64, which are overwritten unless they are the block's own."""
        own = self._x.dtype == np.float64
        numbers = scratch("numbers", values.shape, "float64") if own else values
        self._bins.numbers(values, self._low, self._high, out=numbers)
        end = self._filled + values.size
        np.copyto(self._cells[self._filled : end].reshape(values.shape), numbers, casting="unsafe")
        self._filled = end

    def counts(self) -> Counts:
        """Return the entries under the first edge, in each bin, and over the last edge, shape (bins + 2,)."""
        edges, last_edge, size = self._bins.edges, self._bins.last_edge, self._x.size
        below = int(self._low < edges[0])
        inside = _count_bytes(self._cells, size)[: len(edges) - 1 + below]
        counts = np.zeros(len(edges) + 1, dtype=np.int64)
        counts[1 - below : 1 - below + len(inside)] = inside
        counts[-1] = size - inside.sum()
        if last_edge is not None and self._high >= last_edge:
            on_edge = np.count_nonzero(self._x == last_edge)
            counts[-2:] += on_edge, -on_edge
        return counts


@lru_cache(maxsize=16)
@np.errstate(all="ignore")
def equal_bins(edges: tuple[float, ...], dtype: str) -> EqualBins | None:
    """Return the bins between equally spaced `edges`, or None where arithmetic does not find them exactly.

    That is the rule in float64, whose numbers may lie nearer to an edge than the arithmetic is exact.
    """
    bins = len(edges) - 1
    if not 1 <= bins <= _MOST_BINS:
        return None
    limits = np.array(edges)
    rounded = round_up(limits, np.dtype(dtype))
    last_edge = edges[-1] if float(rounded[-1]) == edges[-1] else None
    width = edges[-1] / bins - edges[0] / bins  # the distance of the ends may overflow
    for ulps in (0, 1, -1, 2, -2, 4, -4):
        scale = 1 / width * (1 + ulps * 2.0**-52) if width else inf
        at = edges[0] * scale
        if not (isfinite(scale) and isfinite(at) and abs(at) < _MOST_NUMBER):
            return None
        shift = -at - floor(-at)
        shift = 0.0 if min(shift, 1 - shift) < _WHOLE else shift
        found = EqualBins(rounded, scale, shift, round(at + shift), last_edge)
        if found.is_exact():
            return found
    return None


def round_up(limits: Doubles, dtype: np.dtype[Any]) -> Array:
    """Return the least numbers of `dtype` that are at least `limits`: x >= limit exactly where x >= its rounding."""
    rounded: Array = limits.astype(dtype)
    return np.where(rounded < limits, np.nextafter(rounded, dtype.type(np.inf)), rounded)


def _count_bytes(cells: NDArray[np.uint8], size: int) -> Counts:
    """Return how often each number stands among the first `size` of `cells`, which has room for one more."""
    if size < _FEWEST_PAIRS:
        return np.bincount(cells[:size])
    # Every pair of bytes is one number of two, and half as many numbers are counted in half the time.
    cells[size] = 0
    pairs = np.bincount(cells[: size + size % 2].view(np.uint16))
    pairs = np.concatenate([pairs, np.zeros(-len(pairs) % 256, dtype=pairs.dtype)]).reshape(-1, 256)
    counts: Counts = pairs.sum(axis=0)
    counts[: len(pairs)] += pairs.sum(axis=1)
    counts[0] -= size % 2
    return counts
