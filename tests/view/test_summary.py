"""What is said of a report as a whole, as data: the lines, their order and their severities."""

from dataclasses import replace

import builders
import pytest

from actdiag.initializers import resolve as initializer
from actdiag.report import Repeats
from actdiag.theory.types import Estimate, Horizon, LayerEstimates, LayerTheory, StackTheory
from actdiag.view import summary as view
from actdiag.view.summary import Line, summary


def labels(report):
    return [line.label for line in summary(report)]


def test_a_healthy_report():
    assert summary(builders.report()) == (
        Line("verdict", "97% that SGD trains it in 250 iterations", "healthy"),
        Line("SGD", "learning rates 0.01 to 0.3, try 0.1"),
        Line("signal", "rms a 0.7 at layer 1, 0.7 at layer 4, x0.98 per layer"),
    )


def test_the_order_of_everything():
    report = builders.repeated(builders.surprising_gradient())
    report = replace(report, verdict=builders.verdict("at-risk", [builders.VANISHING, builders.ALIGNED, builders.FLAT]))
    assert labels(report) == [
        "verdict", "cause", "fix", "SGD", "signal", "gradient", "runs", "theory", "!", "!", "!",
        "error", "warning", "note",
    ]  # fmt: skip
    said = {line.label: line for line in summary(report)}
    assert said["runs"].text == "19 healthy, 1 at-risk"
    assert said["gradient"].text == "rms dL/dz 0.001 at layer 4, 1e-09 at layer 1, x0.01 per layer"
    assert [said[name].severity for name in ("verdict", "!", "error", "fix", "theory")] == [
        "at-risk", "unexpected", "error", None, None,
    ]  # fmt: skip


def test_the_findings_lead_from_grave_to_mild_and_advice_stands_above():
    lines = summary(builders.report(findings=(builders.VANISHING, builders.ALIGNED, builders.FLAT)))
    assert [
        (line.label, line.text.split(":")[0]) for line in lines if line.label not in ("verdict", "signal", "SGD")
    ] == [
        ("fix", "--gain 100"),
        ("error", "vanishing_signal"),
        ("warning", "aligned_inputs"),
        ("note", "flat_weight_gradient"),
    ]


def finding(rule, cause="", **changes):
    return replace(builders.VANISHING, rule=rule, cause=cause, advice="", **changes)


SIGNAL = finding("vanishing_signal", "the signal vanishes, x0.07 per layer")
GRADIENT = finding("vanishing_gradient", "the gradient vanishes, x0.07 per layer")
FASTER = finding("vanishing_gradient", "the gradient vanishes, x0.01 per layer")
SMALL = finding("small_output", "outputs hardly differ")
FORGOTTEN = finding("collapsed_inputs", "the layers forget their input")
BOTH = "signal and gradient vanish, x0.07 per layer"


@pytest.mark.parametrize(
    ("decided", "others", "said"),
    [
        ((SIGNAL,), (), "the signal vanishes, x0.07 per layer"),
        ((SIGNAL, SMALL, GRADIENT), (), BOTH),
        ((GRADIENT,), (SIGNAL,), BOTH),
        ((SIGNAL,), (replace(GRADIENT, explained=True),), "the signal vanishes, x0.07 per layer"),
        ((GRADIENT,), (finding("exploding_signal", "no"),), "the gradient vanishes, x0.07 per layer"),
        ((SIGNAL, FASTER), (), "the signal vanishes (x0.07 per layer) and so does the gradient (x0.01 per layer)"),
        ((SMALL, FORGOTTEN, GRADIENT), (), "the layers forget their input; the gradient vanishes, x0.07 per layer"),
        ((SMALL,), (FORGOTTEN,), "outputs hardly differ"),
        ((finding("own", summary="own rule: 3"),), (), "own rule: 3"),
        ((), (FORGOTTEN,), "most of the runs are untrainable"),
    ],
)
def test_the_cause_is_what_decided(decided, others, said):
    verdict = builders.verdict("untrainable", [*decided, *others], decided_by=tuple(one.rule for one in decided))
    assert view.cause(verdict) == said
    lines = summary(replace(builders.report(), verdict=verdict))
    assert lines[1] == Line("cause", said)


