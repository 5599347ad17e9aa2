"""Inputs and labels: drawn from the seed, or read from .npy and .npz files."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from actdiag.arrays import Array, Counts, Numbers
from actdiag.blocks import cut
from actdiag.errors import InvalidField
from actdiag.initializers.draws import draw_normal, draw_uniform

RANDOM_INPUTS = ("normal", "uniform")
DEFAULT_ROWS = 1000

_ROWS_OF_A_STREAM = 256

Over = Callable[[Callable[[slice], None], Sequence[slice]], object]


def in_turn(work: Callable[[slice], None], items: Sequence[slice]) -> None:
    """Call `work` with each item, one after the other."""
    for item in items:
        work(item)


class Stream(IntEnum):
    """What a stream of random numbers is for; one of each for a layer, so that none depends on another."""

    INPUT = 0
    WEIGHTS = 1
    BIASES = 2
    READOUT = 3
    LABELS = 4
    TARGET = 5
    ORDER = 6
    SLOPES = 7
    SPLIT = 8
    TEACHER = 9


def stream(seed: int, purpose: Stream, part: int = 0) -> np.random.Generator:
    """Return the random numbers of (seed, purpose, part), the same whatever else is drawn.

    A part is a layer, by its number, or a group of rows.
    """
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, int(purpose), part))))


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


def load_input(spec: str | Path, rows: int | None) -> Numbers:
    """Read the first `rows` rows (at most 1000 where None) of FILE.npy or FILE.npz:KEY as (rows, features)."""
    return flatten_input(load_array("input", str(spec)), rows, str(spec))


def flatten_input(array: Numbers, rows: int | None, label: str) -> Numbers:
    """Return the first `rows` rows (at most 1000 where None) of an array of real numbers as (rows, features).

    Raises:
        InvalidField: The array is not real, is empty, has no axes, has fewer rows than asked, or holds NaN or inf.
    """
    check_rows("input", array, label)
    if rows is not None and rows > len(array):
        raise InvalidField(field="batch", problem=f"must be at most {len(array)}, the rows of {label}, got {rows}")
    taken = np.array(array[: rows or DEFAULT_ROWS])
    flat = taken.reshape(len(taken), -1)
    check_finite("input", flat, label)
    return flat


def check_rows(field: str, array: Numbers, label: str) -> None:
    """Refuse an array, called `label`, that is not of real numbers or has no rows or no features."""
    if array.dtype.kind not in "buif":
        raise InvalidField(field, f"must hold real numbers, got dtype {array.dtype} in {label}")
    if array.ndim == 0 or array.size == 0:
        raise InvalidField(field, f"must have rows and features, got shape {array.shape} in {label}")


def check_finite(field: str, rows: Numbers, label: str) -> None:
    """Refuse numbers, shape (rows, features), that hold NaN or inf."""
    finite = np.isfinite(rows)
    if not finite.all():
        row = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise InvalidField(field, f"must hold finite numbers, got NaN or inf in row {row} (from 0) of {label}")


def standardized(data: Numbers) -> Array:
    """Return `data` with every feature shifted and scaled to mean 0 and std 1; a constant feature becomes 0."""
    numbers = data.astype(np.float64)
    largest = np.abs(numbers).max(axis=0)
    numbers /= np.where(largest > 0, largest, 1.0)  # near 1, where no square leaves float64
    numbers -= numbers.mean(axis=0)
    std = numbers.std(axis=0)
    constant = std <= 1e-12  # what rounding leaves of a constant feature, whose largest entry is now 1
    return np.where(constant, 0.0, numbers / np.where(constant, 1.0, std))


def load_labels(spec: str | Path) -> Numbers:
    """Read labels from FILE.npy or FILE.npz:KEY as they stand there; `checked_labels` judges them."""
    return load_array("labels", str(spec))


def checked_labels(labels: Numbers, batch: int, classes: int) -> Counts:
    """Return the first `batch` labels as int64, shape (batch,).

    Raises:
        InvalidField: They are not whole numbers from 0 to classes - 1, one a row, or fewer than `batch`.
    """
    accepted = f"must be whole numbers from 0 to {classes - 1} (one under the classes)"
    if labels.dtype.kind not in "ui":
        raise InvalidField(
            field="labels", problem=f"must be whole numbers from 0 to {classes - 1}, got dtype {labels.dtype}"
        )
    if labels.ndim == 0 or labels.size != len(labels):
        raise InvalidField(field="labels", problem=f"must be one number a row, got shape {labels.shape}")
    if len(labels) < batch:
        raise InvalidField(field="labels", problem=f"must cover the {batch} rows of the input, got {len(labels)}")
    used = labels.reshape(-1)[:batch]
    outside = (used < 0) | (used >= classes)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise InvalidField(field="labels", problem=f"{accepted}, got {used[row]} in row {row} (from 0)")
    return used.astype(np.int64)


def load_array(
    field: str, spec: str, accepted: str = "must be a .npy file or a .npz file with a key after a colon"
) -> Numbers:
    """Read the array of FILE.npy, or of FILE.npz under the key after a colon. Nothing is ever unpickled.

    Args:
        field: The field that names the file, for errors.
        spec: The file and the key.
        accepted: What the field accepts, likewise.

    Raises:
        InvalidField: The file is missing, unreadable or no such file, or the key is missing.
    """
    path, colon, key = spec.rpartition(":")
    if not (colon and path.endswith(".npz")):
        path, key = spec, ""
    if not path.endswith((".npy", ".npz")):
        raise InvalidField(field, f"{accepted}, got {spec!r}")
    with reading(field, path, accepted):
        array = _read_npy(path) if path.endswith(".npy") else _read_npz(field, path, key)
    if not isinstance(array, np.ndarray):
        raise InvalidField(field, f"{accepted}, got {path!r}: not in that format")
    return array


@contextmanager
def reading(field: str, path: str, accepted: str) -> Iterator[None]:
    """Turn whatever reading a file raises into an InvalidField of one line: `accepted`, then what came."""
    try:
        yield
    except InvalidField:
        raise
    except FileNotFoundError:
        raise InvalidField(field, f"{accepted}, got {path!r}, which does not exist") from None
    except OSError as error:
        raise InvalidField(field, f"{accepted}, got {path!r}: {error.strerror or 'not in that format'}") from None
    except Exception as error:  # a damaged file makes numpy's readers raise whatever they stumble on
        holds_objects = "Object arrays" in str(error) or "Python objects" in str(error)
        reason = "it holds Python objects, which are never unpickled" if holds_objects else "not in that format"
        raise InvalidField(field, f"{accepted}, got {path!r}: {reason}") from None


def _read_npy(path: str) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read_npz(field: str, path: str, key: str) -> Any:
    with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        keys = list(archive.keys())
        if not key and len(keys) == 1:
            key = keys[0]
        if key not in keys:
            got = f"no {key!r}" if key else "no key"
            problem = f"must name one of the arrays of {path!r} ({', '.join(keys)}) after a colon, got {got}"
            raise InvalidField(field, problem)
        return archive[key]
