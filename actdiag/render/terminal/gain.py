"""The view of the gains of one activation: numbers with their meaning, what to take and why, lines to paste."""

from math import sqrt

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actdiag import numerals
from actdiag.experiments.trained_gain import WIDTH, Trained
from actdiag.experiments.verify import Verification
from actdiag.render.terminal.marks import table
from actdiag.theory.critical import CriticalPoint
from actdiag.theory.gains import Gains
from actdiag.theory.torch_gain import TorchGain
from actdiag.view.selection import evenly_chosen

_MOST_ROWS = 10
_INDENT = "    "


def gain_view(found: Gains, checked: Verification | None, width: int = 80, ascii_only: bool = False) -> RenderableType:
    """Return what is known of the gains of one activation.

    Args:
        found: What theory says.
        checked: What stacks under the recommended gain did; None where none was run.
        width: Columns of the terminal, which all of it fits from 75 on.
        ascii_only: Whether to do without characters beyond ASCII.
    """
    view = Table.grid(padding=(0, 2, 0, 0))
    view.add_column(no_wrap=True)
    view.add_column(overflow="fold")
    for label, text in _lines(found):
        view.add_row(Text(label, "dim"), text)
    take = found.recommended
    style = "green" if take.good else "yellow"
    view.add_row(Text("take", "bold"), Text(f"gain {numerals.precise(take.gain)}, {_biases(take.bias_std)}", style))
    view.add_row(Text("because", "dim"), take.reason)
    parts: list[RenderableType] = [Text(found.name, "bold"), view]
    for framework, lines in snippets(take.gain, take.bias_std).items():
        parts += [Text(), Text(framework, "dim")]
        parts += [Text(_INDENT + line) for line in lines]
    if checked is not None:
        parts += [Text(), _verified(checked, ascii_only)]
    return Group(*parts)


def snippets(gain: float, bias_std: float) -> dict[str, list[str]]:
    """Return lines of code for each framework that draw weights of std gain / sqrt(fan_in), normal and uncut."""
    scale = float(f"{gain**2:.15g}")  # the square of a rounded root reads 2.0000000000000004
    # Broken where a terminal of 80 columns would break them, but so that they can be pasted.
    torch = [
        "torch.nn.init.normal_(",
        f"{_INDENT}layer.weight, std={gain!r} / layer.in_features**0.5",
        ")",
    ]
    keras = [
        "kernel_initializer=keras.initializers.VarianceScaling(",
        f'{_INDENT}scale={scale!r}, mode="fan_in",',
        f'{_INDENT}distribution="untruncated_normal",',
        "),",
    ]
    flax = ["kernel_init=jax.nn.initializers.variance_scaling(", f'{_INDENT}{scale!r}, "fan_in", "normal"', "),"]
    if bias_std:
        torch.append(f"torch.nn.init.normal_(layer.bias, std={bias_std!r})")
        keras += ["bias_initializer=keras.initializers.RandomNormal(", f"{_INDENT}stddev={bias_std!r}", "),"]
        flax.append(f"bias_init=jax.nn.initializers.normal({bias_std!r}),")
    else:
        torch.append("torch.nn.init.zeros_(layer.bias)")
    return {"PyTorch, of every layer": torch, "Keras, in Dense(...)": keras, "JAX and Flax, in Dense(...)": flax}


