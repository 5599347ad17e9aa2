"""Counts: every entry in the one bin that exact comparison puts it in."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actdiag.measure.counting import count_entries, merge_counts, thresholds
from actdiag.measure.histograms import linear_histogram, spaced

RNG = np.random.default_rng(0)


def histogram(x, edges, *cuts):
    with np.errstate(all="ignore"):
        parts = [count_entries(part, edges) for part in np.split(x, cuts)]
    return linear_histogram(merge_counts(parts))


def total(histogram):
    return sum(histogram.counts) + sum(getattr(histogram, name) for name in ("below", "above", "zero", "nan", "inf"))


def check(x, edges, *cuts):
    found = histogram(x, edges, *cuts)
    finite = x[np.isfinite(x) & (x != 0)].astype(np.float64)
    assert found.edges == edges
    assert list(found.counts) == np.histogram(finite, edges)[0].tolist()
    assert found.below == np.count_nonzero(finite < edges[0])
    assert found.above == np.count_nonzero(finite > edges[-1])
    assert (found.zero, found.nan) == (np.count_nonzero(x == 0), np.count_nonzero(np.isnan(x)))
    assert found.inf == np.count_nonzero(np.isinf(x))
    assert total(found) == x.size


EDGES = {
    "thirty": spaced(-3.0, 3.0, 30),
    "tenths": spaced(0.0, 1.0, 10),  # .1, .2, ... are in neither dtype
    "one bin": (-1.0, 1.0),
    "ends at zero": spaced(-1.0, 0.0, 4),
    "zero inside a bin": spaced(-1.0, 1.1, 5),
    "no zero": spaced(0.5, 2.0, 7),
    "under float32's spacing": spaced(1.0, 1.0 + 1e-8, 5),
    "under float32's smallest": spaced(-1e-50, 1e-50, 4),
    "beyond float32": spaced(-1e300, 1e300, 6),
    "subnormal": spaced(0.0, 1e-40, 6),
}


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
def test_bins_are_numpys(edges, dtype):
    with np.errstate(all="ignore"):
        on_edges = np.array(edges).astype(dtype)
        beside = [np.nextafter(on_edges, dtype_end) for dtype_end in np.array([-inf, inf], dtype)]
        scale = np.abs(edges).max() or 1.0
        spread = (RNG.uniform(-1.5, 1.5, 500) * scale).astype(dtype)
    x = np.concatenate([on_edges, *beside, spread, RNG.standard_normal(500).astype(dtype), np.zeros(5, dtype)])
    check(x, edges)
    check(RNG.permutation(x), edges, 3, 400)


def test_an_edge_opens_its_bin_and_the_last_bin_is_closed():
    assert histogram(np.array([1.0, 2.0, 3.0]), (1.0, 2.0, 3.0)).counts == (1, 2)
    tenths = spaced(0.0, 1.0, 10)
    # float32's .1 is above .1 and its .7 below .7, so that one opens its bin and the other closes the bin before.
    assert histogram(np.array([0.1], "f4"), tenths).counts.index(1) == 1
    assert histogram(np.array([0.7], "f4"), tenths).counts.index(1) == 6
    assert histogram(np.array([0.1], "f4"), spaced(0.0, 0.1, 2)).above == 1


def test_zeros_are_counted_apart_wherever_the_edges_are():
    x = np.array([0.0, -0.0, 0.25, -0.25])
    for edges in EDGES.values():
        assert histogram(x, edges).zero == 2
    assert histogram(x, (-1.0, 0.0)).counts == (1,)
    assert histogram(x, (0.0, 1.0)).counts == (1,)


finite = {"allow_nan": False, "allow_infinity": False}


@st.composite
def arrays_and_edges(draw):
    width = draw(st.sampled_from([32, 64]))
    size = draw(st.integers(1, 20))
    low, high = sorted(draw(st.lists(st.floats(-1e300, 1e300), min_size=2, max_size=2, unique=True)))
    edges = spaced(low, high, draw(st.integers(1, 9)))
    any_float = st.floats(width=width)
    with np.errstate(all="ignore"):
        at_edge = st.sampled_from([float(edge) for edge in np.array(edges).astype(f"f{width // 8}")])
    x = draw(hnp.arrays(f"f{width // 8}", size, elements=any_float | at_edge, fill=st.nothing()))
    return x, edges, sorted(draw(st.lists(st.integers(1, size), max_size=2)))


@settings(deadline=None, database=None, max_examples=300)
@given(arrays_and_edges())
def test_any_array_over_any_edges(case):
    x, edges, cuts = case
    cuts = [cut for cut in cuts if cut < len(x)]
    check(x, edges, *dict.fromkeys(cuts))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_subnormals_are_what_lies_between_zero_and_the_smallest_normal(dtype):
    tiny, smallest = np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal
    below = np.nextafter(tiny, np.zeros((), dtype))
    x = np.array([0, -0.0, smallest, -smallest, below, -below, tiny, -tiny, 1, nan, inf], dtype)
    assert count_entries(x).subnormal == 4


ENDS = {
    "finite": ([3, -2, 0, 1], -2, 3),
    "one": ([-0.25], -0.25, -0.25),
    "NaN": ([nan, 1, -4, nan], -4, 1),
    "inf": ([inf, 1, 2], 1, 2),
    "-inf": ([2, -inf, -1], -1, 2),
    "both infinities": ([inf, 5, -inf, 7, -inf], 5, 7),
    "all kinds": ([nan, inf, -3, nan, -inf, -8], -8, -3),
    "only zeros": ([0, -0.0], 0, 0),
    "only NaN": ([nan, nan], inf, -inf),
    "only infinities": ([inf, -inf], inf, -inf),
    "none finite": ([-inf, nan, inf], inf, -inf),
}


@pytest.mark.parametrize("edges", [(), (-1.0, 0.0, 1.0)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("entries", "least", "greatest"), ENDS.values(), ids=ENDS)
def test_the_least_and_greatest_are_finite(entries, least, greatest, dtype, edges):
    x = np.array(entries, dtype)
    counted = thresholds(edges, dtype).tally_ordered(np.sort(x))
    assert (counted.least, counted.greatest, counted.size) == (least, greatest, len(x))
    assert (count_entries(x, edges).least, count_entries(x, edges).greatest) == (least, greatest)
    merged = merge_counts([count_entries(x[:1], edges), count_entries(x[-1:], edges), counted])
    assert (merged.least, merged.greatest, merged.size) == (least, greatest, len(x) + 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_ends_of_the_dtype_are_its_least_and_greatest(dtype):
    largest = np.finfo(dtype).max
    counted = count_entries(np.array([largest, -largest, nan, inf], dtype))
    assert (counted.least, counted.greatest) == (-largest, largest)


def in_both_ways(x, edges):
    """The counts of an array by arithmetic or whatever else is fast, and by sorting."""
    return count_entries(x, edges), thresholds(edges, x.dtype.name).tally_ordered(np.sort(x, axis=None))


def check_both_ways(x, edges):
    fast, sorted_ = in_both_ways(x, edges)
    assert fast.bins.tolist() == sorted_.bins.tolist()
    assert fast._replace(bins=None) == sorted_._replace(bins=None)


SHARES = {  # what a layer may hold, of entries about 1
    "normal": lambda shape: RNG.standard_normal(shape),
    "relu": lambda shape: np.maximum(RNG.standard_normal(shape), 0),
    "positive": lambda shape: RNG.uniform(0.2, 0.9, shape),
    "over the axis": lambda shape: np.exp(3 * RNG.standard_normal(shape)),
    "far below": lambda shape: -np.exp(9 * RNG.standard_normal(shape)),
    "any magnitude": lambda shape: np.ldexp(RNG.standard_normal(shape), RNG.integers(-140, 120, shape)),
    "saturated": lambda shape: np.clip(3 * RNG.standard_normal(shape), -1, 1),
    "tiny": lambda shape: RNG.standard_normal(shape) * 1e-40,
    "zeros": lambda shape: np.zeros(shape),
}


@pytest.mark.parametrize("shape", [(3, 5), (130, 127), (131, 127), (700, 200)])
@pytest.mark.parametrize("kind", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize(
    "edges",
    [spaced(0.0, 1.0, 30), spaced(-1.0, 1.0, 30), spaced(-3.3, 3.3, 7), spaced(-1.0, 3.0, 12), spaced(0.0, 0.1, 253)],
    ids=str,
)
def test_arithmetic_counts_as_sorting_does(shape, kind, edges):
    x = kind(shape).astype("f4")
    assert thresholds(edges, "float32").equal is not None
    at_edges = np.array(edges, "f4")
    beside = np.concatenate([at_edges, np.nextafter(at_edges, -inf), np.nextafter(at_edges, inf)]).astype("f4")
    x.flat[: len(beside)] = beside[: x.size]
    check_both_ways(x, edges)
    check_both_ways(x.astype("f8"), edges)


@pytest.mark.parametrize("low", [-1.0, -0.5, -1e-44, 0.0])
def test_the_smallest_numbers_keep_to_their_side_of_zero(low):
    x = np.full((100, 300), low, "f4")
    x[:, :7] = np.array([1e-45, -1e-45, 1e-20, -1e-20, 0.0, -0.0, 1e-8]) * (
        1 if low else np.array([1, 0, 1, 0, 1, 1, 1])
    )
    check_both_ways(x, spaced(-1.0, 1.0, 30))
    check_both_ways(x, spaced(0.0, 1.0, 30))
    check_both_ways(x, spaced(-1.0, 3.0, 12))


@pytest.mark.parametrize("bins", [1, 2, 3, 10, 29, 30, 31, 100])
def test_the_axis_of_a_layer_of_float32_is_counted_by_arithmetic(bins):
    for _ in range(20):
        reach = float(np.exp(RNG.uniform(-60, 60)))
        for low in (0.0, -reach):
            assert thresholds(spaced(low, reach, bins), "float32").equal is not None


@settings(deadline=None, database=None, max_examples=200)
@given(arrays_and_edges())
def test_any_array_is_counted_as_sorting_does(case):
    x, edges, _ = case
    check_both_ways(x, edges)


@pytest.mark.parametrize("edges", EDGES.values(), ids=EDGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arithmetic_is_used_only_where_it_is_exact(edges, dtype):
    equal = thresholds(edges, dtype).equal
    if equal is not None:
        steps = [equal.edges]
        for _ in range(20):  # the numbers about each edge, one after the other
            steps = [
                np.nextafter(steps[0], np.array(-inf, dtype)),
                *steps,
                np.nextafter(steps[-1], np.array(inf, dtype)),
            ]
        x = np.concatenate(steps)[:, np.newaxis]
        check_both_ways(x[np.isfinite(x)], edges)
