"""What findings say and advise, as text."""

from math import isfinite

from actdiag.activations import Activation, traits
from actdiag.stack import Stack


def rescale(stack: Stack, change: float | None) -> str | None:
    """Advise the gain that would undo the change per layer, exact where the activation is homogeneous."""
    if change is None or not change or stack.init.fits_batch:
        return None
    gain = stack.gain / change
    std = stack.weight_std(stack.depth) / change
    if not (isfinite(gain) and gain > 0):
        return None
    now = f" (std {std:.3g} in place of {std * change:.3g})" if std else ""
    return f"make the weights {'larger' if change < 1 else 'smaller'}: --gain {gain:.3g}{now}"


def centred(act: Activation) -> str:
    """Advise a centred activation, unless it is one: the offset of the others is what all inputs come to share."""
    return "" if traits(act).zero_centred else ", or an activation centred on zero, such as tanh"


def fold_of(ratio: float) -> str:
    """Return a ratio as a fold change, whichever way it goes: `12.5` of 0.08."""
    return f"{ratio if ratio > 1 else 1 / ratio:.3g}"


def name_layers(layers: tuple[int, ...]) -> str:
    """Return layers in words: `layer 3`, `layers 3 to 7`, `4 layers from 3 to 9`."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    gap = layers[-1] - layers[0] + 1 != len(layers)
    return f"{len(layers)} layers from {layers[0]} to {layers[-1]}" if gap else f"layers {layers[0]} to {layers[-1]}"
