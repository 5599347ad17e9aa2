"""The built-in rules of Amazon SageMaker Debugger, with their defaults.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html. They look at every saved step of a
training job; here they look at the first. Those on the course of the loss, on classes and on what only some networks
have are left out.
"""

from math import isnan

from actdiag.external.charges import Charge, Charges, outside, over, reaching, under
from actdiag.external.evidence import Evidence, quotient

SOURCE = "docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html"

VANISHING = 1e-7
"""VanishingGradient: the least mean of |dL/dW| (`threshold`)."""

ACTIVITY = 0.01
"""DeadRelu, SaturatedActivation: the least share of inputs on which a unit is active (`threshold_inactivity`)."""

INACTIVE_LAYER = 0.5
"""DeadRelu, SaturatedActivation: the share of such units that a layer may have (`threshold_layer`)."""

UNSATURATED = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}
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


def charges(evidence: Evidence) -> Charges:
    """Return what SageMaker Debugger charges a stack with.

    DeadRelu and the ratio of variances in PoorWeightInitialization look at ReLU layers, SaturatedActivation at those of
    tanh and sigmoid, as the default patterns of their tensors' names have it. AllZero looks at activations.
    """
    found = under("VanishingGradient", "the mean of |dL/dW|", evidence.values("gradient_mean"), VANISHING)
    what = "the share of NaN and infinite numbers"
    found += over("ExplodingTensor", what, evidence.values("nonfinite_fraction"), 0)
    if evidence.kind == "rectifier":
        what = f"the share of units active on under {ACTIVITY:.0%} of the inputs"
        found += over("DeadRelu", what, evidence.values("inactive_fraction"), INACTIVE_LAYER)
    if evidence.kind in UNSATURATED:
        low, high = UNSATURATED[evidence.kind]
        what = f"the share of units within {low:g} and {high:g} on under {ACTIVITY:.0%} of the inputs"
        found += over("SaturatedActivation", what, evidence.values("saturated_fraction"), INACTIVE_LAYER)
    found += _poor_initialization(evidence)
    what = "the ratio of update to weight"
    found += outside("WeightUpdateRatio", what, evidence.update_ratios(EPSILON), UPDATE_RATIO)
    what = "the share of zeros among the activations"
    return found + reaching("AllZero", what, evidence.values("zero_fraction"), ALL_ZERO)


def _poor_initialization(evidence: Evidence) -> Charges:
    rule = "PoorWeightInitialization"
    what = "the width of dL/dW from its 5th to its 95th percentile"
    found = under(rule, what, evidence.values("gradient_width"), GRADIENT_WIDTH)
    variances = {layer: value for layer, value in evidence.values("input_variance").items() if not isnan(value)}
    if evidence.kind != "rectifier" or not variances:
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
    return (Charge(rule, ends, ratio, VARIANCE_RATIO, said), *found)