def test_a_verdict_that_is_unknown_or_healthy_has_no_cause():
    for severity in ("healthy", "unknown"):
        assert "cause" not in labels(replace(builders.report(), verdict=builders.verdict(severity, [SIGNAL])))


def test_one_layer_has_one_end():
    layer = builders.gradient(builders.layer(1), 0.25, 1.0)
    report = builders.report([layer], loss=builders.LossValue("random", None, 0.1), change=(None, None))
    said = {line.label: line.text for line in summary(report)}
    assert said["signal"] == "rms a 0.7 at layer 1"
    assert said["gradient"] == "rms dL/dz 0.25 at layer 1"


def test_ends_without_a_number_stay():
    assert "rms a 0.7 at layer 1, - at layer 4, x0.01 per layer" in [line.text for line in summary(builders.sick())]


@pytest.mark.parametrize(
    ("severity", "changes", "text", "rates"),
    [
        ("healthy", {}, "97% that SGD trains it in 250 iterations", "learning rates 0.01 to 0.3, try 0.1"),
        (
            "healthy",
            {"probability": 0.995},
            ">99% that SGD trains it in 250 iterations",
            "learning rates 0.01 to 0.3, try 0.1",
        ),
        (
            "healthy",
            {"probability": 1.0, "learning_rates": None},
            "100% that SGD trains it in 250 iterations",
            "try 0.1",
        ),
        ("healthy", {"learning_rate": None, "learning_rates": None}, "97% that SGD trains it in 250 iterations", None),
        (
            "at-risk",
            {"estimated": True},
            "60% that SGD trains it in 250 iterations; gradient estimated",
            "learning rates 0.01 to 0.3, try 0.1",
        ),
        ("at-risk", {"probability": 0.4, "trainable": False}, "40% that SGD trains it in 250 iterations", None),
        (
            "untrainable",
            {"probability": 0.009, "estimated": True},
            "<1% that SGD trains it in 250 iterations; gradient estimated",
            None,
        ),
        ("untrainable", {"probability": 0.0, "estimated": True}, "no learning rate trains it", None),
    ],
)
def test_the_verdict_tells_probability_and_learning_rates(severity, changes, text, rates):
    lines = summary(replace(builders.report(), verdict=builders.verdict(severity, **changes)))
    assert lines[0] == Line("verdict", text, severity)
    assert [line.text for line in lines if line.label == "SGD"] == ([rates] if rates else [])


def test_at_most_three_surprises_are_told():
    lines = summary(builders.surprising())
    told = [line.text for line in lines if line.label == "!"]
    assert told == view.flags(builders.surprising())[:3]
    assert Line("", "and 2 more") in lines
    assert labels(builders.with_theory(flags={1: ("std", "mean"), 2: ("std",)})).count("!") == 3
    assert "" not in labels(builders.with_theory(flags={1: ("std", "mean"), 2: ("std",)}))


def test_surprises_say_what_was_expected_and_from_where():
    assert view.flags(builders.surprising()) == [
        "layer 1 std 0.58, expected 0.5801 ± 0.0002 from the input",
        "layer 2 std 0.58, expected 0.5801 ± 0.0002 from layer 1",
        "layer 2 cosine 0.3, expected 0.318 ± 0.004 from layer 1",
        "layer 2 rms z 1, expected 1 ± 0.05 from layer 1",
        "layer 3 exact zeros 50%, expected 50% ± 0.1% from layer 2",
    ]
    assert view.flags(builders.surprising_gradient())[:2] == [
        "layer 3 rms dL/dz 1e-05, expected 2e-05 ± 1e-05 from layer 4",
        "layer 4 rms dL/dz 0.001, expected 0.002 ± 0.001 from the loss",
    ]


