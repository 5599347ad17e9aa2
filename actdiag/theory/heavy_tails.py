"""Spreads of layers in which a few entries carry the second moment: by simulation, for they are far from normal."""

from functools import lru_cache
from math import sqrt

import numpy as np

from actdiag.arrays import Doubles, Flags
from actdiag.theory.batches import Batch, Batches
from actdiag.theory.fluctuations import Spreads

HEAVY = 10.0
"""Above this kurtosis E f^4 / (E f^2)^2 - 1 spreads are simulated."""

_DRAWN, _FEWEST_DRAWS, _SEED = 2**17, 128, 0

_BEYOND = 1.25
"""Factor by which a run may exceed the farthest draw."""


def simulate(heavy: Flags, given: Batches, sd: Spreads[Doubles], second: Doubles) -> None:
    """Replace the spreads of the layers that have heavy tails.

    Args:
        heavy: Which layers these are.
        given: The pre-activations of the layers.
        sd: Their spreads as `spreads_of_layers` has them, which are overwritten.
        second: The second moments of their activations.
    """
    for layer in np.flatnonzero(heavy).tolist():
        own = Spreads(*(float(column[layer]) for column in sd))
        for column, value in zip(sd, heavy_tailed(given.one(layer), own, sqrt(second[layer])), strict=True):
            column[layer] = value


def heavy_tailed(given: Batch, sd: Spreads[float], rms: float) -> Spreads[float]:
    """Return the spreads of one layer.

    The mean square over the units is drawn many times, for one input each, and its sd is replaced by a fourth of the
    largest deviation; a batch is taken to narrow it as it narrows the sd.

    Args:
        given: The pre-activations.
        sd: Their spreads as `spreads` has them.
        rms: That of the activations.
    """
    place, normals = _drawn(given.width)
    q = given.q[np.minimum(np.searchsorted(np.cumsum(given.shares), place), len(given.q) - 1)]
    with np.errstate(all="ignore"):
        f = given.act.value(np.sqrt(q)[:, np.newaxis] * normals)
        drawn = np.sqrt(np.mean(np.square(f), axis=1))
    of_kurtosis = rms * sqrt(sd.kurtosis / given.width) / 2
    narrowed = min(sd.rms / of_kurtosis, 1.0) if of_kurtosis and sd.rms else 1.0
    reach = narrowed * _BEYOND * float(np.abs(drawn - rms).max()) / 4
    more = max(reach / sd.rms, 1.0) if sd.rms else 1.0
    return sd._replace(rms=max(reach, sd.rms), std=max(more * sd.std, reach), mean=max(more * sd.mean, reach / 2))


@lru_cache(maxsize=4)
def _drawn(width: int) -> tuple[Doubles, Doubles]:
    """Return for each draw a place in [0, 1), which picks an input, and a standard normal for each unit."""
    draws = max(_DRAWN // width, _FEWEST_DRAWS)
    rng = np.random.default_rng(_SEED)
    return rng.random(draws), rng.standard_normal((draws, width))
