"""What is too far from what theory expects, on statistics built by hand."""

from dataclasses import replace
from math import inf

import builders
import pytest

from actdiag.formats import FORMATS
from actdiag.measure.statistics import PreActivationStats
from actdiag.theory.flags import FLAGGED, flagged, is_outlier
from actdiag.theory.types import Estimate, GradientEstimates, LayerEstimates, PreActivationEstimates

FLOAT32 = FORMATS["float32"]
STATS = builders.layer(1, mean=0.4, std=0.6, rms=0.7, saturated_fraction=0.2)
MEASURED = {
    "mean": STATS.mean,
    "std": STATS.std,
    "rms": STATS.rms,
    "zero_fraction": STATS.zero_fraction,
    "saturated_fraction": STATS.saturated_fraction,
    "cosine": STATS.cosine,
    "pre_activation.mean": STATS.pre_activation.mean,
    "pre_activation.std": STATS.pre_activation.std,
    "pre_activation.rms": STATS.pre_activation.rms,
}


def expecting(name, value, sd):
    """Estimates of one number alone."""
    *nested, last = name.split(".")
    one = {last: Estimate(value, sd)}
    return LayerEstimates(pre_activation=PreActivationEstimates(**one)) if nested else LayerEstimates(**one)


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("name", MEASURED)
def test_a_number_is_flagged_beyond_four_sd(name, side):
    sd = 0.01
    assert flagged(FLOAT32, expecting(name, MEASURED[name] + side * 0.999 * FLAGGED * sd, sd), STATS) == ()
    assert flagged(FLOAT32, expecting(name, MEASURED[name] + side * 1.001 * FLAGGED * sd, sd), STATS) == (name,)


def test_rounding_is_not_flagged():
    within = 0.9 * FLOAT32.statistic_error * STATS.rms
    assert flagged(FLOAT32, expecting("mean", STATS.mean + within, 0.0), STATS) == ()
    assert flagged(FLOAT32, expecting("mean", STATS.mean + within, None), STATS) == ()
    assert flagged(FLOAT32, expecting("mean", STATS.mean + 2 * within, 0.0), STATS) == ("mean",)


@pytest.mark.parametrize(
    "changes",
    [
        {"rms": None},
        {"nonfinite_fraction": 0.1},
        {"rms": 1e-36},
        {"rms": 1e36},
        {"pre_activation": PreActivationStats(0.0, 1e-36, 1e-36, -1.0, 1.0, 0.0)},
        {"pre_activation": PreActivationStats(0.0, 1.0, 1.0, -1.0, 1.0, 0.5)},
    ],
)
def test_layers_at_the_limits_of_the_format_are_not_compared(changes):
    estimates = expecting("cosine", -0.9, 0.01)
    assert flagged(FLOAT32, estimates, STATS) == ("cosine",)
    assert flagged(FLOAT32, estimates, replace(STATS, **changes)) == ()


def test_a_layer_that_should_not_have_vanished_is_compared():
    gone = replace(STATS, rms=0.0)
    assert flagged(FLOAT32, expecting("rms", 0.7, 0.01), gone) == ("rms",)
    assert flagged(FLOAT32, expecting("rms", 1e-36, 1e-38), gone) == ()


def test_a_gradient_is_an_outlier_beyond_four_sd():
    stats = builders.gradient(STATS, 1e-3, 1.0)
    for sd in (1e-5, 1e-4):
        assert not is_outlier(FLOAT32, GradientEstimates(rms=Estimate(1e-3 + 0.999 * FLAGGED * sd, sd)), stats)
        assert is_outlier(FLOAT32, GradientEstimates(rms=Estimate(1e-3 + 1.01 * FLAGGED * sd, sd)), stats)


@pytest.mark.parametrize("rms", [None, 1e-36, inf])
def test_gradients_at_the_limits_of_the_format_are_none(rms):
    stats = builders.gradient(STATS, 1e-3, 1.0)
    far = GradientEstimates(rms=Estimate(1e-35, 1e-40))
    assert is_outlier(FLOAT32, far, stats)
    assert not is_outlier(FLOAT32, far, replace(stats, gradient=replace(stats.gradient, rms=rms)))
    assert not is_outlier(FLOAT32, far, replace(stats, gradient=replace(stats.gradient, nonfinite_fraction=0.1)))
    assert not is_outlier(FLOAT32, GradientEstimates(), stats)
    assert not is_outlier(FLOAT32, far, STATS)
