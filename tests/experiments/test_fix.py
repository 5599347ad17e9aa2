"""What mends a stack: changes from small to large, each tried by a run."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import actdiag
from actdiag import ops
from actdiag.diagnosis.advice import changes
from actdiag.diagnosis.calibration.trainability import HIGH
from actdiag.experiments import run as running
from actdiag.experiments.fix import (
    MOST_ROWS,
    MOST_TRIED,
    SOUND,
    WIDEST_ORTHOGONAL,
    command_of,
    find_fix,
    is_better,
    with_advice,
)
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


def test_what_people_know_comes_first():
    fix = find_fix(report_of("relu", "xavier", depth=30), rerun)
    assert (fix.change.what, fix.change.options, fix.tried) == ("initializer", {"init": "he"}, 1)
    assert fix.report.verdict.severity == "healthy"
    assert fix.report.stack.init.name == "he"


PIXELS = np.random.default_rng(0).uniform(0, 255, (200, 30))


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"act": "tanh", "init": "lecun", "depth": 5, "input": PIXELS}, "inputs"),
        ({"act": "relu", "init": "xavier", "depth": 30}, "initializer"),
        ({"act": "tanh", "init": "constant:0.01", "depth": 10}, "initializer"),
        ({"act": "relu", "init": "he", "depth": 20, "bias_mean": -1.0}, "initializer"),
        ({"act": "softplus", "init": "he", "depth": 30}, "activation"),
        ({"act": "softmax", "init": "constant:0.01", "depth": 10}, "activation and initializer"),
    ],
)
def test_what_it_takes(options, what):
    fix = find_fix(report_of(**options), rerun)
    assert fix.change.what == what
    assert fix.report.verdict.severity == "healthy"


def test_nothing_helps():
    run, seen = judged(lambda stack: False)
    report = report_of("tanh", "std=0.01", depth=10)
    assert find_fix(report, run) is None
    assert [change.stack for change in changes(report.measurements)] == seen


def test_the_first_that_helps_is_taken():
    run, seen = judged(lambda stack: stack.init.name == "he")
    fix = find_fix(report_of("tanh", "std=0.01", depth=10), run)
    assert fix.change.options["init"] == "he"
    assert fix.tried == len(seen)
    assert all(stack.init.name != "he" for stack in seen[:-1])


def test_a_sound_change_is_taken_before_a_smaller_one_that_is_barely_healthy():
    barely, sound = (HIGH + SOUND) / 2, SOUND
    report = report_of("tanh", "std=0.01", depth=10)
    run, seen = judged(lambda stack: {"he": sound, "orthogonal": barely}.get(stack.init.name, 0.0))
    assert find_fix(report, run).change.options["init"] == "he"
    run, seen = judged(lambda stack: {"he": barely, "orthogonal": barely}.get(stack.init.name, 0.0))
    fix = find_fix(report, run)
    assert fix.change.options["init"] == "orthogonal"
    assert fix.tried == len(seen) == len(list(changes(report.measurements)))


def test_a_change_that_is_less_likely_to_train_is_no_fix():
    """Of a stack that a rule of a file would have mended, whatever the probability."""
    before = SimpleNamespace(severity="healthy", probability=0.95)
    assert is_better(SimpleNamespace(severity="healthy", probability=0.95), before)
    assert not is_better(SimpleNamespace(severity="healthy", probability=0.9), before)
    assert not is_better(SimpleNamespace(severity="at-risk", probability=1.0), before)


def found_by_advice(report, number):
    """Return a report with the change of that number as its fix, as an ordinary run finds it."""
    run, seen = judged(lambda stack: 0.9 * (len(seen) == number))
    return with_advice(report, run)


def test_fix_begins_with_what_an_ordinary_run_has_found():
    report = found_by_advice(report_of("tanh", "std=0.01", depth=10), 3)
    every = [change.stack for change in changes(report.measurements)]
    run, seen = judged(lambda stack: True)
    fix = find_fix(report, run)
    assert (seen, fix.tried, fix.change.options) == ([every[2]], 3, report.verdict.fix.changes)


def test_what_was_tried_in_vain_on_few_rows_is_tried_last():
    report = found_by_advice(report_of("tanh", "std=0.01", depth=10), 3)
    every = [change.stack for change in changes(report.measurements)]
    run, seen = judged(lambda stack: False)
    assert find_fix(report, run) is None
    assert seen == every[2:] + every[:2]
    run, seen = judged(lambda stack: stack == every[1])
    assert (find_fix(report, run).change.stack, find_fix(report, run).tried) == (every[1], len(every))


def test_without_a_fix_or_with_that_of_another_stack_changes_keep_their_order():
    report = report_of("tanh", "std=0.01", depth=10)
    every = [change.stack for change in changes(report.measurements)]
    other = replace(found_by_advice(report, 3).verdict.fix, changes={"gain": 7.0})
    for one in (report, replace(report, verdict=replace(report.verdict, fix=other))):
        run, seen = judged(lambda stack: stack == every[3])
        fix = find_fix(one, run)
        assert (fix.tried, seen) == (4, every[:4])


def test_a_barely_healthy_fix_of_an_ordinary_run_gives_way_to_a_sound_one():
    report = found_by_advice(report_of("tanh", "std=0.01", depth=10), 2)
    every = [change.stack for change in changes(report.measurements)]
    run, seen = judged(lambda stack: 1.0 if stack == every[4] else 0.9 * (stack == every[1]))
    fix = find_fix(report, run)
    assert (fix.change.stack, fix.tried) == (every[4], 5)
    assert seen == every[1:5]


# What an ordinary run tries


def test_an_ordinary_run_tries_few_changes_on_few_rows():
    report = report_of("tanh", "std=0.01", depth=10, batch=1000)
    run, seen = judged(lambda stack: False)
    assert with_advice(report, run) is report
    assert len(seen) == MOST_TRIED == 4
    assert {stack.batch for stack in seen} == {MOST_ROWS} == {256}
    tried = [change.stack for change in changes(report.measurements)][:MOST_TRIED]
    assert seen == [replace(stack, batch=MOST_ROWS) for stack in tried]


def test_wide_orthogonal_matrices_are_left_to_fix():
    def tried(width, init="std=0.01"):
        report = report_of("tanh", init, depth=10, width=width, batch=4)
        run, seen = judged(lambda stack: False)
        with_advice(replace(report, verdict=replace(report.verdict, severity="untrainable")), run)
        first = [change.stack for change in changes(report.measurements)][:MOST_TRIED]
        return seen, first

    seen, first = tried(WIDEST_ORTHOGONAL)
    assert seen == first
    assert "orthogonal" in {stack.init.name for stack in seen}
    seen, first = tried(WIDEST_ORTHOGONAL + 1)
    assert seen[:2] == first[:2]
    assert len(seen) == MOST_TRIED
    assert "orthogonal" not in {stack.init.name for stack in seen}
    seen, first = tried(WIDEST_ORTHOGONAL + 1, init="orthogonal")  # the run itself has drawn them
    assert seen == first
    assert "orthogonal" in {stack.init.name for stack in seen}


@pytest.mark.parametrize("run", [actdiag.propagate, actdiag.grad_flow])
def test_what_is_tried_is_not_predicted(run, monkeypatch):
    predicted = []
    name = "run_propagate" if run is actdiag.propagate else "run_grad_flow"
    once = getattr(running, name)

    def kept(stack, *rest):
        settings = next(one for one in rest if isinstance(one, running.RunSettings))
        predicted.append(settings.theory)
        return once(stack, *rest)

    monkeypatch.setattr(running, name, kept)
    fix = run("relu", "std=0.01", depth=6, batch=50).verdict.fix
    assert predicted == [True] + [False] * fix.tried
    run("relu", "std=0.01", depth=6, batch=50, theory=False)
    assert not any(predicted[1:])
    assert fix.probability == run("relu", depth=6, batch=50, **fix.changes).verdict.probability


def test_given_inputs_are_cut_to_the_first_rows():
    report = report_of("tanh", "std=1", depth=20, input=np.tile(PIXELS, (3, 1)))
    assert report.verdict.severity != "healthy"
    run, seen = judged(lambda stack: False)
    with_advice(report, run)
    whole = next(changes(report.measurements)).stack
    assert (seen[0].batch, whole.batch) == (256, 600)
    assert np.array_equal(seen[0].data, whole.data[:256])


def test_the_first_change_that_helps_is_advice_of_what_decided():
    report = report_of("tanh", "std=0.01", depth=10, batch=60)
    run, seen = judged(lambda stack: 0.9 * (len(seen) == 3))
    verdict = with_advice(report, run).verdict
    assert len(seen) == verdict.fix.tried == 3
    assert verdict.fix.severity == "healthy"
    assert verdict.fix.probability == 0.9
    first, *others = verdict.findings
    assert first.rule == verdict.decided_by[0]
    assert first.advice == f"{verdict.fix.command}: healthy, 90% that SGD trains it in 250 iterations"
    assert len(others) > 0
    assert not any(one.advice for one in others)
    assert replace(verdict, fix=None, findings=report.verdict.findings) == report.verdict


@pytest.mark.parametrize("severity", ["healthy", "unknown"])
def test_nothing_is_tried_where_nothing_is_known_to_be_wrong(severity):
    report = report_of("tanh", "xavier", depth=3)
    report = replace(report, verdict=replace(report.verdict, severity=severity))
    run, seen = judged(lambda stack: True)
    assert with_advice(report, run) is report
    assert seen == []


def test_several_runs_comparisons_and_judges_try_nothing(monkeypatch):
    def refuse(report, rerun):
        pytest.fail("it was tried")

    for module in ("propagate", "grad_flow"):
        monkeypatch.setattr(f"actdiag.api.{module}.with_advice", refuse)
    sick = {"act": "relu", "init": "std=0.01", "depth": 6, "batch": 50}
    actdiag.propagate(**sick, repeats=2)
    actdiag.grad_flow(**sick, repeats=2)
    actdiag.compare(["relu"], ["std=0.01"], depth=6, batch=50)
    actdiag.judge(**sick)
    with pytest.raises(pytest.fail.Exception):
        actdiag.propagate(**sick)


@pytest.mark.parametrize("run", [actdiag.propagate, actdiag.grad_flow])
def test_a_run_that_needs_no_advice_is_run_once(run, monkeypatch):
    ran = []
    name = "run_propagate" if run is actdiag.propagate else "run_grad_flow"
    once = getattr(running, name)
    monkeypatch.setattr(running, name, lambda stack, *rest: (ran.append(stack), once(stack, *rest))[1])
    run("relu", "he", depth=3, batch=50)
    assert len(ran) == 1
    verdict = run("relu", "std=0.01", depth=6, batch=50).verdict
    assert len(ran) == 2 + verdict.fix.tried


@pytest.mark.parametrize("arch", [[ops.dense(9), ops.activation(), ops.dense(9)], [ops.residual([ops.dense(12)])] * 9])
def test_networks_of_ops_are_given_advice_that_holds(arch):
    options = {"arch": arch, "input_width": 12, "batch": 50, "theory": False}
    verdict = actdiag.propagate("relu", "std=1e-12", **options).verdict
    if verdict.fix is not None:
        changed = {"act": "relu", "init": "std=1e-12"} | {k: v for k, v in verdict.fix.changes.items() if v is not None}
        assert actdiag.propagate(**changed, **options).verdict.severity == "healthy"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gain": 1.41}, "--gain 1.41"),
        ({"init": "he", "bias_mean": None}, "--init he without --bias-mean"),
        ({"gain": None, "bias_std": None, "init": "auto"}, "--init auto without --gain and --bias-std"),
        ({"widths": (20, 30)}, "--widths 20,30"),
        ({"standardize": True}, "--standardize"),
        ({"depth": 4}, "--depth 4"),
        ({"bias_mean": None}, "without --bias-mean"),
    ],
)
def test_a_change_is_said_as_on_the_command_line(options, said):
    assert command_of(options) == said
