"""Counts of a block's finite entries by the decade of their magnitude, and where decades end in a number format."""

from bisect import bisect_right
from functools import lru_cache
from itertools import pairwise
from math import inf, nextafter
from typing import Any, NamedTuple

import numpy as np

from actdiag.arrays import Array
from actdiag.engine.blocks import scratch
from actdiag.formats import FORMATS
from actdiag.measure.bins import round_up

_MOST_PASSES, _FEW = 12, 2**-7
"""Decades that are counted in a pass each, at most; the part of the entries that is sorted instead."""


def count_decades(x: Array, low: float, high: float) -> tuple[dict[int, int], int, int]:
    """Return the entries in each decade of |x|, the exact zeros and the subnormal entries.

    Few entries lie more than a few decades under the greatest: those above are counted by comparison, a decade at a
    time, and the few are sorted.

    Args:
        x: Finite numbers, shape (rows, columns).
        low: The least of them.
        high: The greatest.
    """
    limits, as_floats, lowest, normal = _decades_of(x.dtype)
    magnitudes = x if low >= 0 else np.abs(x, out=scratch("magnitudes", x.shape, x.dtype))
    flags, others = scratch("flags", x.shape, "bool"), scratch("other flags", x.shape, "bool")
    nonzero = x.size
    if low <= 0 <= high:
        nonzero = int(np.count_nonzero(np.not_equal(x, 0, out=others)))
    decades: dict[int, int] = {}
    counted, at = 0, bisect_right(as_floats, max(high, -low)) - 1
    while nonzero - counted > _FEW * x.size and len(decades) < _MOST_PASSES:
        found = int(np.count_nonzero(np.greater_equal(magnitudes, limits[at], out=flags)))
        decades[lowest + at], counted, at = found - counted, found, at - 1
    if counted < nonzero:
        np.less(magnitudes, limits[at + 1], out=flags)
        if nonzero < x.size:
            flags &= others
        few = magnitudes[flags]
        few.sort()
        first = bisect_right(as_floats, float(few[0])) - 1
        under = few.searchsorted(limits[first : at + 2]).tolist()
        for power, (one, other) in enumerate(pairwise(under), lowest + first):
            if other > one:
                decades[power] = other - one
    subnormal = 0
    if decades and limits[min(decades) - lowest] < normal:
        subnormal = int(np.count_nonzero(np.less(magnitudes, normal, out=flags))) - (x.size - nonzero)
    return {power: count for power, count in decades.items() if count}, x.size - nonzero, subnormal


@lru_cache(maxsize=4)
def decade_limits(dtype: str) -> Array:
    """Return where the decades of a number format begin, as the least of its numbers in each, and infinity."""
    powers = [_power_of_ten(power) for power in FORMATS[dtype].decades]
    finite = round_up(np.array(powers), np.dtype(dtype))
    return np.concatenate([finite, np.array([np.inf], dtype=dtype)])


class _Decades(NamedTuple):
    """What `decade_limits` returns, also as floats; the power of the first decade; the smallest normal number."""

    limits: Array
    as_floats: list[float]
    lowest: int
    normal: np.floating[Any]


@lru_cache(maxsize=4)
def _decades_of(dtype: np.dtype[Any]) -> _Decades:
    limits, known = decade_limits(dtype.name), FORMATS[dtype.name]
    return _Decades(limits, limits.tolist(), known.decades.start, dtype.type(known.normal))


def _power_of_ten(power: int) -> float:
    """Return the least float64 that is at least 10**power, exactly."""
    nearest = float(f"1e{power}")
    numerator, denominator = nearest.as_integer_ratio()
    short = numerator * 10 ** max(-power, 0) < denominator * 10 ** max(power, 0)
    return nextafter(nearest, inf) if short else nearest
