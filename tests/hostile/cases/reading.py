"""Files of every format that is read: damaged, lying about their size, of another kind, or no files at all."""

import contextlib
import gzip
import io
import math
import os
import socket
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from hostile.case import Case, nothing

_SMALL = ("--depth", "2", "--width", "3")
_TRAIN = ("train", *_SMALL, "--init", "he", "--iterations", "1", "--batch", "2")
_ENDS = frozenset({0, 2})


def _npy(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def _header(text: str, version=(1, 0), data=b"") -> bytes:
    """Return a .npy file of any header."""
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text.encode("latin1") + data


def _declared(shape: str, descr="'<f8'", order="False", data=b"\0" * 96) -> bytes:
    return _header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n", data=data)


_GOOD = np.arange(12.0).reshape(4, 3)

ARRAYS = {
    "empty": b"",
    "magic alone": b"\x93NUMPY",
    "half a header": _npy(_GOOD)[:40],
    "half the data": _npy(_GOOD)[:-20],
    "more data": _npy(_GOOD) + b"\0" * 100,
    "another magic": b"\x92NUMPY" + _npy(_GOOD)[6:],
    "version 9": _header("{}", (9, 0)),
    "a header of 4 GiB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{",
    "no header": _header(""),
    "a header of text": _header("hello"),
    "a header of code": _header("__import__('os').system('echo')"),
    "a deep header": _header("[" * 60_000),
    "nested": _header("{'descr': " * 900 + "'<f8'" + "}" * 900),
    "a header of another kind": _header("[1, 2]"),
    "keys missing": _header("{'descr': '<f8'}"),
    "keys too many": _header("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), 'x': 1}"),
    "pickled": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x02os\x8c\x06system\x93.",
    "objects": _npy(np.array([{}, []], dtype=object), allow_pickle=True),
    "records": _npy(np.zeros(4, dtype=[("a", "f4"), ("b", "O")]), allow_pickle=True),
    "structured": _npy(np.zeros((4, 3), dtype=[("a", "f4"), ("b", "i4")])),
    "texts": _npy(np.array([["a", "bc"]])),
    "bytes": _npy(np.array([[b"a", b"bc"]])),
    "void": _npy(np.zeros((4, 3), dtype="V8")),
    "dates": _npy(np.zeros((4, 3), dtype="M8[s]")),
    "complex": _npy(_GOOD * 1j),
    "halves": _npy(_GOOD.astype("float16")),
    "long doubles": _npy(_GOOD.astype(np.longdouble)),
    "truth values": _npy(_GOOD > 1),
    "big-endian": _npy(_GOOD.astype(">f8")),
    "columns first": _npy(np.asfortranarray(_GOOD)),
    "columns first, half": _npy(np.asfortranarray(_GOOD))[:-20],
    "a number": _npy(np.float64(1.0)),
    "a row": _npy(np.arange(4.0)),
    "five axes": _npy(np.zeros((4, 1, 2, 1, 3))),
    "sixty axes": _declared("(" + "1," * 60 + ")"),
    "seventy axes": _declared("(" + "1," * 70 + ")"),
    "no rows": _npy(np.zeros((0, 3))),
    "no features": _npy(np.zeros((4, 0))),
    "no entries of many rows": _declared("(10**18, 0)"),
    "no entries at all": _declared(f"({10**18}, 0)"),
    "a huge shape": _declared(f"({10**18}, 10)"),
    "a shape that overflows": _declared(f"({2**62}, {2**62})"),
    "a shape of 300 digits": _declared(f"({10**300}, 1)"),
    "a huge shape, columns first": _declared(f"({10**18}, 10)", order="True"),
    "less than nothing": _declared("(-1, 3)"),
    "a shape of floats": _declared("(4.0, 3)"),
    "a shape of truth": _declared("(True, 3)"),
    "a shape of text": _declared("'43'"),
    "no shape": _declared("None"),
    "an order of 7": _declared("(4, 3)", order="7"),
    "an odd type": _declared("(4, 3)", descr="'<q9'"),
    "a type of 0 bytes": _declared("(4, 3)", descr="'V0'"),
    "a type of 0 letters": _declared("(4, 3)", descr="'U0'"),
    "a type of 2 GiB": _declared("(4, 3)", descr="'V2147483647'"),
    "a type within a type": _declared("(4,)", descr="('<f8', (3,))"),
    "a type of objects": _declared("(4, 3)", descr="'|O'"),
    "nan": _npy(np.full((4, 3), np.nan)),
    "inf": _npy(np.array([[1, np.inf], [0, 0]])),
    "inf at the end": _npy(np.vstack([np.zeros((999, 2)), [[0, -np.inf]]])),
    "huge numbers": _npy(np.full((4, 3), 1e308)),
    "tiny numbers": _npy(np.full((4, 3), 5e-324)),
    "the largest whole": _npy(np.full((4, 3), 2**64 - 1, dtype="u8")),
    "the least whole": _npy(np.full((4, 3), -(2**63), dtype="i8")),
    "constant": _npy(np.ones((4, 3))),
    "zeros": _npy(np.zeros((4, 3))),
    "huge and tiny": _npy(np.array([[1e308, 5e-324], [-1e308, 0]])),
}
"""Contents of .npy files."""


def _npz(entries: dict[str, bytes], **options) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _data(x=None, y=None, **more) -> dict[str, bytes]:
    x = np.eye(8, 3) if x is None else x
    y = np.arange(8) % 2 if y is None else y
    return {"x_train.npy": _npy(x), "y_train.npy": _npy(y)} | {
        f"{name}.npy": _npy(value) for name, value in more.items()
    }


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


_ZIP = {"compression": zipfile.ZIP_DEFLATED}
_SET = _npz(_data(), **_ZIP)

SETS = {
    "empty": b"",
    "no archive": b"hello",
    "an archive of nothing": _npz({}),
    "half an archive": _SET[: len(_SET) // 2],
    "the end alone": _SET[-22:],
    "an array": _npy(_GOOD),
    "a damaged entry": _flipped(_SET, 60),
    "a damaged directory": _flipped(_SET, len(_SET) - 60),
    "text before it": b"#!/bin/sh\n" * 50 + _SET,
    "text after it": _SET + b"x" * 100,
    "entries that are no arrays": _npz({"x_train": b"hello", "y_train": b"0"}),
    "entries without suffix": _npz({name.removesuffix(".npy"): content for name, content in _data().items()}),
    "odd names": _npz({"../x.npy": _npy(_GOOD), "/etc/x.npy": _npy(_GOOD), "\x1b[31m.npy": _npy(_GOOD), ".npy": b""}),
    "ten thousand entries": _npz({f"k{number}.npy": b"" for number in range(10_000)}),
    "a long name": _npz({"k" * 5000 + ".npy": _npy(_GOOD)}),
    "objects": _npz(_data() | {"x_train.npy": ARRAYS["objects"]}),
    "a huge shape": _npz(_data() | {"x_train.npy": ARRAYS["a huge shape"]}),
    "a header of 4 GiB": _npz(_data() | {"x_train.npy": ARRAYS["a header of 4 GiB"]}),
    "half an array": _npz(_data() | {"x_train.npy": ARRAYS["half the data"]}),
    "labels too few": _npz(_data(y=np.arange(7))),
    "labels that are no whole numbers": _npz(_data(y=np.linspace(0, 1, 8))),
    "labels of nan": _npz(_data(y=np.full(8, np.nan))),
    "labels under 0": _npz(_data(y=np.arange(8) - 1)),
    "huge labels": _npz(_data(y=np.full(8, 2**63 - 1))),
    "larger labels": _npz(_data(y=np.full(8, 2**64 - 1, dtype="u8"))),
    "many classes": _npz(_data(y=np.arange(8) * 1428)),
    "one class": _npz(_data(y=np.zeros(8, dtype=int))),
    "labels of truth": _npz(_data(y=np.arange(8) > 3)),
    "one-hot labels": _npz(_data(y=np.eye(8, dtype=int))),
    "one label": _npz(_data(x=np.ones((1, 3)), y=np.zeros(1, dtype=int))),
    "no rows": _npz(_data(x=np.ones((0, 3)), y=np.zeros(0, dtype=int))),
    "no features": _npz(_data(x=np.ones((8, 0)))),
    "a number": _npz(_data(x=np.float64(1), y=np.int64(0))),
    "texts": _npz(_data(x=np.array(["a"] * 8))),
    "complex": _npz(_data(x=np.ones((8, 3)) * 1j)),
    "nan": _npz(_data(x=np.full((8, 3), np.nan))),
    "huge numbers": _npz(_data(x=np.full((8, 3), 1e308))),
    "tiny numbers": _npz(_data(x=np.full((8, 3), 5e-324))),
    "huge and tiny": _npz(_data(x=np.diag([1e308, 5e-324, -1e308, 1, 0, 0, 0, 0]))),
    "constant": _npz(_data(x=np.ones((8, 3)))),
    "a test without labels": _npz(_data(x_test=np.eye(8, 3))),
    "a test of other features": _npz(_data(x_test=np.eye(8, 4), y_test=np.arange(8))),
    "a test of no rows": _npz(_data(x_test=np.ones((0, 3)), y_test=np.zeros(0, dtype=int))),
    "a test of other classes": _npz(_data(x_test=np.eye(8, 3), y_test=np.arange(8))),
    "zeros that grow": _npz(
        {"x_train.npy": _declared(f"({10**8}, 1)", data=bytes(2**22)), "y_train.npy": b""},
        compression=zipfile.ZIP_DEFLATED,
    ),
}
"""Contents of .npz files."""


def _idx(shape, data=b"", kind=0x08, magic=b"\0\0", axes=None) -> bytes:
    head = magic + bytes([kind, len(shape) if axes is None else axes])
    return head + b"".join(struct.pack(">I", size) for size in shape) + data


_IMAGES, _LABELS = _idx((8, 2, 2), bytes(range(32))), _idx((8,), bytes([0, 1] * 4))

IDX = {
    "empty": b"",
    "short": b"\0\0",
    "another magic": _idx((8, 2, 2), bytes(32), magic=b"\1\0"),
    "an odd type": _idx((8, 2, 2), bytes(32), kind=0x0A),
    "no axes": _idx((), b"\1"),
    "255 axes": _idx((1,) * 255, b"\1"),
    "axes without sizes": _idx((), axes=3),
    "a huge shape": _idx((2**32 - 1,) * 3, bytes(100)),
    "a huge shape of 255 axes": _idx((2**32 - 1,) * 255, bytes(100)),
    "no rows": _idx((0, 2, 2)),
    "no pixels": _idx((8, 0, 2)),
    "half the data": _IMAGES[:-16],
    "more data": _IMAGES + b"\0",
    "floats of nan": _idx((8, 1), np.full(8, np.nan, dtype=">f4").tobytes(), kind=0x0D),
    "doubles": _idx((8, 1), np.full(8, 1e308, dtype=">f8").tobytes(), kind=0x0E),
    "signed": _idx((8, 1), bytes(range(250, 256)) + b"\0\1", kind=0x09),
    "labels": _LABELS,
    "one row more": _idx((9, 2, 2), bytes(36)),
    "gzip of nothing": gzip.compress(b""),
    "half a gzip": gzip.compress(_IMAGES)[:-12],
    "a damaged gzip": _flipped(gzip.compress(_IMAGES), 20),
    "a gzip of another sum": _flipped(gzip.compress(_IMAGES), len(gzip.compress(_IMAGES)) - 6),
    "the start of a gzip": b"\x1f\x8b",
    "a gzip within a gzip": gzip.compress(gzip.compress(_IMAGES)),
    "two gzips": gzip.compress(_IMAGES[:20]) + gzip.compress(_IMAGES[20:]),
    "text after a gzip": gzip.compress(_IMAGES) + b"hello",
    "zeros after a gzip": gzip.compress(_IMAGES) + bytes(100),
    "a gzip that grows": gzip.compress(_idx((2**20, 1, 1), bytes(100)) + bytes(2**24)),
}
"""Contents of train-images-idx3-ubyte."""

_TABLE = b"a,b,label\n1,2,x\n3,4,y\n5,7,x\n6,8,y\n"


def _parquet(columns: dict[str, object]) -> bytes:
    import polars

    buffer = io.BytesIO()
    polars.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


TABLES = {
    "good": _TABLE,
    "empty": b"",
    "blank lines alone": b"\n\n\n",
    "spaces": b"   \n",
    "a header alone": b"a,b,label\n",
    "no header": _TABLE.split(b"\n", 1)[1],
    "half a row": _TABLE[:-4],
    "a quote that is never closed": _TABLE + b'"1,2',
    "a row more": _TABLE + b"1,2,x,4\n",
    "nan": _TABLE + b"nan,2,x\n",
    "no value": _TABLE + b",2,x\n",
    "no label": _TABLE + b"1,2,\n",
    "inf": _TABLE + b"1,-inf,x\n",
    "1e400": _TABLE + b"1,1e400,x\n",
    "1e39": _TABLE + b"1,1e39,x\n",
    "text": _TABLE + b"1,red,x\n",
    "another base": _TABLE + b"0x10,2,x\n",
    "5000 digits": _TABLE + b"9" * 5000 + b",2,x\n",
    "columns of one name": _TABLE.replace(b"b", b"a", 1),
    "columns without a name": _TABLE.replace(b"a,b", b","),
    "labels alone": b"label\nx\ny\n",
    "one row": _TABLE[:16],
    "one label": _TABLE.replace(b"y", b"x"),
    "two columns of labels": _TABLE.replace(b"b,", b"y,", 1),
    "a mark of order": b"\xef\xbb\xbf" + _TABLE,
    "lines of Windows": _TABLE.replace(b"\n", b"\r\n"),
    "lines of old Macs": _TABLE.replace(b"\n", b"\r"),
    "quoted commas": _TABLE.replace(b"x", b'"x, or ""z"""').replace(b"a,", b'"a, c",', 1),
    "UTF-16": _TABLE.decode().encode("utf-16"),
    "not UTF-8": _TABLE + b"1,2,\xff\n",
    "null": _TABLE + b"1,2\0,x\n",
    "null alone": bytes(100),
    "colours": _TABLE + b"1,\x1b[31m,x\n",
    "a gzip": gzip.compress(_TABLE),
    "a long cell": _TABLE + b"1," + b"2" * 2**21 + b",x\n",
    "many columns": b"".join(b"c%d," % one for one in range(10**5)) + b"label\n" + (b"1," * 10**5 + b"x\n") * 3,
    "many columns without a name": b"," * 10**5 + b"label\n" + b"1," * 10**5 + b"x\n",
}
"""Contents of .csv files."""


def _parquets() -> dict[str, bytes]:
    """Return contents of .parquet files."""
    good = _parquet({"a": [1.0, 2.0, 4.0, 5.0], "label": ["x", "y"] * 2})
    return {
        "good": good,
        "empty": b"",
        "half": good[: len(good) // 2],
        "the end alone": good[-8:],
        "the marks alone": b"PAR1" + bytes(50) + b"PAR1",
        "a damaged page": _flipped(good, 20),
        "a damaged end": _flipped(good, len(good) - 6),
        "text": _TABLE,
        "no rows": _parquet({"a": [], "label": []}),
        "no value": _parquet({"a": [1.0, None], "label": ["x", "y"]}),
        "no label": _parquet({"a": [1.0, 2.0], "label": ["x", None]}),
        "numbers as text": _parquet({"a": ["1", "2"], "label": ["x", "y"]}),
        "lists": _parquet({"a": [[1.0], [2.0]], "label": ["x", "y"]}),
        "structs": _parquet({"a": [{"x": 1}, {"x": 2}], "label": ["x", "y"]}),
        "truth values": _parquet({"a": [True, False], "label": [True, False]}),
    }


TOML = {
    "empty": b"",
    "a number": b"3",
    "half a table": b"[saturation",
    "an array": b"[[saturation]]\nhigh = 1",
    "not UTF-8": b"[saturation]\nhigh = '\xff'",
    "a mark of order": b"\xef\xbb\xbf[saturation]\nhigh = 0.4",
    "UTF-16": "[saturation]\nhigh = 0.4".encode("utf-16"),
    "null": b"[saturation]\nhigh = 0.4\0",
    "twice": b"[saturation]\nhigh = 0.4\n[saturation]\nhigh = 0.4",
    "a date": b"[saturation]\nhigh = 2020-01-01",
    "inf": b"[saturation]\nhigh = inf",
    "-inf": b"[saturation]\nhigh = -inf",
    "nan": b"[saturation]\nhigh = nan",
    "310 digits": b"[saturation]\nhigh = " + b"9" * 310,
    "5000 digits": b"[saturation]\nhigh = " + b"9" * 5000,
    "1e400": b"[saturation]\nhigh = 1e400",
    "deep": b"[saturation]\nhigh = " + b"[" * 100_000,
    "deep names": b"[" + b".".join([b"a"] * 5000) + b"]",
    "long": b"#" * 2**20 + b"\n[saturation]\n",
    "many tables": b"".join(b"[a%d]\n" % number for number in range(10_000)),
    "an odd name": b'["\x7f"]\n',
    "an empty name": b'[""]\n',
    "another rule": b"[saturated]\nhigh = 1",
    "another key": b"[saturation]\nhih = 1",
    "another kind": b"[saturation]\nhigh = 'x'",
    "truth": b"[saturation]\nhigh = true",
    "a table": b"[saturation.high]\nx = 1",
    "no table": b"saturation = 1",
    "low over high": b"[dead_units]\nlow = 2\nhigh = 1",
    "a severity": b"[saturation]\nseverity = 'fatal'",
    "an error": b"[saturation]\nseverity = 'error'",
    "enabled": b"[saturation]\nenabled = 1",
    "all disabled": b"[saturation]\nenabled = false\n[vanishing_gradient]\nenabled = false",
}
"""Contents of files of rules."""

READERS = {
    "x.npy": [
        ("propagate", *_SMALL, "--input", "x.npy"),
        ("propagate", *_SMALL, "--input", "x.npy", "--standardize", "--dtype", "float64"),
        ("grad-flow", *_SMALL, "--batch", "4", "--loss", "mse", "--labels", "x.npy"),
        (*_TRAIN, "--data", "x.npy,x.npy"),
    ],
    "d.npz": [
        (*_TRAIN, "--data", "d.npz"),
        (*_TRAIN, "--data", "d.npz", "--scale", "raw", "--lr", "auto"),
        ("propagate", *_SMALL, "--input", "d.npz:x_train"),
        ("grad-flow", *_SMALL, "--input", "d.npz:x_train", "--labels", "d.npz:y_train", "--loss", "cross-entropy"),
    ],
    "train-images-idx3-ubyte": [(*_TRAIN, "--data", "."), (*_TRAIN, "--data", "train-images-idx3-ubyte")],
    "x.csv": [
        (*_TRAIN, "--data", "x.csv"),
        (*_TRAIN, "--data", "x.csv", "--label-column", "2", "--task", "regression"),
        ("grad-flow", *_SMALL, "--input", "x.csv", "--labels", "x.csv", "--loss", "cross-entropy", "--scale", "auto"),
    ],
    "x.parquet": [(*_TRAIN, "--data", "x.parquet")],
    "r.toml": [
        ("propagate", *_SMALL, "--batch", "3", "--rules", "r.toml"),
        ("explain", "--rules", "r.toml", "saturation"),
        ("compare", *_SMALL, "--batch", "3", "--rules", "r.toml", "--fail-on", "saturation"),
    ],
}
"""Each file, and the commands that read it."""


def _write(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    if "idx" in name:
        Path("train-labels-idx1-ubyte").write_bytes(_LABELS)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    files = {"x.npy": ARRAYS, "d.npz": SETS, "train-images-idx3-ubyte": IDX, "x.csv": TABLES, "r.toml": TOML}
    if find_spec("polars"):
        files["x.parquet"] = _parquets()
    for name, contents in files.items():
        for what, content in contents.items():
            make = partial(_write, name, content)
            for arguments in READERS[name]:
                yield Case(f"{name}: {what}", arguments, frozenset({0, 2, 3}), "Error: --", make=make)
        for what, make in _no_files(name).items():
            codes = _ENDS if (name, what) == ("r.toml", "a link to /dev/null") else frozenset({2})
            for arguments in READERS[name]:
                yield Case(f"{name}: {what}", arguments, codes, "Error: --", make=make)
    train = (*_TRAIN, "--data")
    for what, labels in {
        "nothing": b"",
        "too few": _idx((7,), bytes(7)),
        "images": _IMAGES,
        "many classes": _idx((8,), bytes([255] * 8)),
        "half a gzip": gzip.compress(_LABELS)[:9],
    }.items():
        yield Case(f"labels: {what}", (*train, "."), _ENDS, "Error: --data ", make=partial(_labelled, labels))
    array, archive = partial(_write, "x.npy", _npy(_GOOD)), partial(_write, "d.npz", _SET)
    for names in ("x.npy", "x.npy,", ",x.npy", "x.npy,x.npy,x.npy", "x.npy;x.npy", ",".join(["x.npy"] * 5), ","):
        yield Case("lists of files", (*train, names), said="Error: --data ", make=array)
    for arguments, option in {
        (*_TRAIN, "--data", "x.npy,x.npy"): "data",
        (*_TRAIN, "--data", "x.npy,y.npy"): "data",
        (*_TRAIN, "--data", "y.npy,y.npy"): "data",
        ("propagate", *_SMALL, "--input", "wide.npy"): "input",
        ("propagate", *_SMALL, "--input", "x.npy", "--batch", "10000000"): "input",
        ("grad-flow", *_SMALL, "--loss", "mse", "--batch", "3", "--labels", "x.npy"): "labels",
        ("grad-flow", *_SMALL, "--loss", "mse", "--batch", "3", "--labels", "y.npy"): "labels",
    }.items():
        yield Case("longer than memory", arguments, said=f"Error: --{option} ", make=_long)
    for key in ("", ":", ":x", ":x_train:", "::x_train", ":x_train.npy", ":\x1b[31m", ":" + "k" * 5000, ":.."):
        yield Case("keys", ("propagate", *_SMALL, "--input", f"d.npz{key}"), said="Error: --input ", make=archive)


def _sparse(name: str, shape: tuple[int, ...], descr: str = "'<f4'") -> None:
    """Write a file as long as its header says, of which the disk holds next to nothing."""
    head = _declared(str(shape), descr=descr, data=b"")
    Path(name).write_bytes(head)
    with contextlib.suppress(OSError):  # the disk has no files as long as that
        os.truncate(name, len(head) + 4 * math.prod(shape))


def _long() -> None:
    """Write inputs and labels that are longer than any memory."""
    _sparse("x.npy", (10**7, 10**5))
    _sparse("wide.npy", (1000, 10**9))
    _sparse("y.npy", (10**12,), "'<i4'")


def _labelled(labels: bytes) -> None:
    Path("train-images-idx3-ubyte").write_bytes(_IMAGES)
    Path("train-labels-idx1-ubyte").write_bytes(labels)


def _no_files(name: str) -> dict[str, Callable[[], object]]:
    """Return what can stand in place of a file, and what puts it there."""
    path = Path(name)
    made: dict[str, Callable[[], object]] = {"missing": nothing, "a folder": path.mkdir}
    if os.name != "posix":
        return made
    made |= {f"a link to {to}": partial(path.symlink_to, to) for to in ("nothing", name, "/dev/null", "/dev/zero")}
    made |= {"below a file": partial(_below, path), "a socket": partial(_socket, name)}
    return made | {"a pipe": partial(os.mkfifo, name)}


def _below(path: Path) -> None:
    path.symlink_to("file/x")
    Path("file").touch()


def _socket(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(name)
