"""The gain that keeps the gradient: against an iteration of its own, against simulation, and where there is none."""

from math import exp, log, sqrt

import numpy as np
import pytest
from scipy.optimize import brentq

from actdiag.activations import Activation, resolve
from actdiag.experiments.verify import verify
from actdiag.theory import kept_gradient as module
from actdiag.theory.gaussian import moments
from actdiag.theory.kept_gradient import changes, kept_gradient


def iterated(act, gain, bias_std, depth):
    """Return the logarithms of rms dL/dz at layer 1 over the last, and of rms a at the last layer over the first."""
    q, gradient, seconds = gain**2 + bias_std**2, 0.0, []
    for layer in range(1, depth + 1):
        found = moments(act, q)
        seconds.append(found.second)
        if layer < depth:
            gradient += log(gain**2 * found.slope) / 2
        q = gain**2 * found.second + bias_std**2
    return gradient, log(seconds[-1] / seconds[0]) / 2


@pytest.mark.parametrize("depth", [10, 30, 60])
@pytest.mark.parametrize(
    ("spec", "bias_std"),
    [
        ("tanh", 0.0),
        ("tanh", 0.2),
        ("softsign", 0.0),
        ("elu", 0.0),
        ("selu", 0.1),
        ("gelu", 0.4158393810),
        ("silu", 0.7450793050),
        ("sin", 0.0),
        ("sigmoid", 0.0),
        ("hardtanh", 0.3),
    ],
)
def test_the_gradient_is_kept_by_an_iteration_with_quadrature(spec, bias_std, depth):
    act = resolve(spec)
    kept = kept_gradient(act, bias_std, depth)
    root = brentq(lambda gain: iterated(act, gain, bias_std, depth)[0], kept.gain / 1.02, kept.gain * 1.02, xtol=1e-12)
    assert kept.gain == pytest.approx(root, rel=1e-5)
    assert kept.signal == pytest.approx(exp(iterated(act, root, bias_std, depth)[1]), rel=1e-3)


@pytest.mark.parametrize("spec", ["tanh", "elu", "gelu"])
@pytest.mark.parametrize("bias_std", [0.0, 0.2])
def test_layers_that_are_passed_over_change_little(spec, bias_std, monkeypatch):
    act, gains = resolve(spec), np.array([1.0, 1.05, 1.2, 1.4, 1.5])
    quick = changes(act, gains, bias_std, 700)
    monkeypatch.setattr(module, "_EACH", 1000)
    each = changes(act, gains, bias_std, 700)
    assert quick.gradient == pytest.approx(each.gradient, rel=2e-3, abs=2e-3)
    assert quick.signal == pytest.approx(each.signal, rel=2e-3, abs=2e-3)


def counted(monkeypatch, act):
    """Have the moments of an activation counted: the list that each call of its curves is added to."""
    calls = []

    class Counting:
        def curves(self, q):
            calls.append(len(q))
            return tables.curves(q)

    tables = module.tables(act)
    monkeypatch.setattr(module, "tables", lambda act: Counting())
    return calls


STEPS = Activation("steps", np.sign, "sign(x)", "made up", derivative=np.zeros_like, kinks=(0.0,))
HOSTILE = [
    resolve(spec)
    for spec in (
        "relu_squared",
        "exponential",
        "tanhshrink",
        "hardshrink:9",
        "elu:1e3",
        "leaky_relu:-1",
        "where(x > 0, expm1(x), x)",
        "x**3",
        "sin(10*x)",
        "x*tanh(softplus(x))",
    )
]


@pytest.mark.parametrize("depth", [1, pytest.param(30, marks=pytest.mark.slow), 10_000, 1_000_000])
@pytest.mark.parametrize("act", [*HOSTILE, STEPS], ids=lambda act: act.name)
def test_hostile_activations_end_quickly_and_without_a_warning(monkeypatch, act, depth):
    calls = counted(monkeypatch, act)
    kept = kept_gradient(act, 0.0, depth)  # warnings are errors
    assert len(calls) < 6 * 1000
    assert kept is None or (0 < kept.gain < 1e6 and 0 < kept.signal < np.inf)


@pytest.mark.parametrize("act", [STEPS, resolve("hardshrink:9"), resolve("exponential")], ids=lambda act: act.name)
def test_where_there_is_none(act):
    assert kept_gradient(act, 0.0, 300) is None


@pytest.mark.parametrize("depth", [1, 9, 10, 60, 1_000_000])
@pytest.mark.parametrize(
    ("spec", "gain"), [("relu", sqrt(2)), ("leaky_relu:0.2", sqrt(2 / 1.04)), ("identity", 1.0), ("leaky_relu:-1", 1.0)]
)
def test_what_is_linear_on_both_sides_has_the_gain_of_all_depths(spec, gain, depth):
    kept = kept_gradient(resolve(spec), 0.0, depth)
    assert kept.gain == pytest.approx(gain, rel=1e-12)
    assert kept.signal == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("spec", ["tanh", "gelu", "softplus"])
def test_a_few_layers_get_the_gain_of_ten(spec):
    of_ten = kept_gradient(resolve(spec), 0.0, 10)
    assert all(kept_gradient(resolve(spec), 0.0, depth) == of_ten for depth in (1, 2, 9))
    assert kept_gradient(resolve(spec), 0.0, 11) != of_ten


def test_deeper_stacks_come_nearer_to_the_critical_gain():
    found = [kept_gradient(resolve("tanh"), 0.0, depth).gain for depth in (10, 60, 1000, 100_000)]
    assert found == sorted(found, reverse=True)
    assert 1 < found[-1] < 1.01


def test_of_several_it_is_the_one_that_changes_the_signal_least():
    act = resolve("exponential")
    found = kept_gradient(act, 0.0, 10)
    gains = np.geomspace(0.05, 8, 300)
    gradient, signal = changes(act, gains, 0.0, 10)
    crossing = np.flatnonzero((gradient[:-1] < 0) & (gradient[1:] >= 0))
    best = crossing[np.argmin(np.abs(signal[crossing]))]
    assert gains[best] <= found.gain <= gains[best + 1]


SEEDS = 5


@pytest.mark.slow
@pytest.mark.parametrize("depth", [10, 30])
@pytest.mark.parametrize(
    ("spec", "bias_std"), [("tanh", 0.0), ("tanh", 0.2), ("softsign", 0.0), ("elu", 0.0), ("gelu", 0.4158393810)]
)
def test_stacks_of_width_256_keep_the_gradient(spec, bias_std, depth):
    act = resolve(spec)
    kept = kept_gradient(act, bias_std, depth)
    runs = [verify(act, kept.gain, bias_std, depth=depth, width=256, seed=5 * run).layers[0] for run in range(4)]
    mean = np.mean([log(layer.measured_ratio) for layer in runs])
    spread = np.mean([log(layer.ratio_spread) for layer in runs])
    # 20 stacks; 1/width of theory is left beside their standard error.
    assert abs(mean) < 3 * spread / sqrt(4 * SEEDS) + depth / 256
    assert abs(mean) < spread + 0.02
