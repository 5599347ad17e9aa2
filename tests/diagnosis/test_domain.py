"""The range of the fit: what lies outside it has no probability, but for what is certain."""

import pytest

import actdiag
from actdiag import ops
from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.domain import outside, task_of
from actdiag.diagnosis.words import trains_it
from actdiag.view.words import outlook

SMALL = {"depth": 2, "width": 8, "batch": 16, "theory": False}


def judged(**options):
    return actdiag.grad_flow("relu", "he", **SMALL | {"loss": "cross-entropy"} | options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 201}, "depth 201 is outside 1 to 200"),
        ({"width": 1, "input_width": 8}, "width 1 is outside 2 to 1024"),
        ({"depth": None, "width": None, "widths": [8, 1, 8]}, "width 1 is outside 2 to 1024"),
        ({"width": 1025, "depth": 1}, "width 1025 is outside 2 to 1024"),
        ({"input_width": 3073}, "3073 features are outside 2 to 3072"),
        ({"input_width": 1}, "1 feature is outside 2 to 3072"),
        ({"classes": 101}, "101 classes are outside 2 to 100"),
        ({"iterations": 1}, "1 iteration is fewer than 250"),
        ({"iterations": 249}, "249 iterations are fewer than 250"),
    ],
)
def test_one_step_outside_there_is_no_probability(options, said):
    verdict = judged(**options).verdict
    assert verdict.outside == (said,)
    assert verdict.severity == "unknown"
    assert verdict.probability is verdict.trainable is verdict.learning_rate is verdict.learning_rates is None
    assert verdict.decided_by == ()
    assert verdict.fix is None
    assert {finding.severity for finding in verdict.findings} <= {"info"}


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 200, "width": 2},
        {"width": 1024, "depth": 1},
        {"input_width": 3072},
        {"input_width": 2},
        {"classes": 100},
        {"classes": 2},
        {"iterations": 250},
        {"iterations": 10_000_000},
    ],
)
def test_the_ends_of_the_range_are_inside(options):
    verdict = judged(**options).verdict
    assert verdict.outside == ()
    assert verdict.severity != "unknown"
    assert verdict.probability is not None


def test_several_reasons_are_all_said():
    assert len(judged(input_width=1, iterations=1).verdict.outside) == 2


def test_what_is_certain_is_said_outside_too():
    verdict = judged(depth=300, width=4).verdict
    assert verdict.outside == ("depth 300 is outside 1 to 200",)
    assert (verdict.severity, verdict.probability, verdict.trainable) == ("untrainable", 0.0, False)
    assert "born_dead" in verdict.decided_by


def test_networks_that_branch_were_not_trained():
    plain = [ops.dense(8), ops.activation(), ops.dense(), ops.activation()]
    branching = [*plain, ops.residual([ops.dense(), ops.activation(), ops.dense()])]
    options = {"act": "relu", "batch": 16, "theory": False}
    assert actdiag.propagate(arch=plain, **options).verdict.outside == ()
    assert actdiag.propagate(arch=branching, **options).verdict.outside == (
        "networks that branch were not among those trained",
    )


@pytest.mark.parametrize(
    ("asked", "judged_as"),
    [("sgd", "sgd"), ("SGD", "sgd"), ("momentum", "momentum"), ("adam", "adam"), ("adamw", "adam")],
)
def test_a_task_is_that_of_the_options(asked, judged_as):
    report = judged(optimizer=asked, iterations=400, loss="mse", classes=7)
    assert (report.verdict.optimizer, report.verdict.iterations) == (asked.lower(), 400)
    task = task_of(report.measurements)
    assert task == (judged_as, 400, True, 7, 2, 8, 8 * 8 + 8 * 8 + 8 * 7)
    assert outside(report.measurements) == ()


def test_many_iterations_are_judged_as_the_most_that_were_trained():
    most = fitted.RANGES["iterations"][1]
    many, few = judged(iterations=1_000_000), judged(iterations=most)
    assert many.verdict.probability == few.verdict.probability
    assert many.verdict.iterations == 1_000_000


def test_more_iterations_do_not_lower_the_probability():
    slow = {"depth": 10, "width": 30, "bias_std": 0.3}
    found = [judged(**slow, iterations=count).verdict.probability for count in (250, 400, 1000)]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (("sgd", 250), "that SGD trains it in 250 iterations"),
        (("momentum", 1000), "that SGD with momentum trains it in 1000 iterations"),
        (("adamw", 300), "that AdamW trains it in 300 iterations, judged as Adam in 300"),
        (("adam", 5000), "that Adam trains it in 5000 iterations, judged as Adam in 1000"),
    ],
)
def test_what_stands_for_another_training_is_said(plan, said):
    assert trains_it(*plan) == said
    report = judged(optimizer=plan[0], iterations=plan[1])
    assert said in outlook(report.verdict)
