"""The spread of means over correlated inputs, against variances in closed form and draws."""

from math import sqrt

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.theory.batches import Batches, mean_powers
from actdiag.theory.grids import normal_grid
from actdiag.theory.mehler import POINTS, hermite_coefficients, spreads_of_means, summands_on_grid

WIDTH, BATCH = 40, 8


def given(c, loose=1.0, layers=1):
    ones = np.ones((layers, 1))
    pairs = np.full((layers, 3), float(c))
    return Batches(resolve("tanh"), ones, ones, pairs, np.full(layers, float(WIDTH)), BATCH, np.full(layers, loose))


def spread(function, c, loose=1.0):
    z, _ = normal_grid(POINTS)
    values = function(z)[np.newaxis, np.newaxis]
    of = given(c, loose)
    return float(spreads_of_means(summands_on_grid(values, np.square(values)), of, mean_powers(of.c))[0, 0])


def test_coefficients_of_a_polynomial():
    z, _ = normal_grid(POINTS)
    found = hermite_coefficients(z**3 - 2 * z**2)  # z^3 = sqrt(6) h_3 + 3 h_1, z^2 = sqrt(2) h_2 + 1
    assert found[:5] == pytest.approx([-2, 3, -2 * sqrt(2), sqrt(6), 0], abs=1e-9)


@pytest.mark.parametrize("c", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(
    ("function", "shared", "own"),
    [
        (lambda z: z, lambda c: c, 1),
        (lambda z: z**2, lambda c: 2 * c**2, 2),
        (lambda z: z**3, lambda c: 9 * c + 6 * c**3, 15),
        (np.ones_like, lambda c: 0, 0),
    ],
)
def test_variances_of_powers(function, shared, own, c):
    """Cov(z1, z2) = c, Cov(z1^2, z2^2) = 2 c^2, Cov(z1^3, z2^3) = 9 c + 6 c^3."""
    variance = ((1 - 1 / BATCH) * shared(c) + own / BATCH) / WIDTH
    assert spread(function, c) == pytest.approx(sqrt(variance), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("c", [0.2, 0.9])
def test_a_kink_and_draws(c):
    rng = np.random.default_rng(5)
    shared, own = rng.standard_normal((200_000, 1)), rng.standard_normal((200_000, BATCH))
    drawn = np.maximum(sqrt(c) * shared + sqrt(1 - c) * own, 0).mean(axis=1)
    assert spread(lambda z: np.maximum(z, 0), c) == pytest.approx(drawn.std() / sqrt(WIDTH), rel=0.01)


def test_weights_that_preserve_lengths_leave_the_square_alone():
    assert spread(lambda z: z**2, 0.5, loose=0.0) == pytest.approx(0, abs=1e-6)
    assert spread(lambda z: z**2, 0.5, loose=0.3) == pytest.approx(sqrt(0.3) * spread(lambda z: z**2, 0.5))
    assert spread(lambda z: z, 0.5, loose=0.0) == spread(lambda z: z, 0.5)


def test_no_bit_of_a_layer_depends_on_the_others():
    z, _ = normal_grid(POINTS)
    values = np.stack([np.tanh(z * scale) for scale in (0.5, 1, 2)])[:, np.newaxis]
    of = given(0.3, layers=3)._replace(c=np.array([[0.1, 0.2], [0.5, np.nan], [0.9, 1.0]]))
    powers = mean_powers(of.c)
    together = spreads_of_means(summands_on_grid(values, np.square(values)), of, powers)
    for layer in range(3):
        one = slice(layer, layer + 1)
        alone = spreads_of_means(summands_on_grid(values[one], np.square(values[one])), of.of(one), powers[one])
        assert (alone == together[one]).all()


def test_one_function_for_all_layers():
    z, _ = normal_grid(POINTS)
    values = np.cos(z)[np.newaxis, np.newaxis]
    of = given(0.3, layers=2)._replace(width=np.array([10.0, 40.0]))
    found = spreads_of_means(summands_on_grid(values, np.square(values)), of, mean_powers(of.c))
    assert found[0] == pytest.approx(2 * found[1])
