"""Weights that are given: read from files and pairs, measured like any stack, and saved by training."""

import json
import struct

import numpy as np
import pytest

from actdiag import InvalidField, Report, fix, grad_flow, judge, make_stack, propagate, train
from actdiag.api.weight_files import read_weights

RNG = np.random.default_rng(4)
SHAPES = ((6, 8), (8, 8), (8, 5))
LAYERS = [(RNG.normal(0, 0.4, shape), RNG.normal(0, 0.1, shape[1])) for shape in SHAPES]
INPUTS = RNG.normal(size=(40, 6))
OPTIONS = {"act": "tanh", "input": INPUTS, "dtype": "float64"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def forward(layers=LAYERS):
    a, found = INPUTS, []
    for weights, biases in layers:
        a = np.tanh(a @ weights + biases)
        found.append(float(np.sqrt(np.mean(np.square(a)))))
    return found


def write_safetensors(name, arrays, kind="F64"):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for key, array in arrays.items():
        content = array.tobytes()
        offsets = [len(body), len(body) + len(content)]
        header[key] = {"dtype": kind, "shape": list(array.shape), "data_offsets": offsets}
        body += content
    text = json.dumps(header).encode()
    with open(name, "wb") as file:  # noqa: PTH123
        file.write(struct.pack("<Q", len(text)) + text + body)
    return name


def as_torch(layers=LAYERS, stem="layers.{}", dtype="<f8"):
    named = {}
    for number, (weights, biases) in enumerate(layers):
        named[stem.format(number) + ".bias"] = np.ascontiguousarray(biases.astype(dtype))
        named[stem.format(number) + ".weight"] = np.ascontiguousarray(weights.T.astype(dtype))
    return named


def rms(**options):
    return [layer.rms for layer in propagate(**OPTIONS | options).layers]


def refusal(make, field="weights"):
    with pytest.raises(InvalidField) as raised:
        make()
    assert raised.value.field == field
    return raised.value.problem


def test_pairs_are_measured():
    assert rms(weights=LAYERS) == pytest.approx(forward(), rel=1e-9)
    assert rms(weights=[(w, None) for w, _ in LAYERS]) == pytest.approx(
        forward([(w, np.zeros(w.shape[1])) for w, _ in LAYERS]), rel=1e-9
    )
    assert rms(weights=[(w.T, b) for w, b in LAYERS], weights_layout="out-in") == pytest.approx(forward(), rel=1e-9)


NAMES = [
    {"weight_{}": 0, "bias_{}": 1},
    {"W{}": 0, "b{}": 1},
    {"dense_{}/kernel": 0, "dense_{}/bias": 1},
    {"layer{}.weights": 0, "layer{}.biases": 1},
]


@pytest.mark.parametrize("names", NAMES, ids=map(str, NAMES))
def test_npz_files_of_many_names_are_read_in_the_order_of_their_numbers(names):
    many = [(RNG.normal(0, 0.3, (6, 6)), RNG.normal(0, 0.1, 6)) for _ in range(11)] + [LAYERS[0]]
    arrays = {name.format(number): pair[at] for number, pair in enumerate(many, 1) for name, at in names.items()}
    np.savez("x.npz", **arrays)
    assert rms(weights="x.npz") == pytest.approx(forward(many), rel=1e-9)


def test_safetensors_are_pytorchs():
    assert rms(weights=write_safetensors("x.safetensors", as_torch())) == pytest.approx(forward(), rel=1e-9)
    single = write_safetensors("y.safetensors", as_torch(dtype="<f2"), "F16")
    assert rms(weights=single) == pytest.approx(forward(), rel=1e-3)
    halves = {key: (array.astype("<f4").view("<u4") >> 16).astype("<u2") for key, array in as_torch().items()}
    assert rms(weights=write_safetensors("z.safetensors", halves, "BF16")) == pytest.approx(forward(), rel=0.02)


def test_what_the_safetensors_library_writes_is_read():
    library = pytest.importorskip("safetensors.numpy")
    library.save_file(as_torch(), "x.safetensors")
    assert rms(weights="x.safetensors") == pytest.approx(forward(), rel=1e-9)


@pytest.mark.torch
def test_pytorch_measures_the_same_forward_and_backward():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = [torch.nn.Linear(*shape, dtype=torch.float64) for shape in SHAPES]
    arrays = {
        f"{number}.{name}": value for number, one in enumerate(layers) for name, value in one.state_dict().items()
    }
    write_safetensors("x.safetensors", {key: value.numpy() for key, value in arrays.items()})
    labels = np.arange(40) % 5
    report = grad_flow(**OPTIONS, weights="x.safetensors", loss="cross-entropy", labels=labels, classes=5)
    pairs = [(one.weight.detach().numpy().T, one.bias.detach().numpy()) for one in layers]
    assert [layer.rms for layer in report.layers] == pytest.approx(forward(pairs), rel=1e-9)
    a, kept = torch.tensor(INPUTS), []
    for one in layers:
        kept.append(one(a))
        kept[-1].retain_grad()
        a = torch.tanh(kept[-1])
    top = torch.tensor(make_stack(**OPTIONS, weights="x.safetensors").weights.layers[0][0])
    assert torch.equal(top, layers[0].weight.detach().T)
    saved = {f"weight_{number}": pair[0] for number, pair in enumerate(pairs, 1)}
    saved |= {f"bias_{number}": pair[1] for number, pair in enumerate(pairs, 1)}
    readout = RNG.normal(0, 0.4, (5, 5)), RNG.normal(0, 0.1, 5)
    np.savez("x.npz", **saved, readout_weight=readout[0], readout_bias=readout[1])
    report = grad_flow(**OPTIONS, weights="x.npz", loss="cross-entropy", labels=labels)
    logits = a @ torch.tensor(readout[0]) + torch.tensor(readout[1])
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    loss.backward()
    assert report.loss.value == pytest.approx(loss.item(), rel=1e-9)
    theirs = [float(z.grad.square().mean().sqrt()) for z in kept]
    assert [layer.gradient.rms for layer in report.layers] == pytest.approx(theirs, rel=1e-9)


def test_trained_weights_are_measured_as_they_were_after_training():
    data = (INPUTS, (INPUTS[:, 0] > 0).astype(int), INPUTS, (INPUTS[:, 0] > 0).astype(int))
    options = {"data": data, "scale": "none", "depth": 2, "width": 7, "lr": 0.1, "iterations": 40, "dtype": "float64"}
    (run,) = train("tanh", "xavier", **options, save="x.npz")
    assert run.weights is not None
    assert train("tanh", "xavier", **options)[0].weights is None
    report = grad_flow("tanh", weights="x.npz", input=INPUTS.astype(np.float32), labels=data[1], loss="cross-entropy",
                       dtype="float64")  # fmt: skip
    assert report.loss.value == pytest.approx(run.after.loss, rel=1e-9)
    for ours, theirs in zip(report.layers, run.after.layers, strict=True):
        assert (ours.rms, ours.mean) == pytest.approx((theirs.rms, theirs.mean), rel=1e-9)
        assert ours.gradient.rms == pytest.approx(theirs.gradient.rms, rel=1e-9)
    with np.load("x.npz") as saved:
        assert (str(saved["act"]), saved["widths"].tolist()) == ("tanh", [7, 7])
        assert list(saved) == [
            "act", "widths", "weight_1", "bias_1", "weight_2", "bias_2", "readout_weight", "readout_bias",
        ]  # fmt: skip


def test_a_square_file_needs_its_layout_unless_it_is_ours():
    square = [(w, b) for w, b in [(RNG.normal(size=(6, 6)), np.zeros(6))] * 2]
    np.savez("x.npz", W1=square[0][0], W2=square[1][0])
    said = "must be one of in-out, out-in where every matrix is square, as in x.npz"
    assert refusal(lambda: propagate(**OPTIONS, weights="x.npz"), "weights_layout") == said
    assert rms(weights="x.npz", weights_layout="in-out") == pytest.approx(forward(square), rel=1e-9)
    turned = forward([(w.T, b) for w, b in square])
    assert rms(weights="x.npz", weights_layout="out-in") == pytest.approx(turned, rel=1e-9)
    np.savez("ours.npz", weight_1=square[0][0], weight_2=square[1][0], act="tanh", widths=[6, 6])
    assert rms(weights="ours.npz") == pytest.approx(forward(square), rel=1e-9)


def save(**arrays):
    np.savez("x.npz", **arrays)
    return "x.npz"


GOOD = {"w1": LAYERS[0][0], "b1": LAYERS[0][1], "w2": LAYERS[1][0]}
REFUSED = {
    "no chain": (
        {"w1": LAYERS[0][0], "w2": LAYERS[2][0].T},
        "must be a chain of layers (in-out), got w2 of shape",
    ),
    "three axes": (
        GOOD | {"conv": np.ones((3, 3, 3))},
        "must hold matrices and vectors, got shape (3, 3, 3) in conv",
    ),
    "biases alone": (GOOD | {"b9": np.ones(3)}, "must have a matrix beside b9, got none in x.npz"),
    "two of a layer": (
        GOOD | {"bias1": np.ones(8)},
        "one matrix and one vector of biases a layer, got b1 and bias1",
    ),
    "other biases": (GOOD | {"b2": np.ones(3)}, "must have 8 biases there (in-out), got 3 biases beside w2"),
    "NaN": (GOOD | {"b2": np.full(8, np.nan)}, "must hold finite numbers, got NaN, inf or none in b2 of x.npz"),
    "text": (GOOD | {"b2": np.array(["a"] * 8)}, "must hold real numbers, got dtype <U1 in b2 of x.npz"),
    "nothing": (
        {"act": np.array("relu"), "widths": np.array([1])},
        "must hold the matrices of layers, got none in x",
    ),
}


@pytest.mark.parametrize(("arrays", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_network_is_refused_by_name(arrays, said):
    assert said in refusal(lambda: propagate(**OPTIONS, weights=save(**arrays)))


@pytest.mark.parametrize("content", [b"", b"\x00" * 8, struct.pack("<Q", 10**9) + b"{}", struct.pack("<Q", 2) + b"[]"])
def test_damaged_files_are_refused_in_one_line(content):
    for name in ("x.safetensors", "x.npz"):
        with open(name, "wb") as file:  # noqa: PTH123
            file.write(content)
        assert "must be a .npz or a .safetensors file of weights, got" in refusal(lambda name=name: rms(weights=name))
    for given in ("none.npz", "x.pt", 3, [], "x.npz.safetensors"):
        refusal(lambda given=given: rms(weights=given))
    for pairs in ([1], [(np.ones((6, 2)),)], [(np.ones(3), None)], [(np.ones((6, 2)), np.ones((2, 2)))]):
        refusal(lambda pairs=pairs: rms(weights=pairs))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"init": "xavier"}, "must be left out where weights are given, got xavier"),
        ({"gain": 2.0}, "must be left out where weights are given, got 2.0"),
        ({"bias_std": 0.1}, "must be left out where weights are given, got 0.1"),
        ({"depth": 4}, "must be left out where weights are given, or be 3, got 4"),
        ({"width": 8}, "must be left out where weights are given, or be 8, got 8"),
        ({"widths": [8, 8]}, "must be left out where weights are given, or be [8, 8, 5], got [8, 8]"),
        ({"input_width": 7}, "must be 6, as the arrays has it, got 7"),
    ],
)
def test_what_else_says_weights_is_refused(options, said):
    (field,) = options
    assert refusal(lambda: propagate(**OPTIONS | options, weights=LAYERS), field) == said


