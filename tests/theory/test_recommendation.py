"""Which gain is recommended, why, and that it holds in a deep stack."""

import math

import pytest

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.experiments.verify import verify
from actdiag.theory.critical import CriticalPoint, critical_points, half_stable_point
from actdiag.theory.gains import gains
from actdiag.theory.recommendation import recommend

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative is not None]

RECOMMENDED = {
    ("relu", 0.0): (math.sqrt(2), 0.0, "linear on both sides"),
    ("relu", 0.2): (math.sqrt(2), 0.0, "biases of std 0.2 would add 0.04 to the second moment at every layer"),
    ("tanh", 0.0): (1.0, 0.0, "the signal falls towards 0 ever more slowly"),
    ("tanh", 0.2): (1.3041458401, 0.2, "returns to a second moment of 0.512: a deviation shrinks to 0.54 of itself"),
    ("gelu", 0.0): (
        1.4082110131,
        0.4158393810,
        "a deviation grows by 14 % a layer), and so is the critical point without",
    ),
    ("gelu", 0.2): (1.4082110131, 0.4158393810, "and so is the critical point under biases of std 0.2"),
    ("gelu", 1.0): (1.4059445268, 1.0, "the signal returns to a second moment of 82.3"),
    ("silu", 0.0): (1.4099661976, 0.7450793050, "a deviation grows by 17 % a layer"),
    ("sigmoid", 0.0): (
        10.1492637100,
        0.0,
        "none is good: signal and gradient keep only under a gain of 10.15, where 38 %",
    ),
    ("softplus", 0.0): (1.3591515343, 0.0, "none is good: no weights keep both signal and gradient. Under this one"),
    ("exponential", 0.0): (math.sqrt(0.45) * math.exp(-0.45), 0.0, "a deviation from it grows by 100 % a layer"),
    ("relu_squared", 0.0): (1.5**-0.25, 0.0, "a deviation of the signal grows by 100 % a layer"),
    ("softshrink", 0.2): (1.3503105076, 0.2, "does not hold the signal: no deviation from it shrinks"),
}


@pytest.mark.parametrize(("spec", "bias_std"), RECOMMENDED)
def test_recommendation_and_its_reason(spec, bias_std):
    gain, std, reason = RECOMMENDED[spec, bias_std]
    take = gains(resolve(spec), bias_std).recommended
    assert take.gain == pytest.approx(gain, rel=1e-9)
    assert take.bias_std == pytest.approx(std, rel=1e-9)
    assert reason in take.reason


def test_without_a_half_stable_point_the_biases_stay():
    act = resolve("gelu")
    (critical,) = critical_points(act, 0.0)
    free = recommend(act, 0.0, critical, half_stable_point(act))
    fixed = recommend(act, 0.0, critical, None)
    assert free.good
    assert free.bias_std > 0
    assert not fixed.good
    assert fixed.bias_std == 0


def test_a_point_that_the_signal_does_not_reach_is_not_taken():
    act = resolve("gelu")
    far = CriticalPoint(sigma_w=2.5, sigma_b=0.0, q=6.0, chi1=1.0, chiq=0.5, stable=True)  # under which it explodes
    take = recommend(act, 0.0, far, None)
    assert not take.good
    assert take.gain != 2.5
    assert "a stack does not come to the critical point (gain 2.5)" in take.reason


def test_an_unstable_critical_point_is_not_taken():
    act = resolve("exponential")
    (critical,) = critical_points(act, 0.0)
    take = recommend(act, 0.0, critical, None)
    assert not critical.stable
    assert not take.good
    assert take.gain != pytest.approx(critical.sigma_w)


GOOD = [spec for spec in ELEMENTWISE if gains(resolve(spec)).recommended.good]


@pytest.mark.slow
@pytest.mark.parametrize("spec", GOOD)
def test_a_good_gain_holds_in_a_deep_stack(spec):
    take = gains(resolve(spec)).recommended
    checked = verify(resolve(spec), take.gain, take.bias_std, depth=30, width=256)
    first, last = checked.layers[0], checked.layers[-1]
    # The limit q to 0 is come to slowly: softsign is at 1/46. Lecun weights under gelu, say, end at 1/1e9.
    assert 1 / 50 < last.measured_rms / first.measured_rms < 2
    assert 1 / 50 < first.measured_ratio < 2
    # Five stacks of the widest spread, x1.5 and x2.7, know their mean to x1.2 and x1.5.
    assert last.measured_rms == pytest.approx(last.predicted_rms, rel=0.2)
    assert first.measured_ratio == pytest.approx(first.predicted_ratio, rel=0.15)
