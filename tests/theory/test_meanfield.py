"""Fixed points, phases and depth scales against published and twice computed numbers."""

from math import inf, isnan, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_moments import pair_moment
from scipy.optimize import brentq

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.theory.critical import half_stable_point
from actdiag.theory.gaussian import moments
from actdiag.theory.meanfield import FixedPoint, correlation_fixed_point, depth_scale, fixed_point
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.tables import tables

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]


def point_of(name, weight, bias, start=1.0):
    return fixed_point(resolve(name), weight, bias, start)


# tanh, sigma_b^2 = .05: q*, chi1, chiq, c*, xi_q, xi_c
MAPS = [
    (1.3, 0.3153164775, 0.8801635099, 0.5711234846, 1.0, 1.785237, 7.834069),
    (2.5, 1.0639583774, 1.1335156987, 0.4284638509, 0.4468042323, 1.179873, 11.795598),
    (4.0, 2.1954939280, 1.3424024144, 0.3181950994, 0.1650649620, 0.873293, 6.980274),
]


@pytest.mark.parametrize("start", [1e-6, 0.5, 40.0])
@pytest.mark.parametrize(("weight", "q", "chi1", "chiq", "c", "xi_q", "xi_c"), MAPS)
def test_maps_of_tanh(weight, q, chi1, chiq, c, xi_q, xi_c, start):
    point = point_of("tanh", weight, 0.05, start)
    assert point.q == pytest.approx(q, abs=1e-10)
    assert point.chi1 == pytest.approx(chi1, abs=1e-10)
    assert point.chiq == pytest.approx(chiq, abs=1e-10)
    assert point.repeller is None
    assert point.stable == "stable"
    assert point.phase == ("ordered" if chi1 < 1 else "chaotic")
    found, factor = correlation_fixed_point(resolve("tanh"), weight, 0.05, point)
    assert found == pytest.approx(c, abs=1e-8)
    assert depth_scale(point.chiq) == pytest.approx(xi_q, abs=1e-6)
    assert depth_scale(factor) == pytest.approx(xi_c, abs=1e-5)


def test_the_slope_at_the_correlation_is_that_of_the_quadrature():
    act, weight = resolve("tanh"), 2.5
    point = fixed_point(act, weight, 0.05, 1.0)
    c, factor = correlation_fixed_point(act, weight, 0.05, point)
    assert factor == pytest.approx(weight * pair_moment(act, point.q, c, slopes=True), rel=1e-8)
    assert (weight * pair_moment(act, point.q, c) + 0.05) / point.q == pytest.approx(c, abs=1e-10)


def test_selu_reproduces_unit_variance():
    for start in (0.05, 1.0, 30.0):
        point = point_of("selu", 1.0, 0.0, start)
        assert point.q == pytest.approx(1, abs=1e-10)
        assert point.chi1 == pytest.approx(1.0715749925, abs=1e-10)
        assert point.chiq == pytest.approx(0.782648, abs=1e-6)
        assert (point.stable, point.phase) == ("stable", "chaotic")
        c, factor = correlation_fixed_point(resolve("selu"), 1.0, 0.0, point)
        assert c == pytest.approx(0, abs=1e-9)
        assert 0 < factor < 1


def test_sigmoid_is_critical_far_out():
    """sigma_b = 0: chi1 = 1 at q = E f^2 / E f'^2, sigma_w^2 = 1 / E f'^2."""
    sigmoid = resolve("sigmoid")
    q = brentq(lambda q: q * moments(sigmoid, q).slope - moments(sigmoid, q).second, 1, 1000, xtol=1e-12)
    weight = 1 / moments(sigmoid, q).slope
    assert q == pytest.approx(45.62, abs=0.005)
    assert sqrt(weight) == pytest.approx(10.15, abs=0.005)
    point = point_of("sigmoid", weight, 0.0)
    assert point.q == pytest.approx(q, rel=1e-10)
    assert point.phase == "critical"
    assert correlation_fixed_point(sigmoid, weight, 0.0, point)[0] == 1
    assert point_of("sigmoid", weight * 0.97, 0.0).phase == "ordered"
    assert point_of("sigmoid", weight * 1.03, 0.0).phase == "chaotic"


# sigma_b, q*, sigma_w, chiq: chi1 = 1 there
CRITICAL = [
    ("tanh", 0.2, 0.5120785042, 1.3041458401, 0.542564),
    ("erf", 0.2, 0.4657629358, 1.1527954135, 0.517725),
    ("elu", 0.2, 1.1069305403, 1.2292511241, 0.859777),
    ("selu", 0.2, 0.7170491095, 0.9374755821, 0.742918),
    ("tanh", 1.0, 3.0363963946, 1.8555891011, 0.186371),
    ("erf", 1.0, 2.7448909303, 1.6487514526, 0.154088),
    ("gelu", 1.0, 82.3127791664, 1.4059445268, 0.988577),
    ("elu", 1.0, 21.7775499223, 1.3579771772, 0.926718),
    ("selu", 1.0, 8.3990892261, 1.1479172006, 0.763049),
    ("tanh", sqrt(0.05), 0.5700478816, sqrt(1.7609546396), None),
]


