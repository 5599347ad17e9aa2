"""How work is cut to fit the cache, and the memory that a thread reuses from one cut to the next."""

import threading
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actdiag.arrays import Array, Doubles, cut

REDUCED, MAPPED = 2**16, 2**14
"""Entries in a piece: to be gone over several times in cache; to be mapped by functions whose results are fresh memory,
which the system hands out from some size on page by page."""


def pieces(x: Array, entries: int) -> Iterator[slice]:
    """Yield slices of the rows of `x`, shape (rows, columns), of about so many entries."""
    return cut(len(x), max(1, entries // x.shape[1]))


_KEPT = 2**20
"""Bytes of an array that a thread keeps for its next run."""


class _Scratch(threading.local):
    def __init__(self) -> None:
        self.by_use: dict[tuple[str, np.dtype[Any]], NDArray[Any]] = {}


_scratch = _Scratch()


def scratch(use: str, shape: tuple[int, ...], dtype: str | np.dtype[Any]) -> NDArray[Any]:
    """Return an array of any content, which holds until this thread asks again for the same use.

    Fresh memory costs more than most of what is done with it: the system clears and maps every page.
    """
    size, key = prod(shape), (use, np.dtype(dtype))
    buffer = _scratch.by_use.get(key)
    if buffer is None or buffer.size < size:
        buffer = _scratch.by_use[key] = np.empty(size, dtype=dtype)
    return buffer[:size].reshape(shape)


def release() -> None:
    """Give back the large arrays that this thread has for reuse."""
    _scratch.by_use = {use: array for use, array in _scratch.by_use.items() if array.nbytes <= _KEPT}


def in_double(x: Array) -> Iterator[Doubles]:
    """Yield the rows of `x`, shape (rows, columns), in float64, piece by piece.

    A piece may be a view of `x`, so it is not to be written to. It holds until the next one, of whatever array, is
    asked for on this thread.
    """
    for rows in pieces(x, REDUCED):
        part = x[rows]
        if x.dtype != np.float64:
            part = scratch("double", part.shape, "float64")
            np.copyto(part, x[rows])
        yield part.astype(np.float64, copy=False)  # which it is: this tells the type checker


_ONES = np.ones(REDUCED)


def rows_added(piece: Doubles) -> Doubles:
    """Return the sum of each column of a piece of rows, shape (columns,): a product, which goes faster than a sum."""
    total: Doubles = _ONES[: len(piece)] @ piece
    return total


def in_order(x: Array) -> Array:
    """Return the entries of `x`, ascending with NaN last, in an array that holds until this thread asks for another."""
    ordered = scratch("order", x.shape, x.dtype)
    np.copyto(ordered, x)
    ordered = ordered.reshape(-1)
    ordered.sort()
    return ordered
