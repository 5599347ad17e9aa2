"""Data to train on: every source, what each of them refuses, scales, and what is held out."""

import gzip
import importlib
import re
import socket
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from actdiag.datasets.catalogue import SOURCES, Dataset, load_dataset
from actdiag.datasets.idx import read_idx
from actdiag.datasets.scaling import Scaling, find_scaling
from actdiag.errors import InvalidField

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 3, 4), dtype=np.uint8)
LABELS = np.arange(40, dtype=np.uint8) % 3
TEST_IMAGES = RNG.integers(0, 256, (10, 3, 4), dtype=np.uint8)
TEST_LABELS = np.arange(10, dtype=np.uint8) % 4
KERAS = {"x_train": IMAGES, "y_train": LABELS, "x_test": TEST_IMAGES, "y_test": TEST_LABELS}
MNIST = dict(zip(("train-images", "train-labels", "t10k-images", "t10k-labels"), KERAS.values(), strict=True))
CODES = {"u1": 0x08, "i1": 0x09, ">i2": 0x0B, ">i4": 0x0C, ">f4": 0x0D, ">f8": 0x0E}
NPZ = "must be a .npz file with x_train and y_train, x and y, data and target"
ACCEPTED = (
    "must be digits, synthetic, a table (.csv, .tsv, .parquet), a .npz file, a folder of MNIST's IDX files or one of "
    "them, or X.npy,Y.npy"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in a folder of the test's own, so that names of files are short and known."""
    monkeypatch.chdir(tmp_path)


def refusal(spec, field="data", **options):
    with pytest.raises(InvalidField) as caught:
        load_dataset(spec, **options)
    assert caught.value.field == field
    assert "\n" not in str(caught.value)
    return caught.value.problem


def npz(**changes):
    """Write x.npz in the layout of Keras; None leaves an array out."""
    np.savez("x.npz", **{key: array for key, array in {**KERAS, **changes}.items() if array is not None})
    return "x.npz"


def npy(*arrays):
    paths = [f"{number}.npy" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    return ",".join(paths)


def idx_bytes(array, dtype="u1"):
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[dtype], array.ndim, *array.shape) + array.astype(dtype).tobytes()
    )


def idx_name(kind, hyphen="-", suffix=""):
    return f"{kind}{hyphen}idx{3 if kind.endswith('images') else 1}-ubyte{suffix}"


def write_idx(path, content):
    Path(path).write_bytes(gzip.compress(content) if str(path).endswith(".gz") else content)


def idx_folder(hyphen="-", suffix="", kinds=tuple(MNIST)):
    for kind in kinds:
        write_idx(idx_name(kind, hyphen, suffix), idx_bytes(MNIST[kind]))


def assert_is_mnist(data, name):
    """The data are KERAS as they stand."""
    assert (data.name, data.classes) == (name, 4)
    assert np.array_equal(data.train_inputs, IMAGES.reshape(40, 12))
    assert np.array_equal(data.test_inputs, TEST_IMAGES.reshape(10, 12))
    assert np.array_equal(data.train_labels, LABELS)
    assert np.array_equal(data.test_labels, TEST_LABELS)
    assert data.train_inputs.dtype == data.test_inputs.dtype == np.float32
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64


