"""Gauss-Legendre panels: where they begin and end, and whether they resolve what is integrated on them.

Gauss-Hermite is not accurate enough: a kink makes it wrong in the third digit, and it misses steep parts between its
nodes. Panels break where the integrand may have a kink; those that do not resolve it, by their last Legendre
coefficients, are halved, so that oscillating functions are integrated too.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import pi, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles, cut

REACH, FAR = 13.0, 38.0
"""Standard normals are integrated from minus to plus the first: beyond it the weight is 1e-38. The second, where the
density underflows float64, is the limit for an activation that is (nearly) zero within the first, or that grows so fast
that its fourth power is not negligible there."""

NOTHING = 1e-23
"""An activation with moments under this share of u^2 counts as zero within the reach."""

_GROWS, _OF_THE_LARGEST = 1e-15, 1e-11
"""A weighted fourth power is integrated further where at the reach it exceeds the second share of its largest value, if
that value exceeds the first share of u^4."""

POINTS = 24
_TRAILING = 4
_RESOLVED = 1e-14
"""The share of an integral that the last Legendre coefficients of a panel may hold."""

_TOLERATED, _OF_NARROWEST = 1e-9, 1e-4
"""The share of an integral that those of all unresolved panels may hold together, and those that are too narrow to be
halved: they are next to a point where the integrand is infinite."""

_JUST_INSIDE, _OF_AN_END = 1e-9, 1e-3
"""How near to the ends of a panel its series is checked, and the weight of a deviation there: a kink between an end and
the first node changes the integral by no more."""

_FINEST, _FARTHEST_BEND = 0.25, 3.0
"""How near to a kink, in u, and how far from it, in z, the integrand is taken to bend."""

_NOISE = 1e-12
_MOST_ROUNDS, _NARROWEST = 60, 1e-14
_MANY_PANELS = 512
_AT_ONCE = 1024
"""Panels whose nodes are worked on at once."""


class _Panel(NamedTuple):
    """Nodes and weights of a panel on [0, 1], and matrices that check whether values there resolve a function.

    Attributes:
        nodes: Shape (points,).
        weights: Shape (points,), adding up to 1.
        series: The matrix to the Legendre coefficients, shape (coefficients, points).
        trailing: That to the last of them.
        ends: The matrix to the values of the Legendre series at both ends, shape (2, points).
    """

    nodes: Doubles
    weights: Doubles
    series: Doubles
    trailing: Doubles
    ends: Doubles


class Resolved(NamedTuple):
    """Panels that curves were integrated on.

    Attributes:
        edges: In order, shape (panels + 1,).
        integrals: Of the curves, in their shape.
        enough: Whether they resolve the curves; they do not where that would have taken more panels, or narrower ones,
            than are allowed.
    """

    edges: Doubles
    integrals: Doubles
    enough: bool


@lru_cache(maxsize=1)
def legendre() -> _Panel:
    """Return the panel that all others are scaled from."""
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
    return _Panel((1 + x) / 2, weights / 2, coefficients, coefficients[-_TRAILING:], ends)


def _legendre_polynomials(x: Doubles) -> tuple[Doubles, Doubles]:
    """Return P_0 to P_n at x, shape (n + 1, points), and the derivative of P_n, n the number of points of a panel."""
    values = legendre_polynomials(x)
    return values, POINTS * (x * values[POINTS] - values[POINTS - 1]) / (x**2 - 1)


def legendre_polynomials(x: Doubles) -> Doubles:
    """Return P_0 to P_n at x, shape (n + 1, points), n the number of points of a panel."""
    values = [np.ones_like(x), x]
    for n in range(1, POINTS):
        values.append(((2 * n + 1) * x * values[n] - n * values[n - 1]) / (n + 1))
    return np.array(values)


def normal_density(z: Array) -> Array:
    """Return the density of N(0, 1)."""
    density: Array = np.exp(-np.square(z) / 2) / sqrt(2 * pi)
    return density


def bends(kinks: Sequence[float], root_q: float) -> Doubles:
    """Return z where an activation of root_q z may bend sharply: at zero and every kink, and ever nearer to them.

    The nearest are so near that between them the activation is resolved as it is at q = 1/16. Farther than the kinks
    are from zero, those of zero are theirs.
    """
    finest = _FINEST / root_q
    halvings = max(int(np.ceil(np.log2(1 / finest))), 0) if finest < 1 else 0
    away = np.outer([1.0, 2.0, _FARTHEST_BEND], 0.5 ** np.arange(halvings + 1)).ravel() if halvings else np.empty(0)
    away = away[away >= finest / 2]
    centres = np.array(kinks, dtype=float) / root_q
    near = away[away <= 4 * np.abs(centres).max(initial=0.0)]
    around = [centres[:, np.newaxis] + side * near for side in (-1, 1)]
    return np.concatenate([[0.0], centres, -away, away, *around], axis=None)


def first_edges(kinks: Sequence[float], roots: Doubles, reach: float) -> Doubles:
    """Return the edges of panels to begin with: whole numbers, the kinks, and where they may bend sharply.

    Args:
        kinks: Of the activation, in u.
        roots: The roots of the second moments, u over z.
        reach: The limit of z on both sides.
    """
    evenly, at_kinks, largest = np.arange(-reach, reach + 1), np.divide.outer(kinks, roots).ravel(), roots.max()
    reached = [kink for kink in kinks if abs(kink) < (reach + _FARTHEST_BEND) * largest]
    edges = within(np.concatenate([evenly, at_kinks, bends(reached, largest)]), reach)
    if len(edges) <= _MANY_PANELS:
        return edges
    # The bends of so many kinks overlap: panels as narrow as the finest of them, everywhere, are fewer.
    panels = int(min(np.ceil(4 * reach * largest / _FINEST), _MANY_PANELS))
    filling = np.linspace(-reach, reach, panels + 1)
    fewer = within(np.concatenate([evenly, at_kinks, bends((), largest), filling]), reach)
    return fewer if len(fewer) < len(edges) else edges


def needs_far(act: Activation, roots: Doubles, integrals: Doubles) -> bool:
    """Return whether an activation is to be integrated beyond the reach: it is nearly zero within, or grows fast.

    Args:
        act: The activation.
        roots: The roots of the second moments.
        integrals: E f^2 and E f'^2 within the reach, shape (2, roots).
    """
    assert act.derivative is not None
    if (integrals < NOTHING * REACH**2 * np.array([np.square(roots), np.ones_like(roots)])).any():
        return True
    z = np.arange(-2 * REACH, 2 * REACH + 1) / 2
    u = roots[:, np.newaxis] * z
    fourths = np.array([act.value(u), act.derivative(u)]) ** 4 * normal_density(z)
    largest, at_the_ends = fourths.max(axis=2), fourths[:, :, [0, -1]].max(axis=2)
    grows = (at_the_ends > _OF_THE_LARGEST * largest) & (largest > _GROWS * (REACH * roots) ** 4)
    return bool(grows.any() or not np.isfinite(fourths).all())


def within(edges: Doubles, reach: float) -> Doubles:
    """Return the edges within the reach, in order, each once; numpy's own `unique` would load its masked arrays."""
    edges = np.sort(edges[np.abs(edges) <= reach])
    return edges[np.diff(edges, prepend=-np.inf) > 0]


