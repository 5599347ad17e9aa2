"""Other tools' rules: each as a hit, a near miss and a NaN, on a step built by hand; a step's statistics by numpy."""

import math
from dataclasses import fields, replace
from math import inf, nan

import numpy as np
import pytest

from actdiag import make_stack
from actdiag.activations import ACTIVATIONS
from actdiag.activations import resolve as activation
from actdiag.engine.losses import Loss, labels_of, readout
from actdiag.engine.memory import plan_backward
from actdiag.engine.parameters import draw_biases, draw_weights
from actdiag.engine.workers import Workers
from actdiag.errors import InvalidField
from actdiag.external import JUDGES, Violation, autotrainer, deepdiagnosis, judge, measuring, sagemaker, torchmortem
from actdiag.external.judges import judge_by
from actdiag.external.measuring import measure_step
from actdiag.external.step import LayerStepStats, StepStats, kind_of, quotient
from actdiag.initializers import resolve as initializer
from actdiag.model.stack import Stack

DEPTH = 4
SICK = 2
"""The layer that the rules are tried on."""


def layer(number, kind, **changes):
    """A layer that no tool has anything against."""
    healthy = LayerStepStats(
        layer=number,
        kind=kind,
        input_variance=2.0,
        output_variance=1.0,
        zero_fraction=0.45,
        nonpositive_fraction=0.45,
        near_zero_fraction=0.45,
        near_one_fraction=0.3,
        far_fraction=0.01,
        inactive_fraction=0.02,
        saturated_fraction=0.02,
        nonfinite_fraction=0.0,
        weight_norm=10.0,
        gradient_norm=1.0,
        gradient_nonfinite_fraction=0.0,
        gradient_mean=1e-2,
        gradient_width=2e-2,
        gradient_zeros=10,
        gradient_entries=100,
    )
    return replace(healthy, **changes)


def step(kind="rectifier", learning_rate=0.01, depth=DEPTH, by_layer=None, **sick):
    """Healthy layers, but for `sick` in layer 2 and `by_layer` wherever it says."""
    changes = {SICK: sick} if sick else {}
    changes |= by_layer or {}
    layers = tuple(layer(number, kind, **changes.get(number, {})) for number in range(1, depth + 1))
    return StepStats(layers, learning_rate)


def violations(judge_name, seen):
    return judge_by(judge_name, seen).violations


def above(value):
    return math.nextafter(value, inf)


def below(value):
    return math.nextafter(value, -inf)


# tool, rule, kind of activation, field of the statistics, what breaks the rule, what just does not, the published limit
RULES = [
    ("sagemaker", "VanishingGradient", "other", "gradient_mean", below(1e-7), 1e-7, 1e-7),
    ("sagemaker", "ExplodingTensor", "other", "nonfinite_fraction", 1e-9, 0.0, 0),
    ("sagemaker", "DeadRelu", "rectifier", "inactive_fraction", above(0.5), 0.5, 0.5),
    ("sagemaker", "SaturatedActivation", "tanh", "saturated_fraction", above(0.5), 0.5, 0.5),
    ("sagemaker", "SaturatedActivation", "sigmoid", "saturated_fraction", above(0.5), 0.5, 0.5),
    ("sagemaker", "PoorWeightInitialization", "other", "gradient_width", below(1e-3), 1e-3, 1e-3),
    ("sagemaker", "AllZero", "other", "zero_fraction", 1.0, below(1.0), 1.0),
    ("deepdiagnosis", "Dead Node", "rectifier", "nonpositive_fraction", 0.7, below(0.7), 0.7),
    ("deepdiagnosis", "Saturated Activation", "tanh", "far_fraction", above(0.5), 0.5, 0.5),
    ("deepdiagnosis", "Saturated Activation", "sigmoid", "far_fraction", above(0.5), 0.5, 0.5),
    ("deepdiagnosis", "Numerical Error", "other", "nonfinite_fraction", 1e-9, 0.0, 0),
    ("deepdiagnosis", "Vanishing Gradient", "other", "gradient_mean", below(1e-7), 1e-7, 1e-7),
    ("deepdiagnosis", "Poor Weight", "other", "output_variance", below(1e-5), 1e-5, 1e-5),
    ("deepdiagnosis", "Poor Weight", "other", "output_variance", above(10.0), 10.0, 10.0),
    ("autotrainer", "nan_gradient", "other", "gradient_nonfinite_fraction", 1e-9, 0.0, 0),
    ("torchmortem", "Exploding gradients", "other", "gradient_norm", above(1000.0), 1000.0, 1000.0),
    ("torchmortem", "Dead units", "rectifier", "near_zero_fraction", above(0.5), 0.5, 0.5),
    ("torchmortem", "Dead units", "other", "near_zero_fraction", above(0.5), 0.5, 0.5),
    ("torchmortem", "Activation saturation", "tanh", "near_one_fraction", above(0.5), 0.5, 0.5),
    ("torchmortem", "Activation saturation", "rectifier", "near_one_fraction", above(0.5), 0.5, 0.5),
]


