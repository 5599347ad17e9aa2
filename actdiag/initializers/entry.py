"""What an initializer is, and the registry that every family registers with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import check_real
from actdiag.registry import Registry

Sampler = Callable[[np.random.Generator, int, int, str], Array]

Family = Literal["normal", "uniform", "truncated_normal", "sparse", "orthogonal", "fixed", "other"]
"""What a weight matrix is drawn from: independent entries of a distribution, a random orthogonal matrix, or nothing."""

LARGEST_SCALE = 1e30
"""The largest std, limit or constant accepted: weights beyond it overflow float32 at once."""


@dataclass(frozen=True, slots=True)
class Initializer:
    """How a layer's weights are drawn, and what theory knows of them.

    Attributes:
        name: The name, with the parameters that differ from their defaults.
        sample: (rng, fan_in, fan_out, dtype) to weights of shape (fan_in, fan_out) in that dtype.
        variance: (fan_in, fan_out) to the variance of one weight.
        distribution: The weights' distribution, in words for display.
        source: Where it was defined.
        sample_bias: The same as `sample` for a layer's biases, shape (fan_out,); None where they are zero.
        bias_variance: (fan_in, fan_out) to the variance of one bias.
        mean_field: Whether weights are independent (or orthogonal) enough for mean-field theory.
        fits_batch: Whether the weights are then scaled to give the pre-activations of the batch a std of 1.
        averages_fans: Whether the variance is laid out for the mean of both fans: a compromise between what the signal
            and what the gradient asks for.
        copies: How many arrays of the weights' size a layer takes at its peak, draw and gradient included.
        family: What the weights are drawn from; "other" for independent weights of a distribution of one's own.
    """

    name: str
    sample: Sampler
    variance: Callable[[int, int], float]
    distribution: str
    source: str
    sample_bias: Sampler | None = None
    bias_variance: Callable[[int, int], float] = lambda fan_in, fan_out: 0.0
    mean_field: bool = True
    fits_batch: bool = False
    averages_fans: bool = False
    copies: int = 3
    family: Family = "other"

    def std(self, fan_in: int, fan_out: int) -> float:
        """Return the std of one weight."""
        return math.sqrt(self.variance(fan_in, fan_out))


INITIALIZERS: Registry[Initializer] = Registry(field="init", kind="initializer", bare="std", entry=Initializer)
register = INITIALIZERS.register


def check_scale(field: str, value: float) -> float:
    """Return a std or limit as a float above 0, or raise InvalidField."""
    return check_real(field, value, 0.0, LARGEST_SCALE, open_below=True)