def test_what_agrees_may_stand_beside():
    stack = make_stack(**OPTIONS, weights=LAYERS, depth=3, widths=None)
    assert stack == make_stack(**OPTIONS, weights=LAYERS, widths=[8, 8, 5])
    assert stack.weight_std(1) == pytest.approx(np.sqrt(np.mean(np.square(LAYERS[0][0]))))
    assert stack.bias_spread(2) == pytest.approx((LAYERS[1][1].mean(), LAYERS[1][1].std()))


def test_stacks_compare_by_the_arrays():
    other = [*LAYERS[:2], (LAYERS[2][0], LAYERS[2][1] + 1e-12)]
    one, same, changed = (make_stack(**OPTIONS, weights=given) for given in (LAYERS, list(LAYERS), other))
    assert one == same
    assert hash(one) == hash(same)
    assert one.fingerprint() == same.fingerprint() != changed.fingerprint()
    assert one != changed


def test_a_report_of_given_weights():
    report = propagate(**OPTIONS, weights=LAYERS)
    assert report.verdict.severity == "unknown"
    assert report.verdict.outside == ("weights that are given were not among those trained",)
    assert report.theory.applies
    assert "given" in report.theory.note
    assert fix("tanh", weights=LAYERS, input=INPUTS) is None
    document = report.to_dict()
    read = Report.from_dict(document)
    assert read.to_dict() == document
    assert read.stack.weights == report.stack.weights
    assert "a document has the digest" in refusal(lambda: read.stack.weights.layer(1))
    assert [one.judge for one in judge(**OPTIONS, weights=LAYERS)]
    dead = propagate("relu", weights=[(np.zeros((6, 4)), np.full(4, -1.0))], input=INPUTS)
    assert dead.verdict.severity == "untrainable"


def test_numbers_beyond_the_dtype_are_refused():
    large = [(np.full((6, 2), 1e39), np.zeros(2))]
    assert "float32 can hold, got up to 1e+39" in refusal(lambda: propagate(weights=large, input=INPUTS))
    assert read_weights(large, None).spreads[0].weight_std == pytest.approx(1e39)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"init": ["he", "xavier"]}, "got 2 runs: name one"),
        ({"save": "x.npy"}, "got 'x.npy'"),
        ({"save": "none/x.npz"}, "whose folder does not exist"),
        ({"act": "prelu"}, "got the learned slopes of prelu"),
        ({"checkpoint": "c.json"}, "got checkpoint"),
    ],
)
def test_what_cannot_be_saved_is_refused(options, said):
    given = {"act": "relu", "init": ["he"], "data": "synthetic:rows=100", "save": "x.npz", "iterations": 1, "depth": 1}
    assert said in refusal(lambda: train(**given | options), "save")
