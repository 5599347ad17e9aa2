"""Gaussian integrals of activations: the only quadrature.

Panels resolve an activation for the second moments that are asked for at once. Where it bends too often for that, its
values are summed up first, for all second moments of a bin: `often_bent`.
"""

from collections.abc import Callable
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory import often_bent
from actdiag.theory.panels import (
    FAR,
    NOTHING,
    POINTS,
    REACH,
    Resolved,
    bends,
    first_edges,
    legendre,
    needs_far,
    nodes,
    normal_density,
    resolve,
    within,
)

_MOST_WORK, _MOST_PANELS, _MOST_HALVED = 1 << 16, 1024, 128
"""Panels, times second moments, times the operations of one point; panels alone; and panels that are halved at once:
beyond these an activation counts as often bent."""

_JUMP, _DISTANCE = 1e-9, 1e-15
_AT_THE_END = 3e-8
"""An integral with a larger share in the outermost panels is taken to continue beyond the reach."""


_ROWS = 128
"""Outer nodes whose inner integrals are computed at once, so that all their nodes stay in cache."""

_NEGLIGIBLE_WEIGHT = 1e-24
"""Nodes of the outer integral with less weight are left out."""


class Moments(NamedTuple):
    """Expectations over a pre-activation u ~ N(0, q), f the activation; inf where an integral diverges.

    All are NaN where the activation bends too often to be integrated.

    Attributes:
        mean: E f(u).
        second: E f(u)^2.
        fourth: E f(u)^4.
        slope: E f'(u)^2.
        slope_fourth: E f'(u)^4.
        mixed: q times the derivative of `second` after q: E f(u) f'(u) u, plus the contribution of the jumps of f.
    """

    mean: float
    second: float
    fourth: float
    slope: float
    slope_fourth: float
    mixed: float


class Rule(NamedTuple):
    """Nodes z and weights, shape (nodes,), for the expectation of an activation of sqrt(q) z over z ~ N(0, 1)."""

    z: Doubles
    weights: Doubles


def rule(act: Activation, *q: float) -> Rule:
    """Return nodes and weights for expectations of functions of f and f' over u = sqrt(q) z.

    Args:
        act: An elementwise activation.
        *q: The second moments of the pre-activations, above 0, that the rule has to resolve.
    """
    return _rule(act, q)


def bends_often(act: Activation, q: tuple[float, ...]) -> bool:
    """Return whether there is no rule for these second moments, above 0: the activation bends too often."""
    largest = sqrt(max(q))
    many = len(act.kinks) > often_bent.MANY and often_bent.reached(act, largest) > often_bent.MANY
    return many or resolving_edges(act, q) is None


def one_by_one(
    by_rule: Callable[[Activation, float], Doubles],
    often_bent: Callable[[Activation, float], Doubles | None],
    act: Activation,
    q: tuple[float, ...],
    columns: int,
) -> Doubles:
    """Return rows for several second moments that have no rule together; NaN from the first that is not known.

    An activation that bends too often within one spread of its pre-activations does so within larger ones.

    Args:
        by_rule: An activation and a second moment that has a rule to an array of one row.
        often_bent: Those and one that has none to a row; None where it is not known.
        act: The activation.
        q: The second moments, in any order.
        columns: Of a row.
    """
    rows, often = np.full((len(q), columns), np.nan), False
    for place in np.argsort(q).tolist():
        often = often or bends_often(act, (q[place],))
        row = often_bent(act, q[place]) if often else by_rule(act, q[place])[0]
        if row is None:
            break
        rows[place] = row
    return rows


def is_known(act: Activation, q: float) -> bool:
    """Return whether the moments at a second moment above 0 are known, and so at smaller ones."""
    end = often_bent.end_of_bin(q)
    return not bends_often(act, (end,)) or often_bent.weighed(act, q) is not None


@lru_cache(maxsize=16)
def _rule(act: Activation, q: tuple[float, ...]) -> Rule:
    edges = _edges(act, q)
    z = nodes(edges[:-1], edges[1:])
    return Rule(z.ravel(), (normal_density(z) * legendre().weights * np.diff(edges)[:, np.newaxis]).ravel())


def _edges(act: Activation, q: tuple[float, ...]) -> Doubles:
    edges = resolving_edges(act, q)
    assert edges is not None, "the activation bends too often"
    return edges


