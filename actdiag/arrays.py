"""Arrays: the names that annotations use for them, how their rows are cut, and the memory that there is for them."""

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from actdiag.errors import InvalidField

Array = NDArray[np.floating[Any]]
"""Numbers in the dtype of a stack, float32 or float64."""

Doubles = NDArray[np.float64]
"""Numbers in float64, whatever the stack's dtype."""

Counts = NDArray[np.int64]
"""Whole numbers."""

Flags = NDArray[np.bool_]
"""Whether something holds of each entry."""

Numbers = NDArray[Any]
"""Whatever a file or a caller holds, before it is judged."""


# A block should be large enough for the matrix product (which copies the weights once a block) and for Python's part of
# the work to vanish, small enough to stay in cache, and there should be one for each of a few threads.
_LEAST_ENTRIES, _MOST_ENTRIES = 2**17, 2**19
_FEWEST_ROWS = 512
_BLOCKS_WANTED = 4


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


def row_blocks(batch: int, widest: int) -> list[slice]:
    """Return the blocks of rows that work on a batch is cut into.

    Args:
        batch: The rows.
        widest: The most entries that any array of the work has in a row.
    """
    most, least = (max(entries // widest, _FEWEST_ROWS) for entries in (_MOST_ENTRIES, _LEAST_ENTRIES))
    rows = min(most, max(least, -(-batch // _BLOCKS_WANTED)))
    return list(cut(batch, rows))


def readable_size(count: float) -> str:
    """Return a number of bytes in words: `64.0 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if count < 1024 or unit == "PiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def available_memory() -> int | None:
    """Return the bytes that this process may still take, or None where the system does not tell."""
    known = []
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
        known += [int(found[1]) * 1024] if found else []
    except OSError:
        pass
    if not known and hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = (group / "memory.max").read_text(), (group / "memory.current").read_text()
        known += [int(limit) - int(used)] if limit.strip().isdigit() else []
    except (OSError, ValueError):
        pass
    left = left_of_limits()
    known += [] if left is None else [left]
    return max(min(known), 0) if known else None


def left_of_limits() -> int | None:
    """Return the bytes left of the limits that this process was given, as by `ulimit -v`; None where it was not."""
    try:
        import resource

        held = [int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in Path("/proc/self/statm").read_text().split()]
    except (ImportError, OSError, ValueError):  # not Linux
        return None
    limits = ((resource.RLIMIT_AS, held[0]), (resource.RLIMIT_DATA, held[5]))
    left = [most - now for limit, now in limits if (most := resource.getrlimit(limit)[0]) != resource.RLIM_INFINITY]
    return min(left, default=None)


def check_memory(field: str, needed: int, what: str, got: object) -> None:
    """Refuse what would take more memory than there is, before anything is allocated.

    Args:
        field: The field to blame.
        needed: Bytes.
        what: What needs them.
        got: The value of the field.

    Raises:
        InvalidField: It does not fit.
    """
    available = available_memory()
    if available is not None and needed > available:
        estimate = f"{what} about {readable_size(needed)} and {readable_size(available)} is available"
        raise InvalidField(field, f"must be smaller, {estimate}, got {got!r}")
