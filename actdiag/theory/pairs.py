"""The cosine between two inputs after one layer, for many pairs or many layers at once, from the tables."""

from functools import partial
from math import acos, ceil, log

import numpy as np

from actdiag.arrays import Doubles
from actdiag.theory.homogeneous import homogeneous_cosine, homogeneous_cosines
from actdiag.theory.parallel import COSINE_NEAR, HELD, about_parallel, known_angles, towards_parallel
from actdiag.theory.tables import ORDERS, Curves, Tables

_CONVERGED = 1e-11
"""Where the orders left out add no more, the sum is taken as it is."""

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
        return homogeneous_cosines(*tables.sides, c)
    orders = _orders_of(float(np.nanmax(np.abs(c), initial=0.0)))
    one = tables.hermite(q1, orders)
    other = one if q2 is q1 else tables.hermite(q2, orders)
    with np.errstate(all="ignore"):
        products = one * other
        found = _sum_of_powers(products, c)
        near = np.flatnonzero(c > COSINE_NEAR)  # then all orders are known
        if len(near):
            one, other = one[near], other[near]
            rest = _left_out(one, other)
            slow = rest * c[near] ** ORDERS > _CONVERGED
            near, one, other, rest = near[slow], one[slow], other[slow], rest[slow]
        if len(near):
            about = about_parallel(tables, one, other, rest, q1[near], q2[near])
            found[near] = towards_parallel(about, c[near], found[near])
    return found


def _orders_of(largest: float) -> int:
    """Return how many orders pairs of correlations up to `largest` need."""
    if not 0 < largest < 1:
        return ORDERS if largest else 2
    return min(ceil(log(_LEFT_OUT) / log(largest)) + 1, ORDERS)


def cosine_slope(tables: Tables, q: float, c: float) -> float:
    """Return the derivative of the cosine of two inputs of one q after their correlation."""
    at = np.array([q])
    if tables.sides is None and c < COSINE_NEAR:
        n = np.arange(1, ORDERS)
        return float(np.dot(n * np.square(tables.hermite(at)[0, 1:]), c ** (n - 1.0)))
    step = min(1e-5, (1 - c) / 2)
    around = pair_cosines(tables, np.full(2, q), np.full(2, q), np.array([c - step, c + step]))
    return float(around[1] - around[0]) / (2 * step) if step else float("nan")


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
            self._about = partial(about_parallel, tables, shares, shares, rest, q, q, curves)
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
            return homogeneous_cosine(*self._sides, c)
        total = 0.0
        for square in self._squares[layer, : _orders_of(abs(c))][::-1].tolist():  # Horner's scheme
            total = total * c + square
        if c > COSINE_NEAR and self._rest[layer] * c**ORDERS > _CONVERGED:
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
        nodes, _, barycentric = known_angles()
        angle = acos(c)
        above = under = 0.0
        for node, weight, value in zip(nodes.tolist(), barycentric.tolist(), self._smooth[layer], strict=True):
            share = weight / (angle - node)
            above += share * value
            under += share
        found = parallel - curvature * angle**2 / 2 + angle**self._order * above / under
        most, least = rest * c**ORDERS, rest * c**mean_order
        if found > summed + most + HELD:
            return summed + most
        return summed + least if found < summed + least - HELD else found
