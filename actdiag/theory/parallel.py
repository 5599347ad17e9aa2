"""The cosine between nearly parallel inputs after one layer: by interpolation in their angle.

There the sum over Hermite orders converges slowly, but as a function of the angle the cosine is smooth.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Doubles, Flags, cut
from actdiag.theory.gaussian import value_jumps
from actdiag.theory.tables import ORDERS, Curves, Tables

_NEAR, _FAR = 0.5, 1.4
"""Angles between which the cosine of nearly parallel inputs is interpolated. cos(.5)^128 is 6e-8."""

COSINE_NEAR = float(np.cos(_NEAR))
"""Inputs of a larger cosine are nearly parallel."""

_ANGLES = 12
HELD = 1e-6
"""Tolerance of the bounds of a cosine, which are computed from interpolated shares and moments."""

_POINTS, _REACH = 12, 8
_FEW_KINKS, _MOST_KINKS = 16, 512
_MOST_AT_ONCE = 1 << 18
"""Points of integrals that are computed at once."""


class AboutParallel(NamedTuple):
    """The cosine of nearly parallel inputs as a function of their angle, for several pairs.

    It is parallel - curvature angle^2 / 2 + angle^order times an interpolated function.

    Attributes:
        parallel: The cosine at angle 0, shape (pairs,).
        curvature: Its curvature there.
        order: 1 where the cosine leaves angle 0 in a straight line, else 3.
        smooth: The interpolated function at the known angles, shape (pairs, angles).
        rest: What the orders left out of the sum add up to at angle 0, shape (pairs,).
        mean_order: The mean of these orders; infinite for an activation that jumps.
        signed: Whether what they add is of unknown sign.
    """

    parallel: Doubles
    curvature: Doubles
    order: int
    smooth: Doubles
    rest: Doubles
    mean_order: Doubles
    signed: Doubles


@np.errstate(all="ignore")
def about_parallel(
    tables: Tables,
    one: Doubles,
    other: Doubles,
    rest: Doubles,
    q1: Doubles,
    q2: Doubles,
    known: Curves | None = None,
) -> AboutParallel:
    """Return the cosine of nearly parallel inputs from Hermite shares at q1 and q2; `known`: the curves at q1 = q2."""
    nodes, powers, _ = known_angles()
    products, n = one * other, np.arange(ORDERS)
    at_nodes = products @ powers
    parallel = products.sum(axis=1) + rest
    few = _few_kinks(tables.act.kinks, q1, q2)
    if few.any():
        parallel[few] = _at_angle_zero(tables, q1[few], q2[few])
    if len(value_jumps(tables.act)[0]):
        curvature, order, beyond = np.zeros_like(q1), 1, np.full_like(q1, np.inf)
    else:
        beyond, order = np.ones_like(q1), 3  # the squares of the orders left out, each times its order
        for q, shares in ((q1, one), (q2, other)):
            curves = tables.curves(q) if known is None else known
            beyond *= np.maximum(q * curves.slope / curves.second - np.square(shares) @ n, 0)
        beyond = np.sqrt(beyond)
        curvature = products @ n + beyond
    expansion = parallel[:, np.newaxis] - curvature[:, np.newaxis] * nodes**2 / 2
    mean_order = np.divide(beyond, rest, out=np.full_like(rest, np.inf), where=rest > 0)
    return AboutParallel(parallel, curvature, order, (at_nodes - expansion) / nodes**order, rest, mean_order, q1 != q2)


@np.errstate(all="ignore")
def towards_parallel(about: AboutParallel, c: Doubles, summed: Doubles) -> Doubles:
    """Return the cosines of nearly parallel inputs, `summed` what the orders that are kept add up to."""
    nodes, _, barycentric = known_angles()
    angle = np.arccos(c)
    here = about.parallel - about.curvature * angle**2 / 2
    shares_of_nodes = barycentric / (angle[:, np.newaxis] - nodes)
    interpolated = np.vecdot(shares_of_nodes, about.smooth) / shares_of_nodes.sum(axis=1)
    found: Doubles = here + angle**about.order * interpolated
    # The orders left out add squares, `rest` in total, times c^n: at most rest c^ORDERS, and by Jensen's inequality at
    # least rest c^m, m their mean order. For different q they are products, whose sign is not known.
    most = about.rest * c**ORDERS
    least = np.where(about.signed, -most, about.rest * c**about.mean_order)
    found = np.where(found > summed + most + HELD, summed + most, found)
    return np.where(found < summed + least - HELD, summed + least, found)


def _few_kinks(kinks: Sequence[float], q1: Doubles, q2: Doubles) -> Flags:
    """Return whether the cosine at angle 0 is to be integrated between the kinks: there are some, and few in reach."""
    if len(kinks) <= _MOST_KINKS:
        return np.full(len(q1), len(kinks) > 0)
    reached = _REACH * np.sqrt(np.maximum(q1, q2))
    few: Flags = np.searchsorted(np.sort(np.abs(kinks)), reached) <= _MOST_KINKS
    return few


def _at_angle_zero(tables: Tables, q1: Doubles, q2: Doubles) -> Doubles:
    """Return the cosine of inputs that differ only in length, integrated between the kinks of both."""
    largest = float(np.sqrt(np.maximum(q1, q2).max(initial=0.0)))
    kinks = np.array(tables.act.kinks)
    if len(kinks) > _FEW_KINKS:
        kinks = kinks[np.abs(kinks) < _REACH * largest]
    at_once = max(_MOST_AT_ONCE // (_POINTS * (_REACH + 1 + 2 * len(kinks))), 1)
    parts = [_integrated(tables, kinks, q1[some], q2[some]) for some in cut(len(q1), at_once)]
    return np.concatenate(parts)


@np.errstate(all="ignore")
def _integrated(tables: Tables, kinks: Doubles, q1: Doubles, q2: Doubles) -> Doubles:
    x, legendre = np.polynomial.legendre.leggauss(_POINTS)
    roots = np.sqrt(np.array([q1, q2]))
    evenly = np.broadcast_to(np.arange(-_REACH, _REACH + 1, 2), (len(q1), _REACH + 1))
    breaks = [evenly, *(kinks / root[:, np.newaxis] for root in roots)]
    edges = np.sort(np.clip(np.concatenate(breaks, axis=1), -_REACH, _REACH), axis=1)
    half = np.diff(edges, axis=1)[..., np.newaxis] / 2
    z = edges[:, :-1, np.newaxis] + half * (1 + x)
    one, other = (tables.act.value(root[:, np.newaxis, np.newaxis] * z) for root in roots)
    weights = np.exp(-np.square(z) / 2) * half * legendre
    product, *squares = ((weights * part).sum(axis=(1, 2)) for part in (one * other, one**2, other**2))
    cosines: Doubles = product / np.sqrt(squares[0]) / np.sqrt(squares[1])
    return cosines


@lru_cache(maxsize=1)
def known_angles() -> tuple[Doubles, Doubles, Doubles]:
    """Return the angles of the interpolation, cos(angle)^n, shape (orders, angles), and barycentric weights."""
    turn = np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    nodes = (_NEAR + _FAR) / 2 + (_FAR - _NEAR) / 2 * np.cos(turn)
    powers: Doubles = np.cos(nodes) ** np.arange(ORDERS)[:, np.newaxis]
    barycentric: Doubles = np.where(np.arange(_ANGLES) % 2, -1.0, 1.0) * np.sin(turn)
    return nodes, powers, barycentric
