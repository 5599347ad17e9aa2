"""How far finite width alone lets the scale of a healthy network drift from layer to layer."""

from collections.abc import Iterable
from functools import lru_cache
from math import exp, inf, isnan, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.diagnosis.rule import Interval
from actdiag.measurements import Place
from actdiag.theory.tables import tables

STDS = 4.0
"""The log second moment may drift by this many of its standard deviations."""

_RELU_KURTOSIS = 5.0
_LARGEST_EXPONENT = 20.0
"""exp of more is beyond float64."""

_LEAST_RMS, _MOST_RMS = 1e-70, 1e70
"""Beyond these a fourth moment leaves float64; the response of an activation has long settled there."""


class Response(NamedTuple):
    """How an activation f responds to pre-activations z ~ N(0, rms^2).

    Attributes:
        forward: K of the signal, E[f^4] / E[f^2]^2 - 1: a layer of n units adds K/n to the variance of the log second
            moment. Source: Hanin & Nica 2019, arXiv:1812.05994; Roberts, Yaida & Hanin 2022, arXiv:2106.10165.
        backward: K of the gradient, 3 E[f'^4] / E[f'^2]^2 - 1; likewise.
        degree: d ln rms(f(s z)) / d ln s at s = 1: 1 where f scales with z, 0 where it is saturated; None where it is
            not known.
    """

    forward: float = _RELU_KURTOSIS
    backward: float = _RELU_KURTOSIS
    degree: float | None = None


@lru_cache(maxsize=4096)
def response(act: Activation | None, pre_activation_rms: float | None) -> Response:
    """Return how an activation responds to scale, by Gaussian integrals.

    Where they are not known, for structured activations and where an integral does not exist, both K are 5, that of a
    ReLU.
    """
    if act is None or act.derivative is None or not pre_activation_rms or isnan(pre_activation_rms):
        return Response()
    rms = min(max(pre_activation_rms, _LEAST_RMS), _MOST_RMS)
    with np.errstate(all="ignore"):
        moments = tables(act).curves(np.array([rms]) ** 2)
        forward = float((moments.fourth / moments.second**2)[0]) - 1
        backward = 3 * float((moments.slope_fourth / moments.slope**2)[0]) - 1
        degree = float((moments.mixed / moments.second)[0])
    return Response(
        forward if forward >= 0 else _RELU_KURTOSIS,
        backward if backward >= 0 else _RELU_KURTOSIS,
        None if isnan(degree) else degree,
    )


def explained_change(places: Iterable[Place], *, backward: bool) -> Interval:
    """Return the factors by which an rms may change over layers through finite width alone.

    The log second moment gathers a variance of K/width at every layer, of which a layer passes on the square of its
    activation's degree (never more than all of it: a scale that runs away is a fault). Its median sinks by half of the
    variance.

    Args:
        places: The layers above the one where the change starts.
        backward: Whether the rms is that of the gradient.
    """
    variance = 0.0
    for place in places:
        rms = place.stats.pre_activation.rms
        found = response(place.site.act, None if rms is None else float(f"{rms:.2g}"))  # two digits: few distinct ones
        passed = 1.0 if backward or found.degree is None else min(max(found.degree, 0.0), 1.0) ** 2
        added = (found.backward if backward else found.forward) / place.stats.width
        variance = (passed * variance if passed else 0.0) + added
    drift = STDS * sqrt(variance) / 2  # half: an rms is the root of a second moment
    lowest = inf if variance == inf else drift + variance / 4
    return exp(-min(lowest, _LARGEST_EXPONENT)), exp(min(drift, _LARGEST_EXPONENT))
