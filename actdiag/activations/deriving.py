"""An entry made of a value and a derivative alone: what else an Activation says is found by searching them."""

import numpy as np

from actdiag.activations import searching
from actdiag.activations.entry import OPERATIONS, Activation, Elementwise
from actdiag.activations.probing import check, check_elementwise
from actdiag.arrays import Array, Doubles
from actdiag.errors import InvalidField

_MEND_STEP = 6e-6
"""The cube root of float64's precision, where a central difference is best."""

_BESIDE = 1e-12

MOST_WORK = 1 << 15
"""Places at which a function may bend, times what one point costs. What is predicted of a stack takes up to 24 points
beside each place, for each of 14 second moments at once: two seconds."""


def derive(
    name: str,
    formula: str,
    source: str,
    value: Elementwise,
    derivative: Elementwise,
    switches: searching.Switches = searching.no_switches,
    operations: int = OPERATIONS,
) -> Activation:
    """Return the entry of a function that a stack can use, with its kinks, bounds and saturating sides.

    Args:
        name: Its name.
        formula: f(x) as text.
        source: Where it comes from.
        value: f, in the dtype of its argument.
        derivative: f'. Where it is NaN (0/0) although f is smooth there, a central difference stands in; where it
            is another than on both sides, theirs.
        switches: Functions at whose zeros f may bend; other bends are found where f' changes suddenly.
        operations: What one point costs: the more, the fewer places may f bend at.

    Raises:
        InvalidField: A stack cannot use it, it jumps, it does not depend on x, or it bends at too many places.
    """
    # Where f' is a convention's, at a kink that f does not have: relu(x) - relu(-x) at 0.
    points, slopes = np.empty(0), np.empty(0)

    def repaired(x: Array) -> Array:
        with np.errstate(all="ignore"):
            slope = _repaired(value, derivative(x), x)
        return _replaced(slope, x, points, slopes) if len(points) else slope

    most = MOST_WORK // max(operations, 1)
    check_elementwise(name, value, "")
    check_elementwise(name, repaired, "the derivative ")
    with np.errstate(all="ignore"):
        x = searching.grid()
        try:
            candidates = np.concatenate([searching.roots(switches, x, most), searching.steps(value, x, most)])
            _refuse_jumps(name, value, candidates)
            candidates = np.concatenate([candidates, searching.steps(repaired, x, most)])
        except searching.TooMany as error:
            raise _too_many(name, error.places, most, operations) from None
        bends = searching.jumps(repaired, candidates, "slope")
        kinks = searching.distinct(candidates[bends])
        if len(kinks) > most:
            raise _too_many(name, len(kinks), most, operations)
        apart = searching.distinct(candidates[~bends & searching.misplaced(repaired, candidates)])
        step = _BESIDE * np.maximum(1, np.abs(apart))
        beside = (repaired(apart - step) + repaired(apart + step)) / 2
        points, slopes = apart, beside
        if not np.ptp(value(x)):
            raise InvalidField(field="act", problem=f"{name!r}: must depend on x, got a constant")
        entry = Activation(
            name=name,
            formula=formula,
            source=source,
            value=value,
            derivative=repaired,
            kinks=tuple(kinks.tolist()),
            bounds=searching.bounds_of(value, x),
            saturates=searching.saturating_sides(value),
            operations=max(operations, 1),
        )
    check(entry)
    return entry


def _too_many(name: str, places: int, most: int, operations: int) -> InvalidField:
    reach = f"from -{searching.REACH:g} to {searching.REACH:g}"
    problem = f"must bend or jump at {most} places at most {reach}, with its {operations} operations, got {places}"
    return InvalidField(field="act", problem=f"{name!r}: {problem}")


def _replaced(slope: Array, x: Array, points: Doubles, slopes: Doubles) -> Array:
    """Return the slope with those given at some points, in order."""
    own = points.astype(x.dtype)
    at = np.maximum(np.searchsorted(own, x, side="right") - 1, 0)
    return np.where(own[at] == x, slopes.astype(x.dtype)[at], slope)


def _refuse_jumps(name: str, value: Elementwise, candidates: Doubles) -> None:
    jumps = candidates[searching.jumps(value, candidates, "value") | searching.misplaced(value, candidates)]
    if len(jumps):
        at = f"{jumps[np.argmin(np.abs(jumps))]:.10g}"
        raise InvalidField(field="act", problem=f"{name!r}: jumps at x = {at}, an activation must be continuous")


def _repaired(value: Elementwise, slope: Array, x: Array) -> Array:
    """Return the slope with central differences for NaN, where two of them agree."""
    holes = np.isnan(slope) & np.isfinite(x)
    if holes.any():
        at = x[holes].astype(float)
        wide, narrow = (
            (value(at + step) - value(at - step)) / (2 * step)
            for step in (_MEND_STEP * part * np.maximum(1, np.abs(at)) for part in (1, 1 / 64))
        )
        agree = np.abs(wide - narrow) <= 1e-3 * (1 + np.abs(wide))
        slope = slope.copy()
        slope[holes] = np.where(agree, wide, np.nan)
    return slope
