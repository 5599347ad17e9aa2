"""What theory expects of a layer, given what was measured of the layer before it: one step, and what fails it.

Given the activations of a layer, the pre-activations of the next are Gaussian with known second moments and
correlations, whatever came before. So the map applied to what was measured is a test, where a prediction that runs free
from the input drifts away from any one run.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.measure.statistics import LayerStats
from actdiag.model.stack import Stack
from actdiag.theory.fluctuations import (
    HEAVY,
    Batch,
    Spreads,
    heavy_tailed,
    radial,
    spread_of_slopes,
    spreads,
)
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.regions import chance_of_zero, chance_within, saturated_intervals, zero_intervals
from actdiag.theory.sampling import InputSample
from actdiag.theory.tables import tables
from actdiag.theory.types import Estimate, GradientEstimates, LayerEstimates, PreActivationEstimates

FLAGGED = 4.0
"""A number is flagged that is over this many sd from what is expected."""

_RARE = 1e-3
"""A smaller share of entries is beyond the grid that spreads are taken on."""

_FEW_UNITS = 0.1
"""Where the kurtosis of a layer is over this share of its width, a few of its units are all that its inputs have."""

_NO_MEAN = 1e-12

_LARGEST_SECOND = 1e150
"""Beyond this a fourth moment leaves float64."""

_SAME_COSINE = 1e-9
"""Cosines that differ by less than this do so by rounding."""

_NORMAL_RANGE = 1e4
"""Layers whose rms is within this factor of where the dtype gives out are not compared."""


class PreActivationTheory(NamedTuple):
    """The pre-activations of a layer, by theory: Gaussian over the units, given the activations below.

    Attributes:
        act: The activation, moved by the mean of the biases.
        centre: That mean.
        q: Second moments of groups of inputs about it, shape (groups,).
        shares: The share of the inputs in each group.
        first: Those of one input of each pair, shape (pairs,).
        second: Those of the other.
        c: Correlations of the pairs.
        fit: The factor on the variance of the weights that fits them to the batch; 1 where nothing does.
        below: Their cosines in the layer below.
        cosine_below: The mean of these over all pairs of inputs.
    """

    act: Activation
    centre: float
    q: Doubles
    shares: Doubles
    first: Doubles
    second: Doubles
    c: Doubles
    fit: float
    below: Doubles
    cosine_below: float

    def average(self, values: Doubles) -> float:
        """Return the mean over inputs of what is known of each group."""
        return float(np.dot(self.shares, values))


def pre_activations(stack: Stack, layer: int, sample: InputSample) -> PreActivationTheory:
    """Return the pre-activations of `layer` given what was seen of the activations below."""
    centre, bias_std = stack.bias_spread(layer)
    weight = stack.fan_in(layer) * stack.weight_std(layer) ** 2
    fit = 1.0
    if stack.init.fits_batch:  # until z has a std of 1
        total = weight * float(np.dot(sample.shares, sample.seconds))
        fit = max(1 - bias_std**2, 0.0) / total if total else 0.0
        weight *= fit
    bias = bias_std**2
    first, second = (weight * one + bias for one in (sample.first, sample.second))
    with np.errstate(invalid="ignore", divide="ignore"):
        c = (
            (weight * np.sqrt(sample.first) * np.sqrt(sample.second) * sample.cosines + bias)
            / np.sqrt(first)
            / np.sqrt(second)
        )
    q = weight * sample.seconds + bias
    c = np.nan_to_num(c)
    return PreActivationTheory(
        shifted_activation(stack.act, centre),
        centre,
        q,
        sample.shares,
        first,
        second,
        c,
        fit,
        sample.cosines,
        sample.cosine,
    )


@lru_cache(maxsize=64)
def shifted_activation(act: Activation, by: float) -> Activation:
    """Return the activation of u + by as one of u."""
    if by == 0:
        return act
    value, derivative = act.value, act.derivative
    assert derivative is not None
    return Activation(
        name=f"{act.name} of x + {by:g}",
        value=lambda x: value(x + x.dtype.type(by)),
        derivative=lambda x: derivative(x + x.dtype.type(by)),
        formula=act.formula,
        source=act.source,
        kinks=tuple(kink - by for kink in act.kinks),
        bounds=act.bounds,
        saturates=act.saturates,
    )


def expected(stack: Stack, layer: int, z: PreActivationTheory) -> LayerEstimates:
    """Return what theory expects of the forward statistics of a layer, given its pre-activations."""
    act = z.act
    curves = tables(act).curves(z.q)
    zero, saturated = zero_intervals(act, stack.dtype), saturated_intervals(act)
    width = stack.widths[layer - 1]
    batch = Batch(act, z.q, z.shares, z.c, width, stack.batch)
    mean, second, q = z.average(curves.mean), z.average(curves.second), z.average(z.q)
    if not isfinite(second):
        return LayerEstimates()
    sd = spreads(batch, zero, saturated)
    if 0 < second < _LARGEST_SECOND and z.average(curves.fourth) / second > (1 + HEAVY) * second:
        sd = heavy_tailed(batch, sd, sqrt(second))
    z_rms = sqrt(q + z.centre**2)
    return LayerEstimates(
        mean=Estimate(float(means_or_zeros(np.array(mean), np.array(sqrt(second)))), sd.mean),
        std=Estimate(sqrt(max(second - mean**2, 0.0)), sd.std),
        rms=Estimate(sqrt(second), sd.rms),
        zero_fraction=_share(z.average(chance_of_zero(act, stack.dtype, z.q)), sd.zero_fraction, width),
        saturated_fraction=_share(z.average(chance_within(saturated, z.q)), sd.saturated_fraction, width)
        if saturated
        else None,
        cosine=_cosine(z, sd, width, stack.batch),
        pre_activation=PreActivationEstimates(
            mean=Estimate(z.centre, sd.z_mean),
            std=Estimate(sqrt(q), sd.z_rms),
            rms=Estimate(z_rms, sd.z_rms * sqrt(q) / z_rms + abs(z.centre) * sd.z_mean / z_rms if z_rms else 0.0),
        ),
    )


def _cosine(z: PreActivationTheory, sd: Spreads[float], width: int, batch: int) -> Estimate | None:
    """Return the mean cosine over all pairs of inputs, from what becomes of some of them.

    None without pairs, and where so few units carry the signal that the cosine of two inputs is no mean over units.
    """
    with np.errstate(invalid="ignore"):
        above = pair_cosines(tables(z.act), z.first, z.second, z.c)
    known = np.isfinite(above)
    above, below = above[known], z.below[known]
    if not len(above) or sd.kurtosis > _FEW_UNITS * width:
        return None
    # All pairs are known in the layer below: the regression on it carries what these pairs miss (Cochran 1977, ch. 7).
    apart = below - below.mean()
    scatter = float(np.dot(apart, apart))
    slope = float(np.dot(apart, above)) / scatter if scatter > len(below) * _SAME_COSINE**2 else 0.0
    rest = above - above.mean() - slope * apart
    unseen = max(1 - len(above) / (batch * (batch - 1) / 2), 0.0)
    sampling = float(np.mean(np.square(rest))) / len(above) * unseen
    value = float(above.mean()) + slope * (z.cosine_below - float(below.mean()))
    return Estimate(min(max(value, -1.0), 1.0), sqrt(sd.cosine**2 + sampling))


def means_or_zeros(means: Doubles, rms: Doubles) -> Doubles:
    """Return means of activations; 0 where they are what rounding leaves of nothing, 1e-12 of the rms and less."""
    return np.where(np.abs(means) >= _NO_MEAN * rms, means, 0.0)


def _share(share: float, sd: float, width: int) -> Estimate:
    """Return a share of entries with its spread; a rare one strikes a unit for all inputs at once."""
    return Estimate(share, sd if share > _RARE else sqrt(share * (1 - share) / width))


def flagged(stack: Stack, estimates: LayerEstimates, stats: LayerStats) -> tuple[str, ...]:
    """Return the names of the measured numbers that are over 4 sd from what is expected, dotted where nested."""
    rms, z_rms = stats.rms, stats.pre_activation.rms
    if rms is None or z_rms is None or stats.nonfinite_fraction or stats.pre_activation.nonfinite_fraction:
        return ()
    low, high = stack.format.normal * _NORMAL_RANGE, stack.format.most / _NORMAL_RANGE
    around = estimates.rms.value if estimates.rms else 0.0
    if not (low < max(rms, around) < high and low < z_rms < high):
        return ()
    scale = stack.format.statistic_error
    return tuple(
        name
        for name, estimate, measured, size in _compared(estimates, stats)
        if abs(measured - estimate.value) > FLAGGED * (estimate.sd or 0.0) + scale * size
    )


def _compared(estimates: LayerEstimates, stats: LayerStats) -> Iterator[tuple[str, Estimate, float, float]]:
    """Yield (name, what is expected, what was measured, the size of what rounding may lose a part of)."""
    measured = (
        ("mean", estimates.mean, stats.mean, stats.rms),
        ("std", estimates.std, stats.std, stats.rms),
        ("rms", estimates.rms, stats.rms, stats.rms),
        ("zero_fraction", estimates.zero_fraction, stats.zero_fraction, 1.0),
        ("saturated_fraction", estimates.saturated_fraction, stats.saturated_fraction, 1.0),
        ("cosine", estimates.cosine, stats.cosine, 1.0),
        ("pre_activation.mean", estimates.pre_activation.mean, stats.pre_activation.mean, stats.pre_activation.rms),
        ("pre_activation.std", estimates.pre_activation.std, stats.pre_activation.std, stats.pre_activation.rms),
        ("pre_activation.rms", estimates.pre_activation.rms, stats.pre_activation.rms, stats.pre_activation.rms),
    )
    for name, estimate, number, size in measured:
        if estimate is not None and number is not None and size is not None:
            yield name, estimate, number, size


def expected_gradient(
    stack: Stack, layer: int, z: PreActivationTheory, above: float, along: float, fit: float
) -> GradientEstimates:
    """Return what theory expects of dL/dz of a layer, given what was measured of the layer above.

    The weights that carry it down are taken as independent of those that carried the signal up (Schoenholz et al. 2017,
    arXiv:1611.01232), but for the one direction in which they are known: what points along z above points along a here.

    Args:
        stack: The stack.
        layer: The layer's number.
        z: Its pre-activations.
        above: The rms of dL/dz of the layer above.
        along: The share of its squares in the part that points along z there.
        fit: The factor that fitted the variance of that layer's weights to the batch.
    """
    curves = tables(z.act).curves(z.q)
    weight = fit * stack.columns(layer + 1) * stack.weight_std(layer + 1) ** 2
    batch = Batch(z.act, z.q, z.shares, z.c, stack.widths[layer - 1], stack.batch)
    known = max(along * stack.columns(layer + 1) - 1, 0.0) / stack.widths[layer - 1] * radial(batch).along
    value = above * sqrt(weight * (z.average(curves.slope) + known))
    sd = spread_of_slopes(batch)
    return GradientEstimates(rms=Estimate(value, value * sd))


def is_outlier(stack: Stack, estimates: GradientEstimates, stats: LayerStats) -> bool:
    """Return whether the rms of dL/dz is over 4 sd from what is expected."""
    gradient, said = stats.gradient, estimates.rms
    if gradient is None or gradient.rms is None or gradient.nonfinite_fraction or said is None:
        return False
    low, high = stack.format.normal * _NORMAL_RANGE, stack.format.most / _NORMAL_RANGE
    within = low < max(gradient.rms, said.value) < high
    return (
        within
        and abs(gradient.rms - said.value) > FLAGGED * (said.sd or 0.0) + stack.format.statistic_error * said.value
    )