@lru_cache(maxsize=16)
@np.errstate(all="ignore")
def resolving_edges(act: Activation, q: tuple[float, ...]) -> Doubles | None:
    """Return the edges, in z, of panels that resolve f^2 and f'^2; None where it takes too many."""
    roots = np.sqrt(np.array(q))
    found = _resolved(act, roots, REACH)
    if found is not None and needs_far(act, roots, found.integrals):
        found = _resolved(act, roots, FAR)
    return found.edges if found is not None and found.enough else None


def _resolved(act: Activation, roots: Doubles, reach: float) -> Resolved | None:
    """Return panels for E f^2 and E f'^2, shape (2, roots), for the roots of q; None where there are too many."""
    slope, most = act.derivative, min(_MOST_WORK // (len(roots) * act.operations), _MOST_PANELS)
    assert slope is not None
    edges = first_edges(act.kinks, roots, reach)
    if len(edges) > most:
        return None

    def squares(z: Doubles) -> Doubles:
        u = roots[:, np.newaxis, np.newaxis] * z
        if reach > REACH:  # where a square may leave float64 and its product with the density does not
            grown: Doubles = np.square(np.array([act.value(u), slope(u)]) * np.sqrt(normal_density(z)))
            return grown
        found: Doubles = np.array([np.square(act.value(u)), np.square(slope(u))]) * normal_density(z)
        return found

    return resolve(squares, edges, most, _MOST_HALVED)


def moments(act: Activation, q: float) -> Moments:
    """Return the expectations of an elementwise activation over u ~ N(0, q).

    Source of the maps made of them: Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232.

    Args:
        act: The activation.
        q: The second moment of the pre-activations, at least 0.
    """
    return _moments(act, float(q))


@lru_cache(maxsize=4096)
def _moments(act: Activation, q: float) -> Moments:
    return _moments_at_zero(act) if q == 0 else Moments(*moments_over(act, q)[0].tolist())


@np.errstate(all="ignore")
def moments_over(act: Activation, *q: float) -> Doubles:
    """Return the fields of `moments` for each q, all above 0, as an array of shape (q, fields)."""
    if bends_often(act, q):
        return one_by_one(moments_over, _often_bent, act, q, len(Moments._fields))
    assert act.derivative is not None
    z, weights = rule(act, *q)
    u = np.sqrt(np.array(q))[:, np.newaxis] * z
    f, slope = act.value(u), act.derivative(u)
    weighed = np.empty((6, *u.shape))
    if z[-1] > REACH:  # where a fourth power may leave float64 and its product with the weight does not
        root, fourth_root = np.sqrt(weights), np.sqrt(np.sqrt(weights))
        for second, fourth, part in ((1, 2, f), (3, 4, slope)):
            weighed[second] = np.square(part * root)
            weighed[fourth] = np.square(np.square(part * fourth_root))
        weighed[0], weighed[5] = f * weights, (f * root) * (slope * root) * u
    else:
        weighed[0], weighed[1], weighed[3], weighed[5] = f, np.square(f), np.square(slope), f * slope
        weighed[2], weighed[4] = np.square(weighed[1]), np.square(weighed[3])
        weighed[5] *= u
        weighed *= weights
    return _summed(act, q, weighed, float(np.square(u).max()))


def _often_bent(act: Activation, q: float) -> Doubles | None:
    found = often_bent.weighed(act, q)
    if found is None:
        return None
    row: Doubles = _summed(act, (q,), found.parts[:6, np.newaxis], q * float(np.square(found.z).max()))[0]
    return row


def _summed(act: Activation, q: tuple[float, ...], weighed: Doubles, largest: float) -> Doubles:
    """Return the moments from what adds up to them; inf where that would go on beyond the reach.

    Args:
        act: The activation.
        q: The second moments.
        weighed: Of each of the moments at the nodes, shape (fields, q, nodes), which may be overwritten.
        largest: The largest square of a pre-activation.
    """
    found = weighed.sum(axis=2)
    sizes = np.abs(weighed, out=weighed)
    outside = sizes[:, :, :POINTS].sum(axis=2) + sizes[:, :, -POINTS:].sum(axis=2)
    continues = (outside > _AT_THE_END * sizes.sum(axis=2)) & (found > NOTHING * largest)
    diverges = ~np.isfinite(found) | continues
    diverges |= diverges[1]
    diverges[3:] |= diverges[3]
    found[5] += [_at_jumps(act, one) for one in q]
    found[diverges] = np.inf
    columns: Doubles = found.T
    return columns


@lru_cache(maxsize=64)
@np.errstate(all="ignore")
def value_jumps(act: Activation) -> tuple[Doubles, Doubles]:
    """Return the kinks at which the value of an activation jumps, and the jumps of its square."""
    at = np.array(act.kinks, dtype=float)
    distance = _DISTANCE * (1 + np.abs(at))  # farther than what adding a shift rounds away
    below, above = (np.asarray(act.value(at + side * distance), dtype=float) for side in (-1, 1))
    jumping = np.abs(above - below) > _JUMP * (1 + np.abs(at))
    return at[jumping], (above**2 - below**2)[jumping]


def _at_jumps(act: Activation, q: float) -> float:
    """Return the contribution of the jumps of f to q times the derivative of E f(u)^2 after q."""
    if not act.kinks:
        return 0.0
    at, rises = value_jumps(act)
    return float(np.dot(at * rises, normal_density(at / sqrt(q)))) / (2 * sqrt(q))


def _moments_at_zero(act: Activation) -> Moments:
    """Return the limits for q to 0, of f(0) and of its one-sided slopes with weight 1/2 each."""
    assert act.derivative is not None
    value = float(act.value(np.zeros(1))[0])
    slopes = act.derivative(np.array([-1e-300, 1e-300]))
    return Moments(value, value**2, value**4, float(np.mean(slopes**2)), float(np.mean(slopes**4)), 0.0)


def pair_moment(act: Activation, q: float, c: float, *, slopes: bool = False, other_q: float | None = None) -> float:
    """Return E f(u1) f(u2), or E f'(u1) f'(u2), u1 and u2 Gaussian with second moment q and correlation c.

    Args:
        act: An elementwise activation.
        q: The second moment of u1, above 0.
        c: The correlation, from -1 to 1.
        slopes: Whether to use f' in place of f.
        other_q: The second moment of u2; by default that of u1.
    """
    return _pair_moment(act, float(q), min(max(float(c), -1.0), 1.0), slopes, float(other_q or q))


@lru_cache(maxsize=1024)
@np.errstate(all="ignore")
def _pair_moment(act: Activation, q: float, c: float, slopes: bool, other_q: float) -> float:
    assert act.derivative is not None
    function = act.derivative if slopes else act.value
    root, other_root = sqrt(q), sqrt(other_q)
    s = sqrt((1 - c) * (1 + c))  # 1 - c^2 would cancel near 1
    if s == 0:
        z, weights = rule(act, q, other_q)
        return float(np.dot(weights, function(root * z) * function(np.copysign(other_root, c) * z)))
    z1, outer = _outer_rule(act, root, other_root, c, s)
    centres = np.array([0.0, *(kink / other_root for kink in act.kinks)])
    local = bends((), other_root * s)
    steps = int(REACH) * -(-len(_edges(act, (other_q,))) // len(first_edges(act.kinks, np.array([other_root]), REACH)))
    evenly = np.linspace(-REACH, REACH, steps + 1)
    inner = np.empty_like(z1)
    for start in range(0, len(z1), _ROWS):
        m = c * z1[start : start + _ROWS, np.newaxis]
        breaks = [np.broadcast_to(evenly, (len(m), steps + 1))]
        breaks += [(centre - m) / s + local for centre in centres]
        edges = np.sort(np.clip(np.concatenate(breaks, axis=1), -REACH, REACH), axis=1)
        z2 = nodes(edges[:, :-1], edges[:, 1:])
        values = function(other_root * (m[..., np.newaxis] + s * z2)) * normal_density(z2)
        inner[start : start + _ROWS] = np.einsum("ij,ij->i", values @ legendre().weights, np.diff(edges, axis=1))
    return float(np.dot(outer, function(root * z1) * inner))


def _outer_rule(act: Activation, root: float, other_root: float, c: float, s: float) -> Rule:
    """Return the rule of the outer integral, which bends where the inner one, smoothed over s, does."""
    edges = _edges(act, (root**2,))
    if c:
        centres = np.array([0.0, *(kink / other_root for kink in act.kinks)]) / c
        around = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0]) * s / abs(c)
        blurred = centres[:, np.newaxis] + np.concatenate([-around[::-1], around])
        edges = within(np.concatenate([edges, blurred], axis=None), max(REACH, float(edges[-1])))
    z = nodes(edges[:-1], edges[1:])
    weights = (normal_density(z) * legendre().weights * np.diff(edges)[:, np.newaxis]).ravel()
    used = weights > _NEGLIGIBLE_WEIGHT
    return Rule(z.ravel()[used], weights[used])