def _lines(found: Gains) -> list[tuple[str, str]]:
    forward, backward = found.forward_gain, found.backward_gain
    lines = [
        ("forward gain", f"{_number(forward)}: keeps a signal of second moment 1, E[f(z)^2]^(-1/2) for z ~ N(0, 1)"),
        ("backward gain", f"{_number(backward)}: keeps the gradient under such a signal, E[f'(z)^2]^(-1/2)"),
    ]
    if forward and backward:
        change = numerals.factor(forward / backward)
        apart = abs(forward / backward - 1)
        gap = (
            f"{numerals.rough(100 * apart)} %: under the forward gain the gradient's rms changes by {change} per layer"
        )
        within = max(1e-9, 3 * (found.standard_error or 0.0))
        lines.append(("gap", "none" if apart < within else gap))
    if found.standard_error is not None:
        error = f"{numerals.rough(100 * found.standard_error)} %"
        lines.append(
            ("simulated", f"all gains, over N(0, 1) pre-activations; standard error of the forward gain {error}")
        )
    if found.gain_reason:
        lines.append(("none", found.gain_reason))
    if found.chi1 is not None:
        meaning = "what the second moment of the gradient is multiplied by per layer, at the forward gain"
        lines.append(("chi1", f"{found.chi1:.4g}: {meaning}"))
    if found.chiq is not None:
        unstable = " (above 1: the signal does not stay)" if found.chiq > 1 + 1e-9 else ""
        meaning = "what a small deviation of the signal's second moment is multiplied with per layer"
        lines.append(("chiq", f"{found.chiq:.4g}{unstable}: {meaning}, there"))
    asked = f" with biases of std {found.bias_std:g}" if found.bias_std else ""
    if found.critical is None:
        lines.append(("critical", f"no point{asked}: {found.reason}"))
    else:
        more = f"; the first of {found.critical_count}" if found.critical_count > 1 else ""
        lines.append(("critical", f"{_point(found.critical)}{more}; there the gradient keeps (chi1 = 1)"))
    if found.half_stable is not None:
        meaning = "there chi1 = 1 and chiq = 1"
        lines.append(("half-stable", f"{_point(found.half_stable, stability=False)}; {meaning}"))
    if found.torch is not None:
        gain = numerals.precise(found.torch.gain)
        lines.append(("calculate_gain", f"{gain} is what torch.nn.init has: {_comes_of(found.torch)}"))
    return lines


def _number(value: float | None) -> str:
    return "none" if value is None else numerals.precise(value)


def _biases(std: float) -> str:
    return f"biases N(0, {numerals.precise(std)}^2)" if std else "biases 0"


def _point(point: CriticalPoint, stability: bool = True) -> str:
    q = "any" if point.q is None else "falling to 0" if point.q == 0 else f"{point.q:.4g}"
    sigma_w, sigma_b = numerals.precise(point.sigma_w), numerals.precise(point.sigma_b)
    text = f"gain (sigma_w) {sigma_w}, bias std (sigma_b) {sigma_b}, second moment of z (q) {q}"
    if not stability:
        return text
    if point.stable and point.chiq == 1:
        return f"{text}: marginally stable"
    return f"{text}: {'stable' if point.stable else 'unstable'}" + (f" (chiq {point.chiq:.4g})" if point.q else "")


def _comes_of(torch: TorchGain) -> str:
    if torch.gradient_change is None or torch.fate == "keeps":
        return "signal and gradient keep"
    gradient = f"the gradient's rms changes by x{torch.gradient_change:.4g} per layer"
    if torch.fate == "settles":
        return f"the signal settles at an rms of {numerals.brief(sqrt(torch.q or 0.0))}, and {gradient}"
    return f"the signal {torch.fate} by {numerals.factor(torch.signal_change)} per layer, and {gradient}"


def _verified(checked: Verification, ascii_only: bool) -> RenderableType:
    view = table(ascii_only)
    numbers = ("predicted", "measured", "spread")
    for head in ("layer", *(f"{what}\n{name}" for what in ("  rms z", "  dL/dz ratio") for name in numbers)):
        view.add_column(head, justify="right", no_wrap=True, vertical="bottom")
    for number in evenly_chosen(checked.depth, _MOST_ROWS):
        layer = checked.layers[number - 1]
        rms = (layer.predicted_rms, layer.measured_rms, layer.rms_spread)
        ratio = (layer.predicted_ratio, layer.measured_ratio, layer.ratio_spread)
        view.add_row(str(number), *_cells(*rms), *_cells(*ratio))
    runs = (
        f"{len(checked.seeds)} stacks of {checked.depth} layers of {checked.width}, seeds {checked.seeds[0]} to "
        f"{checked.seeds[-1]}: geometric means, and the factor by which one stack strays from them"
    )
    lines = [Text(runs, "dim")]
    if checked.trained is not None:
        lines.append(Text(_trained(checked.trained, checked.depth)))
    return Group(view, *lines)


def _trained(trained: Trained, depth: int) -> str:
    loss = "diverged" if trained.loss is None else f"loss {trained.loss:.2f}"
    how = f"{trained.iterations} iterations of SGD at {numerals.rough(trained.learning_rate)}"
    return f"{depth} layers of {WIDTH}, {how}: {loss} (chance {trained.chance:.2f})"


def _cells(predicted: float | None, measured: float | None, spread: float | None) -> list[str]:
    apart = numerals.MISSING if spread is None else f"x{spread:.2f}"
    return [numerals.number(predicted), numerals.number(measured), apart]
