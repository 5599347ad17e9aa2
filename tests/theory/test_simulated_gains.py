"""Gains by simulation: against closed forms, against stacks that are run, and where there are none."""

from math import acos, log, pi, sqrt

import numpy as np
import pytest

from actdiag.activations import ACTIVATIONS, Activation, resolve
from actdiag.experiments.verify import verify
from actdiag.theory.gains import automatic, gains
from actdiag.theory.gaussian import moments
from actdiag.theory.simulated_gains import LEAST_ERROR, aligned_after, from_normal_inputs, looks_at_the_layer, simulated

STRUCTURED = [name for name in ACTIVATIONS if resolve(name).derivative is None]
LAYERED = ["softmax", "softmin", "sparsemax", "log_softmax"]


def gated(gate):
    """Return E a^2, E |d_z|^2 and the derivative of the first of x gate(y), by the integrals of the gate."""
    found = moments(resolve(gate), 1.0)
    return found.second, found.second + found.slope, found.second + found.mixed


CLOSED = {
    "maxout:1": (1.0, 1.0, 1.0),
    "maxout": (1.0, 1.0, 1.0),
    "maxout:3": (1 + sqrt(3) / (2 * pi), 1.0, 1 + sqrt(3) / (2 * pi)),
    "glu": gated("sigmoid"),
    "swiglu": gated("silu"),
    "geglu": gated("gelu"),
}


@pytest.mark.parametrize("spec", CLOSED)
def test_expectations_are_those_of_integrals_to_three_digits(spec):
    second, slope, mixed = CLOSED[spec]
    found = simulated(resolve(spec))
    assert found.error < LEAST_ERROR
    assert found.forward_gain == pytest.approx(second**-0.5, rel=3 * LEAST_ERROR)
    assert found.backward_gain == pytest.approx(slope**-0.5, rel=3 * LEAST_ERROR)
    assert found.chi1 == pytest.approx(slope / second, rel=1e-3)
    assert found.chiq == pytest.approx(mixed / second, rel=1e-3)


@pytest.mark.parametrize("spec", [*CLOSED, "maxout:8"])
def test_the_standard_error_is_that_of_other_draws(spec, monkeypatch):
    """No more than a few standard errors lie between the gains of two seeds."""
    first = simulated(resolve(spec))
    monkeypatch.setattr("actdiag.theory.simulated_gains._SEED", 1)
    simulated.cache_clear()
    other = simulated(resolve(spec))
    simulated.cache_clear()
    assert first != other or spec == "maxout:1"
    assert abs(log(first.forward_gain / other.forward_gain)) < 6 * max(first.error, other.error)


def test_the_same_numbers_every_time():
    found = simulated(resolve("glu"))
    simulated.cache_clear()
    assert simulated(resolve("glu")) == found


@pytest.mark.parametrize("spec", STRUCTURED)
def test_which_units_look_at_the_layer(spec):
    assert looks_at_the_layer(resolve(spec)) == (spec in LAYERED)


@pytest.mark.parametrize("depth", [1, 30])
@pytest.mark.parametrize("spec", LAYERED)
def test_what_no_gain_scales_is_not_good(spec, depth):
    found = gains(resolve(spec), 0.0, depth)
    assert (found.forward_gain, found.backward_gain, found.standard_error) == (None, None, None)
    assert found.gain_reason == "a unit looks at the whole layer"
    assert found.recommended.reason == (
        f"none is good: a unit of {spec} looks at the whole layer, and no gain scales its output alone. Use it for the "
        "output, and an elementwise activation in the layers before"
    )
    assert (found.recommended.gain, found.recommended.good) == (1.0, False)


@pytest.mark.parametrize(
    ("spec", "depth", "good", "reason"),
    [
        (
            "maxout",
            1,
            True,
            "by simulation, this gain preserves N(0, 1) inputs, and the gradient changes by x1 per layer",
        ),
        ("maxout", 30, True, "by simulation, this gain preserves N(0, 1) inputs"),
        ("maxout", 60, False, "none is good: after 37 layers the mean cosine between different inputs is 0.98,"),
        ("maxout:5", 30, False, "the gradient changes by x0.745 per layer. Use fewer layers"),
        ("glu", 10, True, "the gradient changes by x1.13 per layer"),
        ("swiglu", 4, False, "but a deviation of the signal grows by 117 % per layer. Use fewer layers"),
        ("glu", 30, False, "the gradient changes by x1.13 per layer. Use fewer layers"),
        ("swiglu", 1, True, "by simulation, this gain preserves N(0, 1) inputs"),
        ("swiglu", 10, False, "none is good: by simulation, this gain preserves N(0, 1) inputs"),
    ],
)
def test_recommendation_and_its_reason(spec, depth, good, reason):
    found = gains(resolve(spec), 0.0, depth)
    assert found.recommended.good == good
    assert reason in found.recommended.reason
    assert found.recommended.bias_std == 0
    at = from_normal_inputs(resolve(spec))
    assert found.recommended.gain == at.forward_gain
    if not spec.startswith("maxout"):  # the outputs have the rms of the inputs, so z is as large at every layer
        assert at.second == pytest.approx(1, abs=1e-3)
        assert found.recommended.gain == pytest.approx(at.scale, rel=1e-3)
    assert (found.critical, found.critical_count, found.half_stable, found.torch) == (None, 0, None, None)
    assert automatic(resolve(spec), 0.3, depth) == (found.recommended.gain, 0.3)


def test_the_cosine_of_maxout_is_that_of_a_relu():
    """The larger of x and y is their mean and half of |x - y|, as a relu is half of u and of |u|."""
    layers, cosine = aligned_after(resolve("maxout"), simulated(resolve("maxout")), 8)
    expected = 0.0
    for _ in range(8):  # Cho & Saul 2009
        expected = (sqrt(1 - expected**2) + (pi - acos(expected)) * expected) / pi
    assert layers == 8
    assert cosine == pytest.approx(expected, abs=1e-3)


def test_an_activation_that_passes_no_gradient_or_is_zero_gets_an_answer():
    blocked = Activation("blocked", np.sign, "sign(x)", "made up", backward=lambda z, d_a: np.zeros_like(z))
    found = gains(blocked)
    assert (found.forward_gain, found.backward_gain) == (pytest.approx(1), None)
    assert found.gain_reason == "no gradient passes"
    assert not found.recommended.good
    nothing = Activation("nothing", np.zeros_like, "0", "made up", backward=lambda z, d_a: np.zeros_like(z))
    assert gains(nothing).gain_reason == "E a^2 is 0 or beyond all numbers"
    assert "the output is 0, or its square is beyond all numbers" in gains(nothing).recommended.reason


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["maxout", "maxout:3", "glu"])
def test_the_gain_keeps_the_signal_of_stacks_that_are_run(spec):
    found = gains(resolve(spec))
    at = from_normal_inputs(resolve(spec))
    checked = verify(resolve(spec), found.recommended.gain, 0.0, depth=6, width=512)
    first, last = checked.layers[0], checked.layers[-1]
    assert last.measured_rms / first.measured_rms == pytest.approx(1, rel=0.1)
    assert first.measured_ratio == pytest.approx(at.chi1 ** (5 / 2), rel=0.15)
    assert (first.predicted_rms, first.predicted_ratio) == (None, None)
