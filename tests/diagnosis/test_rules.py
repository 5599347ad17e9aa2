"""Every rule as a hit, a near miss and a NaN; what finite width and batch explain; and limits from a file."""

from dataclasses import replace
from math import exp, inf, isfinite, log, nan, sqrt
from pathlib import Path

import builders
import numpy as np
import pytest
from altering import altered, between, run_of, with_loss, with_recipe
from rule_cases import CASES, found, from_layer, promising

from actdiag import grad_flow, propagate
from actdiag.activations import resolve
from actdiag.diagnosis import RULES, Rule, findings, rules_from
from actdiag.diagnosis.calibration.trainability import Reason
from actdiag.diagnosis.dead import expected_dead
from actdiag.diagnosis.findings import SEVERITIES
from actdiag.errors import InvalidField
from actdiag.render.terminal.explain import allowed


def test_every_rule_is_tried():
    assert list(CASES) == [name for name in RULES if name in CASES]
    assert set(CASES) == set(RULES)
    assert all(rule.name == name for name, rule in RULES.items())


@pytest.mark.parametrize("name", CASES)
def test_a_hit(name, runs, monkeypatch):
    case, rule = CASES[name], RULES[name]
    (finding,) = found(name, case.hit(runs[case.base], monkeypatch))
    assert (finding.rule, finding.severity, finding.layers) == (name, rule.severity, case.layers)
    assert finding.value == pytest.approx(case.value)
    assert finding.limit == pytest.approx(case.limit)
    assert finding.explained is case.explained
    assert finding.summary
    assert "None" not in finding.summary
    assert "nan" not in finding.summary


@pytest.mark.parametrize("name", CASES)
def test_near_misses(name, runs, monkeypatch):
    for miss in CASES[name].misses:
        assert found(name, miss(runs[CASES[name].base], monkeypatch)) == []


@pytest.mark.parametrize("name", CASES)
def test_a_number_that_is_none_is_no_finding(name, runs, monkeypatch):
    for blank in CASES[name].blanks:
        assert found(name, blank(runs[CASES[name].base], monkeypatch)) == []


@pytest.mark.parametrize("name", [name for name in CASES if name != "combined_risk"])
def test_nothing_is_found_in_a_healthy_run(name, runs):
    assert found(name, runs["relu"]) == found(name, runs["tanh"]) == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_entry_says_all_that_it_must(rule):
    assert rule.severity in SEVERITIES
    assert rule.bounds
    for text in (rule.title, rule.quantity, rule.explanation, rule.remedy, rule.source):
        assert text.strip() == text
        assert len(text) > 10
    assert len(rule.title) < 30
    assert rule.explanation.endswith(".")
    assert rule.remedy.endswith(".")


@pytest.mark.parametrize("name", CASES)
def test_limits_decide(name, runs, monkeypatch):
    """With the limit moved beyond what was measured the hit is none, whichever of the two it is."""
    case, rule = CASES[name], RULES[name]
    run = case.hit(runs[case.base], monkeypatch)
    side = "low" if case.value < case.limit else "high"
    beyond = rules_from({name: {side: case.value + (-1 if side == "low" else 1) * abs(case.value) / 2}})
    assert isfinite(rule.bounds[side])
    assert found(name, run, beyond) == []


# What finite width and batch explain


def test_a_finding_names_the_layers_at_which_the_limit_had_been_passed(runs):
    (finding,) = found("vanishing_signal", altered(runs["relu"], rms=lambda layer: 10.0**-layer))
    assert finding.layers == (4, 5)  # 1e-3 and 1e-4 of layer 1; 1e-2 at layer 3 is the limit itself
    (finding,) = found("vanishing_gradient", altered(runs["relu"], gradient__rms=lambda layer: 1e3**layer))
    assert finding.layers == (1, 2, 3, 4)


def test_the_number_farthest_beyond_its_limit_is_told(runs):
    (finding,) = found("saturation", altered(runs["tanh"], saturated_fraction=lambda layer: 0.9 - layer / 10))
    assert (finding.layers, finding.value) == ((1, 2, 3), pytest.approx(0.8))
    (finding,) = found("collapsed_inputs", altered(runs["relu"], std=1.0, unit_std=lambda layer: 10.0 ** (-layer - 1)))
    assert (finding.layers, finding.value) == ((3, 4, 5), pytest.approx(1e-6))


