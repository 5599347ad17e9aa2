"""Spreads against a direct reckoning of their formula and against simulation, of one layer or of many."""

from math import sqrt
from types import SimpleNamespace

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.theory import cosine_fluctuations, fluctuations
from actdiag.theory.batches import Batch, Batches, mean_powers
from actdiag.theory.coarse import relative_spreads_of_layers
from actdiag.theory.fluctuations import spreads, spreads_of_layers
from actdiag.theory.gaussian import moments
from actdiag.theory.gradient_fluctuations import radials, spread_of_slopes, spreads_of_slopes
from actdiag.theory.regions import saturated_intervals, zero_intervals
from actdiag.theory.tables import tables

ACTS = ["relu", "leaky_relu", "tanh", "gelu", "hardtanh", "sigmoid", "softshrink"]


def layers_of(name, layers=5, groups=4, pairs=30, seed=0):
    rng = np.random.default_rng(seed)
    c = rng.uniform(-0.2, 0.9, (layers, pairs))
    c[1, 20:] = np.nan  # fewer pairs
    shares = rng.dirichlet(np.ones(groups), layers)
    shares[2] = [0.3, 0.7, 0.0, 0.0]  # fewer groups
    return Batches(
        resolve(name),
        np.exp(rng.normal(0, 1, (layers, groups))),
        shares,
        c,
        rng.integers(5, 400, layers).astype(float),
        20,
        np.array([1.0, 0.5, 0.0, 1.0, 0.25])[:layers],
    )


def intervals(act):
    return zero_intervals(act, "float32"), saturated_intervals(act)


@pytest.mark.parametrize("name", ACTS)
def test_a_layer_has_the_same_bits_with_any_others(name):
    """Results are remembered from run to run, in whatever company they were computed."""
    many = layers_of(name)
    found = spreads_of_layers(many, *intervals(many.act))
    relative = relative_spreads_of_layers(many._replace(q=many.q[:, :1], shares=np.ones((5, 1))), *intervals(many.act))
    slopes = spreads_of_slopes(many)
    for layer in range(5):
        some = slice(layer, layer + 1)
        alone = spreads_of_layers(many.of(some), *intervals(many.act))
        for column, one in zip(found, alone, strict=True):
            assert column[layer] == one[0]
        single = many.of(some)._replace(q=many.q[some, :1], shares=np.ones((1, 1)))
        for column, one in zip(relative, relative_spreads_of_layers(single, *intervals(many.act)), strict=True):
            assert column[layer] == one[0]
        assert slopes[layer] == spreads_of_slopes(many.of(some))[0]


@pytest.mark.parametrize("name", ACTS)
def test_many_layers_are_as_one_by_one(name):
    many = layers_of(name)
    found = spreads_of_layers(many, *intervals(many.act))
    for layer in range(5):
        alone = spreads(many.one(layer), *intervals(many.act))
        assert [column[layer] for column in found] == pytest.approx(list(alone), rel=1e-12)
        assert spreads_of_slopes(many)[layer] == pytest.approx(spread_of_slopes(many.one(layer)), rel=1e-12)


def test_mean_powers():
    c = np.array([[0.5, -0.5, 0.2], [0.9, np.nan, np.nan], [np.nan] * 3])
    powers = mean_powers(c)
    assert powers[0, :3] == pytest.approx([1, 0.2 / 3, 0.54 / 3])
    assert powers[0, 3] == pytest.approx(0.008 / 3)
    assert powers[1] == pytest.approx(0.9 ** np.arange(powers.shape[1]))
    assert (powers[2] == 1).all()
    assert (mean_powers(np.array([[-0.9]]))[0, 1::2] == 0).all()


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("c", [0.0, 0.6])
def test_spreads_are_those_of_draws(name, c):
    """Independent units, each with one normal that the inputs share and one of each input's own."""
    act, q, width, batch, draws = resolve(name), 1.7, 60, 12, 3000
    rng = np.random.default_rng(1)
    shared, own = rng.standard_normal((draws, 1, width)), rng.standard_normal((draws, batch, width))
    z = sqrt(q) * (sqrt(c) * shared + sqrt(1 - c) * own)
    a = act.value(z)
    given = Batch(act, np.array([q]), np.ones(1), np.full(10, c), width, batch)
    said = spreads(given, *intervals(act))
    statistics = {
        "z_mean": z.mean(axis=(1, 2)),
        "z_rms": np.sqrt(np.square(z).mean(axis=(1, 2))),
        "mean": a.mean(axis=(1, 2)),
        "std": a.std(axis=(1, 2)),
        "rms": np.sqrt(np.square(a).mean(axis=(1, 2))),
    }
    for statistic, drawn in statistics.items():
        assert getattr(said, statistic) == pytest.approx(drawn.std(), rel=0.06), statistic
    if name == "relu":
        assert said.zero_fraction == pytest.approx((a == 0).mean(axis=(1, 2)).std(), rel=0.06)
    known = moments(act, q)
    assert said.kurtosis == pytest.approx(known.fourth / known.second**2 - 1, rel=1e-2)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_radials_are_their_moments(name):
    act, q = resolve(name), np.array([[0.5], [2.0]])
    many = Batches(act, q, np.ones((2, 1)), np.empty((2, 0)), np.full(2, 10.0), 5, np.ones(2))
    found = radials(many)
    z = np.random.default_rng(0).standard_normal(400_000)
    for layer, one in enumerate(q[:, 0]):
        u = sqrt(one) * z
        f, slope = act.value(u), act.derivative(u)
        second = np.mean(f**2)
        assert found.along[layer] == pytest.approx(np.mean((f * slope) ** 2) / second, rel=0.02)
        assert found.kept[layer] == pytest.approx(np.mean(f * slope * u) ** 2 / (one * second), rel=0.04)
        assert found.gained[layer] == pytest.approx(np.mean((u * slope) ** 2) / one, rel=0.02)


