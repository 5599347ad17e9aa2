"""The cosine between two inputs after one layer, for many pairs or many layers at once, from the tables."""

from functools import lru_cache, partial
from math import acos, ceil, log, pi, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Doubles, Flags
from actdiag.theory.gaussian import value_jumps
from actdiag.theory.parallel import AngleZero, at_angle_zero
from actdiag.theory.tables import ORDERS, Curves, Tables

_NEAR, _FAR = 0.5, 1.4
"""Angles between which the cosine of nearly parallel inputs is interpolated. cos(.5)^128 is 6e-8."""

_ANGLES = 12
_CONVERGED = 1e-11
_HELD = 1e-6
"""Tolerance of the bounds of a cosine, which are computed from interpolated shares and moments."""

_SURE = 5e-5
"""What the orders left out add to the cosine of inputs of different second moments is not known where they can add more
than this: they may as well take as much away."""

_FEW = 16
_LEFT_OUT = 1e-15
"""Largest power of a small correlation in the orders that are left out."""


def pair_cosines(tables: Tables, q1: Doubles, q2: Doubles, c: Doubles) -> Doubles:
    """Return E f(u1) f(u2) / sqrt(E f(u1)^2 E f(u2)^2) for each pair, shape (pairs,).

    It is NaN where f is zero, and where it is not known.

    By Mehler's formula it is the sum over n of a_n(q1) a_n(q2) c^n, a_n the shares of the Hermite polynomials. Where
    inputs are so nearly parallel that the sum converges slowly, it is interpolated in the angle, in which it is smooth,
    between angles where it has converged and angle 0, where the value and the curvature are known moments for inputs of
    one q, and are integrated for inputs of different q. Where the cosine has fallen between angle 0 and those angles,
    as that of an activation that oscillates within a small part of q, it is bounded by what the orders left out can
    add. Where an activation bends too often to be integrated at angle 0, and these orders can add more than 5e-5, the
    cosine is not known.

    Args:
        tables: Of an elementwise activation.
        q1: Second moments of u1, shape (pairs,).
        q2: Second moments of u2.
        c: Their correlation.
    """
    c = np.clip(c, -1.0, 1.0)
    if tables.sides is not None:
        return _homogeneous_cosines(*tables.sides, c)
    orders = _orders_of(float(np.nanmax(np.abs(c), initial=0.0)))
    one = tables.hermite(q1, orders)
    other = one if q2 is q1 else tables.hermite(q2, orders)
    with np.errstate(all="ignore"):
        products = one * other
        found = _sum_of_powers(products, c)
        near = np.flatnonzero(c > np.cos(_NEAR))  # then all orders are known
        if len(near):
            one, other = one[near], other[near]
            rest = _left_out(one, other)
            slow = rest * c[near] ** ORDERS > _CONVERGED
            near, one, other, rest = near[slow], one[slow], other[slow], rest[slow]
        if len(near):
            about = _about_parallel(tables, one, other, rest, q1[near], q2[near])
            found[near] = _towards_parallel(about, c[near], found[near])
    return found


def _orders_of(largest: float) -> int:
    """Return how many orders pairs of correlations up to `largest` need."""
    if not 0 < largest < 1:
        return ORDERS if largest else 2
    return min(ceil(log(_LEFT_OUT) / log(largest)) + 1, ORDERS)


def cosine_slope(tables: Tables, q: float, c: float) -> float:
    """Return the derivative of the cosine of two inputs of one q after their correlation."""
    at = np.array([q])
    if tables.sides is None and c < np.cos(_NEAR):
        n = np.arange(1, ORDERS)
        return float(np.dot(n * np.square(tables.hermite(at)[0, 1:]), c ** (n - 1.0)))
    step = min(1e-5, (1 - c) / 2)
    around = pair_cosines(tables, np.full(2, q), np.full(2, q), np.array([c - step, c + step]))
    return float(around[1] - around[0]) / (2 * step) if step else float("nan")


def _homogeneous_cosines(below: float, above: float, c: Doubles) -> Doubles:
    """Return the cosines of an activation with these slopes below and above zero (Cho & Saul 2009)."""
    one_side = (np.sqrt((1 - c) * (1 + c)) + (np.pi - np.arccos(c)) * c) / (2 * np.pi)  # E relu(z1) relu(z2)
    across = one_side - c / 2  # of relu(z1) relu(-z2)
    kernel: Doubles = 2 * ((above**2 + below**2) * one_side - 2 * above * below * across)
    return kernel / (above**2 + below**2)


def _sum_of_powers(products: Doubles, c: Doubles) -> Doubles:
    """Return the sum over n of products[:, n] c^n."""
    if len(c) < _FEW:
        powers = np.repeat(c[:, np.newaxis], products.shape[1], axis=1)
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
    """Return the sum over the orders left out at angle 0, where the cosine of inputs of one q is 1."""
    rest: Doubles = np.maximum(1 - np.vecdot(one, one), 0)
    return rest if other is one else np.sqrt(rest * np.maximum(1 - np.vecdot(other, other), 0))


