"""Documents: what comes back of them says the same, runs no code, and what cannot be read is told in one line."""

import json
import pickle
import sys
from dataclasses import replace
from math import inf, isnan
from pathlib import Path

import builders
import elsewhere
import numpy as np
import pytest

import actdiag
from actdiag import ops
from actdiag.activations import resolve
from actdiag.diagnosis.findings import ProvenFix
from actdiag.documents.gains import gains_from_dict, gains_to_dict
from actdiag.documents.plain import as_json
from actdiag.documents.reports import reports_from_dict, reports_to_dict
from actdiag.documents.stacks import stack_from_dict, stack_to_dict
from actdiag.documents.training import training_from_dict, training_to_dict
from actdiag.errors import InvalidField
from actdiag.experiments.run import run_propagate, run_settings
from actdiag.experiments.verify import verify
from actdiag.report import Report

SMALL = {"batch": 40, "width": 12, "depth": 3}
ROWS = np.random.default_rng(0).normal(size=(40, 12))
LABELS = np.arange(40) % 3
BLOCK = (ops.dense(12), ops.activation(), ops.residual([ops.dense(), ops.activation("tanh"), ops.dense()]))


def of_blocks(*arch, **options):
    return actdiag.grad_flow("relu", "he", arch=arch, batch=30, **options)


REPORTS = {
    "signal": lambda: actdiag.propagate("tanh", "lecun", **SMALL),
    "one layer": lambda: actdiag.grad_flow("tanh", "lecun", batch=20, width=5, depth=1),
    "one input": lambda: actdiag.grad_flow("tanh", "lecun", batch=1, width=5, depth=2),
    "gradient": lambda: actdiag.grad_flow("gelu", "he", **SMALL),
    "overflow": lambda: actdiag.propagate("relu", "std=1e30", **SMALL),
    "overflow of gradients": lambda: actdiag.grad_flow("relu", "std=1e20", **SMALL),
    "zeros": lambda: actdiag.grad_flow("relu", "zeros", **SMALL),
    "dead": lambda: actdiag.grad_flow("relu", "he", bias_mean=-50.0, **SMALL),
    "advice": lambda: actdiag.grad_flow("relu", "std=0.01", batch=40, width=60, depth=8),
    "advice of widths": lambda: actdiag.propagate("softmax", "he", widths=[9, 8, 7], batch=20),
    "advice on inputs": lambda: actdiag.propagate("relu", "he", input=ROWS * 1e9, widths=[9, 8], batch=20),
    "no theory": lambda: actdiag.grad_flow("relu", "he", theory=False, **SMALL),
    "theory does not apply": lambda: actdiag.propagate("softmax", "lecun", **SMALL),
    "repeats": lambda: actdiag.grad_flow("elu", "torch_linear", repeats=3, **SMALL),
    "repeats of a signal": lambda: actdiag.propagate("relu", "lsuv", repeats=2, theory=False, **SMALL),
    "mse": lambda: actdiag.grad_flow("prelu", "he", loss="mse", classes=4, dtype="float64", **SMALL),
    "cross-entropy": lambda: actdiag.grad_flow("maxout:2", "orthogonal", loss="cross-entropy", **SMALL),
    "own data": lambda: actdiag.grad_flow("relu", "he", input=ROWS, labels=LABELS, loss="mse", width=9, depth=2),
    "expression": lambda: actdiag.grad_flow("x*sigmoid(1.7*x)", "std=0.3", bias_std=0.2, **SMALL),
    "alias and parameters": lambda: actdiag.propagate("leaky_relu:slope=0.3", "normal:0.2", input="uniform", **SMALL),
    "automatic": lambda: actdiag.grad_flow("selu", "auto", widths=[9, 8, 7], batch=20),
    "automatic gain": lambda: actdiag.propagate("tanh", "xavier", gain="auto", widths=[9, 4, 7], batch=20),
    "gain and biases": lambda: actdiag.propagate("tanh", "he", gain=1.3, bias_mean=0.1, seed=3, **SMALL),
    "blocks": lambda: of_blocks(*BLOCK),
}
OWN = {
    "functions of a module": lambda: actdiag.grad_flow("autograd.numpy:tanh", "he", **SMALL),
    "an Activation": lambda: actdiag.grad_flow(elsewhere.RAMP, "he", **SMALL),
    "an Initializer": lambda: actdiag.grad_flow("relu", elsewhere.DRAWN, loss="mse", widths=[9, 8], batch=20),
    "both, repeated": lambda: actdiag.propagate(elsewhere.RAMP, elsewhere.DRAWN, repeats=2, theory=False, **SMALL),
    "in blocks": lambda: of_blocks(ops.dense(9), ops.activation(elsewhere.RAMP), ops.dense(4), theory=False),
    "borrowing a name": lambda: actdiag.propagate(replace(elsewhere.RAMP, name="relu"), "he", theory=False, **SMALL),
}


