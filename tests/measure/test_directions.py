"""Directions, squares of rows and cosines against sums over single rows and pairs."""

from math import inf, nan

import numpy as np
import pytest
from hard_arrays import ARRAYS, RNG, cut_arrays, of
from hypothesis import given, settings

from actdiag.measure.directions import Directions, directions, mean_cosine, squares_of
from actdiag.measure.moments import block_moments


def pairwise_cosine(x):
    """Return the mean cosine over ordered pairs of different usable rows, pair by pair; None under two rows."""
    rows = [row.astype(np.longdouble) for row in x if np.isfinite(row).all() and row.any()]
    rows = [row / np.abs(row).max() for row in rows]
    rows = [row / np.sqrt((row * row).sum()) for row in rows]
    pairs = [a @ b for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
    return float(np.mean(pairs)) if pairs else None


def cosine(x, *cuts):
    with np.errstate(all="ignore"):
        return mean_cosine([directions(part) for part in np.split(x, cuts)])


COSINES = {
    **ARRAYS,
    "parallel": np.outer([1e-30, 1, 1e30], [1, 2, 3]).astype("f4"),
    "opposite": of("f4", [1, 2], [-1, -2]),
    "orthogonal": np.eye(4, dtype="f4"),
    "400 decades apart": of("f8", [1e200, 2e200], [-1e-200, 3e-200], [5e-324, 0]),
    "sums overflow": of("f8", [1.7e308, 1.7e308], [1.7e308, -1.7e308], [-1.7e308, -1.7e308]),
    "rows lost": of("f4", [1, 0], [0, 0], [nan, 1], [inf, 1], [1, 1], [inf, -inf]),
    "one row left": of("f4", [1, 0], [0, 0], [nan, 1]),
}


@pytest.mark.parametrize("cuts", [(), (1,), (1, 2)])
@pytest.mark.parametrize("x", COSINES.values(), ids=COSINES)
def test_cosine_is_the_mean_over_pairs(x, cuts):
    expected = pairwise_cosine(x)
    assert cosine(x, *cuts) == (expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-12))


@settings(deadline=None, database=None, max_examples=200)
@given(cut_arrays())
def test_cosine_of_any_array(cut):
    x, cuts = cut
    expected = pairwise_cosine(x)
    assert cosine(x, *cuts) == (expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-12))


def test_cosine_stays_within_one():
    assert cosine(np.full((1000, 3), 0.1, "f4")) == pytest.approx(1, abs=1e-12)
    assert cosine(np.full((1000, 3), 0.1, "f4")) <= 1


def long(dtype, exponents):
    """Several pieces of rows, some of them of zeros, with NaN or inf, or of any magnitude."""
    x = RNG.standard_normal((700, 200)) + 0.1
    x[300:400] = np.ldexp(x[300:400], RNG.integers(*exponents, (100, 1)))
    x[5], x[6, 3], x[350], x[351, 1], x[690:, 7] = 0, nan, 0, -inf, nan
    return x.astype(dtype)


LONG = {"long32": long("f4", (-120, 120)), "long64": long("f8", (-1000, 1000))}


def plain_directions(x):
    """Return the sum of the unit vectors of the rows that have one, row by row, and their number."""
    rows = [row.astype(np.float64) for row in x if np.isfinite(row).all() and row.any()]
    rows = [row / np.abs(row).max() for row in rows]
    return sum(row / np.sqrt((row * row).sum()) for row in rows), len(rows)


@pytest.mark.parametrize("x", [*LONG.values(), ARRAYS["mixed64"], ARRAYS["holes64"], COSINES["400 decades apart"]])
def test_directions_are_those_of_the_rows(x):
    total, count = plain_directions(x)
    with np.errstate(all="ignore"):
        found, alongside = directions(x), Directions(np.zeros(x.shape[1]))
        block_moments(x, also=alongside.add)
    for each in (found, alongside):
        assert each.count == count
        np.testing.assert_allclose(each.total, total, rtol=1e-9, atol=1e-12)


def test_directions_of_nothing_usable():
    with np.errstate(all="ignore"):
        found = directions(of("f8", [0, 0], [nan, 1], [inf, 0]))
    assert (found.total.tolist(), found.count) == ([0, 0], 0)


def row_squares(x):
    """Return each row's sum of squares as long doubles have it, in float64: inf or 0 beyond that; NaN and inf stay."""
    rows = [row.astype(np.longdouble) for row in x]
    return np.array([row @ row for row in rows]).astype(np.float64)


@pytest.mark.parametrize("x", [*LONG.values(), *ARRAYS.values(), *COSINES.values()])
@pytest.mark.parametrize("cuts", [(), (1,), (1, 1)])
def test_squares_are_those_of_the_rows_in_their_order(x, cuts):
    """Of all rows, those without a direction too: NaN, inf, zeros, and what under- or overflows in float64."""
    with np.errstate(all="ignore"):
        found = squares_of([directions(part) for part in np.split(x, cuts)])
        expected = row_squares(x)
    assert found.shape == (len(x),)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-320)


def test_squares_are_seen_alongside_the_moments():
    x = LONG["long32"]
    with np.errstate(all="ignore"):
        alongside = Directions(np.zeros(x.shape[1]))
        block_moments(x, also=alongside.add)
        np.testing.assert_array_equal(squares_of([alongside]), squares_of([directions(x)]))
    assert len(alongside.parts) > 2


def test_squares_at_the_ends_of_float64():
    x = of("f8", [1e-170, 0], [1e170, 0], [3, 4], [0, 0], [nan, 1], [-inf, 1])
    with np.errstate(all="ignore"):
        found = squares_of([directions(x)])
    np.testing.assert_array_equal(found, [0, inf, 25, 0, nan, inf])