def nodes(low: Doubles, high: Doubles) -> Doubles:
    """Return the nodes of each panel, shape (..., panels, points)."""
    x = legendre().nodes
    return low[..., np.newaxis] + (high - low)[..., np.newaxis] * x


def resolve(
    curves: Callable[[Doubles], Doubles], edges: Doubles, most: int, most_halved: int | None = None
) -> Resolved:
    """Halve panels until they resolve all curves, or as long as they are no more than `most`.

    Args:
        curves: Points, shape (panels, points), to the values there, shape (..., panels, points).
        edges: Of the panels to begin with, in order.
        most: How many panels there may be.
        most_halved: How many may be halved at once: more are those of a curve that oscillates; None for as many as
            there may be.
    """
    low, high = edges[:-1], edges[1:]
    before: Doubles = np.array(np.inf)
    integrals, missed, of_narrowest = np.array(0.0), 0.0, 0.0
    for _ in range(_MOST_ROUNDS):
        widths = high - low
        parts = [_checked(curves, low[some], high[some]) for some in cut(len(low), _AT_ONCE)]
        means, rough = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
        integrals = np.maximum(integrals, means @ widths)
        share = rough * widths / integrals[..., np.newaxis]
        # A small error that halving does not reduce is rounding.
        curves_of = tuple(range(share.ndim - 1))
        unresolved = ((share > _RESOLVED) & ~((rough > before / 4) & (share < _NOISE))).any(axis=curves_of)
        narrow = widths <= _NARROWEST * (1 + np.abs(low))
        of_narrowest += float(share[..., unresolved & narrow].sum(axis=-1).max(initial=0.0))
        unresolved &= ~narrow
        missed = float(share[..., unresolved].sum(axis=-1).max(initial=0.0))
        halved = np.count_nonzero(unresolved)
        if not halved or len(edges) + halved > most or halved > (most_halved or most):
            break
        low, high, rough = low[unresolved], high[unresolved], rough[..., unresolved]
        middle = (low + high) / 2
        edges = np.concatenate([edges, middle])
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        before = np.concatenate([rough, rough], axis=-1)
    return Resolved(np.sort(edges), integrals, missed <= _TOLERATED and of_narrowest <= _OF_NARROWEST)


def _checked(curves: Callable[[Doubles], Doubles], low: Doubles, high: Doubles) -> tuple[Doubles, Doubles]:
    """Return the means of the curves over panels, and how far these are from resolving them; (..., panels) each."""
    panel, at_nodes = legendre(), curves(nodes(low, high))
    inside = _JUST_INSIDE * (high - low)  # at a kink the values are those of one side
    beyond = np.abs(curves(np.column_stack([low + inside, high - inside])) - at_nodes @ panel.ends.T).max(axis=-1)
    rough = np.maximum(np.abs(at_nodes @ panel.trailing.T).max(axis=-1), beyond * _OF_AN_END)
    return at_nodes @ panel.weights, rough