@pytest.fixture(scope="module")
def built():
    made = {}

    def report(name):
        if name not in made:
            made[name] = (REPORTS | OWN)[name]()
        return made[name]

    return report


@pytest.mark.parametrize("name", [*REPORTS, *OWN])
def test_what_is_read_says_the_same(name, built):
    report = built(name)
    document = report.to_dict()
    assert Report.from_dict(document).to_dict() == document
    back = Report.from_json(report.to_json())
    assert back.to_json() == report.to_json()
    assert back.rows() == report.rows()
    assert document == report.to_dict()  # and reading leaves a document as it is


@pytest.mark.parametrize("name", [*REPORTS, *OWN])
def test_what_is_read_is_shown_alike(name, built):
    from rich.console import Console

    report, texts = built(name), []
    for one in (report, Report.from_json(report.to_json())):
        with Path("/dev/null").open("w") as nowhere:
            screen = Console(file=nowhere, width=120, record=True)
            screen.print(one)
        texts.append(screen.export_text())
        one.figure()
    assert texts[0] == texts[1]


@pytest.mark.parametrize("name", list(REPORTS))
def test_stacks_come_back_equal_and_run(name, built):
    report = built(name)
    stack = Report.from_json(report.to_json()).stack
    assert stack == report.stack
    assert hash(stack) == hash(report.stack)
    assert stack.fingerprint() == report.stack.fingerprint()
    assert stack.sites() == report.stack.sites()


@pytest.mark.parametrize("name", ["gradient", "mse", "repeats", "blocks", "zeros", "advice"])
def test_reports_come_back_equal(name, built):
    assert Report.from_json(built(name).to_json()) == built(name)


CHANGES = {"gain": 1.5, "widths": (20, 30), "standardize": True, "bias_std": None}
FIX = ProvenFix(CHANGES, "--gain 1.5", "healthy", 0.9, 3)


def test_a_fix_comes_back_equal(built):
    found = built("advice").verdict.fix
    assert found is not None
    for fix in (found, FIX):
        report = replace(builders.sick(), verdict=replace(builders.sick().verdict, fix=fix))
        back = Report.from_json(report.to_json()).verdict
        assert (back, back.fix) == (report.verdict, fix)
        document = report.to_dict()["verdict"]["fix"]
        assert list(document) == ["changes", "command", "severity", "probability", "tried"]
        assert Report.from_dict(report.to_dict()).verdict == report.verdict
    assert document["changes"] == CHANGES | {"widths": [20, 30]}


