"""Recipes as theory has them, and the maps followed through them, against the quadrature layer by layer."""

from math import log10, sqrt

import numpy as np
import pytest
from pair_moments import pair_moment

from actdiag import make_stack
from actdiag.activations import resolve
from actdiag.theory import flow as flow_module
from actdiag.theory.flow import follow, sample_of_input
from actdiag.theory.gaussian import moments
from actdiag.theory.recipe import layers_of, why_not
from actdiag.theory.sampling import InputSample

ONE = np.ones(1)


def sample_of(second=1.0, cosines=()):
    """Return an input of rows of one length, some pairs of which have these cosines."""
    cosines = np.array(cosines)
    lengths = np.full(len(cosines), second)
    return InputSample(second * ONE, ONE, lengths, lengths, cosines, float(cosines.mean()) if len(cosines) else 0.0)


def flow_of(act, init, sample, **options):
    stack = make_stack(act, init, **options)
    return follow(layers_of(stack), sample), stack


def test_the_recipe_has_each_layers_own_fans():
    widths, input_width, gain = (30, 80, 20), 50, 1.5
    recipe = layers_of(make_stack("tanh", "xavier", widths=widths, input_width=input_width, gain=gain, bias_std=0.3))
    below, above = (50, 30, 80), widths
    variance = [gain**2 * 2 / (fan_in + fan_out) for fan_in, fan_out in zip(below, above, strict=True)]
    assert recipe.weight == pytest.approx(np.array(below) * variance, rel=1e-12)
    assert recipe.back == pytest.approx(np.array(above) * variance, rel=1e-12)
    assert recipe.bias == pytest.approx([0.09] * 3, rel=1e-12)
    assert (recipe.act, recipe.centre, recipe.widths) == (resolve("tanh"), 0.0, widths)
    assert recipe.loose == [1.0] * 3
    assert not recipe.fitted


def test_the_recipe_of_torchs_linear_has_its_biases():
    recipe = layers_of(make_stack("relu", "torch_linear", widths=[30, 80], input_width=50))
    assert recipe.weight == pytest.approx([1 / 3, 1 / 3], rel=1e-12)
    assert recipe.back == pytest.approx([30 / 150, 80 / 90], rel=1e-12)
    assert recipe.bias == pytest.approx([1 / 150, 1 / 90], rel=1e-12)


def test_orthogonal_weights_are_loose_where_they_lose_inputs():
    recipe = layers_of(make_stack("relu", "orthogonal", widths=[40, 10, 10, 30], input_width=20))
    assert recipe.loose == pytest.approx([0.0, 0.75, 0.0, 0.0])
    fitted = layers_of(make_stack("relu", "lsuv", widths=[40, 10], input_width=20))
    assert fitted.fitted
    assert fitted.loose == pytest.approx([0.0, 0.75])


def test_a_mean_of_the_biases_moves_the_activation():
    recipe = layers_of(make_stack("hardtanh", "he", bias_mean=0.5, bias_std=0.2))
    x = np.linspace(-3, 3, 13)
    act = resolve("hardtanh")
    assert recipe.centre == 0.5
    np.testing.assert_array_equal(recipe.act.value(x), act.value(x + 0.5))
    np.testing.assert_array_equal(recipe.act.derivative(x), act.derivative(x + 0.5))
    assert recipe.act.kinks == (-1.5, 0.5)


@pytest.mark.parametrize(
    ("act", "init", "word"),
    [
        ("softmax", "he", "softmax"),
        ("maxout", "he", "maxout"),
        ("relu", "ones", "ones"),
        ("relu", "zeros", "zeros"),
        ("relu", "identity", "identity"),
        ("relu", "constant:0.1", "constant"),
        ("relu", "he", None),
        ("tanh", "orthogonal", None),
    ],
)
def test_why_theory_does_not_apply(act, init, word):
    reason = why_not(make_stack(act, init))
    assert reason is None if word is None else word in reason


def test_what_is_seen_of_an_input():
    stack = make_stack("relu", "he", width=30, batch=50, seed=3)
    inputs, sample = stack.inputs().astype(float), sample_of_input(stack)
    assert float(sample.shares @ sample.seconds) == pytest.approx(np.mean(inputs**2), rel=1e-12)
    units = inputs / np.linalg.norm(inputs, axis=1, keepdims=True)
    gram = units @ units.T
    assert sample.cosine == pytest.approx((gram.sum() - 50) / (50 * 49), abs=1e-12)
    assert sample.shares.sum() == pytest.approx(1)


MAPPED = [
    ("relu", "he", {}),
    ("relu", "he", {"bias_std": 0.3}),
    ("tanh", "he", {}),
    ("tanh", "xavier", {"bias_std": 0.2, "gain": 1.7}),
    ("gelu", "he", {"bias_std": 0.1}),
    ("elu", "lecun", {"bias_std": 0.5}),
    ("hardtanh", "he", {"bias_std": 0.2}),
    ("sigmoid", "torch_linear", {}),
    ("selu", "lecun", {"bias_mean": 0.4, "bias_std": 0.3}),
    ("softplus", "lsuv", {"bias_std": 0.5}),
]


