"""One step of theory against runs: where they agree, how far they stray, and that a fault is seen."""

from dataclasses import replace
from functools import lru_cache
from math import sqrt

import numpy as np
import pytest
from scipy.special import gammaln, polygamma, psi, xlogy

from actdiag import make_stack
from actdiag.activations import resolve
from actdiag.engine.forward import forward
from actdiag.engine.workers import Workers
from actdiag.initializers import resolve as initializer
from actdiag.measure.directions import directions, mean_cosine
from actdiag.measure.forward import Axis, ForwardMeasure
from actdiag.theory.flags import flagged
from actdiag.theory.onestep import expected
from actdiag.theory.pre_activations import pre_activations
from actdiag.theory.recipe import layers_of
from actdiag.theory.sampling import sample_inputs

SEEDS = 40
STATISTICS = [
    "mean",
    "std",
    "rms",
    "zero_fraction",
    "saturated_fraction",
    "cosine",
    "pre_activation.mean",
    "pre_activation.std",
    "pre_activation.rms",
]


def one_by_one(stack, believed=None):
    """Return (expected, measured, flagged) of each layer, by theory's view of a stack, which may be another."""
    believed, measure, sample, found = believed or stack, ForwardMeasure(stack.sites(), Axis()), None, []
    with Workers(1) as workers:
        for layer in forward(stack, workers, measure.visit):
            if layer.number:
                stats = measure.summarize(layer.number, layer.blocks)
                cosine = stats.cosine
                if sample is not None:
                    said = expected_of(believed, layer.number, sample)
                    found.append((said, stats, flagged(believed.format, said, stats)))
            else:
                cosine = mean_cosine([directions(layer.activations)])
            sample = sample_of(layer.activations, cosine)
    return found


def expected_of(stack, layer, sample):
    recipe = layers_of(stack)
    return expected(recipe, pre_activations(recipe, [layer], [sample]))[0]


def sample_of(activations, cosine):
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.square(activations.astype(float)).sum(axis=1)
    return sample_inputs(activations, squares, cosine)


def get(found, name):
    for part in name.split("."):
        found = getattr(found, part)
    return found


# How far statistics stray

RECIPES = {
    "relu": ("relu", "he", {}),
    "tanh": ("tanh", "xavier", {}),
    "gelu, biases": ("gelu", "he", {"bias_std": 0.3}),
    "sigmoid": ("sigmoid", "he", {}),
    "tanh, chaotic": ("tanh", "xavier", {"gain": 2.0, "batch": 7}),
    "relu, one input": ("relu", "he", {"batch": 1}),
    "selu, shifted": ("selu", "lecun_uniform", {"bias_mean": 0.5, "bias_std": 0.2, "batch": 20}),
}


@lru_cache
def steps(recipe):
    act, init, options = RECIPES[recipe]
    options = {"depth": 4, "width": 100, "batch": 100} | options
    return [one_by_one(make_stack(act, init, seed=seed, **options)) for seed in range(SEEDS)]


def scores(recipe, name):
    """Return (measured - expected) / sd, shape (seeds, layers)."""
    return np.array(
        [
            [(get(stats, name) - get(said, name).value) / get(said, name).sd for said, stats, _ in run]
            for run in steps(recipe)
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["mean", "std", "rms", "pre_activation.mean", "pre_activation.std", "pre_activation.rms"]
)
@pytest.mark.parametrize("recipe", RECIPES)
def test_statistics_stray_as_far_as_theory_says(recipe, name):
    z = scores(recipe, name)
    assert abs(z.mean()) < 4 * z.std() / sqrt(z.size)
    # 160 numbers leave their sd an error of 1/sqrt(320) = .056; the sd itself is right to some percent. That of the
    # rms of z about a mean adds up two that are independent.
    safe = (recipe, name) == ("selu, shifted", "pre_activation.rms")
    assert (0.5 if safe else 0.8) < z.std() < 1.2


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["relu", "relu, one input"])
def test_zero_fractions_stray_as_far_as_theory_says(recipe):
    z = scores(recipe, "zero_fraction")
    assert abs(z.mean()) < 4 * z.std() / sqrt(z.size)
    assert 0.8 < z.std() < 1.2


@pytest.mark.slow
def test_saturated_fractions_stray_as_far_as_theory_says():
    z = scores("tanh, chaotic", "saturated_fraction")
    assert abs(z.mean()) < 4 * z.std() / sqrt(z.size)
    assert 0.8 < z.std() < 1.2


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [name for name, (_, _, options) in RECIPES.items() if options.get("batch") != 1])
def test_cosines_stray_no_further_than_theory_says(recipe):
    """Their sd is on the safe side: for inputs at right angles, and where all are nearly parallel (sigmoid)."""
    z = scores(recipe, "cosine")
    assert abs(z.mean()) < 4 * max(z.std(), 0.25) / sqrt(z.size)
    assert (0.2 if recipe == "sigmoid" else 0.6) < z.std() < 1.2


