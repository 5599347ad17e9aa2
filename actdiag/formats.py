"""Number formats: their range, their precision, and the names that users give them."""

from dataclasses import dataclass
from math import floor, log10
from types import MappingProxyType

from actdiag.errors import check_choice


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """A binary floating-point format.

    Attributes:
        name: Its name, as numpy spells it.
        bits: The bits of a number.
        digits: The explicit bits of the significand.
        normal: The smallest normal number.
        most: The largest finite number.
        statistic_error: The relative error that arithmetic in this format leaves in a statistic of a layer.
    """

    name: str
    bits: int
    digits: int
    normal: float
    most: float
    statistic_error: float

    @property
    def bytes(self) -> int:
        """The bytes of a number."""
        return self.bits // 8

    @property
    def ulp(self) -> float:
        """The distance from 1 to the next larger number."""
        return 2.0**-self.digits

    @property
    def least(self) -> float:
        """The smallest number above 0, subnormals included."""
        return self.normal * self.ulp

    @property
    def rounds_to_zero(self) -> float:
        """Magnitudes at or under this become zero."""
        return self.normal * 2.0 ** -(self.digits + 1)

    @property
    def decades(self) -> range:
        """The powers of ten whose decades hold the magnitudes above 0: the lowest is at or under `least`."""
        return range(floor(log10(self.least)), floor(log10(self.most)) + 1)


FORMATS = MappingProxyType(
    {
        one.name: one
        for one in (
            NumberFormat("float16", 16, 10, 2.0**-14, 65504.0, 3e-2),
            NumberFormat("bfloat16", 16, 7, 2.0**-126, 2.0**127 * (2 - 2.0**-7), 2e-1),
            NumberFormat("float32", 32, 23, 2.0**-126, 2.0**127 * (2 - 2.0**-23), 3e-6),
            NumberFormat("float64", 64, 52, 2.0**-1022, 2.0**1023 * (2 - 2.0**-52), 1e-13),
        )
    }
)
"""Formats by name. Source: IEEE 754-2019; bfloat16: Wang & Kanwar 2019."""

ARITHMETIC = ("float32", "float64")
"""The formats that a stack can run in."""


def arithmetic_format(name: object) -> NumberFormat:
    """Return the format of a stack's arithmetic.

    Raises:
        InvalidField: A stack cannot run in it.
    """
    return FORMATS[check_choice("dtype", name, ARITHMETIC)]
