"""Gaussian integrals against closed forms and adaptive integration."""

from math import inf, pi, sqrt

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad_vec

from actdiag.activations import ACTIVATIONS, Activation, resolve
from actdiag.theory.gaussian import Moments, moments, moments_over, value_jumps

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]
each_activation = pytest.mark.parametrize("name", ELEMENTWISE)
SECONDS = [1e-6, 1e-3, 1e-2, 0.1, 0.7, 1.0, 10.0, 100.0, 1e4]
EXACT = 1e-14


def of(name, q):
    return moments(resolve(name), q)


# Closed forms, with 40 digits


def erf_moments(q):
    return {"second": 2 / mp.pi * mp.asin(2 * q / (1 + 2 * q)), "slope": 4 / mp.pi / mp.sqrt(1 + 4 * q)}


def gelu_moments(q):
    return {"second": q / 4 + q / (2 * mp.pi) * (mp.asin(q / (1 + q)) + 2 * q / ((1 + q) * mp.sqrt(1 + 2 * q)))}


def hardtanh_moments(q):
    within = mp.erf(1 / mp.sqrt(2 * q))
    linear = q * (within - mp.sqrt(2 / (mp.pi * q)) * mp.exp(-1 / (2 * q)))
    return {"second": linear + 1 - within, "slope": within, "slope_fourth": within, "mixed": linear}


def elu_moments(q):
    one, two = (mp.exp(k * k * q / 2) * mp.ncdf(-k * mp.sqrt(q)) for k in (1, 2))
    return {
        "mean": mp.sqrt(q / (2 * mp.pi)) + one - mp.mpf(1) / 2,
        "second": q / 2 + two - 2 * one + mp.mpf(1) / 2,
        "slope": mp.mpf(1) / 2 + two,
    }


def relu_moments(q):
    half = mp.mpf(1) / 2
    return {
        "mean": mp.sqrt(q / (2 * mp.pi)),
        "second": q / 2,
        "fourth": 3 * q * q / 2,
        "slope": half,
        "slope_fourth": half,
        "mixed": q / 2,
    }


CLOSED = {
    "erf": erf_moments,
    "gelu": gelu_moments,
    "hardtanh": hardtanh_moments,
    "elu": elu_moments,
    "relu": relu_moments,
}


@pytest.mark.parametrize("q", np.geomspace(1e-6, 1e4, 21).tolist())
@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name, q):
    found = of(name, q)
    with mp.workdps(40):
        for field, expected in CLOSED[name](mp.mpf(q)).items():
            # the mean of elu at a small q is what two sides leave of sqrt(q)
            scale = sqrt(q) if field == "mean" else abs(expected)
            assert abs(getattr(found, field) - expected) <= EXACT * scale, field


# E f, E f^2, E f'^2 of sin: 0, (1 - e^(-2q))/2, (1 + e^(-2q))/2; of exp: e^(q/2), e^(2q), e^(2q)
@pytest.mark.parametrize("q", [1e-3, 0.5, 5.0, 100.0, 1e4])
def test_sin(q):
    found = of("sin", q)
    assert found.second == pytest.approx(-np.expm1(-2 * q) / 2, rel=1e-13)
    assert found.slope == pytest.approx((1 + np.exp(-2 * q)) / 2, rel=1e-13)
    assert found.mixed == pytest.approx(q * np.exp(-2 * q), abs=1e-15 * max(1, q))


@pytest.mark.parametrize("q", [1e-6, 0.5, 2.0, 5.0, 9.0, 10.0, 30.0, 55.0, 150.0])
def test_the_exponential_as_far_as_the_density_reaches(q):
    found = of("exponential", q)
    assert found.mean == pytest.approx(np.exp(q / 2), rel=1e-10)
    assert found.second == pytest.approx(np.exp(2 * q), rel=1e-10)
    assert found.slope == pytest.approx(np.exp(2 * q), rel=1e-10)
    assert found.mixed == pytest.approx(2 * q * np.exp(2 * q), rel=1e-10)
    assert found.fourth == found.slope_fourth == pytest.approx(np.exp(8 * q) if q < 60 else inf, rel=1e-10)


@pytest.mark.parametrize("q", [300.0, 1000.0, 1e4])
def test_the_exponential_says_that_it_diverges(q):
    found = of("exponential", q)
    assert not np.isfinite([found.second, found.slope]).all()
    assert found.second == found.slope == found.mixed == inf