def of_rule(found, rule):
    return [violation for violation in found if violation.rule == rule]


@pytest.mark.parametrize(("tool", "rule", "kind", "field", "hit", "miss", "limit"), RULES)
def test_a_rule_as_a_hit_a_near_miss_and_a_nan(tool, rule, kind, field, hit, miss, limit):
    # A learning rate that no ratio of update to weight minds, whatever the norm.
    rate = 5e-4
    (violation,) = violations(tool, step(kind, rate, **{field: hit}))
    assert violation[:4] == (rule, (SICK,), hit, limit)
    assert f"{hit:.3g} in layer {SICK}: " in violation.said
    assert violation.said.endswith(f"{limit:g}")
    assert violations(tool, step(kind, rate, **{field: miss})) == ()
    assert violations(tool, step(kind, rate, **{field: nan})) == ()


@pytest.mark.parametrize("kind", ["rectifier", "tanh", "sigmoid", "other"])
@pytest.mark.parametrize("tool", JUDGES)
def test_healthy_statistics_are_healthy(tool, kind):
    judgement = judge_by(tool, step(kind))
    assert judgement.judge == tool
    assert judgement.healthy
    assert judgement.violations == ()
    assert judgement.source


# tool, rule, what breaks it, the kinds that it concerns
CONCERNED = [
    ("sagemaker", "DeadRelu", {"inactive_fraction": 0.9}, {"rectifier"}),
    ("sagemaker", "SaturatedActivation", {"saturated_fraction": 0.9}, {"tanh", "sigmoid"}),
    ("sagemaker", "PoorWeightInitialization", {"input_variance": 1e3}, {"rectifier"}),
    ("deepdiagnosis", "Dead Node", {"nonpositive_fraction": 0.9}, {"rectifier"}),
    ("deepdiagnosis", "Saturated Activation", {"far_fraction": 0.9}, {"tanh", "sigmoid"}),
]


@pytest.mark.parametrize("kind", ["rectifier", "tanh", "sigmoid", "other"])
@pytest.mark.parametrize(("tool", "rule", "sick", "concerned"), CONCERNED)
def test_some_rules_concern_some_activations(tool, rule, sick, concerned, kind):
    rules = [violation.rule for violation in violations(tool, step(kind, **sick))]
    assert rules == ([rule] if kind in concerned else [])


def test_a_charge_names_all_its_layers_and_the_worst_number():
    small = {1: {"gradient_mean": 1e-8}, 3: {"gradient_mean": 1e-10}, 4: {"gradient_mean": 1e-9}}
    (violation,) = violations("sagemaker", step("other", by_layer=small))
    said = "the mean of |dL/dW| is 1e-10 in layer 3, the worst of 3 layers: under 1e-07"
    assert violation == Violation("VanishingGradient", (1, 3, 4), 1e-10, 1e-7, said)
    large = {2: {"output_variance": 20.0}, 3: {"output_variance": 1e-7}, 4: {"output_variance": inf}}
    low, high = violations("deepdiagnosis", step("other", by_layer=large))
    assert low[:4] == ("Poor Weight", (3,), 1e-7, 1e-5)
    assert high[:4] == ("Poor Weight", (2, 4), inf, 10.0)


# Updates: lr |dL/dW| / |W|

UPDATES = [
    ("sagemaker", "WeightUpdateRatio", 1e-8, 10.0),
    ("deepdiagnosis", "Learning Rate", 1e-5, 0.1),
    ("torchmortem", "Update ratio", 1e-5, 0.1),
]


@pytest.mark.parametrize(("tool", "rule", "low", "high"), UPDATES)
def test_updates_too_small_or_too_large_beside_the_weights(tool, rule, low, high):
    def found(ratio):
        # The norm of dL/dW stays what no other rule minds.
        return violations(tool, step("other", 4.0, by_layer={
            number: {"gradient_norm": 0.5, "weight_norm": 2.0 / (ratio if number == SICK else 1e-3)}
            for number in range(1, DEPTH + 1)
        }))  # fmt: skip

    (small,) = found(low * 0.999)
    assert (small.rule, small.layers, small.limit) == (rule, (SICK,), low)
    assert small.value == pytest.approx(low * 0.999, rel=1e-6)
    (large,) = found(high * 1.001)
    assert (large.rule, large.layers, large.limit) == (rule, (SICK,), high)
    assert large.value == pytest.approx(high * 1.001, rel=1e-6)
    assert found(low * 1.001) == found(high * 0.999) == found(nan) == ()


