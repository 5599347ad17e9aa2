"""The gain under which the gradient of a network of some depth is as large at the first layer as at the last."""

from math import exp, isfinite
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
"""Gains in the first look, in each closer one, and how many of these there are: a gain in six digits."""

_LEAST_Q, _MOST_Q = 1e-6, 1e6
"""Beyond these it is certain that the signal vanishes or explodes, and moments are scaled from here."""


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

    Args:
        act: An elementwise activation.
        gains: The gains, shape (gains,).
        bias_std: The std of the biases.
        depth: The number of layers.
    """
    curves = tables(act).curves
    weight = np.square(gains)
    q = weight + bias_std**2
    gradient, first, second = np.zeros_like(q), np.ones_like(q), np.ones_like(q)
    with np.errstate(all="ignore"):
        for layer in range(1, depth + 1):
            known = np.clip(q, _LEAST_Q, _MOST_Q)
            found = curves(known)
            second = found.second * (q / known)
            if layer == 1:
                first = second
            if layer < depth:
                gradient += 0.5 * np.log(weight * found.slope)
            q = weight * second + bias_std**2
        return Changes(gradient, 0.5 * np.log(second / first))


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
    if not named:
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
    signal = 0.0
    for _ in range(_ROUNDS):
        places = np.linspace(low, high, _FINE)
        found = changes(act, np.exp(places), bias_std, depth)
        crossing = np.flatnonzero(_crosses(found.gradient))
        if not len(crossing):
            return None
        at = int(crossing[0])
        low, high = float(places[at]), float(places[at + 1])
        signal = float(found.signal[at])
    return KeptGradient(exp((low + high) / 2), exp(signal)) if isfinite(signal) else None
