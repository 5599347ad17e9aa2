"""What theory predicts of a stack from its recipe and its input alone, layer by layer, with the spread of one run."""

from collections.abc import Sequence
from math import isnan, sqrt

import numpy as np

from actdiag.arrays import Doubles
from actdiag.model.stack import Stack
from actdiag.theory.backpropagation import STEP, curves_around, predict_gradients
from actdiag.theory.batches import Batches
from actdiag.theory.coarse import rows_of, spreads_of_rows
from actdiag.theory.flow import Flow, follow, sample_of_input
from actdiag.theory.fluctuations import Spreads
from actdiag.theory.onestep import estimates, means_or_zeros
from actdiag.theory.recipe import Layers, layers_of, why_not
from actdiag.theory.regions import (
    Interval,
    chance_of_zero,
    chance_slope,
    chance_within,
    expected_dead_fractions,
    saturated_intervals,
    zero_intervals,
)
from actdiag.theory.sampling import InputSample
from actdiag.theory.tables import Curves
from actdiag.theory.types import Estimate, GradientEstimates, LayerEstimates, PreActivationEstimates

_MOST_VARIANCE = 1e4
"""Largest variance of a log second moment."""

_MOST_OF_A_SHARE = 0.5

_RUNS_APART, _STRAYED = 2.0, 0.5
"""Where a deviation of the signal has grown by the first factor, and the sd of its rms is this share of it, each input
goes its own way, and nothing is known of their mean."""

_SAME = 1e-12


def predict(stack: Stack, seen: InputSample | None = None, top: float | None = None) -> tuple[LayerEstimates, ...]:
    """Return what theory predicts of every layer from the input alone.

    Args:
        stack: The stack.
        seen: The sample of its input; drawn anew where it is None.
        top: The rms of dL/dz of the last layer; None for the `random` loss, of which it is known.

    Returns:
        The predictions of layers 1 to L; empty ones from where the signal leaves float64, and none at all where
        theory does not apply.
    """
    if why_not(stack) is not None:
        return ()
    sample = seen or sample_of_input(stack)
    if sample is None:
        return ()
    recipe = layers_of(stack)
    return predict_along(recipe, follow(recipe, sample), sample, top)


@np.errstate(all="ignore")
def predict_along(
    recipe: Layers, flow: Flow, sample: InputSample, top: float | None = None
) -> tuple[LayerEstimates, ...]:
    """Return what `predict` does, given the recipe of the stack and the flow of its layers or of more."""
    depth = len(recipe.widths)
    flow = flow.first(depth)
    nothing = (LayerEstimates(),) * (depth - len(flow.q))
    if not len(flow.q):
        return nothing
    sd = _spreads(recipe, flow, sample)
    passed = flow.share * (not recipe.fitted)  # the part of a small change of the log second moment below in that of q
    drift = _drift(passed, flow.degree, sd)
    around = curves_around(recipe.act, flow.q)
    forward = _forward(recipe, flow, around, sd, drift, pairs=len(sample.cosines) > 0)
    backward = predict_gradients(recipe, flow, around, passed, drift, top)
    ahead = _known_ahead(flow, passed, forward) if recipe.batch > 1 else len(forward)
    if ahead < len(forward):  # the gradient has to pass the layers of which nothing is known
        backward = [(GradientEstimates(), chi1) for _, chi1 in backward]
        forward = [*forward[:ahead], *[LayerEstimates()] * (len(forward) - ahead)]
    known = (
        layer._replace(gradient=gradient, chi1=chi1) for layer, (gradient, chi1) in zip(forward, backward, strict=True)
    )
    return (*known, *nothing)


def _known_ahead(flow: Flow, passed: Doubles, forward: Sequence[LayerEstimates]) -> int:
    """Return of how many layers the signal can be predicted: as many as before inputs run apart."""
    grown = np.cumprod(np.append(1.0, flow.degree[:-1] * passed[1:])).tolist()
    for layer, (growth, known) in enumerate(zip(grown, forward, strict=True)):
        if growth > _RUNS_APART and known.rms and (known.rms.sd or 0.0) > _STRAYED * known.rms.value:
            return layer
    return len(forward)


