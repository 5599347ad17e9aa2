"""Activations with kinks by the thousand: as exact as others, and of no more memory."""

import tracemalloc
from dataclasses import replace
from math import exp, pi

import numpy as np
import pytest
from pair_moments import pair_moment

from actdiag.activations import resolve
from actdiag.theory import parallel, quadrature
from actdiag.theory.gaussian import moments, moments_over
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.regions import zero_intervals
from actdiag.theory.tables import _shares, tables

LARGEST = 100 * 2**20
"""Bytes."""


def exact(k, q):
    """Return the moments of |sin(k u)|, u ~ N(0, q), by its Fourier series, `mixed` left out."""
    n = np.arange(1, 20_000)
    mean = 2 / pi - 4 / pi * np.sum(np.exp(-2 * n**2 * k**2 * q) / (4 * n**2 - 1))
    two, four = exp(-2 * k**2 * q), exp(-8 * k**2 * q)
    fourths = [(3 - sign * 4 * two + four) / 8 for sign in (1, -1)]
    return [mean, (1 - two) / 2, fourths[0], k**2 * (1 + two) / 2, k**4 * fourths[1]]


@pytest.mark.parametrize("q", [0.03, 1.0, 9.0, 300.0])
@pytest.mark.parametrize("k", [1, 5, 15])
def test_moments_are_those_of_the_fourier_series(k, q):
    found = moments(resolve(f"abs(sin({k}*x))"), q)
    np.testing.assert_allclose(found[:5], exact(k, q), rtol=2e-12)


def test_second_moments_at_once_give_what_each_gives():
    q = tuple(np.geomspace(0.2, 40, 14).tolist())
    assert quadrature.apart(resolve("abs(sin(5*x))"), q)
    assert not quadrature.apart(resolve("hardtanh"), q)
    found = moments_over(resolve("abs(sin(5*x))"), *q)
    np.testing.assert_allclose(found[:, :5], [exact(5, one) for one in q], rtol=2e-12)


def test_panels_are_as_many_as_the_kinks_and_an_even_grid():
    act = resolve("abs(sin(15*x))")
    for q in (1.0, 100.0, 1e4, 1e6):
        within = np.count_nonzero(np.abs(act.kinks) < quadrature.REACH * q**0.5)
        edges = quadrature._panels(act, (q,))
        assert within < len(edges) < within + 2 * quadrature._MOST_PANELS


def test_what_theory_holds_at_once_is_bounded():
    act, many = resolve("abs(sin(15*x))"), np.linspace(1, 1.2, 400)
    tracemalloc.start()
    _shares(act, 1e4)
    moments_over(act, 1e4, 2e4)
    pair_cosines(tables(act), many, many[::-1].copy(), np.full(400, 0.99999))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < LARGEST


def test_parallel_inputs_are_integrated_between_the_kinks_in_reach():
    act, q1, q2 = resolve("abs(sin(2*x))"), np.linspace(0.5, 4, 30), np.linspace(3, 0.4, 30)
    found = pair_cosines(tables(act), q1, q2, np.ones(30))
    for at in range(0, 30, 7):
        one, other = q1[at], q2[at]
        norms = moments(act, one).second * moments(act, other).second
        right = pair_moment(act, one, 1.0, other_q=other) / norms**0.5
        assert found[at] == pytest.approx(right, rel=1e-9)


def test_the_parts_that_pairs_are_computed_in_change_nothing(monkeypatch):
    act, q1, q2 = resolve("abs(sin(2*x))"), np.linspace(0.5, 4, 30), np.linspace(3, 0.4, 30)
    found = parallel._at_angle_zero(tables(act), q1, q2)
    monkeypatch.setattr(parallel, "_MOST_AT_ONCE", 1)
    np.testing.assert_array_equal(parallel._at_angle_zero(tables(act), q1, q2), found)


def test_kinks_in_reach_are_counted_before_they_are_integrated_between():
    q = np.array([1.0, 1e4])
    assert parallel._few_kinks(resolve("abs(sin(5*x))").kinks, q, q).tolist() == [True, False]
    assert parallel._few_kinks(resolve("relu").kinks, q, q).tolist() == [True, True]
    assert parallel._few_kinks((), q, q).tolist() == [False, False]


def test_intervals_of_zeros_are_narrowed_down_together():
    act, calls = resolve("maximum(sin(5*x), 0)"), []

    def counted(x):
        calls.append(x.size)
        return act.value(x)

    found = np.array(zero_intervals(replace(act, name="counted", value=counted), "float64"))
    within = found[(found > -900).all(axis=1) & (found < 900).all(axis=1)]
    ends = within * 5 / pi
    assert len(within) == 1432
    np.testing.assert_allclose(ends, np.rint(ends), atol=1e-9)
    assert (np.rint(ends)[:, 0] % 2 == 1).all()
    assert (np.diff(np.rint(ends), axis=1) == 1).all()
    assert len(calls) < 250
