"""The pre-activations of layers by theory, given what was measured of the layer below each.

Given the activations of a layer, the pre-activations of the next are Gaussian with known second moments and
correlations, whatever came before.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.batches import Batches
from actdiag.theory.recipe import Layers
from actdiag.theory.sampling import InputSample


class PreActivationTheory(NamedTuple):
    """The pre-activations of several layers by theory: Gaussian over the units, given the activations below.

    Attributes:
        act: The activation, shifted by the mean of the biases.
        centre: That mean.
        q: Second moments of groups of inputs about it, shape (layers, groups).
        shares: The share of the inputs in each group; padded with 0.
        first: Those of one input of each pair, shape (layers, pairs).
        second: Those of the other.
        c: Correlations of the pairs; padded with NaN.
        fit: The factor on the variance of the weights that fits them to the batch, 1 where nothing does, shape
            (layers,).
        below: The pairs' cosines in the layer below, shape (layers, pairs).
        cosine_below: The mean of these over all pairs of inputs, shape (layers,).
        width: The units, shape (layers,).
        batch: The number of inputs.
    """

    act: Activation
    centre: float
    q: Doubles
    shares: Doubles
    first: Doubles
    second: Doubles
    c: Doubles
    fit: Doubles
    below: Doubles
    cosine_below: Doubles
    width: Doubles
    batch: int

    def average(self, values: Doubles) -> Doubles:
        """Return the mean over the inputs of each layer of values of each group, shape (layers,)."""
        with np.errstate(invalid="ignore"):
            average: Doubles = np.vecdot(self.shares, values)
        return average

    def batches(self) -> Batches:
        """Return the arguments of spreads."""
        return Batches(self.act, self.q, self.shares, self.c, self.width, self.batch, np.ones(len(self.q)))


def pre_activations(recipe: Layers, layers: Sequence[int], samples: Sequence[InputSample]) -> PreActivationTheory:
    """Return the pre-activations of layers (from 1), given samples of the activations below each."""
    at = np.array(layers) - 1
    weight, bias = (np.array([column[layer] for layer in at.tolist()]) for column in (recipe.weight, recipe.bias))
    seconds, shares = _filled([sample.seconds for sample in samples]), _filled([sample.shares for sample in samples])
    one = _filled([sample.first for sample in samples], np.nan)
    other = _filled([sample.second for sample in samples], np.nan)
    cosines = _filled([sample.cosines for sample in samples], np.nan)
    seconds = np.where(shares > 0, seconds, seconds[:, :1])
    fit = np.ones(len(at))
    if recipe.fitted:  # until z has a std of 1
        total = weight * np.vecdot(shares, seconds)
        fit = np.divide(np.maximum(1 - bias, 0), total, out=np.zeros(len(at)), where=total != 0)
    weight, bias = (weight * fit)[:, np.newaxis], bias[:, np.newaxis]
    first, second = weight * one + bias, weight * other + bias
    with np.errstate(invalid="ignore", divide="ignore"):
        c = (weight * np.sqrt(one) * np.sqrt(other) * cosines + bias) / np.sqrt(first) / np.sqrt(second)
    c = np.where(np.isnan(cosines), np.nan, np.nan_to_num(c))
    return PreActivationTheory(
        act=recipe.act,
        centre=recipe.centre,
        q=weight * seconds + bias,
        shares=shares,
        first=first,
        second=second,
        c=c,
        fit=fit,
        below=cosines,
        cosine_below=np.array([sample.cosine for sample in samples]),
        width=np.array([float(recipe.widths[layer]) for layer in at.tolist()]),
        batch=recipe.batch,
    )


def _filled(rows: Sequence[Doubles], value: float = 0.0) -> Doubles:
    """Return rows of different lengths as one array, filled up with a value."""
    longest = max(len(row) for row in rows)
    if all(len(row) == longest for row in rows):
        return np.array(rows)
    filled = np.full((len(rows), longest), value)
    for place, row in zip(filled, rows, strict=True):
        place[: len(row)] = row
    return filled