@pytest.mark.parametrize(("name", "bias_std", "q", "weight_std", "chiq"), CRITICAL)
def test_critical_points(name, bias_std, q, weight_std, chiq):
    point = point_of(name, weight_std**2, bias_std**2, 1.0)
    # ten digits of sigma_w are as many of q over 1 - chiq
    assert point.q == pytest.approx(q, rel=1e-9 / (1 - point.chiq))
    assert point.chi1 == pytest.approx(1, abs=1e-9)
    assert point.phase == "critical"
    assert point.stable == "stable"
    if chiq is not None:
        assert point.chiq == pytest.approx(chiq, abs=1e-6)


def test_gelu_at_a_critical_point_is_unstable():
    weight, bias, q = 1.5470094704**2, 0.04, 0.5756371166
    below, above = (point_of("gelu", weight, bias, factor * q) for factor in (0.99, 1.01))
    assert above.q == inf
    assert above.repeller == pytest.approx(q, rel=1e-7)
    assert below.q < q
    assert below.stable == "stable"


def test_gelus_half_stable_point():
    """Roberts, Yaida & Hanin 2022, arXiv:2106.10165: the map touches q = (3 + sqrt 17)/2, and chi1 = chiq = 1 there."""
    weight, bias, q = 1.9830582574, 0.1729223908, (3 + sqrt(17)) / 2
    point = point_of("gelu", weight, bias, q)
    known = moments(resolve("gelu"), q)
    assert weight * known.second + bias == pytest.approx(q, abs=1e-9)
    assert weight * known.slope == pytest.approx(1, abs=1e-10)
    assert weight * known.mixed / q == pytest.approx(1, abs=1e-10)
    # it comes from above, and what the rounded digits let through ends a little below
    assert 3 < point.q <= q + 1e-9
    assert point_of("gelu", weight, bias + 0.01, 4.0).q > q
    assert point_of("gelu", weight, bias - 0.01, 4.0).q < q


def test_gelus_variance_preserving_gain_holds_nothing():
    """q = 1 is a fixed point there, and unstable: layer 1 starts beside it."""
    gelu = resolve("gelu")
    weight = 1 / moments(gelu, 1.0).second
    assert sqrt(weight) == pytest.approx(1.5335304412, abs=1e-10)
    below, at, above = (fixed_point(gelu, weight, 0.0, start) for start in (0.9, 1.0, weight))
    assert below.q == 0
    assert above.q == inf
    assert below.repeller == pytest.approx(1, abs=1e-9)
    assert above.repeller == pytest.approx(1, abs=1e-9)
    assert below.chi1 == below.chiq == pytest.approx(weight / 4, rel=1e-12)  # linear at zero, with slope 1/2
    assert (below.stable, below.phase) == ("stable", "ordered")
    assert isnan(above.chiq)
    assert above.phase is None
    assert at.q == 1
    assert at.chiq == pytest.approx(1.144063, abs=1e-6)
    assert at.stable == "unstable"


@pytest.mark.parametrize(
    ("name", "critical"),
    [("tanh", 1), ("erf", sqrt(pi) / 2), ("sin", 1), ("arctan", 1), ("softsign", 1), ("hardtanh", 1)],
)
def test_odd_activations_without_biases(name, critical):
    """Below the critical weights, and at them, the signal vanishes; above it settles."""
    vanishing = point_of(name, (0.95 * critical) ** 2, 0.0)
    assert vanishing.q == 0
    assert vanishing.chi1 == vanishing.chiq == pytest.approx(0.95**2, rel=1e-12)
    assert (vanishing.stable, vanishing.phase) == ("stable", "ordered")
    assert correlation_fixed_point(resolve(name), 1.0, 0.0, vanishing) == (1.0, vanishing.chi1)
    settled = point_of(name, (1.2 * critical) ** 2, 0.0)
    assert 0 < settled.q < inf
    assert (settled.stable, settled.phase) == ("stable", "chaotic")
    if name != "hardtanh":  # its map is q itself to rounding while q is small
        at = point_of(name, critical**2, 0.0)
        assert (at.q, at.stable, at.phase) == (0, "marginal", "critical")


