"""Moments, norms and cosines against exact rational arithmetic, on arrays that break naive float sums."""

from fractions import Fraction
from math import inf, nan

import mpmath
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actdiag.engine.blocks import REDUCED
from actdiag.measure.moments import (
    Directions,
    block_moments,
    directions,
    mean_cosine,
    mean_unit_std,
    merge_moments,
    merge_squares,
    pool,
    square_sum,
    squares_of,
    unit_highest,
)
from actdiag.measure.pooled import Pooled, entry_moments, pool_entries, value_range

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


def exact_unit_std(x):
    stds = [exact(column)[1] for column in x.T if np.isfinite(column).sum() >= 2]
    return sum(Fraction(std) for std in stds) / len(stds) if stds else None


def near(expected, scale):
    """Within 1e-6; what cancels to less than that is held to the rounding of float64 at the entries' scale."""
    return expected if expected is None else pytest.approx(float(expected), rel=1e-6, abs=max(1e-13 * scale, 1e-323))


def near_each(values):
    return pytest.approx([float(value) for value in values], rel=1e-6)


def measured(x, *cuts):
    with np.errstate(all="ignore"):  # as the workers have it: overflow and NaN are data
        moments = merge_moments([block_moments(part) for part in np.split(x, cuts) if len(part)])
        return moments, pool(moments), mean_unit_std(moments)


def pooled_entries(x, *cuts):
    with np.errstate(all="ignore"):
        parts = [entry_moments(part) for part in np.split(x, cuts) if len(part)]
        return parts, pool_entries(parts)


def check_entries(x, *cuts):
    parts, pooled = pooled_entries(x, *cuts)
    mean, std, rms = exact(x)
    assert pooled.mean == near(mean, rms or 0.0)
    assert pooled.std == near(std, rms or 0.0)
    assert pooled.rms == near(rms, 0.0)
    assert sum(part.nonfinite for part in parts) == x.size - np.isfinite(x).sum()
    assert sum(part.size for part in parts) == np.isfinite(x).sum()


def check(x, *cuts):
    check_entries(x, *cuts)
    moments, pooled, unit_std = measured(x, *cuts)
    mean, std, rms = exact(x)
    finite = x[np.isfinite(x)].astype(float)
    scale = rms or 0.0
    assert pooled.mean == near(mean, scale)
    assert pooled.std == near(std, scale)
    assert pooled.rms == near(rms, 0.0)
    assert unit_std == near(exact_unit_std(x), scale)
    assert value_range(x) == ((finite.min(), finite.max()) if finite.size else (inf, -inf))
    assert moments.nonfinite == x.size - finite.size
    assert moments.count.tolist() == np.isfinite(x).sum(axis=0).tolist()


@each_array
def test_moments_are_exact(x):
    check(x)


@each_array
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_blocks_do_not_matter(x, rows):
    check(x, *range(rows, len(x), rows))


def test_moments_agree_with_numpy():
    x = ARRAYS["normal32"]
    _, pooled, unit_std = measured(x, 10, 11)
    reference = x.astype(np.float64)
    assert pooled.mean == pytest.approx(reference.mean(), rel=1e-12)
    assert pooled.std == pytest.approx(reference.std(), rel=1e-12)
    assert pooled.rms == pytest.approx(np.sqrt(np.mean(reference**2)), rel=1e-12)
    assert unit_std == pytest.approx(reference.std(axis=0).mean(), rel=1e-12)


@pytest.mark.parametrize("cuts", [(), (1, 3)])
@pytest.mark.parametrize(("dtype", "value"), [("f4", 0.1), ("f4", 3e38), ("f4", 1e-45), ("f8", 0.1), ("f8", 1e17)])
def test_a_constant_has_no_spread(dtype, value, cuts):
    x = np.full((7, 3), value, dtype)
    _, pooled, unit_std = measured(x, *cuts)
    assert (pooled.std, unit_std) == (0.0, 0.0)
    assert pooled.mean == x.flat[0]


