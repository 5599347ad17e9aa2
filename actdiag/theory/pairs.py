"""What becomes of the cosine between two inputs in one layer, for many pairs at once, from the tables."""

from functools import lru_cache

import numpy as np

from actdiag.arrays import Doubles
from actdiag.theory.gaussian import value_jumps
from actdiag.theory.tables import ORDERS, Tables

_NEAR, _FAR = 0.5, 1.4
"""Angles that the interpolation towards parallel inputs rests on. At the nearer one cos^128 has become 6e-8."""

_ANGLES = 12
_CONVERGED = 1e-11
_HELD = 1e-6
"""A cosine may be so far beyond its bounds, which rest on shares and moments that are interpolated themselves."""

_FEW = 16


def pair_cosines(tables: Tables, q1: Doubles, q2: Doubles, c: Doubles) -> Doubles:
    """Return E f(u1) f(u2) / sqrt(E f(u1)^2 E f(u2)^2) for each pair, shape (pairs,); NaN where f is zero.

    By Mehler's formula it is the sum over n of a_n(q1) a_n(q2) c^n, a_n the shares of the Hermite polynomials. Where
    inputs are so nearly parallel that the sum converges slowly, it is interpolated in the angle, in which it is smooth,
    between angles where it has converged and angle 0, where the value and the curvature are known moments. Two inputs
    of one q are exact there; of different q, as near as what both leave out of the sum is alike. Where the cosine has
    fallen between angle 0 and those angles, as that of an activation that swings within a small part of q, it is held
    to what the orders left out can add.

    Args:
        tables: Of an elementwise activation.
        q1: Second moments of u1, shape (pairs,).
        q2: Second moments of u2.
        c: Their correlation.
    """
    one = tables.hermite(q1)
    return cosines_of_shares(tables, one, one if q2 is q1 else tables.hermite(q2), q1, q2, c)


@np.errstate(all="ignore")
def cosines_of_shares(tables: Tables, one: Doubles, other: Doubles, q1: Doubles, q2: Doubles, c: Doubles) -> Doubles:
    """Return what `pair_cosines` does, given the Hermite shares at q1 and q2, each of shape (pairs, ORDERS)."""
    c = np.clip(c, -1.0, 1.0)
    if tables.sides is not None:
        below, above = tables.sides
        one_side = _arc_cosine(c)
        across = one_side - c / 2  # of relu(z1) relu(-z2)
        kernel: Doubles = 2 * ((above**2 + below**2) * one_side - 2 * above * below * across)
        return kernel / (above**2 + below**2)
    products = one * other
    found = _sum_of_powers(products, c)
    rest = _left_out(one, other)
    slow = np.flatnonzero((c > np.cos(_NEAR)) & (rest * np.maximum(c, 0) ** ORDERS > _CONVERGED))
    if len(slow):
        found[slow] = _towards_parallel(
            tables, one[slow], other[slow], rest[slow], products[slow], q1[slow], q2[slow], c[slow], found[slow]
        )
    return found


def cosine_slope(tables: Tables, q: float, c: float) -> float:
    """Return the derivative of the cosine of two inputs of one q after their correlation."""
    at = np.array([q])
    if tables.sides is None and c < np.cos(_NEAR):
        n = np.arange(1, ORDERS)
        return float(np.dot(n * np.square(tables.hermite(at)[0, 1:]), c ** (n - 1.0)))
    step = min(1e-5, (1 - c) / 2)
    beside = pair_cosines(tables, np.full(2, q), np.full(2, q), np.array([c - step, c + step]))
    return float(beside[1] - beside[0]) / (2 * step) if step else float("nan")


def _arc_cosine(c: Doubles) -> Doubles:
    """Return E relu(z1) relu(z2) for standard normals of correlation c (Cho & Saul 2009)."""
    kernel: Doubles = (np.sqrt((1 - c) * (1 + c)) + (np.pi - np.arccos(c)) * c) / (2 * np.pi)
    return kernel


def _sum_of_powers(products: Doubles, c: Doubles) -> Doubles:
    """Return the sum over n of products[:, n] c^n."""
    if len(c) < _FEW:
        powers = np.repeat(c[:, np.newaxis], ORDERS, axis=1)
        powers[:, 0] = 1
        few: Doubles = np.vecdot(products, np.multiply.accumulate(powers, axis=1))
        return few
    columns = np.ascontiguousarray(products.T)
    total: Doubles = columns[-1].copy()
    for column in columns[-2::-1]:  # Horner's scheme
        total *= c
        total += column
    return total


