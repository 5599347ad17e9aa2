"""Activations with kinks by the thousand: as exact as others, and of no more memory."""

import tracemalloc
from dataclasses import replace
from math import exp, gamma, pi

import numpy as np
import pytest

from actdiag import gain, propagate
from actdiag.activations import resolve
from actdiag.theory import gaussian, often_bent, parallel, quadrature
from actdiag.theory import tables as tables_module
from actdiag.theory.gaussian import moments, moments_over
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.regions import chance_slope, chance_within, inside, zero_intervals
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
    assert quadrature.bends_often(resolve("abs(sin(5*x))"), q)
    assert not quadrature.bends_often(resolve("hardtanh"), q)
    found = moments_over(resolve("abs(sin(5*x))"), *q)
    np.testing.assert_allclose(found[:, :5], [exact(5, one) for one in q], rtol=2e-12)


@pytest.mark.parametrize("q", [1e-3, 0.7, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("name", ["tanh", "gelu", "hardtanh", "selu", "softplus", "sin", "hardshrink"])
def test_sums_for_a_bin_give_what_panels_give(name, q):
    """Activations that do not bend often have both."""
    act = resolve(name)
    found, expected = gaussian._often_bent(act, q), np.array(moments(act, q))
    scale = np.abs(expected)
    scale[[0, 5]] = expected[1] ** 0.5, max(expected[1], scale[5])
    assert np.all(np.abs(found - expected) <= 1e-13 * scale + 1e-300)
    if expected[1]:
        np.testing.assert_allclose(tables_module._often_bent(act, q), _shares(act, q)[0], atol=1e-12)


def test_second_moments_of_a_bin_are_summed_up_once():
    calls, act = [], resolve("abs(sin(15*x))")

    def counted(x):
        calls.append(x.size)
        return act.value(x)

    own = replace(act, name="counted", value=counted)
    for q in (101.0, 110.0, 120.0):
        assert moments(own, q).second == pytest.approx(0.5, rel=1e-12)
        calls, first = [], calls
        assert sum(first) > 10_000 if q == 101.0 else sum(first) < 1000


@pytest.mark.parametrize("text", ["abs(sin(15*x))", "sin(200*x)", "x + sin(60*x)/60", "tanh(100*sin(x))"])
def test_work_is_counted_and_bounded(text):
    """Each point is computed at most once to check a panel, at its ends, and once to sum it up."""
    act = resolve(text)
    for q in 10.0 ** np.arange(-2, 9):
        calls = []

        def counted(x, calls=calls):
            calls.append(x.size)
            return act.value(x)

        own = replace(act, name=f"counted {q}", value=counted)
        if quadrature.bends_often(own, (q,)):
            calls.clear()
            often_bent.weighed(own, q)
        assert sum(calls) * (act.operations + often_bent._OF_SUMS) < 4 * often_bent._MOST_WORK


@pytest.mark.parametrize("text", ["abs(sin(15*x))", "sin(1000*x)"])
def test_what_bends_too_often_is_not_known(text):
    act = resolve(text)
    assert np.isnan(moments(act, 1e8)).all()
    assert np.isnan(tables(act).second(1e8))
    assert not tables(act).knows(np.array([1.0, 1e8]))
    assert tables(act).knows(np.array([1e-3, 1.0]))


@pytest.mark.parametrize("text", ["abs(x)**0.5", "cbrt(x + 0.001)", "abs(x)**0.6"])
def test_slopes_whose_square_has_no_integral_are_not_known(text):
    """E f'^2 of abs(x)**0.6 exists, but a tenth of it is within 1e-5 of zero."""
    assert np.isnan(moments(resolve(text), 1.0)).all()


def test_slopes_that_are_infinite_at_a_point_are_integrated():
    """E f'^2 = d^2 E |z|^(2d - 2), d = 3/4."""
    found = moments(resolve("abs(x)**0.75"), 1.0)
    assert found.slope == pytest.approx(0.75**2 * gamma(0.25) / (2**0.25 * pi**0.5), rel=1e-6)


def test_what_theory_holds_at_once_is_bounded():
    act, many = resolve("abs(sin(15*x))"), np.linspace(1, 1.2, 400)
    tracemalloc.start()
    _shares(act, 1e4)
    moments_over(act, 1e4, 2e4)
    pair_cosines(tables(act), many, many[::-1].copy(), np.full(400, 0.99999))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < LARGEST


def test_runs_are_left_out_with_the_reason():
    for act, init in (("abs(sin(15*x))", "std=1000"), ("sin(1000*x)", "std=10")):
        found = propagate(act, init, depth=3, width=20, batch=30)
        assert not found.theory.applies
        assert found.theory.note == often_bent.REASON
        assert found.layer_theory == ()


def test_a_limit_beyond_what_is_known_is_said_to_be_unknown():
    """Layers are predicted as far as the activation is known, and the fixed point is not."""
    found = propagate("x*(1 + sin(20*x)**2)", "std=0.2", depth=3, width=100, batch=30)
    assert found.theory.applies
    assert (found.theory.q, found.theory.phase) == (None, None)
    assert found.theory.note == f"where the signal settles is not known: {often_bent.REASON}"
    assert found.layer_theory[0].predicted.rms is not None


def test_gains_say_what_is_not_known():
    found = gain("sin(1e5*x)", bias_std=1.0)
    assert (found.forward_gain, found.backward_gain, found.critical) == (None, None, None)
    assert (found.gain_reason, found.reason) == (often_bent.REASON, often_bent.REASON)
    assert found.recommended.reason == (
        f"none is good: which weights preserve signal and gradient is not known, for {often_bent.REASON}. "
        "Use an activation that bends less often"
    )


# Inputs that differ in length alone


def cosine_of(act, q1, q2):
    """Return the cosine at angle 0 from ten Gauss-Legendre nodes between kinks, and in every 1e-3 of z."""
    x, legendre = np.polynomial.legendre.leggauss(10)
    edges = np.unique(np.concatenate([np.linspace(-9, 9, 18_001), *(np.array(act.kinks) / q**0.5 for q in (q1, q2))]))
    half = np.diff(edges)[:, np.newaxis] / 2
    z = edges[:-1, np.newaxis] + half * (1 + x)
    one, other = act.value(q1**0.5 * z), act.value(q2**0.5 * z)
    weights = half * legendre * np.exp(-(z**2) / 2)
    return np.sum(weights * one * other) / np.sqrt(np.sum(weights * one**2) * np.sum(weights * other**2))


LENGTHS = [(5.0, 5.1), (5.0, 6.0), (50.0, 50.1), (50.0, 55.0), (500.0, 550.0), (1e4, 1.01e4)]


@pytest.mark.parametrize(
    "text", ["abs(sin(2*x))", "abs(sin(15*x))", "sin(5*x)", "x + sin(20*x)/20", "tanh(1000*x)", "tanh", "hardtanh"]
)
def test_cosines_of_inputs_that_differ_in_length_are_right_or_not_known(text):
    """The sum over 128 orders may be .8 off: what is left out of both counts only where both have it alike."""
    act = resolve(text)
    q1, q2 = np.array(LENGTHS).T
    found = pair_cosines(tables(act), q1, q2, np.ones(len(q1)))
    known = ~np.isnan(found)
    expected = np.array([cosine_of(act, *lengths) for lengths in LENGTHS])
    np.testing.assert_allclose(found[known], expected[known], rtol=0, atol=1e-4)
    assert known[:1].all() or text in ("abs(sin(15*x))", "x + sin(20*x)/20")
    assert known.all() or "sin" in text


def test_nearly_parallel_inputs_of_different_length():
    """E sin(u1) sin(u2) = exp(-(q1 + q2)/2) sinh(sqrt(q1 q2) c)."""
    q1, q2 = np.full(40, 100.0), np.full(40, 104.0)
    c = 1 - np.geomspace(1e-6, 0.1, 40)
    apart = (q1**0.5 - q2**0.5) ** 2 / 2
    expected = np.exp(-apart - (q1 * q2) ** 0.5 * (1 - c))
    found = pair_cosines(tables(resolve("sin")), q1, q2, c)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


def test_the_parts_that_pairs_are_computed_in_change_nothing(monkeypatch):
    act, q1, q2 = resolve("abs(sin(2*x))"), np.linspace(0.5, 4, 30), np.linspace(3, 0.4, 30)
    found = parallel.at_angle_zero(tables(act), q1, q2)
    monkeypatch.setattr(parallel, "_MOST_AT_ONCE", 1)
    np.testing.assert_array_equal(parallel.at_angle_zero(tables(act), q1, q2), found)


def test_kinks_in_reach_are_counted_before_they_are_integrated_between():
    q = np.array([1.0, 1e4])
    assert parallel._few_kinks(resolve("abs(sin(5*x))"), q).tolist() == [True, False]
    assert parallel._few_kinks(resolve("relu"), q).tolist() == [True, True]
    assert parallel._few_kinks(resolve("tanh"), q).tolist() == [True, True]


def test_a_layer_with_a_pair_that_is_not_known_is_not_compared_by_its_cosine():
    """The sum over orders expected .64 where .81 was measured."""
    found = propagate("abs(sin(15*x))", "std=1", bias_std=100, depth=4, width=40, batch=60)
    assert found.theory.applies
    assert not found.theory.disagrees
    assert [said.flagged for said in found.layer_theory] == [()] * 4


# Intervals of zeros by the thousand


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


def test_chances_of_many_intervals_are_those_of_each():
    act, q = resolve("maximum(sin(5*x), 0)"), np.array([[0.0, 0.02, 0.5], [3.0, 40.0, 1e4]])
    intervals = zero_intervals(act, "float64")
    found = chance_within(intervals, q)
    one_by_one = sum(chance_within([interval], q) for interval in intervals)
    np.testing.assert_allclose(found.ravel()[1:], one_by_one.ravel()[1:], rtol=0, atol=1e-8)
    assert found[0, 0] == 1  # f(0) = 0
    h = 1e-4
    rise = (chance_within(intervals, q[1] * np.exp(h)) - chance_within(intervals, q[1] * np.exp(-h))) / (2 * h)
    np.testing.assert_allclose(chance_slope(intervals, q[1]), rise, rtol=0, atol=1e-5)


def test_points_within_intervals():
    intervals = ((-np.inf, -1.0), (0.0, 0.5), (2.0, 3.0))
    u = np.array([[-5.0, -1.0, -0.5], [0.0, 0.5, 0.7], [2.0, 3.0, 9.0]])
    assert inside(u, intervals).tolist() == [[1, 1, 0], [1, 1, 0], [1, 1, 0]]
