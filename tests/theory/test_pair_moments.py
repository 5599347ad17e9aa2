"""The integrals over two pre-activations that tests compare with, against closed forms and simulation."""

import warnings
from math import pi, sqrt

import mpmath as mp
import numpy as np
import pytest
from pair_moments import pair_moment

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.theory.gaussian import moments

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]
each_activation = pytest.mark.parametrize("name", ELEMENTWISE)
EXACT = 1e-14
JUMPING = {"hardshrink", "threshold"}
CORRELATIONS = [-1.0, -0.7, 0.0, 0.4, 0.9, 0.99, 0.9999, 0.999999, 1 - 1e-13, 1.0]


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize("q", [1e-3, 1.0, 30.0])
def test_pairs_of_relu(q, c):
    """Cho & Saul 2009: (sin t + (pi - t) c) / 2 pi and (pi - t) / 2 pi, t = arccos c."""
    with mp.workdps(40):
        angle = mp.acos(mp.mpf(c))
        value = float((mp.sin(angle) + (mp.pi - angle) * c) / (2 * mp.pi))
        slope = float((mp.pi - angle) / (2 * mp.pi))
    assert pair_moment(resolve("relu"), q, c) / q == pytest.approx(value, rel=EXACT, abs=1e-15)
    assert pair_moment(resolve("relu"), q, c, slopes=True) == pytest.approx(slope, rel=EXACT, abs=1e-15)


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize("q", [1e-3, 1.0, 30.0])
def test_pairs_of_erf(q, c):
    """Williams 1998, doi:10.1162/089976698300017412."""
    x = 2 * q * c / (1 + 2 * q)
    assert pair_moment(resolve("erf"), q, c) == pytest.approx(2 / pi * np.arcsin(x), rel=1e-13, abs=1e-15)
    slope = 4 / pi / sqrt((1 + 2 * q) ** 2 - (2 * q * c) ** 2)
    assert pair_moment(resolve("erf"), q, c, slopes=True) == pytest.approx(slope, rel=1e-13)


@pytest.mark.parametrize("c", [-1.0, -0.7, 0.0, 0.4, 0.99, 0.999999, 1.0])
@pytest.mark.parametrize("q", [1e-3, 1.0, 8.0])
def test_pairs_of_sin(q, c):
    """E sin sin = e^-q sinh(qc), E cos cos = e^-q cosh(qc)."""
    assert pair_moment(resolve("sin"), q, c) == pytest.approx(np.exp(-q) * np.sinh(q * c), rel=1e-12, abs=1e-15)
    assert pair_moment(resolve("sin"), q, c, slopes=True) == pytest.approx(np.exp(-q) * np.cosh(q * c), rel=1e-12)


def test_pairs_of_different_second_moments():
    q, other, c = 0.7, 2.5, 0.6
    expected = 2 / pi * np.arcsin(2 * c * sqrt(q * other) / sqrt((1 + 2 * q) * (1 + 2 * other)))
    assert pair_moment(resolve("erf"), q, c, other_q=other) == pytest.approx(expected, rel=1e-13)
    angle = np.arccos(c)
    kernel = sqrt(q * other) * (np.sin(angle) + (pi - angle) * c) / (2 * pi)
    assert pair_moment(resolve("relu"), q, c, other_q=other) == pytest.approx(kernel, rel=1e-13)
    # two different activations' sides: which of the two is integrated first does not matter
    for name in ("gelu", "hardtanh", "softshrink", "selu"):
        one = pair_moment(resolve(name), q, c, other_q=other)
        assert one == pytest.approx(pair_moment(resolve(name), other, c, other_q=q), rel=1e-12)


@each_activation
def test_pairs_at_the_ends(name):
    """Uncorrelated: (E f)^2; one and the same: E f^2. In between no more than that."""
    act, q = resolve(name), 0.8
    found = moments(act, q)
    assert pair_moment(act, q, 0.0) == pytest.approx(found.mean**2, rel=1e-7, abs=1e-14)
    assert pair_moment(act, q, 1.0) == pytest.approx(found.second, rel=1e-13)
    assert pair_moment(act, q, 1.0, slopes=True) == pytest.approx(found.slope, rel=1e-7)
    assert found.mean**2 < pair_moment(act, q, 0.5) < found.second


# Where the value jumps, f' leaves the jump out.
CONTINUOUS = [name for name in ELEMENTWISE if name not in JUMPING]


@pytest.mark.parametrize("name", [name for name in CONTINUOUS if name != "sparse_plus"])
def test_the_slope_of_a_pair_is_that_of_the_slopes(name):
    """d/dc E f(u1) f(u2) = q E f'(u1) f'(u2) (Price 1958)."""
    act, q, c, h = resolve(name), 1.3, 0.6, 3e-4
    slope = (pair_moment(act, q, c + h) - pair_moment(act, q, c - h)) / (2 * h)
    assert slope / q == pytest.approx(pair_moment(act, q, c, slopes=True), rel=2e-6)


@pytest.mark.parametrize("slopes", [False, True])
@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "hardshrink", "relu6", "softplus"])
def test_pairs_agree_with_simulation(name, slopes):
    act, q, c, rng = resolve(name), 2.0, 0.6, np.random.default_rng(7)
    z1, own = rng.standard_normal((2, 200_000))
    z2 = c * z1 + sqrt(1 - c * c) * own
    function = act.derivative if slopes else act.value
    products = function(sqrt(q) * z1) * function(sqrt(q) * z2)
    error = products.std() / sqrt(len(products))
    assert abs(products.mean() - pair_moment(act, q, c, slopes=slopes)) < 4 * error


def test_pairs_of_tiny_and_huge_pre_activations():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for q in (1e-12, 1e12):
            assert pair_moment(resolve("relu"), q, 0.0) == pytest.approx(q / (2 * pi), rel=1e-12, abs=0)
        assert pair_moment(resolve("tanh"), 1e-12, 0.3) == pytest.approx(3e-13, rel=1e-9, abs=0)
        # a step from -1 to 1: (2/pi) asin c
        assert pair_moment(resolve("tanh"), 1e12, 0.5) == pytest.approx(1 / 3, rel=1e-5)
