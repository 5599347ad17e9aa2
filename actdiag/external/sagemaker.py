"""The built-in rules of Amazon SageMaker Debugger, with their defaults.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html. They are applied to every
saved step of a training job; here to the first. Those on the course of the loss, on classes and on what only some
networks have are left out.
"""

from math import isnan

from actdiag.external.step import Kind, StepStats, quotient
from actdiag.external.violations import Violation, Violations, outside, over, reaching, under

SOURCE = "docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html"

VANISHING = 1e-7
"""VanishingGradient: the least mean of |dL/dW| (`threshold`)."""

ACTIVITY = 0.01
"""DeadRelu, SaturatedActivation: the least share of inputs on which a unit is active (`threshold_inactivity`)."""

INACTIVE_LAYER = 0.5
"""DeadRelu, SaturatedActivation: the share of such units that a layer may have (`threshold_layer`)."""

UNSATURATED: dict[Kind, tuple[float, float]] = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}
"""SaturatedActivation: the bounds of pre-activations (`threshold_tanh_min` and its like)."""

VARIANCE_RATIO = 10.0
"""PoorWeightInitialization: the greatest variance of a layer over the least (`threshold`)."""

GRADIENT_WIDTH = 1e-3
"""PoorWeightInitialization: the least width of the gradients' distribution (`distribution_range`)."""

GRADIENT_PERCENTILES = (5.0, 95.0)
"""PoorWeightInitialization: the percentiles that width is between."""

UPDATE_RATIO = (1e-8, 10.0)
"""WeightUpdateRatio: the ratio that updates may have to weights (`small_threshold`, `large_threshold`)."""

EPSILON = 1e-9
"""WeightUpdateRatio: what is added to the weights, against division by zero (`epsilon`)."""

ALL_ZERO = 1.0
"""AllZero: the share of zeros from which all are (`threshold`)."""


def violations(step: StepStats) -> Violations:
    """Return the rules of SageMaker Debugger that a training step violates.

    DeadRelu and the ratio of variances in PoorWeightInitialization are on ReLU layers, SaturatedActivation on those of
    tanh and sigmoid, by the default patterns of their tensors' names. AllZero is on activations.
    """
    found = under("VanishingGradient", "the mean of |dL/dW|", step.values("gradient_mean"), VANISHING)
    what = "the share of NaN and infinite numbers"
    found += over("ExplodingTensor", what, step.values("nonfinite_fraction"), 0)
    what = f"the share of units active on under {ACTIVITY:.0%} of the inputs"
    found += over("DeadRelu", what, step.values("inactive_fraction", "rectifier"), INACTIVE_LAYER)
    for kind, (low, high) in UNSATURATED.items():
        what = f"the share of units within {low:g} and {high:g} on under {ACTIVITY:.0%} of the inputs"
        found += over("SaturatedActivation", what, step.values("saturated_fraction", kind), INACTIVE_LAYER)
    found += _poor_initialization(step)
    what = "the ratio of update to weight"
    found += outside("WeightUpdateRatio", what, step.update_ratios(EPSILON), UPDATE_RATIO)
    what = "the share of zeros among the activations"
    return found + reaching("AllZero", what, step.values("zero_fraction"), ALL_ZERO)


def _poor_initialization(step: StepStats) -> Violations:
    rule = "PoorWeightInitialization"
    what = "the width of dL/dW from its 5th to its 95th percentile"
    found = under(rule, what, step.values("gradient_width"), GRADIENT_WIDTH)
    known = step.values("input_variance", "rectifier")
    variances = {layer: value for layer, value in known.items() if not isnan(value)}
    if not variances:
        return found
    least, greatest = min(variances, key=variances.__getitem__), max(variances, key=variances.__getitem__)
    ratio = quotient(variances[greatest], variances[least])
    if not ratio > VARIANCE_RATIO:
        return found
    said = (
        f"the variance of the pre-activations in layer {greatest} is {ratio:.3g} times that in layer {least}: "
        f"over {VARIANCE_RATIO:g}"
    )
    ends = (min(least, greatest), max(least, greatest))
    return (Violation(rule, ends, ratio, VARIANCE_RATIO, said), *found)