# Gains at q = 1: E f, E f^2 ^ -1/2, E f'^2 ^ -1/2, chiq at the forward gain, K. Computed twice, by quadrature and by
# adaptive integration; closed forms where there are any.
GAINS = """
relu .3989422804 1.4142135624 1.4142135624 1 5
leaky_relu .3949528576 1.4141428570 1.4141428570 1 4.998800
tanh 0 1.5925374197 1.4674135916 .461071 .627291
sigmoid .5 1.8462285453 4.7226460859 .106341 .528900
erf 0 1.4671669505 1.3252183529 .408567 .559839
elu .1605205723 1.2451983007 1.2234285576 .890968 2.776022
selu 0 1.0000000000 .9660257770 .782648 1.503140
gelu .2820947918 1.5335304412 1.4811144127 1.144063 6.215614
gelu_tanh .2820385881 1.5335805217 1.4811680581 1.144298 6.217834
silu .2066209641 1.6765324703 1.6233202580 1.172594 6.261746
softplus .8060591833 1.0418668355 1.8462285453 .492053 1.754529
softsign 0 2.3375333631 2.0957806089 .476712 .587787
hardtanh 0 1.3920361404 1.2102870624 .385127 .613168
relu6 .3989422802 1.4142135651 1.4142135638 1.0000 5.0000
"""


@pytest.mark.parametrize("row", GAINS.strip().splitlines())
def test_gains_at_one(row):
    name, *numbers = row.split()
    mean, forward, backward, chiq, kurtosis = map(float, numbers)
    found = of(name, 1.0)
    assert found.mean == pytest.approx(mean, abs=1e-10)
    assert found.second**-0.5 == pytest.approx(forward, abs=1e-10)
    assert found.slope**-0.5 == pytest.approx(backward, abs=1e-10)
    digits = 6e-5 if name == "relu6" else 1e-6
    assert found.mixed / found.second == pytest.approx(chiq, abs=digits)
    assert found.fourth / found.second**2 - 1 == pytest.approx(kurtosis, abs=digits)


# Adaptive integration (scipy), over all panels at once: t is the place within each


def panels(act, root):
    """Edges in u: the integers in z, the kinks, and ever nearer to them and to zero."""
    centres = np.array([0.0, *act.kinks])
    near = np.geomspace(0.125, max(0.5 * root, 0.25), 2 + int(1.5 * np.log2(8 * root + 1))) if root > 0.25 else []
    breaks = [root * np.arange(-38.0, 39), centres, *(centres + side * step for side in (-1, 1) for step in near)]
    if act.name == "sin":
        breaks.append(np.arange(-38 * root, 38 * root, pi))
    edges = np.unique(np.concatenate(breaks))
    return edges[np.abs(edges) <= 38 * root]


def adaptive(act, q):
    """Return the fields of Moments and the integrals of their magnitudes."""
    root = sqrt(q)
    edges = panels(act, root)
    low, widths = edges[:-1], np.diff(edges)

    def integrand(t):
        u = low + t * widths
        f, slope = act.value(u), act.derivative(u)
        density = np.exp(-np.square(u / root) / 2) / sqrt(2 * pi) * widths / root
        return np.array([f, f**2, f**4, slope**2, slope**4, f * slope * u]) * density

    with np.errstate(over="ignore", under="ignore"):
        scale = sum(np.abs(integrand(t)) for t in (0.1, 0.3, 0.5, 0.7, 0.9)).sum(axis=1, keepdims=True)
        scale[scale < 1e-280] = 1
        # x - tanh(x) has lost digits at a small x: no number of intervals brings its noise under 1e-13
        found, _ = quad_vec(lambda t: integrand(t) / scale, 0, 1, epsabs=1e-14, epsrel=1e-13, norm="max", limit=50)
    expected, size = (found * scale).sum(axis=1), (np.abs(found) * scale).sum(axis=1)
    for at in act.kinks:  # where the value jumps, its derivative is a delta function
        below, above = act.value(np.nextafter(at, [-np.inf, np.inf])) ** 2
        rise = at / 2 * (above - below) * np.exp(-((at / root) ** 2) / 2) / sqrt(2 * pi) / root
        expected[5] += rise
        size[5] += abs(rise)
    return expected, size


