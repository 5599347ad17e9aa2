"""What an activation is, and the registry that every family registers with."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

from actdiag.arrays import Array
from actdiag.registry import Registry

Elementwise = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Activation:
    """All that is known of one activation function. Nothing here is measured or fitted; traits are derived from it.

    An elementwise activation gives `derivative`; a structured one, whose units look at several pre-activations, gives
    `backward` instead. Every function keeps the dtype of its argument (float32 or float64).

    Attributes:
        name: The name, with the parameters that differ from their defaults.
        value: z, shape (rows, pieces * width), to a, shape (rows, width).
        formula: f(x) as text, in ASCII.
        source: Where it was defined.
        derivative: f'(z), elementwise; its value at a kink is the entry's convention.
        backward: (z, d_a) to d_z: the vector-Jacobian product of a structured activation.
        pieces: How many pre-activations one unit takes.
        kinks: The points where the derivative jumps.
        bounds: The closed hull of the range of f.
        saturates: The sides whose plateaus count as saturation.
        slope_derivative: df/dslope at z, where the slope of the negative side is learned.
        slope: That slope at initialization.
        sloped: The same activation with another slope: one number, or an array shaped like z.
        slope_range: The range that training draws a slope for every entry from, where it does so.
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

    def __post_init__(self) -> None:
        """Refuse an entry that has both or neither of `derivative` and `backward`."""
        object.__setattr__(self, "kinks", tuple(self.kinks))
        if (self.derivative is None) == (self.backward is None):
            message = f"activation {self.name}: give derivative (elementwise) or backward (structured), one of them"
            raise ValueError(message)

    def pull_back(self, z: Array, d_a: Array) -> Array:
        """Return dL/dz, shaped like `z`, from dL/da, shaped like `value(z)`."""
        if self.backward is not None:
            return self.backward(z, d_a)
        assert self.derivative is not None
        return d_a * self.derivative(z)


ACTIVATIONS: Registry[Activation] = Registry(field="act", kind="activation", entry=Activation)
register = ACTIVATIONS.register
