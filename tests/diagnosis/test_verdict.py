"""The verdict: how findings and probability add up, and what real runs are judged to be."""

from math import pi, sqrt

import builders
import numpy as np
import pytest
from altering import altered, between, run_of

from actdiag import compare, grad_flow, propagate
from actdiag.activations import resolve
from actdiag.diagnosis import RULES, combined, diagnose, rules_from, verdict
from actdiag.diagnosis.calibration.trainability import HIGH, LOW, Reason, Trainability
from actdiag.diagnosis.findings import SEVERITIES
from actdiag.repeats import average
from actdiag.theory.regions import expected_dead_fraction


@pytest.fixture(scope="module")
def healthy():
    return run_of(grad_flow("relu", "he", depth=5, batch=200))


@pytest.fixture
def promise(monkeypatch):
    """Make the fit say so of every run."""

    def say(probability, *reasons):
        said = Trainability(probability, 0.1, (0.01, 0.3), True, reasons)
        for module in (verdict, combined):
            monkeypatch.setattr(module, "trainability", lambda run: said)

    return say


def rules(judged):
    return [finding.rule for finding in judged.findings]


def severities(judged):
    return {finding.rule: finding.severity for finding in judged.findings}


# How findings and probability add up

ALIGNED = {"cosine": 0.9995}
VANISHING = {"gradient__rms": between(1e4)}
AGAINST = (
    Reason(("vanishing_gradient",), -5.0, "the gradient vanishes"),
    Reason(("collapsed_inputs",), -1.0, "inputs collapse"),
)


@pytest.mark.parametrize(
    ("probability", "severity"),
    [(1.0, "healthy"), (HIGH + 0.01, "healthy"), (HIGH - 0.01, "at-risk"), (LOW + 0.01, "at-risk"),
     (LOW - 0.01, "untrainable"), (0.0, "untrainable")],
)  # fmt: skip
def test_the_probability_decides_where_nothing_is_found(healthy, promise, probability, severity):
    promise(probability)
    judged = diagnose(healthy)
    assert (judged.severity, judged.probability, judged.trainable) == (severity, probability, probability >= 0.5)
    assert (judged.learning_rate, judged.learning_rates, judged.estimated) == (0.1, (0.01, 0.3), True)
    assert rules(judged) == list(judged.decided_by) == ([] if severity == "healthy" else ["combined_risk"])
    if severity == "untrainable":
        assert severities(judged) == {"combined_risk": "error"}


@pytest.mark.parametrize(
    ("probability", "severity"),
    [(0.1449, "untrainable"), (0.1451, "at-risk"), (0.15, "at-risk"), (0.8449, "at-risk"), (0.8451, "healthy"),
     (0.85, "healthy")],
)  # fmt: skip
def test_the_probability_decides_in_whole_percent_as_it_is_printed(healthy, promise, probability, severity):
    promise(probability)
    judged = diagnose(healthy)
    assert (judged.severity, judged.probability) == (severity, probability)
    assert rules(judged) == ([] if severity == "healthy" else ["combined_risk"])


@pytest.mark.parametrize(("probability", "severity"), [(0.99, "healthy"), (0.5, "at-risk"), (0.01, "untrainable")])
def test_what_is_found_does_not_change_what_the_probability_says(healthy, promise, probability, severity):
    """What explains nothing of a low probability stays a note, and `combined_risk` says that nothing explains it."""
    promise(probability)
    judged = diagnose(altered(healthy, **ALIGNED))
    assert (judged.severity, judged.probability) == (severity, probability)
    assert severities(judged)["aligned_inputs"] == "info"
    assert judged.decided_by == (() if severity == "healthy" else ("combined_risk",))


@pytest.mark.parametrize(
    ("probability", "marked"), [(0.99, "info"), (0.85, "info"), (0.84, "warning"), (0.5, "warning"), (0.01, "error")]
)
def test_what_explains_a_low_probability_decides_and_is_raised(healthy, promise, probability, marked):
    promise(probability, *AGAINST)
    judged = diagnose(altered(healthy, **VANISHING, weight_gradient__norm=1.0))
    assert severities(judged) == {"vanishing_gradient": marked, "flat_weight_gradient": "info"}
    assert judged.decided_by == (() if marked == "info" else ("vanishing_gradient",))


