"""What a healthy stack of finite width and finite batch shows by itself, so that no rule takes it for a fault."""

from math import erfc, sqrt

import numpy as np

from actdiag.activations import Activation, traits
from actdiag.arrays import Doubles

_RELU_KURTOSIS = 5.0
_REACH = 8.0


def _normal_grid(points: int) -> tuple[Doubles, Doubles]:
    """Return points of a standard normal and their weights; enough digits for limits that are rules of thumb."""
    y = np.linspace(-_REACH, _REACH, points)
    weights = np.exp(-np.square(y) / 2)
    return y, weights / weights.sum()


def log_variance(act: Activation, pre_activation_rms: float | None, width: int) -> float:
    """Return what one layer of `width` units adds to the variance of the log second moment: K/width.

    K = E[f^4] / E[f^2]^2 - 1 over pre-activations N(0, rms^2); 5 for a ReLU, and for structured activations, whose K
    is not known here. Source: Hanin & Nica 2019, arXiv:1812.05994; Roberts, Yaida & Hanin 2022, arXiv:2106.10165.
    """
    kurtosis = _RELU_KURTOSIS
    if act.derivative is not None and pre_activation_rms:
        y, weights = _normal_grid(2001)
        with np.errstate(all="ignore"):
            f = np.abs(act.value(pre_activation_rms * y))
            f /= f.max()
            second, fourth = np.dot(weights, f**2), np.dot(weights, f**4)
            measured = float(fourth / second**2 - 1)
        kurtosis = measured if np.isfinite(measured) else _RELU_KURTOSIS
    return kurtosis / width


def expected_dead_fraction(act: Activation, second_moment: float, correlation: float, batch: int) -> float:
    """Return the share of units that are dead on all of `batch` inputs by chance.

    A unit's pre-activations over the batch share a part y ~ N(0, 1) and differ in the rest: it is dead when all of
    them fall where the activation is flat.

    Args:
        act: An elementwise activation.
        second_moment: q of the pre-activations.
        correlation: Their correlation between inputs, taken as the same for all pairs.
        batch: How many inputs.
    """
    edges = traits(act)
    shared = min(max(correlation, 0.0), 1 - 1e-9)
    y, weights = _normal_grid(601)
    own_std = sqrt(second_moment * (1 - shared))
    if own_std == 0:
        return 0.0

    def flat_chance(common: float) -> float:
        centre = sqrt(second_moment * shared) * common
        below = 0.0 if edges.dead_below is None else erfc((centre - edges.dead_below) / own_std / sqrt(2)) / 2
        above = 0.0 if edges.dead_above is None else erfc((edges.dead_above - centre) / own_std / sqrt(2)) / 2
        return min(below + above, 1.0)

    return float(np.dot(weights, [flat_chance(common) ** batch for common in y]))
