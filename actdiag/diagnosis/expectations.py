"""What a healthy stack of finite width and finite batch shows by itself, so that no rule takes it for a fault."""

from functools import lru_cache

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles

_RELU_KURTOSIS = 5.0
_REACH = 8.0


@lru_cache(maxsize=4)
def _normal_grid(points: int) -> tuple[Doubles, Doubles]:
    """Return points of a standard normal and their weights; enough digits for limits that are rules of thumb."""
    y = np.linspace(-_REACH, _REACH, points)
    weights = np.exp(-np.square(y) / 2)
    return y, weights / weights.sum()


@lru_cache(maxsize=4096)
def log_variance(act: Activation, pre_activation_rms: float | None, width: int, backward: bool = False) -> float:
    """Return what one layer of `width` units adds to the variance of a log second moment: K/width.

    Forward K = E[f^4] / E[f^2]^2 - 1, backward K = 3 E[f'^4] / E[f'^2]^2 - 1, over pre-activations N(0, rms^2); both
    are 5 for a ReLU, and taken so for structured activations, whose K is not known here. Source: Hanin & Nica 2019,
    arXiv:1812.05994; Roberts, Yaida & Hanin 2022, arXiv:2106.10165.
    """
    if act.derivative is None or not pre_activation_rms:
        return _RELU_KURTOSIS / width
    y, weights = _normal_grid(2001)
    with np.errstate(all="ignore"):
        f = np.abs((act.derivative if backward else act.value)(pre_activation_rms * y))
        f /= f.max()
        kurtosis = float(np.dot(weights, f**4) / np.dot(weights, f**2) ** 2)
    kurtosis = 3 * kurtosis - 1 if backward else kurtosis - 1
    return (kurtosis if np.isfinite(kurtosis) else _RELU_KURTOSIS) / width


@lru_cache(maxsize=4096)
def degree(act: Activation, pre_activation_rms: float | None) -> float | None:
    """Return d ln rms f(s z) / d ln s at s = 1 for z ~ N(0, rms^2): 1 where scaling z scales f, 0 where f is saturated.

    None for structured activations and where f is not finite.
    """
    if act.derivative is None or not pre_activation_rms:
        return None
    y, weights = _normal_grid(2001)
    step = 1e-3
    with np.errstate(all="ignore"):
        low, high = (act.value(pre_activation_rms * np.exp(side) * y) for side in (-step, step))
        largest = np.abs(high).max()
        change = np.log(np.dot(weights, (high / largest) ** 2) / np.dot(weights, (low / largest) ** 2))
    found = float(change) / (4 * step)
    return found if np.isfinite(found) else None