@pytest.mark.parametrize("recipe", RECIPES)
def test_hardly_anything_healthy_is_flagged(recipe):
    """Over 4 sd: 6e-5 of normal numbers; of 1400 here three would be a wrong sd."""
    names = [name for run in steps(recipe) for _, _, flags in run for name in flags]
    assert len(names) <= 2, names
    assert set(names) <= set(STATISTICS)


def test_layers_of_units_with_biases_have_a_mean():
    said, stats, _ = steps("selu, shifted")[0][0]
    assert said.pre_activation.mean.value == 0.5
    assert stats.pre_activation.mean == pytest.approx(0.5, abs=4 * said.pre_activation.mean.sd)
    assert said.pre_activation.rms.value**2 == pytest.approx(said.pre_activation.std.value**2 + 0.25, rel=1e-12)


# Faults


def flags_of(stack, believed):
    return [set(flags) for _, _, flags in one_by_one(stack, believed)]


@pytest.mark.parametrize("seed", range(5))
def test_another_gain_is_seen(seed):
    stack = make_stack("relu", "he", depth=3, batch=100, seed=seed)
    assert flags_of(stack, stack) == [set()] * 3
    for flags in flags_of(replace(stack, gain=1.5), stack):
        assert {"rms", "std", "pre_activation.rms", "pre_activation.std"} <= flags
        assert "cosine" not in flags  # which a ReLU keeps


@pytest.mark.parametrize("seed", range(5))
def test_one_layer_is_seen_and_no_other(seed):
    """The weights of the layer with 90 inputs are half as large again as the initializer says."""
    he = initializer("he")

    def sample(rng, fan_in, fan_out, dtype):
        return he.sample(rng, fan_in, fan_out, dtype) * np.float32(1.5 if fan_in == 90 else 1)

    init = replace(he, sample=sample)
    stack = replace(make_stack("relu", "he", widths=[100, 90, 100, 100, 100], batch=100, seed=seed), init=init)
    found = flags_of(stack, stack)
    assert {"rms", "std", "pre_activation.rms"} <= found[2]
    assert [bool(flags) for flags in found] == [False, False, True, False, False]


@pytest.mark.parametrize("seed", range(5))
def test_another_slope_is_seen(seed):
    stack = make_stack("leaky_relu:0.5", "he", depth=3, batch=100, seed=seed)
    for flags in flags_of(stack, replace(stack, act=resolve("leaky_relu"))):
        assert {"mean", "cosine"} <= flags
        assert not any(name.startswith("pre_activation") for name in flags)


@pytest.mark.parametrize("seed", range(5))
def test_biases_that_theory_does_not_know_are_seen(seed):
    stack = make_stack("tanh", "xavier", depth=3, batch=100, seed=seed, bias_mean=1.0)
    for flags in flags_of(stack, replace(stack, bias_mean=None)):
        assert {"mean", "cosine", "pre_activation.mean", "pre_activation.rms"} <= flags


def test_saturation_that_theory_does_not_know_is_seen():
    stack = make_stack("tanh", "xavier", depth=3, batch=100)
    for flags in flags_of(replace(stack, gain=3.0), stack):
        assert "saturated_fraction" in flags


def test_zero_fractions_that_theory_does_not_know_are_seen():
    stack = make_stack("relu", "he", depth=3, batch=100, bias_mean=-1.0)
    for flags in flags_of(stack, replace(stack, bias_mean=None)):
        assert "zero_fraction" in flags


# Where there is nothing to compare


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_that_vanish_are_not_judged(dtype):
    found = one_by_one(make_stack("relu", "std=1e-15", depth=6 if dtype == "float32" else 10, batch=20, dtype=dtype))
    assert (found[-1][1].rms == 0) == (dtype == "float32")
    assert not any(flags for _, _, flags in found)


@pytest.mark.parametrize("act", ["relu", "tanh", "softplus"])
def test_layers_that_overflow_are_not_judged(act):
    found = one_by_one(make_stack(act, "std=1e15", depth=5, batch=20))
    assert act == "tanh" or len(found) < 5 or found[-1][1].nonfinite_fraction > 0
    assert not any(flags for _, stats, flags in found if stats.nonfinite_fraction)
    if act != "tanh":
        assert not any(flags for _, _, flags in found)


def test_a_layer_of_zeros_is_expected_of_a_layer_of_zeros():
    stack = make_stack("tanh", "he", depth=2, batch=5)
    said = expected_of(stack, 2, sample_of(np.zeros((5, 100), "f4"), None))
    assert said.rms == (0, 0)
    assert said.cosine is None
    said = expected_of(replace(stack, act=resolve("sigmoid")), 2, sample_of(np.zeros((5, 100), "f4"), None))
    assert said.pre_activation.rms == (0, 0)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("act", ["relu", "tanh", "sigmoid"])
