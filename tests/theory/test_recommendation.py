"""Which gain is recommended, why, and that it holds in a deep stack."""

import math

import pytest

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.experiments.verify import verify
from actdiag.theory.critical import CriticalPoint, critical_points, half_stable_point
from actdiag.theory.gains import gains
from actdiag.theory.kept_gradient import kept_gradient
from actdiag.theory.recommendation import MOST_CHANGED, recommend

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative is not None]

LARGE = "the gradient is as large at layer 1 as at layer"
STEADIED = ". The biases are those of the half-stable point: without biases a deviation of the signal grows faster"
NONE = "none is good: "
NEITHER = NONE + "no weights preserve both signal and gradient. "
AT_THEIR_SCALE = "This one keeps N(0, 1) inputs at their scale, and the gradient changes by x"
CENTRED = "Use an activation with f(0) = 0, such as elu"
SLOPED = "Use an activation with a slope at 0, such as elu"
LIKE_TANH = "Use an activation with f(0) = 0 and slope 1 there, such as tanh"


def kept(depth, change):
    return f"{LARGE} {depth}, and the rms of the activations changes by x{change} from layer 1 to layer {depth}"


def saturated(depth, gain):
    taken = (
        f"preserving the gradient over {depth} layers takes a gain of {gain}, at which 38 % of the units are saturated"
    )
    return f"{NONE}{taken}; under the forward gain the gradient changes by x0.39 per layer. {LIKE_TANH}"


