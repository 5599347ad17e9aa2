"""Moments against exact rational arithmetic, on arrays that break naive float sums."""

from fractions import Fraction
from math import inf, nan

import numpy as np
import pytest
from hard_arrays import ARRAYS, LARGEST, cut_arrays, each_array, exact, near, normal, of
from hypothesis import example, given, settings

from actdiag.engine.blocks import REDUCED
from actdiag.measure.moments import block_moments, mean_unit_std, merge_moments, pool, unit_highest
from actdiag.measure.pooled import Pooled, entry_moments, pool_entries, value_range


def exact_unit_std(x):
    stds = [exact(column)[1] for column in x.T if np.isfinite(column).sum() >= 2]
    return sum(Fraction(std) for std in stds) / len(stds) if stds else None


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
    assert moments.counts.tolist() == np.isfinite(x).sum(axis=0).tolist()


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
    assert moments.counts.tolist() == [1000] * 200


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


@pytest.mark.parametrize("offset", [0, 1e7])
def test_every_piece_is_shown_once(offset):
    x, seen = normal("f4", 1, offset, shape=(700, 200)), []
    block_moments(x, also=lambda values: seen.append(values.copy()))
    assert len(seen) > 2
    assert np.array_equal(np.concatenate(seen), x.astype(np.float64))
