"""Numbers and stacks in words, the same in the terminal and in pictures."""

from collections.abc import Callable
from math import floor, log10
from typing import Any

from actdiag.diagnosis import Verdict
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import LayerStats
from actdiag.model.stack import Stack
from actdiag.repeats import runs_that_count
from actdiag.report import Report
from actdiag.theory.types import Estimate, Horizon, LayerEstimates, StackTheory

MISSING = "-"

_NAMES = {
    "rms": "rms a",
    "unit_std": "unit std",
    "zero_fraction": "exact zeros",
    "dead_fraction": "dead units",
    "saturated_fraction": "saturated entries",
    "pre_activation.mean": "mean z",
    "pre_activation.std": "std z",
    "pre_activation.rms": "rms z",
    "gradient.rms": "rms dL/dz",
    "gradient.ratio": "ratio of dL/dz",
}


def number(value: float | None) -> str:
    """Return three significant digits, trailing zeros kept so that columns line up: plain from 0.001 to 10000."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 99.95:
        return f"{value:#.3g}"
    return f"{value:.0f}" if 99.95 <= abs(value) < 1e4 else f"{value:.2e}"


def brief(value: float | None) -> str:
    """Return three significant digits for running text: `0.1` rather than `0.100`."""
    return MISSING if value is None else f"{value:.3g}"


def percent(fraction: float | None) -> str:
    """Return a share in percent, never rounding a share to none or a part to all."""
    if fraction is None:
        return MISSING
    if 0 < fraction < 0.001:
        return "<.1%"
    if 0.999 < fraction < 1:
        return ">99%"
    return f"{100 * fraction:.0f}%" if fraction in (0, 1) or fraction >= 0.0995 else f"{100 * fraction:.1f}%"


def cosine(value: float | None) -> str:
    """Return a cosine in three decimals, near 1 in four, never rounding one to 1."""
    if value is None:
        return MISSING
    if 0.9995 <= value < 1:
        return f"{value:.4f}" if value < 0.99995 else ">.9999"
    return f"{value:.3f}"


def change(value: float | None) -> str:
    """Return a factor from layer to layer."""
    return MISSING if value is None else f"x{brief(value)}"


def chance(probability: float | None) -> str:
    """Return a probability in percent, of which nothing between is rounded to none or to all."""
    if probability is None:
        return MISSING
    if 0 < probability < 0.01:
        return "<1%"
    return ">99%" if 0.99 < probability < 1 else f"{100 * probability:.0f}%"


def outlook(verdict: Verdict) -> str:
    """Return a verdict's probability in words, and whether it rests on an estimate."""
    if verdict.probability is None:
        return "the probability that SGD trains it is not known"
    said = f"{chance(verdict.probability)} that SGD trains it" if verdict.probability else "no learning rate trains it"
    return f"{said}; gradient estimated" if verdict.estimated and verdict.probability else said


def rates(verdict: Verdict) -> str | None:
    """Return which learning rates should work; None where none is known to, or where the stack will hardly train."""
    if not verdict.trainable or verdict.learning_rate is None:
        return None
    known = verdict.learning_rates
    span = "" if known is None else f"learning rates {known[0]:.2g} to {known[1]:.2g}, "
    return f"{span}try {verdict.learning_rate:.2g}"


def why_blank(histogram: Histogram) -> str:
    """Return why a histogram has nothing in its bins."""
    if histogram.nan or histogram.inf:
        return "NaN or inf"
    return "off the axis" if histogram.below or histogram.above else "all zero"


def initializer(stack: Stack) -> str:
    """Return the initializer with the std of the weights, gain included: `he (std 0.141)`."""
    stds = [stack.weight_std(layer) for layer in range(1, stack.depth + 1)]
    low, high = brief(min(stds)), brief(max(stds))
    spread = low if low == high else f"{low} to {high}"
    gain = "" if stack.gain == 1 else f", gain {brief(stack.gain)}"
    if stack.target_gain is not None:
        gain = f", gain auto {brief(stack.target_gain)}"
    fitted = ", before scaling on the batch" if stack.init.fits_batch else ""
    return f"{stack.init.name} (std {spread}{gain}{fitted})"


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
    if stack.bias_mean is None and stack.bias_std is None:
        return f"biases of {stack.init.name}" if stack.init.sample_bias else ""
    mean, std = stack.bias_spread(1)
    if not std:
        return f"biases {mean:g}" if mean else "no biases"
    return f"biases N({mean:g}, {std:g}^2)"


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


