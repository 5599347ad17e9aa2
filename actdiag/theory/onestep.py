"""What theory expects of a layer, given what was measured of the layer below: one step, and its test.

Given the activations of a layer, the pre-activations of the next are Gaussian with known second moments and
correlations, whatever came before. So the map applied to what was measured can be tested, whereas a free-running
prediction deviates more with every layer. Many layers are computed at once.
"""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.formats import NumberFormat
from actdiag.measure.statistics import LayerStats
from actdiag.theory.batches import Batches
from actdiag.theory.fluctuations import HEAVY, Spreads, heavy_tailed, spreads_of_layers
from actdiag.theory.gradient_fluctuations import radials, spreads_of_slopes
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.recipe import Layers
from actdiag.theory.regions import chance_of_zero, chance_within, saturated_intervals, zero_intervals
from actdiag.theory.sampling import InputSample
from actdiag.theory.tables import Curves, tables
from actdiag.theory.types import Estimate, GradientEstimates, LayerEstimates, PreActivationEstimates

FLAGGED = 4.0
"""A number is flagged that is over this many sd from what is expected."""

_RARE = 1e-3
"""A smaller share of entries is beyond the grid of spreads."""

_FEW_UNITS = 0.1
"""Where the kurtosis of a layer is over this share of its width, a few of its units carry the signal of an input."""

_NO_MEAN = 1e-12
"""A mean under this share of the rms is rounding."""

_MOST_KURTOSIS = 1e5
"""Over this share E f^4 / (E f^2)^2 the entries that carry the second moment are too rare for a layer to hold them."""

_LARGEST_SECOND = 1e150
"""The fourth moment of a layer with a larger second moment overflows float64."""

_SAME_COSINE = 1e-9
"""Cosines that differ by less than this do so by rounding."""

_NORMAL_RANGE = 1e4
"""Layers whose rms is within this factor of the limits of the number format are not compared."""


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


@np.errstate(all="ignore")
def expected(recipe: Layers, z: PreActivationTheory) -> list[LayerEstimates]:
    """Return what theory expects of the forward statistics of layers, given their pre-activations."""
    act, curves = z.act, tables(z.act).curves(z.q)
    zero, saturated = zero_intervals(act, recipe.dtype), saturated_intervals(act)
    mean, second, q = z.average(curves.mean), z.average(curves.second), z.average(z.q)
    sd = _spreads(z, curves, second, spreads_of_layers(z.batches(), zero, saturated))
    rms, root, z_rms = np.sqrt(second), np.sqrt(q), np.sqrt(q + z.centre**2)
    of_z_rms = (sd.z_rms * root + abs(z.centre) * sd.z_mean) / z_rms
    columns = (
        _estimates(means_or_zeros(mean, rms), sd.mean),
        _estimates(np.sqrt(np.maximum(second - mean**2, 0)), sd.std),
        _estimates(rms, sd.rms),
        _shares(z.average(chance_of_zero(act, recipe.dtype, z.q)), sd.zero_fraction, z.width),
        _shares(z.average(chance_within(saturated, z.q)), sd.saturated_fraction, z.width)
        if saturated
        else [None] * len(mean),
        _cosines(z, sd),
        _estimates(np.full(len(mean), z.centre), sd.z_mean),
        _estimates(root, sd.z_rms),
        _estimates(z_rms, np.where(z_rms > 0, of_z_rms, 0)),
    )
    with np.errstate(invalid="ignore"):
        shown = z.average(curves.fourth) <= _MOST_KURTOSIS * np.square(second)
    known = (np.isfinite(second) & (shown | (second == 0) | (second >= _LARGEST_SECOND))).tolist()
    return [
        LayerEstimates(
            mean=of_mean,
            std=of_std,
            rms=of_rms,
            zero_fraction=zeros,
            saturated_fraction=plateau,
            cosine=cosine,
            pre_activation=PreActivationEstimates(*of_z),
        )
        if finite
        else LayerEstimates()
        for finite, of_mean, of_std, of_rms, zeros, plateau, cosine, *of_z in zip(known, *columns, strict=True)
    ]


def _spreads(z: PreActivationTheory, curves: Curves, second: Doubles, sd: Spreads[Doubles]) -> Spreads[Doubles]:
    """Return the spreads, simulated where the activations are heavy-tailed."""
    heavy = (second > 0) & (second < _LARGEST_SECOND) & (z.average(curves.fourth) / second > (1 + HEAVY) * second)
    for layer in np.flatnonzero(heavy).tolist():
        own = Spreads(*(float(column[layer]) for column in sd))
        drawn = heavy_tailed(z.batches().one(layer), own, sqrt(second[layer]))
        for column, value in zip(sd, drawn, strict=True):
            column[layer] = value
    return sd


def _estimates(values: Doubles, spreads: Doubles) -> list[Estimate]:
    return [Estimate(value, sd) for value, sd in zip(values.tolist(), spreads.tolist(), strict=True)]


def means_or_zeros(means: Doubles, rms: Doubles) -> Doubles:
    """Return means of activations; 0 where they are rounding, under 1e-12 of the rms."""
    return np.where(np.abs(means) >= _NO_MEAN * rms, means, 0.0)


def _shares(shares: Doubles, sd: Doubles, width: Doubles) -> list[Estimate]:
    """Return shares of entries with their spread; a rare event concerns all inputs of a unit at once."""
    return _estimates(shares, np.where(shares > _RARE, sd, np.sqrt(np.maximum(shares * (1 - shares), 0) / width)))


