"""Published and derived numbers: what anyone who knows the experiment expects to see.

Sources: Saito 2016, Deep Learning from Scratch, ch. 6; Glorot & Bengio 2010, AISTATS; Poole et al. 2016,
arXiv:1606.05340; Hanin & Nica 2019, arXiv:1812.05994. Infinite-width values come from the Gaussian integrals
q' = sigma_w^2 E[f(sqrt(q) z)^2]; sd is the spread of one run of 100 units, seed to seed.
"""

from functools import lru_cache
from math import exp, sqrt

import numpy as np
import pytest

from actdiag import grad_flow, propagate

SEEDS = 20
SMALL_STEP = sqrt(0.5) / 10  # rms from layer to layer of relu, std .01, width 100: .01 sqrt(100 / 2)


@lru_cache
def runs(act, init):
    return [propagate(act, init, seed=seed, theory=False).layers for seed in range(SEEDS)]


def measured(act, init, statistic):
    """Return a statistic of five layers of 100 over 1000 inputs, shape (seeds, layers)."""
    return np.array([[getattr(stats, statistic) for stats in layers] for layers in runs(act, init)])


# relu, std .01: mean activation and its sd at layers 1 to 5, simulated over 300 seeds
MEANS = np.array([3.9784e-2, 2.8110e-3, 1.9645e-4, 1.3872e-5, 9.656e-7])
SDS = np.array([3.46e-4, 2.14e-4, 2.18e-5, 1.93e-6, 1.58e-7])
IN_THE_BOOK = np.array([0.0396, 0.00290, 0.000197, 1.32e-5, 9.46e-7])
STDS = np.array([5.83819e-2, 4.12823e-3, 2.91910e-4, 2.06411e-5, 1.45955e-6])
STD_SDS = np.array([4.9e-4, 1.8e-4, 2.3e-5, 2.4e-6, 2.0e-7])


def assert_within(found, expected, sd):
    """Within four standard errors of the difference of the means, the expected one over as many runs as it says."""
    assert np.all(np.abs(found - expected) <= 4 * sd), (found - expected) / sd


def test_relu_with_small_weights_has_the_books_means():
    means = measured("relu", "std=0.01", "mean")
    assert_within(means.mean(axis=0), MEANS, SDS * sqrt(1 / SEEDS + 1 / 300))
    assert_within(means.std(axis=0, ddof=1), SDS, SDS / sqrt(2 * SEEDS))
    # The book's is a single run.
    assert_within(means.mean(axis=0), IN_THE_BOOK, SDS * sqrt(1 / SEEDS + 1))


def test_relu_with_small_weights_has_the_theorys_stds():
    # At a width of 100 a mean of stds lies up to 5 % under the infinite width's by layer 5: ln q drifts by -K/2n.
    stds = measured("relu", "std=0.01", "std").mean(axis=0)
    assert_within(stds, STDS * np.exp(-5 / 800 * np.arange(5)), STD_SDS / sqrt(SEEDS))


@pytest.mark.parametrize(("init", "factor"), [("xavier", 10), ("he", 10 * sqrt(2))])
@pytest.mark.parametrize("statistic", ["mean", "std", "rms", "max"])
def test_other_scales_multiply_layer_l_by_their_power(init, factor, statistic):
    """A ReLU without biases is homogeneous, and one seed draws one set of normals whatever their scale."""
    ratio = measured("relu", init, statistic) / measured("relu", "std=0.01", statistic)
    np.testing.assert_allclose(ratio, np.tile(factor ** np.arange(1.0, 6), (SEEDS, 1)), rtol=1e-5)


def test_he_keeps_mean_and_std():
    up = (10 * sqrt(2)) ** np.arange(1, 6)
    assert_within(measured("relu", "he", "mean").mean(axis=0), MEANS * up, SDS * up * sqrt(1 / SEEDS + 1 / 300))
    wide = propagate("relu", "he", depth=1, width=2000).layers[0]
    # One layer over 1000 inputs: q of a unit follows |w|^2, so that ln q has a variance of 2/2000 / 2000 and of the
    # inputs' 2/(2000 1000); z's 2e6 values spread the mean by .0006 themselves.
    assert wide.mean == pytest.approx(0.5641896, abs=4 * 0.0008)
    assert wide.std == pytest.approx(0.8256453, abs=4 * 0.0008)
    zeros = measured("relu", "he", "zero_fraction")
    assert_within(zeros.mean(axis=0)[[0, 4]], 0.5, np.array([0.0015, 0.036]) / sqrt(SEEDS))