def test_zero_gradients_vanish(runs):
    (finding,) = found("vanishing_gradient", altered(runs["relu"], gradient__rms=from_layer(3, 1.0)))
    assert (finding.layers, finding.value) == ((1, 2), 0.0)
    assert finding.summary == "rms of dL/dz falls to zero from layer 5 to 1 (limit 116-fold)"


def test_the_median_input_is_judged_where_the_whole_gradient_does_not_vanish(runs):
    few = altered(runs["relu"], gradient__rms=between(2.0), gradient__typical_rms=between(1e4))
    (finding,) = found("vanishing_gradient", few)
    assert (finding.layers, finding.value) == ((1, 2), pytest.approx(1e-4))
    expected = "rms of the median input's dL/dz falls 1e+04-fold from layer 5 to 1, x0.1 per layer (limit 116-fold)"
    assert finding.summary == expected
    assert found("vanishing_gradient", altered(few, gradient__typical_rms=between(100.0))) == []
    # The whole gradient is told where it vanishes itself, and where it is the smaller one.
    (whole,) = found("vanishing_gradient", altered(few, gradient__rms=between(1e3)))
    assert whole.value == pytest.approx(1e-3)
    assert found("vanishing_gradient", altered(few, gradient__typical_rms=between(1e-4))) == []
    assert found("exploding_gradient", altered(few, gradient__typical_rms=between(1e-4))) == []


def test_a_median_input_without_gradient_says_so(runs):
    (finding,) = found("vanishing_gradient", altered(runs["relu"], gradient__typical_rms=from_layer(3, 1.0)))
    assert (finding.layers, finding.value) == ((1, 2), 0.0)
    assert finding.summary == "rms of the median input's dL/dz falls to zero from layer 5 to 1 (limit 116-fold)"
    for nothing in (None, 0.0):
        assert found("vanishing_gradient", altered(runs["relu"], gradient__typical_rms=nothing)) == []


def test_both_ways_of_running_judge_a_deep_gelu_alike():
    """A few inputs far out have nearly all of its gradient: the whole of it hardly falls, that of the others does."""
    for run in (propagate, grad_flow):
        judged = run("gelu", "he", depth=50, batch=200, theory=False).verdict
        assert (judged.severity, judged.decided_by[0]) == ("untrainable", "vanishing_gradient")
    few = run_of(grad_flow("gelu", "he", depth=50, batch=200, theory=False))
    assert few.layers[0].gradient.ratio > RULES["vanishing_gradient"].low


def test_layers_that_overflowed_or_are_zero_have_no_part_in_the_change(runs):
    overflowed = altered(runs["relu"], rms=from_layer(5, 1e9, 1.0), nonfinite_fraction=from_layer(5, 0.1))
    assert found("exploding_signal", overflowed) == []
    (finding,) = found("vanishing_signal", altered(runs["relu"], rms=lambda layer: 0.0 if layer > 3 else 1e-3**layer))
    assert (finding.layers, finding.value) == ((2, 3), pytest.approx(1e-6))


@pytest.mark.parametrize(
    "loss",
    [
        {"nonfinite_fraction": from_layer(5, 0.1)},
        {"pre_activation__nonfinite_fraction": from_layer(5, 0.1)},
        {"rms": from_layer(5, 0.0, 1.0)},
        {"dead_fraction": from_layer(5, 1.0), "unit_std": 0.0},
    ],
)
def test_what_comes_down_from_a_lost_signal_says_nothing(runs, loss):
    for fold in (1e9, 1e-9):
        run = altered(runs["relu"], gradient__rms=between(fold), weight_gradient__norm=1.0, **loss)
        for rule in ("vanishing_gradient", "exploding_gradient", "flat_weight_gradient", "small_output"):
            assert found(rule, run) == []


@pytest.fixture(scope="module")
def narrow():
    return run_of(grad_flow("relu", "he", depth=50, width=10, batch=50))


