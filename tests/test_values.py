"""Values compare by all that they hold, and come back from a pickle, in this process and in another."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields, is_dataclass, replace

import builders
import elsewhere
import numpy as np
import pytest
import training_runs

import actdiag
from actdiag.datasets.entry import Dataset
from actdiag.diagnosis.findings import ProvenFix
from actdiag.engine.losses import Loss
from actdiag.experiments.verify import verify
from actdiag.measure.statistics import GradientStats

SMALL = {"batch": 40, "width": 12, "depth": 3}
ROWS = np.random.default_rng(0).normal(size=(40, 12))
LABELS = np.arange(40) % 3

RUNS = {
    "report": lambda: actdiag.propagate("tanh", "lecun", **SMALL),
    "overflow": lambda: actdiag.grad_flow("relu", "std=1e30", **SMALL),
    "advice": lambda: actdiag.grad_flow("relu", "std=0.01", **SMALL | {"depth": 8}),
    "repeats": lambda: actdiag.grad_flow("elu", "torch_linear", repeats=3, **SMALL),
    "expression": lambda: actdiag.grad_flow("x*sigmoid(1.7*x)", "auto", loss="mse", **SMALL),
    "data": lambda: actdiag.grad_flow("relu", "he", input=ROWS, labels=LABELS, loss="cross-entropy", width=9, depth=2),
    "own": lambda: actdiag.propagate(elsewhere.RAMP, elsewhere.DRAWN, theory=False, **SMALL),
    "gains": lambda: actdiag.gain("gelu"),
    "verified": lambda: verify(actdiag.ACTIVATIONS["elu"](), 1.2, 0.0, depth=2, width=10),
    "learned": lambda: actdiag.train("relu", "he", width=8, depth=2, iterations=20, data="synthetic:rows=200")[0],
    "diverged": lambda: actdiag.train("relu", "uniform:5", width=8, depth=2, iterations=30, lr=100.0,
                                      data="synthetic:rows=200")[0],
    "dataset": lambda: actdiag.load_dataset("synthetic:rows=100"),
}  # fmt: skip


@pytest.fixture(scope="module")
def elsewhere_process():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield lambda function, value: pool.submit(function, value).result()


@pytest.mark.parametrize("name", list(RUNS))
def test_values_come_back_from_another_process(name, elsewhere_process):
    value = RUNS[name]()
    back = elsewhere_process(elsewhere.given_back, value)
    assert back == value
    assert hash(back) == hash(value)
    assert back is not value


def test_a_verdict_compares_its_fix():
    said = builders.verdict("untrainable", [builders.VANISHING], fix=VALUES["ProvenFix"])
    assert said == replace(said, fix=replace(VALUES["ProvenFix"]))
    assert said != replace(said, fix=None)
    assert said != replace(said, fix=replace(VALUES["ProvenFix"], changes={}))
    assert hash(said) == hash(pickle.loads(pickle.dumps(said)))
    assert RUNS["advice"]().verdict.fix is not None


def test_fingerprints_are_the_same_in_another_process(elsewhere_process):
    stacks = [
        builders.stack(),
        builders.stack(data=ROWS[:10, :], input_width=12),
        builders.stack(act=elsewhere.RAMP, init=elsewhere.DRAWN),
        builders.stack(act=actdiag.activations.resolve("autograd.numpy:tanh")),
        actdiag.make_stack("x*sigmoid(1.7*x)", "auto"),
    ]
    assert elsewhere_process(elsewhere.fingerprints, stacks) == elsewhere.fingerprints(stacks)


def test_what_comes_back_runs_the_same(elsewhere_process):
    report = RUNS["expression"]()
    stack = elsewhere_process(elsewhere.given_back, report.stack)
    again = actdiag.grad_flow(stack.act, "auto", loss="mse", **SMALL)
    assert again == report


def changed(value):
    """Another value in place of one, of its type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return value + "x"
    if value is None:
        return 0.123
    if isinstance(value, dict):
        return value | {"seed": 1}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value._replace(**{value._fields[0]: changed(value[0])})
    if isinstance(value, tuple):
        return (*value[:-1], changed(value[-1])) if value else (0.123,)
    if is_dataclass(value):
        name = next(field.name for field in fields(value) if field.init)
        other = {"act": actdiag.activations.resolve("tanh")}.get(name)
        return replace(value, **{name: other or changed(getattr(value, name))})
    raise TypeError(type(value))


VALUES = {
    "Report": builders.repeated(builders.with_theory(builders.with_gradient())),
    "LossValue": builders.LossValue("mse", 10, 0.5),
    "Verdict": builders.verdict("untrainable", [builders.VANISHING]),
    "Finding": builders.VANISHING,
    "ProvenFix": ProvenFix({"init": "he", "widths": (9, 7), "bias_std": None}, "--init he", "healthy", 0.9, 2),
    "LayerStats": builders.gradient(builders.layer(1), 0.1, 0.2),
    "GradientStats": GradientStats(0.1, 0.2, 0.3, 0.4, builders.layer(1).magnitude),
    "Histogram": builders.layer(1).histogram,
    "ChangePerLayer": builders.report().change_per_layer,
    "TrainingRun": training_runs.several()[1],
    "Snapshot": training_runs.run().before,
}


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field.name) for name, value in VALUES.items() for field in fields(value) if field.init],
)
def test_values_differ_where_a_field_does(name, field):
    value = VALUES[name]
    other = replace(value, **{field: changed(getattr(value, field))})
    assert other != value
    hashed = next(one.hash for one in fields(value) if one.name == field) is not False
    assert (hash(other) != hash(value)) == hashed
    same = pickle.loads(pickle.dumps(value))
    assert same == value
    assert hash(same) == hash(value)


def test_losses_compare_their_labels():
    one, same, other = (Loss("mse", 3, labels) for labels in (LABELS, LABELS.copy(), (LABELS + 1) % 3))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert hash(one) != hash(other)
    assert one != Loss("mse", 3)
    assert one != Loss("cross-entropy", 3, LABELS)
    assert one != Loss("mse", 4, LABELS)
    assert one != "mse"


DATA = {
    "name": "mine",
    "train_inputs": ROWS,
    "train_labels": LABELS,
    "test_inputs": ROWS[:9],
    "test_labels": LABELS[:9],
    "classes": 3,
}


OTHERS = {"task", "class_names", "notes", "target_mean", "target_std"}


def test_every_field_of_a_data_set_is_compared():
    base = Dataset(**DATA)
    assert {*DATA, *OTHERS} == {field.name for field in fields(base) if field.init}
    targets = {"train_labels": LABELS.astype(float), "test_labels": LABELS[:9].astype(float), "classes": 1}
    assert base != Dataset(**DATA | targets | {"task": "regression"})
    assert base == Dataset(**DATA | {"train_inputs": ROWS.copy()})
    assert hash(base) == hash(Dataset(**DATA | {"train_inputs": ROWS.copy()}))
    changes = {
        "name": "other",
        "train_inputs": ROWS + 1e-9,
        "train_labels": (LABELS + 1) % 3,
        "test_inputs": ROWS[1:10],
        "test_labels": LABELS[1:10],
        "classes": 4,
    }
    assert set(changes) == set(DATA)
    for name, value in changes.items():
        assert base != Dataset(**DATA | {name: value}), name
        assert hash(base) != hash(Dataset(**DATA | {name: value})), name
    assert base != "mine"