def _left_out(one: Doubles, other: Doubles) -> Doubles:
    """Return what the sum has beyond the orders that are kept at angle 0, where inputs of one q have 1 in all."""
    rest: Doubles = np.maximum(1 - np.vecdot(one, one), 0)
    return rest if other is one else np.sqrt(rest * np.maximum(1 - np.vecdot(other, other), 0))


def _towards_parallel(
    tables: Tables,
    one: Doubles,
    other: Doubles,
    rest: Doubles,
    products: Doubles,
    q1: Doubles,
    q2: Doubles,
    c: Doubles,
    summed: Doubles,
) -> Doubles:
    """Return the cosines of nearly parallel inputs, `summed` what the orders that are kept add up to."""
    nodes, powers, barycentric = _known_angles()
    angle = np.arccos(c)
    at_nodes = products @ powers
    parallel = _at_angle_zero(tables, q1, q2) if tables.act.kinks else products.sum(axis=1) + rest
    n = np.arange(ORDERS)
    if len(value_jumps(tables.act)[0]):  # then the cosine leaves angle 0 in a straight line
        here, known, order = parallel, parallel[:, np.newaxis] + 0 * nodes, 1
        beyond = np.full_like(q1, np.inf)
    else:
        beyond = np.ones_like(q1)  # the squares of the orders left out, each times its order
        for q, shares in ((q1, one), (q2, other)):
            curves = tables.curves(q)
            beyond *= np.maximum(q * curves.slope / curves.second - np.square(shares) @ n, 0)
        beyond = np.sqrt(beyond)
        curvature = products @ n + beyond
        here = parallel - curvature * angle**2 / 2
        known, order = parallel[:, np.newaxis] - curvature[:, np.newaxis] * nodes**2 / 2, 3
    smooth = (at_nodes - known) / nodes**order
    shares_of_nodes = barycentric / (angle[:, np.newaxis] - nodes)
    found: Doubles = here + angle**order * np.vecdot(shares_of_nodes, smooth) / shares_of_nodes.sum(axis=1)
    # Left out of the sum is that of squares, `rest` in all, times c^n: at most rest c^ORDERS, and by Jensen's
    # inequality at least rest c^m, m their mean order. Of different q their sign is not known.
    most = rest * c**ORDERS
    mean_order = np.divide(beyond, rest, out=np.full_like(rest, np.inf), where=rest > 0)
    least = np.where(q1 == q2, rest * c**mean_order, -most)
    found = np.where(found > summed + most + _HELD, summed + most, found)
    return np.where(found < summed + least - _HELD, summed + least, found)


@np.errstate(all="ignore")
def _at_angle_zero(tables: Tables, q1: Doubles, q2: Doubles) -> Doubles:
    """Return the cosine of inputs that differ in length alone, integrated between the kinks of both."""
    x, legendre = np.polynomial.legendre.leggauss(_PARALLEL_POINTS)
    roots = np.sqrt(np.array([q1, q2]))
    evenly = np.broadcast_to(np.arange(-_PARALLEL_REACH, _PARALLEL_REACH + 1, 2), (len(q1), _PARALLEL_REACH + 1))
    kinks = [kink / root[:, np.newaxis] for kink in tables.act.kinks for root in roots]
    edges = np.sort(np.clip(np.concatenate([evenly, *kinks], axis=1), -_PARALLEL_REACH, _PARALLEL_REACH), axis=1)
    half = np.diff(edges, axis=1)[..., np.newaxis] / 2
    z = edges[:, :-1, np.newaxis] + half * (1 + x)
    one, other = (tables.act.value(root[:, np.newaxis, np.newaxis] * z) for root in roots)
    weights = np.exp(-np.square(z) / 2) * half * legendre
    product, *squares = ((weights * part).sum(axis=(1, 2)) for part in (one * other, one**2, other**2))
    cosines: Doubles = product / np.sqrt(squares[0]) / np.sqrt(squares[1])
    return cosines


_PARALLEL_POINTS, _PARALLEL_REACH = 12, 8


@lru_cache(maxsize=1)
def _known_angles() -> tuple[Doubles, Doubles, Doubles]:
    """Return the angles of the interpolation, cos(angle)^n, shape (orders, angles), and barycentric weights."""
    turn = np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    nodes = (_NEAR + _FAR) / 2 + (_FAR - _NEAR) / 2 * np.cos(turn)
    powers: Doubles = np.cos(nodes) ** np.arange(ORDERS)[:, np.newaxis]
    barycentric: Doubles = np.where(np.arange(_ANGLES) % 2, -1.0, 1.0) * np.sin(turn)
    return nodes, powers, barycentric