def test_the_strongest_reasons_come_first_and_of_each_the_nearest_rules(healthy, promise):
    promise(
        0.01,
        Reason(("aligned_inputs", "small_output", "collapsed_inputs"), -1.0, ""),
        Reason(("saturation", "vanishing_gradient"), -5.0, ""),
        Reason(("large_output",), -9, ""),
    )
    judged = diagnose(altered(healthy, **ALIGNED, **VANISHING, unit_std=7e-4, weight_gradient__norm=1.0))
    assert judged.decided_by == ("vanishing_gradient", "aligned_inputs", "collapsed_inputs")
    assert severities(judged) == {
        "vanishing_gradient": "error",
        "aligned_inputs": "error",
        "collapsed_inputs": "error",
        "flat_weight_gradient": "info",
    }
    assert rules(judged) == list(severities(judged))


def test_what_speaks_for_training_does_not_decide(healthy, promise):
    promise(0.01, Reason(("aligned_inputs",), 3.0, ""), Reason(("vanishing_gradient",), -1.0, ""))
    assert diagnose(altered(healthy, **ALIGNED, **VANISHING)).decided_by == ("vanishing_gradient",)


def test_what_is_harmless_explains_nothing(healthy, promise):
    promise(0.5, Reason(("shifted_mean",), -5.0, "the mean is shifted"))
    apart, alike = (diagnose(altered(healthy, rms=1.0, mean=0.9, cosine=cosine)) for cosine in (0.9, 0.995))
    assert (apart.decided_by, severities(apart)) == (
        ("combined_risk",),
        {"combined_risk": "warning", "shifted_mean": "info"},
    )
    assert (alike.decided_by, severities(alike)) == (("shifted_mean",), {"shifted_mean": "warning"})
    assert [one.explained for one in apart.findings] == [False, True]


def test_a_certain_rule_leaves_no_chance(healthy, promise):
    promise(0.99, *AGAINST)
    judged = diagnose(altered(healthy, **VANISHING, nonfinite_fraction=lambda layer: 0.1 * (layer == 5)))
    assert (judged.severity, judged.trainable, judged.probability) == ("untrainable", False, 0.0)
    assert (judged.learning_rate, judged.learning_rates, judged.decided_by) == (None, None, ("nonfinite",))


def test_these_rules_are_certain():
    certain = {"nonfinite", "zero_signal", "born_dead", "symmetric_units"}
    assert {name for name, rule in RULES.items() if rule.certain} == certain
    assert {name for name, rule in RULES.items() if rule.severity != "info"} == certain


def test_a_rule_that_is_switched_off_does_not_decide(healthy, promise):
    overflowing = altered(healthy, nonfinite_fraction=0.1)
    promise(0.99)
    without = diagnose(overflowing, rules_from({"nonfinite": {"enabled": False}}))
    assert (without.severity, without.probability, without.findings) == ("healthy", 0.99, ())
    promise(0.01, *AGAINST)
    without = diagnose(altered(healthy, **VANISHING), rules_from({"vanishing_gradient": {"enabled": False}}))
    assert (without.severity, without.decided_by) == ("untrainable", ("combined_risk",))
    assert "the gradient vanishes; inputs collapse" in without.findings[0].summary
    bare = diagnose(healthy, rules_from({"combined_risk": {"enabled": False}}))
    assert (bare.severity, bare.findings, bare.decided_by) == ("untrainable", (), ())


@pytest.mark.parametrize(("probability", "severity"), [(0.99, "healthy"), (0.5, "at-risk"), (0.01, "untrainable")])
@pytest.mark.parametrize("least", ["info", "warning", "error"])
def test_severities_of_a_file_mark_and_do_not_judge(healthy, promise, probability, severity, least):
    promise(probability, Reason(("aligned_inputs",), -5.0, "inputs are parallel"))
    run = altered(healthy, **ALIGNED)
    judged = diagnose(run, rules_from({"aligned_inputs": {"severity": least}}))
    assert (judged.severity, judged.probability) == (severity, probability)
    by_verdict = {"healthy": "info", "at-risk": "warning", "untrainable": "error"}[severity]
    assert severities(judged) == {"aligned_inputs": max(least, by_verdict, key=SEVERITIES.index)}


