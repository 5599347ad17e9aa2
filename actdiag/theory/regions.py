"""Intervals where an activation is exactly zero or counts as saturated, and the probability of being there."""

from collections.abc import Sequence
from functools import lru_cache
from math import erfc, exp, inf, pi, sqrt

import numpy as np

from actdiag.activations import Activation, Traits, traits
from actdiag.arrays import Doubles, cut
from actdiag.theory.chebyshev import InterpolatedCurves
from actdiag.theory.grids import REACH, normal_grid
from actdiag.theory.tables import resolves_each

Interval = tuple[float, float]

_SMALLEST, _LARGEST = 1e-30, 1e9
_POINT = 1e-20
"""A narrower interval counts as a point."""

_HALVINGS = 200
"""Of the interval in which a value stops being zero, at most."""

_MANY = 32
"""Intervals whose chances are interpolated."""

_LEAST_Q, _LARGEST_Q = 1e-290, 1e290
_ENTRIES_AT_ONCE = 1 << 18

_INDISTINCT = 1e-17
"""Within so many std of the mean the distribution function is one half to the last digit."""


@lru_cache(maxsize=64)
@np.errstate(all="ignore")
def zero_intervals(act: Activation, dtype: str) -> tuple[Interval, ...]:
    """Return where the value of an activation, computed in `dtype`, is exactly zero, without single points."""
    near, far = np.geomspace(_SMALLEST, 1e-2, 281), np.geomspace(20, _LARGEST, 241)
    away = np.concatenate([near, np.arange(1, 2561) / 128, far])
    kinks = np.array(act.kinks, dtype=float)
    next_to_kinks = [kinks, np.nextafter(kinks, inf), np.nextafter(kinks, -inf)]
    x = np.sort(np.concatenate([-away, [0.0], away, *next_to_kinks]))
    zero = _is_zero(act, x, dtype)
    starts = np.flatnonzero(zero & ~np.r_[False, zero[:-1]])
    ends = np.flatnonzero(zero & ~np.r_[zero[1:], False])
    around = np.concatenate([[-inf], x, [inf]])
    lows, highs = _edges(act, dtype, x[starts], around[starts]), _edges(act, dtype, x[ends], around[ends + 2])
    return tuple((low, high) for low, high in zip(lows, highs, strict=True) if high - low > _POINT)


def _is_zero(act: Activation, x: Doubles, dtype: str) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    flags: np.ndarray[tuple[int], np.dtype[np.bool_]] = act.value(x.astype(dtype)) == 0
    return flags


def _edges(act: Activation, dtype: str, inside: Doubles, outside: Doubles) -> list[float]:
    """Return the last points towards `outside` at which the value is zero; infinite where that is."""
    inside, outside = np.where(np.isinf(outside), outside, inside), outside.copy()
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        going_on = (middle != inside) & (middle != outside)
        if not going_on.any():
            break
        zero = _is_zero(act, middle, dtype)
        inside, outside = np.where(going_on & zero, middle, inside), np.where(going_on & ~zero, middle, outside)
    found: list[float] = inside.tolist()
    return found


def saturated_intervals(act: Activation) -> tuple[Interval, ...]:
    """Return the intervals where pre-activations count as saturated."""
    known = traits(act)
    below = () if known.saturated_below is None else ((-inf, known.saturated_below),)
    above = () if known.saturated_above is None else ((known.saturated_above, inf),)
    return below + above


def chance_within(intervals: Sequence[Interval], q: Doubles) -> Doubles:
    """Return the chance that u ~ N(0, q) is within one of the intervals, for each q, of the shape of q.

    That of many intervals is interpolated in ln q, to 1e-9.
    """
    if len(intervals) > _MANY:
        return _interpolated(tuple(intervals), q)
    total = np.zeros(q.shape)
    std = np.sqrt(q)
    for low, high in intervals:
        if low > 0:  # the lower tail is accurate to the last digit
            low, high = -high, -low
        total += np.where(std > 0, _cdf_over(high, std) - _cdf_over(low, std), float(low <= 0 <= high))
    return total


def _interpolated(intervals: tuple[Interval, ...], q: Doubles) -> Doubles:
    found = np.full(q.shape, float(inside(np.zeros(1), intervals)[0]))
    above = (q > _LEAST_Q) & (q < _LARGEST_Q)
    found[above] = _chances(intervals).at(q[above])[:, 0] if above.any() else 0
    return found


@lru_cache(maxsize=16)
def _chances(intervals: tuple[Interval, ...]) -> InterpolatedCurves:
    edges = np.array(intervals)
    upper = edges[:, :1] > 0  # the lower tail is accurate to the last digit
    edges = np.where(upper, -edges[:, ::-1], edges)

    def chances(*q: float) -> Doubles:
        rows = [np.array([_cdf(edge) for edge in (edges / sqrt(one)).ravel().tolist()]).reshape(-1, 2) for one in q]
        return np.array([[np.diff(row, axis=1).sum()] for row in rows])

    return InterpolatedCurves(chances, resolves_each)


