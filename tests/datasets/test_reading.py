"""Data as people bring them: tables, arrays and objects, their labels and their scale."""

import csv
from pathlib import Path

import numpy as np
import pytest

from actdiag import InvalidField, grad_flow, make_stack, propagate, train
from actdiag.datasets import text_tables
from actdiag.datasets.catalogue import load_dataset
from actdiag.datasets.labels import labelled
from actdiag.datasets.objects import array_of
from actdiag.datasets.scaling import checked_scale, find_scaling, scaled
from actdiag.datasets.sources import read_input, read_labels
from actdiag.datasets.tables import read_table

RNG = np.random.default_rng(3)
ROWS = 40
FEATURES = RNG.normal(size=(ROWS, 3))
CLASSES = np.arange(ROWS) % 2
NAMES = ("a", "b c", 'd, "e"')


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_csv(name="x.csv", header=(*NAMES, "label"), labels=CLASSES, delimiter=",", **options):
    with Path(name).open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.writer(file, delimiter=delimiter, **options)
        if header:
            writer.writerow(header)
        writer.writerows([*map(repr, row), label] for row, label in zip(FEATURES.tolist(), labels, strict=True))
    return name


def refusal(make, field):
    with pytest.raises(InvalidField) as raised:
        make()
    assert raised.value.field == field
    assert "\n" not in raised.value.problem
    return raised.value.problem


def all_rows(data):
    return np.concatenate([data.train_inputs, data.test_inputs])


def is_read(data, features=FEATURES):
    """Whether the rows are those written, in any order."""
    found = all_rows(data)
    return found.shape == features.shape and np.array_equal(
        np.sort(found, axis=0), np.sort(features.astype(np.float32), axis=0)
    )


# Tables


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"delimiter": ";"},
        {"delimiter": "\t", "name": "x.tsv"},
        {"encoding": "utf-8-sig"},
        {"lineterminator": "\n"},
        {"lineterminator": "\r\n"},
        {"quoting": csv.QUOTE_ALL},
        {"labels": ["spam", "ham, or not"] * 20},
        {"labels": ['say "ham"', "spam"] * 20, "quoting": csv.QUOTE_ALL},
        {"header": ("Target", "x", "y z", "w"), "label_column": "w"},
    ],
)
def test_tables_are_read_to_the_same_numbers(options):
    options = dict(options)
    column = options.pop("label_column", "label")
    data = load_dataset(write_csv(**options), label_column=column, scale="none")
    assert is_read(data)
    assert data.classes == 2


def test_tables_are_read_without_a_header():
    data = load_dataset(write_csv(header=None), label_column=4, scale="none")
    assert is_read(data)
    last = load_dataset("x.csv", label_column=-1, scale="none")
    assert last == data
    assert read_table("data", "x.csv").names == ("1", "2", "3", "4")


@pytest.mark.parametrize("name", ["Label", "labels", "TARGET", "class", " y "])
def test_the_usual_names_of_labels_are_known(name):
    assert load_dataset(write_csv(header=(*NAMES, name))).classes == 2


