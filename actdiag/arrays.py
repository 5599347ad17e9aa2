"""The names that annotations use for arrays, and how their rows are cut."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Numbers in the dtype of a stack, float32 or float64."""

Doubles = NDArray[np.float64]
"""Numbers in float64, whatever the stack's dtype."""

Counts = NDArray[np.int64]
"""Whole numbers."""

Numbers = NDArray[Any]
"""Whatever a file or a caller holds, before it is judged."""


class ArrayRecord(NamedTuple):
    """What a document keeps of an array.

    Attributes:
        shape: Its shape.
        digest: Its digest.
    """

    shape: tuple[int, ...]
    digest: str


def digest(array: Numbers) -> str:
    """Return a SHA-256 of what an array holds: its dtype, its shape and its entries, whatever their order in memory."""
    entries = array.astype(array.dtype.newbyteorder("<"), copy=False)
    found = sha256(f"{entries.dtype.str} {entries.shape} ".encode())
    # Python objects, which no stack runs on, have no bytes of their own.
    found.update(repr(entries.tolist()).encode() if entries.dtype.hasobject else np.ascontiguousarray(entries).data)
    return found.hexdigest()


def cut(total: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` (the last one may be shorter) that cover range(total)."""
    for start in range(0, total, size):
        yield slice(start, min(start + size, total))