def test_relu_keeps_every_second_moment_or_none():
    every = point_of("relu", 2.0, 0.0)
    assert every == FixedPoint(None, 1.0, 1.0)
    assert (every.stable, every.phase) == ("marginal", "critical")
    assert point_of("relu", sqrt(2) ** 2, 0.0).q is None
    vanishing = point_of("relu", 1.9, 0.0)
    assert vanishing.q == 0
    assert vanishing.chi1 == vanishing.chiq == pytest.approx(0.95, rel=1e-14)
    assert point_of("relu", 1.9, 0.1).q == pytest.approx(0.1 / 0.05, rel=1e-12)
    for weight, bias in ((2.1, 0.0), (2.1, 0.1), (2.0, 0.1)):
        diverging = point_of("relu", weight, bias)
        assert diverging.q == inf
        assert diverging.phase is None
    assert point_of("leaky_relu:0.2", 2 / 1.04, 0.0).q is None
    assert point_of("identity", 1.0, 0.0).q is None


def test_softplus_and_the_exponential_may_settle_or_diverge():
    assert point_of("softplus", 1.0, 0.0).phase == "ordered"
    assert point_of("softplus", 2.0, 0.0).q == inf
    low, high = point_of("exponential", 0.1, 0.0, 1.0), point_of("exponential", 0.1, 0.0, 3.0)
    assert low.q == pytest.approx(0.1 * np.exp(2 * low.q), rel=1e-10)
    assert high.q == inf
    assert low.repeller == pytest.approx(high.repeller, rel=1e-9)
    assert high.repeller == pytest.approx(0.1 * np.exp(2 * high.repeller), rel=1e-9)


def test_iteration_goes_where_the_fixed_point_is():
    rng = np.random.default_rng(2)
    for name in ("tanh", "sigmoid", "softplus", "gelu", "hardtanh", "relu6"):
        act = resolve(name)
        weight, bias, q = *rng.uniform(0.3, 1.8, 2), 2.0
        point = fixed_point(act, weight, bias, q)
        for _ in range(400):
            q = weight * moments(act, q).second + bias if q < 1e6 else inf
        assert q == pytest.approx(point.q, rel=1e-9)


@settings(deadline=None, database=None, max_examples=80)
@given(
    st.sampled_from(ELEMENTWISE),
    st.floats(-3, 1.477),
    st.just(0.0) | st.floats(0, 3),
    st.sampled_from([0.01, 1.0, 50.0]),
)
def test_any_stack(name, exponent, bias_std, start):
    act, weight, bias = resolve(name), 10.0 ** (2 * exponent), bias_std**2
    point = fixed_point(act, weight, bias, start)
    assert point.phase in ("ordered", "critical", "chaotic", None)
    assert not isnan(point.chi1)
    assert not isnan(point.chiq) or point.q == inf
    assert (point.phase is None) == (point.q == inf)
    if point.q is None or point.q == inf:
        return
    if point.q:
        assert weight * moments(act, point.q).second + bias == pytest.approx(point.q, rel=1e-10)
    c, factor = correlation_fixed_point(act, weight, bias, point)
    assert -1 <= c <= 1
    assert not isnan(factor)
    if point.q and c < 1:
        q = np.array([point.q])
        share = weight * moments(act, point.q).second / point.q
        assert share * pair_cosines(tables(act), q, q, np.array([c]))[0] + bias / point.q == pytest.approx(c, abs=1e-10)
    if point.repeller:
        there = weight * moments(act, point.repeller).second + bias
        assert there == pytest.approx(point.repeller, rel=1e-9)


def test_depth_scales():
    assert depth_scale(1 / np.e) == pytest.approx(1, rel=1e-14)
    assert depth_scale(0.0) == 0
    for factor in (1.0, 1 - 1e-12, 1.5, -0.5, inf, float("nan")):
        assert depth_scale(factor) is None


@pytest.mark.parametrize("chi1", [0.9, 0.99949, 0.9995, 0.99994, 1.0, 1.00001, 1.0049, 1.0051, 1.01])
def test_the_phase_is_critical_where_chi1_is_shown_as_1(chi1):
    point = FixedPoint(1.0, chi1, 0.5)
    assert (point.phase == "critical") == (f"{chi1:.3g}" == "1")
    assert point.phase in {"critical", "ordered" if chi1 < 1 else "chaotic"}


@pytest.mark.parametrize("start", [2.1, 2.163, 2.164, 2.2, 2.3, 2.5, 3.0])
def test_the_fixed_point_is_the_nearest_whatever_the_start(start):
    """Under its half-stable weights and biases gelu has another fixed point below, which a growing signal reaches."""
    half_stable = half_stable_point(resolve("gelu"))
    gain, bias_std = half_stable.sigma_w, half_stable.sigma_b
    point = point_of("gelu", gain**2, bias_std**2, start)
    assert point.q == pytest.approx(3.0349814355, abs=1e-8)
    assert point.chi1 < 0.995
    assert point.stable == "stable"
