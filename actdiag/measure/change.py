"""The change from layer to layer: the slope of the logarithm of what was measured over depth."""

from collections.abc import Sequence
from math import log

import numpy as np

from actdiag.measure.statistics import ChangePerLayer, LayerStats


def change_per_layer(layers: Sequence[LayerStats]) -> ChangePerLayer:
    """Return exp(slope of ln rms over depth): of a towards the last layer, of dL/dz towards the first.

    Layers that are zero or hold something non-finite are left out.
    """
    forward = [(stats.layer, stats.rms) for stats in layers if not stats.nonfinite_fraction and stats.rms]
    backward = [
        (-stats.layer, stats.gradient.rms)
        for stats in layers
        if stats.gradient and not stats.gradient.nonfinite_fraction and stats.gradient.rms
    ]
    return ChangePerLayer(_growth(forward), _growth(backward))


def _growth(points: Sequence[tuple[int, float]]) -> float | None:
    if len(points) < 2:
        return None
    position = np.array([layer for layer, _ in points], dtype=float)
    height = np.array([log(rms) for _, rms in points])
    position -= position.mean()
    slope = float(np.dot(position, height - height.mean()) / np.dot(position, position))
    return float(np.exp(slope))
