"""Inputs and labels from files and arrays, and every file that is refused."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from actdiag import grad_flow, make_stack, propagate
from actdiag.arrays import ArrayRecord
from actdiag.datasets.inputs import checked_labels, flatten_input, given_inputs
from actdiag.datasets.random_inputs import random_rows
from actdiag.datasets.scaling import find_scaling, scaled
from actdiag.datasets.sources import read_input, read_labels
from actdiag.engine.workers import Workers
from actdiag.errors import InvalidField
from actdiag.initializers.draws import draw_normal, draw_uniform
from actdiag.streams import Stream, stream

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((12, 5))


def load_input(source, rows, most=1_000_000):
    return read_input(source, None, rows, most, "none")[0]


def load_labels(source):
    return read_labels(source, None)[0]


def standardized(data):
    return scaled(data, find_scaling("feature", data), "the array", dtype="float64")


@pytest.fixture
def saved(tmp_path):
    """Return a function that saves an array, or arrays by key, and returns the path."""

    def save(array=None, name="x", **arrays):
        path = tmp_path / f"{name}.{'npz' if arrays else 'npy'}"
        if arrays:
            np.savez(path, **arrays)
        else:
            np.save(path, array)
        return path

    return save


def test_npy_is_read(saved):
    assert np.array_equal(load_input(saved(ROWS), None), ROWS)
    assert np.array_equal(load_input(str(saved(ROWS)), 4), ROWS[:4])


def test_npz_is_read_by_key_or_alone(saved):
    path = saved(train=ROWS, labels=np.arange(12))
    assert np.array_equal(load_input(f"{path}:train", None), ROWS)
    assert np.array_equal(load_labels(f"{path}:labels"), np.arange(12))
    assert np.array_equal(load_input(saved(name="one", only=ROWS), None), ROWS)


def test_images_are_flattened_row_by_row(saved):
    images = RNG.integers(0, 256, (6, 2, 3, 4), dtype=np.uint8)
    flat = load_input(saved(images), 5)
    assert np.array_equal(flat, images[:5].reshape(5, 24))
    assert load_input(saved(np.arange(7.0)), None).shape == (7, 1)


def test_a_thousand_rows_by_default(saved):
    path = saved(np.arange(2500.0).reshape(1250, 2))
    assert load_input(path, None, 1000).shape == (1000, 2)
    assert load_input(path, 1250).shape == (1250, 2)
    assert load_input(path, 1)[0].tolist() == [0, 1]


@pytest.mark.parametrize("dtype", ["?", "i1", "u2", ">i4", "f2", "f4", ">f8", "u8"])
def test_any_real_dtype_is_an_input(saved, dtype):
    array = (np.arange(12).reshape(4, 3) % 2).astype(dtype)
    assert np.array_equal(make_stack(input=saved(array)).inputs(), array.astype("f4"))


def test_fortran_order_is_read(saved):
    assert np.array_equal(load_input(saved(np.asfortranarray(ROWS)), None), ROWS)


def test_a_stack_takes_its_batch_and_width_from_the_data(saved):
    stack = make_stack(input=saved(ROWS), depth=2, width=7, dtype="float64")
    assert (stack.batch, stack.input_width, stack.widths) == (12, 5, (7, 7))
    assert np.array_equal(stack.inputs(), ROWS)
    from_file, from_array = (propagate(input=source, depth=2, width=7) for source in (saved(ROWS), ROWS))
    assert from_file.layers == from_array.layers
    assert len(make_stack(input=ROWS.tolist()).inputs()) == 12


def test_input_width_must_be_the_datas(saved):
    assert make_stack(input=ROWS, input_width=5).input_width == 5
    with pytest.raises(InvalidField, match="input_width must be 5"):
        make_stack(input=ROWS, input_width=6)


def test_standardized_features_have_mean_0_and_std_1():
    data = np.column_stack([RNG.normal(1e6, 3, 50), RNG.normal(0, 1e-8, 50), np.arange(50)])
    result = standardized(data)
    assert result.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    assert result.std(axis=0) == pytest.approx([1, 1, 1], rel=1e-9)
    assert np.corrcoef(result[:, 0], data[:, 0])[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("value", [0, 0.1, 255, 1e-30, 1e17])
def test_a_constant_feature_becomes_zero(value):
    data = np.column_stack([np.full(7, value), np.arange(7)])
    assert standardized(data)[:, 0].tolist() == [0] * 7


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e308])
def test_standardizing_knows_no_magnitude(scale):
    data = np.array([[1.0], [-1.0], [1.0], [-1.0]]) * scale
    assert standardized(data).ravel() == pytest.approx([1, -1, 1, -1], rel=1e-12)


def test_standardize_is_for_data():
    stack = make_stack(input=ROWS * 100 + 5, standardize=True, dtype="float64")
    assert stack.inputs().std(axis=0) == pytest.approx(np.ones(5))
    assert make_stack(input=np.arange(6, dtype=np.uint8), standardize=True).inputs().std() == pytest.approx(1)
    with pytest.raises(InvalidField, match=r"^standardize must come with an input file or array"):
        make_stack(standardize=True)


def test_given_numbers_are_rounded_to_the_dtype_or_refused():
    assert make_stack(input=[[0.1]]).inputs().dtype == np.float32
    with pytest.raises(InvalidField, match=r"float32 can hold, got up to 1e\+39"):
        make_stack(input=[[1e39, 1.0]]).inputs()
    assert make_stack(input=[[1e39, 1.0]], dtype="float64").inputs()[0, 0] == 1e39


BAD_ARRAYS = {
    "empty": (np.zeros((0, 3)), "rows and features"),
    "no features": (np.zeros((3, 0)), "rows and features"),
    "0-d": (np.array(1.0), "rows and features"),
    "complex": (np.ones((2, 2), complex), "real numbers.*complex128"),
    "text": (np.array([["1", "2"]]), "real numbers"),
    "bytes": (np.array([b"1"]), "real numbers"),
    "dates": (np.array(["2020-01-01"], "M8[D]"), "real numbers"),
    "records": (np.zeros(2, [("a", float)]), "real numbers"),
    "NaN": (np.array([[1, 2], [3, np.nan]]), "finite numbers, got NaN or inf in row 1"),
    "inf": (np.array([[-np.inf, 2], [3, 4]]), "finite numbers, got NaN or inf in row 0"),
}


@pytest.mark.parametrize(("array", "said"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_bad_arrays_are_refused(saved, array, said):
    for source in (array, saved(array), f"{saved(key=array)}:key"):
        with pytest.raises(InvalidField, match=said) as caught:
            make_stack(input=source)
        assert caught.value.field == "input"


def test_nonfinite_rows_beyond_the_batch_do_not_matter():
    array = np.array([[1.0], [2.0], [np.nan]])
    assert len(flatten_input(array, 2, "the array")) == 2


def test_objects_are_never_unpickled(saved, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    array = np.array([[Trap()]], dtype=object)
    for source in (saved(array), f"{saved(key=array)}:key"):
        for load in (lambda source=source: load_input(source, None), lambda source=source: load_labels(source)):
            with pytest.raises(InvalidField, match="Python objects, which are never unpickled"):
                load()
    assert not (tmp_path / "sprung").exists()
    with pytest.raises(InvalidField, match=r"real numbers.*object"):
        make_stack(input=np.array([[object()]]))


def npy_bytes(array, tmp_path):
    np.save(tmp_path / "whole.npy", array)
    return (tmp_path / "whole.npy").read_bytes()


def npz_bytes(tmp_path, save=np.savez):
    save(tmp_path / "whole.npz", x=ROWS, y=ROWS)
    return (tmp_path / "whole.npz").read_bytes()


@pytest.mark.parametrize("load", [lambda path: load_input(path, None), load_labels], ids=["input", "labels"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_files_that_are_not_there_or_not_files(tmp_path, load, suffix):
    with pytest.raises(InvalidField, match="which does not exist") as caught:
        load(tmp_path / f"missing.{suffix}")
    assert caught.value.field in ("input", "labels")
    (tmp_path / f"folder.{suffix}").mkdir()
    with pytest.raises(InvalidField, match="Is a directory"):
        load(tmp_path / f"folder.{suffix}")
    (tmp_path / f"empty.{suffix}").touch()
    with pytest.raises(InvalidField, match="not in that format"):
        load(tmp_path / f"empty.{suffix}")
    (tmp_path / f"text.{suffix}").write_text("1,2,3\n4,5,6\n")
    with pytest.raises(InvalidField, match=r"a .npy file or a .npz file"):
        load(tmp_path / f"text.{suffix}")


@pytest.mark.parametrize("name", ["x.txt", "x", "", "x.npy:key", ".npz:", "normals", "gaussian", "x.npz.gz"])
def test_other_names_are_refused(name):
    with pytest.raises(
        InvalidField,
        match=r"^input must be normal, uniform, digits, synthetic, a table \(.csv, .tsv",
    ):
        make_stack(input=name)


@pytest.mark.parametrize("length", [1, 5, 7, 9, 20, 60, 127, 128, 129, 300])
def test_truncated_npy_is_refused(tmp_path, length):
    whole = npy_bytes(ROWS, tmp_path)
    (tmp_path / "cut.npy").write_bytes(whole[:length])
    with pytest.raises(InvalidField, match=r"cut\.npy"):
        load_input(tmp_path / "cut.npy", None)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_npz_is_refused_or_read_whole(tmp_path, save):
    whole = npz_bytes(tmp_path, save)
    path = tmp_path / "damaged.npz"
    for length in range(1, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(InvalidField):
            load_input(f"{path}:x", None)
    refused = 0
    for place in range(0, len(whole), 5):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert np.array_equal(load_input(f"{path}:x", None), ROWS)
        except InvalidField:
            refused += 1
    assert refused > 20


def test_damaged_npy_headers_are_refused_or_read(tmp_path):
    whole, path = npy_bytes(ROWS, tmp_path), tmp_path / "damaged.npy"
    refused = 0
    for place in range(128):
        for change in (0xFF, 0x01, 0x08, 0x20):
            damaged = bytearray(whole)
            damaged[place] ^= change
            path.write_bytes(damaged)
            try:
                load_input(path, None)
            except InvalidField:
                refused += 1
    assert refused > 100


def test_a_file_under_the_wrong_suffix_is_refused(tmp_path, saved):
    (tmp_path / "really_npz.npy").write_bytes(npz_bytes(tmp_path))
    (tmp_path / "really_npy.npz").write_bytes(npy_bytes(ROWS, tmp_path))
    for name in ("really_npz.npy", "really_npy.npz"):
        for load in (lambda path: load_input(path, None), load_labels):
            with pytest.raises(InvalidField, match=r"a .npy file or a .npz file|not in that format"):
                load(tmp_path / name)


def test_a_zip_that_holds_no_arrays_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "notes.npz", "w") as archive:
        archive.writestr("notes.txt", "nothing here")
    with zipfile.ZipFile(tmp_path / "bare.npz", "w"):
        pass
    for spec in ("notes.npz", "notes.npz:notes.txt", "bare.npz", "bare.npz:x"):
        for load in (lambda path: load_input(path, None), load_labels):
            with pytest.raises(InvalidField):
                load(str(tmp_path / spec))


@pytest.mark.skipif(os.name != "posix", reason="writes files with a colon in their names")
def test_a_drive_letter_is_no_key(tmp_path, monkeypatch, saved):
    monkeypatch.chdir(tmp_path)
    Path("C:x.npz").write_bytes(Path(saved(train=ROWS, test=2 * ROWS)).read_bytes())
    Path("C:x.npy").write_bytes(npy_bytes(ROWS, tmp_path))
    np.testing.assert_allclose(load_input("C:x.npz:test", None), 2 * ROWS, rtol=1e-6)
    np.testing.assert_allclose(load_input("C:x.npy", None), ROWS, rtol=1e-6)
    with pytest.raises(InvalidField, match="got no key"):
        load_input("C:x.npz", None)


def test_keys_must_be_named(saved):
    path = saved(train=ROWS, test=ROWS)
    with pytest.raises(InvalidField, match=r"name one of the arrays of .* \(train, test\) after a colon, got no key"):
        load_input(path, None)
    with pytest.raises(InvalidField, match=r"\(train, test\) after a colon, got no 'valid'"):
        load_labels(f"{path}:valid")


def test_a_batch_above_the_rows_is_refused(saved):
    assert make_stack(input=ROWS, batch=12).batch == 12
    for source in (ROWS, saved(ROWS)):
        with pytest.raises(InvalidField, match=r"^batch must be at most 12, the rows of .*, got 13"):
            make_stack(input=source, batch=13)
    with pytest.raises(InvalidField, match=r"^batch must be at least 1"):
        make_stack(input=ROWS, batch=0)


def test_labels_from_a_file_are_used(saved):
    labels = RNG.integers(0, 3, 20)
    options = {"loss": "cross-entropy", "classes": 3, "depth": 2, "width": 5, "batch": 20}
    from_file = grad_flow(labels=saved(labels), **options)
    assert from_file.loss == grad_flow(labels=f"{saved(y=labels)}:y", **options).loss
    assert from_file.loss == grad_flow(labels=labels.tolist(), **options).loss
    assert from_file.loss != grad_flow(labels=(labels + 1) % 3, **options).loss


@pytest.mark.parametrize("labels", [np.array([0, 1, 5]), np.array([0, 1, -1]), np.array([0, 1]), np.array(["a"] * 3)])
def test_bad_labels_in_a_file_are_refused(saved, labels):
    with pytest.raises(InvalidField, match=r"^labels must"):
        grad_flow(labels=saved(labels), loss="mse", classes=3, depth=1, width=4, batch=3)
    with pytest.raises(InvalidField, match=r"^labels must"):
        checked_labels(load_labels(saved(labels)), 3, 3)


each_draw = pytest.mark.parametrize(
    ("kind", "dtype"), [(kind, dtype) for kind in ("normal", "uniform") for dtype in ("float32", "float64")]
)


@each_draw
@pytest.mark.parametrize("batch", [1, 255, 256, 257, 1000])
def test_threads_draw_the_same_rows(kind, dtype, batch):
    drawn = random_rows(Stream.INPUT, kind, 3, (batch, 7), dtype)
    assert (drawn.shape, drawn.dtype) == ((batch, 7), dtype)
    for threads in (1, 2, 3):
        with Workers(threads) as workers:
            assert np.array_equal(random_rows(Stream.INPUT, kind, 3, (batch, 7), dtype, workers.map), drawn)


@each_draw
def test_every_256_rows_have_a_stream_of_their_own(kind, dtype):
    drawn = random_rows(Stream.TARGET, kind, 3, (700, 7), dtype)
    for part, first in enumerate(range(0, 700, 256)):
        rows = drawn[first : first + 256]
        rng = stream(3, Stream.TARGET, part)
        expected = (
            draw_normal(rng, rows.shape, dtype) if kind == "normal" else draw_uniform(rng, rows.shape, 3**0.5, dtype)
        )
        assert np.array_equal(rows, expected)
    for batch in (1, 100, 256, 257, 512, 699):
        assert np.array_equal(random_rows(Stream.TARGET, kind, 3, (batch, 7), dtype), drawn[:batch])


@each_draw
def test_no_two_streams_are_alike(kind, dtype):
    drawn = {
        row.tobytes()
        for purpose in Stream
        for seed in (0, 1)
        for row in random_rows(purpose, kind, seed, (600, 7), dtype)
    }
    assert len(drawn) == len(Stream) * 2 * 600


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_given_inputs_come_in_the_dtype_of_the_stack(dtype):
    found = given_inputs(ROWS[::2, ::-1], "x.npy", dtype)
    assert (found.dtype, found.flags.c_contiguous) == (dtype, True)
    np.testing.assert_array_equal(found, ROWS[::2, ::-1].astype(dtype))


def test_given_inputs_that_are_not_there_or_do_not_fit_are_refused():
    assert given_inputs(ROWS * 1e60, "x.npy", "float64").max() > 1e60
    with pytest.raises(InvalidField, match=r"^input must hold numbers that float32 can hold, got up to .*e\+60$"):
        given_inputs(ROWS * 1e60, "x.npy", "float32")
    with pytest.raises(InvalidField, match=r"^input must be given again: of x.npy a document has the digest$"):
        given_inputs(ArrayRecord((12, 5), "0" * 64), "x.npy", "float64")