class _AboutParallel(NamedTuple):
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
def _about_parallel(
    tables: Tables,
    one: Doubles,
    other: Doubles,
    rest: Doubles,
    q1: Doubles,
    q2: Doubles,
    known: Curves | None = None,
) -> _AboutParallel:
    """Return the cosine of nearly parallel inputs from Hermite shares at q1 and q2; `known`: the curves at q1 = q2."""
    nodes, powers, _ = _known_angles()
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
    return _AboutParallel(parallel, curvature, order, smooth, rest, mean_order, signed)


@np.errstate(all="ignore")
def _towards_parallel(about: _AboutParallel, c: Doubles, summed: Doubles) -> Doubles:
    """Return the cosines of nearly parallel inputs, `summed` what the orders that are kept add up to."""
    nodes, _, barycentric = _known_angles()
    angle = np.arccos(c)
    here = about.parallel - about.curvature * angle**2 / 2
    shares_of_nodes = barycentric / (angle[:, np.newaxis] - nodes)
    interpolated = np.vecdot(shares_of_nodes, about.smooth) / shares_of_nodes.sum(axis=1)
    found: Doubles = here + angle**about.order * interpolated
    # The orders left out add squares, `rest` in total, times c^n: at most rest c^ORDERS, and by Jensen's inequality at
    # least rest c^m, m their mean order. For different q they are products, whose sign is not known.
    most = about.rest * c**ORDERS
    least = np.where(about.signed, -most, about.rest * c**about.mean_order)
    found = np.where(found > summed + most + _HELD, summed + most, found)
    found = np.where(found < summed + least - _HELD, summed + least, found)
    return np.where(np.isnan(about.parallel) & (most <= _SURE), summed, found)


class CosineMaps:
    """The cosine maps of several layers, each of inputs of one second moment, for a recursion from layer to layer.

    Args:
        tables: Of an elementwise activation.
        q: The second moments of the layers' pre-activations, shape (layers,).
        curves: The moments of the activation there.
    """

    def __init__(self, tables: Tables, q: Doubles, curves: Curves) -> None:
        self._sides = tables.sides
        if tables.sides is None:
            shares = tables.hermite(q)
            with np.errstate(all="ignore"):
                self._squares = np.square(shares)
            rest = _left_out(shares, shares)
            self._rest = rest.tolist()
            self._about = partial(_about_parallel, tables, shares, shares, rest, q, q, curves)
            self._near: list[tuple[float, ...]] | None = None
            self._smooth: list[list[float]] = []
            self._order = 3

    def __call__(self, layer: int, c: float) -> float:
        """Return the cosine of the activations of two inputs, `c` the correlation of their pre-activations.

        Args:
            layer: Which of the layers, from 0.
            c: The correlation.
        """
        c = min(max(c, -1.0), 1.0)
        if self._sides is not None:
            return _homogeneous_cosine(*self._sides, c)
        total = 0.0
        for square in self._squares[layer, : _orders_of(abs(c))][::-1].tolist():  # Horner's scheme
            total = total * c + square
        if c > _COSINE_NEAR and self._rest[layer] * c**ORDERS > _CONVERGED:
            return self._towards_parallel(layer, c, total)
        return total

    def _towards_parallel(self, layer: int, c: float, summed: float) -> float:
        """Return what the function of that name does, for one layer."""
        if self._near is None:
            about = self._about()
            columns = (about.parallel, about.curvature, about.rest, about.mean_order)
            self._near = list(zip(*(column.tolist() for column in columns), strict=True))
            self._smooth, self._order = about.smooth.tolist(), about.order
        parallel, curvature, rest, mean_order = self._near[layer]
        nodes, _, barycentric = _known_angles()
        angle = acos(c)
        above = under = 0.0
        for node, weight, value in zip(nodes.tolist(), barycentric.tolist(), self._smooth[layer], strict=True):
            share = weight / (angle - node)
            above += share * value
            under += share
        found = parallel - curvature * angle**2 / 2 + angle**self._order * above / under
        most, least = rest * c**ORDERS, rest * c**mean_order
        if found > summed + most + _HELD:
            return summed + most
        return summed + least if found < summed + least - _HELD else found


def _homogeneous_cosine(below: float, above: float, c: float) -> float:
    """Return what `_homogeneous_cosines` does for one correlation."""
    one_side = (sqrt((1 - c) * (1 + c)) + (pi - acos(c)) * c) / (2 * pi)
    squares = above * above + below * below
    return 2 * (squares * one_side - 2 * above * below * (one_side - c / 2)) / squares if squares else float("nan")


_COSINE_NEAR = float(np.cos(_NEAR))


@lru_cache(maxsize=1)
def _known_angles() -> tuple[Doubles, Doubles, Doubles]:
    """Return the angles of the interpolation, cos(angle)^n, shape (orders, angles), and barycentric weights."""
    turn = np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES
    nodes = (_NEAR + _FAR) / 2 + (_FAR - _NEAR) / 2 * np.cos(turn)
    powers: Doubles = np.cos(nodes) ** np.arange(ORDERS)[:, np.newaxis]
    barycentric: Doubles = np.where(np.arange(_ANGLES) % 2, -1.0, 1.0) * np.sin(turn)
    return nodes, powers, barycentric
