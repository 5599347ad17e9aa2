"""Measurements without a recipe, as of a network built elsewhere, and what rules need."""

from dataclasses import replace

import builders
import pytest
from altering import altered, between, run_of, with_loss
from rule_cases import CASES, found

from actdiag import grad_flow, propagate
from actdiag.diagnosis import RULES, diagnose, findings, not_applicable
from actdiag.diagnosis.calibration.signals import gradient_rms, signals
from actdiag.diagnosis.calibration.trainability import HIGH, LOW, trainability
from actdiag.measure.statistics import ChangePerLayer, InputStats
from actdiag.measurements import Measurements
from actdiag.model.site import Site
from actdiag.numerals import whole_percent
from actdiag.view import words

ON_WEIGHTS = {"symmetric_units", "small_output", "large_output"}
ON_GRADIENTS = {"vanishing_gradient", "exploding_gradient"}
ON_STEPS = {"update_too_large", "update_too_small"}


def built_elsewhere():
    """Three layers of three different networks' worth of sites, measured without a backward pass."""
    recipe = builders.stack(3)
    acts = [recipe.act, None, recipe.act]
    sites = tuple(
        Site(path, "conv", act, 10, 10, 10, 50, recipe.format)
        for path, act in zip(("features.0", "features.3", "head"), acts, strict=True)
    )
    return Measurements(sites, tuple(map(builders.layer, (1, 2, 3))), InputStats(0.1, 1.0), ChangePerLayer(0.98, None))


def test_measurements_built_by_hand_are_diagnosed():
    measured = built_elsewhere()
    verdict = diagnose(measured)
    assert (verdict.severity, verdict.findings, verdict.decided_by) == ("unknown", (), ())
    assert verdict.probability is verdict.trainable is verdict.learning_rate is verdict.learning_rates is None
    faulty = diagnose(altered(measured, cosine=0.9999, nonfinite_fraction=lambda layer: 0.5 * (layer == 3)))
    assert (faulty.severity, faulty.probability, faulty.decided_by) == ("untrainable", 0.0, ("nonfinite",))
    assert [one.rule for one in faulty.findings] == ["nonfinite", "aligned_inputs"]
    assert measured.at("head").stats.layer == 3


@pytest.mark.parametrize("name", [name for name in CASES if name not in ON_WEIGHTS])
def test_rules_on_what_is_measured_need_no_recipe(name, runs, monkeypatch):
    case = CASES[name]
    (finding,) = found(name, replace(case.hit(runs[case.base], monkeypatch), recipe=None))
    assert (finding.rule, finding.layers, finding.value) == (name, case.layers, pytest.approx(case.value))
    assert finding.limit == pytest.approx(case.limit)
    assert finding.summary
    assert "None" not in finding.summary
    for miss in case.misses:
        with monkeypatch.context() as patch:
            assert found(name, replace(miss(runs[case.base], patch), recipe=None)) == []


@pytest.mark.parametrize("name", sorted(ON_WEIGHTS))
def test_rules_on_weights_are_not_applicable_without_a_recipe(name, runs, monkeypatch):
    case = CASES[name]
    run = case.hit(runs[case.base], monkeypatch)
    assert found(name, run)
    bare = replace(run, recipe=None)
    assert found(name, bare) == []
    assert not_applicable(bare)[name] == "how weights and biases are drawn is not known"
    assert name not in not_applicable(run)


def test_what_is_not_applicable_is_listed_with_its_reason():
    forward = run_of(propagate("relu", "he", depth=3, batch=20, theory=False))
    assert set(not_applicable(forward)) == ON_STEPS | {"died_runs", "flat_weight_gradient", "disagrees_with_theory"}
    bare = not_applicable(replace(forward, recipe=None))
    assert set(bare) == set(not_applicable(forward)) | ON_WEIGHTS | ON_GRADIENTS
    both = "no backward pass was run, and how weights and biases are drawn is not known"
    assert bare["vanishing_gradient"] == bare["exploding_gradient"] == both
    assert bare["disagrees_with_theory"] == "theory was not asked"
    assert bare["flat_weight_gradient"] == "no backward pass was run"
    both_ways = run_of(grad_flow("relu", "he", depth=3, batch=20, loss="mse"))
    once = {"died_runs": "there is one run only"}
    assert not_applicable(both_ways) == once
    steps = "no training step is known: it takes a loss on labels and a learning rate"
    assert not_applicable(with_loss(both_ways, "random")) == once | dict.fromkeys(ON_STEPS, steps)