def test_the_learning_rate_decides_on_updates():
    seen = step("other")
    assert violations("torchmortem", replace(seen, learning_rate=1e-5))[0].value == pytest.approx(1e-6)
    assert violations("torchmortem", replace(seen, learning_rate=10.0))[0].value == pytest.approx(1.0)


def test_weights_of_zero():
    seen = step("other", weight_norm=0.0)
    (violation,) = violations("sagemaker", seen)
    assert violation[:2] == ("WeightUpdateRatio", (SICK,))
    assert violation.value == pytest.approx(0.01 / 1e-9)  # over epsilon
    assert violations("deepdiagnosis", seen)[0].value == inf
    assert violations("deepdiagnosis", step("other", weight_norm=0.0, gradient_norm=0.0)) == ()  # 0/0


def test_torchmortem_takes_no_update_for_one_that_is_still_to_come():
    seen = step("other", gradient_norm=0.0)
    assert violations("torchmortem", seen) == ()
    assert [violation.rule for violation in violations("deepdiagnosis", seen)] == ["Learning Rate"]
    assert [violation.rule for violation in violations("sagemaker", seen)] == ["WeightUpdateRatio"]


# Ratios between layers


def ends(first, last):
    # A ratio of update to weight of 1e-3 in every layer.
    norms = {1: first, 2: first, 3: last, 4: last}
    return step("other", 1.0, by_layer={
        number: {"gradient_norm": norm, "weight_norm": 1e3 * norm if norm else 1e3} for number, norm in norms.items()
    })  # fmt: skip


def test_autotrainer_calls_a_gradient_vanishing_that_is_small_and_smaller_than_the_last():
    (violation,) = violations("autotrainer", ends(0.99e-4, 0.1))
    assert violation[:2] == ("vanish_gradient", (1, 4))
    assert violation.value == pytest.approx(0.99e-3)
    assert violation.limit == 1e-3
    assert "9.9e-05" in violation.said
    assert violations("autotrainer", ends(1.01e-4, 0.11)) == ()  # small beside the last, but not small
    assert violations("autotrainer", ends(0.99e-4, 0.098)) == ()  # small, but not so beside the last
    assert violations("autotrainer", ends(nan, 0.1)) == violations("autotrainer", ends(1e-5, nan)) == ()


def test_autotrainer_calls_a_gradient_exploding_that_is_larger_than_the_last():
    (violation,) = violations("autotrainer", ends(70.1, 1.0))
    assert violation[:4] == ("explode_gradient", (1, 4), pytest.approx(70.1), 70.0)
    assert violations("autotrainer", ends(69.9, 1.0)) == ()
    assert violations("autotrainer", ends(nan, 1.0)) == ()
    assert violations("autotrainer", ends(1.0, 0.0))[0].value == inf
    assert violations("autotrainer", ends(0.0, 0.0)) == ()


def test_autotrainer_counts_zeros_over_all_layers():
    everywhere = {number: {"gradient_zeros": 90} for number in range(1, DEPTH)}
    hit = everywhere | {DEPTH: {"gradient_zeros": 10}}
    (violation,) = violations("autotrainer", step("other", by_layer=hit))
    assert violation[:4] == ("died_relu", (1, 2, 3, 4), 0.7, 0.7)
    assert violations("autotrainer", step("other", by_layer=everywhere | {DEPTH: {"gradient_zeros": 9}})) == ()
    # Entries weigh, not layers.
    large = everywhere | {DEPTH: {"gradient_zeros": 0, "gradient_entries": 100_000}}
    assert violations("autotrainer", step("other", by_layer=large)) == ()


def test_autotrainer_looks_no_further_than_a_gradient_that_is_no_number():
    seen = step("other", by_layer={
        number: {"gradient_nonfinite_fraction": 0.25, "gradient_zeros": 75} for number in range(1, DEPTH + 1)
    })  # fmt: skip
    assert [violation.rule for violation in violations("autotrainer", seen)] == ["nan_gradient"]


