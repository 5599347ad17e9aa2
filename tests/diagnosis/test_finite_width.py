"""What finite width explains: responses of activations against integrals of high precision, and how they add up."""

from math import exp, inf, isnan, nan, sqrt

import builders
import pytest
from mpmath import mp

from actdiag import propagate
from actdiag.activations import resolve
from actdiag.diagnosis.finite_width import Response, explained_change, response

RELU = Response(5.0, 5.0, 1.0)


def integral(power, value, rms, breaks=()):
    """E |value(u)|^power, u ~ N(0, rms^2), by tanh-sinh quadrature."""
    edges = sorted({-20 * rms, *breaks, 0, *(side * step for side in (-1, 1) for step in (1, 5, 20) if step < 20 * rms),
                    20 * rms})  # fmt: skip
    return mp.quad(lambda u: abs(value(u)) ** power * mp.npdf(u, 0, rms), edges)


ACTIVATIONS = {
    "tanh": (mp.tanh, lambda u: 1 - mp.tanh(u) ** 2, ()),
    "softsign": (lambda u: u / (1 + abs(u)), lambda u: 1 / (1 + abs(u)) ** 2, ()),
    "hardtanh": (lambda u: max(min(u, 1), -1), lambda u: mp.mpf(abs(u) < 1), (-1, 1)),
    "relu6": (lambda u: max(min(u, 6), 0), lambda u: mp.mpf(0 < u < 6), (0, 6)),
    "hardshrink": (lambda u: u if abs(u) > 0.5 else mp.mpf(0), lambda u: mp.mpf(abs(u) > 0.5), (-0.5, 0.5)),
    "gelu": (lambda u: u * mp.ncdf(u), lambda u: mp.ncdf(u) + u * mp.npdf(u), ()),
}


@pytest.mark.parametrize("rms", [0.3, 1.0, 30.0, 1000.0])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_responses_are_the_integrals(name, rms):
    value, slope, breaks = ACTIVATIONS[name]
    second, fourth, slope_second, slope_fourth = (
        integral(power, function, rms, breaks) for function in (value, slope) for power in (2, 4)
    )
    found = response(resolve(name), rms)
    assert found.forward == pytest.approx(float(fourth / second**2 - 1), rel=1e-6, abs=1e-9)
    assert found.backward == pytest.approx(float(3 * slope_fourth / slope_second**2 - 1), rel=1e-6)
    step = 1e-4
    low, high = (integral(2, value, rms * exp(side), breaks) for side in (-step, step))
    assert found.degree == pytest.approx(float(mp.log(high / low)) / (4 * step), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("act", "kurtosis"), [("identity", 2), ("relu", 5), ("leaky_relu", 4.9988002)])
def test_kurtosis_in_closed_form(act, kurtosis):
    assert response(resolve(act), 1.0).forward == pytest.approx(kurtosis, rel=1e-7)


@pytest.mark.parametrize("rms", [None, 0.0, 1e-300, 1e300])
def test_responses_survive_any_scale(rms):
    found = response(resolve("relu"), rms)
    assert (found.forward, found.backward) == (pytest.approx(5), pytest.approx(5))
    assert response(resolve("maxout"), rms) == Response(5.0, 5.0, None)
    assert response(None, rms) == Response(5.0, 5.0, None)


@pytest.mark.parametrize("rms", [1e-300, 1e-150, 1e150, 1e300, inf, nan])
@pytest.mark.parametrize("act", ["tanh", "x**3", "exp(x)", "exponential", "hardshrink", "gelu"])
def test_every_activation_has_a_response_at_any_scale(act, rms):
    found = response(resolve(act), rms)
    assert found.forward >= 0
    assert found.backward >= 0
    assert found.degree is None or not isnan(found.degree)
    for backward in (False, True):
        low, high = explained_change(places(act, rms), backward=backward)
        assert 0 < low < 1 < high < inf


def test_a_linear_activation_is_linear_at_any_scale():
    for rms in (1e-300, 1e-150, 1e-9):
        assert response(resolve("tanh"), rms) == (pytest.approx(2), pytest.approx(2), pytest.approx(1))


def test_runs_that_leave_float64_are_judged():
    for act, init in (("x**3", "std=3"), ("exp(x)", "lecun"), ("exponential", "lecun")):
        report = propagate(act, init, depth=6, width=30, batch=50, theory=False, dtype="float64")
        assert report.verdict.severity == "untrainable"
        assert report.verdict.decided_by[0] == "nonfinite"


def test_a_saturated_activation_forgets_its_scale():
    assert response(resolve("tanh"), 1e-3).degree == pytest.approx(1, abs=1e-4)
    assert response(resolve("tanh"), 1e6).degree == pytest.approx(0, abs=1e-5)


def places(act, rms, depth=10):
    """Layers of width 10 as a hand-built report has them."""
    layers = [builders.layer(1), *(builders.layer(number) for number in range(2, depth + 1))]
    layers = [builders.replace(one, pre_activation=builders.replace(one.pre_activation, rms=rms)) for one in layers]
    return list(builders.report(layers, act=resolve(act)).measurements.places())


def test_variances_add_up_where_scale_is_passed_on():
    variance = 9 * 5 / 10
    for backward in (False, True):
        low, high = explained_change(places("relu", 1.0)[1:], backward=backward)
        assert low == pytest.approx(exp(-4 * sqrt(variance) / 2 - variance / 4))
        assert high == pytest.approx(exp(4 * sqrt(variance) / 2))


def test_a_level_activation_passes_no_variance_on():
    """The degree of a relu6 far in saturation is 0: the variance of a layer does not reach the next."""
    one, many = (explained_change(places("relu6", 1e12)[1:end], backward=False) for end in (2, 10))
    assert many == pytest.approx(one)
    assert one[1] == pytest.approx(exp(4 * sqrt(1 / 10) / 2))
