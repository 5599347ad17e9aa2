"""What mends a stack: changes from small to large, each tried by a run."""

from types import SimpleNamespace

import pytest

import actdiag
from actdiag.diagnosis.calibration.trainability import HIGH
from actdiag.experiments.fix import SOUND, changes, find_fix
from actdiag.experiments.run import run_propagate, run_settings

SETTINGS = run_settings(theory=False)


def rerun(stack):
    return run_propagate(stack, SETTINGS)


def report_of(act="relu", init="he", **options):
    return rerun(actdiag.make_stack(act, init, **options))


def judged(healthy):
    """Return a run that finds those stacks healthy that `healthy` says are, and keeps what it was given."""
    seen = []

    def run(stack):
        seen.append(stack)
        probability = float(healthy(stack))
        severity = "healthy" if probability > HIGH else "untrainable"
        return SimpleNamespace(stack=stack, verdict=SimpleNamespace(severity=severity, probability=probability))

    return run, seen


def test_a_gain_comes_first():
    fix = find_fix(report_of("relu", "xavier", depth=30), rerun)
    assert fix.change.what == "gain"
    assert fix.change.options == {"gain": 1.41}
    assert fix.tried == 1
    assert fix.report.verdict.severity == "healthy"
    assert fix.report.stack.gain == 1.41


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"act": "relu", "init": "xavier", "depth": 30}, "gain"),
        ({"act": "relu", "init": "he", "depth": 20, "bias_mean": -1.0}, "biases"),
        ({"act": "relu", "init": "xavier", "depth": 30, "bias_mean": -1.0}, "gain and biases"),
        ({"act": "tanh", "init": "constant:0.01", "depth": 10}, "initializer"),
        ({"act": "softplus", "init": "he", "depth": 30}, "activation"),
        ({"act": "softmax", "init": "constant:0.01", "depth": 10}, "activation and initializer"),
    ],
)
def test_what_it_takes(options, what):
    fix = find_fix(report_of(**options), rerun)
    assert fix.change.what == what
    assert fix.report.verdict.severity == "healthy"


def test_changes_grow():
    order = ["gain", "biases", "gain and biases", "initializer", "activation", "activation and initializer"]
    whats = [change.what for change in changes(report_of("gelu", "xavier", depth=20, bias_std=0.3))]
    ranks = [min(order.index(what), order.index("activation")) for what in whats]
    assert ranks == sorted(ranks)
    assert set(whats) == set(order)


def test_the_stack_of_a_change_is_what_its_options_make():
    options = {"act": "gelu", "init": "xavier", "depth": 20, "bias_std": 0.3}
    for change in changes(report_of(**options)):
        changed = {**options, **change.options}
        kept = {name: value for name, value in changed.items() if value is not None}
        assert actdiag.make_stack(**kept) == change.stack, change.what


def test_nothing_helps():
    run, seen = judged(lambda stack: False)
    report = report_of("tanh", "xavier", depth=3)
    assert find_fix(report, run) is None
    assert [change.stack for change in changes(report)] == seen


def test_the_first_that_helps_is_taken():
    run, seen = judged(lambda stack: stack.init.name == "he")
    fix = find_fix(report_of("tanh", "xavier", depth=3), run)
    assert fix.change.options["init"] == "he"
    assert fix.tried == len(seen)
    assert all(stack.init.name != "he" for stack in seen[:-1])


def test_a_sound_change_is_taken_before_a_smaller_one_that_is_barely_healthy():
    barely, sound = (HIGH + SOUND) / 2, SOUND
    report = report_of("tanh", "xavier", depth=3)
    run, seen = judged(lambda stack: {"he": sound, "orthogonal": barely}.get(stack.init.name, 0.0))
    assert find_fix(report, run).change.options["init"] == "he"
    run, seen = judged(lambda stack: {"he": barely, "orthogonal": barely}.get(stack.init.name, 0.0))
    fix = find_fix(report, run)
    assert fix.change.options["init"] == "orthogonal"
    assert fix.tried == len(seen) == len(list(changes(report)))


def test_no_change_repeats_the_stack():
    report = report_of("relu", "he", depth=5, gain=1.0)
    assert all(change.stack != report.stack for change in changes(report))


def test_an_activation_of_no_gain_gets_another():
    whats = {change.what for change in changes(report_of("softmax", "lecun", depth=5))}
    assert whats >= {"initializer", "activation"}
