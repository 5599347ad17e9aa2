"""Tables against the quadrature that they stand for."""

from math import inf, lgamma, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_moments import pair_moment
from scipy.special import eval_hermitenorm

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.theory.gaussian import moments
from actdiag.theory.homogeneous import homogeneous_sides
from actdiag.theory.quadrature import rule
from actdiag.theory.tables import ORDERS, Tables, hermite_polynomials, tables

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]
HOMOGENEOUS = {"identity", "relu", "leaky_relu", "keras_leaky_relu", "prelu", "rrelu"}
each_activation = pytest.mark.parametrize("name", ELEMENTWISE)
TOLERANCE = 1e-9

N = np.arange(ORDERS)
ROOT_FACTORIALS = np.exp([lgamma(n + 1) / 2 for n in N])


def random_seconds(name, count, low=1e-6):
    if name == "tanhshrink":  # at smaller q rounding is most of x - tanh(x)
        low = max(low, 1e-3)
    high = 5.0 if name == "exponential" else 1e4
    return np.exp(np.random.default_rng(20).uniform(np.log(low), np.log(high), count))


def orthonormal(z):
    return eval_hermitenorm(N[:, np.newaxis], z) / ROOT_FACTORIALS[:, np.newaxis]


def test_hermite_polynomials_are_scipys():
    z = np.linspace(-8, 8, 33)
    np.testing.assert_allclose(hermite_polynomials(z, ORDERS), orthonormal(z), rtol=1e-9, atol=1e-10)


def assert_near(curves, quadrature):
    """Each relative to itself, the mean to the rms and E f f' u, which may cancel, to the second moment."""
    found, expected = np.array(curves), np.array(quadrature).T
    scale = np.abs(expected)
    scale[0], scale[5] = np.sqrt(expected[1]), expected[1]
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    found, expected, scale = found[finite], expected[finite], np.where(np.isfinite(scale), scale, 0)[finite]
    near = np.abs(found - expected) <= TOLERANCE * scale + 1e-290
    assert np.all(near), (found[~near], expected[~near])


@pytest.mark.parametrize("off", [1.1, 0.0, inf, np.nan])
def test_what_is_off_is_not_near(off):
    quadrature = [moments(resolve("tanh"), q) for q in (0.5, 2.0)]
    assert_near(np.array(quadrature).T, quadrature)
    for moment in range(6):
        curves = np.array(quadrature).T
        curves[moment, 1] = curves[moment, 1] * off if off else inf
        if moment:  # the mean of tanh is 0
            with pytest.raises(AssertionError):
                assert_near(curves, quadrature)
            with pytest.raises(AssertionError):
                assert_near(quadrature_with_inf(quadrature, moment).T, quadrature)


def quadrature_with_inf(quadrature, moment):
    found = np.array(quadrature)
    found[0, moment] = inf
    return found


def dense_moments(act, q):
    """The six moments from 20 Gauss-Legendre nodes in every 1/32 of a standard normal, and between kinks.

    The derivative of E f^2 after ln q is E f^2 (z^2 - 1) / 2: the density's own derivative, which needs no slope.
    """
    x, legendre = np.polynomial.legendre.leggauss(20)
    edges = np.unique(np.concatenate([np.arange(-40 * 32, 40 * 32 + 1) / 32, np.array(act.kinks) / sqrt(q)]))
    half = np.diff(edges)[:, np.newaxis] / 2
    z = (edges[:-1, np.newaxis] + half * (1 + x)).ravel()
    weights = (half * legendre).ravel() * np.exp(-np.square(z) / 2) / sqrt(2 * pi)
    with np.errstate(all="ignore"):
        f, slope = act.value(sqrt(q) * z), act.derivative(sqrt(q) * z)
    return [np.sum(weights * part) for part in (f, f**2, f**4, slope**2, slope**4, f**2 * (z**2 - 1) / 2)]


# sparse_plus bends where no kink is listed.
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name != "sparse_plus"])
@pytest.mark.parametrize("between", [(0.05, 1.0), (1.0, np.e), (np.e, 10.0)])
def test_moments_are_those_of_a_dense_quadrature(name, between):
    act, q = resolve(name), np.random.default_rng(3).uniform(*between, 6)
    expected = [dense_moments(act, one) for one in q.tolist()]
    assert_near(tables(act).curves(q), expected)
    assert_near(np.array([moments(act, one) for one in q.tolist()]).T, expected)