def journeys(report: Report) -> list[tuple[str, str]]:
    """Return how far the signal, and the gradient where there is one, went from end to end: (what, the numbers)."""
    first, last = report.layers[0], report.layers[-1]
    ways = [("signal", "rms a", first.layer, first.rms, last.layer, last.rms, report.change_per_layer.forward)]
    if first.gradient and last.gradient:
        gradients = (last.layer, last.gradient.rms, first.layer, first.gradient.rms)
        ways.append(("gradient", "rms dL/dz", *gradients, report.change_per_layer.backward))
    return [
        (
            what,
            f"{of} {brief(start_rms)} at layer {start}, {brief(end_rms)} at layer {end}"
            + ("" if factor is None else f", {change(factor)} a layer"),
        )
        for what, of, start, start_rms, end, end_rms, factor in ways
    ]


def value_at(layer: LayerStats | LayerEstimates | None, name: str) -> Any:
    """Return the number of a layer that has that name, dotted where nested; None where the layer has none."""
    value: Any = layer
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def plus_minus(text: Callable[[float | None], str], value: float | None, sd: float | None, ascii_only: bool) -> str:
    """Return a number with its spread, `0.826±0.094`; alone where there is none.

    Args:
        text: How the number is written.
        value: The number.
        sd: Its spread.
        ascii_only: Whether to write `+-`.
    """
    if value is None or sd is None:
        return text(value)
    spread = percent(sd) if text is percent else f"{sd:#.2g}" if sd else "0"
    return f"{text(value)}{'+-' if ascii_only else '±'}{spread}"


def theory(stack_theory: StackTheory) -> list[str]:
    """Return what theory says of a stack: its phase and fixed point, how far it reaches, the note."""
    if not stack_theory.applies:
        return [f"none applies: {stack_theory.note}"]
    said = stack_theory
    kind = ", ".join(filter(None, (said.phase, said.stable)))
    points = (("q*", said.q), ("c*", said.c), ("chi1", said.chi1))
    facts = [f"{symbol} {brief(value)}" for symbol, value in points if value is not None]
    scales = [f"{brief(xi)} ({of})" for xi, of in ((said.xi_q, "q"), (said.xi_c, "c")) if xi is not None]
    if scales:
        facts.append(f"depth scale{'s' if len(scales) > 1 else ''} {' and '.join(scales)} layers")
    lines = [": ".join(filter(None, (kind, ", ".join(facts)))), "; ".join(_horizons(said.horizon)), said.note]
    return [line for line in lines if line]


def _horizons(horizon: Horizon) -> list[str]:
    ways = (("signal changes 1000-fold", horizon.signal), ("gradient", horizon.gradient))
    facts = [f"{what} in {layers} layers" for what, layers in ways if layers is not None]
    if horizon.signal is None and facts:
        facts = [f"gradient changes 1000-fold in {horizon.gradient} layers"]
    if horizon.inputs is not None:
        facts.append(f"inputs align in {horizon.inputs} layers")
    names = ("float16", "bfloat16", "float32")
    left = [f"{name} at {getattr(horizon, name)}" for name in names if getattr(horizon, name) is not None]
    return facts + ([f"leaves {', '.join(left)}".replace(" at ", " at layer ", 1)] if left else [])


def flags(report: Report, ascii_only: bool) -> list[str]:
    """Return a line on each number that is not what theory expects: `layer 7 std 0.31, expected 0.52 ± 0.02 ...`."""
    lines = []
    for stats, said in zip(report.layers, report.layer_theory, strict=False):
        for name in said.flagged:
            what = f"layer {stats.layer} {_NAMES.get(name, name)}"
            number, expected = value_at(stats, name), value_at(said.expected, name)
            if expected is None:
                runs = f" in {runs_that_count(report.repeats.n)} or more of the runs" if report.repeats else ""
                lines.append(f"{what} {brief(number)}, over 4 sd off{runs}")
                continue
            came, wanted = _beside(number, expected, name.endswith("_fraction"), ascii_only)
            lines.append(f"{what} {came}, expected {wanted} from {_origin(report, stats.layer, name)}")
    return lines


def _beside(number: float | None, expected: Estimate, is_share: bool, ascii_only: bool) -> tuple[str, str]:
    """Return a number and what was expected of it, in as many digits as the expectation's spread leaves."""
    scale, unit = (100, "%") if is_share else (1, "")
    sd = expected.sd
    digits = 3
    if sd and expected.value:
        digits = min(max(floor(log10(abs(expected.value))) - floor(log10(sd)) + 2, 3), 9)
    came = MISSING if number is None else f"{scale * number:.{digits}g}{unit}"
    spread = "" if sd is None else f" {'+-' if ascii_only else '±'} {scale * sd:.2g}{unit}"
    return came, f"{scale * expected.value:.{digits}g}{unit}{spread}"


def _origin(report: Report, layer: int, name: str) -> str:
    """Return what a number was expected from: the layer before, of gradients the one after."""
    if name.startswith("gradient"):
        return f"layer {layer + 1}" if layer < len(report.layers) else "the loss"
    return f"layer {layer - 1}" if layer > 1 else "the input"