def test_torchmortem_calls_a_gradient_vanishing_by_the_last_over_the_first():
    (violation,) = violations("torchmortem", ends(1e-3, 0.101))
    assert violation[:4] == ("Vanishing gradients", (1, 4), pytest.approx(101), 100.0)
    assert violation.said == "the norm of dL/dW at layer 1 is 0.001, and 101 times as large at layer 4: over 100"
    assert violations("torchmortem", ends(1e-3, 0.099)) == ()
    (none,) = violations("torchmortem", ends(1e-31, 1e-31))
    assert none[:4] == ("Vanishing gradients", (1, 4), inf, 100.0)
    assert "1e-31: none at all, under 1e-30" in none.said
    assert violations("torchmortem", ends(1e-29, 1e-31)) == ()
    for first, last in ((nan, 1.0), (1.0, nan), (inf, inf)):
        lost = of_rule(violations("torchmortem", ends(first, last)), "Vanishing gradients")
        assert [violation.layers for violation in lost] == [(1, 4)]
        assert math.isnan(lost[0].value)


def test_one_layer_has_nothing_to_be_compared_with():
    for tool in JUDGES:
        assert violations(tool, step(depth=1)) == ()
    assert (
        violations("torchmortem", step("other", depth=1, by_layer={1: {"gradient_norm": 1e-31}}, learning_rate=0.0))
        == ()
    )
    assert violations("autotrainer", step("other", depth=1, by_layer={1: {"gradient_norm": 1e-31}})) == ()


def test_sagemaker_compares_variances_over_layers():
    uneven = {1: {"input_variance": 3.0}, 2: {"input_variance": 0.5}, 4: {"input_variance": 5.01}}
    (violation,) = violations("sagemaker", step(by_layer=uneven))
    assert violation[:4] == ("PoorWeightInitialization", (2, 4), pytest.approx(10.02), 10.0)
    assert "layer 4 is 10 times that in layer 2" in violation.said
    assert violations("sagemaker", step(by_layer=uneven | {4: {"input_variance": 4.99}})) == ()
    (violation,) = violations("sagemaker", step(by_layer={1: {"input_variance": 21.0}}))
    assert violation[:2] == ("PoorWeightInitialization", (1, 2))
    assert violations("sagemaker", step(input_variance=0.0))[0].value == inf
    both = violations("sagemaker", step(input_variance=100.0, gradient_width=1e-4))
    assert [(violation.rule, violation.value) for violation in both] == [
        ("PoorWeightInitialization", 50.0),
        ("PoorWeightInitialization", 1e-4),
    ]
    # Layers without a variance are left out.
    lost = {1: {"input_variance": nan}, 3: {"input_variance": nan}}
    assert violations("sagemaker", step(by_layer=lost)) == ()
    assert len(violations("sagemaker", step(by_layer=lost | {2: {"input_variance": 0.1}}))) == 1
    nowhere = {number: {"input_variance": nan} for number in range(1, DEPTH + 1)}
    assert violations("sagemaker", step(by_layer=nowhere)) == ()


def test_quotients_are_those_of_floating_point():
    assert quotient(1.0, 4.0) == 0.25
    assert quotient(1.0, 0.0) == inf
    assert math.isnan(quotient(0.0, 0.0))
    assert math.isnan(quotient(nan, 0.0))


def test_limits_are_the_published_ones():
    assert sagemaker.UNSATURATED == {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}
    assert sagemaker.ACTIVITY == 0.01
    assert sagemaker.GRADIENT_PERCENTILES == (5.0, 95.0)
    assert deepdiagnosis.FAR == 5.0
    assert (torchmortem.NEAR_ZERO, torchmortem.NEAR_ONE) == (1e-6, 0.95)
    assert (autotrainer.VANISHING_NORM, autotrainer.DYING) == (1e-4, 0.7)


# What an activation is to the tools


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("relu", "rectifier"),
        ("relu6", "rectifier"),
        ("relu_squared", "rectifier"),
        ("max(x, 0)", "rectifier"),
        ("threshold:1", "rectifier"),
        ("threshold:1:1", "other"),
        ("leaky_relu:0", "rectifier"),
        ("leaky_relu", "other"),
        ("leaky_relu:-0.5", "other"),
        ("gelu", "other"),
        ("hardswish", "other"),
        ("hardsigmoid", "other"),
        ("softplus", "other"),
        ("elu", "other"),
        ("softshrink", "other"),
        ("tanh", "tanh"),
        ("2*sigmoid(2*x) - 1", "tanh"),
        ("hardtanh", "other"),
        ("erf", "other"),
        ("softsign", "other"),
        ("sigmoid", "sigmoid"),
        ("logistic", "sigmoid"),
        ("1/(1 + exp(-x))", "sigmoid"),
        ("softmax", "other"),
        ("maxout", "other"),
    ],
)
def test_kinds_go_by_values(name, kind):
    assert kind_of(activation(name)) == kind


def test_every_activation_has_a_kind():
    kinds = {kind_of(activation(name)) for name in ACTIVATIONS}
    assert kinds == {"rectifier", "tanh", "sigmoid", "other"}


