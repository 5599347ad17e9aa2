"""Limits from a file hold wherever a limit is asked for: in what is found, said and advised, by whichever rule."""

from dataclasses import replace
from math import exp, inf

import pytest
from altering import altered, between, run_of, with_input, with_loss, with_recipe
from rule_cases import CASES, found, with_output

from actdiag import propagate
from actdiag.diagnosis import RULES, findings, rules_from
from actdiag.diagnosis.advice import ADVISED

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
    halfway = {"outlook": 0.95, "aligned_inputs": 0.99, "exploding_gradient": 20.0, "vanishing_gradient": 1 / 20}
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
    assert (finding.severity, finding.layers, finding.limit) == ("warning", (2,), 0.01)
    assert finding.summary.endswith("these units are dead")
    assert "activation with a slope on both sides" in finding.advice


def test_wider_dead_units_are_no_fault(runs):
    run = altered(runs["relu"], dead_fraction=lambda layer: 0.3 if layer == 2 else 0.0, cosine=0.3)
    assert [one.severity for one in found("dead_units", run)] == ["warning"]
    assert found("dead_units", run, limits(dead_units__high=0.4)) == []


def test_a_command_takes_a_tighter_limit_for_dead_units():
    options = {"act": "relu", "init": "he", "depth": 3, "bias_mean": -0.77, "batch": 500, "theory": False}
    for high, expected in ((0.1, []), (0.01, ["warning"])):
        report = propagate(**options, rules={"dead_units": {"high": high}})
        assert report.layers[-1].dead_fraction == pytest.approx(0.07, abs=0.02)
        assert [one.severity for one in report.findings if one.rule == "dead_units"] == expected


def test_the_signal_that_is_fixed_first_is_the_one_that_its_own_rule_finds(runs):
    """The signal falls 50-fold: under a limit of 20 its change per layer is undone, else the gradient's."""
    run = altered(runs["relu"], rms=between(1 / 50), gradient__rms=between(1e6))
    (alone,) = found("vanishing_gradient", run)
    (with_signal,) = found("vanishing_gradient", run, limits(vanishing_signal__low=1 / 20))
    assert "--gain 31.6 " in alone.advice
    assert "--gain 2.66 " in with_signal.advice


def test_a_faint_output_is_raised_by_its_cause_under_the_limits_in_force(runs, monkeypatch):
    run = with_output(0.5e-4)(altered(runs["relu"], rms=between(1 / 50), std=1.0, unit_std=0.1), monkeypatch)
    (aligned,) = found("faint_output", run)
    (vanishing,) = found("faint_output", run, limits(vanishing_signal__low=1 / 20))
    assert "fewer layers" in aligned.advice
    assert "make the weights larger" in vanishing.advice


def test_inputs_are_too_large_where_the_rule_on_inputs_says_so(runs, monkeypatch):
    run = with_output(200.0)(with_input(runs["relu"], rms=5.0), monkeypatch)
    (own,) = found("loud_output", run)
    (tighter,) = found("loud_output", run, limits(input_scale__high=3))
    assert "--standardize" not in own.advice
    assert "--standardize" in tighter.advice


def test_saturated_units_are_put_down_to_inputs_that_the_rule_on_inputs_calls_too_large():
    pixels = [[5.0, -5.0, 4.0], [3.0, -4.0, 5.0]]
    run = altered(run_of(propagate("tanh", "lecun", input=pixels, depth=2)), saturated_fraction=0.9)
    (own,), (tighter,) = (found("saturation", run, rules) for rules in (RULES, limits(input_scale__high=3)))
    assert "--standardize" not in own.advice
    assert "--standardize" in tighter.advice


@pytest.mark.parametrize(("fold", "limit"), [(50, "vanishing_gradient__low"), (1 / 50, "exploding_gradient__high")])
def test_weight_gradients_are_compared_where_a_gradient_rule_finds_something(runs, fold, limit):
    run = altered(runs["relu"], gradient__rms=between(fold), weight_gradient__norm=1.0)
    assert found("flat_weight_gradient", run) == []
    assert found("flat_weight_gradient", run, limits(**{limit: 1 / 20 if fold > 1 else 20}))


def test_layers_that_no_rate_suits_are_told_by_the_limits_of_both_rules(runs):
    ratios = altered(runs["relu"], weight_gradient__weight_ratio=lambda layer: 0.5 if layer == 1 else 1e-4)
    run = with_loss(ratios, "mse", learning_rate=1.0)
    assert "take a learning rate under" in found("update_too_large", run)[0].advice
    for rules in (limits(update_too_small__low=1e-3), limits(update_too_large__high=1e-2)):
        assert "no single learning rate" in found("update_too_large", run, rules)[0].advice


def test_inputs_that_are_called_aligned_are_not_called_apart(runs):
    run = altered(runs["relu"], rms=1.0, mean=0.9, cosine=0.97)
    assert [one.severity for one in found("shifted_mean", run)] == ["info"]
    assert [one.severity for one in found("shifted_mean", run, limits(aligned_inputs__high=0.95))] == ["warning"]


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
    ("faint_output", "loud_output", "faint", "loud"),
    ("vanishing_signal", "exploding_signal", "shrink", "enlarge"),
    ("update_too_small", "update_too_large", "greater", "smaller learning rate"),
]


@pytest.mark.parametrize(("low", "high", "of_low", "of_high"), OPPOSITES)
def test_a_rule_does_not_speak_of_its_opposite(low, high, of_low, of_high):
    for rule, wrong in ((RULES[low], of_high), (RULES[high], of_low)):
        assert wrong not in f"{rule.title} {rule.quantity} {rule.explanation} {rule.remedy} {rule.source}"


def test_every_rule_has_advice_of_its_own():
    assert set(RULES) == ADVISED


def test_a_rule_of_ones_own_advises_its_remedy(runs):
    mine = replace(RULES["saturation"], name="mine", remedy="ask me.")
    run = altered(runs["tanh"], saturated_fraction=0.9)
    own = {one.rule: one for one in findings(run, rules_from({"mine": mine}))}["mine"]
    assert own.advice == "ask me."


def test_recipes_are_not_asked_for_what_a_site_knows(runs):
    """With the sites of another batch, act and format the findings are of those, whatever the recipe says."""
    run = altered(runs["relu"], dead_fraction=0.4, cosine=0.995)
    sites = with_recipe(run, batch=7, dtype="float64").sites
    (finding,) = found("dead_units", replace(run, sites=sites))
    assert "dead on every input of 7 " in finding.summary
    (finding,) = found("nonfinite", replace(altered(run, nonfinite_fraction=0.5), sites=sites))
    assert finding.summary.endswith("beyond float64")