def test_a_milder_severity_of_a_certain_rule_leaves_the_verdict(healthy, promise):
    promise(0.99)
    judged = diagnose(altered(healthy, nonfinite_fraction=0.1), rules_from({"nonfinite": {"severity": "warning"}}))
    assert (judged.severity, judged.probability, judged.decided_by) == ("untrainable", 0.0, ("nonfinite",))


def test_most_severe_findings_come_first(healthy, promise):
    promise(0.6, *AGAINST)
    told = {"rms": 1.0, "mean": 0.9, "weight_gradient__norm": None}
    run = altered(healthy, **VANISHING, **told, subnormal_fraction=0.5)
    judged = diagnose(run, rules_from({"precision_lost": {"severity": "warning"}}))
    assert rules(judged) == ["vanishing_gradient", "precision_lost", "shifted_mean"]
    assert [finding.severity for finding in judged.findings] == ["warning", "warning", "info"]
    assert not any(finding.advice for finding in judged.findings)


# Real runs


@pytest.mark.parametrize(("depth", "seeds"), [(5, 5), (20, 3)])
@pytest.mark.parametrize("run", [propagate, grad_flow])
def test_he_relu_is_healthy(run, depth, seeds):
    for seed in range(seeds):
        judged = run("relu", "he", depth=depth, batch=200, seed=seed).verdict
        assert judged.severity == "healthy"
        assert judged.trainable
        assert set(rules(judged)) <= {"dead_units"}
        assert judged.estimated == (run is propagate)


HEALTHY = [("relu", "he", 1.0), ("tanh", "xavier", 1.0), ("selu", "lecun", 1.0), ("gelu", "lecun", "auto")]


@pytest.mark.parametrize(("act", "init", "gain"), HEALTHY)
@pytest.mark.parametrize(("width", "depth"), [(64, 5), (64, 30), (256, 10)])
def test_healthy_stacks_have_no_warnings(act, init, gain, width, depth):
    for run in (propagate, grad_flow):
        for seed in range(3):
            report = run(act, init, gain=gain, width=width, depth=depth, batch=100, seed=seed, theory=False)
            assert [finding.summary for finding in report.findings if finding.counts] == []


def test_deep_he_relu_is_seldom_warned_of():
    """Of 30 layers; 50 are at the limit of being at risk, and 60 are over it."""
    found = [
        [finding.rule for finding in propagate(depth=30, batch=100, seed=seed, theory=False).findings if finding.counts]
        for seed in range(10)
    ]
    assert set().union(*found) <= {"aligned_inputs", "shifted_mean", "combined_risk"}
    assert sum(map(bool, found)) <= 4


RUNS = {
    "small weights": (("relu", "std=0.01"), {}, {"vanishing_signal", "vanishing_gradient", "flat_weight_gradient"}),
    "large weights": (("relu", "std=1"), {}, {"exploding_signal", "exploding_gradient", "flat_weight_gradient"}),
    "deep sigmoid": (
        ("sigmoid", "xavier"),
        {"depth": 20},
        {"vanishing_gradient", "aligned_inputs", "collapsed_inputs"},
    ),
    "saturated tanh": (("tanh", "std=1"), {}, {"saturation"}),
    "dead": (("relu", "he"), {"bias_mean": -5.0}, {"born_dead", "dead_units"}),
    "small sigmoid": (("sigmoid", "std=0.01"), {}, {"vanishing_gradient", "aligned_inputs", "collapsed_inputs"}),
    "copies": (("tanh", "constant:0.01"), {}, {"symmetric_units"}),
    "underflow": (("tanh", "std=1e-30"), {"depth": 3}, {"zero_signal"}),
}