@pytest.mark.parametrize(("act", "init", "options"), MAPPED)
def test_second_moments_follow_the_map(act, init, options):
    """q' = weight E f^2 + bias, by quadrature, with every layer's own fans."""
    widths, input_width = [40, 90, 30, 60, 60, 60], 50
    flow, stack = flow_of(act, init, sample_of(0.8), widths=widths, input_width=input_width, **options)
    recipe = layers_of(stack)
    below = 0.8
    for layer, (weight, bias) in enumerate(zip(recipe.weight, recipe.bias, strict=True)):
        carried = 1 - bias if recipe.fitted else weight * below
        assert flow.q[layer] == pytest.approx(carried + bias, rel=1e-9)
        assert flow.share[layer] == pytest.approx(carried / (carried + bias), rel=1e-9)
        assert flow.fit[layer] == pytest.approx((1 - bias) / (weight * below) if recipe.fitted else 1, rel=1e-9)
        known = moments(recipe.act, carried + bias)
        for name in flow.curves._fields:
            assert getattr(flow.curves, name)[layer] == pytest.approx(getattr(known, name), rel=1e-9, abs=1e-12), name
        assert flow.degree[layer] == pytest.approx(known.mixed / known.second, rel=1e-9, abs=1e-12)
        below = known.second


@pytest.mark.parametrize(("act", "init", "options"), MAPPED)
@pytest.mark.parametrize("cosines", [(-0.2, 0.1, 0.25), (0.7, 0.8)])
def test_correlations_follow_the_map(act, init, options, cosines):
    """c' = share E f(u1) f(u2) / E f^2 + 1 - share, for the mean pair and for two beside it."""
    widths = (40, 70, 25, 60)
    flow, stack = flow_of(act, init, sample_of(1.0, cosines), widths=widths, **options)
    moved = layers_of(stack).act
    below = np.array([np.mean(cosines), np.mean(cosines) - np.std(cosines), np.mean(cosines) + np.std(cosines)])
    for layer, q in enumerate(flow.q):
        assert flow.c[layer] == pytest.approx(flow.share[layer] * below + 1 - flow.share[layer], rel=1e-9, abs=1e-12)
        known = np.array([pair_moment(moved, q, c) for c in flow.c[layer]]) / moments(moved, q).second
        if layer == 0:  # whose pairs are known: the mean of their cosines follows
            known[0] = known[1:].mean()
        assert flow.cosines[layer] == pytest.approx(known, abs=5e-9)
        # a layer of n units scatters the cosine of a pair by (1 - cos^2) / sqrt(n)
        apart = sqrt(((known[2] - known[1]) / 2) ** 2 + (1 - known[0] ** 2) ** 2 / widths[layer])
        apart = min(apart, 1 - abs(known[0]))
        below = known[0] + np.array([0, -apart, apart])


def test_one_input_has_no_correlations():
    flow, _ = flow_of("tanh", "he", sample_of(), depth=4)
    assert np.isnan(flow.c).all()
    assert np.isnan(flow.cosines).all()
    assert flow.c.shape == flow.cosines.shape == (4, 3)


def test_groups_of_inputs_are_followed_by_their_mean():
    sample = sample_of()._replace(seconds=np.array([0.5, 4.0]), shares=np.array([0.75, 0.25]))
    assert flow_of("tanh", "he", sample, depth=3)[0].q[0] == pytest.approx(2 * (0.75 * 0.5 + 0.25 * 4), rel=1e-12)


@pytest.mark.parametrize("act", ["tanh", "relu", "selu"])
def test_chunks_of_layers_do_not_matter(act, monkeypatch):
    """The shares of 256 layers are looked up at once."""
    options = {"depth": 515, "width": 30, "bias_std": 0.1}
    flow, _ = flow_of(act, "xavier", sample_of(1.0, (0.0, 0.2)), **options)
    monkeypatch.setattr(flow_module, "_AT_ONCE", 1000)
    whole, _ = flow_of(act, "xavier", sample_of(1.0, (0.0, 0.2)), **options)
    monkeypatch.setattr(flow_module, "_AT_ONCE", 7)
    small, _ = flow_of(act, "xavier", sample_of(1.0, (0.0, 0.2)), **options)
    assert flow.c.shape == (515, 3)
    assert np.isfinite(flow.cosines).all()
    for other in (whole, small):
        np.testing.assert_array_equal(flow.q, other.q)
        np.testing.assert_allclose(flow.c, other.c, rtol=0, atol=1e-12)
        np.testing.assert_allclose(flow.cosines, other.cosines, rtol=0, atol=1e-12)


def test_the_first_layers_are_those_of_a_shorter_stack():
    sample = sample_of(1.0, (0.1, 0.3))
    long, short = (flow_of("gelu", "he", sample, depth=depth, width=40)[0] for depth in (9, 4))
    cut = long.first(4)
    for name in ("q", "fit", "share", "c", "cosines"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(short, name))
    for ours, theirs in zip(cut.curves, short.curves, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_signal_that_leaves_float64_ends_the_flow():
    flow, _ = flow_of("relu", "std=1e20", sample_of(1.0, (0.0, 0.1)), depth=50)
    assert len(flow.q) == len(flow.cosines) == len(flow.curves.second) == len(flow.fit) == 7
    assert np.isfinite(flow.curves.second).all()
    assert log10(flow.q[-1]) + log10(5e41 / 2) > 308.3


def test_a_dead_input_stays_dead():
    for init in ("he", "lsuv"):
        flow, _ = flow_of("relu", init, sample_of(0.0), depth=3)
        assert flow.q.tolist() == [0, 0, 0]
        assert flow.share.tolist() == [0, 0, 0]
        assert flow.degree.tolist() == [0, 0, 0]
