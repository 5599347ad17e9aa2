"""The axis that all layers share: an activation's bounds, or as far as layer 1 reaches."""

from math import inf, nan, pi

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.measure.counting import count_entries
from actdiag.measure.histograms import axis_edges, linear_histogram, spaced

RNG = np.random.default_rng(0)


UNBOUNDED = np.array([[-3.0, 1.0, 0.5, 2.0]], "f4")


def edges_of(layer, bounds, bins, blocks=1):
    """The axis from a layer in blocks of rows."""
    return axis_edges(np.array_split(layer, blocks), bounds, bins)


@pytest.mark.parametrize(
    ("act", "low", "high"),
    [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu6", 0, 6), ("softmax", 0, 1), ("hardtanh", -1, 1)],
)
def test_bounded_activations_give_their_bounds(act, low, high):
    assert edges_of(UNBOUNDED, resolve(act).bounds, 30) == spaced(low, high, 30)


@pytest.mark.parametrize(
    ("act", "low", "high"), [("relu", 0, 1), ("tanhshrink", -1, 1), ("elu", -1, 1), ("log_softmax", -1, 1)]
)
def test_others_reach_as_far_as_layer_1(act, low, high):
    layer = np.concatenate([RNG.standard_normal((200, 30)), [[nan, inf, -inf, *[0] * 27]]]).astype("f4")
    reach = np.percentile(np.abs(layer[:-1, :].astype(float)), 99.9)  # one row of zeros hardly moves it
    edges = edges_of(layer, resolve(act).bounds, 4)
    assert (edges[0], edges[-1]) == (pytest.approx(low * reach, rel=0.01), pytest.approx(high * reach, rel=0.01))


@pytest.mark.parametrize("blocks", [1, 3, 40])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (41, 7), (300, 70)])
def test_the_reach_is_numpys_percentile_of_the_whole_layer(shape, blocks):
    layer = RNG.standard_normal(shape) * np.linspace(1, 9, shape[0])[:, np.newaxis]
    with_holes = np.concatenate([layer, np.full((1, shape[1]), nan), np.full((1, shape[1]), -inf)])
    reach = edges_of(with_holes, (-inf, inf), 1, min(blocks, len(with_holes)))[1]
    assert reach == pytest.approx(np.percentile(np.abs(layer), 99.9), rel=1e-14)


@pytest.mark.parametrize("layer", [np.zeros((3, 2), "f4"), np.full((3, 2), nan, "f4"), np.full((3, 2), 5e-324)])
def test_a_layer_without_reach_gives_one(layer):
    assert edges_of(layer, (0, inf), 2) == (0.0, 0.5, 1.0)


def test_reach_keeps_to_what_float64_holds():
    assert np.isfinite(edges_of(np.full((2, 2), 1.7e308), (-inf, inf), 30)).all()
    assert edges_of(np.full((2, 2), 1e-40, "f4"), (0, inf), 1)[1] == pytest.approx(1e-40, rel=1e-5, abs=0)


STEEP = np.geomspace(1e-3, 1e30, 9999, dtype="f4")  # arctan of the last is float32's pi/2, which is above pi/2


@pytest.mark.parametrize("act", ["lecun_tanh", "arctan", "tanh", "sigmoid", "erf", "softsign", "hardsigmoid", "sin"])
def test_saturated_values_stay_on_the_axis(act):
    entry = resolve(act)
    with np.errstate(all="ignore"):
        a = entry.value(np.concatenate([-STEEP, STEEP]))
    found = linear_histogram(count_entries(a, edges_of(a, entry.bounds, 30)))
    assert (found.below, found.above) == (0, 0)
    assert found.edges[-1] == pytest.approx({"lecun_tanh": 1.7159, "arctan": pi / 2}.get(act, 1), rel=1e-6)


@pytest.mark.parametrize(
    "layer", [np.r_[np.full(9000, 1e-9), 1e30], np.full(500, 7.0), np.r_[np.zeros(9000), 2.0, nan]]
)
def test_the_reach_is_found_however_far_the_greatest_lies(layer):
    finite = layer[np.isfinite(layer)]
    expected = np.percentile(finite, 99.9) or 1.0
    assert edges_of(layer[:, np.newaxis], (-inf, inf), 1, 3)[1] == pytest.approx(expected, rel=1e-12)
