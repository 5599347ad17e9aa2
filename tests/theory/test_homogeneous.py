"""Which activations are linear on both sides of zero, and their closed forms against the general ones."""

import numpy as np
import pytest
from pair_moments import cosine_by_quadrature

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.theory.gaussian import moments
from actdiag.theory.homogeneous import (
    FAR_Q,
    LINEAR_Q,
    degree_at_zero,
    degree_far_out,
    homogeneous_cosine,
    homogeneous_cosines,
    homogeneous_moments,
    homogeneous_sides,
)

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]
SIDES = {"relu": (0.0, 1.0), "leaky_relu:0.2": (0.2, 1.0), "leaky_relu:-0.5": (-0.5, 1.0), "identity": (1.0, 1.0)}


def test_homogeneous_variants():
    assert homogeneous_sides(resolve("leaky_relu:-0.5")) == (-0.5, 1.0)
    assert homogeneous_sides(resolve("threshold:0")) == (0.0, 1.0)
    assert homogeneous_sides(resolve("threshold:0:value=1")) is None
    assert homogeneous_sides(resolve("softshrink:0")) == (1.0, 1.0)


@pytest.mark.parametrize("name", SIDES)
def test_moments_are_those_of_the_quadrature(name):
    assert homogeneous_sides(resolve(name)) == SIDES[name]
    assert homogeneous_moments(*SIDES[name]) == pytest.approx(moments(resolve(name), 1.0), rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("name", SIDES)
def test_cosines_are_those_of_the_quadrature(name):
    c = np.array([-1.0, -0.6, 0.0, 0.3, 0.99, 0.999999, 1.0])
    expected = [cosine_by_quadrature(name, 1.0, one) for one in c]
    np.testing.assert_allclose(homogeneous_cosines(*SIDES[name], c), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose([homogeneous_cosine(*SIDES[name], one) for one in c], expected, rtol=0, atol=1e-13)


def test_nothing_has_no_cosine():
    assert np.isnan(homogeneous_cosine(0.0, 0.0, 0.5))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_degree_at_zero_is_what_the_second_moments_say(name):
    act, at = resolve(name), LINEAR_Q / 100
    degree, seconds = degree_at_zero(act), [moments(act, q).second for q in (at, 4 * at)]
    if degree is None:
        assert not seconds[0] or seconds[1] / seconds[0] == pytest.approx(1, rel=1e-6)
    else:
        assert seconds[1] / seconds[0] == pytest.approx(4**degree, rel=1e-6)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_degree_far_out_is_what_the_second_moments_say(name):
    act = resolve(name)
    degree = degree_far_out(act)
    if degree is not None:
        seconds = [moments(act, q).second for q in (FAR_Q, 4 * FAR_Q)]
        assert seconds[1] / seconds[0] == pytest.approx(4**degree, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("x**3", 3, 3),
        ("relu_squared", 2, 2),
        ("x + x**3", 1, 3),
        ("abs(x)**1.5", 1.5, 1.5),
        ("tanh", 1, 0),
        ("gelu", 1, 1),
        ("elu", 1, 1),
        ("abs(x) - 15", None, 1),
        ("sigmoid", None, 0),
        ("softplus", None, 1),
        ("sin", 1, None),
        ("log1p(abs(x))", 1, None),
        ("exponential", None, None),
        ("maximum(x, 900)", None, None),
    ],
)
def test_the_powers_near_zero_and_far_from_it(text, near, far):
    act = resolve(text)
    assert (degree_at_zero(act), degree_far_out(act)) == (near, far)