LINEAR_SD = np.sqrt(2 / 100 * np.arange(1, 6)) / 2  # of ln std, where each layer adds 2/n to the variance of ln q


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "init", "expected", "sd"),
    [
        ("tanh", "std=0.01", 0.0990226 * 0.1 ** np.arange(5), 0.0990226 * 0.1 ** np.arange(5) * LINEAR_SD),
        ("tanh", "xavier", [0.627929, 0.486262, 0.408236, 0.357638, 0.321622], np.linspace(0.0024, 0.0052, 5)),
        ("tanh", "he", [0.721093, 0.633580, 0.595584, 0.576942, 0.567261], np.linspace(0.0024, 0.0052, 5)),
        ("sigmoid", "std=1", [0.459065, 0.439526, 0.438340, 0.438340, 0.438340], 0.007),
        ("sigmoid", "xavier", [0.208276, 0.126853, 0.121476, 0.121204, 0.121190], 0.008),
        ("sigmoid", "he", [0.261570, 0.175632, 0.167040, 0.166330, 0.166272], 0.01),
    ],
)
def test_bounded_activations_have_the_theorys_stds(act, init, expected, sd):
    assert_within(measured(act, init, "std").mean(axis=0), expected, np.asarray(sd) / sqrt(SEEDS))
    centre = 0.5 if act == "sigmoid" else 0
    assert measured(act, init, "mean").mean(axis=0) == pytest.approx(np.full(5, centre), abs=0.02)


GLOROT_STANDARD = [0.460299, 0.249501, 0.141195, 0.080986, 0.046655], [0.083185, 0.176404, 0.324683, 0.573588, 1]
GLOROT_NORMALIZED = [0.627929, 0.486262, 0.408236, 0.357638, 0.321622], [0.409828, 0.601387, 0.753771, 0.884206, 1]


@pytest.mark.parametrize(
    ("init", "gain", "columns"),
    [
        ("uniform:0.03162277660168379", 1.0, GLOROT_STANDARD),
        ("lecun_uniform", 1 / sqrt(3), GLOROT_STANDARD),
        ("xavier_uniform", 1.0, GLOROT_NORMALIZED),
    ],
)
def test_glorot_and_bengios_columns(init, gain, columns):
    """Tanh, five layers of 1000: within 1 % at this width."""
    stds, ratios = columns
    layers = grad_flow("tanh", init, gain=gain, width=1000, batch=1000).layers
    assert [stats.std for stats in layers] == pytest.approx(stds, rel=0.01)
    assert [stats.gradient.ratio for stats in layers] == pytest.approx(ratios, rel=0.01)
    if columns is GLOROT_STANDARD:  # dL/dW says nothing of a twelvefold loss
        norms = np.array([stats.weight_gradient.norm for stats in layers])
        assert norms / norms[-1] == pytest.approx([1.027, 1.003, 1, 1, 1], rel=0.01)


# A layer adds 5/n to the variance of ln q, half of that to ln rms: after 40 and 280 layers of 100 units ln rms has an
# sd of .7 and 1.9 and has sunk by .5 and 3.5, where one layer's step is 2.65.
def first(layers, holds):
    return next(stats.layer for stats in layers if holds(stats))


@pytest.mark.parametrize("seed", range(4))
def test_float32_is_out_of_numbers_at_40_layers(seed):
    layers = propagate("relu", "std=0.01", depth=45, batch=200, seed=seed).layers
    assert first(layers, lambda stats: stats.zero_fraction == 1) == pytest.approx(40, abs=2)
    assert first(layers, lambda stats: stats.subnormal_fraction > 0) == pytest.approx(32, abs=3)
    assert layers[-1].std == 0
    for number in (20, 21):  # where a std in float32 is 0 already
        q_spread = sqrt(5 * number / 100)
        expected = SMALL_STEP**number * sqrt(1 - 1 / np.pi)
        assert abs(np.log(layers[number - 1].std / expected)) < 4 * q_spread / 2 + 5 * number / 400


