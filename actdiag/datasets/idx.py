"""MNIST's own files: the IDX format, plain or gzipped, and which files belong together.

The format is two zero bytes, a byte for the type, a byte for the number of axes, the length of every axis in four
bytes, then the numbers, all big-endian. Source: LeCun, Cortes & Burges, The MNIST Database of Handwritten Digits.
"""

import gzip
import math
import re
import zlib
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from actdiag.arrays import Numbers, check_memory
from actdiag.datasets.files import reading
from actdiag.datasets.parts import Part, Raw, data_bytes
from actdiag.errors import InvalidField

_KINDS = ("train-images", "train-labels", "t10k-images", "t10k-labels")
_NAME = re.compile(r"(?:train|t10k)-(?:images([-.])idx3|labels([-.])idx1)-ubyte(\.gz)?")
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_CHUNK, _LOOKS_EVERY = 2**20, 2**24


def is_idx(path: Path) -> bool:
    """Return whether a file is called like one of MNIST's."""
    return _NAME.fullmatch(path.name) is not None


def read_folder(folder: Path, like: str = "") -> Raw:
    """Return what MNIST's files in a folder hold; the two to test on may be missing.

    A file may be gzipped, and may have a dot before `idx`, as on some mirrors.

    Args:
        folder: The folder.
        like: The name of one of the files; of several of a kind, the one that is written like it is read.

    Raises:
        InvalidField: A file is missing or damaged.
    """
    with reading("data", str(folder), "must be a folder of MNIST's IDX files"):
        found = {kind: path for kind in _KINDS if (path := _find(folder, kind, like))}
    for kind in _KINDS if {"t10k-images", "t10k-labels"} & found.keys() else _KINDS[:2]:
        if kind not in found:
            got = f"{str(folder)!r}, which has no {_written(kind, '-', '')}"
            raise InvalidField(field="data", problem=f"must be a folder of MNIST's IDX files, got {got}")
    train = _read_part(found["train-images"], found["train-labels"])
    return Raw(train, _read_part(found["t10k-images"], found["t10k-labels"]) if "t10k-images" in found else None)


def read_idx(path: Path) -> Numbers:
    """Return the array of an IDX file, whether or not it is gzipped, whatever it is called.

    Raises:
        InvalidField: The file is missing or unreadable, or is not of that format to its last byte.
    """
    with reading("data", str(path), "must be an IDX file"), path.open("rb") as file:
        zipped = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        try:
            return _parsed(gzip.GzipFile(fileobj=file) if zipped else file, path)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise _damaged(path, "its gzip stream is cut short or damaged") from None


def _find(folder: Path, kind: str, like: str) -> Path | None:
    match = _NAME.fullmatch(like)
    liked = (match[1] or match[2], match[3] or "") if match else ("-", "")
    ways = [liked, *((hyphen, suffix) for suffix in ("", ".gz") for hyphen in ("-", "."))]
    return next((path for way in ways if (path := folder / _written(kind, *way)).is_file()), None)


def _written(kind: str, hyphen: str, suffix: str) -> str:
    return f"{kind}{hyphen}{'idx3' if kind.endswith('images') else 'idx1'}-ubyte{suffix}"


def _read_part(images: Path, labels: Path) -> Part:
    return Part(read_idx(images), read_idx(labels), (str(images), str(labels)))


def _parsed(file: BufferedIOBase, path: Path) -> Numbers:
    magic = _take(file, 4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise _damaged(path, "it does not start like one")
    dtype, axes = np.dtype(_TYPES[magic[2]]), magic[3]
    header = _take(file, 4 * axes)
    if len(header) < 4 * axes:
        raise _damaged(path, "its header is cut short")
    shape = tuple(np.frombuffer(header, dtype=">u4").tolist())
    size = math.prod(shape) * dtype.itemsize
    content = _take(file, size, lambda taken: _check_room(path, taken, taken // dtype.itemsize))
    if len(content) < size:
        raise _damaged(path, f"it holds {len(content)} bytes of the {size} that its header says")
    if file.read(1):  # which also has gzip compare its checksum
        raise _damaged(path, f"it holds more than the {size} bytes that its header says")
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def _take(file: BufferedIOBase, size: int, look: Callable[[int], None] | None = None) -> bytearray:
    """Return the next `size` bytes, fewer at the end; memory grows with what is there, whatever a header says.

    Args:
        file: Where from.
        size: How many.
        look: Called with how many bytes are there, now and then.
    """
    taken = bytearray()
    while len(taken) < size and (chunk := file.read(min(size - len(taken), _CHUNK))):
        taken += chunk
        if look is not None and len(taken) % _LOOKS_EVERY < _CHUNK:
            look(len(taken))
    return taken


def _check_room(path: Path, held: int, count: int) -> None:
    check_memory("data", held + data_bytes(count), f"the first {count} numbers in it need", str(path))


def _damaged(path: Path, reason: str) -> InvalidField:
    return InvalidField(field="data", problem=f"must be an IDX file, got {str(path)!r}: {reason}")
