"""The gain under which the gradient of a network of some depth is as large at the first layer as at the last."""

from functools import lru_cache
from math import exp, inf, isfinite, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.tables import tables

FEWEST_LAYERS = 10
"""Stacks of fewer layers were not trained, and get the gain of these."""

_BELOW, _ABOVE = 3.0, 4.0
"""How far beyond the forward and the backward gain gains are looked at."""

_COARSE, _FINE, _ROUNDS = 25, 9, 5
"""Gains in the first look, in each closer one, and how many of these there are; what is left is nearly straight."""

_LEAST_LOG_Q, _MOST_LOG_Q = log(1e-6), log(1e6)
"""Beyond these it is certain that the signal vanishes or explodes, and moments are scaled from here."""

_EACH, _A_STRIDE = 100, 32
"""Layers that are all gone through; from there on one in each stretch of this part of the depth reached."""

_ROUNDING = 3e-9
"""Changes of ln q, and differences between two, that may come of the tables alone."""

_BEYOND = 300.0
"""Where the natural logarithm of the change of the signal is beyond this there is no signal."""


class KeptGradient(NamedTuple):
    """A gain that keeps the gradient from the last layer to the first, in mean-field theory.

    Attributes:
        gain: sqrt(fan_in) times the std of a weight.
        signal: The rms of the activations of the last layer over that of the first.
    """

    gain: float
    signal: float


class Changes(NamedTuple):
    """What becomes of N(0, 1) inputs under several gains, as natural logarithms, each of shape (gains,).

    Attributes:
        gradient: rms of dL/dz at layer 1 over that at the last.
        signal: rms of a at the last layer over that at the first.
    """

    gradient: Doubles
    signal: Doubles


def changes(act: Activation, gains: Doubles, bias_std: float, depth: int) -> Changes:
    """Return how gradient and signal change over a stack; roughly where the signal vanishes or explodes.

    Beyond the first 100 layers most are passed over: how far the second moment moves over several follows from how much
    less it moves in one layer than in the layer before.

    Args:
        act: An elementwise activation.
        gains: The gains, shape (gains,).
        bias_std: The std of the biases.
        depth: The number of layers.
    """
    curves = tables(act).curves
    weight = 2 * np.log(gains)
    bias = 2 * log(bias_std) if bias_std else -inf

    def through(log_q: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """Return the logarithms of E f^2, of what a layer does to the square of a gradient, and of the next q."""
        found = curves(np.exp(np.clip(log_q, _LEAST_LOG_Q, _MOST_LOG_Q)))
        second = np.log(found.second) + log_q - np.clip(log_q, _LEAST_LOG_Q, _MOST_LOG_Q)
        return second, weight + np.log(found.slope), np.logaddexp(weight + second, bias)

    with np.errstate(all="ignore"):
        log_q = np.logaddexp(weight, bias)
        first, grown, after = through(log_q)
        second, gradient, layer = first, np.zeros_like(weight), 1
        while layer < depth:
            stride = min(1 + max(layer - _EACH, 0) // _A_STRIDE, depth - layer)
            step = after - log_q
            second, next_grown, next_after = through(after)
            if stride == 1:
                gradient = gradient + grown
                log_q, grown, after = after, next_grown, next_after
            else:
                begun, log_q = grown, log_q + _geometric(step, next_after - after, stride)
                second, grown, after = through(log_q)
                gradient = gradient + stride * (begun + grown) / 2 + (begun - grown) / 2
            layer += stride
        return Changes(gradient / 2, (second - first) / 2)


def _geometric(first: Doubles, second: Doubles, count: int) -> Doubles:
    """Return the sum of `count` terms of the geometric sequence that begins with two given ones."""
    ratio = second / first
    summed = np.where(np.abs(second - first) < _ROUNDING, first * count, first * (1 - ratio**count) / (1 - ratio))
    return np.where((np.abs(first) < _ROUNDING) | ~np.isfinite(summed), 0.0, summed)


@lru_cache(maxsize=64)
def kept_gradient(act: Activation, bias_std: float, depth: int) -> KeptGradient | None:
    """Return the gain under which the gradient is as large at the first layer as at the last; None without one.

    Of several it is the one that changes the signal least.

    In trained stacks of 10 to 60 layers no other number of mean-field theory tells as well which gain trains best
    (`benchmarks/gain_labels.py`): at the critical point of tanh and its kin the signal decays and training is slow.

    Args:
        act: An elementwise activation.
        bias_std: The std of the biases.
        depth: The number of layers.
    """
    depth = max(depth, FEWEST_LAYERS)
    at_one = tables(act).curves(np.array([1.0]))
    named = [float(value) ** -0.5 for value in (at_one.second[0], at_one.slope[0]) if 0 < value < np.inf]
    if not at_one.slope[0] or not named:  # no gradient passes
        return None
    places = np.linspace(np.log(min(named) / _BELOW), np.log(max(named) * _ABOVE), _COARSE)
    found = changes(act, np.exp(places), bias_std, depth)
    best: KeptGradient | None = None
    for at in np.flatnonzero(_crosses(found.gradient)):
        kept = _between(act, bias_std, depth, places[at], places[at + 1])
        if kept is not None and (best is None or abs(np.log(kept.signal)) < abs(np.log(best.signal))):
            best = kept
    return best


def _crosses(gradient: Doubles) -> NDArray[np.bool_]:
    """Return where the gradient no longer vanishes at the next gain, shape (gains - 1,)."""
    with np.errstate(invalid="ignore"):
        crosses: NDArray[np.bool_] = (gradient[:-1] < 0) & (gradient[1:] >= 0)
    return crosses


def _between(act: Activation, bias_std: float, depth: int, low: float, high: float) -> KeptGradient | None:
    """Return the gain between two whose logarithms are given, under the first of which the gradient vanishes."""
    gradient, signals = np.zeros(2), np.zeros(2)
    for _ in range(_ROUNDS):
        places = np.linspace(low, high, _FINE)
        found = changes(act, np.exp(places), bias_std, depth)
        crossing = np.flatnonzero(_crosses(found.gradient))
        if not len(crossing):
            return None
        at = int(crossing[0])
        low, high = float(places[at]), float(places[at + 1])
        gradient, signals = found.gradient[at : at + 2], found.signal[at : at + 2]
    with np.errstate(all="ignore"):
        share = gradient[0] / (gradient[0] - gradient[1])
        place, signal = low + share * (high - low), signals[0] + share * (signals[1] - signals[0])
    return KeptGradient(exp(place), exp(signal)) if isfinite(place) and abs(signal) < _BEYOND else None
