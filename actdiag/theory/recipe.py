"""The recipe of a stack for theory: the moments of weights and biases, layer by layer."""

from typing import NamedTuple

from actdiag.activations import Activation
from actdiag.initializers import Initializer
from actdiag.model.stack import Stack
from actdiag.theory.shifting import shifted_activation

_MOST_OF_A_STD = 0.8


class Layers(NamedTuple):
    """The recipe of layers 1 to L, one entry a layer in each list.

    Attributes:
        act: The activation, shifted by the mean of the biases.
        centre: That mean.
        loose: `Batch.loose` of each layer.
        fitted: Whether the weights are fitted to the batch.
        weight: sigma_w^2 = fan_in Var(W) of each layer, before any fit.
        back: fan_out Var(W) of each layer.
        bias: sigma_b^2 of each layer.
        widths: The units.
        batch: The number of inputs.
        dtype: The number format of the stack's arithmetic.
    """

    act: Activation
    centre: float
    loose: list[float]
    fitted: bool
    weight: list[float]
    back: list[float]
    bias: list[float]
    widths: tuple[int, ...]
    batch: int
    dtype: str


def why_not(stack: Stack) -> str | None:
    """Return why mean-field theory does not describe a stack, in words; None where it does."""
    if stack.act.derivative is None:
        return f"a unit of {stack.act.name} looks at several pre-activations"
    if stack.weights is not None:
        return f"it needs random weights, and those of {stack.weights.name} are given"
    if not stack.init.mean_field:
        return unlike_theory(stack.init)
    if stack.weight_std(1) == 0:
        return f"it needs random weights, and those of {stack.init.name} are fixed"
    if stack.init.fits_batch and stack.bias_spread(1)[1] > _MOST_OF_A_STD:
        return "its weights are fitted to what the biases leave of a std of 1, which is next to nothing"
    return None


def unlike_theory(init: Initializer) -> str:
    """Return in words why theory knows nothing of weights that an initializer gives."""
    if init.family == "fixed":
        return f"it needs random weights, and those of {init.name} are fixed"
    return f"it needs random weights of mean 0, and those of {init.name} have another mean"


def layers_of(stack: Stack) -> Layers:
    """Return a stack's recipe."""
    numbers = range(1, stack.depth + 1)
    each = [(stack.fan_in(number), stack.columns(number)) for number in numbers]
    first = dict(zip(each, numbers, strict=True))  # a layer of each shape
    std = {shape: stack.weight_std(number) for shape, number in first.items()}
    bias = {shape: stack.bias_spread(number) for shape, number in first.items()}
    centre = bias[each[0]][0]
    orthogonal = stack.init.family == "orthogonal"
    return Layers(
        act=shifted_activation(stack.act, centre),
        centre=centre,
        loose=[max(1 - columns / fan_in, 0.0) if orthogonal else 1.0 for fan_in, columns in each],
        fitted=stack.init.fits_batch,
        weight=[fan_in * std[fan_in, columns] ** 2 for fan_in, columns in each],
        back=[columns * std[fan_in, columns] ** 2 for fan_in, columns in each],
        bias=[bias[shape][1] ** 2 for shape in each],
        widths=stack.widths,
        batch=stack.batch,
        dtype=stack.dtype,
    )
