"""What theory expects of a layer, given what was measured of the layer below: one step.

The map applied to what was measured can be tested, whereas a free-running prediction deviates more with every layer.
Many layers are computed at once.
"""

import numpy as np

from actdiag.arrays import Doubles
from actdiag.theory.fluctuations import Spreads, spreads_of_layers
from actdiag.theory.gradient_fluctuations import radials, spreads_of_slopes
from actdiag.theory.heavy_tails import HEAVY, simulate
from actdiag.theory.pairs import pair_cosines
from actdiag.theory.pre_activations import PreActivationTheory
from actdiag.theory.recipe import Layers
from actdiag.theory.regions import chance_of_zero, chance_within, saturated_intervals, zero_intervals
from actdiag.theory.tables import tables
from actdiag.theory.types import Estimate, GradientEstimates, LayerEstimates, PreActivationEstimates

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


@np.errstate(all="ignore")
def expected(recipe: Layers, z: PreActivationTheory) -> list[LayerEstimates]:
    """Return what theory expects of the forward statistics of layers, given their pre-activations."""
    act, curves = z.act, tables(z.act).curves(z.q)
    zero, saturated = zero_intervals(act, recipe.dtype), saturated_intervals(act)
    mean, second, q = z.average(curves.mean), z.average(curves.second), z.average(z.q)
    given = z.batches()
    sd = spreads_of_layers(given, zero, saturated)
    heavy = (second > 0) & (second < _LARGEST_SECOND) & (z.average(curves.fourth) / second > (1 + HEAVY) * second)
    simulate(heavy, given, sd, second)
    rms, root, z_rms = np.sqrt(second), np.sqrt(q), np.sqrt(q + z.centre**2)
    of_z_rms = (sd.z_rms * root + abs(z.centre) * sd.z_mean) / z_rms
    columns = (
        estimates(means_or_zeros(mean, rms), sd.mean),
        estimates(np.sqrt(np.maximum(second - mean**2, 0)), sd.std),
        estimates(rms, sd.rms),
        _shares(z.average(chance_of_zero(act, recipe.dtype, z.q)), sd.zero_fraction, z.width),
        _shares(z.average(chance_within(saturated, z.q)), sd.saturated_fraction, z.width)
        if saturated
        else [None] * len(mean),
        _cosines(z, sd),
        estimates(np.full(len(mean), z.centre), sd.z_mean),
        estimates(root, sd.z_rms),
        estimates(z_rms, np.where(z_rms > 0, of_z_rms, 0)),
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


def estimates(values: Doubles, spreads: Doubles) -> list[Estimate]:
    """Return values with their spreads, one of each layer."""
    return [Estimate(value, sd) for value, sd in zip(values.tolist(), spreads.tolist(), strict=True)]


def means_or_zeros(means: Doubles, rms: Doubles) -> Doubles:
    """Return means of activations; 0 where they are rounding, under 1e-12 of the rms."""
    return np.where(np.abs(means) >= _NO_MEAN * rms, means, 0.0)


def _shares(shares: Doubles, sd: Doubles, width: Doubles) -> list[Estimate]:
    """Return shares of entries with their spread; a rare event concerns all inputs of a unit at once."""
    return estimates(shares, np.where(shares > _RARE, sd, np.sqrt(np.maximum(shares * (1 - shares), 0) / width)))


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
    found = estimates(value, np.sqrt(sd.cosine**2 + sampling))
    return [estimate if sound else None for estimate, sound in zip(found, applies, strict=True)]


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
    return [GradientEstimates(rms=rms) for rms in estimates(value, value * spreads_of_slopes(batches))]