# The statistics


def in_plain_numpy(stack, classes, bounds):
    """The statistics of a stack in float64, every array held: a dict of fields for each layer."""
    with Workers(1) as workers:
        top_weights, top_biases = readout(
            stack, Loss("cross-entropy", classes), np.empty((2, stack.widths[-1])), workers
        )
    parameters = [(draw_weights(stack, number), draw_biases(stack, number)) for number in range(1, stack.depth + 1)]
    a = [stack.inputs().astype(float)]
    z = []
    for weights, biases in parameters:
        z.append(a[-1] @ weights.astype(float) + (0 if biases is None else biases.astype(float)))
        a.append(stack.act.value(z[-1]))
    y = a[-1] @ top_weights + (0 if top_biases is None else top_biases)
    d_y = np.exp(y) / np.exp(y).sum(axis=1, keepdims=True)
    d_y[np.arange(stack.batch), labels_of(stack, Loss("cross-entropy", classes))] -= 1
    d_a = d_y / stack.batch @ top_weights.T.astype(float)
    found = []
    for number in range(stack.depth, 0, -1):
        inner, outer, (weights, _) = z[number - 1], a[number], parameters[number - 1]
        d_z = d_a * stack.act.derivative(inner)
        d_weights, d_biases = a[number - 1].T @ d_z, d_z.sum(axis=0)
        d_a = d_z @ weights.T.astype(float)
        low, high = np.percentile(d_weights, [5, 95])
        within = ((inner > bounds[0]) & (inner < bounds[1])).mean(axis=0) if bounds else None
        found.append({
            "layer": number,
            "kind": kind_of(stack.act),
            "input_variance": inner.var(),
            "output_variance": outer.var(),
            "zero_fraction": (outer == 0).mean(),
            "nonpositive_fraction": (outer <= 0).mean(),
            "near_zero_fraction": (np.abs(outer) < 1e-6).mean(),
            "near_one_fraction": (np.abs(outer) > 0.95).mean(),
            "far_fraction": (np.abs(inner) >= 5).mean(),
            "inactive_fraction": ((outer != 0).mean(axis=0) < 0.01).mean(),
            "saturated_fraction": (within < 0.01).mean() if bounds else nan,
            "nonfinite_fraction": 0.0,
            "weight_norm": np.linalg.norm(weights.astype(float)),
            "gradient_norm": np.linalg.norm(d_weights),
            "gradient_nonfinite_fraction": 0.0,
            "gradient_mean": np.abs(d_weights).mean(),
            "gradient_width": high - low,
            "gradient_zeros": (d_weights == 0).sum() + (d_biases == 0).sum(),
            "gradient_entries": d_weights.size + d_biases.size,
        })  # fmt: skip
    return found[::-1]


def several_blocks(act, init="he", dtype="float64", **changes):
    """A stack cut into several blocks of rows and of dL/dW, of uneven widths."""
    stack = Stack(activation(act), initializer(init), (300, 40, 300, 60), "normal", 700, 1300, dtype=dtype, seed=3)
    stack = replace(stack, **changes)
    assert len(stack.row_blocks()) > 2
    return stack


@pytest.mark.parametrize(
    ("act", "init", "changes"),
    [
        ("relu", "he", {}),
        ("relu", "he", {"bias_mean": -1.0, "bias_std": 3.0}),
        ("leaky_relu:0.2", "he", {"bias_std": 0.5}),
        ("tanh", "std=1", {}),
        ("tanh", "std=1", {"bias_std": 20.0}),
        ("sigmoid", "std=1", {"bias_mean": 20.0}),
        ("gelu", "torch_linear", {}),
        ("selu", "lecun", {}),
    ],
)
@pytest.mark.parametrize(("dtype", "rel"), [("float64", 1e-10), ("float32", 1e-4)])
def test_statistics_are_those_of_plain_numpy(act, init, changes, dtype, rel):
    stack = several_blocks(act, init, dtype, **changes)
    bounds = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23, 16.99999)}.get(act)
    expected = in_plain_numpy(stack, 7, bounds)
    seen = measure_step(stack, Loss("cross-entropy", 7), 0.25)
    assert seen.learning_rate == 0.25
    for one, other in zip(seen.layers, expected, strict=True):
        for name, value in other.items():
            if name == "kind":
                assert one.kind == value
                continue
            counted = name.endswith(("_fraction", "zeros"))
            # Rounding to float32 carries a few entries across a limit.
            slack = 3e-3 * (1 if name.endswith("fraction") else one.gradient_entries) if counted and rel > 1e-6 else 0
            assert getattr(one, name) == pytest.approx(value, rel=rel, abs=slack, nan_ok=True), (name, one.layer)