def test_a_mean_of_many_ones_is_one():
    ones = np.broadcast_to(np.float32(1), (2**25, 1))  # where a float32 sum stands still at 2^24
    assert pool(merge_moments([block_moments(ones)])).mean == 1


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("ratio", [1, 10, 1e2, 1e3, 2e3, 3e3, 4e3, 1e4, 1e5, 1e6, 1e7])
@pytest.mark.parametrize("cuts", [(), (1, 17)])
def test_a_spread_far_under_the_mean_is_exact(ratio, dtype, cuts):
    for scale in (1, 1e-30, -1e20):
        x = normal(dtype, scale, offset=scale * ratio)
        check(x, *cuts)
        x[0] = 0  # the row that becomes the origin lies away from all others
        check(x, *cuts)


@pytest.mark.parametrize("shape", [(1024, 100), (512, 1024), (40, 5000), (3, 4096), (1000, 1)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("offset", [0, 0.3, 0.9, 1.1, 30])
def test_the_entries_of_whole_layers_agree_with_numpy(shape, dtype, offset):
    for scale in (1, 1e-13, 1e-16, 1e14, 1e18):
        x = normal(dtype, scale, offset=offset * scale, shape=shape)
        reference, pooled = x.astype(np.float64), pooled_entries(x, len(x) // 3)[1]
        bound = 1e-12 if dtype == "f8" else 1e-7
        assert pooled.rms == pytest.approx(np.sqrt(np.mean(reference**2)), rel=bound, abs=0)
        assert pooled.std == pytest.approx(reference.std(), rel=5 * bound, abs=0)
        assert pooled.mean == pytest.approx(reference.mean(), rel=1e-12, abs=1e-14 * pooled.rms)


@pytest.mark.parametrize("cuts", [(), (1, 3)])
@pytest.mark.parametrize(("dtype", "value"), [("f4", 0.1), ("f4", 3e38), ("f4", 1e-45), ("f8", 0.1), ("f8", 1e17)])
def test_equal_entries_have_no_spread(dtype, value, cuts):
    x = np.full((7, 3), value, dtype)
    assert pooled_entries(x, *cuts)[1] == Pooled(x.flat[0], 0.0, x.flat[0])


@pytest.mark.parametrize("shape", [(1, 3), (15, 4), (16, 4), (17, 4), (100, 7), (33, 600)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_highest_of_each_unit(shape, dtype):
    x = normal(dtype, 1, shape=shape)
    for array in (x, np.asfortranarray(x), x[::2]):
        assert unit_highest(array).tolist() == array.max(axis=0).tolist()
    x[-1, 1] = nan
    assert np.array_equal(unit_highest(x), x.max(axis=0), equal_nan=True)


@pytest.mark.parametrize("ratio", [1e9, 1e12])
def test_a_spread_near_the_rounding_of_the_mean_is_exact(ratio):
    check(normal("f8", 1, offset=ratio), 13)


def test_a_unit_far_from_zero_does_not_disturb_the_others():
    x = normal("f8", 1) * [1, 1e-3, 1, 1e3, 1] + [0, 0, 1e7, 0, -1e6]
    check(x)
    stds = np.sqrt(measured(x)[0].squares / len(x))
    assert stds.tolist() == near_each([exact(unit)[1] for unit in x.T])


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("ratio", [0, 1, 1e3, 1e4, 1e6])
def test_pieces_do_not_matter(ratio, dtype):
    low, high = np.array([ratio - 1, ratio + 1], dtype)  # exact in both dtypes
    x = np.where(np.arange(1000)[:, np.newaxis] % 2, low, high) * np.ones(200, dtype)
    assert x.size > 2 * REDUCED
    moments, pooled, unit_std = measured(x)
    assert (pooled.mean, pooled.std, unit_std) == pytest.approx((ratio, 1, 1), rel=1e-9, abs=1e-13)
    assert moments.count.tolist() == [1000] * 200


@pytest.mark.parametrize("x", [np.full((3, 2), nan, "f4"), np.full((3, 2), inf), of("f4", [nan, -inf], [inf, nan])])
def test_nothing_finite_gives_none(x):
    moments, pooled, unit_std = measured(x, 1)
    assert (pooled.mean, pooled.std, pooled.rms, unit_std) == (None,) * 4
    assert moments.nonfinite == x.size


def test_a_block_without_finite_entries_adds_nothing():
    x = ARRAYS["tiny64"]
    hole = np.full((3, 5), nan)
    _, pooled, unit_std = measured(np.concatenate([hole, x, hole]), 3, 3 + len(x))
    assert (pooled, unit_std) == measured(x)[1:]


@st.composite
def cut_arrays(draw, **kinds):
    width = draw(st.sampled_from([32, 64]))
    shape = draw(st.tuples(st.integers(1, 8), st.integers(1, 4)))
    x = draw(hnp.arrays(f"f{width // 8}", shape, elements=st.floats(width=width, **kinds)))
    return x, sorted(draw(st.lists(st.integers(0, shape[0]), max_size=3)))


@settings(deadline=None, database=None, max_examples=300)
@example((np.array([[0.0], [1e-200], [3e-200]]), [1]))
@example((np.array([[LARGEST], [-LARGEST], [LARGEST]]), [1]))
@given(cut_arrays())
def test_any_array_cut_anywhere(cut):
    x, cuts = cut
    check(x, *cuts)


@settings(deadline=None, database=None)
@given(cut_arrays(allow_nan=False, allow_infinity=False))
def test_second_moment_is_mean_and_spread(cut):
    pooled = measured(cut[0], *cut[1])[1]
    assert pooled.rms == pytest.approx(np.hypot(pooled.mean, pooled.std), rel=1e-12, abs=1e-323)


def exact_norm(x):
    return root(sum((Fraction(float(v)) ** 2 for v in x.ravel()), Fraction(0)))


def squared(x, *cuts):
    with np.errstate(all="ignore"):
        return merge_squares([square_sum(np.atleast_2d(part)) for part in np.split(x, cuts)])


def check_squares(x, *cuts):
    squares = squared(x, *cuts)
    with np.errstate(over="ignore"):
        norm, rms = squares.norm, squares.rms
    assert squares.nonfinite == np.count_nonzero(~np.isfinite(x))
    assert rms == near(exact(x)[2], 0.0)
    assert norm == (None if squares.nonfinite else near(exact_norm(x), 0.0))


@each_array
def test_square_sum_is_exact(x):
    check_squares(x)
    check_squares(x, *range(3, len(x), 3))


@settings(deadline=None, database=None, max_examples=200)
@example((np.array([[0.0], [1e-200]]), [1]))
@given(cut_arrays())
def test_square_sum_of_any_array(cut):
    check_squares(cut[0], *cut[1])


def test_square_sum_of_nothing():
    assert square_sum(np.zeros((0, 3))).rms is None


def pairwise_cosine(x):
    """Return the mean cosine over ordered pairs of different usable rows, pair by pair; None under two rows."""
    rows = [row.astype(np.longdouble) for row in x if np.isfinite(row).all() and row.any()]
    rows = [row / np.abs(row).max() for row in rows]
    rows = [row / np.sqrt((row * row).sum()) for row in rows]
    pairs = [a @ b for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
    return float(np.mean(pairs)) if pairs else None


def cosine(x, *cuts):
    with np.errstate(all="ignore"):
        return mean_cosine([directions(part) for part in np.split(x, cuts)])


COSINES = {
    **ARRAYS,
    "parallel": np.outer([1e-30, 1, 1e30], [1, 2, 3]).astype("f4"),
    "opposite": of("f4", [1, 2], [-1, -2]),
    "orthogonal": np.eye(4, dtype="f4"),
    "400 decades apart": of("f8", [1e200, 2e200], [-1e-200, 3e-200], [5e-324, 0]),
    "sums overflow": of("f8", [1.7e308, 1.7e308], [1.7e308, -1.7e308], [-1.7e308, -1.7e308]),
    "rows lost": of("f4", [1, 0], [0, 0], [nan, 1], [inf, 1], [1, 1], [inf, -inf]),
    "one row left": of("f4", [1, 0], [0, 0], [nan, 1]),
}


@pytest.mark.parametrize("cuts", [(), (1,), (1, 2)])
@pytest.mark.parametrize("x", COSINES.values(), ids=COSINES)
def test_cosine_is_the_mean_over_pairs(x, cuts):
    expected = pairwise_cosine(x)
    assert cosine(x, *cuts) == (expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-12))


@settings(deadline=None, database=None, max_examples=200)
@given(cut_arrays())
def test_cosine_of_any_array(cut):
    x, cuts = cut
    expected = pairwise_cosine(x)
    assert cosine(x, *cuts) == (expected if expected is None else pytest.approx(expected, rel=1e-6, abs=1e-12))


def test_cosine_stays_within_one():
    assert cosine(np.full((1000, 3), 0.1, "f4")) == pytest.approx(1, abs=1e-12)
    assert cosine(np.full((1000, 3), 0.1, "f4")) <= 1


def long(dtype, exponents):
    """Several pieces of rows, some of them of zeros, with NaN or inf, or of any magnitude."""
    x = RNG.standard_normal((700, 200)) + 0.1
    x[300:400] = np.ldexp(x[300:400], RNG.integers(*exponents, (100, 1)))
    x[5], x[6, 3], x[350], x[351, 1], x[690:, 7] = 0, nan, 0, -inf, nan
    return x.astype(dtype)


LONG = {"long32": long("f4", (-120, 120)), "long64": long("f8", (-1000, 1000))}


def plain_directions(x):
    """Return the sum of the unit vectors of the rows that have one, row by row, and their number."""
    rows = [row.astype(np.float64) for row in x if np.isfinite(row).all() and row.any()]
    rows = [row / np.abs(row).max() for row in rows]
    return sum(row / np.sqrt((row * row).sum()) for row in rows), len(rows)


@pytest.mark.parametrize("x", [*LONG.values(), ARRAYS["mixed64"], ARRAYS["holes64"], COSINES["400 decades apart"]])
def test_directions_are_those_of_the_rows(x):
    total, count = plain_directions(x)
    with np.errstate(all="ignore"):
        found, alongside = directions(x), Directions(np.zeros(x.shape[1]))
        block_moments(x, also=alongside.add)
    for each in (found, alongside):
        assert each.count == count
        np.testing.assert_allclose(each.total, total, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("offset", [0, 1e7])
def test_every_piece_is_shown_once(offset):
    x, seen = normal("f4", 1, offset, shape=(700, 200)), []
    block_moments(x, also=lambda values: seen.append(values.copy()))
    assert len(seen) > 2
    assert np.array_equal(np.concatenate(seen), x.astype(np.float64))


def test_directions_of_nothing_usable():
    with np.errstate(all="ignore"):
        found = directions(of("f8", [0, 0], [nan, 1], [inf, 0]))
    assert (found.total.tolist(), found.count) == ([0, 0], 0)


def row_squares(x):
    """Return each row's sum of squares as long doubles have it, in float64: inf or 0 beyond that; NaN and inf stay."""
    rows = [row.astype(np.longdouble) for row in x]
    return np.array([row @ row for row in rows]).astype(np.float64)


@pytest.mark.parametrize("x", [*LONG.values(), *ARRAYS.values(), *COSINES.values()])
@pytest.mark.parametrize("cuts", [(), (1,), (1, 1)])
def test_squares_are_those_of_the_rows_in_their_order(x, cuts):
    """Of all rows, those without a direction too: NaN, inf, zeros, and what under- or overflows in float64."""
    with np.errstate(all="ignore"):
        found = squares_of([directions(part) for part in np.split(x, cuts)])
        expected = row_squares(x)
    assert found.shape == (len(x),)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-320)


def test_squares_are_seen_alongside_the_moments():
    x = LONG["long32"]
    with np.errstate(all="ignore"):
        alongside = Directions(np.zeros(x.shape[1]))
        block_moments(x, also=alongside.add)
        np.testing.assert_array_equal(squares_of([alongside]), squares_of([directions(x)]))
    assert len(alongside.parts) > 2


def test_squares_at_the_ends_of_float64():
    x = of("f8", [1e-170, 0], [1e170, 0], [3, 4], [0, 0], [nan, 1], [-inf, 1])
    with np.errstate(all="ignore"):
        found = squares_of([directions(x)])
    np.testing.assert_array_equal(found, [0, inf, 25, 0, nan, inf])
