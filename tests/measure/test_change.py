"""The change per layer against a line fitted by numpy."""

from dataclasses import replace

import numpy as np
import pytest

from actdiag import grad_flow
from actdiag.measure.change import change_per_layer


@pytest.fixture(scope="module")
def gradient_layers():
    return grad_flow("tanh", "std=0.2", depth=9, width=30, batch=50).layers


def fitted(heights):
    """Return exp(slope) of a least-squares line, by numpy."""
    numbers, values = zip(*heights, strict=True)
    return np.exp(np.polyfit(numbers, np.log(values), 1)[0])


def test_change_per_layer_is_a_fitted_line(gradient_layers):
    change = change_per_layer(gradient_layers)
    assert change.forward == pytest.approx(fitted([(s.layer, s.rms) for s in gradient_layers]), rel=1e-10)
    assert change.backward == pytest.approx(fitted([(-s.layer, s.gradient.rms) for s in gradient_layers]), rel=1e-10)


def test_change_per_layer_leaves_out_what_is_zero_or_nonfinite(gradient_layers):
    layers = list(gradient_layers)
    layers[1] = replace(layers[1], rms=0.0, gradient=replace(layers[1].gradient, rms=0.0))
    layers[4] = replace(layers[4], nonfinite_fraction=0.1, gradient=replace(layers[4].gradient, rms=None))
    layers[6] = replace(layers[6], rms=None, gradient=replace(layers[6].gradient, nonfinite_fraction=0.5))
    kept = [stats for stats in layers if stats.layer not in (2, 5, 7)]
    change = change_per_layer(layers)
    assert change.forward == pytest.approx(fitted([(s.layer, s.rms) for s in kept]), rel=1e-10)
    assert change.backward == pytest.approx(fitted([(-s.layer, s.gradient.rms) for s in kept]), rel=1e-10)


def test_change_per_layer_takes_two_points(gradient_layers):
    assert change_per_layer(gradient_layers[:1]).forward is None
    assert change_per_layer(gradient_layers[:1]).backward is None
    assert change_per_layer(gradient_layers[:2]).forward > 0
    assert change_per_layer([replace(stats, gradient=None) for stats in gradient_layers]).backward is None
    gone = [replace(stats, rms=0.0 if stats.layer > 1 else 1.0) for stats in gradient_layers]
    assert change_per_layer(gone).forward is None
