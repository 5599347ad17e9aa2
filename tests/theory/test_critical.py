"""Critical points: against figures computed elsewhere, published ones and closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actdiag.activations import Activation, resolve
from actdiag.theory.critical import (
    after_layers,
    chiq_of,
    critical_points,
    half_stable_point,
    next_q,
    roots_of,
    tried_from,
)
from actdiag.theory.gains import gains
from actdiag.theory.gaussian import moments

WITHOUT_BIASES = {
    **dict.fromkeys(("tanh", "sin", "arctan", "softsign", "elu", "hardtanh"), (1.0, 0.0, True)),
    "erf": (math.sqrt(math.pi) / 2, 0.0, True),
    "selu": (0.6904860736, 0.0, True),
    "relu": (math.sqrt(2), None, True),
    "leaky_relu:0.01": (1.4141428570, None, True),
    "leaky_relu:0.2": (1.3867504906, None, True),
    "identity": (1.0, None, True),
    "gelu": (2.0, 0.0, False),
    "silu": (2.0, 0.0, False),
    "exponential": (math.exp(-1), 1.0, False),
}


@pytest.mark.parametrize("spec", WITHOUT_BIASES)
def test_critical_point_without_biases(spec):
    sigma_w, q, stable = WITHOUT_BIASES[spec]
    (point,) = critical_points(resolve(spec), 0.0)
    assert point.sigma_w == pytest.approx(sigma_w, abs=6e-11)
    assert (point.q, point.stable) == (q if q is None else pytest.approx(q, abs=1e-12), stable)
    assert point.sigma_b == 0


def test_the_critical_point_of_the_sigmoid_takes_huge_weights():
    (point,) = critical_points(resolve("sigmoid"), 0.0)
    assert (round(point.q, 2), round(point.sigma_w, 2), point.stable) == (45.62, 10.15, True)


# (activation, sigma_b): q, sigma_w, chiq.
WITH_BIASES = {
    ("tanh", 0.2): (0.5120785042, 1.3041458401, 0.542564),
    ("tanh", 1.0): (3.0363963946, 1.8555891011, 0.186371),
    ("erf", 0.2): (0.4657629358, 1.1527954135, 0.517725),
    ("erf", 1.0): (2.7448909303, 1.6487514526, 0.154088),
    ("gelu", 0.2): (0.5756371166, 1.5470094704, 1.095041),
    ("gelu", 1.0): (82.3127791664, 1.4059445268, 0.988577),
    ("elu", 0.2): (1.1069305403, 1.2292511241, 0.859777),
    ("elu", 1.0): (21.7775499223, 1.3579771772, 0.926718),
    ("selu", 0.2): (0.7170491095, 0.9374755821, 0.742918),
    ("selu", 1.0): (8.3990892261, 1.1479172006, 0.763049),
}


@pytest.mark.parametrize(("spec", "sigma_b"), WITH_BIASES)
def test_critical_point_with_biases(spec, sigma_b):
    q, sigma_w, chiq = WITH_BIASES[spec, sigma_b]
    (point,) = critical_points(resolve(spec), sigma_b)
    assert point.q == pytest.approx(q, rel=1e-8)
    assert point.sigma_w == pytest.approx(sigma_w, rel=1e-8)
    assert point.chiq == pytest.approx(chiq, abs=6e-7)
    assert point.stable == (chiq < 1)


def test_published_critical_point_of_tanh():
    (point,) = critical_points(resolve("tanh"), math.sqrt(0.05))
    assert point.sigma_w**2 == pytest.approx(1.7609546396, rel=1e-10)  # Schoenholz et al. 2017: 1.76
    assert point.q == pytest.approx(0.5700478816, rel=1e-9)


def test_published_half_stable_point_of_gelu():
    point = half_stable_point(resolve("gelu"))
    assert point.q == pytest.approx((3 + math.sqrt(17)) / 2, rel=1e-10)  # Roberts, Yaida & Hanin 2022
    assert point.sigma_w**2 == pytest.approx(1.9830582574, rel=1e-10)
    assert point.sigma_b**2 == pytest.approx(0.1729223908, rel=1e-9)
    assert point.chiq == pytest.approx(1, abs=1e-12)
    assert not point.stable


@given(spec=st.sampled_from(["tanh", "erf", "elu", "selu", "softsign", "gelu", "silu", "mish"]), log_b=st.floats(-5, 1))
@settings(max_examples=25, deadline=None)
def test_critical_points_are_fixed_points_where_the_gradient_keeps(spec, log_b):
    act, sigma_b = resolve(spec), math.exp(log_b)
    points = critical_points(act, sigma_b)
    assert points
    for point in points:
        assert next_q(act, point.sigma_w, point.sigma_b, point.q) == pytest.approx(point.q, rel=1e-10)
        assert point.sigma_w**2 * moments(act, point.q).slope == pytest.approx(1, rel=1e-12)
        assert point.sigma_b == sigma_b


@pytest.mark.parametrize("spec", ["softplus", "log_sigmoid", "squareplus", "sparse_plus", "threshold"])
@pytest.mark.parametrize("sigma_b", [0.0, 0.2, 1.0])
def test_none_where_the_signal_outgrows_the_gradient(spec, sigma_b):
    assert critical_points(resolve(spec), sigma_b) == []
    assert (
        gains(resolve(spec), sigma_b).reason == "where the gradient keeps (chi1 = 1), the signal grows at every scale"
    )


def test_biases_leave_a_relu_no_critical_point():
    assert critical_points(resolve("relu"), 0.2) == []
    assert "at every layer" in gains(resolve("relu"), 0.2).reason


def stairs():
    """A tanh that goes up a stair where |u| is over 6."""
    tanh = resolve("tanh")
    value = lambda u: tanh.value(u) + 5 * np.sign(u) * (np.abs(u) > 6)  # noqa: E731
    return Activation("stairs", value, "tanh(x), 5 more over 6", "made up", tanh.derivative, kinks=(-6.0, 6.0))


def test_all_critical_points_are_found():
    points = critical_points(stairs(), 0.5)
    assert [point.stable for point in points] == [True, False, True]
    for point in points:
        assert next_q(stairs(), point.sigma_w, 0.5, point.q) == pytest.approx(point.q, rel=1e-10)
    found = gains(stairs(), 0.5)
    assert (found.critical_count, found.critical) == (3, points[0])


@pytest.mark.parametrize("spec", ["threshold", "hardshrink", "threshold:2:value=-1", "tanh", "silu", "sigmoid", "selu"])
@pytest.mark.parametrize("q", [0.3, 1.0, 7.0])
def test_chiq_is_the_slope_of_the_map_jumps_included(spec, q):
    act, step = resolve(spec), 1e-4
    difference = moments(act, q * (1 + step)).second - moments(act, q * (1 - step)).second
    assert chiq_of(act, 1.3, q) == pytest.approx(1.3**2 * difference / (2 * step * q), rel=3e-6)


def test_the_second_moment_after_some_layers():
    act, q = resolve("tanh"), 1.0
    for layers in range(4):
        assert after_layers(act, 1.5, 0.3, 1.0, layers) == pytest.approx(q, rel=1e-12)
        q = 1.5**2 * moments(act, q).second + 0.09
    assert after_layers(act, 1.5, 0.3, 0.0, 3) == 0
    assert after_layers(act, 1.5, 0.3, math.inf, 3) == math.inf


def test_roots_are_between_the_places_tried():
    tried = [10.0**n for n in range(-3, 4)]
    assert roots_of(lambda q: (q - 0.02) * (q - 5) * (q - 400), tried) == pytest.approx([0.02, 5, 400], rel=1e-12)
    assert roots_of(lambda q: q + 1, tried) == []
    # what is within the blur has no sign
    assert roots_of(lambda q: q - 0.02, tried, blur=0.5) == []
    assert roots_of(lambda q: math.inf if q < 1 else q - 50, tried) == pytest.approx([50])


def test_the_places_tried():
    tried = tried_from(resolve("tanh"), 1e-4)
    assert 1e-5 < tried[0] <= 1e-4 * 10 ** (1 / 3)
    steps = np.diff(np.log10(tried))
    assert steps == pytest.approx([1 / 3] * len(steps))
    assert max(tried) < 1e3  # from where the biases are most of q