def test_finite_width_widens_what_is_allowed(narrow):
    """At a width of 10 a log second moment spreads by 5/10 a layer: 50 layers may differ a thousandfold."""

    def change(name, fold):
        return altered(narrow, **{name: lambda layer: fold ** ((layer - 1) / 49)})

    wander, sinking = 4 * sqrt(49 * 0.5) / 2, 49 * 0.5 / 4
    for rule, name, fold in (
        ("exploding_signal", "rms", exp(wander)),
        ("vanishing_signal", "rms", exp(-wander - sinking)),
        ("exploding_gradient", "gradient__rms", exp(-wander)),
        ("vanishing_gradient", "gradient__rms", exp(wander + sinking)),
    ):
        assert found(rule, change(name, fold**0.99)) == []
        (finding,) = found(rule, change(name, fold**1.01))
        assert log(finding.limit) == pytest.approx(log(fold) if name == "rms" else -log(fold), rel=5e-3)


def test_what_an_activation_forgets_of_its_scale_is_not_allowed_for():
    """A saturated relu6 is 0 or 6 (K = 1) at any scale: 50 layers of width 2 wander no farther than one does."""
    run = altered(run_of(propagate("relu6", "std=50", depth=50, width=2, batch=20)), pre_activation__rms=100.0)
    assert found("exploding_signal", altered(run, rms=lambda layer: 101 ** ((layer - 1) / 49)))


def test_the_gradient_is_estimated_where_no_backward_pass_was_run():
    measured = grad_flow("sigmoid", "xavier", depth=12, batch=200)
    estimated = propagate("sigmoid", "xavier", depth=12, batch=200)
    (one,), (other,) = (found("vanishing_gradient", run_of(report)) for report in (measured, estimated))
    assert one.value == pytest.approx(other.value, rel=0.3)
    assert one.layers == other.layers
    assert "estimated" in other.summary
    assert "estimated" not in one.summary


def test_no_gradient_is_estimated_of_weights_that_are_not_drawn():
    run = run_of(propagate("tanh", "constant:0.01", depth=3, batch=50))
    assert found("vanishing_gradient", run) == found("small_output", run) == []


# Dead units


def dead(run, share, **changes):
    return altered(run, dead_fraction=lambda layer: share if layer > 1 else 0.0, **changes)


@pytest.mark.parametrize(
    ("share", "cosine", "explained", "why"),
    [
        (0.4, 0.995, True, "inputs have aligned"),
        (0.4, 0.3, False, "these units are dead"),
        (0.9, 0.995, False, "these units are dead"),
    ],
)
def test_dead_units_are_explained(runs, share, cosine, explained, why):
    """At a cosine of .995 a share of arccos(.995)/pi of a sign changes: half of the units are dead, or nearly."""
    (finding,) = found("dead_units", dead(runs["relu"], share, cosine=cosine))
    assert (finding.severity, finding.explained, finding.layers) == ("info", explained, (2, 3, 4, 5))
    assert finding.summary.endswith(f": {why}")
    assert f"{share:.0%} of the units" in finding.summary
    assert f"cosine {cosine}" in finding.summary


def test_unexplained_units_come_before_explained_ones(runs):
    run = dead(runs["relu"], 0.4, cosine=lambda layer: 0.3 if layer < 4 else 0.995)
    (finding,) = found("dead_units", run)
    assert (finding.explained, finding.layers) == (False, (2, 3, 4))  # only layer 5 has aligned inputs below


def test_too_few_inputs_explain_dead_units():
    (finding,) = found("dead_units", run_of(propagate("relu", "he", depth=2, batch=1)))
    assert (finding.explained, finding.layers) == (True, (1, 2))
    assert finding.summary.endswith("(50% expected, <.1% on 10, <.1% on 100): too few inputs")


def test_the_trend_over_larger_batches_is_told(runs):
    summary = found("dead_units", dead(runs["relu"], 0.4, cosine=0.995))[0].summary
    facts = summary[summary.index("(") + 1 : summary.index(")")].split(", ")
    shares = [float(fact.split("%")[0]) for fact in facts[:3]]
    assert [fact.split("% ")[1] for fact in facts[:3]] == ["expected", "on 2000", "on 20000"]
    assert shares[0] > shares[1] > shares[2] > 20


