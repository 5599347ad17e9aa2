"""Advice for each rule: the smallest change that fixes what it found."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from actdiag.activations import traits
from actdiag.diagnosis.advice.scale import DRAW_WEIGHTS, keep_scale, rescale
from actdiag.diagnosis.calibration.trainability import rate_of
from actdiag.diagnosis.dead import ALIGNED, TOO_FEW, UNDERFLOWED, cause_of_death, deadest
from actdiag.diagnosis.rule import Found
from actdiag.diagnosis.scale import Way, change_of, factor_per_layer, is_within
from actdiag.diagnosis.steps import update_ratios
from actdiag.model.stack import Stack

STANDARDIZE = "bring the inputs to mean 0 and std 1: --standardize"


def advise(found: Found) -> str:
    """Return the smallest change that fixes what a rule found.

    Where the change is one of the recipe and that is not known, and for rules of one's own, it is the rule's remedy.
    """
    name, recipe = found.rule.name, found.measurements.recipe
    if name in _OF_MEASUREMENTS:
        return _OF_MEASUREMENTS[name](found)
    if name in _OF_RECIPE and recipe is not None:
        return _OF_RECIPE[name](found, recipe)
    return found.rule.remedy


def _keep_signal(found: Found, recipe: Stack) -> str:
    return _keep_scale(found, recipe, "signal")


def _keep_gradient(found: Found, recipe: Stack) -> str:
    # A change that restores the signal restores its gradient, and one change is less than two.
    way: Way = "gradient" if is_within(found.measurements, found.rules, "signal") else "signal"
    return _keep_scale(found, recipe, way)


def _keep_scale(found: Found, recipe: Stack, way: Way) -> str:
    measured = change_of(found.measurements, way)
    assert measured is not None  # it is what was found
    factor = factor_per_layer(found.measurements, measured, way)
    return keep_scale(found.measurements, recipe, factor, way, measured.value > 1)


def _keep_inputs_apart(found: Found, recipe: Stack, layer: int | None = None) -> str:
    """Advise by the cause of what inputs have in common: weights, biases, or the activation's offset."""
    number = found.layers[0] if layer is None else layer
    if not recipe.init.mean_field and recipe.weight_std(number) == 0:
        return DRAW_WEIGHTS
    mean, std = recipe.bias_spread(number)
    if max(abs(mean), std) > (found.measurements.place(number).stats.pre_activation.rms or 0.0) / 2:
        return "lower --bias-mean and --bias-std, which outweigh the inputs"
    if traits(recipe.act).zero_centred:
        return "use fewer layers"
    return "use fewer layers, or an activation centred on zero, such as tanh"


def _unsaturate(found: Found, recipe: Stack) -> str:
    largest = 0.0 if recipe.data is None else float(np.abs(recipe.data).max())
    if found.layers[0] == 1 and largest > found.rules["input_scale"].high:
        return STANDARDIZE
    smaller = "" if recipe.target_gain is not None else f" or a --gain under {recipe.gain:.3g}"
    return f"use smaller weights, such as --init lecun{smaller}"


def _revive(found: Found, recipe: Stack) -> str:
    """Advise what gives dead units a slope."""
    if (recipe.bias_mean or 0.0) < 0:
        return "raise --bias-mean, which holds units below zero"
    edge = traits(recipe.act).dead_below
    if edge is not None and edge > 0:
        return f"use larger weights, such as --init he: {recipe.act.name} is flat under {edge:.3g}"
    return "take wider layers, or an activation with a slope on both sides, such as leaky_relu"


def _revive_units(found: Found, recipe: Stack) -> str:
    measurements = found.measurements
    why = cause_of_death(measurements, deadest(found).stats, found.rules)
    if why == UNDERFLOWED:
        return rescale(measurements, recipe, measurements.change.forward) or "use larger weights"
    if why == ALIGNED:
        return "nothing to mend in the units: with fewer layers inputs align less"
    return "take a larger --batch to tell" if why == TOO_FEW else _revive(found, recipe)


