"""The symptoms of DeepDiagnosis, with their defaults.

Source: Wardat, Cruz, Le & Rajan 2022, ICSE, arXiv:2112.04036, whose callback is callback/callbacks.py at
https://github.com/DeepDiagnosis/ICSE2022. It looks once an epoch, for dead nodes at the last one; here it looks before
the first. Its symptoms of a loss or an accuracy that stands still need several epochs and are left out.
"""

from actdiag.external.step import StepStats
from actdiag.external.violations import Violations, outside, over, reaching, under

SOURCE = "Wardat et al. 2022, ICSE, arXiv:2112.04036; callbacks.py at github.com/DeepDiagnosis/ICSE2022"

DEAD = 0.7
"""The share of outputs of a ReLU layer at or under zero from which it is dead (`threshold_layer_1`)."""

FAR = 5.0
"""Inputs of tanh and sigmoid that are as large are saturated (`max_threshold_tanh` and its like)."""

SATURATED = 0.5
"""The share of saturated inputs that a layer of tanh or sigmoid may have (`threshold_layer`)."""

VANISHING = 1e-7
"""The least mean of |dL/dW| (`threshold_VG`)."""

VARIANCE = (1e-5, 10.0)
"""The variance that the outputs of a layer may have (`min_threshold`, `max_threshold`)."""

UPDATE_RATIO = (1e-5, 1e-1)
"""The ratio that updates may have to weights: `LearnRate_threshold`, 1e-3, over and times 100."""


def violations(step: StepStats) -> Violations:
    """Return the rules of DeepDiagnosis that a training step violates.

    Dead nodes are looked for in ReLU layers, saturation in those of tanh and sigmoid: its callback goes by their names.
    """
    what = "the share of outputs at or under zero"
    found = reaching("Dead Node", what, step.values("nonpositive_fraction", "rectifier"), DEAD)
    what = f"the share of pre-activations beyond +-{FAR:g}"
    found += over("Saturated Activation", what, step.values("far_fraction", "tanh", "sigmoid"), SATURATED)
    found += over("Numerical Error", "the share of NaN and infinite numbers", step.values("nonfinite_fraction"), 0)
    found += under("Vanishing Gradient", "the mean of |dL/dW|", step.values("gradient_mean"), VANISHING)
    found += outside("Poor Weight", "the variance of the outputs", step.values("output_variance"), VARIANCE)
    return found + outside("Learning Rate", "the ratio of update to weight", step.update_ratios(), UPDATE_RATIO)
