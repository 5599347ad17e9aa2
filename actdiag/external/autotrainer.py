"""The symptoms of AUTOTRAINER, with their defaults.

Source: Zhang, Zhai, Ma & Shen 2021, ICSE, "AUTOTRAINER: an automatic DNN training problem detection and repair system",
whose rules are AutoTrainer/utils/monitor.py at https://github.com/shiningrain/AUTOTRAINER and whose defaults are in
utils.py beside it. It is applied every few epochs, and repairs what it finds once accuracy stays low as well; here it
is applied to the gradients of the first step. Its symptoms of the course of loss and accuracy are left out.
"""

from actdiag.external.step import StepStats, quotient
from actdiag.external.violations import Violation, Violations, over

SOURCE = "Zhang et al. 2021, ICSE; monitor.py at github.com/shiningrain/AUTOTRAINER"

VANISHING_RATIO = 1e-3
"""The least norm of dL/dW at the first layer over that at the last (`beta_1`)."""

VANISHING_NORM = 1e-4
"""The norm of dL/dW at the first layer under which that ratio counts (`beta_2`)."""

EXPLODING_RATIO = 70.0
"""The greatest norm of dL/dW at the first layer over that at the last (`beta_3`)."""

DYING = 0.7
"""The share of exact zeros among all gradients, of weights and biases, from which ReLUs are dying (`gamma`)."""


def violations(step: StepStats) -> Violations:
    """Return the rules of AUTOTRAINER that a training step violates. The last layer is that of the stack.

    Its rules do not depend on the activation. Where a gradient is NaN or infinite the others are not applied.
    """
    what = "the share of NaN and infinite numbers in dL/dW"
    nonfinite = over("nan_gradient", what, step.values("gradient_nonfinite_fraction"), 0)
    return nonfinite or _of_norms(step) + _of_zeros(step)


def _of_norms(step: StepStats) -> Violations:
    first, last = step.layers[0], step.layers[-1]
    ratio = quotient(first.gradient_norm, last.gradient_norm)
    ends = (first.layer, last.layer) if last is not first else (first.layer,)
    norms = f"the norm of dL/dW at layer {first.layer} is {ratio:.3g} of that at layer {last.layer}"
    if ratio < VANISHING_RATIO and first.gradient_norm < VANISHING_NORM:
        said = f"{norms}, under {VANISHING_RATIO:g}, and {first.gradient_norm:.3g}, under {VANISHING_NORM:g}"
        return (Violation("vanish_gradient", ends, ratio, VANISHING_RATIO, said),)
    if ratio > EXPLODING_RATIO:
        return (Violation("explode_gradient", ends, ratio, EXPLODING_RATIO, f"{norms}: over {EXPLODING_RATIO:g}"),)
    return ()


def _of_zeros(step: StepStats) -> Violations:
    layers = tuple(layer.layer for layer in step.layers)
    entries = sum(layer.gradient_entries for layer in step.layers)
    zeros = sum(layer.gradient_zeros for layer in step.layers) / entries
    if zeros < DYING:
        return ()
    said = f"the share of exact zeros among all gradients of weights and biases is {zeros:.3g}: at or over {DYING:g}"
    return (Violation("died_relu", layers, zeros, DYING, said),)
