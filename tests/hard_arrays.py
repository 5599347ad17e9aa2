"""Arrays that break naive float sums, and their moments by exact rational arithmetic."""

from fractions import Fraction
from math import inf, nan

import mpmath
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

RNG = np.random.default_rng(0)
LARGEST = float(np.finfo(np.float64).max)


def of(dtype, *rows):
    return np.array(rows, dtype=dtype)


def normal(dtype, scale, offset=0.0, shape=(40, 5)):
    return (offset + scale * RNG.standard_normal(shape)).astype(dtype)


def with_holes(x):
    """NaN and infs at some places, one unit without any finite entry and one with a single one."""
    x = x.copy()
    x[::7, 0], x[1::9, 1], x[2::11, 1] = nan, inf, -inf
    x[:, 2], x[1:, 3] = nan, inf
    return x


ARRAYS = {
    "normal32": normal("f4", 1),
    "normal64": normal("f8", 1),
    "tiny32": normal("f4", 1e-40),
    "smallest32": of("f4", [1e-45, 0], [0, -1e-45], [3e-45, 1e-45]),
    "tiny64": normal("f8", 1e-200),
    "subnormal64": normal("f8", 1e-310),
    "smallest64": of("f8", [5e-324, 0], [0, -5e-324], [1e-323, 5e-324]),
    "huge32": normal("f4", 5e37),
    "largest32": of("f4", [3.4e38, -3.4e38], [3.4e38, 3.4e38], [-3.4e38, 0]),
    "huge64": normal("f8", 1e200),
    "largest64": of("f8", [LARGEST, -LARGEST], [LARGEST, LARGEST], [-LARGEST, 0]),
    "offset32": of("f4", *([0.5 + 1e-5, 0.5 - 1e-5], [0.5 - 1e-5, 0.5 + 1e-5]) * 30),
    "offset64": normal("f8", 1e-9, offset=1e6),
    "far units": normal("f8", 1) + 1e8 * np.arange(5),
    "mixed32": np.ldexp(normal("f4", 1, shape=(60, 4)), RNG.integers(-140, 120, (60, 4))),
    "mixed64": np.ldexp(normal("f8", 1, shape=(60, 4)), RNG.integers(-1000, 1000, (60, 4))),
    "zero rows": of("f8", [0, 0], [1e-200, 2e-200], [0, 0], [3e-200, -1e-200], [0, 0]),
    "one row": of("f4", [1, -2, 1e-40]),
    "holes32": with_holes(normal("f4", 1)),
    "holes64": with_holes(normal("f8", 1e200)),
    "tiny holes64": with_holes(normal("f8", 1e-200)),
    "offset holes32": with_holes(normal("f4", 1e-4, offset=100)),
    "one finite": of("f4", [nan, inf], [2.5, -inf], [nan, nan]),
}
each_array = pytest.mark.parametrize("x", ARRAYS.values(), ids=ARRAYS)


def root(square):
    return float(mpmath.sqrt(mpmath.mpf(square.numerator) / square.denominator))


def exact(x):
    """Return (mean, std, rms) of the finite entries, free of rounding until the last step; None without any."""
    values = [Fraction(float(v)) for v in x.ravel() if np.isfinite(v)]
    if not values:
        return None, None, None
    mean = sum(values) / len(values)
    return (
        float(mean),
        root(sum((v - mean) ** 2 for v in values) / len(values)),
        root(sum(v * v for v in values) / len(values)),
    )


def near(expected, scale):
    """Within 1e-6; what cancels to less than that is held to the rounding of float64 at the entries' scale."""
    return expected if expected is None else pytest.approx(float(expected), rel=1e-6, abs=max(1e-13 * scale, 1e-323))


@st.composite
def cut_arrays(draw, **kinds):
    width = draw(st.sampled_from([32, 64]))
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 4)))
    x = draw(hnp.arrays(f"f{width // 8}", shape, elements=st.floats(width=width, **kinds)))
    return x, sorted(draw(st.lists(st.integers(0, shape[0]), max_size=3)))
