"""What the slope of an activation says of a block of rows: units that live, entries that are saturated, its size."""

import numpy as np

from actdiag.activations import Activation, traits
from actdiag.arrays import Array, Flags
from actdiag.measure.moments import unit_highest

_ROWS_THAT_ACTIVATE_MOST = 16
_UNITS_THAT_HEAR_MOST = 8


def active_units(act: Activation, z: Array, finite: bool = False) -> Flags:
    """Return for each unit, shape (width,), whether |f'(z)| is above the dead slope, or z is NaN, for a row of `z`.

    Args:
        act: An elementwise activation.
        z: Pre-activations, shape (rows, width).
        finite: Whether all of `z` is known to be finite.
    """
    active_over = traits(act).active_over
    if finite and active_over is not None:
        return unit_highest(z) > active_over
    # A few rows activate nearly all units, and only the others need the rest of the rows.
    active = _any_active(act, z[:_ROWS_THAT_ACTIVATE_MOST], axis=0)
    inactive = np.flatnonzero(~active)
    if len(inactive) and len(z) > _ROWS_THAT_ACTIVATE_MOST:
        active[inactive] = _any_active(act, z[_ROWS_THAT_ACTIVATE_MOST:, inactive], axis=0)
    return active


def count_silent(act: Activation, z: Array, finite: bool = False) -> int:
    """Return for how many rows of `z` no unit has |f'(z)| above the dead slope, or NaN for z.

    Args:
        act: An elementwise activation.
        z: Pre-activations, shape (rows, width).
        finite: Whether all of `z` is known to be finite.
    """
    active_over = traits(act).active_over if finite else None
    some, others = z[:, :_UNITS_THAT_HEAR_MOST], z[:, _UNITS_THAT_HEAR_MOST:]
    heard = _any_active(act, some, axis=1) if active_over is None else some.max(axis=1) > active_over
    unheard = np.flatnonzero(~heard)
    if len(unheard) and others.shape[1]:
        rest = others[unheard]
        heard[unheard] = _any_active(act, rest, axis=1) if active_over is None else rest.max(axis=1) > active_over
    return len(z) - int(np.count_nonzero(heard))


def _any_active(act: Activation, z: Array, axis: int) -> Flags:
    """Return whether any entry along an axis has a slope above the dead one, or is NaN."""
    assert act.derivative is not None
    flags: Flags = np.abs(act.derivative(z)) > traits(act).dead_slope
    active: Flags = np.logical_or.reduce(flags | np.isnan(z), axis=axis)
    return active


def mean_squared_slope(act: Activation, z: Array, width: int) -> float:
    """Return the mean over entries of what the activation makes of the square of a random gradient.

    Of an elementwise activation that is the mean of f'(z)^2. A structured one is given a gradient of random signs,
    whose squares it spreads over its `pieces`.

    Args:
        act: The activation.
        z: Pre-activations, shape (rows, pieces * width).
        width: The units.
    """
    z = z.astype(np.float64)
    if act.derivative is not None:
        slopes = act.derivative(z)
    else:
        signs = 2.0 * np.random.default_rng(0).integers(0, 2, size=(len(z), width)) - 1
        slopes = act.pull_back(z, signs)
    return float(np.vdot(slopes, slopes)) / (len(z) * width)


def count_saturated(act: Activation, z: Array) -> int | None:
    """Return how many entries lie on a plateau that counts as saturation, or None where none does."""
    if act.saturates == "none" or act.derivative is None:
        return None
    edges = traits(act)
    count = 0
    if edges.saturated_below is not None:
        count += int(np.count_nonzero(z <= edges.saturated_below))
    if edges.saturated_above is not None:
        count += int(np.count_nonzero(z >= edges.saturated_above))
    return count
