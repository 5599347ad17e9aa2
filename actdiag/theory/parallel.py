"""The cosine between nearly parallel inputs after one layer: by interpolation in their angle.

There the sum over Hermite orders converges slowly, but as a function of the angle the cosine is smooth. At angle 0,
where inputs differ in length alone, it is integrated between kinks.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles, Flags, cut
from actdiag.theory.gaussian import value_jumps
from actdiag.theory.panels import bends
from actdiag.theory.quadrature import resolving_edges
from actdiag.theory.tables import ORDERS, Curves, Tables

_NEAR, _FAR = 0.5, 1.4
"""Angles between which the cosine of nearly parallel inputs is interpolated. cos(.5)^128 is 6e-8."""

COSINE_NEAR = float(np.cos(_NEAR))
"""Inputs of a larger cosine are nearly parallel."""

_ANGLES = 12
HELD = 1e-6
"""Tolerance of the bounds of a cosine, which are computed from interpolated shares and moments."""

_SURE = 5e-5
"""What the orders left out add to the cosine of inputs of different second moments is not known where they can add more
than this: they may as well take as much away."""

_POINTS, _REACH = 12, 8
_FEW_KINKS, _MOST_OPERATIONS = 16, 512
"""Kinks within the reach that are integrated between in any case, and kinks times operations."""

_MOST_EDGES = 128
_LEAST_Q, _LARGEST_Q = 1e-290, 1e290
_MOST_AT_ONCE = 1 << 18
"""Points of integrals that are computed at once."""

_RESOLVED = 1e-6
"""A larger deviation of E f^2, relatively, shows an activation that the points do not resolve."""


class AboutParallel(NamedTuple):
    """The cosine of nearly parallel inputs as a function of their angle, for several pairs.

    It is parallel - curvature angle^2 / 2 + angle^order times an interpolated function.

    Attributes:
        parallel: The cosine at angle 0, shape (pairs,); NaN where it is not known.
        curvature: Its curvature there.
        order: 1 where the cosine leaves angle 0 in a straight line, else 3.
        smooth: The interpolated function at the known angles, shape (pairs, angles).
        rest: What the orders left out of the sum add up to at angle 0, shape (pairs,), in magnitude at most.
        mean_order: The mean of these orders; infinite for an activation that jumps.
        signed: Whether what they add is of unknown sign.
    """

    parallel: Doubles
    curvature: Doubles
    order: int
    smooth: Doubles
    rest: Doubles
    mean_order: Doubles
    signed: Flags


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
    summed, of_summed, jumps = products.sum(axis=1), products @ n, len(value_jumps(tables.act)[0]) > 0
    beyond = np.ones_like(q1)  # the squares of the orders left out, each times its order
    for q, shares in ((q1, one), (q2, other)):
        curves = tables.curves(q) if known is None else known
        beyond *= np.maximum(q * curves.slope / curves.second - np.square(shares) @ n, 0)
    parallel, beyond, signed = summed + rest, np.sqrt(beyond), q1 != q2
    if signed.any():  # then they do not all have one sign, and add up to less
        asked = np.flatnonzero(signed & ((rest > _SURE) | (len(tables.act.kinks) > 0)))
        found = AngleZero(np.full_like(q1, np.nan), np.full_like(q1, np.nan))
        for column, values in zip(found, at_angle_zero(tables, q1[asked], q2[asked]), strict=True):
            column[asked] = values
        integrated = ~np.isnan(found.cosine)
        parallel = np.where(integrated, found.cosine, np.where(signed & (rest > _SURE), np.nan, parallel))
        rest = np.where(integrated, np.abs(found.cosine - summed), rest)
        beyond = np.where(integrated, found.curvature - of_summed, beyond)
        signed &= ~(integrated & (found.cosine >= summed) & (beyond >= 0))
    curvature, order = (np.zeros_like(q1), 1) if jumps else (of_summed + beyond, 3)
    expansion = parallel[:, np.newaxis] - curvature[:, np.newaxis] * nodes**2 / 2
    mean_order = np.divide(beyond, rest, out=np.full_like(rest, np.inf), where=(rest > 0) & (not jumps))
    smooth = (products @ powers - expansion) / nodes**order
    return AboutParallel(parallel, curvature, order, smooth, rest, mean_order, signed)


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
    found = np.where(found < summed + least - HELD, summed + least, found)
    return np.where(np.isnan(about.parallel) & (most <= _SURE), summed, found)


@lru_cache(maxsize=1)
def known_angles() -> tuple[Doubles, Doubles, Doubles]:
    """Return the angles of the interpolation, cos(angle)^n, shape (orders, angles), and barycentric weights."""
    turn = np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    nodes = (_NEAR + _FAR) / 2 + (_FAR - _NEAR) / 2 * np.cos(turn)
    powers: Doubles = np.cos(nodes) ** np.arange(ORDERS)[:, np.newaxis]
    barycentric: Doubles = np.where(np.arange(_ANGLES) % 2, -1.0, 1.0) * np.sin(turn)
    return nodes, powers, barycentric


class AngleZero(NamedTuple):
    """The cosine of the activations of inputs at an angle of 0, for several pairs; NaN where it is not known.

    Attributes:
        cosine: Its value, shape (pairs,).
        curvature: Minus its second derivative after the angle; meaningless for an activation that jumps.
    """

    cosine: Doubles
    curvature: Doubles


def at_angle_zero(tables: Tables, q1: Doubles, q2: Doubles) -> AngleZero:
    """Return the cosines at angle 0, integrated where few kinks are within reach.

    Args:
        tables: Of an elementwise activation.
        q1: Second moments of one input's pre-activations, shape (pairs,).
        q2: Those of the other's.
    """
    found = AngleZero(np.full_like(q1, np.nan), np.full_like(q1, np.nan))
    few = np.flatnonzero(_few_kinks(tables.act, np.maximum(q1, q2)))
    sizes = np.log(np.clip([np.minimum(q1, q2)[few], np.maximum(q1, q2)[few]], _LEAST_Q, _LARGEST_Q))
    bins = np.floor(sizes).astype(int)  # so that no pair's panels depend on the others
    for low, high in sorted(set(zip(*bins.tolist(), strict=True))):
        left = few[(bins[0] == low) & (bins[1] == high)]
        for breaks in _breaks(tables.act, exp(low), exp(high + 1)):
            for column, values in zip(found, _in_parts(tables, breaks, q1[left], q2[left]), strict=True):
                column[left] = values
            left = left[np.isnan(found.cosine[left])]
            if not len(left):
                break
    return found


def _breaks(act: Activation, least: float, largest: float) -> Iterator[Doubles]:
    """Yield edges of panels for second moments between two: a few, and those that resolve it, if they are not many."""
    yield np.concatenate([np.arange(-_REACH, _REACH + 1, 2), bends((), sqrt(largest))])
    edges = resolving_edges(act, (least, largest))
    if edges is not None and np.count_nonzero(np.abs(edges) < _REACH) <= _MOST_EDGES:
        yield edges[np.abs(edges) < _REACH]


def _in_parts(tables: Tables, breaks: Doubles, q1: Doubles, q2: Doubles) -> AngleZero:
    """Return what `at_angle_zero` does, from panels between the breaks and the kinks of both inputs."""
    kinks = np.array(tables.act.kinks)
    kinks = kinks[np.abs(kinks) < _REACH * np.sqrt(np.maximum(q1, q2).max())]
    seconds = [tables.curves(q).second for q in (q1, q2)]
    at_once = max(_MOST_AT_ONCE // (_POINTS * (len(breaks) + 2 * len(kinks))), 1)
    parts = [
        _integrated(tables.act, kinks, breaks, q1[some], q2[some], [second[some] for second in seconds])
        for some in cut(len(q1), at_once)
    ]
    return AngleZero(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _few_kinks(act: Activation, q: Doubles) -> Flags:
    """Return for each q whether its kinks are few enough to integrate between them."""
    within = np.searchsorted(np.sort(np.abs(act.kinks)), _REACH * np.sqrt(q))
    few: Flags = within <= max(_FEW_KINKS, _MOST_OPERATIONS // act.operations)
    return few


@np.errstate(all="ignore")
def _integrated(
    act: Activation, kinks: Doubles, breaks: Doubles, q1: Doubles, q2: Doubles, seconds: Sequence[Doubles]
) -> AngleZero:
    assert act.derivative is not None
    x, legendre = np.polynomial.legendre.leggauss(_POINTS)
    roots = np.sqrt(np.array([q1, q2]))
    at = [np.broadcast_to(breaks, (len(q1), len(breaks))), *(kinks / root[:, np.newaxis] for root in roots)]
    edges = np.sort(np.clip(np.concatenate(at, axis=1), -_REACH, _REACH), axis=1)
    half = np.diff(edges, axis=1)[..., np.newaxis] / 2
    z = edges[:, :-1, np.newaxis] + half * (1 + x)
    weights = np.exp(-np.square(z) / 2) * half * legendre / np.sqrt(2 * np.pi)

    def expected(values: Array) -> Doubles:
        total: Doubles = (weights * values).sum(axis=(1, 2))
        return total

    u = [root[:, np.newaxis, np.newaxis] * z for root in roots]
    one, other = map(act.value, u)
    squares = [expected(part**2) for part in (one, other)]
    norms = np.sqrt(squares[0]) * np.sqrt(squares[1])
    slopes = act.derivative(u[0]) * act.derivative(u[1])
    right = [np.abs(square - second) <= _RESOLVED * second for square, second in zip(squares, seconds, strict=True)]
    cosine, curvature = expected(one * other) / norms, roots[0] * roots[1] * expected(slopes) / norms
    return AngleZero(*(np.where(right[0] & right[1], part, np.nan) for part in (cosine, curvature)))
