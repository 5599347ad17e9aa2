"""Roots and minima of a function of one number."""

from collections.abc import Callable

_STEPS, _REGULAR_STEPS = 100, 40
_CLOSEST = 1e-15
_GOLDEN = 0.6180339887498949


def find_root(
    function: Callable[[float], float], low: float, high: float, at_low: float, at_high: float, least: float = 0.0
) -> float:
    """Return a root of a function between two places where its values have opposite signs.

    Regula falsi with the kept end's value scaled down, and bisection where that steps outside or takes long.
    Source: Anderson & Bjoerck 1973, doi:10.1007/BF01951936.

    Args:
        function: The function, continuous between the places.
        low: The one place.
        high: The other; the root may be on either side of `low`.
        at_low: The value at `low`.
        at_high: The value at `high`.
        least: A value that is no larger counts as zero.
    """
    for step in range(_STEPS):
        middle = high - at_high * (high - low) / (at_high - at_low)
        if step >= _REGULAR_STEPS or not min(low, high) < middle < max(low, high):
            middle = (low + high) / 2
        value = function(middle)
        if abs(value) <= least or abs(high - low) <= _CLOSEST * (1 + abs(middle)) or middle in (low, high):
            return middle
        if value * at_high < 0:
            low, at_low = high, at_high
        else:
            share = 1 - value / at_high
            at_low *= share if share > 0 else 0.5
        high, at_high = middle, value
    return high


def find_minimum(function: Callable[[float], float], low: float, high: float, within: float) -> float:
    """Return where a function with one minimum between `low` and `high` has it, by golden section.

    Args:
        function: The function.
        low: The lower end.
        high: The upper end.
        within: The length of the interval that the search ends with.
    """
    inner, outer = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_inner, at_outer = function(inner), function(outer)
    while high - low > within:
        if at_inner < at_outer:
            high, outer, at_outer = outer, inner, at_inner
            inner = high - _GOLDEN * (high - low)
            at_inner = function(inner)
        else:
            low, inner, at_inner = inner, outer, at_outer
            outer = low + _GOLDEN * (high - low)
            at_outer = function(outer)
    return (low + high) / 2
