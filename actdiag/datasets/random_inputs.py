"""Inputs and labels that are drawn from the seed."""

from collections.abc import Callable, Sequence

import numpy as np

from actdiag.arrays import Array, Counts, cut
from actdiag.initializers.draws import draw_normal, draw_uniform
from actdiag.streams import Stream, stream

RANDOM_INPUTS = ("normal", "uniform")

_ROWS_OF_A_STREAM = 256

Over = Callable[[Callable[[slice], None], Sequence[slice]], object]


def in_turn(work: Callable[[slice], None], items: Sequence[slice]) -> None:
    """Call `work` with each item, one after the other."""
    for item in items:
        work(item)


def random_rows(
    purpose: Stream, kind: str, seed: int, shape: tuple[int, int], dtype: str, over: Over = in_turn
) -> Array:
    """Return numbers of mean 0 and variance 1, shape (batch, width): N(0, 1) or U(-sqrt 3, sqrt 3).

    Every 256 rows have a stream of their own: a smaller batch is the start of a larger one, and threads may share it.

    Args:
        purpose: What the rows are for.
        kind: `normal` or `uniform`.
        seed: The seed.
        shape: (batch, width).
        dtype: `float32` or `float64`.
        over: Calls a function with each of a sequence of items, like `Workers.map`.
    """
    x = np.empty(shape, dtype=dtype)

    def draw(rows: slice) -> None:
        rng, part = stream(seed, purpose, rows.start // _ROWS_OF_A_STREAM), x[rows]
        part[...] = (
            draw_normal(rng, part.shape, dtype) if kind == "normal" else draw_uniform(rng, part.shape, 3**0.5, dtype)
        )

    over(draw, list(cut(shape[0], _ROWS_OF_A_STREAM)))
    return x


def random_labels(seed: int, batch: int, classes: int) -> Counts:
    """Return labels drawn evenly from 0 to classes - 1, shape (batch,)."""
    return stream(seed, Stream.LABELS).integers(classes, size=batch)
