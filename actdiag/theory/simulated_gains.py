"""The gains of units that look at several pre-activations, by simulation: there are no integrals of them in theory."""

from functools import lru_cache
from math import exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory.recommendation import LEAST_APART, MOST_CHANGED, Recommendation, grown, too_alike

LEAST_ERROR = 1e-4
"""The relative standard error of the forward gain at which no more is drawn."""

_DRAWN, _LEAST_POINTS, _FEWEST, _MOST = 2**18, 2**11, 8, 64
"""Numbers in a set of points, the least points, and how many sets there are at least and at most."""

_UNITS = 8
"""In a layer that shows whether a unit looks at the pre-activations of others."""

_STEPS, _HOMOGENEOUS = 20, 1e-9
"""Of Newton's method, at most; how near to 1 chiq is where the gain is the same at every scale."""

_PAIRS, _MOST_LAYERS = 2**19, 1000
"""Numbers in the pairs of pre-activations that the cosine is followed by, and the layers that it is followed over."""

_SEED = 0


class Simulated(NamedTuple):
    """Expectations of one unit over pre-activations N(0, scale^2), and what they come to.

    Attributes:
        scale: The rms of the pre-activations.
        second: E a^2.
        slope: E |d_z|^2 over all pre-activations of the unit, for d_a = 1.
        mixed: q times the derivative of `second` after q, the second moment of the pre-activations.
        error: The relative standard error of the forward gain.
    """

    scale: float
    second: float
    slope: float
    mixed: float
    error: float

    @property
    def forward_gain(self) -> float:
        """The gain that preserves a signal of that rms."""
        return float(self.scale * self.second**-0.5)

    @property
    def backward_gain(self) -> float | None:
        """The gain that preserves the gradient under such a signal; None where no gradient passes."""
        return float(self.slope**-0.5) if self.slope else None

    @property
    def chi1(self) -> float:
        """The factor of the second moment of the gradient a layer at the forward gain."""
        return self.forward_gain**2 * self.slope

    @property
    def chiq(self) -> float:
        """The factor of a small deviation of the second moment of the signal a layer there."""
        return self.mixed / self.second


def looks_at_the_layer(act: Activation) -> bool:
    """Return whether a unit looks at pre-activations of other units, as that of a softmax does."""
    z = np.random.default_rng(_SEED).standard_normal((_UNITS, _UNITS * act.pieces))
    d_a = np.zeros((_UNITS, _UNITS))
    d_a[:, 0] = 1.0
    return bool(np.count_nonzero(act.pull_back(z, d_a), axis=1).max() > act.pieces)


@lru_cache(maxsize=256)
def simulated(act: Activation, scale: float = 1.0) -> Simulated | None:
    """Return the expectations of a structured activation; None where they depend on the width of a layer or are 0.

    The points are scrambled Sobol sequences, set after set, until the forward gain is known well enough.
    """
    if looks_at_the_layer(act):
        return None
    sets: list[Doubles] = []
    error = inf
    while len(sets) < _FEWEST or (error > LEAST_ERROR and len(sets) < _MOST):
        z = scale * _points(act.pieces, max(_DRAWN // act.pieces, _LEAST_POINTS), len(sets))
        a = act.value(z)
        d_z, along = act.pull_back(z, np.ones_like(a)), np.sum(z * act.pull_back(z, a), axis=1)
        sets.append(np.array([np.mean(a * a), np.mean(np.sum(d_z * d_z, axis=1)), np.mean(along)]))
        second, slope, mixed = np.mean(sets, axis=0).tolist()
        if not 0 < second < inf:
            return None
        if len(sets) >= _FEWEST:
            error = float(np.std([one[0] for one in sets], ddof=1)) / sqrt(len(sets)) / second / 2
    return Simulated(scale, second, slope, mixed, error)


def from_normal_inputs(act: Activation) -> Simulated | None:
    """Return the expectations at the scale where the forward gain preserves N(0, 1) inputs from layer 1 on: E a^2 = 1.

    Where Newton's method does not come to it, those at scale 1.
    """
    found = start = simulated(act)
    for _ in range(_STEPS):
        if found is None or not found.mixed > 0:
            return start
        if abs(found.second - 1) < LEAST_ERROR or abs(found.chiq - 1) < _HOMOGENEOUS:
            return found
        step = -log(found.second) / (2 * found.chiq)
        found = simulated(act, found.scale * exp(min(max(step, -1.0), 1.0)))
    return start


def _points(pieces: int, count: int, seed: int) -> Doubles:
    """Return N(0, 1) numbers, shape (points, pieces): about `count` points of a scrambled Sobol sequence."""
    from scipy.special import ndtri
    from scipy.stats.qmc import Sobol

    uniform = Sobol(pieces, seed=np.random.default_rng([_SEED, seed])).random_base2(count.bit_length() - 1)
    points: Doubles = ndtri(np.clip(uniform, 1e-300, 1 - 1e-16))
    return points


def recommend_simulated(act: Activation, depth: int) -> Recommendation:
    """Return the recommended gain of a structured activation: without biases it preserves N(0, 1) inputs.

    Args:
        act: A structured activation.
        depth: The number of layers.
    """
    found = from_normal_inputs(act)
    if found is None:
        return Recommendation(1.0, 0.0, _without_gain(act), False, depth)
    gain, passed = found.forward_gain, depth - 1
    change = f"the gradient changes by x{sqrt(found.chi1):.3g} per layer"
    keeps = f"by simulation, this gain preserves N(0, 1) inputs, and {change}"
    if passed * abs(log(found.chi1)) / 2 > log(MOST_CHANGED) if found.chi1 else passed > 0:
        return Recommendation(gain, 0.0, f"none is good: {keeps}. Use fewer layers", False, depth)
    if found.chiq > 1 and passed * log(found.chiq) > log(MOST_CHANGED):
        grows = f"a deviation of the signal grows by {grown(found.chiq)} per layer"
        return Recommendation(gain, 0.0, f"none is good: {keeps}, but {grows}. Use fewer layers", False, depth)
    layers, cosine = aligned_after(act, found, depth)
    if 1 - cosine <= LEAST_APART:
        return Recommendation(gain, 0.0, too_alike(layers, cosine, ["fewer layers"]), False, depth)
    return Recommendation(gain, 0.0, keeps, True, depth)


def aligned_after(act: Activation, found: Simulated, depth: int) -> tuple[int, float]:
    """Return the cosine between orthogonal inputs at the last layer, and the layers; fewer where they align before."""
    z = found.scale * _points(2 * act.pieces, max(_PAIRS // act.pieces, _LEAST_POINTS), 0)
    first, other = z[:, : act.pieces], z[:, act.pieces :]
    a, cosine, layer = act.value(first), 0.0, 0
    while layer < min(depth, _MOST_LAYERS) and 1 - cosine > LEAST_APART:
        beside = act.value(cosine * first + sqrt(max(1 - cosine**2, 0.0)) * other)
        cosine, layer = float(np.mean(a * beside)) / found.second, layer + 1
    return layer, cosine


def _without_gain(act: Activation) -> str:
    if looks_at_the_layer(act):
        return (
            f"none is good: a unit of {act.name} looks at the whole layer, and no gain scales its output alone. Use it "
            "for the output, and an elementwise activation in the layers before"
        )
    return "none is good: the output is 0, or its square is beyond all numbers. Use another activation"