@each_activation
def test_moments_agree_with_adaptive_integration(name):
    act = resolve(name)
    for q in SECONDS:
        if name == "exponential" and q >= 10:
            continue  # its tail leaves the reach of the reference too: closed forms above
        expected, size = adaptive(act, q)
        found = np.array(moments(act, q))
        # what is odd vanishes by cancellation alone, so the mean and E f f' u are held to their integrals' magnitude
        assert np.all(np.abs(found - expected) <= 1e-10 * size + 1e-300), (q, found, expected)


@each_activation
def test_mixed_is_the_growth_of_the_second_moment(name):
    act, h = resolve(name), 1e-4
    for q in (0.2, 3.0):
        growth = (moments(act, q * np.exp(h)).second - moments(act, q * np.exp(-h)).second) / (2 * h)
        assert moments(act, q).mixed == pytest.approx(growth, rel=1e-6)


@each_activation
def test_several_q_share_a_rule(name):
    act, q = resolve(name), (0.013, 0.4, 3.0)
    together = moments_over(act, *q)
    assert together.shape == (3, len(Moments._fields))
    for row, one in zip(together, q, strict=True):
        alone = np.array(moments(act, one))
        np.testing.assert_allclose(row, alone, rtol=1e-10, atol=1e-13 * sqrt(alone[1]))


@each_activation
def test_at_zero_are_the_limits(name):
    act = resolve(name)
    at_zero, near = moments(act, 0.0), moments(act, 1e-12)
    assert at_zero.mean == pytest.approx(near.mean, abs=2e-6)
    assert at_zero.second == pytest.approx(near.second, abs=2e-6)
    assert at_zero.fourth == pytest.approx(near.fourth, abs=2e-6)
    assert at_zero.slope == pytest.approx(near.slope, rel=1e-5, abs=1e-5)
    assert at_zero.slope_fourth == pytest.approx(near.slope_fourth, rel=1e-5, abs=1e-5)
    assert at_zero.mixed == 0


def test_at_zero_both_sides_count():
    assert of("relu", 0).slope == of("relu", 0).slope_fourth == 0.5
    assert of("leaky_relu:0.2", 0).slope == pytest.approx((1 + 0.04) / 2, rel=1e-15)
    assert of("sigmoid", 0) == (0.5, 0.25, 0.0625, 0.0625, 0.0625**2, 0)
    assert of("softplus", 0).mean == pytest.approx(np.log(2), rel=1e-15)


@settings(deadline=None, database=None, max_examples=150)
@given(st.sampled_from(ELEMENTWISE), st.floats(-12, 12))
def test_any_q(name, exponent):
    """No NaN and no warning; infinite only where what is integrated has left the numbers."""
    q = 10.0**exponent
    found = of(name, q)
    assert not np.isnan(found).any()
    assert found.second >= 0
    assert found.fourth >= found.second**2 * (1 - 1e-12)
    assert found.slope_fourth >= found.slope**2 * (1 - 1e-12)
    if name != "exponential":
        assert np.isfinite([found.second, found.slope]).all()
        assert found.mean**2 <= found.second * (1 + 1e-12)
    elif q > 300:
        assert not np.isfinite([found.second, found.slope]).all()


@pytest.mark.parametrize("q", [0.01, 0.1, 2.0, 10.0])
def test_a_kink_that_is_not_listed_is_followed(q):
    at = 0.6180339887
    own = Activation(
        name="own",
        value=lambda x: np.maximum(x, at),
        derivative=lambda x: (x > at).astype(x.dtype),
        formula="max(x, .618)",
        source="none",
    )
    with mp.workdps(30):
        root, above = mp.sqrt(q), 1 - mp.ncdf(at / mp.sqrt(q))
        tail = root * mp.npdf(at / root)  # E u 1(u > at)
        second = q * above + at * tail + at**2 * (1 - above)
        mean = tail + at * (1 - above)
    found = moments(own, q)
    assert found.mean == pytest.approx(float(mean), rel=1e-12)
    assert found.second == pytest.approx(float(second), rel=1e-12)
    assert found.slope == pytest.approx(float(above), rel=1e-11)


@each_activation
def test_jumps(name):
    """hardshrink jumps from -1/2 to 0 and from 0 to 1/2, threshold from 0 to 1: by the squares of these."""
    at, rises = value_jumps(resolve(name))
    expected = {"hardshrink": [(-0.5, -0.25), (0.5, 0.25)], "threshold": [(1, 1)]}.get(name, [])
    np.testing.assert_allclose(np.column_stack([at, rises]), np.array(expected).reshape(-1, 2), rtol=1e-12)
