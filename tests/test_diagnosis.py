"""Rules: each as a hit and as a miss, from statistics set by hand and from real runs."""

from dataclasses import replace
from math import exp, pi, sqrt

import numpy as np
import pytest

from actdiag.activations import resolve
from actdiag.api import grad_flow, propagate
from actdiag.diagnosis import Run, diagnose
from actdiag.diagnosis.expectations import log_variance
from actdiag.measure import change_per_layer
from actdiag.theory.regions import expected_dead_fraction


@pytest.fixture(scope="module")
def healthy():
    return grad_flow("relu", "he", depth=5, batch=200)


@pytest.fixture(scope="module")
def healthy_tanh():
    return grad_flow("tanh", "xavier", depth=5, batch=200)


@pytest.fixture(scope="module")
def narrow():
    return grad_flow("relu", "he", depth=50, width=10, batch=50)


def judge(report, **by_layer):
    """Judge a report with fields of its layers set by functions of the layer; `gradient__rms` is a field of a part."""
    layers = []
    for stats in report.layers:
        for name, value in by_layer.items():
            part, _, inner = name.partition("__")
            new = value(stats.layer)
            stats = replace(stats, **{part: replace(getattr(stats, part), **{inner: new}) if inner else new})
        layers.append(stats)
    return diagnose(Run(report.stack, tuple(layers), change_per_layer(layers), 0.0))


def rules(verdict):
    return {finding.rule for finding in verdict.findings}


def finding(verdict, rule):
    (found,) = [one for one in verdict.findings if one.rule == rule]
    return found


def test_nothing_is_wrong_with_a_healthy_stack(healthy, healthy_tanh):
    for report in (healthy, healthy_tanh):
        assert (judge(report).severity, judge(report).findings) == ("healthy", ())


SHARES = ["nonfinite_fraction", "pre_activation__nonfinite_fraction", "gradient__nonfinite_fraction"]


@pytest.mark.parametrize("share", SHARES)
def test_nonfinite(healthy, share):
    verdict = judge(healthy, **{share: lambda layer: 0.25 * (layer > 3)})
    found = finding(verdict, "nonfinite")
    assert (verdict.severity, found.severity, found.layers, found.value) == ("untrainable", "error", (4, 5), 0.25)
    assert "25%" in found.summary
    assert "float32" in found.summary


def between(fold):
    """Return the rms by which five layers change `fold` times from the first to the last."""
    return lambda layer: fold ** ((layer - 1) / 4)


@pytest.mark.parametrize(
    ("fold", "rule"),
    [(1 / 101, "vanishing_signal"), (1 / 99, None), (1, None), (99, None), (101, "exploding_signal")],
)
def test_signal_may_change_a_hundredfold(healthy, fold, rule):
    verdict = judge(healthy, rms=between(fold))
    assert rules(verdict) == ({rule} if rule else set())
    if rule:
        found = finding(verdict, rule)
        assert (found.severity, found.layers) == ("error", (5,))
        assert found.value == pytest.approx(fold)
        assert found.limit == pytest.approx(100 if fold > 1 else 0.01)
        assert f"--gain {fold**-0.25:.3g}" in found.advice


@pytest.mark.parametrize(
    ("fold", "rule"),
    [(101, "vanishing_gradient"), (99, None), (1, None), (1 / 99, None), (1 / 101, "exploding_gradient")],
)
def test_gradient_may_change_a_hundredfold_on_the_way_down(healthy, fold, rule):
    verdict = judge(healthy, gradient__rms=between(fold), weight_gradient__norm=between(fold))
    assert rules(verdict) == ({rule} if rule else set())
    if rule:
        assert finding(verdict, rule).layers == (1,)
        assert finding(verdict, rule).value == pytest.approx(1 / fold)
        assert f"--gain {fold**0.25:.3g}" in finding(verdict, rule).advice


def test_signal_that_reaches_zero_vanishes(healthy):
    found = finding(judge(healthy, rms=lambda layer: float(layer < 3)), "vanishing_signal")
    assert found.layers == (3, 4, 5)
    assert "falls to zero" in found.summary


def test_layers_that_overflowed_have_no_part_in_the_change(healthy):
    verdict = judge(healthy, rms=lambda layer: 1e9 ** (layer == 5), nonfinite_fraction=lambda layer: 0.1 * (layer == 5))
    assert rules(verdict) == {"nonfinite"}


def test_finite_width_widens_what_is_allowed(narrow):
    """At a width of 10 a log second moment spreads by 5/10 a layer: 50 layers may differ a thousandfold."""

    def fold_of(fold):
        return lambda layer: fold ** ((layer - 1) / 49)

    for name in ("rms", "gradient__rms"):
        assert not any(
            "vanishing" in rule or "exploding" in rule for rule in rules(judge(narrow, **{name: fold_of(1000)}))
        )
    limit = exp(4 * sqrt(49 * 0.5) / 2)
    assert "exploding_signal" in rules(judge(narrow, rms=fold_of(limit * 1.01)))
    assert "exploding_signal" not in rules(judge(narrow, rms=fold_of(limit * 0.99)))
    assert "vanishing_signal" in rules(judge(narrow, rms=fold_of(1e-12)))