def _forward(
    recipe: Layers, flow: Flow, around: tuple[Curves, Curves], sd: Spreads[Doubles], drift: Doubles, pairs: bool
) -> list[LayerEstimates]:
    act, q, curves = recipe.act, flow.q, flow.curves
    std, rms, root = _std(curves), np.sqrt(curves.second), np.sqrt(q)
    z_rms = np.sqrt(q + recipe.centre**2)
    sd_of_log_q = np.sqrt(drift)  # from run to run, which everything that depends on q inherits
    # Given the layer below, the deviation of a contains that of z.
    z_std = root * np.sqrt(drift / 4 + np.square(0.0 if recipe.fitted else sd.z_rms))
    z_mean = sd.z_mean * root
    of_rms = np.sqrt(np.square(root * z_std) + np.square(recipe.centre * z_mean))
    zero, saturated = zero_intervals(act, recipe.dtype), saturated_intervals(act)

    def joined(own: Doubles, per_log_q: Doubles) -> Doubles:
        spread: Doubles = np.sqrt(np.square(own) + np.square(per_log_q * sd_of_log_q))
        return spread

    def slope(low: Doubles, high: Doubles) -> Doubles:
        return (high - low) / (2 * STEP)

    def share(chance: Doubles, intervals: Sequence[Interval], own: Doubles) -> list[Estimate]:
        spread = joined(own, chance_slope(intervals, q))
        return estimates(chance, np.minimum(spread, _MOST_OF_A_SHARE))

    nothing = [None] * len(q)
    columns = (
        estimates(means_or_zeros(curves.mean, rms), joined(sd.mean * rms, slope(around[0].mean, around[1].mean))),
        estimates(std, joined(sd.std * rms, slope(_std(around[0]), _std(around[1])))),
        estimates(rms, joined(sd.rms, flow.degree / 2) * rms),
        share(chance_of_zero(act, recipe.dtype, q), zero, sd.zero_fraction),
        share(chance_within(saturated, q), saturated, sd.saturated_fraction) if saturated else nothing,
        _dead(recipe, flow) if recipe.batch == 1 or pairs else nothing,
        _cosines(flow, sd.cosine) if pairs else nothing,
        estimates(np.full(len(q), recipe.centre), z_mean),
        estimates(root, z_std),
        estimates(z_rms, np.divide(of_rms, z_rms, out=np.zeros_like(q), where=z_rms > 0)),
    )
    return [
        LayerEstimates(
            mean=mean,
            std=std_,
            rms=rms_,
            zero_fraction=zeros,
            saturated_fraction=plateau,
            dead_fraction=dead,
            cosine=cosine,
            pre_activation=PreActivationEstimates(*of_z),
        )
        for mean, std_, rms_, zeros, plateau, dead, cosine, *of_z in zip(*columns, strict=True)
    ]


def _std(curves: Curves) -> Doubles:
    std: Doubles = np.sqrt(np.maximum(curves.second - np.square(curves.mean), 0))
    return std


def _drift(passed: Doubles, degree: Doubles, sd: Spreads[Doubles]) -> Doubles:
    """Return the variance of ln q of each layer that comes from the layers below it, from run to run.

    A layer of n units adds K/n to that of the second moment of its activations, K the kurtosis within a batch, and
    passes on that of the layer below times the square of its local degree (Hanin & Nica 2019, arXiv:1812.05994;
    Roberts, Yaida & Hanin 2022, arXiv:2106.10165).
    """
    drift = np.empty_like(passed)
    below = 0.0
    own = np.square(2 * sd.rms).tolist()
    for layer, (kept, power) in enumerate(zip(passed.tolist(), degree.tolist(), strict=True)):
        drift[layer] = below * kept**2
        below = min(own[layer] + power**2 * below * kept**2, _MOST_VARIANCE)
    return drift


def _dead(recipe: Layers, flow: Flow) -> list[Estimate]:
    c = flow.c[:, 0] if recipe.batch > 1 else np.zeros(len(flow.q))
    chance = expected_dead_fractions(recipe.act, flow.q, c, recipe.batch)
    return estimates(chance, np.sqrt(chance * (1 - chance) / np.array(recipe.widths[: len(chance)])))


def _cosines(flow: Flow, own: Doubles) -> list[Estimate | None]:
    """Return the mean cosines; a deviation is passed on times the slope between the outer two pairs.

    Of a layer whose activations are all 0 there is none.
    """
    apart = flow.c[:, 2] - flow.c[:, 1]
    gained = (flow.cosines[:, 2] - flow.cosines[:, 1]) * flow.share
    slopes = np.divide(gained, apart, out=np.zeros_like(apart), where=apart > _SAME)
    spread, variance = np.empty_like(own), 0.0
    for layer, (slope, sd) in enumerate(zip(slopes.tolist(), own.tolist(), strict=True)):
        variance = min(slope**2 * variance + sd**2, 1.0)
        spread[layer] = sqrt(variance)
    found = estimates(np.clip(flow.cosines[:, 0], -1, 1), spread)
    return [None if isnan(one.value) else one for one in found]


def _spreads(recipe: Layers, flow: Flow, sample: InputSample) -> Spreads[Doubles]:
    """Return the spreads of all layers given the layer before, of z and a relative to their rms."""
    act, pairs = recipe.act, len(sample.cosines) > 0
    # The biases are free even where the weights preserve every length.
    passed = flow.share * (not recipe.fitted)
    loose = np.round(1 - (1 - np.array(recipe.loose[: len(flow.q)])) * np.square(passed), 2).tolist()
    c = flow.c[:, 1:] if pairs else np.empty((len(flow.q), 0))
    rows = rows_of(act, flow.q, c, recipe.widths[: len(flow.q)], loose)
    first = None
    if pairs:  # those of layer 1 are known one by one
        middle, apart = float(flow.c[0, 0]), float(flow.c[0, 2] - flow.c[0, 1]) / 2
        scatter = float(sample.cosines.std())
        known = middle + (apart / scatter if scatter else 0.0) * (sample.cosines - float(sample.cosines.mean()))
        width = np.array([float(recipe.widths[0])])
        first = Batches(
            act, flow.q[:1, np.newaxis], np.ones((1, 1)), known[np.newaxis], width, recipe.batch, np.array(loose[:1])
        )
    return spreads_of_rows(act, recipe.dtype, recipe.batch, rows, first)
