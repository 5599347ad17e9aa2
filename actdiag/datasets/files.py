"""Arrays from .npy and .npz files. Nothing is ever unpickled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from actdiag.arrays import Numbers, check_memory
from actdiag.errors import InvalidField


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
    """Turn whatever reading a file raises into an InvalidField of one line: `accepted`, then what came.

    A pipe, which may never have anything to read, is refused.
    """
    try:
        if Path(path).is_fifo():
            raise InvalidField(field, f"{accepted}, got {path!r}, which is a pipe")
        yield
    except InvalidField:
        raise
    except MemoryError:
        raise InvalidField(field, f"{accepted}, got {path!r}: it does not fit in memory") from None
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
        return entry(field, path, archive, key)


def entry(field: str, path: str, archive: Any, key: str) -> Any:
    """Return an entry of an open .npz archive; one that memory does not hold is refused before it is read.

    Raises:
        InvalidField: It does not fit.
    """
    sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.zip.infolist()}
    check_memory(field, sizes.get(key.removesuffix(".npy"), 0), f"its {key} needs", path)
    return archive[key]