@pytest.mark.parametrize("q", [1e-3, 0.3, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 10.0, 50.0])
def test_moments_of_exponential_are_exact(q):
    expected = [np.exp(power * q) for power in (0.5, 2, 8, 2, 8)] + [2 * q * np.exp(2 * q)]
    assert list(moments(resolve("exponential"), q)) == pytest.approx(expected, rel=1e-9)
    assert_near(tables(resolve("exponential")).curves(np.array([q])), [expected])


@pytest.mark.parametrize(("text", "finite_to"), [("exp(x*x)", (0.25, 0.125)), ("exp(x**2/4)", (1.0, 0.5))])
def test_moments_that_diverge_are_infinite(text, finite_to):
    """E exp(2 s u^2) is finite for q under 1/(4 s), and E exp(4 s u^2) under half of that."""
    act, scale = resolve(text), 0.25 / finite_to[0]
    for q in np.array([0.3, 0.8, 1.5, 5.0, 100.0]) * finite_to[0]:
        found = moments(act, q)
        for power, value in ((2, found.second), (4, found.fourth)):
            rest = 1 - 2 * power * scale * q
            assert value == (pytest.approx(rest**-0.5, rel=1e-9) if rest > 0 else inf), (q, power)


# The slope of sparse_plus bends where no kink is listed: the quadrature itself is off there at some q.
@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if name != "sparse_plus"])
def test_curves_are_those_of_the_quadrature(name):
    act, q = resolve(name), random_seconds(name, 10)
    known = tables(act)
    quadrature = [moments(act, one) for one in q.tolist()]
    assert_near(known.curves(q), quadrature)
    seconds = [moment.second for moment in quadrature]
    np.testing.assert_allclose([known.second(one) for one in q.tolist()], seconds, rtol=TOLERANCE, atol=1e-290)


@settings(deadline=None, database=None, max_examples=30)
@given(st.sampled_from(["tanh", "gelu", "selu", "hardtanh", "softshrink", "softplus"]), st.floats(-12, 12))
def test_curves_at_any_q(name, exponent):
    act, q = resolve(name), 10.0**exponent
    assert_near(tables(act).curves(np.array([q])), [moments(act, q)])
    assert tables(act).second(q) == pytest.approx(moments(act, q).second, rel=TOLERANCE, abs=1e-290)


@each_activation
def test_the_ends_of_panels_join(name):
    """ln q at a whole number belongs to two panels."""
    known = tables(resolve(name))
    edge = np.exp(-1.0)
    below, above = known.curves(np.array([np.nextafter(edge, 0) * (1 - 1e-13), edge * (1 + 1e-13)]))[1]
    assert below == pytest.approx(above, rel=1e-9)


@each_activation
def test_curves_of_nothing_and_of_too_much(name):
    act = resolve(name)
    q = np.array([0.0, 1e-305, 1.0, 1e-305])
    curves = tables(act).curves(q)
    assert not np.isnan(curves).any()
    assert [row[0] for row in curves] == pytest.approx(list(moments(act, 0.0)), rel=1e-14, abs=1e-300)
    assert curves.second[2] == pytest.approx(moments(act, 1.0).second, rel=TOLERANCE)
    assert curves.second[1] == curves.second[3] == pytest.approx(moments(act, 0.0).second, rel=1e-12, abs=1e-100)
    assert tables(act).second(0.0) == moments(act, 0.0).second
    assert tables(act).second(inf) == inf
    assert tables(act).second(1e305 if name != "sin" else 1e5) >= 0


def test_what_diverges_says_so():
    known = tables(resolve("exponential"))
    curves = known.curves(np.array([1.0, 400.0, 2.0]))
    assert curves.second[1] == known.second(400.0) == inf
    assert np.isfinite(curves.second[[0, 2]]).all()
    assert curves.second[[0, 2]] == pytest.approx(np.exp([2.0, 4.0]), rel=TOLERANCE)


@each_activation
def test_what_scale_leaves_alone(name):
    act = resolve(name)
    sides = homogeneous_sides(act)
    assert (sides is not None) == (name in HOMOGENEOUS)
    assert tables(act).sides == sides
    if sides is not None:
        assert sides == tuple(act.derivative(np.array([-1.0, 1.0])))
        for q in (1e-300, 1e-6, 7.0, 1e12):
            assert tables(act).second(q) == pytest.approx((sides[0] ** 2 + sides[1] ** 2) / 2 * q, rel=1e-14)


POWERS = ["x**3", "x**2", "relu_squared", "x + x**3", "abs(x)**1.5 + x", "x*maximum(x, -x/2)", "x**2 - 5", "tanh"]


