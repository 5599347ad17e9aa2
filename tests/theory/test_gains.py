"""Gains: against the figures computed elsewhere, against closed forms, and against simulation."""

import math

import numpy as np
import pytest

from actdiag.activations import ACTIVATIONS, Activation, resolve
from actdiag.errors import InvalidField
from actdiag.experiments.verify import predicted, verify
from actdiag.theory.critical import critical_points, next_q
from actdiag.theory.gains import automatic, gains
from actdiag.theory.kept_gradient import kept_gradient
from actdiag.theory.meanfield import destination
from actdiag.theory.torch_gain import torch_gain

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative is not None]

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


def stairs():
    """A tanh that goes up a stair where |u| is over 6."""
    tanh = resolve("tanh")
    value = lambda u: tanh.value(u) + 5 * np.sign(u) * (np.abs(u) > 6)  # noqa: E731
    return Activation("stairs", value, "tanh(x), 5 more over 6", "made up", tanh.derivative, kinks=(-6.0, 6.0))


def test_a_stable_point_goes_before_others(monkeypatch):
    _, second, third = critical_points(stairs(), 0.5)
    monkeypatch.setattr("actdiag.theory.gains.critical_points", lambda act, sigma_b: [second, third])
    assert gains(stairs(), 0.5).critical == third
    assert automatic(stairs(), 0.5, 30) == (gains(stairs(), 0.5).recommended.gain, 0.5)
    monkeypatch.setattr("actdiag.theory.gains.critical_points", lambda act, sigma_b: [second])
    assert gains(stairs(), 0.5).critical == second


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


@pytest.mark.parametrize("bias_std", [0.0, pytest.param(0.2, marks=pytest.mark.slow), 1.0])
@pytest.mark.parametrize("spec", [*ELEMENTWISE, "celu:0.5", "leaky_relu:-1", "leaky_relu:0", "elu:1e3", "hardshrink:9"])
def test_every_activation_gets_an_answer(spec, bias_std):
    found = gains(resolve(spec), bias_std)
    take = found.recommended
    assert 0 < take.gain < 1e4
    assert 0 <= take.bias_std < 10
    assert (found.critical is None) == (found.reason is not None)
    assert take.good != take.reason.startswith("none is good")
    for gain, std in (automatic(resolve(spec), None, 30), automatic(resolve(spec), bias_std, 30)):
        assert 0 < gain < 1e4
        assert 0 <= std < 10
    assert automatic(resolve(spec), bias_std, 30)[1] == bias_std


def test_biases_that_are_given_stay():
    assert automatic(resolve("gelu"), None, 30) == pytest.approx((1.4177899182, 0.4158393810), rel=1e-9)
    gain, std = automatic(resolve("gelu"), 0.0, 30)
    assert std == 0
    assert gain == kept_gradient(resolve("gelu"), 0.0, 30).gain
    assert automatic(resolve("tanh"), 0.2, 30) == pytest.approx((1.3551636, 0.2), rel=1e-5)
    with pytest.raises(InvalidField, match="bias_std must be"):
        automatic(resolve("tanh"), -0.1, 30)


@pytest.mark.parametrize("depth", [0, -1, 2.5, 10**7])
def test_depths_within_reason(depth):
    with pytest.raises(InvalidField, match="depth must be"):
        gains(resolve("tanh"), depth=depth)


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