def test_statistics_tell_dead_and_saturated_units_apart():
    # The examples above are to hold some of each, or they say little.
    dead = measure_step(several_blocks("relu", bias_mean=-1.0, bias_std=3.0), Loss("cross-entropy"), 0.01)
    assert 0.1 < dead.layers[0].inactive_fraction < 0.9
    assert 0 < dead.layers[1].gradient_zeros < dead.layers[1].gradient_entries
    for act, init, changes in (("tanh", "std=1", {"bias_std": 20.0}), ("sigmoid", "std=1", {"bias_mean": 20.0})):
        seen = measure_step(several_blocks(act, init, **changes), Loss("cross-entropy"), 0.01)
        assert any(0.0 < one.saturated_fraction < 1.0 for one in seen.layers), act


def test_activity_is_for_a_hundredth_of_the_inputs():
    def inactive(active_rows, rows):
        a = np.zeros((rows, 2))
        a[:active_rows, 0] = 1.0
        return measuring.merge_outputs([measuring.reduce_outputs(a, a, None)], rows).inactive_fraction

    assert inactive(2, 200) == 0.5
    assert inactive(1, 200) == 1.0
    assert inactive(29, 2900) == 0.5
    assert inactive(28, 2900) == 1.0


def test_saturation_counts_each_unit_by_its_inputs():
    def saturated(z, bounds):
        return measuring.merge_outputs([measuring.reduce_outputs(z, np.tanh(z), bounds)], len(z)).saturated_fraction

    z = np.full((200, 4), 12.0)
    z[:100, 1] = -12.0  # beyond both
    z[:1, 2] = 0.0  # within on half a hundredth of the inputs
    z[:2, 3] = 0.0  # on a hundredth
    assert saturated(z, (-9.4999, 9.4999)) == 0.75
    assert saturated(z, (-23.0, 16.99999)) == 0.0
    assert math.isnan(saturated(z, None))


def test_far_and_near_are_counted_by_entry():
    z = np.array([[5.0, -5.0, 4.999, nan], [inf, -inf, 0.0, 1.0]])
    a = np.array([[0.0, -1e-7, 1e-6, nan], [0.96, -0.96, 0.95, inf]])
    seen = measuring.merge_outputs([measuring.reduce_outputs(z, a, None)], 2)
    assert seen.far_fraction == 4 / 8
    assert seen.zero_fraction == 1 / 8
    assert seen.nonpositive_fraction == 3 / 8
    assert seen.near_zero_fraction == 2 / 8
    assert seen.near_one_fraction == 3 / 8
    assert seen.nonfinite_fraction == 3 / 8
    assert measuring.merge_outputs([measuring.reduce_outputs(np.zeros((2, 4)), a, None)], 2).nonfinite_fraction == 2 / 8
    assert seen.input_variance == pytest.approx(z[np.isfinite(z)].var())
    assert seen.output_variance == pytest.approx(a[np.isfinite(a)].var())


def test_shares_are_of_what_they_count():
    # A unit of a structured activation takes several pre-activations.
    z, a = np.array([[5.0, 0.0, inf, 1.0, 1.0, 1.0]]), np.array([[1.0, 0.0]])
    seen = measuring.merge_outputs([measuring.reduce_outputs(z, a, None)] * 3, 3)
    assert seen.far_fraction == 2 / 6
    assert seen.nonfinite_fraction == 1 / 6
    assert (seen.zero_fraction, seen.inactive_fraction) == (1 / 2, 1 / 2)


@pytest.mark.parametrize("act", ["relu", "tanh", "maxout"])
def test_threads_do_not_change_the_statistics(act):
    stack = several_blocks(act, dtype="float32")
    one, *others = (measure_step(stack, Loss("cross-entropy"), 0.01, threads) for threads in (1, 2, 3, None))
    assert all(repr(other) == repr(one) for other in others)


def test_memory_does_not_change_the_statistics(monkeypatch):
    stack = make_stack(depth=9, width=30, batch=600)
    seen = measure_step(stack, Loss("cross-entropy"), 0.01)
    monkeypatch.setattr(measuring, "DEFAULT_BUDGET", 440_000)
    assert plan_backward(stack, 440_000)[0].stride == 3
    assert repr(measure_step(stack, Loss("cross-entropy"), 0.01)) == repr(seen)


# Whole stacks


def judgements(loss=None, learning_rate=0.01, **options):
    stack = make_stack(**options)
    found = judge(stack, loss or Loss(), JUDGES, learning_rate)
    return {judgement.judge: judgement for judgement in found}


def rules(judgement):
    return [violation.rule for violation in judgement.violations]