def _cosines(z: PreActivationTheory, sd: Spreads[Doubles]) -> list[Estimate | None]:
    """Return the mean cosine over all pairs of inputs of each layer, from those of some of them.

    None without pairs, where that of a pair is not known, and where so few units carry the signal that the cosine of
    two inputs is not a mean over units.
    """
    known = ~np.isnan(z.c)
    if not known.any():
        return [None] * len(z.c)
    above = np.full(z.c.shape, np.nan)
    above[known] = pair_cosines(tables(z.act), z.first[known], z.second[known], z.c[known])
    asked = known.sum(axis=1)
    known &= np.isfinite(above)
    count = known.sum(axis=1)

    def mean(values: Doubles) -> Doubles:
        average: Doubles = np.where(known, values, 0).sum(axis=1) / count
        return average

    # All pairs are known in the layer below: a regression on it corrects for the sample (Cochran 1977, ch. 7).
    of_below, of_above = mean(z.below), mean(above)
    apart, deviations = z.below - of_below[:, np.newaxis], above - of_above[:, np.newaxis]
    scatter = mean(np.square(apart))
    slope = np.where(scatter > _SAME_COSINE**2, mean(apart * above) / scatter, 0)
    rest = np.square(deviations - slope[:, np.newaxis] * apart)
    unseen = np.maximum(1 - count / (z.batch * (z.batch - 1) / 2), 0)
    sampling = mean(rest) / count * unseen
    value = np.clip(of_above + slope * (z.cosine_below - of_below), -1, 1)
    applies = ((count > 0) & (count == asked) & ~(sd.kurtosis > _FEW_UNITS * z.width)).tolist()
    found = _estimates(value, np.sqrt(sd.cosine**2 + sampling))
    return [estimate if sound else None for estimate, sound in zip(found, applies, strict=True)]


def flagged(within: NumberFormat, estimates: LayerEstimates, stats: LayerStats) -> tuple[str, ...]:
    """Return the names of the measured numbers that are over 4 sd from what is expected, dotted where nested.

    Args:
        within: The number format of the run; layers near its limits are not compared.
        estimates: What is expected.
        stats: What was measured.
    """
    rms, z_rms = stats.rms, stats.pre_activation.rms
    if rms is None or z_rms is None or stats.nonfinite_fraction or stats.pre_activation.nonfinite_fraction:
        return ()
    low, high = within.normal * _NORMAL_RANGE, within.most / _NORMAL_RANGE
    around = estimates.rms.value if estimates.rms else 0.0
    if not (low < max(rms, around) < high and low < z_rms < high):
        return ()
    scale = within.statistic_error
    return tuple(
        name
        for name, estimate, measured, size in _compared(estimates, stats)
        if abs(measured - estimate.value) > FLAGGED * (estimate.sd or 0.0) + scale * size
    )


def _compared(estimates: LayerEstimates, stats: LayerStats) -> Iterator[tuple[str, Estimate, float, float]]:
    """Yield (name, what is expected, what was measured, the size that rounding is relative to)."""
    z, of_z = stats.pre_activation, estimates.pre_activation
    measured = (
        ("mean", estimates.mean, stats.mean, stats.rms),
        ("std", estimates.std, stats.std, stats.rms),
        ("rms", estimates.rms, stats.rms, stats.rms),
        ("zero_fraction", estimates.zero_fraction, stats.zero_fraction, 1.0),
        ("saturated_fraction", estimates.saturated_fraction, stats.saturated_fraction, 1.0),
        ("cosine", estimates.cosine, stats.cosine, 1.0),
        ("pre_activation.mean", of_z.mean, z.mean, z.rms),
        ("pre_activation.std", of_z.std, z.std, z.rms),
        ("pre_activation.rms", of_z.rms, z.rms, z.rms),
    )
    for name, estimate, number, size in measured:
        if estimate is not None and number is not None and size is not None:
            yield name, estimate, number, size


@np.errstate(all="ignore")
def expected_gradients(
    z: PreActivationTheory, back: Doubles, columns: Doubles, above: Doubles, along: Doubles
) -> list[GradientEstimates]:
    """Return what theory expects of dL/dz of layers, given what was measured of the layer above each.

    The weights that carry it back are taken as independent of those that carried the signal forward (Schoenholz et al.
    2017, arXiv:1611.01232), but for one direction, in which they are known: the part along z above comes from the part
    along a here.

    Args:
        z: The pre-activations of the layers.
        back: fan_out Var(W) of the layer above each, fitted to the batch where weights are, shape (layers,).
        columns: The pre-activations of the layer above each, shape (layers,).
        above: The rms of dL/dz there.
        along: The share of its squares in the part that points along z there.
    """
    slope, batches = tables(z.act).curves(z.q).slope, z.batches()
    known = np.maximum(along * columns - 1, 0) / z.width
    if known.any():
        known = known * radials(batches).along
    value = above * np.sqrt(back * (z.average(slope) + known))
    return [GradientEstimates(rms=rms) for rms in _estimates(value, value * spreads_of_slopes(batches))]


def is_outlier(within: NumberFormat, estimates: GradientEstimates, stats: LayerStats) -> bool:
    """Return whether the rms of dL/dz is over 4 sd from what is expected."""
    gradient, expectation = stats.gradient, estimates.rms
    if gradient is None or gradient.rms is None or gradient.nonfinite_fraction or expectation is None:
        return False
    low, high = within.normal * _NORMAL_RANGE, within.most / _NORMAL_RANGE
    tolerance = FLAGGED * (expectation.sd or 0.0) + within.statistic_error * expectation.value
    return low < max(gradient.rms, expectation.value) < high and abs(gradient.rms - expectation.value) > tolerance