def test_float64_is_out_of_numbers_at_280_layers():
    layers = propagate("relu", "std=0.01", depth=290, batch=100, dtype="float64").layers
    assert first(layers, lambda stats: stats.zero_fraction == 1) == pytest.approx(280, abs=4)
    assert layers[149].rms > 0  # a plain sum of squares is 0 from layer 141
    assert abs(np.log(layers[149].rms) - 150 * np.log(SMALL_STEP)) < 4 * sqrt(7.5) / 2 + 2.5


@pytest.mark.parametrize("seed", range(3))
def test_float32_overflows_at_32_layers_of_unit_weights(seed):
    layers = propagate("relu", "std=1", depth=33, width=500, batch=100, seed=seed).layers
    assert first(layers, lambda stats: stats.nonfinite_fraction > 0) == pytest.approx(32, abs=1)
    assert np.isfinite(layers[29].rms)  # a float32 sum of squares is inf from layer 15
    spread = 4 * sqrt(5 * 30 / 500) / 2
    assert abs(np.log(layers[29].rms) - 30 * np.log(sqrt(250))) < spread + 5 * 30 / 2000


@pytest.mark.slow
def test_pooled_std_hides_what_unit_std_shows():
    """sigmoid, std .01: units keep a spread of biases, .01 sqrt(100) .5 / 4; inputs lose a factor of 40 a layer."""
    reports = [propagate("sigmoid", "std=0.01", dtype="float64", seed=seed) for seed in range(10)]
    pooled = np.mean([[stats.std for stats in report.layers] for report in reports], axis=0)
    unit = np.mean([[stats.unit_std for stats in report.layers] for report in reports], axis=0)
    # sd of one run: 7 % of the pooled std (100 units: 1/sqrt(200)) and up to 3 % of unit_std
    assert pooled == pytest.approx([0.0249, 0.0126, 0.0125, 0.0125, 0.0125], rel=4 * 0.07 / sqrt(10))
    assert unit == pytest.approx([0.0248, 6.2e-4, 1.55e-5, 3.87e-7, 9.65e-9], rel=4 * 0.03 / sqrt(10))
    assert reports[0].layers[-1].cosine > 1 - 1e-6


@pytest.mark.slow
def test_deep_he_relu_has_the_dead_units_it_must():
    """Layers of 100 over 1000 inputs; simulated: .0203 at layer 5, .107 at 10, .239 at 20."""
    seeds = 10
    reports = [propagate("relu", "he", depth=20, seed=seed) for seed in range(seeds)]
    dead = np.mean([[report.layers[number - 1].dead_fraction for number in (3, 5, 10, 20)] for report in reports], 0)
    # seed to seed the share has an sd of .003, .016, .046 and .068: one network's cosine differs from another's
    assert_within(dead, [0.0010, 0.0203, 0.107, 0.239], np.array([0.003, 0.016, 0.046, 0.068]) / sqrt(seeds))


@pytest.mark.slow
def test_a_single_input_drifts_and_spreads_as_finite_width_says():
    """ln of the second moment moves by -.02542 a layer with a variance of .05194 at a width of 100."""
    depth, seeds = 15, 60
    ends = np.array(
        [[report.layers[0].rms, report.layers[-1].rms] for report in (
            propagate("relu", "he", depth=depth + 1, batch=1, seed=seed) for seed in range(seeds)
        )]
    )  # fmt: skip
    change = 2 * np.log(ends[:, 1] / ends[:, 0])
    variance = 0.05194 * depth
    assert change.mean() == pytest.approx(-0.02542 * depth, abs=4 * sqrt(variance / seeds))
    assert change.var(ddof=1) == pytest.approx(variance, rel=4 * sqrt(2 / seeds))
    assert exp(change.mean()) < 1