def test_a_rule_that_is_off_is_not_listed():
    run = run_of(propagate("relu", "he", depth=2, batch=20, theory=False))
    rules = {name: replace(rule, enabled=name != "flat_weight_gradient") for name, rule in RULES.items()}
    assert "flat_weight_gradient" not in not_applicable(run, rules)
    assert not {one.rule for one in findings(run, rules)} & set(not_applicable(run, rules))


def test_the_ratio_of_gradients_needs_no_recipe(runs):
    whole = altered(runs["tanh"], gradient__rms=between(30.0))
    bare = replace(whole, recipe=None)
    assert gradient_rms(bare) == gradient_rms(whole)
    found, known = signals(bare), signals(whole)
    assert (found.gradient, found.information) == (known.gradient, known.information)
    assert found.typical == known.typical
    assert found.output is found.curvature is found.learning is None
    forward = run_of(propagate("tanh", "xavier", depth=5, batch=200))
    assert gradient_rms(replace(forward, recipe=None)) is None
    assert signals(replace(forward, recipe=None)).gradient is None


@pytest.mark.parametrize("fold", [1.0, 30.0, 1e3, 1e9])
def test_without_a_recipe_the_probability_is_a_bound(runs, fold):
    whole = altered(runs["tanh"], gradient__rms=between(fold))
    bound, known = trainability(replace(whole, recipe=None)), trainability(whole)
    assert bound.at_most
    assert not known.at_most
    assert bound.probability >= known.probability
    assert bound.learning_rate is bound.learning_rates is None


@pytest.mark.parametrize(
    ("fold", "severity", "words"),
    [
        (1.0, "unknown", ""),
        (1e3, "unknown", "falls 1e+03-fold"),
        (1e5, "at-risk", "falls 1e+05-fold"),
        (1e9, "untrainable", "falls 1e+09-fold"),
    ],
)
def test_a_vanishing_gradient_is_judged_without_a_recipe(runs, fold, severity, words):
    verdict = diagnose(replace(altered(runs["tanh"], gradient__rms=between(fold)), recipe=None, theory=None))
    assert verdict.severity == severity
    assert verdict.estimated is False
    if severity == "untrainable":
        assert verdict.probability < LOW
        assert verdict.trainable is False
        assert verdict.decided_by == ("vanishing_gradient",)
    else:
        assert verdict.probability is verdict.trainable is None
    assert words in "".join(one.summary for one in verdict.findings)


def test_a_bound_is_called_one(runs):
    """The gradient grows within what its rule allows, but so far that the fit doubts it whatever the weights are."""
    run = replace(altered(runs["tanh"], gradient__rms=between(1 / 400)), recipe=None, theory=None)
    bound = trainability(run)
    assert bound.probability < HIGH
    (finding,) = found("combined_risk", run)
    said = f"at most {whole_percent(bound.probability)} that SGD trains it in 250 iterations: {bound.reasons[0].said}"
    assert finding.summary.startswith(said)


def test_a_lost_signal_is_lost_without_a_recipe(runs):
    for change in ({"rms": 0.0}, {"nonfinite_fraction": 0.1}, {"gradient__rms": 0.0}):
        run = replace(altered(runs["relu"], **change), recipe=None)
        assert signals(run) is None
        assert trainability(run).probability == 0


def test_an_unknown_probability_is_called_so():
    verdict = diagnose(built_elsewhere())
    assert words.outlook(verdict) == "no probability that SGD trains it in 250 iterations is known"
    assert whole_percent(verdict.probability) == "-"
