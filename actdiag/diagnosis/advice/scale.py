"""Advice on the scale of signal and gradient."""

from math import isfinite

from actdiag.activations import traits
from actdiag.diagnosis.finite_width import response
from actdiag.measurements import Measurements
from actdiag.model.stack import Stack

DRAW_WEIGHTS = "take random weights, such as --init lecun: equal ones make all units copies of each other"

_NEARLY_HOMOGENEOUS = (0.8, 1.2)
"""Degrees of an activation between which one gain undoes a change per layer."""


def rescale(measurements: Measurements, recipe: Stack, change: float | None) -> str | None:
    """Return the gain that would undo a change per layer, as advice; None where no single gain does."""
    if recipe.target_gain is not None:
        return None
    if not change or not isfinite(recipe.gain / change) or recipe.gain / change == 0 or recipe.init.fits_batch:
        return None
    ends = (measurements.first.stats, measurements.last.stats)
    degrees = [response(recipe.act, stats.pre_activation.rms).degree for stats in ends]
    least, most = _NEARLY_HOMOGENEOUS
    if not all(known is None or least <= known <= most for known in degrees) or degrees == [None, None]:
        return None
    std = recipe.weight_std(1)
    alike = all(recipe.weight_std(layer) == std for layer in range(2, recipe.depth + 1))
    now = f" (std {std / change:.3g} in place of {std:.3g})" if std and alike else ""
    return f"make the weights {'larger' if change < 1 else 'smaller'}: --gain {recipe.gain / change:.3g}{now}"


def keep_scale(measurements: Measurements, recipe: Stack, change: float | None, what: str, exploding: bool) -> str:
    """Return what preserves the scale of the signal or of the gradient, as advice.

    Args:
        measurements: The run.
        recipe: The stack.
        change: The factor from layer to layer, of the signal forward or of the gradient backward.
        what: `signal` or `gradient`.
        exploding: Whether it grows.
    """
    slope, name = traits(recipe.act).slope_supremum, recipe.act.name
    if what == "gradient" and not exploding and slope is not None and slope < 1:
        return f"the slope of {name} is at most {slope:.3g}: take an activation of slope 1, such as tanh"
    gain = rescale(measurements, recipe, change)
    if gain is not None:
        return gain
    if not recipe.init.mean_field and recipe.weight_std(1) == 0:
        return DRAW_WEIGHTS
    if exploding and all(isfinite(bound) for bound in recipe.act.bounds):
        return "use smaller weights, such as --init lecun"
    if what == "signal" and measurements.first.stats.rms == 0:
        return "use larger weights, such as --init he: these underflow at once"
    if what == "signal" and not recipe.init.fits_batch:
        return f"no single gain holds the scale of {name}: --init lsuv fits every layer to the batch"
    return f"no gain holds the gradient of {name}: use fewer layers or another activation, such as tanh or relu"