def test_older_verdicts_have_no_fix_and_nothing_explained():
    document = builders.sick().to_dict()
    del document["verdict"]["fix"]
    for finding in document["verdict"]["findings"]:
        del finding["explained"]
    for layer in document["layers"]:
        del layer["silent_fraction"]
    back = Report.from_dict(document)
    assert back.verdict == builders.sick().verdict
    assert [stats.silent_fraction for stats in back.layers] == [None] * 4
    gradient = builders.with_gradient().to_dict()
    for layer in gradient["layers"]:
        del layer["gradient"]["typical_rms"], layer["gradient"]["along_z_fraction"]
    read = [stats.gradient for stats in Report.from_dict(gradient).layers]
    assert [(one.typical_rms, one.along_z_fraction) for one in read] == [(None, 0.0)] * 4


def test_numbers_that_were_not_finite_come_back_as_none_or_nan():
    infinite = replace(builders.VANISHING, value=inf)
    back = Report.from_dict(builders.report(findings=[infinite]).to_dict())
    assert isnan(back.findings[0].value)
    assert Report.from_dict(builders.sick().to_dict()).layers[3].rms is None


@pytest.mark.parametrize("name", list(OWN))
def test_entries_of_ones_own_become_names_that_cannot_run(name, built):
    report = built(name)
    back = Report.from_json(report.to_json())
    assert (back.stack.act.name, back.stack.init.name) == (report.stack.act.name, report.stack.init.name)
    assert pickle.loads(pickle.dumps(back)) == back
    with pytest.raises(InvalidField, match=r"must be given again to run: of '.*' a document has the name"):
        run_propagate(back.stack, run_settings(theory=False))


def test_what_cannot_run_names_its_field(built):
    back = Report.from_json(built("both, repeated").to_json())
    assert not back.stack.act.can_run
    with pytest.raises(InvalidField, match=r"^act must be given again to run: of 'ramp' a document has the name"):
        back.stack.act.value(ROWS)
    with pytest.raises(InvalidField, match=r"^init must be given again to run: of 'drawn' a document has the name"):
        back.stack.init.sample(np.random.default_rng(0), 3, 4, "float32")
    with pytest.raises(InvalidField, match=r"^init must be given again"):
        back.stack.init.std(1000, 1000)
    assert back.stack.init.std(12, 12) == built("both, repeated").stack.init.std(12, 12)
    with pytest.raises(InvalidField, match=r"^act must be given again"):
        back.stack.fingerprint()


def test_data_are_kept_as_digest_and_shape(built):
    report = built("own data")
    document = report.to_dict()
    assert document["stack"]["data"] == {"digest": report.stack.data_digest, "shape": [40, 12]}
    back = Report.from_dict(document)
    assert back.stack == report.stack
    with pytest.raises(InvalidField, match=r"^input must be given again: of array a document has the digest$"):
        back.stack.inputs()
    assert back.stack != replace(report.stack, data=ROWS + 1)