def test_flat_weight_gradient_is_told_beside_a_gradient_that_is_not(healthy):
    vanishing = {"gradient__rms": between(1e4)}
    flat = judge(healthy, weight_gradient__norm=lambda layer: 1 + 8.9 * (layer == 2), **vanishing)
    assert rules(flat) == {"vanishing_gradient", "flat_weight_gradient"}
    assert finding(flat, "flat_weight_gradient").severity == "info"
    assert finding(flat, "flat_weight_gradient").value == pytest.approx(9.9)
    steep = judge(healthy, weight_gradient__norm=lambda layer: 1 + 9.1 * (layer == 2), **vanishing)
    assert rules(steep) == {"vanishing_gradient"}
    unknown = judge(healthy, weight_gradient__norm=lambda layer: None, **vanishing)
    assert rules(unknown) == {"vanishing_gradient"}


def test_info_alone_is_healthy_and_a_warning_alone_at_risk(healthy):
    assert judge(healthy, weight_gradient__norm=lambda layer: 1.0).severity == "healthy"
    assert judge(healthy, cosine=lambda layer: 0.9995).severity == "at-risk"


@pytest.mark.parametrize(("share", "hit"), [(0.5, False), (0.51, True), (None, False)])
def test_saturation(healthy_tanh, share, hit):
    verdict = judge(healthy_tanh, saturated_fraction=lambda layer: share if layer in (2, 4) else 0.1)
    assert rules(verdict) == ({"saturation"} if hit else set())
    if hit:
        found = finding(verdict, "saturation")
        assert (found.severity, found.layers, found.value, found.limit) == ("warning", (2, 4), 0.51, 0.5)
        assert "2 layers from 2 to 4" in found.summary


@pytest.mark.parametrize(("share", "hit"), [(0.1, False), (0.15, True), (1.0, True), (None, False)])
def test_dead_units(healthy, share, hit):
    verdict = judge(healthy, dead_fraction=lambda layer: share if layer == 2 else 0.0)
    assert rules(verdict) == ({"dead_units"} if hit else set())
    if hit:
        assert finding(verdict, "dead_units").severity == ("error" if share == 1 else "warning")
        assert finding(verdict, "dead_units").layers == (2,)


def test_dead_units_that_alignment_explains_are_no_fault(healthy):
    """At a cosine of .995 a share of arccos(.995)/pi of a sign changes: half of the units are dead, or nearly."""
    aligned = {"cosine": lambda layer: 0.995}
    assert rules(judge(healthy, dead_fraction=lambda layer: 0.4 * (layer > 1), **aligned)) == set()
    assert rules(judge(healthy, dead_fraction=lambda layer: 0.4 * (layer > 1))) == {"dead_units"}
    assert rules(judge(healthy, dead_fraction=lambda layer: 0.9 * (layer > 1), **aligned)) == {"dead_units"}


def test_half_zeros_are_a_healthy_relus(healthy):
    assert all(abs(stats.zero_fraction - 0.5) < 0.2 for stats in healthy.layers)
    assert judge(healthy, zero_fraction=lambda layer: 0.6).findings == ()


@pytest.mark.parametrize(("cosine", "hit"), [(0.999, False), (0.9991, True), (None, False), (-1.0, False)])
def test_aligned_inputs(healthy, cosine, hit):
    verdict = judge(healthy, cosine=lambda layer: cosine)
    assert rules(verdict) == ({"aligned_inputs"} if hit else set())
    if hit:
        assert (finding(verdict, "aligned_inputs").severity, verdict.severity) == ("warning", "at-risk")


@pytest.mark.parametrize(("ratio", "hit"), [(0.0011, False), (0.0009, True), (0.0, True)])
def test_collapsed_inputs(healthy, ratio, hit):
    verdict = judge(healthy, std=lambda layer: 2.0, unit_std=lambda layer: 2.0 * ratio if layer > 2 else 1.0)
    assert rules(verdict) == ({"collapsed_inputs"} if hit else set())
    if hit:
        assert finding(verdict, "collapsed_inputs").layers == (3, 4, 5)
        assert finding(verdict, "collapsed_inputs").value == pytest.approx(ratio)


def test_one_input_cannot_collapse():
    assert rules(grad_flow("relu", "he", depth=3, batch=1).verdict) <= {"dead_units"}


def test_most_severe_findings_come_first(healthy):
    verdict = judge(
        healthy,
        cosine=lambda layer: 0.9999,
        gradient__rms=between(1e4),
        weight_gradient__norm=lambda layer: 1.0,
        unit_std=lambda layer: 0.0,
    )
    order = ["error", "error", "warning", "info"]
    assert [found.severity for found in verdict.findings] == order


# Real runs


