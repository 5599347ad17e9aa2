"""Weights in files: those that training has left, and those of others' frameworks."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actdiag.arrays import Array, Numbers, check_memory
from actdiag.datasets.files import entry, reading
from actdiag.datasets.objects import array_of
from actdiag.errors import InvalidField, check_choice
from actdiag.model.weights import Weights, weights_of

LAYOUTS = ("in-out", "out-in")

_ACCEPTED = "must be a .npz or a .safetensors file of weights"
_FIELD, _READOUT = "weights", "readout"
_OURS = ("act", "widths")
"""Entries of a file of this program beside the weights."""

_PARTS = re.compile(r"(weights?|kernel|w|bias(?:es)?|b)(?=$|[._/:\d])", re.IGNORECASE)
_NUMBERS = re.compile(r"(\d+)")
_TYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2"},
    **{"I8": "i1", "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "?"},
}
"""The types of safetensors; bfloat16 is the upper half of a float32."""

_MOST_HEADER = 100_000_000


def read_weights(source: object, layout: str | None, pieces: int = 1) -> Weights:
    """Return the weights of a file, or of pairs (W, b) of arrays.

    Args:
        source: A .npz or .safetensors file, or a sequence of (W, b), layer 1 first; b may be None.
        layout: `in-out` for matrices of shape (fan_in, fan_out), `out-in` for (fan_out, fan_in); None for the first of
            .npz files and pairs and for the second, which is PyTorch's, of .safetensors.
        pieces: How many columns of a matrix a unit takes.

    Raises:
        InvalidField: They are no weights of a chain of layers.
    """
    if layout is not None:
        check_choice("weights_layout", layout, LAYOUTS)
    if isinstance(source, str | Path):
        arrays = _arrays_of(str(source))
        ours = set(_OURS) <= set(arrays)
        named = {key: value for key, value in arrays.items() if key not in _OURS}
        usual = "out-in" if str(source).lower().endswith(".safetensors") else "in-out"
        pairs, readout = _paired(named, str(source))
        square = all(weights.shape[0] == weights.shape[1] for _, weights, _ in pairs)
        if layout is None and square and not ours:
            problem = f"must be one of {', '.join(LAYOUTS)} where every matrix is square, as in {source}"
            raise InvalidField(field="weights_layout", problem=problem)
        return _chain(str(source), pairs, readout, layout or usual, pieces)
    if not isinstance(source, Sequence) or isinstance(source, str) or not len(source):
        raise InvalidField(_FIELD, f"{_ACCEPTED}, or pairs (W, b), got {type(source).__name__}")
    pairs = [_given_pair(number, pair) for number, pair in enumerate(source, 1)]
    return _chain("the arrays", pairs, None, layout or "in-out", pieces)


def save_weights(path: str | Path, weights: Weights, act: str, widths: Sequence[int]) -> None:
    """Write weights to a .npz file: weight_1, bias_1 and so on, readout_weight, readout_bias, act and widths.

    Matrices have shape (fan_in, fan_out).
    """
    arrays: dict[str, Any] = {"act": np.array(act), "widths": np.array(widths)}
    for number, (matrix, biases) in enumerate(weights.layers, 1):
        arrays |= {f"weight_{number}": matrix, f"bias_{number}": biases}
    if weights.readout is not None:
        arrays |= {f"{_READOUT}_weight": weights.readout[0], f"{_READOUT}_bias": weights.readout[1]}
    np.savez(path, **arrays)


def saved_act(path: str | Path) -> str | None:
    """Return the activation that a file of this program names; None of another file."""
    found = _arrays_of(str(path)) if str(path).lower().endswith(".npz") else {}
    return str(found["act"]) if set(_OURS) <= set(found) else None


def _arrays_of(path: str) -> dict[str, Numbers]:
    suffix = path.lower().rpartition(".")[2]
    if suffix not in ("npz", "safetensors"):
        raise InvalidField(field="weights", problem=f"{_ACCEPTED}, got {path!r}")
    with reading("weights", path, _ACCEPTED):
        return _npz(path) if suffix == "npz" else _safetensors(path)


def _npz(path: str) -> dict[str, Numbers]:
    with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {key: np.asarray(entry("weights", path, archive, key)) for key in archive.keys()}


def _safetensors(path: str) -> dict[str, Numbers]:
    """Return the arrays of a safetensors file: a length, a header of JSON, and the numbers.

    Source: the format as huggingface/safetensors describes it.
    """
    content = Path(path).read_bytes()
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(len(content) - 8, _MOST_HEADER):
        raise InvalidField(field="weights", problem=f"{_ACCEPTED}, got {path!r}: not in that format")
    header, body = json.loads(content[8 : 8 + length]), memoryview(content)[8 + length :]
    found = {}
    for name, one in header.items():
        if name == "__metadata__":
            continue
        kind, (start, end), shape = one["dtype"], one["data_offsets"], tuple(one["shape"])
        if kind not in _TYPES:
            raise InvalidField(field="weights", problem=f"must hold numbers, got {kind} in {name} of {path}")
        array = np.frombuffer(body[start:end], dtype=_TYPES[kind]).reshape(shape)
        found[name] = (array.astype("<u4") << 16).view("<f4") if kind == "BF16" else array
    return found


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return what names are sorted by: numbers as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(name)]


def _paired(
    arrays: Mapping[str, Numbers], path: str
) -> tuple[list[tuple[str, Array, Array | None]], tuple[str, Array, Array | None] | None]:
    """Return the matrices with their names and biases, in the order of their names, and those of a readout."""
    groups: dict[str, dict[int, tuple[str, Numbers]]] = {}
    for name in sorted(arrays, key=_in_order):
        array = arrays[name]
        if array.ndim not in (1, 2):
            raise InvalidField(_FIELD, f"must hold matrices and vectors, got shape {array.shape} in {name} of {path}")
        stem = _PARTS.sub("*", name)
        group = groups.setdefault(stem, {})
        if array.ndim in group:
            got = f"got {group[array.ndim][0]} and {name} of {path}"
            raise InvalidField(_FIELD, f"must have one matrix and one vector of biases a layer, {got}")
        group[array.ndim] = name, array
    found, readout = [], None
    for stem, group in groups.items():
        if 2 not in group:
            raise InvalidField(_FIELD, f"must have a matrix beside {group[1][0]}, got none in {path}")
        check_memory("weights", 2 * group[2][1].nbytes, f"its {group[2][0]} needs", path)
        one = group[2][0], _checked(*group[2], path), _checked(*group[1], path) if 1 in group else None
        if stem.lower().startswith(_READOUT):
            readout = one
        else:
            found.append(one)
    if not found:
        raise InvalidField(_FIELD, f"must hold the matrices of layers, got none in {path}")
    return found, readout


def _checked(name: str, array: Numbers, path: str) -> Array:
    if array.dtype.kind not in "biuf":
        raise InvalidField(_FIELD, f"must hold real numbers, got dtype {array.dtype} in {name} of {path}")
    numbers: Array = array if array.dtype in ("float32", "float64") else array.astype(np.float32)
    if not array.size or not np.isfinite(numbers).all():
        raise InvalidField(_FIELD, f"must hold finite numbers, got NaN, inf or none in {name} of {path}")
    return numbers


def _given_pair(number: int, pair: Any) -> tuple[str, Array, Array | None]:
    name = f"pair {number}"
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InvalidField(_FIELD, f"must be pairs (W, b), got {type(pair).__name__} as {name}")
    weights, biases = (None if one is None else array_of("weights", one) for one in pair)
    if weights is None or weights.ndim != 2 or (biases is not None and biases.ndim != 1):
        raise InvalidField(_FIELD, f"must be pairs of a matrix and a vector, got others as {name}")
    return name, _checked(name, weights, "the arrays"), None if biases is None else _checked(name, biases, "the arrays")


def _chain(
    path: str,
    pairs: Sequence[tuple[str, Array, Array | None]],
    readout: tuple[str, Array, Array | None] | None,
    layout: str,
    pieces: int,
) -> Weights:
    """Return the layers, each of which must read what the one before it gives."""
    layers, before = [], None
    for name, matrix, biases in (*pairs, *([readout] if readout else [])):
        weights = matrix.T if layout == "out-in" else matrix
        fan_in, columns = weights.shape
        if before is not None and fan_in != before[1] // pieces:
            got = f"{name} of shape {matrix.shape} after {before[0]}, whose layer has {before[1] // pieces} units"
            raise InvalidField(_FIELD, f"must be a chain of layers ({layout}), got {got}, in {path}")
        if biases is not None and biases.shape != (columns,):
            got = f"{biases.shape[0]} biases beside {name} of shape {matrix.shape}"
            raise InvalidField(_FIELD, f"must have {columns} biases there ({layout}), got {got} in {path}")
        if columns % pieces:
            raise InvalidField(_FIELD, f"must have {pieces} columns a unit, got {columns} in {name} of {path}")
        own = np.zeros(columns, dtype=weights.dtype) if biases is None else biases
        layers.append((np.ascontiguousarray(weights), np.ascontiguousarray(own)))
        before = name, columns
    last = layers.pop() if readout else None
    return weights_of(path, layers, last)
