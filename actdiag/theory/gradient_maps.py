"""Gradients of the nodes of a network, from the last to the first, with the spread of one run."""

from collections.abc import Sequence
from math import exp, log, sqrt
from typing import cast

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.model.stack import Stack
from actdiag.ops.activation import Activate
from actdiag.ops.entry import Known, Signal
from actdiag.theory.batches import Batch
from actdiag.theory.gradient_fluctuations import spread_of_slopes
from actdiag.theory.nodes import LINEAR, MOST_FOLD, STEP, PredictedValue, expectations, weights_of
from actdiag.theory.shifting import shifted_activation
from actdiag.theory.tables import tables
from actdiag.theory.types import Estimate, GradientEstimates


def predict_gradients(
    stack: Stack, values: dict[int, PredictedValue], top: float | None
) -> list[GradientEstimates | str]:
    """Return the gradients of nodes 1 to L; in words why not, where no map applies."""
    depth, nodes = stack.depth, stack.nodes
    alike = 0.0 if top is None else 1.0
    none = np.zeros(3 * depth)  # of the pre-activations, of the slopes, and of what is added up
    at: dict[int, tuple[float, Doubles] | str] = {depth: (1 / stack.batch**2, none)}
    together = (1 - 1 / stack.batch) * max(alike, 1 / max(stack.widths)) + 1 / stack.batch
    found: list[tuple[float, Doubles] | str] = []
    for number in range(depth, 0, -1):
        node, z = nodes[number - 1], values[-number]
        known = Known(weights_of(stack, number, node), expectations)
        incoming = at.pop(number, (0.0, none))
        own = _through(stack, number, z, incoming, alike if number == depth else 0.0)
        if number == depth and top is not None and not isinstance(own, str):
            own = top**2, none
        more = at.pop(-number, None)
        if more is not None:
            own = _added(own, more, together / node.site.columns, 2 * depth + number - 1)
        found.append(own)
        signals = [values[value].signal for value in node.reads]
        for which, value in enumerate(node.reads):
            if not value:
                continue
            factor = node.op.predict_gradient(which, signals, known)
            part: tuple[float, Doubles] | str
            if isinstance(factor, str) or isinstance(own, str):
                part = factor if isinstance(factor, str) else str(own)
            else:
                sources = own[1]
                if node.draw is not None and nodes[abs(value) - 1].site.act is None:
                    sources = sources.copy()
                    sources[depth + abs(value) - 1] += 2 * _slope_spread(stack, LINEAR, values[value].signal, value)
                part = factor * own[0], sources
            if value in at:
                place = 2 * depth + abs(value) - 1
                part = _added(at[value], part, together / stack.widths[abs(value) - 1], place)
            at[value] = part
    last = found[0]
    if top is None and not isinstance(last, str):  # the loss is drawn too
        drawn = sqrt(2 / (stack.batch * stack.widths[-1]))
        return [_estimate(one, last, drawn) for one in reversed(found)]
    return [_estimate(one, last) for one in reversed(found)]


def _added(
    one: tuple[float, Doubles] | str, other: tuple[float, Doubles] | str, noise: float, place: int
) -> tuple[float, Doubles] | str:
    """Return the sum of the second moments of two gradients that are not correlated, and how it deviates.

    Args:
        one: The one.
        other: The other.
        noise: The variance of the mean product of two uncorrelated unit gradients.
        place: The source of that.
    """
    if isinstance(one, str) or isinstance(other, str):
        return one if isinstance(one, str) else other
    total = one[0] + other[0]
    if not total:
        return one
    sources = (one[0] * one[1] + other[0] * other[1]) / total
    sources[place] += 2 * sqrt(one[0] * other[0] * noise) / total
    return total, sources


def _through(
    stack: Stack, number: int, z: PredictedValue, incoming: tuple[float, Doubles] | str, alike: float
) -> tuple[float, Doubles] | str:
    """Return the gradient at the pre-activations of a node from that at its activations."""
    act, depth = stack.nodes[number - 1].site.act, stack.depth
    if act is None or isinstance(incoming, str):
        return incoming
    q = max(z.signal.second - z.signal.mean**2, 0.0)
    shifted = shifted_activation(act, z.signal.mean)
    factor = Activate(act).predict_gradient(0, [z.signal], Known(None, expectations))
    if isinstance(factor, str):
        return factor
    sources = incoming[1].copy()
    sources[:depth] += _slope_degree(shifted, q) * z.sources
    sources[depth + number - 1] += 2 * _slope_spread(stack, shifted, z.signal, number, alike)
    return factor * incoming[0], sources


def _slope_degree(act: Activation, q: float) -> float:
    lower, upper = (float(tables(act).curves(np.array([q * exp(side * STEP)])).slope[0]) for side in (-1, 1))
    return log(upper / lower) / (2 * STEP) if lower > 0 and upper > 0 else 0.0


def _slope_spread(stack: Stack, act: Activation, z: Signal, value: int, alike: float = 0.0) -> float:
    q = max(z.second - z.mean**2, 0.0)
    c = np.empty(0) if z.cosine != z.cosine or not q else np.array([(z.cosine * z.second - z.mean**2) / q])
    return spread_of_slopes(Batch(act, np.array([q]), np.ones(1), c, stack.widths[abs(value) - 1], stack.batch), alike)


def _estimate(
    one: tuple[float, Doubles] | str, last: tuple[float, Doubles] | str, drawn: float = 0.0
) -> GradientEstimates | str:
    for each in (one, last):
        if isinstance(each, str):
            return each
    (moment, sources), (last_moment, last_sources) = cast("Sequence[tuple[float, Doubles]]", (one, last))
    rms, ratio = sqrt(moment), sqrt(moment / last_moment) if last_moment else 0.0
    own = min(sqrt(float(np.dot(sources, sources)) + drawn**2) / 2, MOST_FOLD)
    relative = min(float(np.linalg.norm(sources - last_sources)) / 2, MOST_FOLD)
    return GradientEstimates(rms=Estimate(rms, rms * own), ratio=Estimate(ratio, ratio * relative))