@pytest.mark.parametrize("options", [{"act": "tanh", "init": "xavier"}, {"act": "selu", "init": "lecun"}])
def test_healthy_stacks_are_healthy(options):
    for name, judgement in judgements(depth=10, width=128, batch=500, **options).items():
        assert judgement.healthy, (name, judgement.violations)


@pytest.mark.parametrize("seed", range(3))
def test_half_dead_entries_are_healthy_in_a_relu_but_not_to_torchmortem(seed):
    found = judgements(act="relu", init="he", depth=10, width=128, batch=500, seed=seed)
    assert [name for name, judgement in found.items() if not judgement.healthy] == ["torchmortem"]
    (violation,) = found["torchmortem"].violations
    assert violation.rule == "Dead units"
    assert 0.5 < violation.value < 0.6


@pytest.mark.parametrize("seed", range(3))
def test_a_vanishing_relu_has_a_flat_gradient_and_autotrainer_minds_none(seed):
    options = {"act": "relu", "init": "std=0.01", "width": 100, "depth": 50, "dtype": "float64", "batch": 500}
    seen = measure_step(make_stack(**options, seed=seed), Loss("cross-entropy"), 0.01)
    assert 1e-59 < math.sqrt(seen.layers[-1].output_variance) < 1e-57
    assert 2 < seen.layers[0].gradient_mean / seen.layers[-1].gradient_mean < 6
    found = judgements(**options, seed=seed)
    assert found["autotrainer"].healthy
    assert {"VanishingGradient", "WeightUpdateRatio"} <= set(rules(found["sagemaker"]))
    assert rules(found["deepdiagnosis"]) == ["Vanishing Gradient", "Poor Weight", "Learning Rate"]
    assert "Update ratio" in rules(found["torchmortem"])


def test_saturation_bounds_that_saturated_units_do_not_reach():
    found = judgements(act="tanh", init="std=1", depth=5, width=100, batch=500)
    assert "SaturatedActivation" not in rules(found["sagemaker"])
    assert "Saturated Activation" in rules(found["deepdiagnosis"])
    assert "Activation saturation" in rules(found["torchmortem"])
    farther = judgements(act="tanh", init="std=1000", depth=5, width=100, batch=500)
    assert "SaturatedActivation" in rules(farther["sagemaker"])


def test_what_leaves_the_numbers_is_healthy_to_none():
    found = judgements(act="relu", init="std=1", depth=40, width=500, batch=100)
    assert "ExplodingTensor" in rules(found["sagemaker"])
    assert "Numerical Error" in rules(found["deepdiagnosis"])
    assert rules(found["autotrainer"]) == ["nan_gradient"]
    assert "Vanishing gradients" in rules(found["torchmortem"])


def test_a_stack_of_zeros_is_healthy_to_none():
    found = judgements(act="relu", init="he", depth=5, width=20, batch=100, bias_mean=-100.0)
    assert {"AllZero", "DeadRelu", "VanishingGradient"} <= set(rules(found["sagemaker"]))
    assert {"Dead Node", "Vanishing Gradient", "Poor Weight"} <= set(rules(found["deepdiagnosis"]))
    assert rules(found["autotrainer"]) == ["died_relu"]
    assert {"Vanishing gradients", "Dead units"} == set(rules(found["torchmortem"]))


def test_infinite_pre_activations_under_a_bounded_activation_are_seen():
    # tanh hides them, and lets no gradient through that would tell.
    found = judgements(act="tanh", init="std=1e30", depth=2, width=20, input=np.full((50, 1), 1e9))
    assert "ExplodingTensor" in rules(found["sagemaker"])
    assert "Numerical Error" in rules(found["deepdiagnosis"])
    assert rules(found["autotrainer"]) == ["died_relu"]


def test_a_gradient_that_overflows_alone_is_seen():
    stack = make_stack(act="identity", init="std=100", gain=1e-40, depth=1, width=5, input=np.full((4, 1), 1e38))
    (seen,) = measure_step(stack, Loss("cross-entropy"), 0.01).layers
    assert seen.output_variance < 100
    assert seen.nonfinite_fraction == seen.gradient_nonfinite_fraction > 0
    assert math.isnan(seen.gradient_norm)


@pytest.mark.parametrize("act", ["maxout", "softmax", "glu", "prelu", "sin"])
@pytest.mark.parametrize("shape", [{"depth": 1, "batch": 1, "width": 4}, {"depth": 3, "batch": 30, "width": 8}])
def test_every_shape_is_judged(act, shape):
    assert list(judgements(act=act, init="lecun", **shape)) == list(JUDGES)


