"""What an activation is, and the registry that every family registers with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, isfinite
from numbers import Real
from typing import Any, Literal

import numpy as np

from actdiag.arrays import Array
from actdiag.errors import InvalidField, check_real
from actdiag.registry import Missing, Registry, digest_of

LARGEST_PARAMETER = 1e6
"""The largest parameter accepted, either sign."""

OPERATIONS = 4
"""What a function counts for whose own operations are not counted."""

_LEAST_SCALE = 1e-30
_REACH = 8.0

Elementwise = Callable[[Array], Array]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Activation:
    """All that is known of one activation function. Nothing here is measured or fitted; traits are derived from it.

    An elementwise activation gives `derivative`; a structured one, whose units look at several pre-activations, gives
    `backward` instead. Every function keeps the dtype of its argument (float32 or float64).

    Entries of one name from the catalogue, of one expression, or of one `module:function` are equal; others are where
    their names and functions are. A pickle holds the name, or the fields of an entry of one's own, whose functions must
    then be those of a module.

    Attributes:
        name: The name, with the parameters that differ from their defaults.
        value: z, shape (rows, pieces * width), to a, shape (rows, width); NaN where a unit takes a NaN.
        formula: f(x) as text, in ASCII.
        source: Where it was defined.
        derivative: f'(z), elementwise; its value at a kink is the entry's convention. At NaN it is NaN, or one of its
            slopes where f is linear between its kinks.
        backward: (z, d_a) to d_z: the vector-Jacobian product of a structured activation.
        pieces: How many pre-activations one unit takes.
        kinks: The points where the derivative jumps; any iterable of numbers becomes a tuple of floats.
        bounds: The closed hull of the range of f, the low end first; likewise.
        saturates: The sides whose plateaus count as saturation.
        slope_derivative: df/dslope at z, where the slope of the negative side is learned.
        slope: That slope at initialization.
        sloped: The same activation with another slope: one number, or an array shaped like z.
        slope_range: The range that training draws a slope for every entry from, where it does so.
        operations: How many operations one point costs, roughly: what theory integrates at many points is counted so.
    """

    name: str
    value: Elementwise
    formula: str
    source: str
    derivative: Elementwise | None = None
    backward: Callable[[Array, Array], Array] | None = None
    pieces: int = 1
    kinks: tuple[float, ...] = ()
    bounds: tuple[float, float] = (-inf, inf)
    saturates: Literal["none", "below", "above", "both"] = "none"
    slope_derivative: Elementwise | None = None
    slope: float | None = None
    sloped: "Callable[[Any], Activation] | None" = None
    slope_range: tuple[float, float] | None = None
    operations: int = OPERATIONS

    def __post_init__(self) -> None:
        """Check every field but the functions.

        Raises:
            InvalidField: `kinks`, `bounds` or `slope_range` are not numbers, or not in order.
            ValueError: Both or neither of `derivative` and `backward` are given.
        """
        object.__setattr__(self, "kinks", _checked_kinks(self.name, self.kinks))
        object.__setattr__(self, "bounds", _checked_bounds(self.name, self.bounds))
        if self.slope_range is not None:
            object.__setattr__(self, "slope_range", _checked_slopes(self.name, self.slope_range))
        if (self.derivative is None) == (self.backward is None):
            message = f"activation {self.name}: give derivative (elementwise) or backward (structured), one of them"
            raise ValueError(message)

    @property
    def can_run(self) -> bool:
        """Whether its functions are there; of one that was read from a document there may be the name alone."""
        return not isinstance(self.value, Missing)

    def __hash__(self) -> int:
        """The hash of the name: entries are keys of caches that are looked up for every layer."""
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle holds."""
        return ACTIVATIONS.reduced(self, named)

    def __copy__(self) -> "Activation":
        """Return the entry itself, which never changes."""
        return self

    def __deepcopy__(self, memo: object) -> "Activation":
        """Return the entry itself, which never changes."""
        return self

    def fingerprint(self) -> str:
        """Return what tells the activation from others in every process.

        It is the name of one from the catalogue and of an expression. Of one whose functions are others' it ends in a
        digest of what they give on fixed points, to ten digits.
        """
        if ACTIVATIONS.says_all(self):
            return self.name
        rows, units = 4, 12
        z = np.linspace(-_REACH, _REACH, rows * units * self.pieces).reshape(rows, -1)
        with np.errstate(all="ignore"):
            found = self.value(z), self.pull_back(z, np.ones((rows, units)))
        return f"{self.name} {digest_of(self, found)}"

    def pull_back(self, z: Array, d_a: Array) -> Array:
        """Return dL/dz, shaped like `z`, from dL/da, shaped like `value(z)`."""
        if self.backward is not None:
            return self.backward(z, d_a)
        assert self.derivative is not None
        return d_a * self.derivative(z)


def _checked_kinks(name: str, given: object) -> tuple[float, ...]:
    kinks = _numbers(given)
    if kinks is None or not all(map(isfinite, kinks)):
        raise _refused(name, "kinks", "finite numbers", given)
    return kinks


def _checked_bounds(name: str, given: object) -> tuple[float, float]:
    bounds = _numbers(given)
    if bounds is None or len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise _refused(name, "bounds", "two numbers, the low one first", given)
    return bounds


def _checked_slopes(name: str, given: object) -> tuple[float, float]:
    slopes = _numbers(given)
    if slopes is None or len(slopes) != 2 or not -inf < slopes[0] <= slopes[1] < inf:
        raise _refused(name, "slope_range", "two finite numbers, the low one first", given)
    return slopes


def _numbers(given: object) -> tuple[float, ...] | None:
    """Return the numbers of an iterable as floats; None where it is none, or holds anything else."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return None
    listed = list(given)
    if any(isinstance(one, bool) or not isinstance(one, Real) for one in listed):
        return None
    return tuple(map(float, listed))


def _refused(name: str, field: str, accepted: str, given: object) -> InvalidField:
    return InvalidField(field, f"of activation {name} must be {accepted}, got {' '.join(repr(given).split())}")


def check_parameter(field: str, value: float) -> float:
    """Return a parameter of either sign as a float, or raise InvalidField."""
    return check_real(field, value, -LARGEST_PARAMETER, LARGEST_PARAMETER)


def check_scale(field: str, value: float) -> float:
    """Return a parameter above 0 as a float, or raise InvalidField.

    One that float32 rounds to zero is refused, for 0/0 may follow from it.
    """
    return check_real(field, value, _LEAST_SCALE, LARGEST_PARAMETER)


def check_above(field: str, value: float, under: str, low: float) -> None:
    """Refuse a parameter that is not above another, also once both are rounded to float32."""
    if not np.float32(value) > np.float32(low):
        raise InvalidField(field, f"must be above {under} ({low:g}) in float32, got {value:g}")


ACTIVATIONS: Registry[Activation] = Registry(field="act", kind="activation", entry=Activation)
register = ACTIVATIONS.register


def named(name: str) -> Activation:
    """Return the entry of the catalogue under a name: what pickles call."""
    return ACTIVATIONS.resolve(name)
