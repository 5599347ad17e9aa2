"""Numbers and stacks in words, the same in the terminal and in pictures."""

from actdiag.histograms import Histogram
from actdiag.report import Report
from actdiag.stack import Stack

MISSING = "-"


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


def setting(stack: Stack) -> str:
    """Return all of the stack beside its activation and initializer."""
    return ", ".join(filter(None, (shape(stack), inputs(stack), biases(stack), stack.dtype, f"seed {stack.seed}")))


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
