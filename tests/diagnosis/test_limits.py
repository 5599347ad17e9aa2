"""Limits from a file hold wherever a limit is asked for: in what is found, said and advised, by whichever rule."""

from dataclasses import replace
from math import exp, inf

import pytest
from altering import altered, between, with_recipe
from rule_cases import CASES, found

from actdiag import propagate
from actdiag.diagnosis import RULES, findings, rules_from

LIMITED = [name for name, rule in RULES.items() if any(rule.bounds.values())]


def limits(**changed):
    """The rules with limits changed: `dead_units__high=0.01`."""
    tables = {}
    for name, value in changed.items():
        rule, _, side = name.partition("__")
        tables.setdefault(rule, {})[side] = value
    return rules_from(tables)


@pytest.mark.parametrize("name", LIMITED)
def test_a_tighter_limit_finds_what_was_within(name, runs, monkeypatch):
    """A run that is just within the limit is found under half of the way to it, and the finding states that limit."""
    case = CASES[name]
    run = case.misses[0](runs[case.base], monkeypatch)
    side = "low" if case.value < case.limit else "high"
    halfway = {"combined_risk": 0.95, "aligned_inputs": 0.99, "exploding_gradient": 20.0, "vanishing_gradient": 1 / 20}
    tight = halfway.get(name, case.limit * (2 if side == "low" else 0.5))
    assert found(name, run) == []
    (finding,) = found(name, run, limits(**{f"{name}__{side}": tight}))
    assert finding.limit == pytest.approx(tight)
    if "limit" in finding.summary:
        said = finding.summary.partition("(limit ")[2].rstrip(")").removesuffix("-fold")
        stated = float(said.rstrip("%")) / 100 if said.endswith("%") else float(said)
        assert stated in (pytest.approx(tight, rel=0.01), pytest.approx(1 / tight, rel=0.01))


def test_tighter_dead_units_are_a_fault_and_called_so(runs):
    """Of 100 units 5 are dead and next to none expected, which two units and the limit allow to exceed."""
    run = altered(runs["relu"], dead_fraction=lambda layer: 0.05 if layer == 2 else 0.0, cosine=0.3)
    assert found("dead_units", run) == []
    (finding,) = found("dead_units", run, limits(dead_units__high=0.01))
    assert (finding.explained, finding.layers, finding.limit) == (False, (2,), 0.01)
    assert finding.summary.endswith("these units are dead")


def test_wider_dead_units_are_no_fault(runs):
    run = altered(runs["relu"], dead_fraction=lambda layer: 0.3 if layer == 2 else 0.0, cosine=0.3)
    assert [one.explained for one in found("dead_units", run)] == [False]
    assert found("dead_units", run, limits(dead_units__high=0.4)) == []


def test_a_command_takes_a_tighter_limit_for_dead_units():
    options = {"act": "relu", "init": "he", "depth": 3, "bias_mean": -0.77, "batch": 500, "theory": False}
    for high, expected in ((0.1, []), (0.01, [False])):
        report = propagate(**options, rules={"dead_units": {"high": high}})
        assert report.layers[-1].dead_fraction == pytest.approx(0.07, abs=0.02)
        assert [one.explained for one in report.findings if one.rule == "dead_units"] == expected


@pytest.mark.parametrize(("fold", "limit"), [(50, "vanishing_gradient__low"), (1 / 50, "exploding_gradient__high")])
def test_weight_gradients_are_compared_where_a_gradient_rule_finds_something(runs, fold, limit):
    run = altered(runs["relu"], gradient__rms=between(fold), weight_gradient__norm=1.0)
    assert found("flat_weight_gradient", run) == []
    assert found("flat_weight_gradient", run, limits(**{limit: 1 / 20 if fold > 1 else 20}))


def test_inputs_that_are_called_aligned_are_not_called_apart(runs):
    run = altered(runs["relu"], rms=1.0, mean=0.9, cosine=0.97)
    assert [one.explained for one in found("shifted_mean", run)] == [True]
    assert [one.explained for one in found("shifted_mean", run, limits(aligned_inputs__high=0.95))] == [False]


def test_a_limit_that_is_lifted_finds_nothing(runs, monkeypatch):
    lifted = limits(**{
        f"{name}__{side}": -inf if side == "low" else inf for name in RULES for side in RULES[name].bounds
    })  # fmt: skip
    for case in CASES.values():
        with monkeypatch.context() as patch:
            assert findings(case.hit(runs[case.base], patch), lifted) == []


# What the entries say of their limits


@pytest.mark.parametrize(
    ("name", "side", "stated"),
    [
        ("dead_units", "high", "by default {:.0%} of the units"),
        ("update_too_large", "high", "by default {:g}"),
        ("update_too_small", "low", "by default {:g}"),
    ],
)
def test_a_limit_in_an_explanation_is_called_the_default(name, side, stated):
    assert stated.format(RULES[name].bounds[side]) in RULES[name].explanation


def test_sources_state_the_default_limits():
    assert f"{RULES['exploding_signal'].high:.0f}-fold" in RULES["exploding_signal"].source
    assert "exp(4.75)" in RULES["exploding_gradient"].source
    assert RULES["exploding_gradient"].high == pytest.approx(exp(4.75))


OPPOSITES = [
    ("small_output", "large_output", "faint", "loud"),
    ("vanishing_signal", "exploding_signal", "shrink", "enlarge"),
    ("update_too_small", "update_too_large", "greater", "smaller learning rate"),
]


@pytest.mark.parametrize(("low", "high", "of_low", "of_high"), OPPOSITES)
def test_a_rule_does_not_speak_of_its_opposite(low, high, of_low, of_high):
    for rule, wrong in ((RULES[low], of_high), (RULES[high], of_low)):
        assert wrong not in f"{rule.title} {rule.quantity} {rule.explanation} {rule.remedy} {rule.source}"


def test_a_rule_of_ones_own_is_applied_and_promises_nothing(runs):
    mine = replace(RULES["saturation"], name="mine", remedy="ask me.")
    run = altered(runs["tanh"], saturated_fraction=0.9)
    own = {one.rule: one for one in findings(run, rules_from({"mine": mine}))}["mine"]
    assert (own.value, own.advice) == (0.9, "")


def test_recipes_are_not_asked_for_what_a_site_knows(runs):
    """With the sites of another batch, act and format the findings are of those, whatever the recipe says."""
    run = altered(runs["relu"], dead_fraction=0.4, cosine=0.995)
    sites = with_recipe(run, batch=7, dtype="float64").sites
    (finding,) = found("dead_units", replace(run, sites=sites))
    assert "dead on every input of 7 " in finding.summary
    (finding,) = found("nonfinite", replace(altered(run, nonfinite_fraction=0.5), sites=sites))
    assert finding.summary.endswith("beyond float64")