@pytest.mark.parametrize(("depth", "seeds"), [(5, 5), (20, 3), (50, 1)])
@pytest.mark.parametrize("run", [propagate, grad_flow])
def test_he_relu_is_healthy(run, depth, seeds):
    for seed in range(seeds):
        verdict = run("relu", "he", depth=depth, batch=200, seed=seed).verdict
        assert (verdict.severity, verdict.findings) == ("healthy", ())


def test_deep_he_relu_is_seldom_warned_of():
    """At 50 layers the expected cosine is .988; a network in ten lies over .999, and nothing else is found."""
    found = [rules(propagate("relu", "he", depth=50, batch=100, seed=seed, theory=False).verdict) for seed in range(10)]
    assert set().union(*found) <= {"aligned_inputs"}
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
    "dead": (("relu", "he"), {"bias_mean": -5.0}, {"dead_units", "vanishing_signal", "vanishing_gradient"}),
    "small sigmoid": (
        ("sigmoid", "std=0.01"),
        {"dtype": "float64"},
        {"aligned_inputs", "collapsed_inputs", "vanishing_gradient"},
    ),
}


@pytest.mark.parametrize(("names", "options", "expected"), RUNS.values(), ids=RUNS)
def test_known_faults_are_found(names, options, expected):
    verdict = grad_flow(*names, **{"depth": 5, "batch": 300, **options}).verdict
    assert rules(verdict) == expected
    assert verdict.severity == ("at-risk" if expected == {"saturation"} else "untrainable")
    assert all(found.advice and found.summary for found in verdict.findings)


def test_overflow_is_found():
    verdict = grad_flow("relu", "std=1", depth=34, width=500, batch=64).verdict
    assert {"nonfinite", "exploding_signal"} <= rules(verdict)
    assert finding(verdict, "nonfinite").layers[-1] == 34


def test_the_gain_that_is_advised_mends():
    for init in ("std=0.01", "std=1"):
        (advice,) = {
            found.advice for found in propagate("relu", init, depth=8).verdict.findings if found.rule.endswith("signal")
        }
        gain = float(advice.split("--gain ")[1].split()[0])
        assert propagate("relu", init, depth=8, gain=gain).verdict.severity == "healthy"


def test_wide_tanh_is_not_called_saturated():
    assert rules(grad_flow("tanh", "xavier", depth=20, batch=200).verdict) == set()


def test_narrow_he_relu_is_not_called_vanishing():
    """Width 10, 50 layers: ln rms sinks by 7.5 with an sd of 3.3, as the rule must know.

    With -K/4n a layer of sinking and four times sqrt(K/n)/2 of spread the limit is exp(-16): at K = 5, where higher
    orders in 1/n have K/n = .87, that leaves 1 in 200 beyond.
    """
    called = [
        "vanishing_signal"
        in rules(propagate("relu", "he", depth=50, width=10, batch=50, seed=seed, theory=False).verdict)
        for seed in range(30)
    ]
    assert sum(called) <= 2


def test_narrow_relu_that_does_vanish_is_called_so():
    """Xavier takes another factor of sqrt 2 a layer: a median of exp(-24.5), with an sd of 3.3 about it."""
    called = [
        "vanishing_signal"
        in rules(propagate("relu", "xavier", depth=50, width=10, batch=50, seed=seed, theory=False).verdict)
        for seed in range(10)
    ]
    assert sum(called) >= 8


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(("init", "rule"), [("std=1e30", "exploding_signal"), ("std=1e-30", "vanishing_signal")])
def test_stacks_near_the_ends_of_float64_are_judged(init, rule, batch):
    assert rule in rules(propagate("relu", init, dtype="float64", depth=9, batch=batch).verdict)


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


@pytest.mark.parametrize(
    ("act", "kurtosis"),
    [
        ("identity", 2),
        ("relu", 5),
        ("leaky_relu", 4.9988),
        ("tanh", 0.627291),
        ("sigmoid", 0.5289),
        ("gelu", 6.215614),
        ("elu", 2.776022),
        ("softsign", 0.587787),
    ],
)
def test_log_variance_is_the_kurtosis_over_the_width(act, kurtosis):
    assert log_variance(resolve(act), 1.0, 50) == pytest.approx(kurtosis / 50, rel=2e-3)


@pytest.mark.parametrize("rms", [None, 0.0, 1e-300, 1e300])
def test_log_variance_survives_any_scale(rms):
    assert log_variance(resolve("relu"), rms, 10) == pytest.approx(0.5, rel=2e-3)
    assert log_variance(resolve("maxout"), rms, 10) == 0.5


@pytest.mark.parametrize(
    ("init", "options", "called"),
    [
        ("constant:0.01", {}, True),
        ("ones", {"gain": 0.01}, True),
        ("constant:0.01", {"bias_std": 0.1}, False),
        ("identity", {}, False),
        ("lecun", {}, False),
        ("constant:0.01", {"width": 1}, False),
    ],
)
def test_equal_units_are_called_so(init, options, called):
    verdict = grad_flow("tanh", init, **({"depth": 3, "batch": 50, "width": 20} | options)).verdict
    assert ("symmetric_units" in rules(verdict)) == called
