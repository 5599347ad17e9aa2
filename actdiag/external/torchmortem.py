"""The detectors of torchmortem 0.1.1, with their defaults.

Source: src/torchmortem/detectors and collectors at https://github.com/sebseager/torchmortem. They are applied to the
second half of a training run; here to its first step. Its detectors of gradients that stall, of noise, loss, rank
and growing weights are left out. The norms of gradients are those of dL/dW, where its own hooks take them of dL/dz.
"""

from math import inf

from actdiag.external.step import StepStats, quotient
from actdiag.external.violations import Violation, Violations, outside, over

SOURCE = "torchmortem 0.1.1, github.com/sebseager/torchmortem"

VANISHING_RATIO = 100.0
"""The greatest norm of dL/dW at the last layer over that at the first (`vanishing_ratio_threshold`)."""

NO_GRADIENT = 1e-30
"""Under this norm of dL/dW at the first layer the gradient has vanished, whatever it is at the last."""

EXPLODING_NORM = 1000.0
"""The greatest norm of dL/dW (`exploding_norm_threshold`)."""

NEAR_ZERO = 1e-6
"""An activation under this in size is dead (`dead_threshold`)."""

DEAD = 0.5
"""The share of dead activations that a layer may have (`dead_frac_threshold`)."""

NEAR_ONE = 0.95
"""An activation over this in size is saturated (1 less `saturation_threshold`)."""

SATURATED = 0.5
"""The share of saturated activations that a layer may have (`saturated_frac_threshold`)."""

UPDATE_RATIO = (1e-5, 1e-1)
"""The ratio that updates may have to weights (`low_threshold`, `high_threshold`)."""


def violations(step: StepStats) -> Violations:
    """Return the rules of torchmortem that a training step violates.

    Its rules do not depend on the activation: to it half of a healthy ReLU is dead, and a ReLU may be saturated.
    """
    found = _vanishing(step)
    found += over("Exploding gradients", "the norm of dL/dW", step.values("gradient_norm"), EXPLODING_NORM)
    what = f"the share of activations under {NEAR_ZERO:g} in size"
    found += over("Dead units", what, step.values("near_zero_fraction"), DEAD)
    what = f"the share of activations over {NEAR_ONE:g} in size"
    found += over("Activation saturation", what, step.values("near_one_fraction"), SATURATED)
    # It takes a ratio of zero for a layer that has not been updated yet.
    ratios = {layer: ratio for layer, ratio in step.update_ratios().items() if ratio != 0}
    return found + outside("Update ratio", "the ratio of update to weight", ratios, UPDATE_RATIO)


def _vanishing(step: StepStats) -> Violations:
    """Return whether the gradient vanishes on the backward pass; NaN does, for it passes no comparison."""
    first, last = step.layers[0], step.layers[-1]
    if first is last:
        return ()
    norm = f"the norm of dL/dW at layer {first.layer} is {first.gradient_norm:.3g}"
    if first.gradient_norm < NO_GRADIENT:
        ratio, said = inf, f"{norm}: none at all, under {NO_GRADIENT:g}"
    else:
        ratio = quotient(last.gradient_norm, first.gradient_norm)
        said = f"{norm}, and {ratio:.3g} times as large at layer {last.layer}: over {VANISHING_RATIO:g}"
    if ratio <= VANISHING_RATIO:
        return ()
    return (Violation("Vanishing gradients", (first.layer, last.layer), ratio, VANISHING_RATIO, said),)
