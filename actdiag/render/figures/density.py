"""The density of activations that theory predicts: of f(z) with z normal."""

from collections.abc import Sequence
from math import isfinite, sqrt

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.formats import FORMATS
from actdiag.theory.types import PreActivationEstimates

_REACH, _PIECES = 8.0, 2000
_MOST_POINTS = 400


def predicted_shares(
    act: Activation, z: PreActivationEstimates, edges: Sequence[float], bins_a_bar: int = 1
) -> tuple[Doubles, Doubles] | None:
    """Return the middles of the bars of a histogram, and the share of entries in each.

    A share is P(f(z) within half a bar of the middle), z ~ N(mean, rms^2 - mean^2), exact zeros left out. Of very many
    bars some are left out. None where theory says nothing of z.

    Args:
        act: An elementwise activation.
        z: What is predicted of the pre-activations.
        edges: The edges of equal bins.
        bins_a_bar: How many neighbouring bins a bar holds.
    """
    if act.derivative is None or z.rms is None or not act.can_run:
        return None
    mean = z.mean.value if z.mean is not None else 0.0
    variance = z.rms.value**2 - mean**2
    if not isfinite(variance):
        return None
    x = np.linspace(-_REACH, _REACH, _PIECES + 1)
    middle = (x[1:] + x[:-1]) / 2
    weights = np.exp(-(middle**2) / 2)
    weights /= weights.sum()
    with np.errstate(all="ignore"):
        a = np.asarray(act.value(mean + sqrt(max(variance, 0.0)) * x), dtype=np.float64)
    before, after = a[:-1], a[1:]
    counted = np.isfinite(before) & np.isfinite(after) & ((before != 0) | (after != 0))
    low, high = np.minimum(before, after)[counted], np.maximum(before, after)[counted]
    weights = weights[counted]
    bins = len(edges) - 1
    half = (edges[-1] - edges[0]) / bins * bins_a_bar / 2
    points = edges[0] + half * np.arange(1, 2 * (bins // bins_a_bar), 2 * -(-bins // bins_a_bar // _MOST_POINTS))
    nudge = 1e-9 * half  # what sits on an edge of the window is in it
    starts, ends = points - half - nudge, points + half + nudge
    # Between two neighbouring x the entries are spread evenly from f to f; where f is flat they are all at one place.
    length = np.maximum(high - low, FORMATS["float64"].normal)
    with np.errstate(over="ignore"):  # far from where f is flat
        shares = [
            float(np.dot(weights, np.clip((end - low) / length, 0, 1) - np.clip((start - low) / length, 0, 1)))
            for start, end in zip(starts, ends, strict=True)
        ]
    middles: Doubles = points.astype(float)
    return middles, np.array(shares)
