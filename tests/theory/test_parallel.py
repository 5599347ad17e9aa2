"""Cosines of nearly parallel pairs against the two-dimensional quadrature, within bounds that were measured."""

import numpy as np
import pytest
from pair_moments import cosine_by_quadrature, pair_moment

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.theory.gaussian import moments, value_jumps
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.shifting import shifted_activation
from actdiag.theory.tables import tables

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]

# (q, c)
NEAR = [(0.3, 0.95), (1.0, 0.99), (3.7, 0.9999)]

# The largest error found towards parallel inputs over random q in .05 to 4 and c in .9 to .99999, rounded up.
NEAR_BOUNDS = {
    "hardshrink": 3e-3,
    "threshold": 3e-6,
    "hardtanh": 4e-5,
    "softshrink": 2e-5,
    "sparse_sigmoid": 2e-5,
    "softsign": 6e-6,
    "erf": 4e-6,
    "tanh": 2e-6,
    "tanhshrink": 1e-6,
    "sparse_plus": 4e-7,
    "arctan": 3e-7,
    "hardswish": 4e-7,
    "hardsigmoid": 3e-7,
    "keras2_hard_sigmoid": 6e-7,
    "relu6": 1e-7,
    "lecun_tanh": 5e-8,
    "exponential": 2e-9,
}


def cosines(name, q, c):
    c = np.atleast_1d(np.asarray(c, float))
    q1 = np.full(len(c), q)
    return pair_cosines(tables(resolve(name)), q1, q1, c)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_cosines_of_nearly_parallel_inputs(name):
    tolerance = NEAR_BOUNDS.get(name, 1e-9)
    for q, c in NEAR:
        assert abs(cosines(name, q, c)[0] - cosine_by_quadrature(name, q, c)) < tolerance, (q, c)


@pytest.mark.parametrize("q", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "sigmoid", "softplus", "elu", "mish", "lecun_tanh"])
def test_smooth_activations_are_exact_up_to_parallel(name, q):
    c = [0.9, 0.97, 0.99, 0.99999]
    expected = [cosine_by_quadrature(name, q, one) for one in c]
    np.testing.assert_allclose(cosines(name, q, c), expected, rtol=0, atol=1e-9)
    assert 1 - cosines(name, q, 1.0)[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("q", "within"), [(100.0, 2e-3), (1e4, 0.03), (1e6, 0.03)])
@pytest.mark.parametrize("name", ["tanh", "hardtanh", "erf", "softsign"])
def test_cosines_of_saturated_inputs(name, q, within):
    """Nearly parallel ones, of an activation that is all but a step."""
    for c in (0.9, 0.97, 0.99, 0.999):
        assert abs(cosines(name, q, c)[0] - cosine_by_quadrature(name, q, c)) < within, c


@pytest.mark.parametrize("by", [0.2, -0.1, 1 / 3, 7.0])
@pytest.mark.parametrize("name", ["hardshrink", "threshold"])
def test_jumps_of_shifted_activations_are_known(name, by):
    act = shifted_activation(resolve(name), by)
    assert len(value_jumps(act)[0]) == len(act.kinks)
    for c in (0.9, 0.95):
        found = pair_cosines(tables(act), np.array([1.7]), np.array([1.7]), np.array([c]))[0]
        assert abs(found - pair_moment(act, 1.7, c) / moments(act, 1.7).second) < 1e-4
