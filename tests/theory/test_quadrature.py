"""Rules against moments that are known, and panels as fine as an activation needs and no finer."""

from math import factorial, pi, sqrt

import numpy as np
import pytest
from scipy.special import roots_legendre

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.theory.panels import NOTHING, POINTS, REACH, first_edges, legendre, normal_density
from actdiag.theory.quadrature import bends_often, resolving_edges, rule

ELEMENTWISE = [name for name in ACTIVATIONS if resolve(name).derivative]


def test_a_panel_has_the_nodes_of_legendre():
    x, weights = roots_legendre(POINTS)
    panel = legendre()
    np.testing.assert_allclose(panel.nodes, (1 + x) / 2, rtol=0, atol=1e-15)
    np.testing.assert_allclose(panel.weights, weights / 2, rtol=1e-13)


@pytest.mark.parametrize("q", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_a_rule_has_the_moments_of_a_standard_normal(name, q):
    """E z^2n is (2n)! / (2^n n!), and odd ones vanish."""
    z, weights = rule(resolve(name), q)
    assert (np.diff(z) > 0).all()
    for power in range(9):
        expected = 0 if power % 2 else factorial(power) / 2 ** (power // 2) / factorial(power // 2)
        assert np.dot(weights, z**power) == pytest.approx(expected, rel=1e-13, abs=1e-12)


def test_the_density_is_that_of_a_standard_normal():
    z = np.array([-2.0, 0.0, 1.0])
    np.testing.assert_allclose(normal_density(z), np.exp([-2.0, 0.0, -0.5]) / sqrt(2 * pi), rtol=1e-15)


@pytest.mark.parametrize("name", ["hardtanh", "selu", "hardshrink"])
def test_every_kink_within_reach_is_an_edge(name):
    act = resolve(name)
    for q in (0.3, 2.0):
        edges = resolving_edges(act, (q,))
        assert set(np.array(act.kinks) / sqrt(q)) <= set(edges.tolist())
        assert (edges[0], edges[-1]) == (-REACH, REACH)


def test_what_is_nothing_within_reach_is_integrated_further():
    act = resolve("threshold:14")
    within = first_edges(act.kinks, np.ones(1), REACH)
    z = within[:-1, np.newaxis] + np.diff(within)[:, np.newaxis] * legendre().nodes
    assert np.square(act.value(z)).max() < NOTHING
    assert rule(act, 1.0).z[-1] > REACH


@pytest.mark.parametrize("q", [30.0, 100.0, 300.0])
def test_oscillations_are_cut_into_panels_that_resolve_them(q):
    z, weights = rule(resolve("sin"), q)
    assert np.dot(weights, np.square(np.sin(sqrt(q) * z))) == pytest.approx(-np.expm1(-2 * q) / 2, rel=1e-13)
    first, half_waves = first_edges((), np.array([sqrt(q)]), REACH), 2 * REACH * sqrt(q) / pi
    assert len(z) / POINTS < len(first) + half_waves


def test_few_kinks_share_a_rule():
    assert not bends_often(resolve("hardtanh"), (0.1, 1.0, 10.0))
    assert bends_often(resolve("abs(sin(5*x))"), (1.0, 10.0))
