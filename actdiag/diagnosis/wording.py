"""What findings say and advise, as text."""

from collections.abc import Sequence
from math import isfinite

import numpy as np

from actdiag.activations import traits
from actdiag.diagnosis.expectations import degree
from actdiag.measure.statistics import LayerStats
from actdiag.model.stack import Stack

_LARGE_INPUT = 10.0
"""Inputs of mean 0 and std 1 hardly reach this."""

_NEARLY_HOMOGENEOUS = (0.8, 1.2)
"""Local degrees of an activation between which one gain undoes a change per layer."""

DRAW_WEIGHTS = "take random weights, such as --init lecun: equal ones make all units copies of each other"
STANDARDIZE = "bring the inputs to mean 0 and std 1: --standardize"


def rescale(stack: Stack, layers: Sequence[LayerStats], change: float | None) -> str | None:
    """Advise the gain that would undo a change per layer; None where the activation does not let one gain do so."""
    if stack.target_gain is not None:
        return None
    if not change or not isfinite(stack.gain / change) or stack.gain / change == 0 or stack.init.fits_batch:
        return None
    degrees = [degree(stack.act, stats.pre_activation.rms) for stats in (layers[0], layers[-1])]
    least, most = _NEARLY_HOMOGENEOUS
    if not all(known is None or least <= known <= most for known in degrees) or degrees == [None, None]:
        return None
    std = stack.weight_std(1)
    alike = all(stack.weight_std(layer) == std for layer in range(2, stack.depth + 1))
    now = f" (std {std / change:.3g} in place of {std:.3g})" if std and alike else ""
    return f"make the weights {'larger' if change < 1 else 'smaller'}: --gain {stack.gain / change:.3g}{now}"


def mend_scale(stack: Stack, layers: Sequence[LayerStats], change: float | None, what: str, exploding: bool) -> str:
    """Advise what keeps the scale of the signal or of the gradient.

    Args:
        stack: The stack.
        layers: What was measured, layer 1 first.
        change: The factor from layer to layer, of the signal upwards or of the gradient downwards.
        what: `signal` or `gradient`.
        exploding: Whether it grows.
    """
    slope, name = traits(stack.act).slope_supremum, stack.act.name
    if what == "gradient" and not exploding and slope is not None and slope < 1:
        return f"the slope of {name} is at most {slope:.3g}: take an activation of slope 1, such as tanh"
    gain = rescale(stack, layers, change)
    if gain is not None:
        return gain
    if not stack.init.mean_field and stack.weight_std(1) == 0:
        return DRAW_WEIGHTS
    if exploding and all(isfinite(bound) for bound in stack.act.bounds):
        return "use smaller weights, such as --init lecun"
    if what == "signal" and layers[0].rms == 0:
        return "use larger weights, such as --init he: these underflow at once"
    if what == "signal" and not stack.init.fits_batch:
        return f"no single gain holds the scale of {name}: --init lsuv fits every layer to the batch"
    return f"no gain holds the gradient of {name}: use fewer layers or another activation, such as tanh or relu"


def revive(stack: Stack) -> str:
    """Advise what gives dead units a slope again."""
    if (stack.bias_mean or 0.0) < 0:
        return "raise --bias-mean, which holds units below zero"
    edge = traits(stack.act).dead_below
    if edge is not None and edge > 0:
        return f"use larger weights, such as --init he: {stack.act.name} is flat under {edge:.3g}"
    return "take wider layers, or an activation with a slope on both sides, such as leaky_relu"


def unsaturate(stack: Stack, first: int) -> str:
    """Advise what keeps pre-activations where the slope is; `first` is the first layer that saturates."""
    if first == 1 and isinstance(stack.data, np.ndarray) and float(np.abs(stack.data).max()) > _LARGE_INPUT:
        return STANDARDIZE
    smaller = "" if stack.target_gain is not None else f" or a --gain under {stack.gain:.3g}"
    return f"use smaller weights, such as --init lecun{smaller}"


def centre(stack: Stack, stats: LayerStats) -> str:
    """Advise what keeps inputs apart, by what they have come to share: weights, biases, or the activation's offset."""
    if not stack.init.mean_field and stack.weight_std(stats.layer) == 0:
        return DRAW_WEIGHTS
    mean, std = stack.bias_spread(stats.layer)
    if max(abs(mean), std) > (stats.pre_activation.rms or 0.0) / 2:
        return "lower --bias-mean and --bias-std, which outweigh the inputs"
    if traits(stack.act).zero_centred:
        return "use fewer layers"
    return "use fewer layers, or an activation centred on zero, such as tanh"


def fold_of(ratio: float) -> str:
    """Return a ratio as a fold change, whichever way it goes: `12.5` of 0.08."""
    return f"{ratio if ratio > 1 else 1 / ratio:.3g}"


def name_layers(layers: tuple[int, ...]) -> str:
    """Return layers in words: `layer 3`, `layers 3 to 7`, `4 layers from 3 to 9`."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    gap = layers[-1] - layers[0] + 1 != len(layers)
    return f"{len(layers)} layers from {layers[0]} to {layers[-1]}" if gap else f"layers {layers[0]} to {layers[-1]}"
