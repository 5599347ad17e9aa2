"""What an initializer is, and the registry that every family registers with."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import check_real
from actdiag.registry import Registry, digest_of

Sampler = Callable[[np.random.Generator, int, int, str], Array]

Family = Literal["normal", "uniform", "truncated_normal", "sparse", "orthogonal", "fixed", "other"]
"""What a weight matrix is drawn from: independent entries of a distribution, a random orthogonal matrix, or nothing."""

LARGEST_SCALE = 1e30
"""The largest std, limit or constant accepted: weights beyond it overflow float32 at once."""


def _without_biases(fan_in: int, fan_out: int) -> float:
    return 0.0


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Initializer:
    """How a layer's weights are drawn, and what theory knows of them.

    Entries of one name from the catalogue are equal; others are where their names and functions are. A pickle holds the
    name, or the fields of an entry of one's own, whose functions must then be those of a module.

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
    bias_variance: Callable[[int, int], float] = _without_biases
    mean_field: bool = True
    fits_batch: bool = False
    averages_fans: bool = False
    copies: int = 3
    family: Family = "other"

    def __hash__(self) -> int:
        """The hash of the name."""
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle holds."""
        return INITIALIZERS.reduced(self, named)

    def __copy__(self) -> "Initializer":
        """Return the entry itself, which never changes."""
        return self

    def __deepcopy__(self, memo: object) -> "Initializer":
        """Return the entry itself, which never changes."""
        return self

    def fingerprint(self) -> str:
        """Return what tells the initializer from others in every process.

        It is the name of one from the catalogue. Of one's own it ends in a digest of what its functions give at fixed
        fans, to ten digits.
        """
        if INITIALIZERS.says_all(self):
            return self.name
        at = 7, 5
        found = [self.sample(np.random.default_rng(0), *at, "float64"), self.variance(*at), self.bias_variance(*at)]
        if self.sample_bias is not None:
            found.append(self.sample_bias(np.random.default_rng(0), *at, "float64"))
        return f"{self.name} {digest_of(self, found)}"

    def std(self, fan_in: int, fan_out: int) -> float:
        """Return the std of one weight."""
        return math.sqrt(self.variance(fan_in, fan_out))


INITIALIZERS: Registry[Initializer] = Registry(field="init", kind="initializer", bare="std", entry=Initializer)
register = INITIALIZERS.register


def named(name: str) -> Initializer:
    """Return the entry of the catalogue under a name: what pickles call."""
    return INITIALIZERS.resolve(name)


def check_scale(field: str, value: float) -> float:
    """Return a std or limit as a float above 0, or raise InvalidField."""
    return check_real(field, value, 0.0, LARGEST_SCALE, open_below=True)