def test_reading_imports_and_runs_nothing(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    document = builders.report().to_dict()
    for own in (None, {"act": None, "init": None}):
        for name in ("trap:f", "os:getcwd", "__import__('trap')", "no_such_activation", "relu:nonsense=3", "x"):
            stack = {**document["stack"], "act": name, "own": own}
            read = stack_from_dict(stack)
            assert read.act.name == name
            assert read.act.can_run == (name == "x")
        read = stack_from_dict({**document["stack"], "init": "trap:f", "own": own})
        assert read.init.name == "trap:f"
    assert "trap" not in sys.modules


def test_layers_say_where_they_are_and_what_they_are():
    layers = of_blocks(*BLOCK).to_dict()["layers"]
    assert [(one["layer"], one["path"], one["op"]) for one in layers] == [
        (1, "1", "dense"),
        (2, "2.branch.1", "dense"),
        (3, "2.branch.2", "dense"),
        (4, "2", "residual"),
    ]
    plain = builders.with_gradient().to_dict()["layers"]
    assert [(one["path"], one["op"]) for one in plain] == [(str(number), "dense") for number in range(1, 5)]
    run = training_to_dict(
        actdiag.train("relu", "he", width=8, depth=2, iterations=2, batch=20, data="synthetic:rows=100")
    )
    assert [one["path"] for one in run["runs"][0]["after"]["layers"]] == ["1", "2"]


def test_comparisons():
    reports = actdiag.compare(["relu", "x*tanh(x)"], ["he", "torch_linear", "auto"], repeats=2, **SMALL)
    document = reports_to_dict(reports)
    back = reports_from_dict(json.loads(as_json(document)))
    assert reports_to_dict(back) == document
    assert [one.command for one in back] == ["compare"] * 6
    assert back == reports


@pytest.mark.parametrize(
    "options",
    [
        {"act": "relu", "init": ["std=0.01", "he", "auto"]},
        {"act": "tanh", "init": "torch_linear", "lr": ["auto", 0.5], "optimizer": "adam"},
        {"act": "relu", "init": "uniform:5", "lr": 100.0, "clip_value": 1e30},
        {"act": ["prelu", "rrelu"], "init": "lsuv", "dtype": "float64", "clip_norm": 1.0},
        {"act": elsewhere.RAMP, "init": elsewhere.DRAWN},
    ],
)
def test_training_runs(options):
    small = {"width": 8, "depth": 2, "iterations": 20, "batch": 30, "data": "synthetic:rows=200"}
    runs = actdiag.train(**options, **small)
    document = training_to_dict(runs)
    back = training_from_dict(json.loads(as_json(document)))
    assert training_to_dict(back) == document
    assert [one.outcome for one in back] == [one.outcome for one in runs]
    if runs[0].stack.act.name != "ramp":
        assert back == runs


def test_gains():
    names = ["relu", "gelu", "sigmoid", "exponential", "tanh", "x*tanh(x)"]
    found = [actdiag.gain(name, 0.1 if name == "tanh" else 0.0) for name in names]
    checks = [verify(resolve("relu"), 1.4, 0.0, depth=2, width=10), *[None] * 5]
    document = gains_to_dict(found, checks)
    back = gains_from_dict(json.loads(as_json(document)))
    assert back == (found, checks)
    assert gains_to_dict(*back) == document


def test_documents_without_the_later_keys():
    """Those that said what gains and biases came to, and not what was asked for."""
    for stack in (
        builders.stack(gain=1.5, bias_mean=0.5),
        builders.stack(init=actdiag.INITIALIZERS.resolve("torch_linear")),
    ):
        plain = {key: value for key, value in stack_to_dict(stack).items() if key not in LATER}
        read = stack_from_dict(plain)
        assert (read.gain, read.bias_spread(1)) == (stack.gain, stack.bias_spread(1))
    automatic = actdiag.make_stack("tanh", "xavier", gain="auto", widths=[9, 4, 7])
    read = stack_from_dict({key: value for key, value in stack_to_dict(automatic).items() if key not in LATER})
    assert read.layer_gains() == pytest.approx(automatic.layer_gains())
    document = builders.report().to_dict()
    del document["input"], document["layers"][0]["path"]
    assert Report.from_dict(document).input_rms is None


LATER = ("asked", "data", "arch", "own")


def test_later_keys_are_left_out():
    document = builders.report().to_dict()
    document["layers"][0]["later"] = {"a": 1}
    assert Report.from_dict(document | {"fix": None, "judgements": []}).to_dict() == builders.report().to_dict()


def broken(**changes):
    """A document with something else at a place, such as `layers__0__rms`; None to take it out."""
    document = json.loads(builders.with_gradient().to_json())
    for path, value in changes.items():
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        at = document
        for part in parents:
            at = at[part]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "json must be a document of this program with its schema, got list"),
        ({"act": "relu"}, "json must be a document of this program with its schema, got keys act"),
        (broken(schema="actdiag/9"), "schema must be actdiag/1 or actdiag/2, got 'actdiag/9'"),
        (broken(layers=None), "json must have layers, got keys schema, command, versions, stack, change_per_layer"),
        (broken(layers={}), "json must have a list at layers, got {}"),
        (broken(layers__2__rms=None), "json must have layers[2].rms, got keys layer, path, op, width"),
        (broken(layers__2__rms="x"), "json must have a number at layers[2].rms, got 'x'"),
        (broken(layers__2__rms=True), "json must have a number at layers[2].rms, got True"),
        (broken(layers__0__width=1.5), "json must have a whole number at layers[0].width, got 1.5"),
        (broken(layers__1__histogram__edges="x"), "json must have a list at layers[1].histogram.edges, got 'x'"),
        (broken(layers__3=None), "json must have 4 layers, as the stack has, got 3"),
        (
            broken(verdict__severity="fine"),
            "json must have one of healthy, at-risk, untrainable, unknown at verdict.severity",
        ),
        (broken(verdict__learning_rates=[1.0]), "json must have a list of 2 at verdict.learning_rates, got [1.0]"),
        (broken(verdict__findings__0__rule=3), "json must have text at verdict.findings[0].rule, got 3"),
        (broken(stack__act=3), "json must have the names of entries as text, got 3"),
        (broken(stack__widths=None), "json must have stack.widths, got keys act, init, input"),
        (broken(stack__batch=0), "batch must be at least 1, got 0"),
        (broken(stack__arch=[{"op": "magic"}]), "json must have ops of activation, dense, residual at stack.arch"),
        (reports_to_dict([builders.report()]), "json must have layers, got keys schema, command, versions, runs"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(document, said):
    with pytest.raises(InvalidField) as raised:
        Report.from_dict(document)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2", "nonsense", '{"a": }', "[" * 100_000])
def test_text_that_is_not_json(text):
    with pytest.raises(InvalidField, match=r"^json must be JSON text of this program, got") as raised:
        Report.from_json(text)
    assert "\n" not in str(raised.value)


PLACES = """
    command layers layers__0 layers__0__pre_activation layers__0__histogram layers__0__gradient
    layers__0__predicted layers__0__predicted__rms layers__0__flagged change_per_layer verdict verdict__findings
    verdict__findings__0 verdict__findings__0__layers verdict__findings__0__explained verdict__fix
    verdict__fix__changes verdict__fix__changes__widths verdict__fix__tried loss theory theory__horizon repeats
    repeats__sd repeats__sd__0 repeats__sd__0__gradient repeats__verdicts repeats__seeds input stack stack__act
    stack__init stack__widths stack__input stack__batch stack__dtype stack__seed stack__asked stack__data stack__arch
    stack__own stack__own__act stack__own__act__functions stack__own__act__bounds stack__own__init
    stack__own__init__variances
""".split()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", [3, "text", [], [1], {}, {"a": 1}, [[1, 2]], True])
def test_whatever_stands_somewhere_is_read_or_told(place, value):
    own = builders.stack(act=elsewhere.RAMP, init=elsewhere.DRAWN)
    report = builders.changed(builders.repeated(builders.with_theory(builders.with_gradient())), stack=own)
    report = replace(report, verdict=replace(report.verdict, fix=FIX))
    document = json.loads(report.to_json())
    at, (*parents, last) = document, place.split("__")
    for part in parents:
        at = at[int(part) if part.isdigit() else part]
    at[int(last) if last.isdigit() else last] = value
    said = ""
    try:
        Report.from_dict(document)
    except InvalidField as error:
        said = str(error)
    assert "\n" not in said


def test_documents_of_another_kind():
    gains = gains_to_dict([actdiag.gain("relu")], [None])
    for read in (Report.from_dict, reports_from_dict, training_from_dict):
        with pytest.raises(InvalidField, match=r"^json must have (layers|runs|data), got keys schema, versions, activ"):
            read(gains)
    with pytest.raises(InvalidField, match=r"^json must have activations, got keys schema, command"):
        gains_from_dict(builders.report().to_dict())
