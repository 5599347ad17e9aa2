"""What theory predicts of a stack from its recipe and its input alone, layer by layer, with the spread of one run."""

from collections.abc import Sequence
from functools import cache
from math import exp, isfinite, log, sqrt

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.model.stack import Stack
from actdiag.theory.flow import Flow, Layers, follow, layers_of, sample_of_input, why_not
from actdiag.theory.fluctuations import Batch, Radial, Spreads, radial, relative_spreads, spread_of_slopes
from actdiag.theory.onestep import means_or_zeros
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
from actdiag.theory.tables import FAR_Q, Curves, tables
from actdiag.theory.types import Estimate, GradientEstimates, LayerEstimates, PreActivationEstimates

_STEP = 0.05
"""Of ln q, over which derivatives are taken."""

_COARSE = 0.1
"""Steps of ln q and ln(1 - c) within which spreads are taken as the same."""


def predict(stack: Stack, seen: InputSample | None = None, top: float | None = None) -> tuple[LayerEstimates, ...]:
    """Return what theory predicts of every layer, running free from the input.

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
    return predict_along(stack, follow(layers_of(stack), sample), sample, top)


def predict_along(
    stack: Stack, flow: Flow, sample: InputSample, top: float | None = None
) -> tuple[LayerEstimates, ...]:
    """Return what `predict` does, given the flow of the stack's layers or of more."""
    recipe = layers_of(stack)
    flow = flow.first(stack.depth)
    known: list[LayerEstimates] = []
    with np.errstate(all="ignore"):
        if not len(flow.q):
            return (LayerEstimates(),) * stack.depth
        sd = _spreads(stack, recipe, flow, sample)
        drift = _drift(_passed(recipe, flow), flow.degree, sd)
        forward = _forward(stack, recipe, flow, sd, drift, pairs=len(sample.cosines) > 0)
        backward = _backward(stack, recipe, flow, drift, top)
        known = [
            layer._replace(gradient=gradient, chi1=chi1)
            for layer, (gradient, chi1) in zip(forward, backward, strict=True)
        ]
    return (*known, *[LayerEstimates()] * (stack.depth - len(known)))


