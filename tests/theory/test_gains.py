"""Gains and critical points: against the figures computed elsewhere, against closed forms, and against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actdiag.activations import ACTIVATIONS, Activation, resolve
from actdiag.errors import InvalidField
from actdiag.experiments.verify import predicted, verify
from actdiag.theory.critical import chiq_of, critical_points, half_stable_point, next_q
from actdiag.theory.gains import automatic, gains, torch_gain
from actdiag.theory.gaussian import moments
from actdiag.theory.meanfield import destination

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative is not None]
STRUCTURED = [name for name in ACTIVATIONS if resolve(name).derivative is None]

# forward gain, backward gain, chiq at the forward gain: by adaptive integration.
AT_ONE = {
    "relu": (1.4142135624, 1.4142135624, 1),
    "leaky_relu:0.01": (1.4141428570, 1.4141428570, 1),
    "tanh": (1.5925374197, 1.4674135916, 0.461071),
    "sigmoid": (1.8462285453, 4.7226460859, 0.106341),
    "erf": (1.4671669505, 1.3252183529, 0.408567),
    "elu": (1.2451983007, 1.2234285576, 0.890968),
    "selu": (1.0000000000, 0.9660257770, 0.782648),
    "gelu": (1.5335304412, 1.4811144127, 1.144063),
    "gelu_tanh": (1.5335805217, 1.4811680581, 1.144298),
    "silu": (1.6765324703, 1.6233202580, 1.172594),
    "softplus": (1.0418668355, 1.8462285453, 0.492053),
    "softsign": (2.3375333631, 2.0957806089, 0.476712),
    "hardtanh": (1.3920361404, 1.2102870624, 0.385127),
    "relu6": (1.4142135651, 1.4142135638, 1.0),
}


@pytest.mark.parametrize("spec", AT_ONE)
def test_gains_at_second_moment_one(spec):
    forward, backward, chiq = AT_ONE[spec]
    found = gains(resolve(spec))
    assert found.forward_gain == pytest.approx(forward, abs=6e-11)
    assert found.backward_gain == pytest.approx(backward, abs=6e-11)
    assert found.chiq == pytest.approx(chiq, abs=6e-7)
    assert found.chi1 == pytest.approx((found.forward_gain / found.backward_gain) ** 2, rel=1e-14)


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


def test_a_stable_point_goes_before_others(monkeypatch):
    _, second, third = critical_points(stairs(), 0.5)
    monkeypatch.setattr("actdiag.theory.gains.critical_points", lambda act, sigma_b: [second, third])
    assert gains(stairs(), 0.5).critical == third
    assert automatic(stairs(), 0.5)[0] == third.sigma_w
    monkeypatch.setattr("actdiag.theory.gains.critical_points", lambda act, sigma_b: [second])
    assert gains(stairs(), 0.5).critical == second


@pytest.mark.parametrize("spec", ["threshold", "hardshrink", "threshold:2:value=-1", "tanh", "silu", "sigmoid", "selu"])
@pytest.mark.parametrize("q", [0.3, 1.0, 7.0])
def test_chiq_is_the_slope_of_the_map_jumps_included(spec, q):
    act, step = resolve(spec), 1e-4
    difference = moments(act, q * (1 + step)).second - moments(act, q * (1 - step)).second
    assert chiq_of(act, 1.3, q) == pytest.approx(1.3**2 * difference / (2 * step * q), rel=3e-6)


# The name that calculate_gain knows: the gain, the second moment where the signal settles, chi1 there.
TORCH = {
    "identity": (1.0, None, 1.0),
    "relu": (math.sqrt(2), None, 1.0),
    "leaky_relu:0.2": (1.3867504906, None, 1.0),
    "tanh": (5 / 3, 1.1784804904, 1.2098313204),
    "selu": (0.75, 0.0230337846, 1.0036703508),
    "sigmoid": (1.0, 0.2646868752, 0.0557207068),
}


@pytest.mark.parametrize("spec", TORCH)
def test_what_comes_of_the_gain_that_pytorch_says(spec):
    gain, q, chi1 = TORCH[spec]
    said = torch_gain(resolve(spec))
    assert said.gain == pytest.approx(gain, rel=1e-10)
    assert said.q == (None if q is None else pytest.approx(q, abs=6e-11))
    assert said.chi1 == pytest.approx(chi1, abs=6e-11)
    assert said.gradient_change == pytest.approx(math.sqrt(said.chi1), rel=1e-15)
    assert said.fate == ("keeps" if q is None else "settles")
    if q is not None:  # what iterating the map comes to
        reached = gain**2
        for _ in range(600):
            reached = next_q(resolve(spec), gain, 0.0, reached)
        assert said.q == pytest.approx(reached, rel=1e-9)


def test_pytorch_has_no_word_on_others():
    known = {name for name in ELEMENTWISE if torch_gain(resolve(name)) is not None}
    assert known == {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "selu"}


@pytest.mark.torch
@pytest.mark.parametrize("spec", TORCH)
def test_pytorch_says_so(spec):
    torch = pytest.importorskip("torch")
    name, _, slope = spec.partition(":")
    theirs = torch.nn.init.calculate_gain({"identity": "linear"}.get(name, name), float(slope) if slope else None)
    assert torch_gain(resolve(spec)).gain == pytest.approx(theirs, rel=1e-12)


def test_where_layers_lead():
    assert destination(resolve("tanh"), 0.9**2, 0.0**2, 0.81) == 0
    assert destination(resolve("gelu"), 2.0**2, 0.0**2, 4.0) == math.inf
    assert destination(resolve("relu"), math.sqrt(2) ** 2, 0.0**2, 2.0) == 2.0
    published = 0.3153164775  # tanh, sigma_w^2 1.3, sigma_b^2 .05
    assert destination(resolve("tanh"), math.sqrt(1.3) ** 2, math.sqrt(0.05) ** 2, 1.35) == pytest.approx(
        published, abs=6e-11
    )
    assert destination(resolve("tanh"), math.sqrt(1.3) ** 2, math.sqrt(0.05) ** 2, 0.01) == pytest.approx(
        published, abs=6e-11
    )


@pytest.mark.parametrize("bias_std", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("spec", [*ELEMENTWISE, "celu:0.5", "leaky_relu:-1", "leaky_relu:0", "elu:1e3", "hardshrink:9"])
def test_every_activation_gets_an_answer(spec, bias_std):
    found = gains(resolve(spec), bias_std)
    take = found.recommended
    assert 0 < take.gain < 1e4
    assert 0 <= take.bias_std < 10
    assert (found.critical is None) == (found.reason is not None)
    assert take.good != take.reason.startswith("none is good")
    for gain, std in (automatic(resolve(spec), None), automatic(resolve(spec), bias_std)):
        assert 0 < gain < 1e4
        assert 0 <= std < 10
    assert automatic(resolve(spec), bias_std)[1] == bias_std


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


def test_biases_that_are_given_stay():
    assert automatic(resolve("gelu"), None) == pytest.approx((1.4082110131, 0.4158393810), rel=1e-9)
    gain, std = automatic(resolve("gelu"), 0.0)
    assert std == 0
    assert moments(resolve("gelu"), gain**2).second == pytest.approx(1, rel=1e-12)
    assert automatic(resolve("tanh"), 0.2) == pytest.approx((1.3041458401, 0.2), rel=1e-9)


@pytest.mark.parametrize("spec", STRUCTURED)
def test_structured_activations_are_refused(spec):
    with pytest.raises(
        InvalidField, match=f"act must be elementwise, got {spec}, whose units look at several"
    ) as caught:
        gains(resolve(spec))
    assert caught.value.field == "act"


@pytest.mark.parametrize("bias_std", [-0.1, math.inf, math.nan, 1e4])
def test_biases_within_reason(bias_std):
    with pytest.raises(InvalidField, match="bias_std must be"):
        gains(resolve("tanh"), bias_std)


def test_no_gradient_no_gain():
    flat = Activation("flat", np.sign, "sign(x)", "made up", derivative=np.zeros_like, kinks=(0.0,))
    found = gains(flat)
    assert (found.forward_gain, found.backward_gain) == (pytest.approx(1), None)
    assert found.gain_reason == "the slope is 0 almost everywhere: no gradient passes"
    assert (found.critical, found.recommended.good) == (None, False)
    nothing = Activation("nothing", np.zeros_like, "0", "made up", derivative=np.zeros_like)
    assert gains(nothing).forward_gain is None
    assert gains(nothing).recommended.gain == 1


def test_what_is_beyond_all_numbers_has_no_gain():
    fast = Activation(
        "fast", lambda x: np.exp(x * x), "exp(x^2)", "made up", derivative=lambda x: 2 * x * np.exp(x * x)
    )
    found = gains(fast)
    assert (found.forward_gain, found.backward_gain, found.chi1, found.chiq) == (None, None, None, None)
    assert "beyond all numbers" in found.gain_reason


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


def test_predicted_and_measured_agree():
    act = resolve("tanh")
    checked = verify(act, 1.3041458401, 0.2, depth=12, width=512)
    for layer in checked.layers:
        assert layer.measured_rms == pytest.approx(layer.predicted_rms, rel=0.03)
        assert layer.measured_ratio == pytest.approx(layer.predicted_ratio, rel=0.06)
        assert layer.rms_spread < 1.05
    assert checked.layers[-1].predicted_ratio == checked.layers[-1].measured_ratio == 1


def test_predictions_end_where_numbers_do():
    rms, ratio = predicted(resolve("relu_squared"), 5.0, 0.0, 30)
    assert rms[0] == 5
    assert rms[-1] is None
    assert (ratio[0], ratio[-1]) == (None, 1)
    assert predicted(resolve("relu"), math.sqrt(2), 0.0, 1) == ([pytest.approx(math.sqrt(2))], [1.0])