@pytest.mark.parametrize(("n", "enough"), [(2, 2), (20, 2), (39, 2), (40, 3), (100, 6)])
def test_surprises_of_repeats_say_how_many_runs_it_takes(n, enough):
    assert Repeats(n, tuple(range(n)), (), ()).enough == enough
    report = builders.repeated(builders.with_theory(flags={2: ("std",)}), runs=n)
    assert view.flags(report) == [f"layer 2 std 0.58, over 4 sd off in {enough} or more of the runs"]


@pytest.mark.parametrize(
    ("number", "expected", "text"),
    [
        (0.31, Estimate(0.52, 0.02), "layer 2 std 0.31, expected 0.52 ± 0.02 from layer 1"),
        (0.99991, Estimate(0.99998, 2e-6), "layer 2 std 0.99991, expected 0.99998 ± 2e-06 from layer 1"),
        (None, Estimate(0.5, None), "layer 2 std -, expected 0.5 from layer 1"),
        (0.0, Estimate(0.0, 0.0), "layer 2 std 0, expected 0 ± 0 from layer 1"),
    ],
)
def test_what_was_expected_is_told_in_the_digits_that_count(number, expected, text):
    report = builders.with_theory(builders.report([builders.layer(1), builders.layer(2, std=number)]))
    said = LayerTheory(expected=LayerEstimates(std=expected), flagged=("std",))
    assert view.flags(builders.changed(report, layer_theory=(LayerTheory(), said))) == [text]


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (
            builders.ORDERED,
            [
                "ordered, stable: q* 0.315, c* 1, chi1 0.88, depth scales 1.79 (q) and 7.83 (c) layers",
                "signal changes 1000-fold in 108 layers; gradient in 108 layers; inputs align in 54 layers; "
                "leaves float16 at layer 12, bfloat16 at 98",
                "the signal goes to the fixed point q*",
            ],
        ),
        (builders.DOES_NOT_APPLY, ["none applies: the weights of constant=0.1 are not independent"]),
        (
            StackTheory(True, "", "critical", "marginal", chi1=1.0, xi_c=12.5),
            ["critical, marginal: chi1 1, depth scale 12.5 (c) layers"],
        ),
        (
            StackTheory(True, "diverges", horizon=Horizon(gradient=3, float32=7)),
            ["gradient changes 1000-fold in 3 layers; leaves float32 at layer 7", "diverges"],
        ),
    ],
)
def test_all_of_theory(said, lines):
    assert view.theory_lines(said) == lines
    report = builders.changed(builders.report(), theory=said)
    (line,) = [line for line in summary(report, "full") if line.label == "theory"]
    assert line.text.split("\n") == lines


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (builders.ORDERED, "the signal goes to the fixed point q*; the gradient vanishes, x0.938 per layer (ordered)"),
        (builders.DOES_NOT_APPLY, "none applies: the weights of constant=0.1 are not independent"),
        (StackTheory(True, "", "critical", "marginal", chi1=1.0), "the gradient keeps its scale (critical)"),
        (StackTheory(True, "it grows; q = 3 is unstable"), "it grows"),
        (
            StackTheory(True, "it settles", "chaotic", chi1=4.0),
            "it settles; the gradient explodes, x2 per layer (chaotic)",
        ),
    ],
)
def test_a_line_of_theory(said, line):
    assert view.theory_line(said) == line
    report = builders.changed(builders.report(), theory=said)
    assert [one.text for one in summary(report) if one.label == "theory"] == [line]
    assert "theory" not in [one.label for one in summary(report, "none")]


def test_the_heading_says_what_was_run():
    assert view.heading(builders.report()) == (
        "relu, he (std 0.316 to 0.447)",
        "4 layers of 10, 10 inputs of 20 from N(0, 1), float32, seed 0",
    )
    of_loss = view.heading(builders.with_gradient())
    assert of_loss[2:] == ("loss mse over 10 classes: 0.123",)
    repeated = view.heading(builders.repeated(builders.with_gradient()))
    assert repeated[1].endswith("seeds 0 to 19")
    assert repeated[2].endswith("(mean)")
    random = builders.report(loss=builders.LossValue("random", None, 0.5), init=initializer("lecun"))
    assert len(view.heading(random)) == 2
