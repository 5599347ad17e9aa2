"""Data in numpy's files: .npz as Keras lays MNIST out, and .npy files of inputs and of labels."""

import re
from pathlib import Path

import numpy as np

from actdiag.datasets.files import entry, load_array, reading
from actdiag.datasets.objects import PAIRS, TEST
from actdiag.datasets.parts import Part, Raw
from actdiag.errors import InvalidField


def read_npz(path: str) -> Raw:
    """Return the data of a .npz file: x_train and y_train, X and y, or data and target, in any case.

    With x_test and y_test it has rows to test on. Nothing is unpickled.

    Raises:
        InvalidField: The file is missing or unreadable, or lacks one of them.
    """
    pairs = ", ".join(" and ".join(pair) for pair in PAIRS)
    accepted = f"must be a .npz file with {pairs}"
    with reading("data", path, accepted), Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        keys = {key.lower(): key for key in archive.keys()}
        train = next(((keys[x], keys[y]) for x, y in PAIRS if x in keys and y in keys), None)
        if train is None:
            got = f"{path!r} with {', '.join(archive.keys()) or 'no array'}"
            raise InvalidField(field="data", problem=f"{accepted}, got {got}")
        tested = [keys[key] for key in TEST if key in keys]
        if len(tested) == 1:
            problem = f"must have both of {' and '.join(TEST)} or neither, got {path!r} with {tested[0]} alone"
            raise InvalidField(field="data", problem=problem)
        arrays = {key: entry("data", path, archive, key) for key in (*train, *tested)}
        for key, array in arrays.items():
            if not isinstance(array, np.ndarray):  # an entry of another format comes as bytes
                raise InvalidField(field="data", problem=f"{accepted}, got {path!r}: its {key} is no array")
    parts = [
        Part(arrays[x], arrays[y], (f"{x} of {path}", f"{y} of {path}"))
        for x, y in (train, *([tuple(tested)] if tested else []))
    ]
    return Raw(parts[0], parts[1] if tested else None)


def read_npy(spec: str) -> Raw:
    """Return the arrays of X.npy,Y.npy or of X.npy,Y.npy,XTEST.npy,YTEST.npy. Nothing is unpickled.

    Raises:
        InvalidField: There are not two or four of them, or one is missing or unreadable.
    """
    paths = re.split(r"(?<=\.npy)\s*,\s*", spec)
    if len(paths) not in (2, 4):
        accepted = "must be X.npy,Y.npy or X.npy,Y.npy,XTEST.npy,YTEST.npy"
        raise InvalidField(field="data", problem=f"{accepted}, got {spec!r}")
    arrays = [load_array("data", path, "must be .npy files") for path in paths]
    parts = [Part(arrays[at], arrays[at + 1], (paths[at], paths[at + 1])) for at in range(0, len(paths), 2)]
    return Raw(parts[0], parts[1] if len(parts) > 1 else None)