def test_few_inputs(act, batch):
    for said, stats, flags in one_by_one(make_stack(act, "he", depth=3, batch=batch)):
        assert flags == ()
        assert (said.cosine is None) == (batch == 1) == (stats.cosine is None)
        assert said.rms.sd > 0


@pytest.mark.parametrize("act", ["tanh", "exponential", "hardshrink", "gelu", "relu_squared"])
def test_what_theory_expects_is_never_nan(act):
    for scale in (1e-12, 1e-3, 1.0, 1e3, 1e12):
        stack = make_stack(act, "he", depth=2, batch=6)
        activations = np.random.default_rng(0).normal(0, scale, (6, 100))
        said = expected_of(stack, 2, sample_of(activations, 0.0))
        for name in STATISTICS:
            estimate = get(said, name)
            assert estimate is None or np.isfinite(estimate).all(), name


# The law of finite width: one input, ln of the second moment


def he_relu_law(n):
    """Return the exact drift and variance a layer: 2/n times chi squared of as many degrees as units are awake."""
    awake = np.arange(1, n + 1)
    chance = np.exp(gammaln(n + 1) - gammaln(awake + 1) - gammaln(n - awake + 1) - xlogy(n, 2))
    chance /= chance.sum()
    means, variances = psi(awake / 2) + np.log(4 / n), polygamma(1, awake / 2)
    drift = chance @ means
    return drift, chance @ variances + chance @ np.square(means - drift)


def orthogonal_relu_law(n):
    """Return the same for a random rotation: 2 times a beta variable."""
    awake = np.arange(1, n)
    chance = np.exp(gammaln(n + 1) - gammaln(awake + 1) - gammaln(n - awake + 1) - xlogy(n, 2))
    chance /= chance.sum()
    means = psi(awake / 2) - psi(n / 2) + np.log(2)
    drift = chance @ means
    return drift, chance @ (polygamma(1, awake / 2) - polygamma(1, n / 2)) + chance @ np.square(means - drift)


def steps_of_ln_second(init, width, depth, seeds, **options):
    """Return what ln of the mean square changes by, for every layer on the way up that has any signal left."""
    found = []
    for seed in range(seeds):
        stack = make_stack("relu", init, depth=depth, width=width, batch=1, dtype="float64", seed=seed, **options)
        with Workers(1) as workers:
            levels = [
                float(np.square(layer.activations).mean())
                for layer in forward(stack, workers, lambda layer, z, a: None)
            ]
        known = [level for level in levels[1:] if level > 0]
        found.append(np.diff(np.log(known)))
    return np.concatenate(found)


def test_the_exact_law_is_the_known_one():
    assert he_relu_law(100) == (pytest.approx(-0.02542, abs=6e-6), pytest.approx(0.05194, abs=6e-6))
    assert he_relu_law(10) == (pytest.approx(-0.30746, abs=6e-6), pytest.approx(0.86673, abs=6e-6))
    assert he_relu_law(1000)[1] == pytest.approx(5 / 1000, rel=0.005)
    assert orthogonal_relu_law(1000)[1] == pytest.approx(3 / 1000, rel=0.01)


def assert_law(changes, drift, variance):
    error = sqrt(variance / len(changes))
    assert changes.mean() == pytest.approx(drift, abs=4 * error)
    fourth = np.mean(np.power(changes - changes.mean(), 4))
    assert changes.var() == pytest.approx(variance, abs=4 * sqrt((fourth - variance**2) / len(changes)))


@pytest.mark.parametrize(("width", "depth", "seeds"), [(10, 150, 12), (50, 900, 2), (100, 900, 2)])
def test_layers_of_he_relu_follow_the_law(width, depth, seeds):
    assert_law(steps_of_ln_second("he", width, depth, seeds), *he_relu_law(width))


def test_orthogonal_layers_follow_their_own_law():
    changes = steps_of_ln_second("orthogonal", 30, 700, 2, gain=sqrt(2))
    assert_law(changes, *orthogonal_relu_law(30))
    assert changes.var() < 0.75 * he_relu_law(30)[1]


@pytest.mark.parametrize(("fan_in", "fan_out"), [(30, 30), (50, 20), (20, 50)])
def test_orthogonal_singular_values_are_all_one(fan_in, fan_out):
    weights = initializer("orthogonal").sample(np.random.default_rng(1), fan_in, fan_out, "float64")
    assert weights.shape == (fan_in, fan_out)
    np.testing.assert_allclose(np.linalg.svd(weights, compute_uv=False), 1, rtol=1e-13)
