"""The limit of a signal in an infinitely deep stack: fixed points, phases and depth scales.

q' = weight E[f(u)^2] + bias over u ~ N(0, q), weight = fan_in Var(W) and bias = Var(b); c follows the same map for two
inputs. Sources: Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232; Hayou, Doucet & Rousseau
2019, arXiv:1902.06853.
"""

from collections.abc import Callable
from math import exp, inf, isfinite, isnan, log, nan, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.theory.gaussian import moments
from actdiag.theory.pairs import CosineMaps, cosine_slope, pair_cosines
from actdiag.theory.roots import find_minimum, find_root
from actdiag.theory.tables import tables
from actdiag.theory.types import Phase, Stability

_LOG_Q = (-100.0, 100.0)
"""Beyond these a signal counts as vanished or diverged."""

_BEHIND = 12.0
_SETTLED, _CROSSED = 1e-13, 1e-11
_MARGINAL = 1e-9
"""Factors this close to 1 are 1 but for rounding, as of a gain of sqrt(2)."""

_STEEP = 1e3
_NEAR_ROOT = 1e-8
"""A smaller change of ln q is computed by quadrature, which is more accurate than tables."""

_NEARER = (0.25, 0.5, 0.75, 0.9)
"""Fractions of the distance to a root at which a nearer one is looked for."""

_PLACES = 8
"""Places a unit of ln q that searches share."""

_NEARBY, _TANGENT = 2.0, 1e-5
_GRID, _ROUNDS, _LEAST_EXCESS = 65, 9, 1e-15


class FixedPoint(NamedTuple):
    """The limit of the second moment of the pre-activations, and its stability.

    Attributes:
        q: The second moment; 0 where it vanishes, inf where it diverges, None where every q is a fixed point, NaN where
            it is not known, for the activation bends too often.
        chi1: The factor by which a layer multiplies the second moment of dL/dz there.
        chiq: The factor by which a layer multiplies a small deviation of q there; NaN where q is not known or diverges,
            unless the activation is linear on both sides of zero, where it is the same at every q.
        repeller: The nearest unstable fixed point on the side of `start` opposite to q; None where there is none.
    """

    q: float | None
    chi1: float
    chiq: float
    repeller: float | None = None

    @property
    def stable(self) -> Stability:
        """Whether small deviations of q decay."""
        if abs(self.chiq - 1) <= _MARGINAL:
            return "marginal"
        return "stable" if abs(self.chiq) < 1 else "unstable"

    @property
    def phase(self) -> Phase | None:
        """Whether inputs align and gradients vanish, neither, or both the other way; None where q diverges.

        It is critical where chi1 is 1 to three digits, the number shown to users.
        """
        if not isfinite(self.chi1) or self.q == inf:
            return None
        if float(f"{self.chi1:.3g}") == 1:
            return "critical"
        return "ordered" if self.chi1 < 1 else "chaotic"


def fixed_point(act: Activation, weight: float, bias: float, start: float) -> FixedPoint:
    """Return the fixed point that the second moment converges to from `start`.

    Args:
        act: An elementwise activation.
        weight: sigma_w^2 = fan_in Var(W), above 0.
        bias: sigma_b^2 = Var(b).
        start: q of the first layer, above 0.
    """
    sides = tables(act).sides
    if sides is not None:
        return _homogeneous(weight * (sides[0] ** 2 + sides[1] ** 2) / 2, bias)

    q, repeller = destination(act, weight, bias, start), _repeller(act, weight, bias, start)
    if isnan(q):
        return FixedPoint(nan, nan, nan, repeller)
    if q == inf:
        return FixedPoint(inf, inf, nan, repeller)
    if q == 0:
        chi = weight * moments(act, 0.0).slope
        return FixedPoint(0.0, chi, chi, repeller)
    known = moments(act, q)
    return FixedPoint(q, weight * known.slope, weight * known.mixed / q, repeller)


def destination(act: Activation, weight: float, bias: float, start: float) -> float:
    """Return the limit of the second moment from `start`: a fixed point, 0 or inf; NaN where it is not known.

    It moves towards the nearest fixed point on the side to which its first step goes.
    """
    growth, x = _growth(act, weight, bias), log(start)
    try:
        here = growth(x)
        if abs(here) <= _SETTLED:
            return start
        ahead = _crossing(growth, x, 1 if here > 0 else -1, _LOG_Q)
        if ahead is None:
            ahead = _touching(growth, x)
    except _NotKnown:
        return nan
    if ahead is None:
        return inf if here > 0 else 0.0
    return exp(ahead)


def _repeller(act: Activation, weight: float, bias: float, start: float) -> float | None:
    """Return the nearest unstable fixed point on the side that the second moment moves away from; None without one."""
    growth, x = _growth(act, weight, bias), log(start)
    try:
        here = growth(x)
        if abs(here) <= _SETTLED:
            return None
        behind = _crossing(growth, x, -1 if here > 0 else 1, (x - _BEHIND, x + _BEHIND))
    except _NotKnown:
        return None
    return None if behind is None else exp(behind)


class _NotKnown(Exception):
    """What a layer adds to ln q is not known: the activation bends too often there."""


