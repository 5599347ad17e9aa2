"""Weights and biases: what they depend on, and the factor that fits them to a batch."""

from dataclasses import replace

import numpy as np
import pytest

from actdiag import make_stack
from actdiag.engine.parameters import draw_biases, draw_weights, fit_scale, sample_weights
from actdiag.engine.workers import Workers
from actdiag.initializers import resolve as initializer

STACK = make_stack("relu", "he", widths=[300, 200, 100], input_width=80, batch=6, seed=3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("init", ["he", "xavier_uniform", "orthogonal", "sparse:0.5", "torch_linear", "constant:0.1"])
def test_shape_dtype_and_variance_are_the_recipes(init, dtype):
    stack = replace(STACK, init=initializer(init), dtype=dtype)
    for layer, shape in enumerate([(80, 300), (300, 200), (200, 100)], 1):
        weights = draw_weights(stack, layer)
        assert (weights.shape, weights.dtype) == (shape, np.dtype(dtype))
        # sd of a mean square of n normals: sqrt(2/n), 0.013 at most here
        assert np.square(weights).mean() == pytest.approx(stack.weight_std(layer) ** 2 or 0.1**2, rel=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {"batch": 9},
        {"act": make_stack("tanh", "he").act},
        {"bias_std": 0.5},
        {"input": "uniform"},
        {"widths": (40, 300, 200, 100, 50), "input_width": 7},
    ],
)
def test_weights_depend_on_seed_layer_initializer_fans_and_dtype_alone(changes):
    other = replace(STACK, **changes)
    moved = 0
    if "widths" in changes:  # layer 3 of the other has the fans of layer 2, under another number
        assert sample_weights(other, 3).shape == sample_weights(STACK, 2).shape
        assert not np.array_equal(sample_weights(other, 3), sample_weights(STACK, 2))
        other, moved = replace(STACK, widths=(300, 200, 100, 50)), 1
    for layer in (1, 2, 3):
        np.testing.assert_array_equal(draw_weights(other, layer), draw_weights(STACK, layer))
    assert other.depth == STACK.depth + moved


@pytest.mark.parametrize("changes", [{"seed": 4}, {"init": initializer("lecun_uniform")}, {"dtype": "float64"}])
def test_what_changes_weights(changes):
    assert not np.array_equal(draw_weights(replace(STACK, **changes), 2), draw_weights(STACK, 2))


def test_gain_and_scale_are_factors():
    drawn = draw_weights(STACK, 2)
    np.testing.assert_array_equal(draw_weights(replace(STACK, gain=0.5), 2), 0.5 * drawn)
    np.testing.assert_array_equal(draw_weights(STACK, 2, scale=4.0), 4 * drawn)
    np.testing.assert_array_equal(draw_weights(replace(STACK, gain=0.5), 2, scale=4.0), 2 * drawn)
    np.testing.assert_array_equal(sample_weights(replace(STACK, gain=0.5), 2), drawn)


def test_weights_and_biases_are_not_of_one_stream():
    stack = replace(STACK, widths=(1,), input_width=500, init=initializer("std=1"), bias_std=1.0)
    wide = replace(stack, widths=(500,), input_width=1)
    assert not np.array_equal(draw_biases(wide, 1), draw_weights(wide, 1)[0])
    assert np.abs(np.corrcoef(draw_biases(wide, 1), draw_weights(stack, 1)[:, 0])[0, 1]) < 4 / np.sqrt(500)


@pytest.mark.parametrize("options", [{}, {"bias_mean": 0.0}, {"bias_std": 0.0}, {"bias_mean": 0.0, "bias_std": 0.0}])
def test_no_biases_where_all_are_zero(options):
    assert draw_biases(replace(STACK, **options), 1) is None


def test_biases_are_normal_as_asked():
    stack = replace(STACK, widths=(40_000,), bias_mean=-0.5, bias_std=0.3)
    biases = draw_biases(stack, 1)
    assert (biases.shape, biases.dtype) == ((40_000,), np.float32)
    assert biases.mean() == pytest.approx(-0.5, abs=4 * 0.3 / 200)
    assert biases.std() == pytest.approx(0.3, rel=4 / np.sqrt(80_000))
    np.testing.assert_array_equal(draw_biases(replace(stack, bias_std=None), 1), np.full(40_000, -0.5))


def test_an_initializers_own_biases():
    stack = replace(STACK, init=initializer("torch_linear"), widths=(40_000, 5))
    biases = draw_biases(stack, 1)
    assert np.abs(biases).max() <= 1 / np.sqrt(80)
    assert biases.std() == pytest.approx(1 / np.sqrt(3 * 80), rel=0.02)
    assert draw_biases(replace(stack, bias_std=0.0), 1) is None
    assert np.abs(draw_biases(stack, 2)).max() <= 1 / np.sqrt(40_000)


def scale_of(weights, biases, inputs, cut=None):
    blocks = [slice(0, cut), slice(cut, None)] if cut else [slice(None)]
    with Workers(1) as workers:
        return fit_scale(weights, biases, inputs, blocks, workers)


@pytest.mark.parametrize("spread", [None, 0.0, 0.6])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e4])
def test_fitted_weights_give_a_std_of_one(size, spread):
    rng = np.random.default_rng(7)
    inputs, weights = rng.normal(1, 2, (50, 30)), size * rng.normal(0, 1, (30, 20))
    biases = None if spread is None else rng.normal(0.5, spread, 20)
    scale = scale_of(weights, biases, inputs)
    assert scale > 0
    assert np.std(inputs @ (scale * weights) + (0 if biases is None else biases)) == pytest.approx(1, rel=1e-9)
    assert scale_of(weights, biases, inputs, cut=13) == pytest.approx(scale, rel=1e-12)


def test_where_nothing_fits_the_weights_stay():
    rng = np.random.default_rng(7)
    inputs, weights = rng.normal(size=(50, 30)), rng.normal(size=(30, 20))
    assert scale_of(weights, None, np.zeros_like(inputs)) == 1
    assert scale_of(np.zeros_like(weights), rng.normal(0, 3, 20), inputs) == 1
    assert scale_of(np.full_like(weights, 1e200), None, np.full_like(inputs, 1e200)) == 1