def test_biases_that_are_too_negative_are_named():
    by_rule = {one.rule: one for one in findings(run_of(propagate("relu", "he", depth=5, bias_mean=-2.0)))}
    assert by_rule["born_dead"].summary.endswith("biases too negative")
    assert by_rule["dead_units"].summary.endswith("biases too negative")
    assert not by_rule["dead_units"].explained
    assert {3, 4, 5} <= set(by_rule["born_dead"].layers) - set(by_rule["dead_units"].layers)


def test_what_underflowed_is_named():
    run = run_of(propagate("relu", "std=0.01", depth=45, batch=200))
    (zero,), (dead_units,) = found("zero_signal", run), found("dead_units", run)
    assert zero.summary.endswith("everything underflowed")
    assert dead_units.summary.endswith("everything underflowed")
    assert found("born_dead", run) == []


@pytest.mark.parametrize(
    ("init", "options", "why"),
    [
        ("constant:0", {}, "the weights are zero"),
        ("std=1e-30", {"depth": 3}, "everything underflowed"),
        ("he", {"input": [[0.0] * 4] * 3}, "the inputs are zero"),
    ],
)
def test_zeros_are_explained(init, options, why):
    (finding,) = found("zero_signal", run_of(propagate("relu", init, theory=False, **options)))
    assert finding.summary.endswith(why)


def test_units_on_plateaus_that_differ_between_inputs_are_not_born_dead():
    run = run_of(propagate("tanh", "std=1e6", depth=3, batch=5))
    assert all(stats.dead_fraction == 1 for stats in run.layers)
    assert found("born_dead", run) == []


def test_a_narrow_layer_that_is_dead_by_chance_on_few_inputs_is_not_born_dead():
    reports = [propagate("relu", "he", depth=6, width=2, batch=1, seed=seed, theory=False) for seed in range(40)]
    wholly = [report for report in reports if any(stats.dead_fraction == 1 for stats in report.layers)]
    assert len(wholly) > 10
    assert not any(found("born_dead", run_of(report)) for report in wholly)


# Inputs that reach no unit


def test_a_layer_that_few_inputs_reach_is_born_dead(runs):
    """From 99 % of the inputs on nothing passes; where half is lost the others may still be learned from."""
    run = altered(runs["relu"], silent_fraction=lambda layer: 0.995 if layer == 3 else 0.0)
    by_rule = {one.rule: one for one in findings(run)}
    assert set(by_rule) & {"born_dead", "silent_inputs"} == {"born_dead"}
    assert (by_rule["born_dead"].layers, by_rule["born_dead"].value) == ((3,), 0.995)
    assert by_rule["born_dead"].summary == "no unit of layer 3 has a slope for >99% of the inputs"
    without = {one.rule: one for one in findings(run, rules_from({"born_dead": {"enabled": False}}))}
    assert without["silent_inputs"].layers == (3,)
    (finding,) = found("silent_inputs", altered(runs["relu"], silent_fraction=lambda layer: 0.51 + layer / 100))
    assert (finding.layers, finding.value) == ((1, 2, 3, 4, 5), pytest.approx(0.56))
    assert finding.summary == "no unit of layers 1 to 5 has a slope for up to 56% of the inputs"


def test_inputs_on_flat_sides_that_differ_are_not_silent(runs):
    """tanh is flat on two sides: an input without a slope still says on which."""
    assert found("silent_inputs", altered(runs["tanh"], silent_fraction=0.9)) == []
    assert found("born_dead", altered(runs["tanh"], silent_fraction=1.0)) == []


def test_inputs_that_are_not_centred_are_named():
    inputs = 1 + np.random.default_rng(0).standard_normal((200, 8)) / 10
    runs = (propagate("relu", "he", input=inputs, depth=2, width=2, seed=seed, theory=False) for seed in range(20))
    report = next(report for report in runs if report.layers[0].dead_fraction == 1)
    by_rule = {one.rule: one for one in report.findings}
    assert by_rule["born_dead"].summary == "every unit of layer 1 is dead on every input: the inputs are not centred"


