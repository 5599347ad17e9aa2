"""Norms against exact rational arithmetic, on arrays that break naive float sums."""

from fractions import Fraction

import numpy as np
import pytest
from hard_arrays import cut_arrays, each_array, exact, near, normal, root
from hypothesis import example, given, settings

from actdiag.measure.squares import column_and_square_sums, column_sums, merge_squares, square_sum


def exact_norm(x):
    return root(sum((Fraction(float(v)) ** 2 for v in x.ravel()), Fraction(0)))


def squared(x, *cuts):
    with np.errstate(all="ignore"):
        return merge_squares([square_sum(np.atleast_2d(part)) for part in np.split(x, cuts)])


def check_squares(x, *cuts):
    squares = squared(x, *cuts)
    with np.errstate(over="ignore"):
        norm, rms = squares.norm, squares.rms
    assert squares.nonfinite == np.count_nonzero(~np.isfinite(x))
    assert rms == near(exact(x)[2], 0.0)
    assert norm == (None if squares.nonfinite else near(exact_norm(x), 0.0))


@each_array
def test_square_sum_is_exact(x):
    check_squares(x)
    check_squares(x, *range(3, len(x), 3))


@settings(deadline=None, database=None, max_examples=200)
@example((np.array([[0.0], [1e-200]]), [1]))
@given(cut_arrays())
def test_square_sum_of_any_array(cut):
    check_squares(cut[0], *cut[1])


def test_square_sum_of_nothing():
    assert square_sum(np.zeros((0, 3))).rms is None


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("shape", [(1, 3), (40, 5), (700, 200)])
def test_columns_are_summed_beside_the_squares(shape, dtype):
    x = normal(dtype, 1, offset=0.3, shape=shape)
    expected = [float(sum(map(Fraction, column))) for column in x.T.astype(float).tolist()]
    columns, squares = column_and_square_sums(x)
    assert columns.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert columns.tolist() == column_sums(x).tolist()
    assert squares == square_sum(x)


@each_array
def test_squares_beside_the_columns_are_those_alone(x):
    with np.errstate(all="ignore"):
        assert column_and_square_sums(x)[1] == square_sum(x)