@pytest.mark.parametrize(("names", "options", "expected"), RUNS.values(), ids=RUNS)
def test_known_faults_are_found(names, options, expected):
    judged = grad_flow(*names, **{"depth": 5, "batch": 300, **options}).verdict
    also = {"shifted_mean", "small_output", "large_output", "vanishing_signal", "vanishing_gradient", "silent_inputs"}
    assert expected <= set(rules(judged)) <= expected | also
    if expected == {"saturation"}:
        assert judged.severity != "untrainable"
    else:
        assert judged.severity == "untrainable"
        assert set(judged.decided_by) & expected
    assert all(finding.summary for finding in judged.findings)


@pytest.mark.parametrize("run", [propagate, grad_flow])
def test_pixels_are_a_risk(run):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 30))
    assert "input_scale" in rules(run("relu", "he", input=pixels, width=30).verdict)
    assert "input_scale" not in rules(run("relu", "he", input=pixels, width=30, standardize=True).verdict)


def test_a_run_that_theory_contradicts_says_so(monkeypatch):
    monkeypatch.setattr("actdiag.theory.comparison.disagrees", lambda numbers, depth: True)
    assert "disagrees_with_theory" in rules(propagate("relu", "he", depth=2, batch=20).verdict)
    assert rules(propagate("relu", "he", depth=2, batch=20, theory=False).verdict) == []


def test_overflow_is_found():
    judged = grad_flow("relu", "std=1", depth=34, width=500, batch=64).verdict
    assert judged.decided_by == ("nonfinite",)
    assert judged.findings[0].layers[-1] == 34


def test_wide_tanh_is_not_called_saturated():
    assert rules(grad_flow("tanh", "xavier", depth=20, batch=200).verdict) == []


def called(rule, seeds, **options):
    reports = (
        propagate("relu", depth=50, width=10, batch=50, seed=seed, theory=False, **options) for seed in range(seeds)
    )
    return sum(rule in rules(report.verdict) for report in reports)


def test_narrow_he_relu_is_not_called_vanishing():
    """Width 10, 50 layers: ln rms sinks by 7.5 with an sd of 3.3, as the rule must know.

    With -K/4n a layer of sinking and four times sqrt(K/n)/2 of spread the limit is exp(-16): at K = 5, where higher
    orders in 1/n have K/n = .87, that leaves 1 in 200 beyond.
    """
    assert called("vanishing_signal", 30) <= 2


def test_narrow_relu_that_does_vanish_is_called_so():
    """Xavier takes another factor of sqrt 2 a layer: a median of exp(-24.5), with an sd of 3.3 about it."""
    assert called("vanishing_signal", 10, init="xavier") >= 8


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(("init", "rule"), [("std=1e30", "exploding_signal"), ("std=1e-30", "vanishing_signal")])
def test_stacks_near_the_ends_of_float64_are_judged(init, rule, batch):
    assert rule in rules(propagate("relu", init, dtype="float64", depth=9, batch=batch).verdict)


def test_structured_activations_are_judged_at_any_scale():
    for act in ("softmax", "maxout", "swiglu"):
        for init in ("std=1e-9", "lecun", "std=30"):
            for run in (propagate, grad_flow):
                assert run(act, init, depth=4, width=20, batch=20).verdict.severity in (
                    "at-risk",
                    "untrainable",
                    "healthy",
                )


@pytest.mark.parametrize(
    ("init", "options", "expected"),
    [
        ("constant:0.01", {}, True),
        ("ones", {"gain": 0.01}, True),
        ("constant:0.01", {"bias_std": 0.1}, False),
        ("identity", {}, False),
        ("lecun", {}, False),
        ("constant:0.01", {"width": 1}, False),
    ],
)
def test_equal_units_are_called_so(init, options, expected):
    judged = grad_flow("tanh", init, **({"depth": 3, "batch": 50, "width": 20} | options)).verdict
    assert ("symmetric_units" in judged.decided_by) == expected


# Rules that are given, and where a verdict shows


