"""Second moments and correlations of the layers of a stack, from those of its input."""

from collections.abc import Sequence
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Doubles, cut
from actdiag.measure.directions import directions, mean_cosine, squares_of
from actdiag.model.stack import Stack
from actdiag.theory.pairs import CosineMaps
from actdiag.theory.recipe import Layers
from actdiag.theory.sampling import InputSample, sample_inputs
from actdiag.theory.tables import Curves, tables

_AT_ONCE = 128


def sample_of_input(stack: Stack) -> InputSample | None:
    """Return the sample of a stack's input, which this function draws."""
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
            (layers, 3); NaN where there are no pairs, and of the latter two beyond the stack's own layers.
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
    """Return the second moments and correlations of all layers, from those of the input.

    Each layer applies the moment map of dense and activation: q' = weight E f^2 + bias, and the cosine map, mixed
    with the biases' share of q'.
    """
    second_of = tables(recipe.act).second
    below = float(np.dot(sample.shares, sample.seconds))
    q: list[float] = []
    shares: list[float] = []
    fits: list[float] = []
    for weight, bias in zip(recipe.weight, recipe.bias, strict=True):
        carried = weight * below
        if recipe.fitted:  # until z has a std of 1
            fits.append(max(1 - bias, 0.0) / carried if carried else 0.0)
            carried *= fits[-1]
        total = carried + bias
        second = second_of(total)
        if not isfinite(second):
            break
        q.append(total)
        shares.append(carried / total if total else 0.0)
        below = second
    known = np.array(q)
    curves = tables(recipe.act).curves(known)
    c, cosines = _correlations(recipe, sample, known, shares, curves)
    fit = np.array(fits[: len(q)]) if recipe.fitted else np.ones(len(q))
    return Flow(known, fit, np.array(shares), curves, c, cosines)


def _correlations(
    recipe: Layers, sample: InputSample, q: Doubles, shares: list[float], curves: Curves
) -> tuple[Doubles, Doubles]:
    """Return the correlations and cosines of the three pairs in each layer, each of shape (layers, 3)."""
    c, cosines = np.full((len(q), 3), np.nan), np.full((len(q), 3), np.nan)
    if not len(sample.cosines):
        return c, cosines
    own = min(len(recipe.widths), len(q))
    around = _around(sample.cosine, float(sample.cosines.std()))
    middle = around[0]
    for some in cut(len(q), _AT_ONCE):
        maps = CosineMaps(tables(recipe.act), q[some], Curves(*(curve[some] for curve in curves)))
        in_c: list[Sequence[float]] = []
        in_cosines: list[Sequence[float]] = []
        for layer in range(some.start, min(some.stop, own)):
            share = shares[layer]
            at = [min(max(share * one + (1 - share), -1.0), 1.0) for one in around]
            found = [maps(layer - some.start, one) for one in at]
            if layer == 0:  # the scatter of the input is known, and the mean of the cosines follows from it
                found[0] = (found[1] + found[2]) / 2
            in_c.append(at)
            in_cosines.append(found)
            around = _scattered(found, recipe.widths[layer])
            middle = found[0]
        alone = slice(some.start + len(in_c), some.start + len(shares[some]))
        if in_c:
            c[some.start : alone.start], cosines[some.start : alone.start] = in_c, in_cosines
        of_middle, cosine_of_middle = [], []
        for layer in range(alone.start, alone.stop):
            share = shares[layer]
            of_middle.append(min(max(share * middle + (1 - share), -1.0), 1.0))
            middle = maps(layer - some.start, of_middle[-1])
            cosine_of_middle.append(middle)
        c[alone, 0], cosines[alone, 0] = of_middle, cosine_of_middle
    return c, cosines


def _scattered(cosines: Sequence[float], width: int) -> Sequence[float]:
    """Return the cosines, the outer ones moved apart by the scatter that a layer of this width adds."""
    middle, apart = cosines[0], (cosines[2] - cosines[1]) / 2
    return _around(middle, sqrt(apart**2 + (1 - middle**2) ** 2 / width))


def _around(middle: float, apart: float) -> Sequence[float]:
    apart = min(apart, 1 - abs(middle))
    return middle, middle - apart, middle + apart
