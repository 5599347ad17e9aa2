"""Predictions for a network of ops: their moment maps, composed in running order, with the spread of one run.

A value's second moment varies from run to run because every op with weights is a random draw of finite width. To first
order the deviation of its logarithm is a sum over independent sources, one for each node: a vector that ops carry along
as they carry the moment. The gradients' logarithms deviate with the slopes, by sources of their own and by those of the
pre-activations at which the slopes are taken.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import isfinite, isnan, log, nan, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.model.blocks import Node
from actdiag.model.stack import Stack
from actdiag.ops.activation import Activate
from actdiag.ops.entry import Known, Signal
from actdiag.theory.batches import Batch
from actdiag.theory.coarse import relative_spreads
from actdiag.theory.fluctuations import Spreads
from actdiag.theory.gradient_maps import predict_gradients
from actdiag.theory.nodes import LINEAR, MOST_FOLD, PredictedValue, expectations, weights_of
from actdiag.theory.often_bent import REASON
from actdiag.theory.recipe import unlike_theory
from actdiag.theory.regions import (
    chance_within,
    expected_dead_fraction,
    saturated_intervals,
    zero_intervals,
)
from actdiag.theory.sampling import InputSample
from actdiag.theory.shifting import shifted_activation
from actdiag.theory.tables import tables
from actdiag.theory.types import Estimate, LayerEstimates, PreActivationEstimates

_COSINE_STEP = 1e-4
_COARSE = 0.1
"""Steps of ln q and ln(1 - c) within which spreads are taken as the same."""


class Prediction(NamedTuple):
    """What theory predicts of a network.

    Attributes:
        layers: Of each node; empty estimates from where no map applies.
        note: Why not, in words, where a map does not apply.
    """

    layers: tuple[LayerEstimates, ...]
    note: str


@np.errstate(all="ignore")
def predict_nodes(
    stack: Stack, sample: InputSample, input_mean: float, top: float | None = None, *, backward: bool = True
) -> Prediction:
    """Return what theory predicts of every node of a network, running free from the input.

    Args:
        stack: The network.
        sample: The second moments and cosines of its inputs.
        input_mean: The mean of their entries.
        top: The rms of dL/dz of the last node; None for the `random` loss, of which it is known.
        backward: Whether gradients are predicted too.
    """
    second = float(np.dot(sample.shares, sample.seconds))
    cosine = sample.cosine if len(sample.cosines) else nan
    start = Signal(second, input_mean, cosine, stack.data is None and stack.input == "normal", 0)
    scatter = float(sample.cosines.std()) if len(sample.cosines) else 0.0
    values = {0: PredictedValue(start, np.zeros(stack.depth), 0.0, scatter)}
    forward: list[LayerEstimates] = []
    note = ""
    for number, node in enumerate(stack.nodes, 1):
        incoming = [values.get(value) for value in node.reads]
        found = _forward(stack, number, node, [one for one in incoming if one is not None])
        if isinstance(found, str):
            note = found
            break
        values[-number], values[number], estimates = found
        forward.append(estimates)
    if backward and len(forward) == stack.depth:
        gradients = predict_gradients(stack, values, top)
        note = note or next((one for one in gradients if isinstance(one, str)), "")
        forward = [
            layer if isinstance(one, str) else layer._replace(gradient=one)
            for layer, one in zip(forward, gradients, strict=True)
        ]
    return Prediction((*forward, *[LayerEstimates()] * (stack.depth - len(forward))), note)


def _forward(
    stack: Stack, number: int, node: Node, incoming: Sequence[PredictedValue]
) -> tuple[PredictedValue, PredictedValue, LayerEstimates] | str:
    """Return the pre-activations and the activations of a node, and what is predicted there."""
    act, own = node.site.act, number - 1
    known = Known(weights_of(stack, number, node), expectations)
    if stack.weights is not None:
        return f"one layer at a time, by their rms: the weights of {stack.weights.name} are given"
    if not stack.init.mean_field and known.weights is not None:
        return unlike_theory(stack.init)
    if stack.init.fits_batch and known.weights is not None:
        return f"the weights of {stack.init.name} are fitted to the batch"
    if len(incoming) < len(node.reads):
        return "a value that it reads is not predicted"
    z = node.op.predict([one.signal for one in incoming], known)
    a = z if isinstance(z, str) or act is None else Activate(act).predict([z], known)
    if isinstance(z, str):
        return z
    if isinstance(a, str):
        return a
    if isnan(a.second):
        return REASON
    if not (isfinite(z.second) and isfinite(a.second)):
        return "the signal grows beyond all numbers"
    q = max(z.second - z.mean**2, 0.0)
    shifted = shifted_activation(act or LINEAR, z.mean)
    sources, cosine_sd, scatter = _carried(node, incoming, known, z)
    sd = _spreads(stack, node, shifted, q, z, scatter)
    if node.draw is None:
        sources[own] += _cross_noise(incoming, z, node.site.units, stack.batch)
    degree, scatter_a = _degree(shifted, q) if act else 1.0, scatter
    in_z, in_a = sources.copy(), degree * sources
    if node.draw is not None:
        in_z[own] += 2 * sd.z_rms
        in_a[own] += 2 * sd.rms if act else 2 * sd.z_rms
    elif act is not None:
        in_a[own] += 2 * sd.rms
    if act is not None:
        slope = _cosine_slope(act, q, z)
        cosine_sd, scatter_a = sqrt((slope * cosine_sd) ** 2 + sd.cosine**2), slope * scatter
    elif node.draw is not None:
        cosine_sd = sqrt(cosine_sd**2 + sd.cosine**2)
    if node.draw is not None and a.cosine == a.cosine:  # what a layer of so many units adds to the cosines of pairs
        scatter_a = sqrt(scatter_a**2 + (1 - min(a.cosine**2, 1.0)) ** 2 / node.site.units)
    inherited = float(np.linalg.norm(degree * sources)) / 2
    estimates = _estimates(stack, node, z, a, sd, inherited, min(cosine_sd, 1.0), in_z)
    scatter_z = scatter_a if act is None else scatter
    return PredictedValue(z, in_z, cosine_sd, scatter_z), PredictedValue(a, in_a, cosine_sd, scatter_a), estimates


def _carried(node: Node, incoming: Sequence[PredictedValue], known: Known, z: Signal) -> tuple[Doubles, float, float]:
    """Return how z deviates because the values that the node reads do, and how its cosines scatter over pairs."""
    factor = known.weights.forward if known.weights is not None else 1.0
    carried = [factor * one.signal.second for one in incoming]
    if known.weights is None:  # what products of means add deviates with each of the values
        rest = (z.second - sum(carried)) / len(carried)
        carried = [part + rest for part in carried]
    parts = [part / z.second if z.second else 0.0 for part in carried]
    sources = sum(part * one.sources for part, one in zip(parts, incoming, strict=True))
    cosine_sd = sum(part * one.cosine_sd for part, one in zip(parts, incoming, strict=True))
    scatter = sum(part * one.scatter for part, one in zip(parts, incoming, strict=True))
    return np.array(sources, dtype=float), float(cosine_sd), float(scatter)


def _cross_noise(incoming: Sequence[PredictedValue], z: Signal, width: int, batch: int) -> float:
    """Return how far the product of two independent values, averaged over units and batch, moves ln of their sum."""
    if len(incoming) < 2 or not z.second:
        return 0.0
    x, y = (one.signal for one in incoming)
    alike = 0.0 if x.cosine != x.cosine else max(x.cosine * y.cosine, incoming[0].scatter ** 2, 1 / width)
    alike = (1 - 1 / batch) * alike + 1 / batch
    return 2 * sqrt(x.second * y.second * alike / width) / z.second


def _spreads(stack: Stack, node: Node, shifted: Activation, q: float, z: Signal, scatter: float) -> Spreads[float]:
    c = (z.cosine * z.second - z.mean**2) / q if q > 0 else 1.0
    place = round(log(q) / _COARSE) if q > 0 else -10_000
    # Two pairs stand for all, one more and one less alike than the mean by the sd.
    ends = None if c != c else tuple(_step_apart(c + side * min(scatter, 1 - abs(c))) for side in (-1, 1))
    free = 1.0
    if node.draw is not None and stack.init.family == "orthogonal":
        free = max(1 - node.site.columns / node.site.fan_in, 0.0)
    return _coarse_spreads(shifted, place, ends, node.site.units, stack.batch, free, stack.dtype)


@lru_cache(maxsize=1024)
@np.errstate(all="ignore")
def _coarse_spreads(
    act: Activation, place: int, ends: tuple[int, ...] | None, width: int, batch: int, free: float, dtype: str
) -> Spreads[float]:
    c = np.empty(0) if ends is None else 1 - np.exp(_COARSE * np.array(ends))
    given = Batch(act, np.exp([place * _COARSE]), np.ones(1), c, width, batch, free)
    return relative_spreads(given, zero_intervals(act, dtype), saturated_intervals(act))


def _step_apart(c: float) -> int:
    return round(log(max(1 - c, 1e-16)) / _COARSE)


def _degree(act: Activation, q: float) -> float:
    curves = tables(act).curves(np.array([q]))
    return float(curves.mixed[0] / curves.second[0]) if curves.second[0] > 0 else 0.0


def _cosine_slope(act: Activation, q: float, z: Signal) -> float:
    if z.cosine != z.cosine or q <= 0:
        return 0.0
    c = min(max((z.cosine * z.second - z.mean**2) / q, -1 + _COSINE_STEP), 1 - _COSINE_STEP)
    about = expectations(act, z.mean)
    rise = about.cosine(q, c + _COSINE_STEP) - about.cosine(q, c - _COSINE_STEP)
    return rise / (2 * _COSINE_STEP)


def _estimates(
    stack: Stack,
    node: Node,
    z: Signal,
    a: Signal,
    sd: Spreads[float],
    inherited: float,
    cosine_sd: float,
    in_z: Doubles,
) -> LayerEstimates:
    """Return the estimates of a node; `inherited` is the relative deviation of rms(a) that comes from below."""
    act, q = node.site.act, max(z.second - z.mean**2, 0.0)
    root, z_rms, rms = sqrt(q), sqrt(z.second), sqrt(a.second)
    std = sqrt(max(a.second - a.mean**2, 0.0))
    of_root = root * min(float(np.linalg.norm(in_z)) / 2, MOST_FOLD)

    def joined(value: float, own: float) -> Estimate:
        return Estimate(value, sqrt((value * min(inherited, MOST_FOLD)) ** 2 + (own * rms) ** 2))

    share, plateau, dead = None, None, None
    if act is not None:
        shifted, at = shifted_activation(act, z.mean), np.array([q])
        share = Estimate(float(chance_within(zero_intervals(shifted, stack.dtype), at)[0]), sd.zero_fraction)
        saturated = saturated_intervals(shifted)
        plateau = Estimate(float(chance_within(saturated, at)[0]), sd.saturated_fraction) if saturated else None
        c = 0.0 if z.cosine != z.cosine or not q else (z.cosine * z.second - z.mean**2) / q
        chance = expected_dead_fraction(shifted, q, c, stack.batch)
        dead = Estimate(chance, sqrt(chance * (1 - chance) / node.site.units))
    own_rms, own_std = (sd.rms, sd.std) if node.draw is not None or act else (0.0, 0.0)
    own_mean = sd.mean if node.draw is not None or act else sqrt(1 / node.site.units)
    return LayerEstimates(
        mean=joined(a.mean, own_mean),
        std=joined(std, own_std),
        rms=joined(rms, own_rms),
        zero_fraction=share,
        dead_fraction=dead,
        saturated_fraction=plateau,
        cosine=None if a.cosine != a.cosine else Estimate(min(max(a.cosine, -1.0), 1.0), cosine_sd),
        pre_activation=PreActivationEstimates(
            mean=Estimate(z.mean, sd.z_mean * root),
            std=Estimate(root, of_root),
            rms=Estimate(z_rms, of_root * root / z_rms if z_rms else 0.0),
        ),
    )
