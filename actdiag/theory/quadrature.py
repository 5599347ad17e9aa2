"""Quadrature over a standard normal: Gauss-Legendre on panels that break where the integrand may have a kink.

Gauss-Hermite is not accurate enough: a kink makes it wrong in the third digit, and it misses steep parts between its
nodes. Panels that do not resolve the integrand, by their last Legendre coefficients, are halved, so that oscillating
functions are integrated too.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import pi, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles

REACH, _FAR = 13.0, 38.0
"""Standard normals are integrated from minus to plus the first: beyond it the weight is 1e-38. The second, where the
density underflows float64, is the limit for an activation that is (nearly) zero within the first, or that grows so fast
that its fourth power is not negligible there."""

NOTHING = 1e-23
"""An activation with moments under this share of u^2 counts as zero within the reach."""

POINTS = 24
_TRAILING = 4
_RESOLVED = 1e-14
"""The share of an integral that the last Legendre coefficients of a panel may hold."""

_JUST_INSIDE, _OF_AN_END = 1e-9, 1e-3
"""How near to the ends of a panel its series is checked, and the weight of a deviation there: a kink between an end and
the first node changes the integral by no more."""

_GROWS, _OF_THE_LARGEST = 1e-15, 1e-11
"""A weighted fourth power is integrated further where at the reach it exceeds the second share of its largest value, if
that value exceeds the first share of u^4."""

_FINEST, _FARTHEST_BEND = 0.25, 3.0
"""How near to a kink, in u, and how far from it, in z, the integrand is taken to bend."""

_NOISE = 1e-12
_MOST_ROUNDS, _MOST_PANELS, _NARROWEST = 60, 2048, 1e-14
_MANY_PANELS = 512


class Rule(NamedTuple):
    """Nodes z and weights, shape (nodes,), for the expectation of an activation of sqrt(q) z over z ~ N(0, 1)."""

    z: Doubles
    weights: Doubles


class _Panel(NamedTuple):
    """Nodes and weights of a panel on [0, 1], and matrices that check whether values there resolve a function.

    Attributes:
        nodes: Shape (points,).
        weights: Shape (points,), adding up to 1.
        trailing: The matrix to the last Legendre coefficients, shape (coefficients, points).
        ends: The matrix to the values of the Legendre series at both ends, shape (2, points).
    """

    nodes: Doubles
    weights: Doubles
    trailing: Doubles
    ends: Doubles


@lru_cache(maxsize=1)
def _legendre() -> _Panel:
    # Newton's method from approximations of the roots from which it converges (Tricomi 1950).
    x = -np.cos(np.pi * (4 * np.arange(POINTS) + 3) / (4 * POINTS + 2))
    for _ in range(5):
        polynomials, slope = _legendre_polynomials(x)
        x = x - polynomials[POINTS] / slope
    polynomials, slope = _legendre_polynomials(x)
    weights = 2 / ((1 - x**2) * slope**2)
    order = np.arange(POINTS)
    coefficients = polynomials[:POINTS] * weights * (2 * order[:, np.newaxis] + 1) / 2
    ends = np.array([(-1.0) ** order @ coefficients, coefficients.sum(axis=0)])
    return _Panel((1 + x) / 2, weights / 2, coefficients[-_TRAILING:], ends)


def _legendre_polynomials(x: Doubles) -> tuple[Doubles, Doubles]:
    """Return P_0 to P_n at x, shape (n + 1, points), and the derivative of P_n, n the number of points of a panel."""
    values = [np.ones_like(x), x]
    for n in range(1, POINTS):
        values.append(((2 * n + 1) * x * values[n] - n * values[n - 1]) / (n + 1))
    return np.array(values), POINTS * (x * values[POINTS] - values[POINTS - 1]) / (x**2 - 1)


def normal_density(z: Array) -> Array:
    """Return the density of N(0, 1)."""
    density: Array = np.exp(-np.square(z) / 2) / sqrt(2 * pi)
    return density


def _bends(kinks: Sequence[float], root_q: float) -> Doubles:
    """Return z where an activation of root_q z may bend sharply: at zero and every kink, and ever nearer to them.

    The nearest are so near that between them the activation is resolved as it is at q = 1/16.
    """
    finest = _FINEST / root_q
    halvings = max(int(np.ceil(np.log2(1 / finest))), 0) if finest < 1 else 0
    away = np.outer([1.0, 2.0, _FARTHEST_BEND], 0.5 ** np.arange(halvings + 1)).ravel() if halvings else np.empty(0)
    away = away[away >= finest / 2]
    centres = np.array([0.0, *(kink / root_q for kink in kinks)])
    return np.concatenate([centres, *(centres[:, np.newaxis] + side * away for side in (-1, 1))], axis=None)


def rule(act: Activation, *q: float) -> Rule:
    """Return nodes and weights for expectations of functions of f and f' over u = sqrt(q) z.

    Args:
        act: An elementwise activation.
        *q: The second moments of the pre-activations, above 0, that the rule has to resolve.
    """
    return _rule(act, q)


def apart(act: Activation, q: tuple[float, ...]) -> bool:
    """Return whether each of the second moments needs a rule of its own: the kinks of all are too many for one."""
    roots = np.sqrt(np.array(q))
    return (
        len(q) > 1
        and len(q) * len(act.kinks) > _MANY_PANELS
        and len(_first_edges(act.kinks, roots, REACH)) > _MOST_PANELS
    )


@lru_cache(maxsize=16)
def _rule(act: Activation, q: tuple[float, ...]) -> Rule:
    edges = _panels(act, q)
    z = _nodes(edges[:-1], edges[1:])
    return Rule(z.ravel(), (normal_density(z) * _legendre().weights * np.diff(edges)[:, np.newaxis]).ravel())


@lru_cache(maxsize=16)
@np.errstate(all="ignore")
def _panels(act: Activation, q: tuple[float, ...]) -> Doubles:
    """Return the edges of panels that resolve f^2 and f'^2."""
    roots = np.sqrt(np.array(q))
    edges, scale = _resolving(act, roots, REACH)
    if (scale < NOTHING * np.square(REACH * roots)).any() or _grows_beyond(act, roots):
        edges, _ = _resolving(act, roots, _FAR)
    return edges