@pytest.mark.parametrize("q", [1e-31, 1e-29, 1e30, 1e40])
@pytest.mark.parametrize("text", POWERS)
def test_powers_of_the_pre_activation_scale(text, q):
    known, expected = tables(resolve(text)), moments(resolve(text), q)
    assert_near(known.curves(np.array([q])), [expected])
    assert known.second(q) == pytest.approx(expected.second, rel=TOLERANCE)


def test_what_grows_beyond_all_numbers_is_infinite():
    known = tables(resolve("x**3"))
    assert known.second(1e200) == inf
    curves = known.curves(np.array([1e200, 1.0]))
    assert curves.second[0] == curves.fourth[0] == inf
    assert not np.isnan(curves.mean).any()
    assert curves.second[1] == pytest.approx(15, rel=1e-9)


def test_few_panels_reach_from_nothing_to_everything():
    known = Tables(resolve("x + x**3"))
    for exponent in range(-290, 290, 5):
        known.second(10.0**exponent)
    assert len(known._moments._panels) < 260


# Hermite shares


def shares(act, q):
    z, weights = rule(act, q)
    f = act.value(sqrt(q) * z)
    return orthonormal(z) @ (f * weights) / sqrt(np.square(f) @ weights)


@each_activation
def test_shares_are_those_of_the_quadrature(name):
    """As the map of cosines sees them: the sum of squares times c^n, at c = .85.

    A kink far out makes high orders swing with q faster than a panel follows, and sin has its shares beyond all orders
    at a large q; what they carry of the map is less than that.
    """
    act = resolve(name)
    low, high = {"sin": (0.02, 10.0), "threshold": (0.2, 1e4)}.get(name, (0.02, 1e4))
    q = np.clip(random_seconds(name, 3, low), low, high)
    for one, found in zip(q.tolist(), tables(act).hermite(q), strict=True):
        off = np.abs(np.square(found) - np.square(shares(act, one)))
        assert off @ 0.85**N < TOLERANCE, one


@pytest.mark.parametrize(
    "name", [name for name in ELEMENTWISE if not resolve(name).kinks and name not in {"sin", "sparse_plus"}]
)
def test_shares_of_smooth_activations_are_exact_each(name):
    act, q = resolve(name), random_seconds(name, 4)
    for one, found in zip(q.tolist(), tables(act).hermite(q), strict=True):
        np.testing.assert_allclose(found, shares(act, one), atol=1e-10)


@each_activation
def test_shares_add_up_to_the_whole(name):
    """Parseval: all orders together have E f^2; the first is E f, and q E f'^2 counts the order of each."""
    act, q = resolve(name), np.array([0.05, 0.5, 2.0])
    known = tables(act)
    found, curves = known.hermite(q), known.curves(q)
    assert found.shape == (3, ORDERS)
    total = np.square(found).sum(axis=1)
    assert np.all(total <= 1 + 1e-9)
    # 128 orders leave out what a jump, then a kink, has beyond: like n^(-1/2) and n^(-3/2)
    assert np.all(total > (0.85 if name in {"hardshrink", "threshold"} else 0.999)), total
    np.testing.assert_allclose(found[:, 0], curves.mean / np.sqrt(curves.second), atol=1e-10)
    if name in {"tanh", "gelu", "silu", "sigmoid", "softplus"}:
        np.testing.assert_allclose(np.square(found) @ N, q * curves.slope / curves.second, rtol=1e-5)


def test_shares_are_mehlers():
    act, q, c = resolve("gelu"), 1.7, 0.6
    found = tables(act).hermite(np.array([q]))[0]
    expected = pair_moment(act, q, c) / moments(act, q).second
    assert np.square(found) @ c**N == pytest.approx(expected, rel=1e-12)


def test_shares_at_zero():
    found = tables(resolve("sigmoid")).hermite(np.zeros(2))
    assert found[:, 0].tolist() == [1, 1]
    assert not found[:, 1:].any()
    assert not tables(resolve("tanh")).hermite(np.zeros(1)).any()


def test_a_panel_is_built_once(monkeypatch):
    calls = []
    from actdiag.theory import tables as module

    def counted(act, *q):
        calls.append(q)
        return original(act, *q)

    original = module.moments_over
    monkeypatch.setattr(module, "moments_over", counted)
    known = Tables(resolve("mish"))
    for _ in range(3):
        known.curves(np.array([1.1, 2.0, 2.6]))
        known.second(1.5)
        known.hermite(np.array([1.3]))
    assert len(calls) == 1
