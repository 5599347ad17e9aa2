"""Cuts that cover everything once, and memory that is reused within one thread and never between two."""

from math import inf, nan
from threading import Barrier

import numpy as np
import pytest

from actdiag.arrays import cut, row_blocks
from actdiag.engine.blocks import REDUCED, in_double, in_order, pieces, release, rows_added, scratch
from actdiag.engine.workers import Workers

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("size", [1, 3, 10, 11, 99])
@pytest.mark.parametrize("total", [0, 1, 10, 33])
def test_cuts_cover_the_whole_in_order(total, size):
    parts = [list(range(total))[part] for part in cut(total, size)]
    assert [item for part in parts for item in part] == list(range(total))
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts)
    assert all(part.stop <= total for part in cut(total, size))


@pytest.mark.parametrize(
    ("batch", "widest", "rows"),
    [
        (1, 100, 1),
        (500, 100, 500),  # as many rows as fill a block at least
        (1000, 100, 1000),
        (2000, 100, 1310),
        (6000, 100, 1500),  # four blocks
        (100_000, 100, 5242),  # as many rows as a block has at most
        (100_000, 4096, 512),
        (100_000, 10**6, 512),
    ],
)
def test_blocks_of_rows_are_neither_too_small_nor_too_large(batch, widest, rows):
    blocks = row_blocks(batch, widest)
    assert blocks == list(cut(batch, rows))


@pytest.mark.parametrize(
    ("shape", "entries", "rows"),
    [((10, 3), 7, [2] * 5), ((10, 3), 12, [4, 4, 2]), ((3, 100), 7, [1] * 3), ((4, 2), 8, [4]), ((2, 1), 1, [1, 1])],
)
def test_pieces_are_as_many_rows_as_fit_but_one_at_least(shape, entries, rows):
    x = np.zeros(shape)
    assert [len(x[piece]) for piece in pieces(x, entries)] == rows


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scratch_is_one_array_for_each_use_and_dtype(dtype):
    first = scratch("one use", (3, 4), dtype)
    assert (first.shape, first.dtype, first.flags.c_contiguous) == ((3, 4), dtype, True)
    assert np.shares_memory(first, scratch("one use", (12,), np.dtype(dtype)))
    assert not np.shares_memory(first, scratch("another use", (3, 4), dtype))
    other = "float64" if dtype == "float32" else "float32"
    assert not np.shares_memory(first, scratch("one use", (3, 4), other))
    assert scratch("one use", (3, 4), other).dtype == other


def test_scratch_grows_and_stays_large():
    small = scratch("growing", (2, 3), "float32")
    large = scratch("growing", (50, 30), "float32")
    assert large.shape == (50, 30)
    assert not np.shares_memory(small, large)
    assert np.shares_memory(large, scratch("growing", (2, 3), "float32"))
    assert np.shares_memory(large, scratch("growing", (30, 50), "float32"))


def test_large_arrays_are_given_back_and_small_ones_kept():
    small, large = scratch("small", (2**17,), "float64"), scratch("large", (2**17 + 1,), "float64")
    release()
    assert np.shares_memory(small, scratch("small", (5,), "float64"))
    assert not np.shares_memory(large, scratch("large", (5,), "float64"))


def test_two_threads_never_share_memory():
    barrier = Barrier(2)

    def ask(item):
        barrier.wait(5)
        return scratch("shared?", (100,), "float32")

    with Workers(2) as workers:
        arrays = [*workers.map(ask, range(2)), scratch("shared?", (100,), "float32")]
    assert not any(np.shares_memory(arrays[one], arrays[other]) for one, other in ((0, 1), (0, 2), (1, 2)))


WIDE = 2 * REDUCED
SHAPES = [(1, 1), (7, 3), (1000, 300), (3, WIDE), (REDUCED, 1), (REDUCED + 1, 1)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_doubles_are_the_rows_in_float64(shape, dtype):
    x = RNG.standard_normal(shape).astype(dtype)
    kept = x.copy()
    parts = [(part.copy(), np.shares_memory(part, x)) for part in in_double(x)]
    assert {part.dtype for part, _ in parts} == {np.dtype("float64")}
    assert np.array_equal(np.concatenate([part for part, _ in parts]), x.astype(np.float64))
    assert all(part.size <= max(REDUCED, shape[1]) for part, _ in parts)
    assert {shared for _, shared in parts} == {dtype == "float64"}
    assert np.array_equal(x, kept)


def test_doubles_of_a_part_of_an_array():
    x = RNG.standard_normal((500, 700)).astype("float32")
    for part in (x[:, 100:600], x[::2], x.T, x[:0]):
        copies = [piece.copy() for piece in in_double(part)]
        assert np.array_equal(np.concatenate([np.zeros((0, part.shape[1])), *copies]), part.astype(np.float64))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (40, 7), (5,)])
def test_entries_in_order(shape, dtype):
    x = RNG.standard_normal(shape).astype(dtype)
    x.flat[::3], x.flat[1::7], x.flat[2::9] = nan, inf, -inf
    kept = x.copy()
    ordered = in_order(x)
    low, high, lost = x[x == -inf], x[x == inf], x[np.isnan(x)]
    expected = np.concatenate([low, sorted(x[np.isfinite(x)]), high, lost])
    assert (ordered.dtype, ordered.shape) == (x.dtype, (x.size,))
    assert np.array_equal(ordered, expected, equal_nan=True)
    assert np.array_equal(x, kept, equal_nan=True)
    assert not np.shares_memory(ordered, x)


@pytest.mark.parametrize("shape", [(0, 3), (1, 4), (40, 7), (REDUCED, 1)])
def test_the_rows_of_a_piece_are_added_up(shape):
    piece = RNG.integers(-1000, 1000, shape).astype(float)
    assert rows_added(piece).tolist() == piece.sum(axis=0).tolist()
