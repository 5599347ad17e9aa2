"""Cosines of pairs against the two-dimensional quadrature, within bounds that were measured."""

from math import pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_moments import cosine_by_quadrature, pair_moment

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.theory.gaussian import moments
from actdiag.theory.pairs import CosineMaps, cosine_slope, pair_cosines
from actdiag.theory.tables import tables

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]
each_activation = pytest.mark.parametrize("name", ELEMENTWISE)

# (q, c): where the sum over Hermite orders has converged.
CONVERGED = [(0.07, 0.85), (1.0, -0.8), (3.7, 0.85)]


def cosines(name, q, c, other_q=None):
    c = np.atleast_1d(np.asarray(c, float))
    q1 = np.full(len(c), q)
    return pair_cosines(tables(resolve(name)), q1, q1 if other_q is None else np.full(len(c), other_q), c)


@each_activation
def test_cosines_where_the_sum_has_converged(name):
    # sparse_plus bends where no kink is listed, and threshold has 6e-5 of its inputs over it at q = .07
    tolerance = {"sparse_plus": 3e-8, "threshold": 2e-8}.get(name, 1e-9)
    for q, c in CONVERGED:
        assert abs(cosines(name, q, c)[0] - cosine_by_quadrature(name, q, c)) < tolerance, (q, c)


UNEQUAL_BOUNDS = {"hardshrink": 1.5e-2, "threshold": 1.5e-2, "hardtanh": 1e-4, "softshrink": 5e-4, "tanhshrink": 1e-7}


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "elu", "selu", "softplus", "relu6", *UNEQUAL_BOUNDS])
def test_cosines_of_unequal_inputs(name):
    """A jump at angle 0 is no jump for inputs of different length: those are only near."""
    for q, other in ((0.3, 0.6), (1.2, 0.9)):
        for c, tolerance in ((0.5, 1e-9), (0.995, max(UNEQUAL_BOUNDS.get(name, 0), 3e-8))):
            expected = cosine_by_quadrature(name, q, c, other)
            assert abs(cosines(name, q, c, other)[0] - expected) < tolerance, (q, other, c)


@pytest.mark.parametrize("name", ["relu", "leaky_relu:0.2", "leaky_relu:-0.5", "identity"])
def test_homogeneous_activations_have_closed_forms(name):
    c = np.array([-1.0, -0.6, 0.0, 0.3, 0.99, 0.999999, 1.0])
    below, above = resolve(name).derivative(np.array([-1.0, 1.0]))
    angle = np.arccos(c)
    relu = (np.sin(angle) + (pi - angle) * c) / pi  # Cho & Saul 2009
    expected = (c * (above + below) ** 2 / 2 + (above - below) ** 2 / 2 * (2 * relu - c)) / (above**2 + below**2)
    for q, other in ((1.0, 1.0), (1e-200, 7.0)):
        np.testing.assert_allclose(cosines(name, q, c, other), expected, rtol=0, atol=1e-12)


def test_the_relu_he_trajectory():
    """c from layer to layer, from orthogonal inputs."""
    known = {1: 0.3183098862, 2: 0.4937310902, 3: 0.6048257201, 5: 0.7359463506, 10: 0.8715355160}
    known |= {50: 0.9878619449, 100: 0.9964231467}
    c = 0.0
    for layer in range(1, 101):
        c = cosines("relu", 2.0, c)[0]
        if layer in known:
            assert c == pytest.approx(known[layer], abs=1e-10)


@settings(deadline=None, database=None, max_examples=80)
@given(
    st.sampled_from([name for name in ELEMENTWISE if name != "exponential"]),
    st.floats(-1.3, 0.6),
    st.floats(-1.3, 0.6),
    st.floats(-1, 1),
)
def test_cosines_of_any_pair(name, exponent, other_exponent, c):
    q, other = 10.0**exponent, 10.0**other_exponent
    found = cosines(name, q, c, other)
    assert np.isfinite(found).all()
    assert abs(found[0]) <= 1 + 1e-7
    # whichever comes first
    np.testing.assert_allclose(found, cosines(name, other, c, q), rtol=0, atol=1e-12)


@each_activation
def test_one_pair_or_many(name):
    """The sum over orders is taken in another way for many pairs; they do not touch each other."""
    c = np.concatenate([np.linspace(-0.9, 0.9, 40), [0.95, 0.999, 1.0]])
    many = cosines(name, 0.8, c)
    np.testing.assert_allclose(many, [cosines(name, 0.8, one)[0] for one in c], rtol=0, atol=1e-10)
    assert np.all(np.diff(many[c >= 0]) > -1e-9)  # no coefficient is negative
    assert many[-1] == pytest.approx(1, abs=1e-7)
    np.testing.assert_allclose(cosines(name, 0.8, 1.5), many[-1:], rtol=0, atol=1e-15)


def test_cosines_of_nothing():
    """tanh(0) is 0, and has no direction; sigmoid(0) has."""
    assert cosines("sigmoid", 0.0, 0.3) == pytest.approx([1.0])
    assert not np.isfinite(cosines("hardshrink", 1e-5, 0.3)).all() or cosines("hardshrink", 1e-5, 0.3) == [0]


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "selu", "softplus"])
@pytest.mark.parametrize("c", [0.1, 0.5, 0.86, 0.95])
def test_the_slope_of_the_cosine(name, c):
    """q E f'(u1) f'(u2) / E f^2."""
    act, q = resolve(name), 1.4
    expected = q * pair_moment(act, q, c, slopes=True) / moments(act, q).second
    assert cosine_slope(tables(act), q, c) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("q", [0.5, 30.0, 1e3, 4.5e4, 8.2e5])
@pytest.mark.parametrize("c", [-0.95, 0.0, 0.9, 0.98780, 0.9999])
def test_cosines_of_sin(q, c):
    """E sin(u1) sin(u2) = e^-q sinh(q c)."""
    expected = (np.exp(-q * (1 - c)) - np.exp(-q * (1 + c))) / -np.expm1(-2 * q)
    within = 0.02 if 1e-3 < expected < 1 and q > 100 else 5e-6
    assert cosines("sin", q, c)[0] == pytest.approx(expected, rel=0, abs=within)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "hardtanh", "hardshrink", "sin"])
def test_maps_of_layers_are_those_of_pairs(name):
    """One by one, for a recursion, or many at once."""
    at, q = tables(resolve(name)), np.array([0.2, 1.1, 3.0])
    maps = CosineMaps(at, q, at.curves(q))
    for c in (-1.0, -0.4, 0.0, 1e-3, 0.5, 0.87, 0.9, 0.99, 1 - 1e-9, 1.0):
        expected = pair_cosines(at, q, q, np.full(3, c))
        assert [maps(layer, c) for layer in range(3)] == pytest.approx(expected, rel=0, abs=1e-11)