def assert_splits(data, inputs, labels):
    """A fifth of these rows is held out, each still with its label, and not simply the first or the last."""
    rows = len(inputs)
    assert (len(data.train_inputs), len(data.test_inputs)) == (rows - rows // 5, rows // 5)
    found = np.column_stack([np.vstack([data.train_inputs, data.test_inputs]),
                             np.concatenate([data.train_labels, data.test_labels])])  # fmt: skip
    expected = np.column_stack([inputs.reshape(rows, -1).astype(np.float32), labels])
    assert not np.array_equal(found, expected)
    assert sorted(found.tolist()) == sorted(expected.tolist())
    held_out = {tuple(row) for row in data.test_inputs}
    for end in (expected[: rows // 5], expected[-(rows // 5) :]):
        assert held_out != {tuple(row[:-1]) for row in end}


# npz


def test_npz_as_keras_has_it():
    data = load_dataset(npz(), scale="raw")
    assert_is_mnist(data, "x.npz")
    assert_is_mnist(load_dataset(Path("x.npz"), scale="raw"), "x.npz")
    np.savez_compressed("packed.npz", notes=np.array(["mine"]), **KERAS)
    assert_is_mnist(load_dataset("packed.npz", scale="raw"), "packed.npz")


def test_without_test_rows_a_fifth_is_held_out():
    spec = npz(x_test=None, y_test=None)
    data = load_dataset(spec, scale="raw")
    assert data.classes == 3
    assert_splits(data, IMAGES, LABELS)
    for seed in (0, 1, 99):
        other = load_dataset(spec, scale="raw", seed=seed)
        assert np.array_equal(other.test_inputs, data.test_inputs)
        assert np.array_equal(other.train_labels, data.train_labels)


@pytest.mark.parametrize(("rows", "held_out"), [(5, 1), (9, 1), (10, 2), (14, 2)])
def test_a_fifth_is_rounded_down(rows, held_out):
    data = load_dataset(npz(x_train=IMAGES[:rows], y_train=LABELS[:rows], x_test=None, y_test=None))
    assert (len(data.train_inputs), len(data.test_inputs)) == (rows - held_out, held_out)


def test_too_few_rows_to_hold_one_out():
    data = load_dataset(npz(x_train=IMAGES[:4], y_train=np.arange(4) % 2, x_test=None, y_test=None))
    assert np.array_equal(data.train_inputs, data.test_inputs)
    assert data.notes[-1] == "too few rows to hold any out: tested on those to train on"


def test_labels_may_be_a_column_and_of_any_whole_kind():
    for dtype in ("u1", "i2", ">i4", "i8", "u8"):
        changes = {"y_train": LABELS.astype(dtype)[:, None], "y_test": TEST_LABELS.astype(dtype)[:, None]}
        assert_is_mnist(load_dataset(npz(**changes), scale="raw"), "x.npz")


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", ">i4", "f2", "f4", ">f8", "u8", "g"])
def test_inputs_may_be_of_any_real_kind(dtype):
    inputs = (IMAGES % 2).astype(dtype)
    data = load_dataset(npz(x_train=inputs), scale="raw")
    assert data.train_inputs.dtype == np.float32
    assert np.array_equal(data.train_inputs, (IMAGES % 2).reshape(40, 12))


def test_a_class_may_occur_in_testing_alone():
    assert load_dataset(npz(y_test=np.arange(10))).classes == 10
    assert load_dataset(npz(y_train=np.arange(40)), task="classification").classes == 40
    far = load_dataset(npz(y_test=np.full(10, 9_999)))
    assert (far.classes, far.class_names[-1], set(far.test_labels.tolist())) == (4, "9999", {3})


ONE_HOT = np.eye(3)[LABELS]
NAN, LATE = np.zeros((2, 40, 12))
NAN[7, 3] = np.nan
LATE[39, 11] = -np.inf
REFUSED_ARRAYS = {
    "missing inputs": (
        {"x_train": None},
        f"{NPZ}, got 'x.npz' with y_train, x_test, y_test",
    ),
    "missing labels": (
        {"y_train": None},
        f"{NPZ}, got 'x.npz' with x_train, x_test, y_test",
    ),
    "missing test inputs": (
        {"x_test": None},
        "must have both of x_test and y_test or neither, got 'x.npz' with y_test alone",
    ),
    "missing test labels": (
        {"y_test": None},
        "must have both of x_test and y_test or neither, got 'x.npz' with x_test alone",
    ),
    "objects": (
        {"x_train": np.array([[1, 2], [3]], dtype=object)},
        f"{NPZ}, got 'x.npz': it holds Python objects, which are never unpickled",
    ),
    "object labels": (
        {"y_test": np.array(["a", 1], dtype=object)},
        f"{NPZ}, got 'x.npz': it holds Python objects, which are never unpickled",
    ),
    "text": ({"x_test": np.array([["a"]])}, "must hold real numbers, got dtype <U1 in x_test of x.npz"),
    "complex": (
        {"x_train": np.ones((40, 2), complex)},
        "must hold real numbers, got dtype complex128 in x_train of x.npz",
    ),
    "no rows": ({"x_train": np.ones((0, 12))}, "must have rows and features, got shape (0, 12) in x_train of x.npz"),
    "no features": ({"x_test": np.ones((10, 0))}, "must have rows and features, got shape (10, 0) in x_test of x.npz"),
    "a number": ({"x_train": np.array(1.0)}, "must have rows and features, got shape () in x_train of x.npz"),
    "NaN": ({"x_train": NAN}, "must hold finite numbers, got NaN or inf in row 7 (from 0) of x_train of x.npz"),
    "inf": (
        {"x_train": LATE, "x_test": None, "y_test": None},
        "must hold finite numbers, got NaN or inf in row 39 (from 0) of x_train of x.npz",
    ),
    "NaN to test on": (
        {"x_test": NAN[:10]},
        "must hold finite numbers, got NaN or inf in row 7 (from 0) of x_test of x.npz",
    ),
    "fewer labels": (
        {"y_train": LABELS[:39]},
        "must have one label a row, got 40 rows in x_train of x.npz and 39 labels in y_train of x.npz",
    ),
    "more labels": (
        {"y_test": LABELS[:11]},
        "must have one label a row, got 10 rows in x_test of x.npz and 11 labels in y_test of x.npz",
    ),
    "no labels": (
        {"y_test": LABELS[:0]},
        "must have one label a row, got 10 rows in x_test of x.npz and 0 labels in y_test of x.npz",
    ),
    "features": (
        {"x_test": TEST_IMAGES[:, :2]},
        "must have the same features for training and testing, got 12 in x_train of x.npz and 8 in x_test of x.npz",
    ),
    "one-hot to train on alone": (
        {"y_train": ONE_HOT},
        "must have labels of one kind to train and to test on, got others in y_test of x.npz",
    ),
    "several numbers": (
        {"y_train": ONE_HOT * 2, "y_test": ONE_HOT[:10]},
        "must have one label a row, or one-hot rows, got shape (40, 3) in y_train of x.npz",
    ),
    "label images": ({"y_train": IMAGES}, "must have one label a row, got shape (40, 3, 4) in y_train of x.npz"),
    "one label": ({"y_train": np.array(1)}, "must have one label a row, got shape () in y_train of x.npz"),
    "text among numbers": (
        {"y_train": np.array(["a"] * 40)},
        "must have labels of one kind to train and to test on, got others in y_test of x.npz",
    ),
    "no label": (
        {"y_train": np.where(np.arange(40) == 12, np.nan, LABELS)},
        "must hold finite numbers, got NaN or inf in row 12 (from 0) of y_train of x.npz",
    ),
    "one class": (
        {"y_train": LABELS * 0, "y_test": LABELS[:10] * 0},
        "must have labels of at least 2 classes, got 0 in all of y_train of x.npz",
    ),
}


@pytest.mark.parametrize(("changes", "said"), REFUSED_ARRAYS.values(), ids=REFUSED_ARRAYS)
def test_refused_arrays(changes, said):
    assert refusal(npz(**changes)) == said


def test_refused_npz_files():
    accepted = NPZ
    assert refusal("none.npz") == f"{accepted}, got 'none.npz', which does not exist"
    Path("dir.npz").mkdir()
    assert refusal("dir.npz") == f"{accepted}, got 'dir.npz': Is a directory"
    Path("text.npz").write_text("1,2,3")
    assert refusal("text.npz") == f"{accepted}, got 'text.npz': not in that format"
    with Path("array.npz").open("wb") as file:
        np.save(file, IMAGES)
    assert refusal("array.npz") == f"{accepted}, got 'array.npz': not in that format"
    np.savez("bare.npz")
    assert refusal("bare.npz") == f"{accepted}, got 'bare.npz' with no array"
    whole = Path(npz()).read_bytes()
    Path("cut.npz").write_bytes(whole[: len(whole) // 2])
    assert refusal("cut.npz") == f"{accepted}, got 'cut.npz': not in that format"


# npy


def test_npy_pairs():
    assert_is_mnist(load_dataset(npy(*KERAS.values()), scale="raw"), "0.npy,1.npy,2.npy,3.npy")
    assert_splits(load_dataset(npy(IMAGES, LABELS), scale="raw"), IMAGES, LABELS)
    Path("a, b").mkdir()
    np.save("a, b/x.npy", IMAGES)
    assert_splits(load_dataset("a, b/x.npy , 1.npy", scale="raw"), IMAGES, LABELS)


def test_refused_npy_files():
    npy(*KERAS.values())
    for spec in ("0.npy", "0.npy,1.npy,2.npy", "0.npy,1.npy,2.npy,3.npy,4.npy"):
        assert refusal(spec) == f"must be X.npy,Y.npy or X.npy,Y.npy,XTEST.npy,YTEST.npy, got {spec!r}"
    assert refusal("0.npy,none.npy") == "must be .npy files, got 'none.npy', which does not exist"
    np.save("objects.npy", np.array([{}, 1], dtype=object))
    unpickled = "must be .npy files, got 'objects.npy': it holds Python objects, which are never unpickled"
    assert refusal("objects.npy,1.npy") == unpickled
    Path("cut.npy").write_bytes(Path("0.npy").read_bytes()[:-1])
    assert refusal("cut.npy,1.npy") == "must be .npy files, got 'cut.npy': not in that format"
    assert refusal("0.npy,3.npy") == "must have one label a row, got 40 rows in 0.npy and 10 labels in 3.npy"
    assert refusal("1.npy,0.npy") == "must have one label a row, got shape (40, 3, 4) in 0.npy"


# IDX


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("hyphen", ["-", "."])
def test_mnists_own_files(hyphen, suffix):
    idx_folder(hyphen, suffix)
    assert_is_mnist(load_dataset(".", scale="raw"), ".")
    assert_is_mnist(load_dataset(Path.cwd(), scale="raw"), str(Path.cwd()))
    for kind in MNIST:
        name = idx_name(kind, hyphen, suffix)
        assert_is_mnist(load_dataset(name, scale="raw"), name)


def test_files_may_be_written_in_different_ways():
    for kind, hyphen, suffix in zip(MNIST, "-.-.", (".gz", "", "", ".gz"), strict=True):
        idx_folder(hyphen, suffix, [kind])
    assert_is_mnist(load_dataset(".", scale="raw"), ".")
    assert_is_mnist(load_dataset("train-images-idx3-ubyte.gz", scale="raw"), "train-images-idx3-ubyte.gz")


def test_of_two_files_the_one_that_was_named_is_read():
    idx_folder()
    ways = [("-", ""), (".", ""), ("-", ".gz"), (".", ".gz")]
    for darker, way in enumerate(ways, 1):
        write_idx(idx_name("train-images", *way), idx_bytes(IMAGES // darker))
        write_idx(idx_name("train-labels", *way), idx_bytes(LABELS))
    for darker, way in enumerate(ways, 1):
        for kind in ("train-images", "train-labels"):
            named = load_dataset(idx_name(kind, *way), scale="raw")
            assert np.array_equal(named.train_inputs, (IMAGES // darker).reshape(40, 12))
    for darker, way in enumerate(ways, 1):  # of a folder, the first that there is
        assert np.array_equal(load_dataset(".", scale="raw").train_inputs, (IMAGES // darker).reshape(40, 12))
        Path(idx_name("train-images", *way)).unlink()


def test_a_gz_that_is_not_zipped_any_more_is_read():
    for kind in MNIST:
        Path(idx_name(kind, suffix=".gz")).write_bytes(idx_bytes(MNIST[kind]))
    assert_is_mnist(load_dataset(".", scale="raw"), ".")


def test_without_mnists_test_files_a_fifth_is_held_out():
    idx_folder(kinds=("train-images", "train-labels"))
    assert_splits(load_dataset("train-images-idx3-ubyte", scale="raw"), IMAGES, LABELS)


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 1, 2)])
def test_every_type_of_idx(dtype, shape):
    array = np.array([-3, 100, 0, 7, -128, 127]).astype(dtype).reshape(shape)
    for name in ("file", "file.gz"):
        write_idx(name, idx_bytes(array, dtype))
        assert read_idx(Path(name)).dtype == np.dtype(dtype)
        assert np.array_equal(read_idx(Path(name)), array)


def test_the_bytes_of_an_idx_file():
    written = bytes([0, 0, 0x0B, 2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 255, 254])
    Path("file").write_bytes(written)
    assert read_idx(Path("file")).tolist() == [[258], [-2]]


WHOLE = idx_bytes(IMAGES)
DAMAGED = {
    "empty": (b"", "it does not start like one"),
    "short magic": (WHOLE[:3], "it does not start like one"),
    "first byte": (b"\1" + WHOLE[1:], "it does not start like one"),
    "second byte": (b"\0\1" + WHOLE[2:], "it does not start like one"),
    "type": (b"\0\0\x0a" + WHOLE[3:], "it does not start like one"),
    "text": (b"<!DOCTYPE html>", "it does not start like one"),
    "header": (WHOLE[:15], "its header is cut short"),
    "axes": (b"\0\0\x08\xff" + WHOLE[4:100], "its header is cut short"),
    "header alone": (WHOLE[:16], "it holds 0 bytes of the 480 that its header says"),
    "one byte less": (WHOLE[:-1], "it holds 479 bytes of the 480 that its header says"),
    "one byte more": (WHOLE + b"\0", "it holds more than the 480 bytes that its header says"),
    "huge": (
        b"\0\0\x0e\3" + b"\xff" * 12 + b"1234",
        f"it holds 4 bytes of the {(2**32 - 1) ** 3 * 8} that its header says",
    ),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("content", "said"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_idx_files(content, said, suffix):
    idx_folder("-", suffix)
    name = idx_name("train-images", "-", suffix)
    write_idx(name, content)
    for spec in (name, "."):
        assert refusal(spec) == f"must be an IDX file, got {name!r}: {said}"


def test_damaged_gzip():
    idx_folder("-", ".gz")
    name = idx_name("t10k-labels", "-", ".gz")
    whole = Path(name).read_bytes()
    said = f"must be an IDX file, got {name!r}: its gzip stream is cut short or damaged"
    for length in range(2, len(whole)):
        Path(name).write_bytes(whole[:length])
        assert refusal(".") == said
    # The method, the type of the first block, which is none, the checksum and the length.
    for place, byte in ((2, 7), (10, 7), (len(whole) - 8, whole[-8] ^ 1), (len(whole) - 1, whole[-1] ^ 1)):
        damaged = bytearray(whole)
        damaged[place] = byte
        Path(name).write_bytes(damaged)
        assert refusal(".") == said
    for place in range(10, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        Path(name).write_bytes(damaged)
        assert refusal(".").startswith(f"must be an IDX file, got {name!r}: it")
    Path(name).write_bytes(whole + b"more")
    assert refusal(".") == said
    Path(name).write_bytes(whole + b"\0" * 8)  # padding, which gzip allows
    assert_is_mnist(load_dataset(".", scale="raw"), ".")


@pytest.mark.parametrize("kind", MNIST)
def test_missing_idx_files(kind):
    idx_folder(kinds=[other for other in MNIST if other != kind])
    said = f"must be a folder of MNIST's IDX files, got '.', which has no {idx_name(kind)}"
    assert refusal(".") == said
    named = idx_name(next(other for other in MNIST if other != kind))
    assert refusal(named) == said
    Path(idx_name(kind)).mkdir()
    assert refusal(named) == said


def test_other_folders_and_missing_files():
    Path("empty").mkdir()
    no_images = "which has no train-images-idx3-ubyte"
    assert refusal("empty") == f"must be a folder of MNIST's IDX files, got 'empty', {no_images}"
    idx_folder()
    missing = "empty/train-images-idx3-ubyte"
    assert refusal(missing) == f"{ACCEPTED}, got {missing!r}, which does not exist"
    gone = "train-images-idx3-ubyte.gz"  # the one beside it is not what was named
    assert refusal(gone) == f"{ACCEPTED}, got {gone!r}, which does not exist"


def test_labels_in_place_of_images():
    idx_folder()
    write_idx(idx_name("train-labels"), idx_bytes(IMAGES))
    said = "must have one label a row, got shape (40, 3, 4) in train-labels-idx1-ubyte"
    assert refusal(".") == said
    write_idx(idx_name("train-labels"), idx_bytes(LABELS, ">f4"))
    assert load_dataset(".").train_labels.dtype == np.int64


# digits


def test_digits_need_no_network(monkeypatch):
    from sklearn.datasets import load_digits

    def refuse(*args, **kwargs):
        pytest.fail("digits asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    data = load_dataset("digits", scale="raw")
    assert (data.name, data.classes) == ("digits", 10)
    assert (data.train_inputs.shape, data.test_inputs.shape) == ((1438, 64), (359, 64))
    assert_splits(data, *load_digits(return_X_y=True))
    assert np.array_equal(load_dataset("digits", seed=7, scale="raw").test_inputs, data.test_inputs)
    assert load_dataset("digits", scale="unit").train_inputs.max() == 1
    assert np.array_equal(load_dataset("digits", scale="unit").test_inputs, data.test_inputs / 16)


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    install = "pip install scikit-learn, or the extra `data` from a checkout: pip install '.[data]'"
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert refusal("digits") == f"must be data that are there, got 'digits': scikit-learn is missing: {install}"
    monkeypatch.delitem(sys.modules, "sklearn")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    broken = Path("sklearn.py")
    for code, why in (
        ("import no_such_part", "No module named 'no_such_part'"),
        ("raise ImportError('two\\nlines')", "two lines"),
    ):
        broken.write_text(code)
        importlib.invalidate_caches()
        said = f"must be data that are there, got 'digits': scikit-learn does not import ({why}): {install}"
        assert refusal("digits") == said


def test_only_digits_load_scikit_learn():
    code = (
        "import sys; from actdiag.datasets.catalogue import load_dataset; load_dataset('synthetic:500'); "
        "print([name for name in sys.modules if name.split('.')[0] in ('sklearn', 'scipy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# synthetic


def test_synthetic_follows_from_the_seed():
    first, again, other = (load_dataset("synthetic:rows=500", seed=seed) for seed in (3, 3, 4))
    for field in ("train_inputs", "train_labels", "test_inputs", "test_labels"):
        assert np.array_equal(getattr(first, field), getattr(again, field))
        assert not np.array_equal(getattr(first, field), getattr(other, field))


def test_synthetic_takes_rows_features_and_classes():
    data = load_dataset("synthetic")
    assert (data.train_inputs.shape, data.test_inputs.shape, data.classes) == ((10_000, 64), (2_500, 64), 10)
    for spec in (
        "synthetic:rows=600:features=7:classes=3",
        "synthetic:600:7:3",
        " Synthetic : 600:classes=3:features=7",
    ):
        data = load_dataset(spec)
        assert (data.train_inputs.shape, data.test_inputs.shape) == ((480, 7), (120, 7))
        assert (data.name, data.classes) == (spec, 3)
        assert np.bincount(data.train_labels).tolist() == pytest.approx([160, 160, 160], abs=60)
    for spec, shape in (("synthetic:5:1:2", (4, 1)), ("synthetic:rows=50:features=10000", (40, 10_000))):
        assert load_dataset(spec).train_inputs.shape == shape


def test_the_classes_asked_for_are_the_classes_whatever_occurs():
    data = load_dataset("synthetic:rows=5:classes=100", seed=1)
    assert data.classes == 100
    assert max(data.train_labels.max(), data.test_labels.max()) < 99


def test_the_teacher_does_not_depend_on_the_rows():
    few, many = (load_dataset(f"synthetic:rows={rows}", seed=1, scale="raw") for rows in (200, 6000))
    labels = {}
    for inputs, label in ((many.train_inputs, many.train_labels), (many.test_inputs, many.test_labels)):
        labels |= {tuple(row[:5].round(3)): int(one) for row, one in zip(inputs, label, strict=True)}
    for inputs, label in ((few.train_inputs, few.train_labels), (few.test_inputs, few.test_labels)):
        assert [labels[tuple(row[:5].round(3))] for row in inputs] == label.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_synthetic_rows_are_noisy_mixtures_of_six_numbers(seed):
    data = load_dataset("synthetic", seed=seed, scale="raw")
    spectrum = np.linalg.eigvalsh(np.cov(data.train_inputs.T.astype(float)))[::-1]
    assert spectrum[5] > 20 * spectrum[6]
    assert spectrum[6:] == pytest.approx(np.full(58, 0.09), rel=0.2)
    assert data.train_inputs.std() == pytest.approx(1, abs=0.1)
    common = np.bincount(data.train_labels, minlength=10) / len(data.train_labels)
    assert 0.05 < common.min() < common.max() < 0.17


@pytest.mark.parametrize("seed", [0, 7])
@threadpool_limits.wrap(limits=1)
def test_a_network_learns_what_a_linear_model_does_not(seed):
    data = load_dataset("synthetic", seed=seed)

    def right(outputs):
        return float((outputs.argmax(axis=1) == data.test_labels).mean())

    solution = np.linalg.lstsq(data.train_inputs, np.eye(10)[data.train_labels] - 0.1, rcond=None)[0]
    rng = np.random.default_rng(seed)
    sizes = [64, 100, 100, 100, 100, 100, 10]
    weights = [rng.normal(0, (2 / fans[0]) ** 0.5, fans).astype(np.float32) for fans in pairwise(sizes)]
    biases = [np.zeros(size, dtype=np.float32) for size in sizes[1:]]

    def layers(inputs):
        outputs = [inputs]
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
            z = outputs[-1] @ weight + bias
            outputs.append(np.maximum(z, 0) if layer < len(weights) else z)
        return outputs

    losses = []
    for rate in np.repeat(np.float32([0.1, 0.02]), [250, 50]):
        rows = rng.integers(len(data.train_inputs), size=128)
        outputs = layers(data.train_inputs[rows])
        chances = np.exp(outputs[-1] - outputs[-1].max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        losses.append(-np.log(chances[np.arange(128), data.train_labels[rows]]).mean())
        chances[np.arange(128), data.train_labels[rows]] -= 1
        slope = chances / 128
        for layer in reversed(range(len(weights))):
            below = (slope @ weights[layer].T) * (outputs[layer] > 0)
            weights[layer] -= rate * outputs[layer].T @ slope
            biases[layer] -= rate * slope.sum(axis=0)
            slope = below
    assert np.mean(losses[225:250]) < 0.5
    assert right(layers(data.test_inputs)[-1]) > 0.88
    assert 0.3 < right(data.test_inputs @ solution) < 0.63


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("synthetic:rows=4", "'synthetic:rows=4': rows must be at least 5, got 4"),
        ("synthetic:rows=1000001", "'synthetic:rows=1000001': rows must be at most 1000000, got 1000001"),
        ("synthetic:features=0", "'synthetic:features=0': features must be at least 1, got 0"),
        ("synthetic:features=10001", "'synthetic:features=10001': features must be at most 10000, got 10001"),
        ("synthetic:classes=1", "'synthetic:classes=1': classes must be at least 2, got 1"),
        ("synthetic:classes=101", "'synthetic:classes=101': classes must be at most 100, got 101"),
        ("synthetic:rows=many", "'synthetic:rows=many': rows must be a whole number, got 'many'"),
        ("synthetic:rows=1e4", "'synthetic:rows=1e4': rows must be a whole number, got '1e4'"),
        (
            "synthetic:noise=1",
            "'synthetic:noise=1': synthetic takes synthetic[:rows=12500][:features=64][:classes=10], got 'noise=1'",
        ),
        ("digits:5", "'digits:5': digits takes no parameters, got '5'"),
    ],
)
def test_refused_parameters(spec, said):
    assert refusal(spec) == said


# names


def test_other_names_are_refused():
    assert refusal("digts") == f"{ACCEPTED}, got 'digts'; did you mean digits?"
    assert refusal("nowhere/at/all") == f"{ACCEPTED}, got 'nowhere/at/all', which does not exist"
    Path("x.txt").write_text("1,2")
    assert refusal("x.txt") == f"{ACCEPTED}, got 'x.txt'"
    assert refusal("x" * 300) == f"{ACCEPTED}, got {'x' * 300!r}: File name too long"
    for spec in ("", None, 5):
        assert refusal(spec) == f"{ACCEPTED}, got {spec!r}"
    assert refusal([1, 2, 3]) == f"{ACCEPTED}, got list"


def test_a_path_is_no_name():
    missing = f"{ACCEPTED}, got 'synthetic'; did you mean synthetic?"
    assert refusal(Path("synthetic")) == missing
    Path("synthetic").mkdir()
    for kind in MNIST:
        write_idx(f"synthetic/{idx_name(kind)}", idx_bytes(MNIST[kind]))
    assert_is_mnist(load_dataset(Path("synthetic"), scale="raw"), "synthetic")
    assert_is_mnist(load_dataset("./synthetic", scale="raw"), "./synthetic")
    assert load_dataset("synthetic:50").train_inputs.shape == (40, 64)


def test_every_source_is_documented():
    assert list(SOURCES) == ["digits", "synthetic"]
    for name in SOURCES:
        assert SOURCES.signature(name) in load_dataset.__doc__


# scales


def test_standard_has_one_mean_and_one_std_of_all_training_entries():
    data = load_dataset(npz())
    train, test = (images.reshape(len(images), 12) / 255.0 for images in (IMAGES, TEST_IMAGES))
    mean, std = train.mean(), train.std()
    assert data.train_inputs == pytest.approx((train - mean) / std, abs=1e-6)
    assert data.test_inputs == pytest.approx((test - mean) / std, abs=1e-6)
    assert data.train_inputs.dtype == data.test_inputs.dtype == np.float32
    assert np.ptp(data.train_inputs.std(axis=0)) > 0.1  # not every feature by itself
    scaling = find_scaling("global", IMAGES.reshape(40, 12))
    assert scaling[1:] == pytest.approx((255, mean, std), rel=1e-12)
    assert np.array_equal(load_dataset("x.npz", scale="standard").train_inputs, data.train_inputs)


def test_statistics_are_those_of_the_rows_that_are_left_to_train_on():
    spec = npz(x_test=None, y_test=None)
    raw, data = load_dataset(spec, scale="raw"), load_dataset(spec)
    train = raw.train_inputs.astype(float)
    assert data.test_inputs == pytest.approx((raw.test_inputs - train.mean()) / train.std(), abs=1e-6)
    assert data.train_inputs.mean(dtype=float) == pytest.approx(0, abs=1e-7)
    assert data.train_inputs.std(dtype=float) == pytest.approx(1, abs=1e-7)


def test_statistics_of_many_pieces():
    inputs = RNG.normal(3, 2, (5000, 40)) + np.linspace(0, 50, 5000)[:, None]
    scaling = find_scaling("global", inputs)
    assert scaling.unit == np.abs(inputs).max()
    assert scaling.mean * scaling.unit == pytest.approx(inputs.mean(), rel=1e-12)
    assert scaling.std * scaling.unit == pytest.approx(inputs.std(), rel=1e-12)


def test_unit_divides_pixels_by_255_and_all_else_by_the_largest():
    dark = IMAGES // 3
    data = load_dataset(npz(x_train=dark), scale="unit")
    assert np.array_equal(data.train_inputs, (dark.reshape(40, 12) / 255).astype(np.float32))
    assert np.array_equal(data.test_inputs, (TEST_IMAGES.reshape(10, 12) / 255).astype(np.float32))
    for other in (dark.astype(np.int16) - 100, -dark.astype(float), dark.astype(np.uint16)):
        largest = np.abs(other.astype(float)).max()
        data = load_dataset(npz(x_train=other), scale="unit")
        assert np.array_equal(data.train_inputs, (other.reshape(40, 12) / largest).astype(np.float32))
        assert np.array_equal(data.test_inputs, (TEST_IMAGES.reshape(10, 12) / largest).astype(np.float32))
    assert find_scaling("unit", np.zeros((3, 2))) == Scaling("unit", 1.0, 0.0, 1.0)
    assert find_scaling("unit", np.full((3, 2), -128, dtype=np.int8)) == Scaling("unit", 128.0, 0.0, 1.0)


def test_raw_changes_nothing():
    inputs = RNG.normal(5, 100, (40, 12))
    data = load_dataset(npz(x_train=inputs), scale="raw")
    assert np.array_equal(data.train_inputs, inputs.astype(np.float32))
    assert np.array_equal(data.test_inputs, TEST_IMAGES.reshape(10, 12))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-30, 1e17, -3.3, np.uint8(0), np.uint8(200), np.int64(-7)])
def test_constant_inputs_become_zero(value):
    data = load_dataset(npz(x_train=np.full((40, 12), value)), scale="standard")
    assert not data.train_inputs.any()


@pytest.mark.parametrize("magnitude", [1e200, 1e-200, 1.7e308])
def test_standard_knows_no_magnitude(magnitude):
    inputs = np.where(np.arange(480).reshape(40, 12) % 2, 1.0, -1.0)
    arrays = {"x_train": inputs * magnitude, "x_test": inputs[:10] * magnitude}
    data = load_dataset(npz(**arrays), scale="global")
    for scaled, signs in ((data.train_inputs, inputs), (data.test_inputs, inputs[:10])):
        assert scaled == pytest.approx(signs, rel=1e-6)


def test_numbers_beyond_float32_are_refused():
    large = np.ones((40, 12))
    large[3, 4] = -1e39
    said = "must hold numbers that float32 can hold once scaled, got up to 1e+39 in"
    assert refusal(npz(x_train=large), scale="raw") == f"{said} x_train of x.npz"
    for scale in ("feature", "global", "unit", "none"):
        assert refusal(npz(x_test=large[:10], x_train=IMAGES / 255), scale=scale) == f"{said} x_test of x.npz"
    assert np.isfinite(load_dataset(npz(x_train=large), scale="standard").train_inputs).all()


def test_scale_and_seed_are_checked():
    said = "must be one of auto, feature, global, unit, none, got 'featur'; did you mean feature?"
    assert refusal("synthetic", "scale", scale="featur") == said
    assert (
        refusal("synthetic", "scale", scale=None)
        == "must be one of auto, feature, global, unit, none, got None; did you mean none?"
    )
    assert refusal("synthetic", "seed", seed=-1) == "must be at least 0, got -1"
    assert refusal("synthetic", "seed", seed=2**63) == f"must be at most {2**63 - 1}, got {2**63}"
    assert refusal("synthetic", "seed", seed=1.5) == f"must be a whole number from 0 to {2**63 - 1}, got 1.5"
    assert load_dataset("synthetic:50", seed=2**63 - 1).classes == 10


def test_no_copy_in_float64_is_made():
    images = RNG.integers(0, 256, (5000, 28, 28), dtype=np.uint8)
    np.savez("big.npz", x_train=images, y_train=np.arange(5000) % 10, x_test=images[:5], y_test=np.arange(5))
    load_dataset("big.npz")
    tracemalloc.start()
    try:
        data = load_dataset("big.npz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert data.train_inputs.nbytes == 4 * images.size
    assert peak < 7 * images.size


# Dataset


@pytest.fixture
def small():
    inputs, labels = RNG.normal(size=(6, 2)), np.arange(6) % 3
    return Dataset("mine", inputs, labels, inputs[:2], labels[:2], 3)


def test_of_regression_the_labels_are_targets(small):
    targets = {"train_labels": np.linspace(-1, 1, 6), "test_labels": np.zeros(2), "classes": 1, "task": "regression"}
    assert replace(small, **targets).train_labels.dtype == np.float64
    for changes, said in [
        ({"classes": 3}, "must have 1 output in regression, got 3 in 'mine'"),
        (
            {"test_labels": small.test_labels},
            "must have test_labels in float64 of shape (rows,), got int64 of shape (2,)",
        ),
        ({"test_labels": np.array([0.0, np.nan])}, "must hold finite numbers, got NaN or inf in row 1 (from 0) of"),
        ({"test_labels": np.zeros(3)}, "must have one label a row, got 2 rows in test_inputs and 3 labels in"),
        ({"task": "ranking"}, "must be one of classification, regression, got 'ranking'"),
    ]:
        with pytest.raises(InvalidField, match=re.escape(said)):
            replace(small, **targets | changes)


def test_a_dataset_is_returned_as_it_is(small):
    assert load_dataset(small) is small
    assert load_dataset(small, scale="unit", seed=3) is small
    said = "must be one of auto, feature, global, unit, none, got 'all'"
    assert refusal(small, "scale", scale="all") == said
    assert repr(small) == "Dataset(name='mine', classes=3, task='classification', class_names=())"
    assert small == replace(small)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"train_inputs": [[1.0]]},
            "must have train_inputs in float32 or float64 of shape (rows, features), got list",
        ),
        (
            {"test_inputs": np.ones((2, 2), dtype=int)},
            "must have test_inputs in float32 or float64 of shape (rows, features), got int64 of shape (2, 2)",
        ),
        (
            {"train_inputs": np.ones((6, 2, 1))},
            "must have train_inputs in float32 or float64 of shape (rows, features), got float64 of shape (6, 2, 1)",
        ),
        (
            {"test_labels": np.ones(2, dtype=np.int32)},
            "must have test_labels in int64 of shape (rows,), got int32 of shape (2,)",
        ),
        (
            {"train_labels": np.ones((6, 1), dtype=int)},
            "must have train_labels in int64 of shape (rows,), got int64 of shape (6, 1)",
        ),
        (
            {"train_inputs": np.ones((5, 2))},
            "must have one label a row, got 5 rows in train_inputs and 6 labels in train_labels",
        ),
        ({"test_inputs": np.ones((0, 2))}, "must have rows and features, got shape (0, 2) in test_inputs"),
        (
            {"test_inputs": np.full((2, 2), np.nan, dtype=np.float32)},
            "must hold finite numbers, got NaN or inf in row 0 (from 0) of test_inputs",
        ),
        (
            {"test_inputs": np.ones((2, 3))},
            "must have the same features for training and testing, got 2 in train_inputs and 3 in test_inputs",
        ),
        (
            {"train_labels": np.arange(6) - 1},
            "must have labels from 0 to 9999, got -1 in row 0 (from 0) of train_labels",
        ),
        ({"train_labels": np.arange(6)}, "must have labels under its 3 classes, got 5 in 'mine'"),
        ({"test_labels": np.array([0, 3])}, "must have labels under its 3 classes, got 3 in 'mine'"),
        ({"classes": 1}, "must have 2 to 10000 classes, got 1 in 'mine'"),
        ({"classes": 10_001}, "must have 2 to 10000 classes, got 10001 in 'mine'"),
    ],
)
def test_what_is_no_dataset(small, changes, said):
    with pytest.raises(InvalidField) as caught:
        replace(small, **changes)
    assert str(caught.value) == f"data {said}"
