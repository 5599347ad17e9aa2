"""What follows from an activation's value and derivative: the suprema and regions that the statistics refer to."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from actdiag.activations.entry import Activation
from actdiag.arrays import Array

SATURATION_SLOPE = 0.01
"""An entry is saturated where |f'| is under this share of its supremum (on a side that the activation names)."""

DEAD_SLOPE = 1e-6
"""A unit is dead where |f'| is at most this times min(1, supremum) for every input."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Derived properties of an activation; those of the derivative are None for a structured one.

    Attributes:
        slope_supremum: The supremum of |f'|; inf where it grows without bound.
        slope_at_zero: f' just below and just above 0; they differ where 0 is a kink.
        saturated_below: z at or under this is saturated below; None where that side does not count.
        saturated_above: z at or over this is saturated above; None where that side does not count.
        dead_below: At or under this |f'| is at most the dead slope throughout; None where it never settles there.
        dead_above: The same at or over this.
        active_over: Over this |f'| is above the dead slope throughout, and at or under it nowhere; None without such a
            point.
        zero_centred: Whether f(-x) = -f(x), so that inputs spread evenly about zero stay so.
        monotonic: Whether f' never changes sign.
        smooth: Whether f' has no jump.
    """

    slope_supremum: float | None
    slope_at_zero: tuple[float, float] | None
    saturated_below: float | None
    saturated_above: float | None
    dead_below: float | None
    dead_above: float | None
    active_over: float | None
    zero_centred: bool | None
    monotonic: bool | None
    smooth: bool | None

    @property
    def dead_slope(self) -> float:
        """|f'| at or under which a unit lets no gradient through."""
        assert self.slope_supremum is not None
        return DEAD_SLOPE * min(1.0, self.slope_supremum)


@lru_cache(maxsize=256)
def traits(activation: Activation) -> Traits:
    """Derive the traits of `activation` by searching its value and derivative on a grid that reaches 10^9."""
    if activation.derivative is None:
        return Traits(*[None] * len(fields(Traits)))
    with np.errstate(all="ignore"):
        x = _search_points(activation)
        slope = activation.derivative(x)
        peak, supremum = _supremum(activation, x, np.abs(slope))
        downward, upward = x[x <= peak][::-1], x[x >= peak]
        flat = SATURATION_SLOPE * supremum
        dead = DEAD_SLOPE * min(1.0, supremum)
        value, mirrored = activation.value(x), activation.value(-x)
        near = (np.abs(x) <= 20) & np.isfinite(value) & np.isfinite(mirrored)
        odd = bool(np.all(np.abs(value + mirrored)[near] <= 1e-9 * (1 + np.abs(value[near]))))
        left, right = activation.derivative(np.array([-1e-300, 1e-300]))
        dead_below = _edge(activation, downward, dead)
        active_over = dead_below if _active_only_over(activation, x, dead_below, dead) else None
    return Traits(
        slope_supremum=supremum,
        slope_at_zero=(float(left), float(right)),
        saturated_below=_edge(activation, downward, flat) if activation.saturates in ("below", "both") else None,
        saturated_above=_edge(activation, upward, flat) if activation.saturates in ("above", "both") else None,
        dead_below=dead_below,
        dead_above=_edge(activation, upward, dead),
        active_over=active_over,
        zero_centred=odd,
        monotonic=not (np.any(slope > 1e-12) and np.any(slope < -1e-12)),
        smooth=not activation.kinks,
    )


def _search_points(activation: Activation) -> Array:
    near = np.arange(-20 * 64, 20 * 64 + 1) / 64
    far = np.geomspace(20, 1e9, 600)
    kinks = np.array(activation.kinks, dtype=float)
    beside = [np.nextafter(kinks, -np.inf), np.nextafter(kinks, np.inf)]
    return np.sort(np.concatenate([-far[1:], near, far[1:], *beside]))


def _supremum(activation: Activation, x: Array, slope: Array) -> tuple[float, float]:
    """Return where |f'| is largest and how large: the best point of the grid, refined between its neighbours."""
    assert activation.derivative is not None
    best = int(np.nanargmax(slope))
    if best in (0, len(x) - 1):
        growing = not np.abs(activation.derivative(x[[best]] * 10))[0] <= 1.01 * slope[best]
        return float(x[best]), float("inf") if growing else float(slope[best])
    at, refined = _refined(activation, x[[best - 1]], x[[best + 1]], 1)
    if refined[0] > slope[best] * (1 + 1e-12):  # less than that is rounding, and the grid holds the round numbers
        return float(at[0]), float(refined[0])
    return float(x[best]), float(slope[best])


def _refined(activation: Activation, low: Array, high: Array, sign: int) -> tuple[Array, Array]:
    """Return where |f'| is largest (sign 1) or smallest (sign -1) in each of several intervals, and how large."""
    assert activation.derivative is not None
    every = np.arange(len(low))
    for _ in range(12):  # an interval shrinks 16-fold a round, to about 1e-16 of its length
        points = np.linspace(low, high, 33)
        found = np.abs(activation.derivative(points))
        best = np.argmax(sign * found, axis=0)
        low, high = points[np.maximum(best - 1, 0), every], points[np.minimum(best + 1, 32), every]
    return points[best, every], found[best, every]


def _active_only_over(activation: Activation, x: Array, edge: float | None, dead: float) -> bool:
    """Return whether |f'| is above the dead slope wherever x is over `edge`, and wherever it is not, at or under it."""
    if edge is None:
        return False
    assert activation.derivative is not None
    x = np.concatenate([[np.nextafter(edge, np.inf)], x[x > edge]])
    slope = activation.derivative(x)
    steepness = np.abs(slope)
    if not (steepness > dead).all() or (slope[1:] * slope[:-1] < 0).any():
        return False
    falls, rises = np.diff(steepness) < 0, np.diff(steepness) > 0
    dips = np.append(1, 1 + np.flatnonzero((falls[:-1] & ~falls[1:]) | (~rises[:-1] & rises[1:])))
    return bool((_refined(activation, x[dips - 1], x[dips + 1], -1)[1] > dead).all())


@np.errstate(all="ignore")
def _edge(activation: Activation, outward: Array, limit: float) -> float | None:
    """Return the z from which |f'| stays at or under `limit`, walking `outward` from the peak; None if nowhere."""
    assert activation.derivative is not None
    steep = np.flatnonzero(np.abs(activation.derivative(outward)) > limit)
    if not len(steep) or steep[-1] + 1 >= len(outward):
        return None
    inside, outside = float(outward[steep[-1]]), float(outward[steep[-1] + 1])

    def steeper(z: float) -> bool:
        assert activation.derivative is not None
        return abs(float(activation.derivative(np.array([z]))[0])) > limit

    return boundary(steeper, inside, outside, 80)[1]


def boundary(holds: Callable[[float], bool], inside: float, outside: float, halvings: int = 200) -> tuple[float, float]:
    """Return the last point found at which a condition holds, and the first at which it does not, by bisection.

    Args:
        holds: The condition.
        inside: A point where it holds.
        outside: A point where it does not.
        halvings: How often the interval between them is halved at most.
    """
    for _ in range(halvings):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return float(inside), float(outside)