def _cdf_over(edge: float, std: Doubles) -> Doubles:
    """Return the normal distribution function at edge / std, of the shape of std; meaningless at std 0."""
    if edge in (-inf, 0, inf):
        return np.full(std.shape, 0.5 + 0.5 * np.sign(edge))
    with np.errstate(divide="ignore"):
        if (np.abs(edge / std) < _INDISTINCT).all():
            return np.full(std.shape, 0.5)
    values = [_cdf(edge / one) if one else 0.0 for one in std.ravel().tolist()]
    return np.array(values).reshape(std.shape)


def chance_of_zero(act: Activation, dtype: str, q: Doubles) -> Doubles:
    """Return the chance that an activation of u ~ N(0, q), computed in `dtype`, is exactly zero, of the shape of q.

    At q = 0 it is 1 if f(0) is zero, even where f is zero at no other point.
    """
    chance = chance_within(zero_intervals(act, dtype), q)
    chance[q == 0] = float(_is_zero(act, np.zeros(1), dtype)[0])
    return chance


def _cdf(x: float) -> float:
    return erfc(-x / sqrt(2)) / 2


def chance_slope(intervals: Sequence[Interval], q: Doubles) -> Doubles:
    """Return the derivative of `chance_within` after ln q, shape (q,)."""
    edges = np.array(intervals).reshape(-1, 2)
    finite = np.isfinite(edges)
    edges, signs = edges[finite], np.broadcast_to([1.0, -1.0], finite.shape)[finite]
    root, total = np.sqrt(np.maximum(q, _SMALLEST)), np.zeros_like(q)
    for some in cut(len(edges), max(_ENTRIES_AT_ONCE // max(len(q), 1), 1)):
        over = edges[some, np.newaxis] / root
        total += signs[some] @ (over * np.exp(-np.square(over) / 2))
    slope: Doubles = total / (2 * sqrt(2 * pi))
    return slope


def inside(u: Doubles, intervals: Sequence[Interval]) -> Doubles:
    """Return 1 where u is within one of the intervals, which are in order, and 0 elsewhere, of the shape of u."""
    edges = np.array(intervals)
    place = np.searchsorted(edges[:, 0], u, side="right") - 1
    found: Doubles = ((place >= 0) & (u <= edges[place, 1])).astype(float)
    return found


def expected_dead_fraction(act: Activation, q: float, c: float, batch: int) -> float:
    """Return what `expected_dead_fractions` does for one layer."""
    return float(expected_dead_fractions(act, np.array([q]), np.array([c]), batch)[0])


def expected_dead_fractions(act: Activation, q: Doubles, c: Doubles, batch: int) -> Doubles:
    """Return the expected share of units that are dead on all of `batch` inputs, shape (layers,).

    A unit's pre-activations over the batch share a part y ~ N(0, 1) and differ in the rest: it is dead when all of
    them fall where the activation is flat.

    Args:
        act: An elementwise activation.
        q: Second moments of the pre-activations, shape (layers,).
        c: Their correlation between inputs, taken as the same for all pairs, shape (layers,).
        batch: The number of inputs.
    """
    edges = traits(act)
    below, above = edges.dead_below, edges.dead_above
    nearest = max(-inf if below is None else below, -inf if above is None else -above)
    found = np.zeros_like(q)
    near = np.flatnonzero((q > 0) & (nearest > -_OUT_OF_REACH * np.sqrt(q)))
    for some in cut(len(near), _AT_ONCE):
        at = near[some, np.newaxis]
        found[near[some]] = _dead_by_chance(edges, q[at], c[at], batch)
    return found


def _dead_by_chance(edges: Traits, q: Doubles, c: Doubles, batch: int) -> Doubles:
    y, weights = normal_grid(_POINTS)
    shared = np.clip(c, 0.0, 1 - 1e-9)
    centre = np.sqrt(q * shared) * y
    own_std = np.maximum(np.sqrt(q * (1 - shared)), _SMALLEST)
    chance = np.zeros_like(centre)
    if edges.dead_below is not None:
        chance += _many_cdf((edges.dead_below - centre) / own_std)
    if edges.dead_above is not None:
        chance += _many_cdf((centre - edges.dead_above) / own_std)
    # Powers that underflow take ten times as long.
    powers = np.zeros_like(chance)
    np.power(np.minimum(chance, 1.0), batch, where=chance > exp(_LEAST_LOG / batch), out=powers)
    dead: Doubles = powers @ weights
    return dead


_AT_ONCE = 64
_LEAST_LOG = -700.0
"""Of a power of a chance that is not 0."""

_OUT_OF_REACH = 16.0
_POINTS = 300


def _many_cdf(x: Doubles) -> Doubles:
    """Return the normal distribution function to 1e-6, without scipy, which a default run does not load."""
    points, table = _cdf_table()
    return np.interp(x, points, table)


@lru_cache(maxsize=1)
def _cdf_table() -> tuple[Doubles, Doubles]:
    points = np.linspace(-REACH, REACH, 4001)
    lower = np.array([_cdf(point) for point in points[:2001].tolist()])
    return points, np.concatenate([lower, 1 - lower[-2::-1]])
