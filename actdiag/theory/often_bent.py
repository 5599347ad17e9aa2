"""Expectations of activations that bend at hundreds of places: summed up once for all second moments of a bin.

Such an activation is computed at as many points as it takes, once for a bin of ln q. Its weighted powers there are then
replaced by weights at a few hundred points, which give the same integrals with whatever is smooth: the densities of all
second moments of the bin, and Hermite polynomials times them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
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

REASON = "the activation bends too often within the spread of its pre-activations"
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

_AT_ONCE = 1024
"""Points whose sums are taken at once, so few that BLAS uses one thread."""


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


def from_the_least(
    compute: Callable[[Activation, float], Doubles | None], act: Activation, q: Sequence[float], columns: int
) -> Doubles:
    """Return rows for several second moments, shape (q, columns), NaN from the first that is not known.

    An activation that bends too often within one spread of its pre-activations does so within larger ones.

    Args:
        compute: An activation and a second moment to a row; None where it is not known.
        act: The activation.
        q: The second moments, in any order.
        columns: Of a row.
    """
    rows = np.full((len(q), columns), np.nan)
    for place in np.argsort(q).tolist():
        found = compute(act, q[place])
        if found is None:
            break
        rows[place] = found
    return rows


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
    starts = np.searchsorted(edges, coarse).tolist()
    parts = [_gathered(act, root, edges[start : end + 1]) for start, end in pairwise(starts)]
    return _Summed(root, nodes(coarse[:-1], coarse[1:]).ravel(), np.concatenate(parts, axis=1))


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


def _gathered(act: Activation, root: float, edges: Doubles) -> Doubles:
    """Return the parts over panels as weights at the points of one panel, shape (parts, points)."""
    assert act.derivative is not None
    t = nodes(edges[:-1], edges[1:]).ravel()
    density = normal_density(t) * np.outer(np.diff(edges), legendre().weights).ravel()
    sums = np.zeros((_PARTS, POINTS))
    for some in cut(len(t), _AT_ONCE):
        u, half, quarter = root * t[some], np.sqrt(density[some]), np.sqrt(np.sqrt(density[some]))
        f, slope = act.value(u), act.derivative(u)
        parts = [f * density[some], np.square(f * half), (f * quarter) ** 4, np.square(slope * half)]
        parts += [(slope * quarter) ** 4, (f * half) * (slope * half) * u, np.square(slope * half * u)]
        place = 2 * (t[some] - edges[0]) / (edges[-1] - edges[0]) - 1
        sums += np.array(parts) @ legendre_polynomials(place)[:POINTS].T
    gathered: Doubles = sums @ legendre().series
    return gathered