def _grows_beyond(act: Activation, roots: Doubles) -> bool:
    """Return whether f^4 or f'^4, weighted with the density, is not negligible beyond the reach."""
    assert act.derivative is not None
    z = np.arange(-2 * REACH, 2 * REACH + 1) / 2
    u = roots[:, np.newaxis] * z
    fourths = np.array([act.value(u), act.derivative(u)]) ** 4 * normal_density(z)
    largest, at_the_ends = fourths.max(axis=2), fourths[:, :, [0, -1]].max(axis=2)
    grows = (at_the_ends > _OF_THE_LARGEST * largest) & (largest > _GROWS * (REACH * roots) ** 4)
    return bool(grows.any() or not np.isfinite(fourths).all())


def _resolving(act: Activation, roots: Doubles, reach: float) -> tuple[Doubles, Doubles]:
    """Return what `_panels` does for the roots of q, and E f^2 and E f'^2, shape (2, roots)."""
    slope = act.derivative
    assert slope is not None
    edges = _first_edges(act.kinks, roots, reach)
    low, high = edges[:-1], edges[1:]
    panel, scale = _legendre(), np.zeros((2, len(roots)))
    before: Doubles = np.full((1, 1, 1), np.inf)

    def squares(z: Doubles) -> Doubles:
        u = roots[:, np.newaxis, np.newaxis] * z
        if reach > REACH:  # where a square may leave float64 and its product with the density does not
            grown: Doubles = np.square(np.array([act.value(u), slope(u)]) * np.sqrt(normal_density(z)))
            return grown
        found: Doubles = np.array([np.square(act.value(u)), np.square(slope(u))]) * normal_density(z)
        return found

    for _ in range(_MOST_ROUNDS):
        widths, at_nodes = high - low, squares(_nodes(low, high))
        scale = np.maximum(scale, (at_nodes @ panel.weights) @ widths)
        inside = _JUST_INSIDE * widths  # at a kink the values are those of one side
        beyond = np.abs(squares(np.column_stack([low + inside, high - inside])) - at_nodes @ panel.ends.T).max(axis=3)
        rough = np.maximum(np.abs(at_nodes @ panel.trailing.T).max(axis=3), beyond * _OF_AN_END)
        share = rough * widths / scale[:, :, np.newaxis]
        # A small error that halving does not reduce is rounding.
        unresolved = ((share > _RESOLVED) & ~((rough > before / 4) & (share < _NOISE))).any(axis=(0, 1))
        unresolved &= widths > _NARROWEST * (1 + np.abs(low))
        if not unresolved.any() or len(edges) > _MOST_PANELS:
            break
        low, high, rough = low[unresolved], high[unresolved], rough[:, :, unresolved]
        middle = (low + high) / 2
        edges = np.concatenate([edges, middle])
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        before = np.concatenate([rough, rough], axis=2)
    return np.sort(edges), scale


def _first_edges(kinks: Sequence[float], roots: Doubles, reach: float) -> Doubles:
    """Return the edges of panels to begin with: whole numbers, the kinks, and where they may bend sharply."""
    evenly, at_kinks, largest = np.arange(-reach, reach + 1), np.divide.outer(kinks, roots).ravel(), roots.max()
    reached = [kink for kink in kinks if abs(kink) < (reach + _FARTHEST_BEND) * largest]
    edges = _within(np.concatenate([evenly, at_kinks, _bends(reached, largest)]), reach)
    if len(edges) <= _MANY_PANELS:
        return edges
    # The bends of so many kinks overlap: panels as narrow as the finest of them, everywhere, are fewer.
    panels = int(min(np.ceil(4 * reach * largest / _FINEST), _MOST_PANELS))
    filling = np.linspace(-reach, reach, panels + 1)
    fewer = _within(np.concatenate([evenly, at_kinks, _bends((), largest), filling]), reach)
    return fewer if len(fewer) < len(edges) else edges


def _within(edges: Doubles, reach: float) -> Doubles:
    """Return the edges within the reach, in order, each once; numpy's own `unique` would load its masked arrays."""
    edges = np.sort(edges[np.abs(edges) <= reach])
    return edges[np.diff(edges, prepend=-np.inf) > 0]


def _nodes(low: Doubles, high: Doubles) -> Doubles:
    """Return the nodes of each panel, shape (..., panels, points)."""
    x = _legendre().nodes
    return low[..., np.newaxis] + (high - low)[..., np.newaxis] * x
