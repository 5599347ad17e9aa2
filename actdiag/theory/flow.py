"""A stack as theory sees it: its recipe layer by layer, and the second moments and correlations that follow from it."""

from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles, cut
from actdiag.measure.moments import directions, mean_cosine, squares_of
from actdiag.model.stack import Stack
from actdiag.theory.onestep import shifted_activation
from actdiag.theory.pairs import cosines_of_shares
from actdiag.theory.sampling import InputSample, sample_inputs
from actdiag.theory.tables import Curves, tables

_AT_ONCE = 128


class Layers(NamedTuple):
    """The recipe of layers 1 to L as theory has it, each of shape (layers,).

    Attributes:
        act: The activation, moved by the mean of the biases.
        centre: That mean.
        loose: Of each layer, what `Batch` has it to be.
        fitted: Whether the weights are fitted to the batch.
        weight: sigma_w^2 = fan_in Var(W) of each layer, before that.
        back: fan_out Var(W) of each layer.
        bias: sigma_b^2 of each layer.
        widths: The units.
    """

    act: Activation
    centre: float
    loose: list[float]
    fitted: bool
    weight: list[float]
    back: list[float]
    bias: list[float]
    widths: tuple[int, ...]


def why_not(stack: Stack) -> str | None:
    """Return why mean-field theory does not describe a stack, in words; None where it does."""
    if stack.act.derivative is None:
        return f"a unit of {stack.act.name} looks at several pre-activations"
    if not stack.init.mean_field or stack.weight_std(1) == 0:
        return f"it needs random weights, and those of {stack.init.name} are fixed"
    if stack.init.fits_batch and stack.bias_spread(1)[1] > _MOST_OF_A_STD:
        return "its weights are fitted to what the biases leave of a std of 1, which is next to nothing"
    return None


_MOST_OF_A_STD = 0.8


def layers_of(stack: Stack) -> Layers:
    """Return a stack's recipe as theory has it."""
    numbers = range(1, stack.depth + 1)
    shapes = {(stack.fan_in(number), stack.columns(number)): number for number in numbers}
    std = {shape: stack.weight_std(number) for shape, number in shapes.items()}
    bias = {shape: stack.bias_spread(number) for shape, number in shapes.items()}
    each = [(stack.fan_in(number), stack.columns(number)) for number in numbers]
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
    )


def sample_of_input(stack: Stack) -> InputSample | None:
    """Return what theory takes from a stack's input, which is drawn for that."""
    inputs = stack.inputs()
    found = directions(inputs)
    return sample_inputs(inputs, squares_of([found]), mean_cosine([found]))


class Flow(NamedTuple):
    """Second moments and correlations layer by layer, as far as they are finite, each of shape (layers,).

    Attributes:
        q: Second moments of the pre-activations about their centre.
        fit: The factor on the variance of the weights that fits them to the batch; 1 where nothing does.
        share: The part of q that comes from the layer below, not from the biases.
        curves: The moments of the activation there.
        c: Correlations of the mean pair of inputs, and of two that are less and more alike by the sd over pairs, shape
            (layers, 3); NaN where there are no pairs.
        cosines: Cosines of their activations, shape (layers, 3).
    """

    q: Doubles
    fit: Doubles
    share: Doubles
    curves: Curves
    c: Doubles
    cosines: Doubles

    @property
    def degree(self) -> Doubles:
        """The derivative of the log second moment of the activations after ln q, shape (layers,)."""
        second = self.curves.second
        return np.divide(self.curves.mixed, second, out=np.zeros_like(second), where=second > 0)

    def first(self, layers: int) -> "Flow":
        """Return the flow through the first layers alone."""
        curves = Curves(*(curve[:layers] for curve in self.curves))
        return Flow(
            self.q[:layers], self.fit[:layers], self.share[:layers], curves, self.c[:layers], self.cosines[:layers]
        )


def follow(recipe: Layers, sample: InputSample) -> Flow:
    """Return the second moments and correlations that follow from those of the input."""
    at = tables(recipe.act)
    below = float(np.dot(sample.shares, sample.seconds))
    q: list[float] = []
    shares_below: list[float] = []
    fits: list[float] = []
    for weight, bias in zip(recipe.weight, recipe.bias, strict=True):
        carried = weight * below
        if recipe.fitted:  # until z has a std of 1
            fits.append(max(1 - bias, 0.0) / carried if carried else 0.0)
            carried *= fits[-1]
        second = at.second(carried + bias)
        if not isfinite(second):
            break
        q.append(carried + bias)
        shares_below.append(carried / q[-1] if q[-1] else 0.0)
        below = second
    known = np.array(q)
    c, cosines = np.full((len(q), 3), np.nan), np.full((len(q), 3), np.nan)
    if len(sample.cosines):
        now = _around(sample.cosine, float(sample.cosines.std()))
        for some in cut(len(q), _AT_ONCE):
            shares = at.hermite(known[some])
            for layer in range(some.start, min(some.stop, len(q))):
                c[layer] = shares_below[layer] * now + (1 - shares_below[layer])
                same, each = shares[[layer - some.start] * 3], known[[layer] * 3]
                cosines[layer] = cosines_of_shares(at, same, same, each, each, c[layer])
                if layer == 0:  # the scatter of the input is known, and the mean of the cosines follows from it
                    cosines[0, 0] = cosines[0, 1:].mean()
                now = _scattered(cosines[layer], recipe.widths[min(layer, len(recipe.widths) - 1)])
    fit = np.array(fits[: len(q)]) if recipe.fitted else np.ones(len(q))
    return Flow(known, fit, np.array(shares_below), at.curves(known), c, cosines)


def _scattered(cosines: Doubles, width: int) -> Doubles:
    """Return the cosines with the outer ones moved apart by what a layer of so many units scatters those of pairs."""
    middle, apart = float(cosines[0]), float(cosines[2] - cosines[1]) / 2
    return _around(middle, sqrt(apart**2 + (1 - middle**2) ** 2 / width))


def _around(middle: float, apart: float) -> Doubles:
    apart = min(apart, 1 - abs(middle))
    return np.array([middle, middle - apart, middle + apart])