def test_a_unit_over_features_of_one_sign_is_dead_where_all_its_weights_are():
    rows = np.random.default_rng(0).uniform(0.1, 1, (200, 3))
    signs = np.array([1, -1, 1])
    for inputs, least in ((rows, 1 / 8), (rows * signs, 1 / 8), (rows - 0.5, 0.0)):
        run = run_of(propagate("relu", "he", input=inputs, depth=1, width=2000, theory=False))
        expected = expected_dead(run, 1)
        assert expected >= least
        if least:
            assert run.layers[0].dead_fraction >= least - 4 * sqrt(least * (1 - least) / 2000)
        else:
            assert expected < 1e-3
    both_sides = run_of(propagate("tanh", "he", input=rows, depth=1, width=20, theory=False))
    assert expected_dead(both_sides, 1) < 1e-3


# Numbers lost


@pytest.mark.parametrize(
    ("act", "rms", "share"), [("tanh", 1e-34, 0.5), ("tanh", 1e-30, 0.0), ("relu", 1e-34, 0.0), ("tanh", None, 0.0)]
)
def test_zeros_count_as_underflow_where_they_are_not_the_activations_own(runs, act, rms, share):
    run = with_recipe(runs["relu"], act=resolve(act))
    lost = found("precision_lost", altered(run, rms=rms, zero_fraction=0.5, subnormal_fraction=0.0))
    assert [finding.value for finding in lost] == ([share] if share else [])


def test_subnormal_gradients_are_counted(runs):
    decades = builders.Histogram((-40.0, -39.0, -38.0, -37.0), (1, 1, 98), 0, 0, 900, 0, 0)
    (finding,) = found("precision_lost", altered(runs["relu"], gradient__magnitude=decades))
    assert finding.value == pytest.approx(0.02)
    in_doubles = with_recipe(runs["relu"], dtype="float64")
    assert found("precision_lost", altered(in_doubles, gradient__magnitude=decades)) == []


# Means, inputs, steps


def test_a_shifted_mean_is_harmless_while_inputs_are_apart(runs):
    apart, alike = (altered(runs["relu"], rms=1.0, mean=0.9, cosine=cosine) for cosine in (0.99, 0.991))
    assert [finding.explained for finding in found("shifted_mean", apart)] == [True]
    assert [finding.explained for finding in found("shifted_mean", alike)] == [False]


def test_pixels_are_off_scale():
    pixels = [[0.0, 255.0, 128.0], [3.0, 77.0, 200.0]]
    (finding,) = found("input_scale", run_of(propagate("relu", "he", input=pixels, depth=2)))
    assert finding.value == pytest.approx(sqrt(sum(one**2 for row in pixels for one in row) / 6))
    (finding,) = found("input_scale", run_of(propagate("relu", "he", input=[[0.01, 0.02]], depth=2)))
    assert finding.limit == 0.1


def test_updates_at_a_rate_that_is_only_recommended_are_harmless(runs, monkeypatch):
    run = promising(0.99)(with_loss(altered(runs["relu"], weight_gradient__weight_ratio=2.0), "mse"), monkeypatch)
    (told,) = found("update_too_large", run)
    assert (told.explained, told.value) == (True, pytest.approx(0.2))
    (judged,) = found("update_too_large", replace(run, learning_rate=1.0))
    assert (judged.explained, judged.value) == (False, 2.0)
    (slow,) = found("update_too_small", replace(run, learning_rate=1e-6))
    assert (slow.explained, slow.value) == (False, pytest.approx(2e-6))


@pytest.mark.parametrize("loss", [None, "random"])
def test_updates_are_not_judged_without_labels(runs, loss):
    run = with_loss(altered(runs["relu"], weight_gradient__weight_ratio=2.0), loss, learning_rate=1.0)
    assert found("update_too_large", run) == []