# Activation, std of the biases, depth: gain, std of the biases, whether it is good, and why.
RECOMMENDED = {
    ("relu", 0.0, 30): (
        math.sqrt(2), 0.0, True,
        "relu is linear on both sides of 0: this gain preserves signal and gradient at any scale",
    ),
    ("relu", 0.2, 30): (
        math.sqrt(2), 0.0, True,
        "relu is linear on both sides of 0: this gain preserves signal and gradient at any scale; biases of std 0.2 "
        "would add 0.04 to the second moment at every layer",
    ),
    ("relu", 0.0, 60): (
        math.sqrt(2), 0.0, False,
        f"{NONE}after 60 layers the mean cosine between different inputs is 0.991, under the recommended gain. Use "
        "fewer layers or an activation centred on zero, such as tanh",
    ),
    ("tanh", 0.0, 1): (
        1.40074351, 0.0, True, f"{kept(10, 0.77)}: networks of fewer than 10 layers get the gain of 10",
    ),
    ("tanh", 0.0, 10): (1.40074351, 0.0, True, kept(10, 0.77)),
    ("tanh", 0.0, 30): (1.23560069, 0.0, True, kept(30, 0.65)),
    ("tanh", 0.0, 60): (1.17104259, 0.0, True, kept(60, 0.58)),
    ("tanh", 0.2, 30): (1.35516388, 0.2, True, kept(30, 0.77)),
    ("softsign", 0.0, 30): (1.60413903, 0.0, True, kept(30, 0.5)),
    ("elu", 0.0, 30): (1.20752273, 0.0, True, kept(30, 0.67)),
    ("selu", 0.0, 30): (0.87758653, 0.0, True, kept(30, 0.67)),
    ("gelu", 0.0, 30): (1.41778992, 0.4158393810, True, kept(30, 1.2) + STEADIED),
    ("gelu", 0.2, 30): (
        1.41778992, 0.4158393810, True, kept(30, 1.2) + STEADIED.replace("without biases", "with biases of std 0.2"),
    ),
    ("silu", 0.0, 30): (1.44507167, 0.7450793050, True, kept(30, 2.3) + STEADIED),
    ("sigmoid", 0.0, 10): (10.6486189, 0.0, False, saturated(10, 10.65)),
    ("sigmoid", 0.0, 30): (10.3025465, 0.0, False, saturated(30, "10.3")),
    ("sigmoid", 0.0, 1): (10.6486189, 0.0, False, saturated(10, 10.65)),
    ("softplus", 0.0, 30): (
        1.3591515343, 0.0, False,
        f"{NEITHER}Under this one the second moment of z returns to 6.86, and the gradient changes by x0.83 per layer. "
        f"{CENTRED}",
    ),
    ("exponential", 0.0, 30): (
        math.sqrt(0.45) * math.exp(-0.45), 0.0, False,
        f"{NONE}the critical point (gain 0.3679) does not hold the signal: a deviation from it grows by 100 % per "
        "layer. Under this one the second moment of z returns to 0.45, and the gradient changes by x0.67 per layer. "
        f"{CENTRED}",
    ),
    ("relu_squared", 0.0, 30): (
        1.5**-0.25, 0.0, False,
        f"{NEITHER}{AT_THEIR_SCALE}1.2 per layer, but a deviation of the signal grows by 100 % per layer. {SLOPED}",
    ),
    ("softshrink", 0.0, 30): (
        1.36504156, 0.0, False,
        f"{NEITHER}{AT_THEIR_SCALE}1.2 per layer, but a deviation of the signal grows by 33 % per layer. {SLOPED}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "bias_std", "depth"), RECOMMENDED)
def test_recommendation_and_its_reason(spec, bias_std, depth):
    gain, std, good, reason = RECOMMENDED[spec, bias_std, depth]
    take = gains(resolve(spec), bias_std, depth).recommended
    assert take.reason == reason
    assert (take.good, take.depth) == (good, depth)
    assert take.gain == pytest.approx(gain, rel=2e-6)
    assert take.bias_std == pytest.approx(std, rel=1e-9)


@pytest.mark.parametrize("depth", [1, 10, 30])
@pytest.mark.parametrize("spec", ELEMENTWISE)
def test_what_is_not_good_says_so_and_what_to_use_instead(spec, depth):
    take = gains(resolve(spec), 0.0, depth).recommended
    assert take.good != take.reason.startswith(NONE)
    assert take.good != (". Use " in take.reason)
    assert not (depth == 1 and "fewer layers" in take.reason)


def test_a_signal_that_changes_too_much_is_not_good():
    take = gains(resolve("softsign"), 0.0, 10_000).recommended
    assert take.reason.startswith(
        f"{NONE}under the gain that preserves the gradient over 10000 layers the rms of the activations changes by x0.0"
    )
    assert take.reason.endswith(". Use fewer layers")
    assert not take.good


@pytest.mark.parametrize(
    ("spec", "bias_std", "depth", "instead"),
    [
        ("elu", 2.0, 30, ". Use fewer layers, smaller biases or an activation centred on zero, such as tanh"),
        ("tanh", 3.0, 30, "44 % of the units are saturated; under the forward gain the gradient changes by x1.1 per "
        "layer. Use smaller biases"),
        ("relu6", 100.0, 30, ". Use smaller biases"),
        ("relu6", 1000.0, 1, ". Use smaller biases"),
    ],
)  # fmt: skip
def test_biases_that_align_inputs_or_saturate_units_are_named(spec, bias_std, depth, instead):
    take = gains(resolve(spec), bias_std, depth).recommended
    assert take.reason.endswith(instead)
    assert not take.good


def test_without_a_half_stable_point_the_biases_stay():
    act = resolve("gelu")
    (critical,) = critical_points(act, 0.0)
    free = recommend(act, 0.0, critical, half_stable_point(act), 30)
    fixed = recommend(act, 0.0, critical, None, 30)
    assert free.bias_std > 0
    assert fixed.bias_std == 0
    assert fixed.gain == kept_gradient(act, 0.0, 30).gain


def test_a_point_that_the_signal_does_not_reach_is_told():
    act = resolve("gelu")
    far = CriticalPoint(sigma_w=2.5, sigma_b=0.0, q=6.0, chi1=1.0, chiq=0.5, stable=True)  # under which it explodes
    take = recommend(act, 0.0, far, None, 300)
    assert not take.good
    assert take.gain != 2.5
    assert "the signal does not reach the critical point (gain 2.5)" in take.reason


def test_an_unstable_critical_point_is_not_taken():
    act = resolve("exponential")
    (critical,) = critical_points(act, 0.0)
    take = recommend(act, 0.0, critical, None, 30)
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
    assert 1 / MOST_CHANGED < last.measured_rms / first.measured_rms < MOST_CHANGED
    assert 0.5 < first.measured_ratio < 2
    # Five stacks of the widest spread, x1.5 and x2.7, know their mean to x1.2 and x1.5.
    assert last.measured_rms == pytest.approx(last.predicted_rms, rel=0.2)
    assert first.measured_ratio == pytest.approx(first.predicted_ratio, rel=0.15)
