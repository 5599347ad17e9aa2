"""The Gaussian integrals of one activation as functions of q, tabulated where they are asked for.

A stack asks for them at every layer, and for many inputs at each, which a quadrature would take longer for than the
run itself. What is published comes from the quadrature; tables are held to it by tests.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import exp, floor, inf, log
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Counts, Doubles
from actdiag.theory.gaussian import moments, moments_over, rule

ORDERS = 128
"""Hermite coefficients that are kept of an activation."""

_NODES = 14
"""Chebyshev nodes in a panel, in which ln q grows by 1."""

_MOST_LOG_Q = 690.0
_LOG_SECOND = 2
_NO_FOURTH = 1e300
"""Stands for a fourth moment that is beyond the quadrature where the second is not."""


class Curves(NamedTuple):
    """The moments of an activation at several q, each of shape (q,); inf where one diverges.

    Attributes:
        mean: E f(u), u ~ N(0, q).
        second: E f(u)^2.
        fourth: E f(u)^4.
        slope: E f'(u)^2.
        slope_fourth: E f'(u)^4.
        mixed: q times the derivative of `second` after q.
    """

    mean: Doubles
    second: Doubles
    fourth: Doubles
    slope: Doubles
    slope_fourth: Doubles
    mixed: Doubles


class Tables:
    """Moments and Hermite coefficients of an elementwise activation, by interpolation in ln q.

    Attributes:
        act: The activation.
        sides: Its slopes below and above zero where it is linear on both sides, which scale leaves alone; else None.
    """

    def __init__(self, act: Activation) -> None:
        self.act = act
        self.sides = homogeneous_sides(act)
        self._panels: dict[int, tuple[Doubles, Doubles] | None] = {}
        self._seconds: dict[int, list[float]] = {}

    def curves(self, q: Doubles) -> Curves:
        """Return the moments at each q, shape (q,), all at least 0."""
        if self.sides is not None:
            mean, second, fourth, slope, slope_fourth, mixed = moments(self.act, 1.0)
            one = np.ones_like(q)
            with np.errstate(over="ignore"):
                return Curves(mean * np.sqrt(q), second * q, fourth * q * q, slope * one, slope_fourth * one, mixed * q)
        found = np.empty((len(q), len(Curves._fields)))
        for chosen, basis, tables in self._looked_up(q):
            found[chosen] = _unpacked(basis @ tables[0]) if tables else [moments(self.act, one) for one in q[chosen]]
        return Curves(*found.T)

    def second(self, q: float) -> float:
        """Return E f(u)^2 at one q: what `curves` does, for a recursion that needs nothing else."""
        if self.sides is not None:
            return (self.sides[0] ** 2 + self.sides[1] ** 2) / 2 * q
        place = log(q) if 0 < q < inf else inf
        panel = floor(place) if abs(place) < _MOST_LOG_Q else None
        tables = None if panel is None else self._tables(panel)
        if panel is None or tables is None:
            return moments(self.act, q).second if q < inf else inf
        if panel not in self._seconds:
            self._seconds[panel] = tables[0][:, _LOG_SECOND].tolist()
        x, later, latest = 2 * (place - panel) - 1, 0.0, 0.0
        for coefficient in reversed(self._seconds[panel]):  # Clenshaw's scheme
            later, latest = 2 * x * later - latest + coefficient, later
        return exp(later - x * latest)

    def hermite(self, q: Doubles) -> Doubles:
        """Return the share of each Hermite polynomial in the activation at each q, shape (q, ORDERS).

        It is E f(sqrt(q) z) h_n(z) / sqrt(E f^2), so that the squares add up to 1 over all orders.
        """
        if self.sides is not None:
            return np.broadcast_to(_shares(self.act, (1.0,)), (len(q), ORDERS))
        found = np.empty((len(q), ORDERS))
        for chosen, basis, tables in self._looked_up(q):
            found[chosen] = basis @ tables[1] if tables else [_shares(self.act, (one,))[0] for one in q[chosen]]
        return found

    def _looked_up(self, q: Doubles) -> Iterator[tuple[Counts, Doubles, tuple[Doubles, Doubles] | None]]:
        """Yield (indices of q, Chebyshev polynomials there, coefficients) for each panel that q are in."""
        with np.errstate(all="ignore"):
            place = np.log(q)
            panel = np.where(np.abs(place) < _MOST_LOG_Q, np.floor(place), np.inf)
        for number in sorted(set(panel.tolist())):
            chosen = np.flatnonzero(panel == number)
            tables = self._tables(int(number)) if number < np.inf else None
            x = np.zeros(len(chosen)) if tables is None else 2 * (place[chosen] - number) - 1
            yield chosen, np.cos(np.arccos(x)[:, np.newaxis] * np.arange(_NODES)), tables

    def _tables(self, panel: int) -> tuple[Doubles, Doubles] | None:
        """Return the Chebyshev coefficients of moments and shares in a panel; None where there is no smooth curve."""
        if panel not in self._panels:
            angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
            q = tuple(np.exp(panel + (np.cos(angles) + 1) / 2).tolist())
            packed, shares = _packed(moments_over(self.act, *q)), _shares(self.act, q)
            basis = np.cos(np.outer(np.arange(_NODES), angles)) * (2 / _NODES)
            basis[0] /= 2
            smooth = np.isfinite(packed).all() and np.isfinite(shares).all()
            self._panels[panel] = (basis @ packed, basis @ shares) if smooth else None
        return self._panels[panel]


@lru_cache(maxsize=64)
def tables(act: Activation) -> Tables:
    """Return the tables of an elementwise activation."""
    return Tables(act)


@np.errstate(all="ignore")
def homogeneous_sides(act: Activation) -> tuple[float, float] | None:
    """Return the slopes below and above zero of an activation that is linear on both sides of it; None of others."""
    assert act.derivative is not None
    if any(kink != 0 for kink in act.kinks):
        return None
    x = np.geomspace(1e-30, 1e30, 241)
    sides = []
    for sign in (-1.0, 1.0):
        slopes = act.derivative(sign * x)
        linear = np.abs(act.value(sign * x) - sign * slopes * x) <= 1e-14 * np.abs(slopes * x)
        if not ((slopes == slopes[0]).all() and linear.all()):
            return None
        sides.append(float(slopes[0]))
    return sides[0], sides[1]


@lru_cache(maxsize=64)
@np.errstate(all="ignore")
def _shares(act: Activation, q: tuple[float, ...]) -> Doubles:
    """Return what `Tables.hermite` does, by quadrature.

    That E f(u1) f(u2) is the sum of products of coefficients times c^n is Mehler's formula (Daniely, Frostig & Singer
    2016, arXiv:1602.05897).
    """
    if 0.0 in q:
        alone = np.zeros((len(q), ORDERS))
        alone[:, 0] = np.sign(moments(act, 0.0).mean)
        return alone
    z, weights = rule(act, *q)
    f: Array = act.value(np.sqrt(np.array(q))[:, np.newaxis] * z)
    scale = np.sqrt(np.square(f) @ weights)
    shares: Doubles = (f / scale[:, np.newaxis] * weights) @ hermite_polynomials(z, ORDERS).T
    return shares


def hermite_polynomials(z: Doubles, orders: int) -> Doubles:
    """Return h_0 to h_(orders-1) at z, shape (orders, points): orthonormal under N(0, 1)."""
    polynomials = np.ones((orders, len(z)))
    polynomials[1] = z
    for n in range(1, orders - 1):
        np.multiply(z, polynomials[n], out=polynomials[n + 1])
        polynomials[n + 1] -= np.sqrt(n) * polynomials[n - 1]
        polynomials[n + 1] /= np.sqrt(n + 1)
    return polynomials


@np.errstate(all="ignore")
def _packed(columns: Doubles) -> Doubles:
    """Return moments, shape (q, moments), as curves that are smooth in ln q and of order one: logs, and shares."""
    mean, second, fourth, slope, slope_fourth, mixed = columns.T
    fourths = (np.where(np.isfinite(column), column, _NO_FOURTH) for column in (fourth, slope_fourth))
    logs = [np.log(column) for column in (second, *fourths, slope)]
    return np.column_stack([mean / np.sqrt(second), mixed / second, *logs])


@np.errstate(all="ignore")
def _unpacked(packed: Doubles) -> Doubles:
    """Return what `_packed` was given."""
    second, fourth, slope_fourth, slope = np.exp(packed[:, 2:]).T
    mean, mixed = packed[:, 0] * np.sqrt(second), packed[:, 1] * second
    return np.column_stack([mean, second, fourth, slope, slope_fourth, mixed])
