"""Counts by decade against comparisons of whole numbers."""

from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest
from hard_arrays import RNG, cut_arrays, each_array
from hypothesis import given, settings

from actdiag.measure.counting import count_entries, merge_counts
from actdiag.measure.histograms import magnitude_histogram


def magnitudes(x, *cuts):
    with np.errstate(all="ignore"):
        parts = [count_entries(part) for part in np.split(x, cuts)]
    return magnitude_histogram(merge_counts(parts))


def total(histogram):
    return sum(histogram.counts) + sum(getattr(histogram, name) for name in ("below", "above", "zero", "nan", "inf"))


def decade(value):
    """Return floor(log10 |value|) by comparing whole numbers."""
    size, power = abs(Fraction(float(value))), int(np.floor(np.log10(abs(float(value)))))
    while Fraction(10) ** power > size:
        power -= 1
    while Fraction(10) ** (power + 1) <= size:
        power += 1
    return power


def check_decades(x, *cuts):
    found = magnitudes(x, *cuts)
    powers = [decade(value) for value in x[np.isfinite(x) & (x != 0)]]
    assert total(found) == x.size
    assert (found.below, found.above) == (0, 0)
    assert found.edges == tuple(float(found.edges[0] + step) for step in range(len(found.counts) + 1))
    if powers:
        assert (found.edges[0], found.edges[-1]) == (min(powers), max(powers) + 1)
        assert list(found.counts) == [powers.count(power) for power in range(min(powers), max(powers) + 1)]
    else:
        assert found.counts == (0,)


POWERS = {"f4": range(-45, 39), "f8": range(-323, 309)}


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_powers_of_ten_fall_in_their_decade(dtype, sign):
    powers = np.array([f"1e{power}" for power in POWERS[dtype]]).astype(dtype)
    with np.errstate(all="ignore"):
        beside = [np.nextafter(powers, end) for end in np.array([0, inf], dtype)]
    for x in (powers, *beside):
        check_decades(sign * x[x != 0])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_ends_of_the_dtype_have_a_decade(dtype):
    info = np.finfo(dtype)
    ends = [info.smallest_subnormal, 2 * info.smallest_subnormal, 3 * info.smallest_subnormal, info.tiny, info.max]
    check_decades(np.array([*ends, -info.max, -info.tiny / 2, 0, -0.0, nan, inf, -inf], dtype))
    check_decades(RNG.standard_normal(1000).astype(dtype), 100)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_nothing_but_zeros_and_nonfinite_leaves_the_decades_empty(dtype):
    found = magnitudes(np.array([0, -0.0, nan, inf], dtype))
    assert (found.edges, found.counts) == ((0.0, 1.0), (0,))
    assert (found.zero, found.nan, found.inf) == (2, 1, 1)


@each_array
def test_arrays_of_any_magnitude_fall_in_their_decades(x):
    check_decades(x)


@settings(deadline=None, database=None, max_examples=300)
@given(cut_arrays())
def test_any_array_falls_in_its_decades(cut):
    x, cuts = cut
    check_decades(x, *cuts)