def _forward(
    stack: Stack, recipe: Layers, flow: Flow, sd: Spreads[Doubles], drift: Doubles, pairs: bool
) -> list[LayerEstimates]:
    act, q, curves = recipe.act, flow.q, flow.curves
    std, rms, root = _std(curves), np.sqrt(curves.second), np.sqrt(q)
    z_rms = np.sqrt(q + recipe.centre**2)
    wander = np.sqrt(drift)  # of ln q from run to run, which carries what follows from q along
    # Given the layer below, what a strays holds what z strays.
    z_std = root * np.sqrt(drift / 4 + np.square(0.0 if recipe.fitted else sd.z_rms))
    z_mean = sd.z_mean * root
    of_rms = np.sqrt(np.square(root * z_std) + np.square(recipe.centre * z_mean))
    steps = [tables(act).curves(q * np.exp(side * _STEP)) for side in (-1, 1)]
    zero, saturated = zero_intervals(act, stack.dtype), saturated_intervals(act)

    def joined(own: Doubles, per_log_q: Doubles) -> Doubles:
        spread: Doubles = np.sqrt(np.square(own) + np.square(per_log_q * wander))
        return spread

    def slope(low: Doubles, high: Doubles) -> Doubles:
        return (high - low) / (2 * _STEP)

    def share(chance: Doubles, intervals: Sequence[Interval], own: Doubles) -> list[Estimate]:
        spread = joined(own, chance_slope(intervals, q))
        return _estimates(chance, np.minimum(spread, _MOST_OF_A_SHARE))

    nothing = [None] * len(q)
    columns = (
        _estimates(means_or_zeros(curves.mean, rms), joined(sd.mean * rms, slope(steps[0].mean, steps[1].mean))),
        _estimates(std, joined(sd.std * rms, slope(_std(steps[0]), _std(steps[1])))),
        _estimates(rms, joined(sd.rms, flow.degree / 2) * rms),
        share(chance_of_zero(act, stack.dtype, q), zero, sd.zero_fraction),
        share(chance_within(saturated, q), saturated, sd.saturated_fraction) if saturated else nothing,
        _dead(stack, recipe, flow) if stack.batch == 1 or pairs else nothing,
        _cosines(flow, sd.cosine) if pairs else nothing,
        _estimates(np.full(len(q), recipe.centre), z_mean),
        _estimates(root, z_std),
        _estimates(z_rms, np.divide(of_rms, z_rms, out=np.zeros_like(q), where=z_rms > 0)),
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


_MOST_VARIANCE = 1e4
"""Of a log second moment: where nothing is known any more."""

_MOST_OF_A_SHARE = 0.5


def _estimates(values: Doubles, spreads: Doubles) -> list[Estimate]:
    return [Estimate(value, sd) for value, sd in zip(values.tolist(), spreads.tolist(), strict=True)]


def _std(curves: Curves) -> Doubles:
    std: Doubles = np.sqrt(np.maximum(curves.second - np.square(curves.mean), 0))
    return std


def _passed(recipe: Layers, flow: Flow) -> Doubles:
    """Return what a small change of the log second moment below is multiplied with in that of q."""
    return flow.share * (not recipe.fitted)


def _drift(passed: Doubles, degree: Doubles, sd: Spreads[Doubles]) -> Doubles:
    """Return the variance of ln q of each layer that comes from the layers below it, from run to run.

    A layer of n units adds K/n to that of the second moment of its activations, K the kurtosis that a batch leaves, and
    hands on what it got, times the square of its local degree (Hanin & Nica 2019, arXiv:1812.05994; Roberts, Yaida &
    Hanin 2022, arXiv:2106.10165).
    """
    drift = np.empty_like(passed)
    below = 0.0
    own = np.square(2 * sd.rms).tolist()
    for layer, (kept, power) in enumerate(zip(passed.tolist(), degree.tolist(), strict=True)):
        drift[layer] = below * kept**2
        below = min(own[layer] + power**2 * below * kept**2, _MOST_VARIANCE)
    return drift


def _dead(stack: Stack, recipe: Layers, flow: Flow) -> list[Estimate]:
    c = flow.c[:, 0] if stack.batch > 1 else np.zeros(len(flow.q))
    chance = expected_dead_fractions(recipe.act, flow.q, c, stack.batch)
    return _estimates(chance, np.sqrt(chance * (1 - chance) / np.array(recipe.widths[: len(chance)])))


def _cosines(flow: Flow, own: Doubles) -> list[Estimate]:
    """Return the mean cosines; what they stray is handed on times the slope between the two that are followed."""
    apart = flow.c[:, 2] - flow.c[:, 1]
    gained = (flow.cosines[:, 2] - flow.cosines[:, 1]) * flow.share
    slopes = np.divide(gained, apart, out=np.zeros_like(apart), where=apart > _SAME)
    spread, variance = np.empty_like(own), 0.0
    for layer, (slope, sd) in enumerate(zip(slopes.tolist(), own.tolist(), strict=True)):
        variance = min(slope**2 * variance + sd**2, 1.0)
        spread[layer] = sqrt(variance)
    return _estimates(np.clip(flow.cosines[:, 0], -1, 1), spread)


_SAME = 1e-12


def _spreads(stack: Stack, recipe: Layers, flow: Flow, sample: InputSample) -> Spreads[Doubles]:
    """Return the spreads of all layers given the layer before, of z and a relative to their rms, as arrays."""
    act = recipe.act
    zero, saturated = zero_intervals(act, stack.dtype), saturated_intervals(act)

    @cache
    def nearby(place: int, low: int, high: int, width: int, free: float) -> Spreads[float]:
        c = 1 - np.exp(_COARSE * np.array([low, high])) if len(sample.cosines) else np.empty(0)
        batch = Batch(act, np.exp([place * _COARSE]), np.ones(1), c, width, stack.batch, free)
        return relative_spreads(batch, zero, saturated)

    scale = np.zeros(len(flow.q)) if tables(act).sides else np.log(np.clip(flow.q, *_known_q(act)))
    with np.errstate(invalid="ignore"):
        steps = np.rint(np.column_stack([scale, np.log(np.maximum(1 - flow.c[:, 1:], _LEAST_APART))]) / _COARSE)
    steps = np.nan_to_num(steps).astype(int)
    # The biases are free even where the weights keep every length.
    loose = np.round(1 - (1 - np.array(recipe.loose[: len(steps)])) * np.square(_passed(recipe, flow)), 2).tolist()
    each = zip(steps.tolist(), recipe.widths[: len(steps)], loose, strict=True)
    found = [nearby(*place, width, free) for place, width, free in each]
    if len(found) and len(sample.cosines):  # the pairs of layer 1 are known one by one
        middle, apart = float(flow.c[0, 0]), float(flow.c[0, 2] - flow.c[0, 1]) / 2
        scatter = float(sample.cosines.std())
        c = middle + (apart / scatter if scatter else 0.0) * (sample.cosines - float(sample.cosines.mean()))
        batch = Batch(act, flow.q[:1], np.ones(1), c, recipe.widths[0], stack.batch, loose[0])
        found[0] = relative_spreads(batch, zero, saturated)
    return Spreads(*(np.array(column) for column in zip(*found, strict=True)))


_LEAST_APART = 1e-16


def _known_q(act: Activation) -> tuple[float, float]:
    """Return the second moments under and over which relative spreads stay as they are."""
    at = tables(act)
    return max(at.linear_below, 1e-300), 1e300 if at.far is None else FAR_Q


def _backward(
    stack: Stack, recipe: Layers, flow: Flow, drift: Doubles, top: float | None
) -> list[tuple[GradientEstimates, float | None]]:
    depth, slopes = len(flow.q), flow.curves.slope
    if depth < stack.depth or not np.isfinite(slopes).all():
        return [(GradientEstimates(), None)] * depth
    # Of the loss "random": dL/da of the last layer is normal with std 1/batch, and of each input by itself.
    alike = 0.0 if top is None else 1.0
    top = sqrt(float(slopes[-1])) / stack.batch if top is None else top
    back = np.array(recipe.back) * flow.fit
    chi1 = slopes * np.append(back[1:], back[-1:])

    @cache
    def nearby(place: int, low: int, width: int) -> tuple[float, Radial]:
        c = np.array([1 - exp(_COARSE * low)]) if isfinite(flow.c[0, 0]) else np.empty(0)
        batch = Batch(recipe.act, np.exp([place * _COARSE]), np.ones(1), c, width, stack.batch)
        return spread_of_slopes(batch, alike), radial(batch)

    with np.errstate(invalid="ignore", divide="ignore"):
        places = np.log(np.clip(flow.q, *_known_q(recipe.act))), np.log(np.maximum(1 - flow.c[:, 0], _LEAST_APART))
        steps = np.nan_to_num(np.rint(np.column_stack(places) / _COARSE)).astype(int).tolist()
    each = [nearby(*place, width) for place, width in zip(steps, recipe.widths[:depth], strict=True)]
    own, ways = [spread for spread, _ in each[:-1]], [way for _, way in each]
    growth = _growth_down(slopes.tolist(), back.tolist(), stack, ways)
    own_variance = _summed_above(np.square(own))
    spread = np.minimum(np.sqrt(own_variance + _variance_through_q(recipe, flow, drift, top=0.0)), _MOST_FOLD)
    spread_of_rms = spread
    if not alike:
        own_variance += each[-1][0] ** 2
        spread_of_rms = np.minimum(
            np.sqrt(own_variance + _variance_through_q(recipe, flow, drift, top=1.0)), _MOST_FOLD
        )
    ratio = np.exp(np.minimum(growth, _MOST_GROWTH))
    rms = _estimates(top * ratio, top * ratio * spread_of_rms)
    gradients = zip(rms, _estimates(ratio, ratio * spread), strict=True)
    return [(GradientEstimates(*pair), factor) for pair, factor in zip(gradients, chi1.tolist(), strict=True)]


def _growth_down(slopes: Sequence[float], back: Sequence[float], stack: Stack, ways: Sequence[Radial]) -> Doubles:
    """Return ln of the rms of dL/dz of each layer over that of the last.

    A layer multiplies its square by chi1, but for the part that points along the signal, which starts as one direction
    of many: the weights are not independent of it, and it grows by the square of what a deviation of the signal does.
    """
    along = ways[-1].gained / (slopes[-1] or 1.0) / stack.widths[-1]
    growth, scale = np.zeros(len(slopes)), 0.0
    for layer in range(len(slopes) - 2, -1, -1):
        width, way = stack.widths[layer], ways[layer]
        radially = along * stack.columns(layer + 2)  # of the square of dL/da, in units of one direction of many
        squares = slopes[layer] * width + way.along * max(radially - 1, 0.0)
        if not squares * back[layer + 1] > 0:
            growth[: layer + 1] = -np.inf
            break
        scale += log(back[layer + 1] * squares / width) / 2
        growth[layer] = scale
        # What is orthogonal to the activations reaches z by what z f' has that they have not.
        along = (way.kept * radially + max(way.gained - way.kept, 0.0)) / squares
    return growth


def _variance_through_q(recipe: Layers, flow: Flow, drift: Doubles, top: float) -> Doubles:
    """Return the variance that ln rms dL/dz of each layer has because q strays, and the slopes with it.

    A layer hands what ln q strays to the next, times its degree, and the slopes of all layers from there on add up,
    those of the last layer `top` times.
    """
    at = tables(recipe.act)
    lower, upper = (np.log(at.curves(flow.q * np.exp(side * _STEP)).slope) for side in (-1, 1))
    effects = np.clip(np.nan_to_num((upper - lower) / (4 * _STEP)), -_MOST_VARIANCE, _MOST_VARIANCE)
    effects[-1] *= top
    handed_on = np.append(flow.degree[:-1] * _passed(recipe, flow)[1:], 0.0)
    fresh = np.append(drift[:1], np.maximum(drift[1:] - np.square(handed_on[:-1]) * drift[:-1], 0))
    variance = np.zeros_like(drift)
    above, later = 0.0, 0.0
    for layer in range(len(drift) - 1, -1, -1):
        effect = min(max(float(effects[layer]) + float(handed_on[layer]) * above, -_MOST_VARIANCE), _MOST_VARIANCE)
        variance[layer] = min(effect**2 * float(drift[layer]) + later, _MOST_VARIANCE)
        above, later = effect, min(later + effect**2 * float(fresh[layer]), _MOST_VARIANCE)
    return variance


def _summed_above(steps: Doubles) -> Doubles:
    """Return the sum over a layer and those above it but the last, which has none: shape (layers,) of (layers - 1,)."""
    total: Doubles = np.append(steps, 0.0)[::-1].cumsum()[::-1]
    return total


_MOST_FOLD, _MOST_GROWTH = 100.0, 700.0