def test_initializers_that_fit_the_batch_are_judged():
    found = judgements(act="tanh", init="lsuv", depth=3, width=30, batch=100)
    assert found["autotrainer"].healthy


# The door


def test_judges_come_in_the_order_asked_for():
    stack = make_stack(depth=2, width=10, batch=20)
    found = judge(stack, Loss(), ["torchmortem", "sagemaker"])
    assert [judgement.judge for judgement in found] == ["torchmortem", "sagemaker"]
    assert all(judgement.healthy == (not judgement.violations) for judgement in found)


def test_a_random_loss_is_judged_as_a_cross_entropy_of_ten_classes():
    stack = make_stack(depth=6, width=30, batch=100, init="std=0.05")
    assert judge(stack, Loss(), JUDGES) == judge(stack, Loss("cross-entropy", 10), JUDGES)
    assert judge(stack, Loss(), JUDGES) != judge(stack, Loss("mse"), JUDGES)


def test_labels_and_learning_rate_are_those_given():
    stack = make_stack(depth=6, width=30, batch=100, init="std=0.05")
    same = Loss("cross-entropy", 10, np.zeros(100, dtype=int))
    assert judge(stack, same, JUDGES) != judge(stack, Loss("cross-entropy", 10), JUDGES)
    small, large = (judge(stack, same, ["deepdiagnosis"], rate)[0].violations[-1] for rate in (0.01, 0.02))
    assert small.rule == "Learning Rate"
    assert large.value == pytest.approx(2 * small.value)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"judges": ["sagemakr"]}, "judge"),
        ({"judges": [None]}, "judge"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": nan}, "learning_rate"),
        ({"learning_rate": "1"}, "learning_rate"),
        ({"threads": 0}, "threads"),
        ({"loss": Loss("mse", 10, np.zeros(3, dtype=int))}, "labels"),
    ],
)
def test_what_is_not_accepted_is_refused(changes, field):
    arguments = {"stack": make_stack(depth=2, width=10, batch=20), "loss": Loss(), "judges": JUDGES} | changes
    with pytest.raises(InvalidField) as refused:
        judge(**arguments)
    assert refused.value.field == field


def test_without_judges_nothing_is_run(monkeypatch):
    monkeypatch.setattr(measuring, "forward", None)
    assert judge(make_stack(depth=2, width=10, batch=20), Loss(), []) == ()


def test_a_name_alone_is_no_list_of_names():
    with pytest.raises(InvalidField, match="judge must be a sequence of names, got 'sagemaker'"):
        judge(make_stack(depth=2, width=10, batch=20), Loss(), "sagemaker")


def test_labels_are_refused_before_anything_is_run(monkeypatch):
    monkeypatch.setattr(measuring, "forward", None)
    with pytest.raises(InvalidField, match="labels"):
        judge(make_stack(depth=2, width=10, batch=20), Loss("mse", 10, np.zeros(3, dtype=int)), JUDGES)


@pytest.mark.parametrize(("threads", "used"), [(2, 2), (None, 1)])  # one is worth it where the stack is small
def test_threads_are_those_given(monkeypatch, threads, used):
    asked = []

    def workers(count):
        asked.append(count)
        return Workers(count)

    monkeypatch.setattr(measuring, "Workers", workers)
    judge(make_stack(depth=2, width=10, batch=20), Loss(), JUDGES, threads=threads)
    assert asked == [used]


def test_a_near_name_is_offered():
    with pytest.raises(InvalidField, match="did you mean sagemaker"):
        judge(make_stack(depth=2, width=10, batch=20), Loss(), ["sagemakr"])


def test_every_field_of_the_statistics_is_compared_with_numpy():
    stack = make_stack(depth=1, width=5, batch=5)
    assert set(in_plain_numpy(stack, 10, None)[0]) == {field.name for field in fields(LayerStepStats)}


def test_rules_on_some_activations_look_at_their_layers_alone():
    """Of a ReLU, a tanh and a sigmoid layer that are all as bad, each rule names those that it concerns."""
    bad = {"inactive_fraction": 0.9, "saturated_fraction": 0.9, "nonpositive_fraction": 0.9, "far_fraction": 0.9}
    mixed = StepStats(
        tuple(layer(at, kind, **bad) for at, kind in enumerate(("rectifier", "tanh", "sigmoid"), 1)), 0.01
    )
    found = {(one.rule, one.layers) for name in ("sagemaker", "deepdiagnosis") for one in violations(name, mixed)}
    assert found == {
        ("DeadRelu", (1,)),
        ("SaturatedActivation", (2,)),
        ("SaturatedActivation", (3,)),
        ("Dead Node", (1,)),
        ("Saturated Activation", (2, 3)),
    }
