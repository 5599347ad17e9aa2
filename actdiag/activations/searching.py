"""What is found by searching a function of which only the value and the derivative are known."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np

from actdiag.activations.entry import Elementwise
from actdiag.arrays import Array, Counts, Doubles, Flags, cut

REACH = 1000.0
"""Kinks and jumps are looked for from minus to plus this, and extrema."""

_FAR = 1e15
_NEAR, _NEARER = 1e-6, 1e-9
_LEAST_JUMP = {"value": 1e-8, "slope": 1e-6}
_LEVEL = 1e-6

_AT_ONCE = 1 << 14
"""Points at which all switches are worked out at once."""


Switches = Callable[[Array, Sequence[slice] | None], Iterable[Array]]
"""Functions at whose zeros another may bend or jump: points to the values of each, at its part of them or at all."""

Sides = Literal["none", "below", "above", "both"]


def no_switches(x: Array, parts: Sequence[slice] | None) -> Iterable[Array]:
    """Return the `Switches` of a function of which none are known."""
    return ()


class TooMany(Exception):
    """A function bends or jumps at too many places.

    Attributes:
        places: How many there are.
        most: How many are accepted.
    """

    def __init__(self, places: int, most: int) -> None:
        super().__init__(places, most)
        self.places, self.most = places, most


def grid() -> Doubles:
    """Return the points that are searched: steps of 1/32, finer within 10, with all the halves and 0 among them."""
    return np.unique(np.concatenate([np.arange(-REACH * 32, REACH * 32 + 1) / 32, np.arange(-2560, 2561) / 256]))


def roots(switches: Switches, x: Doubles, most: int) -> Doubles:
    """Return where the switches change sign or are 0, to the last bit, each point once, in the order of the switches.

    Raises:
        TooMany: They change sign at more than `most` places, which were not narrowed down.
    """
    zeros: list[list[Doubles]] = []
    crossings: list[list[Counts]] = []
    for some in cut(len(x) - 1, _AT_ONCE):
        points = x[some.start : some.stop + 1]
        seen = np.zeros(len(points), bool)
        for number, values in enumerate(switches(points, None)):
            if number == len(zeros):
                zeros.append([])
                crossings.append([])
            side = np.sign(values)
            zeros[number].append(points[(side == 0) & ~seen])
            seen |= side == 0
            crossings[number].append(some.start + np.flatnonzero(side[:-1] * side[1:] < 0))
    starts = [np.concatenate(parts) for parts in crossings]
    ends = np.cumsum([len(start) for start in starts])
    if len(ends):
        _check_count(len(np.unique(np.concatenate(starts))), most)
    parts = [slice(end - len(start), end) for start, end in zip(starts, ends.tolist(), strict=True)]
    first = np.concatenate([np.empty(0, int), *starts])

    def sides(points: Array) -> Array:
        signs: Array = np.sign(np.concatenate(list(switches(points, parts))))
        return signs

    narrowed = _narrowed(sides, x[first], x[first + 1])
    found = [np.empty(0)]
    for zero, part in zip(zeros, parts, strict=True):
        found += [*zero, narrowed[part]]
    return _each_once(np.concatenate(found))


def _each_once(points: Doubles) -> Doubles:
    """Return the points in their order, each at its first place."""
    _, first = np.unique(points, return_index=True)
    once: Doubles = points[np.sort(first)]
    return once


def steps(function: Elementwise, x: Doubles, most: int) -> Doubles:
    """Return where the function seems to jump: in intervals where it changes far more than in those around.

    Raises:
        TooMany: There are more than `most` of these, which were not narrowed down.
    """
    found = function(x)
    change = np.abs(np.diff(found))
    some = np.flatnonzero(change > _LEAST_JUMP["value"] * (1 + np.abs(found[1:])))
    around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(change, 3, mode="edge"), 7)[some], axis=1)
    sudden = some[change[some] > 3 * around]
    _check_count(len(sudden), most)
    return _narrowed(function, x[sudden], x[sudden + 1])


def _check_count(places: int, most: int) -> None:
    if places > most:
        raise TooMany(places, most)


def _narrowed(function: Elementwise, low: Doubles, high: Doubles) -> Doubles:
    """Return the points between which and their neighbours the function changes most, interval by interval."""
    if not len(low):
        return low
    at_low, at_high = function(low), function(high)
    for _ in range(90):  # from 1/32 down to neighbours, and next to 0 to 1e-29
        middle = (low + high) / 2
        at_middle = function(middle)
        left = np.abs(at_middle - at_low) >= np.abs(at_high - at_middle)
        if np.array_equal(np.where(left, high, low), middle):
            break
        low, high = np.where(left, low, middle), np.where(left, middle, high)
        at_low, at_high = np.where(left, at_low, at_middle), np.where(left, at_middle, at_high)
    # Of neighbours that differ by a bit, the one that is shorter to write is the one that was meant.
    return np.array(
        [min(pair, key=lambda end: len(repr(end))) for pair in zip(low.tolist(), high.tolist(), strict=True)]
    )


def jumps(function: Elementwise, at: Doubles, kind: Literal["value", "slope"]) -> Flags:
    """Return whether the function jumps at the points: its change about them does not shrink with the distance."""
    size = np.maximum(1, np.abs(at))
    near, nearer = (
        np.abs(function(at + distance * size) - function(at - distance * size)) for distance in (_NEAR, _NEARER)
    )
    return _persists(near, nearer, function(at + _NEARER * size), _LEAST_JUMP[kind])


def misplaced(value: Elementwise, at: Doubles) -> Flags:
    """Return whether the value at the points is another than those on both sides, however near."""
    size, here = np.maximum(1, np.abs(at)), value(at)
    near, nearer = (
        np.minimum(np.abs(here - value(at - distance * size)), np.abs(here - value(at + distance * size)))
        for distance in (_NEAR, _NEARER)
    )
    return _persists(near, nearer, here, _LEAST_JUMP["value"])


def _persists(near: Array, nearer: Array, size: Array, least: float) -> Flags:
    """Return whether a change is there and does not shrink as the distance does."""
    flags: Flags = (nearer > 0.5 * near) & (nearer > least * (1 + np.abs(size)))
    return flags


def distinct(points: Doubles) -> Doubles:
    """Return the points in order, the first of those that lie within 1e-7 of each other."""
    kept: list[float] = []
    for point in points.tolist():
        at = bisect_left(kept, point)
        beside = kept[max(at - 1, 0) : at + 1]
        if all(abs(point - other) > 1e-7 * max(1, abs(point)) for other in beside):
            kept.insert(at, point + 0.0)  # no negative zero
    return np.array(kept)


def bounds_of(value: Elementwise, x: Doubles) -> tuple[float, float]:
    """Return the closed hull of the range; an end that is neither attained nor levelled off to is infinite."""
    low, high = -_supremum(lambda points: -value(points), x), _supremum(value, x)
    return low + 0.0, high + 0.0


def saturating_sides(value: Elementwise) -> Sides:
    """Return the sides whose plateaus count as saturation.

    A side counts where the function levels off there. A plateau at 0 is off rather than saturated, and does not count
    where the other side goes on (relu, gelu) or where it reaches up to the input 0 (relu6).
    """
    below, above = limit(value, -1), limit(value, 1)
    beside = value(np.array([-1e-3, 1e-3]))

    def counts(own: float | None, other: float | None, at_side: float) -> bool:
        return own is not None and (abs(own) > _LEVEL or (other is not None and at_side != own))

    sides: dict[tuple[bool, bool], Sides] = {
        (False, False): "none",
        (True, False): "below",
        (False, True): "above",
        (True, True): "both",
    }
    return sides[counts(below, above, beside[0]), counts(above, below, beside[1])]


def limit(value: Elementwise, side: int) -> float | None:
    """Return where the function levels off on a side, None where it does not."""
    far = side * np.geomspace(1, _FAR, 46)
    found = value(far)
    far, found = far[~np.isnan(found)], found[~np.isnan(found)]
    outer = found[np.abs(far) >= np.abs(far[-1:]) / 10] if len(far) else found
    if not len(outer) or not np.isfinite(outer).all() or np.ptp(outer) > _LEVEL * (1 + np.abs(outer[-1])):
        return None
    end = float(outer[-1])
    # What is approached like 1/sqrt(x) is still 1e-7 away.
    return round(end, 3) if abs(end - round(end, 3)) < 1e-7 else end


def _supremum(value: Elementwise, x: Doubles) -> float:
    def known(points: Array) -> Array:
        found = value(points)
        return np.where(np.isnan(found), -np.inf, found)

    near = known(x)
    best = int(np.argmax(near))
    low, high = x[max(best - 1, 0)], x[min(best + 1, len(x) - 1)]
    for _ in range(12):  # the interval shrinks 16-fold a round
        points = np.linspace(low, high, 33)
        at = int(np.argmax(known(points)))
        low, high = points[max(at - 1, 0)], points[min(at + 1, 32)]
    supremum = max(float(near[best]), float(known(points)[at]))
    for side in (-1, 1):
        plateau = limit(value, side)
        farthest = float(known(side * np.geomspace(REACH, _FAR, 97)).max())
        if plateau is not None:
            supremum = max(supremum, plateau)
        if farthest > supremum + 1e-9 * (1 + abs(supremum)):
            return np.inf if plateau is None else farthest
    return supremum