def test_parquet_is_read():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({name: FEATURES[:, place] for place, name in enumerate(NAMES)})
    frame = frame.with_columns(polars.Series("label", np.where(CLASSES, "yes", "no")))
    frame.write_parquet("x.parquet")
    data = load_dataset("x.parquet", scale="none")
    assert is_read(data)
    assert data.class_names == ("no", "yes")
    assert is_read(load_dataset(frame, scale="none"))
    whole = Path("x.parquet").read_bytes()
    Path("x.parquet").write_bytes(whole[: len(whole) // 2])
    assert refusal(lambda: load_dataset("x.parquet"), "data").endswith("got 'x.parquet': not in that format")


REFUSED_TABLES = {
    "no such file": (None, "got 'x.csv', which does not exist"),
    "empty": ("", "must have rows and columns, got none in x.csv"),
    "header alone": ("a,label\n", "must have rows under its header, got none in x.csv"),
    "text": ("a,label\n1,0\nbig,1\n", "must hold numbers, got 'big' in row 3, column 'a' of x.csv"),
    "missing": ("a,label\n1,0\n,1\n", "must have a number in every row, got none in row 3, column 'a' of x.csv"),
    "NA": ("a,label\n1,0\n2,1\nNA,1\n", "must have a number in every row, got none in row 4, column 'a' of x.csv"),
    "nan": ("a,label\n1,0\nnan,1\n", "must have a number in every row, got none in row 3, column 'a' of x.csv"),
    "inf": ("a,label\n1,0\ninf,1\n", "must hold finite numbers, got inf in row 3, column 'a' of x.csv"),
    "no label": ("a,label\n1,0\n2,\n", "must have a label in every row, got none in row 3, column 'label'"),
    "no text label": (
        "a,label\n1,x\n2,\n",
        "must have a label in every row, got none in row 3, column 'label'",
    ),
    "ragged": ("a,label\n1,0\n2,1,3\n", "must have 2 columns in every row, got 3 in row 3 of x.csv"),
    "twice": ("a,a,label\n1,2,0\n", "must have a name of its own for every column, got 'a' twice in x.csv"),
    "labels alone": ("label\n1\n0\n", "must have columns beside the labels, got 'label' alone in x.csv"),
    "not UTF-8": (b"a,label\n1,0\n\xff,1\n", "got 'x.csv': not in that format"),
    "null": (b"a,label\n1,0\n\x00,1\n", "must hold numbers, got '\ufffd' in row 3, column 'a' of x.csv"),
    "null after a number": (b"a,label\n1\x00,0\n2,1\n", "must hold numbers, got '1\ufffd' in row 2, column 'a'"),
    "null among text": (b"a,b,label\n1,2\x00,x\n2,3,y\n", "must hold numbers, got '2\ufffd' in row 2, column 'b'"),
    "ragged beside text": ("a,label\n1,x\n2,y,3\n", "must have 2 columns in every row, got 3 in row 3 of x.csv"),
    "NA beside text": ("a,label\n1,x\nNA,y\n", "must have a number in every row, got none in row 3, column 'a'"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED_TABLES.values(), ids=REFUSED_TABLES)
def test_tables_that_are_refused(content, said):
    if content is not None:
        Path("x.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert said in refusal(lambda: load_dataset("x.csv"), "data")


def test_labels_that_a_table_holds_as_numbers_keep_their_digits():
    write_csv(labels=20230101 + CLASSES)
    data = load_dataset("x.csv")
    assert data.class_names == ("20230101", "20230102")
    assert data.notes[0] == "labels 20230101 and 20230102: 2 classes"


@pytest.mark.parametrize("labels", [["a", "b"], ["a\0", "a"]])
def test_text_beside_numbers_is_read_row_by_row(labels):
    Path("x.csv").write_text(f"a,label,b\n1,{labels[0]},2\n\n3,{labels[1]},4\n5,{labels[0]},6\n")
    table = read_table("data", "x.csv")
    assert [column.tolist() for column in (table.columns[0], table.columns[2])] == [[1, 3, 5], [2, 4, 6]]
    assert len(set(table.columns[1].tolist())) == 2
    assert table.columns[1][0] == table.columns[1][2]


def test_numbers_beside_text_are_parsed_by_numpy(monkeypatch):
    """Cell by cell takes four times as long."""
    parsed = []
    parse = text_tables._parsed
    monkeypatch.setattr(text_tables, "_parsed", lambda cells: parsed.append(len(cells)) or parse(cells))
    write_csv(labels=np.where(CLASSES, "yes", 'no, "or not"'))
    assert is_read(load_dataset("x.csv", scale="none"))
    assert parsed == [ROWS]


def test_endless_files_are_refused():
    if not Path("/dev/zero").exists():
        pytest.skip("no such device")
    Path("x.csv").symlink_to("/dev/zero")
    assert refusal(lambda: load_dataset("x.csv"), "data").endswith("got 'x.csv', which is no regular file")


def test_parquet_that_grows_beyond_memory_is_refused(monkeypatch):
    polars = pytest.importorskip("polars")
    polars.DataFrame({"a": [1.0] * 10**6, "label": [0, 1] * 500_000}).write_parquet("x.parquet")
    monkeypatch.setattr("actdiag.arrays.available_memory", lambda: 2**23)
    assert Path("x.parquet").stat().st_size < 2**17
    assert "1000000 rows of 2 columns need" in refusal(lambda: load_dataset("x.parquet"), "data")


def test_text_columns_of_a_data_frame_are_refused_whatever_they_say():
    frame = Frame({"a": np.array(["1", "2"] * 20), "label": CLASSES})
    said = "must hold numbers, got text '1' in row 1, column 'a' of the data frame"
    assert refusal(lambda: load_dataset(frame), "data") == said


def test_columns_that_are_not_there_are_refused():
    write_csv(header=(*NAMES, "kind"))
    said = 'must name the column of the labels of x.csv, or its number from 1; it has a, b c, d, "e", kind'
    assert refusal(lambda: load_dataset("x.csv"), "label_column") == said
    said = refusal(lambda: load_dataset("x.csv", label_column="kin"), "label_column")
    assert said == "must be a column of x.csv, got 'kin'; did you mean kind?"
    for column in ("0", "5", "-5", 0):
        assert "must be a column of x.csv" in refusal(
            lambda column=column: load_dataset("x.csv", label_column=column), "label_column"
        )
    assert load_dataset("x.csv", label_column="4") == load_dataset("x.csv", label_column="kind")


def test_many_columns_are_read():
    header = ",".join(f"c{place}" for place in range(20_000))
    rows = ("1," * 20_000 + "0\n" + "2," * 20_000 + "1\n") * 5
    Path("x.csv").write_text(f"{header},label\n{rows}")
    assert load_dataset("x.csv").train_inputs.shape == (8, 20_000)


def test_numbers_beyond_float32_are_refused():
    Path("x.csv").write_text("a,label\n1e300,0\n2,1\n")
    assert "must hold numbers that float32 can hold" in refusal(lambda: load_dataset("x.csv", scale="none"), "data")


# Objects


class Frame:
    """A data frame as far as its own protocol goes."""

    def __init__(self, columns):
        self.columns, self._of = list(columns), columns

    def __getitem__(self, name):
        return self._of[name]


class Tensor:
    """A tensor that is being trained: it makes an array only once it is detached."""

    def __init__(self, array, detached=False):
        self.array, self.detached = array, detached

    def detach(self):
        return Tensor(self.array, detached=True)

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        if not self.detached:
            message = "it requires grad"
            raise RuntimeError(message)
        return np.asarray(self.array, dtype)


def frame(**labels):
    return Frame({name: FEATURES[:, place].tolist() for place, name in enumerate("abc")} | labels)


OBJECTS = {
    "pair": (FEATURES, CLASSES),
    "lists": [FEATURES.tolist(), CLASSES.tolist()],
    "tensors": (Tensor(FEATURES), Tensor(CLASSES)),
    "frame": frame(label=CLASSES),
    "frame and labels": (frame(), CLASSES),
    "bunch": {"data": FEATURES, "target": CLASSES, "DESCR": "text"},
    "capitals": {"X": FEATURES, "y": CLASSES},
}


@pytest.mark.parametrize("given", OBJECTS.values(), ids=OBJECTS)
def test_objects_are_read_to_the_same_numbers(given):
    data = load_dataset(given, scale="none")
    assert is_read(data)
    assert data.name == "data"
    assert data == load_dataset((FEATURES, CLASSES), scale="none")


def test_four_arrays_have_rows_to_test_on():
    data = load_dataset((FEATURES[:30], CLASSES[:30], FEATURES[30:], CLASSES[30:]), scale="none")
    assert np.array_equal(data.train_inputs, FEATURES[:30].astype(np.float32))
    assert np.array_equal(data.test_labels, CLASSES[30:])
    keys = {"x_train": FEATURES[:30], "y_train": CLASSES[:30], "x_test": FEATURES[30:], "y_test": CLASSES[30:]}
    np.savez("x.npz", **keys)
    assert load_dataset(keys, scale="none").digest == load_dataset("x.npz", scale="none").digest == data.digest


@pytest.mark.parametrize("keys", [("x_train", "y_train"), ("X", "y"), ("data", "target"), ("X_Train", "Y_train")])
def test_arrays_of_a_file_are_known_by_their_keys(keys):
    np.savez("x.npz", **dict(zip(keys, (FEATURES, CLASSES), strict=True)))
    assert is_read(load_dataset("x.npz", scale="none"))


def test_objects_that_hold_no_data_are_refused():
    for given in (FEATURES, (FEATURES,), {"data": FEATURES}, 3.5, object()):
        assert "must be digits, synthetic, a table" in refusal(lambda given=given: load_dataset(given), "data")
    assert "must be an array of numbers, got list" in refusal(lambda: array_of("data", [[1], [1, 2]]), "data")


def test_real_tensors_and_frames():
    torch = pytest.importorskip("torch")
    inputs = torch.tensor(FEATURES, requires_grad=True)
    assert is_read(load_dataset((inputs, torch.tensor(CLASSES)), scale="none"))
    assert np.array_equal(make_stack(input=inputs, dtype="float64").inputs(), FEATURES)


# Labels


@pytest.mark.parametrize(
    ("given", "classes", "names", "notes"),
    [
        ([0, 1, 2] * 5, [0, 1, 2], (), ()),
        ([1, 2, 3] * 5, [0, 1, 2], ("1", "2", "3"), ("labels 1, 2, 3: 3 classes",)),
        ([100, 200, 100, 200], [0, 1, 0, 1], ("100", "200"), ("labels 100 and 200: 2 classes",)),
        ([-1, 1, -1], [0, 1, 0], ("-1", "1"), ("labels -1 and 1: 2 classes",)),
        ([0.0, 1.0, 2.0] * 5, [0, 1, 2], (), ()),
        ([2.0, 4.0] * 5, [0, 1], ("2", "4"), ("labels 2 and 4: 2 classes",)),
        ([True, False], [1, 0], ("False", "True"), ("labels False and True: 2 classes",)),
        (["b", "a", "b"], [1, 0, 1], ("a", "b"), ("labels a and b: 2 classes",)),
        ([b"b", b"a"], [1, 0], ("a", "b"), ("labels a and b: 2 classes",)),
        (np.array(["b", 1], dtype=object), [1, 0], ("1", "b"), ("labels 1 and b: 2 classes",)),
        (np.eye(3)[[2, 0, 1]], [2, 0, 1], (), ()),
        ([[5], [7]], [0, 1], ("5", "7"), ("labels 5 and 7: 2 classes",)),
    ],
)
def test_labels_are_mapped_to_classes(given, classes, names, notes):
    found = labelled("labels", np.asarray(given), "here")
    assert found.labels.tolist()[: len(classes)] == classes
    assert (found.task, found.names, found.notes) == ("classification", names, notes)
    assert found.classes == len(set(found.labels.tolist()))


def test_objects_are_taken_for_what_they_are():
    many = RNG.permutation(np.repeat(np.arange(12), 10))
    found, plain = (labelled("labels", one, "here") for one in (many.astype(object), many))
    assert found.labels.tolist() == plain.labels.tolist()
    assert found.names == plain.names == ()
    assert labelled("labels", RNG.normal(size=50).astype(object), "here").task == "regression"
    assert labelled("labels", np.array([True, False], dtype=object), "here").names == ("False", "True")


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_missing_labels_are_no_class(missing):
    given = np.array(["a", "b", missing, "a"], dtype=object)
    said = "must have a label in every row, got none in row 2 (from 0) of here"
    assert refusal(lambda: labelled("labels", given, "here"), "labels") == said


@pytest.mark.parametrize(
    ("bad", "options", "said"),
    [
        (np.nan, {}, "must hold finite numbers, got NaN or inf in row 7 (from 0) of the labels"),
        (0.5, {"task": "classification"}, "for classification, got 0.5 in row 7 (from 0) of the labels"),
    ],
)
def test_rows_are_named_as_they_stand_in_the_data(bad, options, said):
    labels = CLASSES.astype(float)
    labels[7] = bad
    assert said in refusal(lambda: load_dataset((FEATURES, labels), **options), "data")


def test_whole_numbers_are_classes_where_they_are_few_or_frequent():
    few, frequent, many = np.arange(20), np.repeat(np.arange(30), 10), np.arange(21)
    assert labelled("labels", few, "here").task == "classification"
    assert labelled("labels", frequent, "here").task == "classification"
    found = labelled("labels", many, "here")
    assert found.task == "regression"
    assert found.notes[0] == "regression (21 values in 21 rows); --task classification for classes"
    assert labelled("labels", many, "here", task="classification").classes == 21
    assert labelled("labels", few, "here", task="regression").task == "regression"
    assert labelled("labels", np.array([0.5, 1.0]), "here").notes[0] == "regression (targets that are no whole numbers)"


def test_targets_are_standardized_by_the_rows_to_train_on():
    targets = np.array([1e8, 3e8, 1e8, 3e8, 9e8])
    found = labelled("labels", targets, "here", task="regression", to_train_on=4)
    assert found.labels == pytest.approx([-1, 1, -1, 1, 7])
    assert (found.mean, found.std) == pytest.approx((2e8, 1e8))
    raw = labelled("labels", targets, "here", task="regression", raw_targets=True)
    assert raw.labels.tolist() == targets.tolist()
    assert raw.notes == ("regression", "targets as they are, up to 9e+08")


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        (
            [0.5, 1.0],
            {"task": "classification"},
            "text or booleans for classification, got 0.5 in row 0",
        ),
        (["a", "b"], {"task": "regression"}, "must be numbers for regression, got text, such as 'a' in here"),
        ([1.0, np.nan], {}, "must hold finite numbers, got NaN or inf in row 1 (from 0) of here"),
        ([[1, 1], [0, 1]], {}, "must have one label a row, or one-hot rows, got shape (2, 2) in here"),
        ([3, 3], {}, "must have labels of at least 2 classes, got 3 in all of here"),
        ([1j, 2], {}, "must hold numbers, text or booleans, got dtype complex128 in here"),
        ([0, 5], {"classes": 3}, "must be whole numbers from 0 to 2 (one under the classes), got 5 in row 1"),
        ([], {}, "must have one label a row, got shape (0,) in here"),
    ],
)
def test_labels_that_are_refused(given, options, said):
    assert said in refusal(lambda: labelled("labels", np.asarray(given), "here", **options), "labels")


# Scale


def test_every_feature_is_scaled_by_itself_and_constants_are_counted():
    inputs = np.column_stack([RNG.normal(1e6, 3, 50), RNG.normal(0, 1e-8, 50), np.full(50, 7.0)])
    scaling = find_scaling("feature", inputs)
    result = scaled(inputs, scaling, "x", dtype="float64")
    assert result.mean(axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    assert result.std(axis=0) == pytest.approx([1, 1, 0], abs=1e-9)
    assert scaling.note == "scaled per feature, 1 constant feature left at 0"


@pytest.mark.parametrize(
    ("inputs", "images", "kind"),
    [
        (RNG.normal(size=(500, 4)), False, "none"),
        (RNG.normal(size=(500, 4)), True, "none"),
        (RNG.normal(5, 1, size=(500, 4)), False, "feature"),
        (RNG.normal(size=(500, 3)) * [1.73, 0.01, 0.01], False, "feature"),
        (RNG.normal(size=(500, 3)) * [1.73, 0.01, 0.01], True, "none"),
        (RNG.normal(size=(30, 20)), False, "none"),
        (np.column_stack([RNG.normal(size=(500, 9)), np.zeros(500)]), False, "none"),
        (RNG.normal(0, 3, size=(500, 4)), False, "feature"),
        (RNG.integers(0, 256, size=(500, 4)), True, "global"),
    ],
)
def test_auto_leaves_what_is_scaled_and_tells_images_from_tables(inputs, images, kind):
    assert find_scaling("auto", inputs, images).kind == kind


def test_images_are_told_by_their_axes_and_bytes():
    pixels = RNG.integers(0, 256, size=(ROWS, 2, 3))
    assert load_dataset((pixels, CLASSES)).notes[-1] == "scaled by one mean and std"
    assert load_dataset((pixels.reshape(ROWS, 6), CLASSES)).notes[-1] == "scaled per feature"
    assert load_dataset((pixels.reshape(ROWS, 6).astype(np.uint8), CLASSES)).notes[-1] == "scaled by one mean and std"
    assert read_input(pixels, None, None, 100, "auto")[1] == "array, scaled by one mean and std"


def test_other_names_of_scales():
    assert [checked_scale("scale", name) for name in ("standard", "Raw", "FEATURE")] == ["global", "none", "feature"]


def test_test_rows_are_scaled_like_training_rows():
    data = load_dataset((FEATURES[:30] * 5 + 2, CLASSES[:30], FEATURES[30:], CLASSES[30:]), scale="feature")
    mean, std = (FEATURES[:30] * 5 + 2).mean(axis=0), (FEATURES[:30] * 5).std(axis=0)
    assert data.test_inputs == pytest.approx((FEATURES[30:] - mean) / std, rel=1e-5)


# Commands


def test_a_table_is_input_and_labels_at_once():
    write_csv(labels=np.where(CLASSES, "yes", "no"))
    options = {"depth": 2, "width": 8, "loss": "cross-entropy", "dtype": "float64"}
    found = grad_flow(input="x.csv", labels="x.csv", **options)
    assert found.loss.classes == 2
    assert found.loss == grad_flow(input=FEATURES, labels=CLASSES, **options).loss
    assert propagate(input="x.csv", depth=2, width=8).stack.input_width == 3
    assert read_labels("x.csv", "a")[0] == pytest.approx(FEATURES[:, 0])


def test_targets_of_regression_in_a_backward_pass():
    targets = FEATURES @ [1.0, 2.0, 3.0]
    found = grad_flow(input=FEATURES, labels=targets, loss="mse", depth=2, width=8)
    assert (found.loss.classes, found.verdict.severity) == (1, "unknown")
    said = refusal(lambda: grad_flow(input=FEATURES, labels=targets, loss="cross-entropy"), "loss")
    assert said == "must be mse for regression (targets that are no whole numbers), got 'cross-entropy'"


def test_inputs_are_scaled_where_it_is_asked_for():
    inputs = FEATURES * 100 + 5
    stack = make_stack(input=inputs, scale="feature", dtype="float64")
    assert stack.inputs().std(axis=0) == pytest.approx(np.ones(3))
    assert stack.input == "array, scaled per feature"
    assert stack == make_stack(input=inputs, standardize=True, dtype="float64")
    assert np.array_equal(make_stack(input=inputs, dtype="float64").inputs(), inputs)
    assert "beside scale unit" in refusal(
        lambda: make_stack(input=inputs, standardize=True, scale="unit"), "standardize"
    )
    assert "got input normal" in refusal(lambda: make_stack(scale="feature"), "scale")


def test_fewer_rows_than_a_batch_are_one_batch():
    inputs, labels = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([-1, 1, 1, -1])
    (run,) = train("tanh", "xavier", data=(inputs, labels), depth=2, width=16, lr=0.5, iterations=200)
    assert run.recipe.batch == 4
    assert run.outcome == "learned"
    assert run.data.class_names == ("-1", "1")