def test_commands_take_rules(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text("[saturation]\nhigh = 0.99\n")
    small = {"depth": 3, "width": 50, "batch": 50, "theory": False}
    for given in (path, str(path), {"saturation": {"high": 0.99}}):
        for run in (propagate, grad_flow):
            assert "saturation" in rules(run("tanh", "std=1", **small).verdict)
            assert "saturation" not in rules(run("tanh", "std=1", rules=given, **small).verdict)
        (report,) = compare(["tanh"], ["std=1"], rules=given, **small)
        assert "saturation" not in rules(report.verdict)
        assert "saturation" not in rules(propagate("tanh", "std=1", repeats=2, rules=given, **small).verdict)


def test_means_of_several_runs_are_judged_with_all_that_one_run_is(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "actdiag.repeats.diagnose", lambda run, rules: (seen.append((run, rules)), builders.verdict())[1]
    )
    report = grad_flow("relu", "he", depth=2, batch=20, loss="mse", classes=7, repeats=3)
    run, given = seen[0]
    assert (run.loss, run.classes, run.theory, given) == (report.loss, 7, report.theory, RULES)
    assert run.input.rms == pytest.approx(report.input_rms)
    assert run.input.rms == pytest.approx(1, abs=0.1)
    assert run.input.cosine == report.input_cosine


def test_a_fault_of_the_means_is_found():
    layers = [builders.layer(1), builders.layer(2, rms=1e-9)]
    assert "vanishing_signal" in rules(average([builders.report(layers)]).verdict)


def test_a_report_has_its_findings_and_the_verdict_its_keys():
    report = propagate("relu", "std=0.01", depth=4)
    assert report.findings is report.verdict.findings
    plain = report.to_dict()["verdict"]
    assert plain["decided_by"] == list(report.verdict.decided_by)
    assert plain["learning_rates"] is None
    assert list(plain["findings"][0]) == [
        "rule",
        "severity",
        "layers",
        "value",
        "limit",
        "summary",
        "advice",
        "explained",
        "cause",
    ]
    good = propagate("relu", "he", depth=4).to_dict()["verdict"]
    assert good["learning_rates"][0] <= good["learning_rate"] <= good["learning_rates"][1]
    assert (good["trainable"], good["estimated"]) == (True, True)


# Expectations


def aligned_by_he_relu(layers):
    """Return the cosine after so many layers from orthogonal inputs: c' = (sin t + (pi - t) c)/pi, t = arccos c."""
    c = 0.0
    for _ in range(layers):
        c = (sqrt(1 - c * c) + (pi - np.arccos(c)) * c) / pi
    return c


@pytest.mark.parametrize(
    ("layer", "share"), [(3, 0.0009), (5, 0.0153), (10, 0.093), (20, 0.217), (50, 0.357), (100, 0.422)]
)
def test_expected_dead_units_of_he_relu(layer, share):
    """The share of units below zero on all of 1000 inputs; by quadrature, to the digits given."""
    found = expected_dead_fraction(resolve("relu"), 2.0, aligned_by_he_relu(layer - 1), 1000)
    assert found == pytest.approx(share, abs=0.0006 if share > 0.05 else 0.00006)


def test_expected_dead_units_by_chance_alone():
    relu, tanh = resolve("relu"), resolve("tanh")
    for batch in (1, 3, 10):
        assert expected_dead_fraction(relu, 1.7, 0.0, batch) == pytest.approx(0.5**batch, rel=1e-6)
    assert expected_dead_fraction(relu, 5.0, 0.9, 50) == pytest.approx(expected_dead_fraction(relu, 1e-8, 0.9, 50))
    assert expected_dead_fraction(relu, 1.0, 1.0, 1000) == pytest.approx(0.5, abs=0.01)
    assert expected_dead_fraction(tanh, 1.0, 0.5, 10) == pytest.approx(0, abs=1e-12)
    # tanh' is under 1e-6 beyond 7.6: nearly everything, one by one, at a std of 1000
    assert expected_dead_fraction(tanh, 1e6, 0.0, 2) == pytest.approx((1 - 2 * 0.00303) ** 2, abs=2e-4)
    assert expected_dead_fraction(resolve("leaky_relu"), 1.0, 0.5, 1) == 0
