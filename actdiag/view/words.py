"""Verdicts and stacks in words, the same in the terminal and in pictures."""

from collections.abc import Sequence
from typing import Any

from actdiag.diagnosis import Verdict
from actdiag.diagnosis.words import trains_it
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import LayerStats
from actdiag.model.stack import Stack
from actdiag.numerals import brief, rough, whole_percent
from actdiag.report import Report
from actdiag.theory.types import LayerEstimates


def outlook(verdict: Verdict) -> str:
    """Return a verdict's probability in words, and whether it rests on an estimate."""
    training = trains_it(verdict.optimizer, verdict.iterations)
    if verdict.probability is None:
        return "; ".join(verdict.outside) or f"no probability {training} is known"
    if not verdict.probability:
        return "no learning rate trains it"
    estimated = "; gradient estimated" if verdict.estimated else ""
    return f"{whole_percent(verdict.probability)} {training}{estimated}"


def unknown(verdicts: Sequence[Verdict]) -> str:
    """Return why verdicts are unknown, each reason once; empty where none is."""
    reasons = dict.fromkeys(
        reason for verdict in verdicts if verdict.severity == "unknown" for reason in verdict.outside
    )
    return f"unknown: {'; '.join(reasons)}" if reasons else ""


def rates(verdict: Verdict) -> str | None:
    """Return which learning rates should work; None where none is known to, or where the stack will hardly train."""
    if not verdict.trainable or verdict.learning_rate is None:
        return None
    known = verdict.learning_rates
    span = "" if known is None else f"learning rates {rough(known[0])} to {rough(known[1])}, "
    return f"{span}try {rough(verdict.learning_rate)}"


def why_blank(histogram: Histogram) -> str:
    """Return why a histogram has nothing in its bins."""
    if histogram.nan or histogram.inf:
        return "NaN or inf"
    return "off the axis" if histogram.below or histogram.above else "all zero"


def initializer(stack: Stack) -> str:
    """Return the initializer with the std of the weights, gain included: `he (std 0.141)`."""
    stds = [stack.weight_std(layer) for layer in range(1, stack.depth + 1)]
    if stack.weights is not None:
        return f"weights of {stack.weights.name} (rms {_spread(stds)})"
    spread = _spread(stds)
    gain = "" if stack.gain == 1 else f", gain {brief(stack.gain)}"
    if stack.target_gain is not None:
        gain = f", gain auto {brief(stack.target_gain)}"
    fitted = ", before scaling on the batch" if stack.init.fits_batch else ""
    return f"{stack.init.name} (std {spread}{gain}{fitted})"


def _spread(values: Sequence[float]) -> str:
    low, high = brief(min(values)), brief(max(values))
    return low if low == high else f"{low} to {high}"


def shape(stack: Stack) -> str:
    """Return depth and widths: `5 layers of 100`, or the widths where they differ: `3 layers of 512-256-64`."""
    if len(set(stack.widths)) == 1:
        return f"{stack.depth} layer{'s' if stack.depth > 1 else ''} of {stack.widths[0]}"
    shown = stack.widths if stack.depth <= 8 else (*stack.widths[:4], "...", *stack.widths[-2:])
    return f"{stack.depth} layers of {'-'.join(map(str, shown))}"


def inputs(stack: Stack) -> str:
    """Return where inputs come from: `1000 inputs of 100 from N(0, 1)`."""
    source = {"normal": "N(0, 1)", "uniform": "U(-sqrt 3, sqrt 3)"}.get(stack.input, stack.input)
    return f"{stack.batch} input{'s' if stack.batch > 1 else ''} of {stack.input_width} from {source}"


def biases(stack: Stack) -> str:
    """Return the biases where there are any: `biases N(0, 0.2^2)`."""
    if stack.weights is not None:
        return ""
    if stack.bias_mean is None and stack.bias_std is None:
        return f"biases of {stack.init.name}" if stack.init.sample_bias else ""
    mean, std = stack.bias_spread(1)
    if not std:
        return f"biases {mean:g}" if mean else "no biases"
    return f"biases N({mean:g}, {std:g}^2)"


def common_biases(stacks: Sequence[Stack], mark: str = "") -> str:
    """Return what can be said of the biases of several stacks at once.

    Args:
        stacks: At least one.
        mark: What stands for the biases where they are told for each stack; with a space before it.
    """
    if any(stack.target_gain is not None for stack in stacks):
        return f"biases{mark} that go with each gain"
    said = {biases(stack) for stack in stacks}
    return said.pop() if len(said) == 1 else "each initializer's own biases"


def setting(report: Report, bias: str | None = None) -> str:
    """Return all of a report's stack beside its activation and initializer, and the seeds that it ran under.

    Args:
        report: The report.
        bias: What to say of the biases, where it is not those of this stack.
    """
    stack = report.stack
    seeds = f"seed {stack.seed}"
    if report.repeats is not None:
        seeds = f"seeds {report.repeats.seeds[0]} to {report.repeats.seeds[-1]}"
    bias = biases(stack) if bias is None else bias
    return ", ".join(filter(None, (shape(stack), inputs(stack), bias, stack.dtype, seeds)))


def value_at(layer: LayerStats | LayerEstimates | None, name: str) -> Any:
    """Return the number of a layer that has that name, dotted where nested; None where the layer has none."""
    value: Any = layer
    for part in name.split("."):
        value = getattr(value, part, None)
    return value
