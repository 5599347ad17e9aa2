"""Expectations of activations that bend at hundreds of places: summed up once for all second moments of a bin.

Such an activation is computed at as many points as it takes, once for a bin of ln q. Its weighted powers there are then
replaced by weights at a few hundred points, which give the same integrals with whatever is smooth: the densities of all
second moments of the bin, and Hermite polynomials times them.
"""

from functools import lru_cache
from math import exp, floor, log, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles, cut
from actdiag.theory.panels import (
    FAR,
    POINTS,
    REACH,
    Resolved,
    first_edges,
    legendre,
    legendre_polynomials,
    needs_far,
    nodes,
    normal_density,
    resolve,
    within,
)

REASON = "the activation bends too often or too sharply within the spread of its pre-activations"
"""Why theory leaves a stack out."""

MANY = 64
"""Kinks within the reach."""

_BIN = 0.5
"""Of ln q."""

_MOST_WORK, _OF_SUMS = 3 << 20, 8
"""Points of a bin, times the operations of each and those of its sums. What takes more is not known."""

_LARGEST_LOG = 709.0
_PARTS = 7
_A_HALF = 2
"""Panels of the few hundred points in a unit of z: they resolve the Hermite polynomials of all orders in use."""

_AT_ONCE = 64
"""Panels whose sums are taken at once, so that they stay in cache."""


class _Summed(NamedTuple):
    """An activation over u = root t, for second moments of a bin.

    Attributes:
        root: The root of the largest second moment.
        t: Points, shape (points,).
        parts: Weights there, shape (parts, points): of f, f^2, f^4, f'^2, f'^4, f f' u and (f' u)^2, each times the
            density of N(0, 1) at t.
    """

    root: float
    t: Doubles
    parts: Doubles


class Weighed(NamedTuple):
    """Weights whose sums, times any smooth function of z, are expectations over u = sqrt(q) z.

    Attributes:
        z: Points, shape (points,).
        parts: Of f, f^2, f^4, f'^2, f'^4, f f' u and (f' u)^2, shape (parts, points).
    """

    z: Doubles
    parts: Doubles


def reached(act: Activation, root_q: float) -> int:
    """Return how many kinks are within the reach of pre-activations."""
    return int(np.count_nonzero(np.abs(act.kinks) < REACH * root_q))


def end_of_bin(q: float) -> float:
    """Return the largest second moment that is summed up together with one."""
    return exp(min((floor(log(q) / _BIN) + 1) * _BIN, _LARGEST_LOG))


def weighed(act: Activation, q: float) -> Weighed | None:
    """Return an elementwise activation as weights; None where it bends too often for that.

    Args:
        act: The activation.
        q: The second moment of the pre-activations, above 0.
    """
    summed = _summed(act, floor(log(q) / _BIN))
    if summed is None:
        return None
    scale = summed.root / sqrt(q)
    narrowed = scale * np.exp(np.square(summed.t) * ((1 - scale) * (1 + scale) / 2))
    return Weighed(summed.t * scale, summed.parts * narrowed)


@lru_cache(maxsize=256)
@np.errstate(all="ignore")
def _summed(act: Activation, number: int) -> _Summed | None:
    """Return an activation summed up for a bin of ln q; None where it bends too often."""
    ends = np.exp(np.array([number, number + 1]) * (_BIN / 2))
    reach, found = REACH, _resolved(act, ends, REACH)
    if found is not None and needs_far(act, ends, found.integrals[:, ::-1]):
        reach, found = FAR, _resolved(act, ends, FAR)
    if found is None or not found.enough:
        return None
    root = float(ends[1])
    coarse = np.arange(-_A_HALF * reach, _A_HALF * reach + 1) / _A_HALF
    edges = within(np.concatenate([found.edges, coarse]), reach)
    sums = np.zeros((len(coarse) - 1, _PARTS, POINTS))
    for some in cut(len(edges) - 1, _AT_ONCE):
        low, high = edges[:-1][some], edges[1:][some]
        into = np.searchsorted(coarse, low, side="right") - 1
        starts = np.flatnonzero(np.diff(into, prepend=-1))
        sums[into[starts]] += np.add.reduceat(_products(act, root, low, high, coarse[into]), starts)
    parts = np.moveaxis(sums @ legendre().series, 1, 0).reshape(_PARTS, -1)
    return _Summed(root, nodes(coarse[:-1], coarse[1:]).ravel(), parts)


def _resolved(act: Activation, ends: Doubles, reach: float) -> Resolved | None:
    """Return panels for E f^2 and E f'^2, shape (2, ends), at both ends of a bin; None where there are too many."""
    slope, most = act.derivative, _MOST_WORK // (POINTS * (act.operations + _OF_SUMS))
    assert slope is not None
    root, scales = float(ends[1]), (ends[1] / ends)[:, np.newaxis, np.newaxis]
    edges = first_edges(act.kinks, ends[1:], reach)
    if len(edges) > most:
        return None

    def squares(t: Doubles) -> Doubles:
        both, density = np.array([act.value(root * t), slope(root * t)]), scales * normal_density(scales * t)
        found: Doubles = np.square(both[:, np.newaxis] * np.sqrt(density))  # where a square alone may leave float64
        return found

    return resolve(squares, edges, most)


def _products(act: Activation, root: float, low: Doubles, high: Doubles, start: Doubles) -> Doubles:
    """Return the integrals of the parts times Legendre polynomials over panels, shape (panels, parts, polynomials).

    Args:
        act: The activation.
        root: u over t.
        low: Where the panels begin, shape (panels,).
        high: Where they end.
        start: Where the wider panels begin over which the polynomials are.
    """
    assert act.derivative is not None
    t = nodes(low, high)
    density = normal_density(t) * legendre().weights * (high - low)[:, np.newaxis]
    u, half, quarter = root * t, np.sqrt(density), np.sqrt(np.sqrt(density))
    f, slope = act.value(u), act.derivative(u)
    parts = [f * density, np.square(f * half), (f * quarter) ** 4, np.square(slope * half), (slope * quarter) ** 4]
    parts += [(f * half) * (slope * half) * u, np.square(slope * half * u)]
    polynomials = legendre_polynomials(2 * _A_HALF * (t - start[:, np.newaxis]) - 1)[:POINTS]
    products: Doubles = np.stack(parts, axis=1) @ np.moveaxis(polynomials, 0, 2)
    return products