def _raise_output(found: Found, recipe: Stack) -> str:
    measurements = found.measurements
    first, last = measurements.first.stats, measurements.last.stats
    vanishes = (last.rms or 0.0) < (first.rms or 0.0) * found.rules["vanishing_signal"].low
    if not vanishes and (last.unit_std or 0.0) < (last.std or 0.0) / 2:
        return _keep_inputs_apart(found, recipe, measurements.depth)
    return keep_scale(measurements, recipe, measurements.change.forward, "signal", exploding=False)


def _lower_output(found: Found, recipe: Stack) -> str:
    measurements = found.measurements
    if measurements.input.rms is not None and measurements.input.rms > found.rules["input_scale"].high:
        return STANDARDIZE
    return keep_scale(measurements, recipe, measurements.change.forward, "signal", exploding=True)


def _smaller_for_nonfinite(found: Found, recipe: Stack) -> str:
    further = "use smaller weights; --dtype float64 reaches further"
    return rescale(found.measurements, recipe, found.measurements.change.forward) or further


def _larger_for_zeros(found: Found, recipe: Stack) -> str:
    return keep_scale(found.measurements, recipe, found.measurements.change.forward, "signal", exploding=False)


def _larger_for_digits(found: Found, recipe: Stack) -> str:
    further = "use larger weights; --dtype float64 reaches further"
    return rescale(found.measurements, recipe, found.measurements.change.forward) or further


def _improve(found: Found, recipe: Stack) -> str:
    if recipe.target_gain is None and recipe.act.derivative is not None and recipe.init.mean_field:
        return f"try --gain auto, which brings every layer to the gain that {recipe.act.name} needs, or fewer layers"
    return "try fewer layers, or another activation"


def _change_rate(found: Found) -> str:
    rate, updates = rate_of(found.measurements), list(update_ratios(found.measurements).values())
    allowed = found.rules["update_too_large"].high / found.rules["update_too_small"].low
    if not rate or not min(updates) or max(updates) > allowed * min(updates):
        return "no single learning rate suits all layers: mend the gradient first, or take Adam"
    too_large = found.value > found.limit
    return f"take a learning rate {'under' if too_large else 'over'} {rate * found.limit / found.value:.2g}"


_OF_MEASUREMENTS: Mapping[str, Callable[[Found], str]] = MappingProxyType(
    {
        "input_scale": lambda found: STANDARDIZE,
        "died_runs": (
            lambda found: (
                "take wider layers, fewer layers, or an activation with a slope on both sides, such as leaky_relu"
            )
        ),
        "update_too_large": _change_rate,
        "update_too_small": _change_rate,
        "flat_weight_gradient": (
            lambda found: "judge by dL/dz: in dL/dW the changes of the signal and of the gradient cancel"
        ),
        "disagrees_with_theory": (
            lambda found: "look at the numbers marked ! and at what the input holds: predictions for this stack are off"
        ),
    }
)
_OF_RECIPE: Mapping[str, Callable[[Found, Stack], str]] = MappingProxyType(
    {
        "nonfinite": _smaller_for_nonfinite,
        "zero_signal": _larger_for_zeros,
        "born_dead": _revive,
        "symmetric_units": lambda found, recipe: DRAW_WEIGHTS,
        "vanishing_gradient": _keep_gradient,
        "exploding_gradient": _keep_gradient,
        "vanishing_signal": _keep_signal,
        "exploding_signal": _keep_signal,
        "collapsed_inputs": _keep_inputs_apart,
        "aligned_inputs": _keep_inputs_apart,
        "shifted_mean": _keep_inputs_apart,
        "saturation": _unsaturate,
        "dead_units": _revive_units,
        "faint_output": _raise_output,
        "loud_output": _lower_output,
        "precision_lost": _larger_for_digits,
        "outlook": _improve,
    }
)

ADVISED = frozenset({*_OF_MEASUREMENTS, *_OF_RECIPE})
"""The rules that have advice of their own."""