def test_the_outlook_names_what_speaks_against(runs, monkeypatch):
    reasons = (
        Reason(("a",), -1.0, "second"),
        Reason(("b",), 2.0, "for"),
        Reason(("c",), -3.0, "first"),
        Reason(("d",), -0.5, "3rd"),
    )
    (finding,) = found("combined_risk", promising(0.4, *reasons)(runs["relu"], monkeypatch))
    assert finding.summary == "40% that SGD trains it in 250 iterations: first; second"
    (finding,) = found("combined_risk", promising(0.4, *reasons[1:3])(runs["relu"], monkeypatch))
    assert finding.summary.endswith(": first")
    (finding,) = found("combined_risk", promising(0.4)(runs["relu"], monkeypatch))
    assert "several are a little off" in finding.summary


# Limits from a file or a mapping


def test_a_file_changes_limits_severity_and_whether_a_rule_is_applied(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(
        '[saturation]\nhigh = 1\n[input_scale]\nlow = -inf\nseverity = "error"\n[dead_units]\nenabled = false\n'
    )
    rules = rules_from(path)
    assert rules == rules_from(str(path))
    assert (rules["saturation"].high, type(rules["saturation"].high)) == (1.0, float)
    assert (rules["input_scale"].low, rules["input_scale"].severity) == (-inf, "error")
    assert not rules["dead_units"].enabled
    assert list(rules) == list(RULES)
    changed = {"saturation", "input_scale", "dead_units"}
    assert all(rules[name] is RULES[name] for name in set(RULES) - changed)


def test_without_a_file_the_rules_are_their_own():
    assert rules_from(None) is RULES
    assert rules_from({}) == RULES
    with pytest.raises(TypeError):
        RULES["mine"] = RULES["saturation"]


def test_a_mapping_may_hold_an_entry_of_ones_own():
    mine = replace(RULES["saturation"], name="mine", high=0.9)
    assert rules_from({"mine": mine})["mine"] is mine
    assert isinstance(mine, Rule)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vanish_gradient": {}}, "must name rules, got [vanish_gradient]; did you mean vanishing_gradient"),
        ({"xyz": {}}, "must name rules, got [xyz]; `actdiag explain` lists them"),
        (
            {"saturation": {"hihg": 1}},
            "must set any of high, severity, enabled in [saturation], got hihg; did you mean",
        ),
        ({"saturation": {"low": 1}}, "must set any of high, severity, enabled in [saturation], got low"),
        ({"saturation": {"high": "much"}}, "must have high be a number in [saturation], got 'much'"),
        ({"saturation": {"high": True}}, "must have high be a number in [saturation], got True"),
        ({"saturation": {"high": nan}}, "must have high be a number in [saturation], got nan"),
        ({"saturation": {"severity": "bad"}}, "must have severity be one of info, warning, error in [saturation]"),
        ({"saturation": {"severity": ["info"]}}, "must have severity be one of info, warning, error in [saturation]"),
        ({"saturation": {"enabled": 1}}, "must have enabled be true or false in [saturation], got 1"),
        ({"saturation": 0.9}, "must have a table [saturation] with any of high, severity, enabled, got 0.9"),
        ({"input_scale": {"low": 20}}, "must have low under high in [input_scale], got low 20 and high 10"),
        (7, "must be a TOML file or a mapping, got 7"),
    ],
)
def test_what_no_rule_takes_is_refused(given, message):
    with pytest.raises(InvalidField) as raised:
        rules_from(given)
    assert raised.value.field == "rules"
    assert message in raised.value.problem
    assert "\n" not in raised.value.problem


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[saturation\n", "Expected ']'"),
        (b"\xff\xfe", "codec can't decode"),
        (None, "No such file"),
        ("folder", "directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content, message):
    path = tmp_path / "rules.toml"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidField, match="must be a TOML file with a table for each rule") as raised:
        rules_from(path)
    assert message in raised.value.problem
    assert "\n" not in raised.value.problem


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(InvalidField, match="must be a TOML file"):
        rules_from("a\0b")


def test_the_readme_lists_every_rule_with_its_limits():
    lines = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").splitlines()
    start = lines.index("| rule | what is measured | allowed | severity |") + 2
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[start : start + len(RULES)]]
    assert rows == [
        [f"`{rule.name}`", rule.quantity.replace("|", "&#124;"), allowed(rule), rule.severity]
        for rule in RULES.values()
    ]