def _growth(act: Activation, weight: float, bias: float) -> Callable[[float], float]:
    """Return what a layer adds to ln q, as a function of ln q: from existing tables, near its roots by quadrature.

    The function raises _NotKnown.
    """
    at = tables(act)

    def growth(x: float) -> float:
        second = at.second_if_made(exp(x))
        if second is not None and 0 < second < inf:
            found = log(weight * second + bias) - x
            if abs(found) > _NEAR_ROOT:
                return found
        second = weight * moments(act, exp(x)).second + bias
        if isnan(second):
            raise _NotKnown
        return log(second) - x if 0 < second < inf else (_STEEP if second else -_STEEP)

    return growth


def _homogeneous(factor: float, bias: float) -> FixedPoint:
    """Return the fixed point of q' = factor q + bias."""
    if abs(factor - 1) <= _MARGINAL:
        return FixedPoint(inf if bias else None, 1.0, 1.0)
    if factor > 1:
        return FixedPoint(inf, factor, factor, repeller=None if bias else 0.0)
    return FixedPoint(bias / (1 - factor), factor, factor)


def _crossing(growth: Callable[[float], float], x: float, side: int, limits: tuple[float, float]) -> float | None:
    """Return the nearest x on one side at which `growth` changes sign; None without one within the limits."""
    sign = 1 if growth(x) > 0 else -1

    def height(at: float) -> float:
        return sign * growth(at)

    visited, step = [(x, height(x))], 0.5
    while True:
        at = _on_lattice(visited[-1][0] + side * step)
        if not limits[0] < at < limits[1]:
            return None
        visited.append((at, height(at)))
        if visited[-1][1] <= -_CROSSED:
            inside = visited[-2]
            if len(visited) == 2 and height(_on_lattice(x)) > 0:
                inside = _on_lattice(x), height(_on_lattice(x))
            return _root_between(height, inside, visited[-1])
        if len(visited) > 2 and visited[-2][1] < min(visited[-3][1], visited[-1][1]):
            ends = visited[-3][0], at
            lowest = find_minimum(height, min(ends), max(ends), _TANGENT)  # two crossings may lie between two steps
            if height(lowest) <= -_CROSSED:
                return _root_between(height, visited[-3], (lowest, height(lowest)))
        step *= 1.5


def _on_lattice(x: float) -> float:
    """Return the nearest of the places that all searches use, so that the quadrature's cache serves them."""
    return round(x * _PLACES) / _PLACES


def _root_between(height: Callable[[float], float], one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return where `height` is first zero between two places, each given with its value there."""
    root = find_root(height, one[0], other[0], one[1], other[1], _SETTLED)
    for share in _NEARER:
        place = one[0] + share * (root - one[0])
        value = height(place)
        if value <= -_CROSSED:
            return _root_between(height, one, (place, value))
    return root


def _touching(growth: Callable[[float], float], x: float) -> float | None:
    """Return where `growth` touches zero near x without a change of sign: a fixed point stable from one side."""
    lowest = find_minimum(lambda at: abs(growth(at)), x - _NEARBY, x + _NEARBY, _TANGENT)
    return lowest if abs(growth(lowest)) <= _TANGENT**2 else None


def correlation_fixed_point(act: Activation, weight: float, bias: float, point: FixedPoint) -> tuple[float, float]:
    """Return the limit c* of the correlation of two inputs at a fixed point of q, and the factor of a deviation.

    1 where chi1 is at most 1; else the largest one under 1.
    """
    q = point.q
    assert q is not None
    if point.chi1 <= 1 + sqrt(_MARGINAL):
        return 1.0, point.chi1
    if q == 0:  # where the activation is linear
        return 1.0, point.chi1
    at, all_q = tables(act), np.full(_GRID, q)
    share = weight * moments(act, q).second / q
    one = np.array([q])
    cosine = CosineMaps(at, one, at.curves(one))

    def excess(c: float) -> float:
        return share * cosine(0, c) + bias / q - c

    low, high = -1.0, 1.0
    for _ in range(_ROUNDS):  # until the upper end of the interval is under 1, which is a root as well
        c = np.linspace(low, high, _GRID)[:-1] if high == 1 else np.linspace(low, high, _GRID)
        above = np.flatnonzero(share * pair_cosines(at, all_q[: len(c)], all_q[: len(c)], c) + bias / q - c >= 0)
        if not len(above):
            break
        last = int(above[-1])
        low, high = float(c[last]), float(c[last + 1]) if last + 1 < len(c) else high
        if high < 1:
            at_low, at_high = excess(low), excess(high)
            if at_low > _LEAST_EXCESS and at_high < 0:
                low = find_root(excess, low, high, at_low, at_high, _LEAST_EXCESS)
            break
    return low, share * cosine_slope(at, q, low)


def depth_scale(factor: float) -> float | None:
    """Return the number of layers in which a deviation, times `factor` a layer, falls to 1/e; None if it does not."""
    if not 0 < factor < 1 - _MARGINAL:
        return 0.0 if factor == 0 else None
    return -1 / log(factor)
