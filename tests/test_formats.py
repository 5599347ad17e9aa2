"""Number formats against numpy's own, and bfloat16 against its bits."""

import numpy as np
import pytest

from actdiag.errors import InvalidField
from actdiag.formats import ARITHMETIC, FORMATS, arithmetic_format

NUMPYS = ["float16", "float32", "float64"]


def bfloat16(bits):
    """Return the number of a pattern of 16 bits: the upper half of a float32."""
    return float(np.array([bits << 16], dtype=np.uint32).view(np.float32)[0])


@pytest.mark.parametrize("name", NUMPYS)
def test_numpy_has_the_same_numbers(name):
    ours, theirs = FORMATS[name], np.finfo(name)
    assert (ours.name, ours.bits, ours.digits) == (name, theirs.bits, theirs.nmant)
    assert ours.bytes == np.dtype(name).itemsize
    # numpy would round ours to its own format before it compares
    assert (ours.normal, ours.most) == (float(theirs.smallest_normal), float(theirs.max))
    assert (ours.least, ours.ulp) == (float(theirs.smallest_subnormal), float(theirs.eps))


def test_bfloat16_is_the_upper_half_of_a_float32():
    ours = FORMATS["bfloat16"]
    assert (ours.bits, ours.bytes) == (16, 2)
    assert ours.least == bfloat16(0x0001)
    assert ours.normal == bfloat16(0x0080)
    assert ours.most == bfloat16(0x7F7F)
    assert bfloat16(0x7F80) == np.inf
    assert ours.ulp == bfloat16(0x3F81) - 1
    assert ours.normal - bfloat16(0x007F) == ours.least == ours.normal * ours.ulp
    assert 2**ours.digits * ours.least == ours.normal


@pytest.mark.parametrize("name", NUMPYS)
def test_what_rounds_to_zero(name):
    limit = FORMATS[name].rounds_to_zero
    # Half of the smallest number is a tie, which goes to the even zero; in float64 it is not a number itself.
    assert np.dtype(name).type(limit) == 0
    assert limit == 0.5 * FORMATS[name].least
    if name != "float64":
        assert np.dtype(name).type(np.nextafter(limit, 1)) == FORMATS[name].least


@pytest.mark.parametrize("name", FORMATS)
def test_decades_hold_every_magnitude(name):
    one = FORMATS[name]
    low, high = one.decades[0], one.decades[-1]
    assert low <= np.log10(np.longdouble(one.least)) < low + 1
    assert high <= np.log10(np.longdouble(one.most)) < high + 1
    assert len(one.decades) == high - low + 1


@pytest.mark.parametrize("name", ARITHMETIC)
def test_the_error_of_a_statistic_is_above_the_rounding_and_small(name):
    assert FORMATS[name].ulp < FORMATS[name].statistic_error < 1000 * FORMATS[name].ulp


def test_a_stack_runs_in_two_of_them():
    assert [arithmetic_format(name).bits for name in ARITHMETIC] == [32, 64]
    with pytest.raises(InvalidField, match="dtype must be one of float32, float64, got 'float16'"):
        arithmetic_format("float16")
    with pytest.raises(TypeError):
        FORMATS["float8"] = FORMATS["float16"]