def test_nothing_and_too_much():
    act = resolve("tanh")
    nothing = spreads(Batch(act, np.zeros(1), np.ones(1), np.zeros(3), 10, 5), *intervals(act))
    assert all(value == 0 for value in nothing)
    exponential = resolve("exponential")
    much = spreads(Batch(exponential, np.array([1e6]), np.ones(1), np.zeros(3), 10, 5), *intervals(exponential))
    assert all(value == np.inf for value in much)
    assert spread_of_slopes(Batch(act, np.zeros(1), np.ones(1), np.zeros(3), 10, 5)) >= 0


# K = E f^4 / (E f^2)^2 - 1 at q = 1: the mean square of one input's activations has a relative variance of K/n
KURTOSES = {"relu": 5, "tanh": 0.627291, "gelu": 6.215614, "selu": 1.503140, "sigmoid": 0.528900, "silu": 6.261746}


def one_input(act, width, q=1.0):
    return Batch(resolve(act), np.array([q]), np.ones(1), np.empty(0), width, 1)


@pytest.mark.parametrize("width", [10, 50, 100])
@pytest.mark.parametrize("act", KURTOSES)
def test_spreads_of_one_input_are_the_law(act, width):
    found = spreads(one_input(act, width), (), ())
    rms = sqrt(moments(resolve(act), 1.0).second)
    assert (2 * found.rms / rms) ** 2 == pytest.approx(KURTOSES[act] / width, rel=1e-5)
    assert found.kurtosis == pytest.approx(KURTOSES[act], rel=1e-5)
    assert found.cosine == 0


def test_spreads_of_pre_activations_of_one_input():
    found = spreads(one_input("tanh", 50, q=4.0), (), ())
    assert found.z_mean == pytest.approx(2 / sqrt(50), rel=1e-9)
    assert found.z_rms == pytest.approx(2 / sqrt(2 * 50), rel=1e-9)  # chi squared: 2/n of q


@pytest.mark.parametrize("c", [0.0, 0.5, 1.0])
def test_what_inputs_share_no_batch_averages_away(c):
    """Var of the mean of z is q ((1 - 1/B) c + 1/B) / n."""
    q, width, batch = 2.0, 40, 25
    given = Batch(resolve("tanh"), np.array([q]), np.ones(1), np.full(10, c), width, batch)
    variance = q * ((1 - 1 / batch) * c + 1 / batch) / width
    assert spreads(given, (), ()).z_mean == pytest.approx(sqrt(variance), rel=1e-9)
    squares = 2 * q * q * ((1 - 1 / batch) * c * c + 1 / batch) / width
    assert spreads(given, (), ()).z_rms == pytest.approx(sqrt(squares) / (2 * sqrt(q)), rel=1e-9)


def test_spreads_of_zero_fractions():
    """A share p within: p (1 - p) / n for one input."""
    found = spreads(one_input("relu", 80), [(-np.inf, 0.0)], [(-0.5, 0.5)])
    assert found.zero_fraction == pytest.approx(0.5 / sqrt(80), rel=1e-3)
    within = 0.38292492  # Phi(.5) - Phi(-.5)
    assert found.saturated_fraction == pytest.approx(sqrt(within * (1 - within) / 80), rel=1e-2)
    assert spreads(one_input("relu", 80), (), ()).zero_fraction == 0


def test_spreads_of_slopes():
    """ReLU passes half of a Gaussian: 2/n times chi squared again, 5/n of the second moment."""
    assert (2 * spread_of_slopes(one_input("relu", 60))) ** 2 == pytest.approx(
        5 / 60, rel=0.03
    )  # the grid's width at the step
    assert (2 * spread_of_slopes(one_input("identity", 60))) ** 2 == pytest.approx(2 / 60, rel=1e-6)


@pytest.mark.parametrize("act", ["relu", "leaky_relu:0.3", "leaky_relu:-1", "identity"])
@pytest.mark.parametrize("roots", [[1.0], [0.3, 2.0, 5.0], [0.0, 1.0, 4.0], [1e-3, 1e3, 1.0]])
def test_sums_of_powers_are_the_grid(act, roots, monkeypatch):
    """Where f(sqrt(q) z) = sqrt(q) f(z) the spreads follow from sums over the inputs: as from f on the grid."""
    shares = np.arange(1.0, len(roots) + 1)
    given = Batch(resolve(act), np.square(roots), shares / shares.sum(), np.linspace(0.1, 0.95, 7), 60, 30, 0.7)
    assert tables(given.act).sides is not None
    short = spreads(given, *intervals(given.act))
    for module in (fluctuations, cosine_fluctuations):
        monkeypatch.setattr(module, "tables", lambda act: SimpleNamespace(sides=None))
    assert spreads(given, *intervals(given.act)) == pytest.approx(short, rel=1e-9, abs=1e-12)
