"""What is said of a report as a whole, in order: its heading, and the lines of its verdict."""

from collections.abc import Callable, Iterator
from math import floor, log10, sqrt
from typing import Literal, NamedTuple, get_args

from actdiag.diagnosis.findings import Finding, Outlook, Severity, Verdict
from actdiag.diagnosis.words import optimizer_name
from actdiag.numerals import MISSING, brief, factor, rough
from actdiag.report import Repeats, Report
from actdiag.theory.types import Estimate, Horizon, StackTheory
from actdiag.view.words import initializer, outlook, rates, setting, value_at

UNEXPECTED: Literal["unexpected"] = "unexpected"
"""The severity of a line on a number that is not what theory expects."""

Detail = Literal["none", "line", "full"]

DETAILS: tuple[str, ...] = get_args(Detail)
"""How much can be said of theory."""

_MOST_FLAGS, _MOST_SEEDS, _MOST_CAUSES = 3, 8, 2

_ENDS = ("signal", "gradient")
_OF_SCALE = {"vanishing": ("vanishes", "vanish"), "exploding": ("explodes", "explode")}
"""How rules on the scale of the signal and of the gradient begin, with what is said of one and of both."""

_CONSEQUENCES = ("small_output", "large_output")
"""Rules that find what others cause: they are named where nothing else is."""

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


class Line(NamedTuple):
    """One line of a summary.

    Attributes:
        label: What it is on, in a word or a sign: `verdict`, `cause`, `fix`, `signal`, a finding's severity (`note` for
            info), `!` before a number that theory does not expect; empty where it goes on from the line before.
        text: What it says; full theory says more than one line.
        severity: The verdict's or the finding's, `unexpected` of a number that theory does not expect; None of a line
            that only informs.
    """

    label: str
    text: str
    severity: Outlook | Severity | Literal["unexpected"] | None = None


def heading(report: Report) -> tuple[str, ...]:
    """Return the stack in full, so that it can be run again: its name, its setting, and its loss on labels."""
    lines = [f"{report.stack.act.name}, {initializer(report.stack)}", setting(report)]
    if report.loss is not None and report.loss.classes:
        mean = " (mean)" if report.repeats else ""
        over = f" over {report.loss.classes} classes" if report.loss.classes > 1 else ""
        lines.append(f"loss {report.loss.name}{over}: {brief(report.loss.value)}{mean}")
    return tuple(lines)


def summary(report: Report, theory: Detail = "line") -> tuple[Line, ...]:
    """Return what a report comes to: the verdict, its cause, what to change, the numbers, theory, and all findings.

    Args:
        report: The report.
        theory: How much to say of theory.
    """
    return tuple(_lines(report, theory))


def _lines(report: Report, theory: Detail) -> Iterator[Line]:
    verdict = report.verdict
    yield Line("verdict", outlook(verdict), verdict.severity)
    if verdict.severity in ("at-risk", "untrainable"):
        yield Line("cause", cause(verdict))
    yield from (Line("fix", finding.advice) for finding in verdict.findings if finding.advice)
    learning_rates = rates(verdict)
    if learning_rates is not None:
        yield Line(optimizer_name(verdict.optimizer), learning_rates)
    yield from _ends(report)
    if report.repeats is not None:
        yield Line("runs", _runs(report.repeats))
    if report.theory is not None and theory != "none":
        said = theory_lines(report.theory) if theory == "full" else [theory_line(report.theory)]
        yield Line("theory", "\n".join(said))
        found = flags(report)
        yield from (Line("!", line, UNEXPECTED) for line in found[:_MOST_FLAGS])
        if len(found) > _MOST_FLAGS:
            yield Line("", f"and {len(found) - _MOST_FLAGS} more")
    for finding in verdict.findings:
        label = "note" if finding.severity == "info" else finding.severity
        yield Line(label, f"{finding.rule}: {finding.summary}", finding.severity)


def cause(verdict: Verdict) -> str:
    """Return why a network is at risk or untrainable, in one line: what decided it, the two strongest causes."""
    deciding = sorted((one for one in verdict.findings if one.rule in verdict.decided_by), key=_strength(verdict))
    if not deciding:
        return "most of the runs are untrainable"
    first = deciding[0]
    for kind, verbs in _OF_SCALE.items():
        pair = {one.rule: one for one in verdict.findings if one.rule.startswith(kind) and not one.explained}
        if len(pair) == len(_ENDS) and first.rule in pair:
            factors = [pair[f"{kind}_{end}"].cause.partition(f" {verbs[0]}, ")[2] for end in _ENDS]
            return _of_both(verbs, factors)
    said = list(dict.fromkeys(one.cause or one.summary for one in deciding[:_MOST_CAUSES]))
    return "; ".join(said)


def _strength(verdict: Verdict) -> Callable[[Finding], tuple[bool, int]]:
    return lambda finding: (finding.rule in _CONSEQUENCES, verdict.decided_by.index(finding.rule))


def _of_both(verbs: tuple[str, str], factors: list[str]) -> str:
    """Return that signal and gradient vanish or explode, each by its factor, said once where they are the same."""
    if factors[0] == factors[1]:
        return ", ".join(filter(None, (f"signal and gradient {verbs[1]}", factors[0])))
    of_signal, of_gradient = (f" ({one})" if one else "" for one in factors)
    return f"the signal {verbs[0]}{of_signal} and so does the gradient{of_gradient}"


def _runs(repeats: Repeats) -> str:
    """Return how many runs ended with each verdict, and which died."""
    said = [f"{count} {severity}" for severity, count in repeats.verdicts]
    if repeats.died_seeds:
        seeds = ", ".join(map(str, repeats.died_seeds[:_MOST_SEEDS]))
        more = ", ..." if len(repeats.died_seeds) > _MOST_SEEDS else ""
        said.append(f"{len(repeats.died_seeds)} died (seeds {seeds}{more})")
    return ", ".join(said)


def _ends(report: Report) -> Iterator[Line]:
    """Yield how far the signal went, and the gradient where there is one: its rms at both ends, the change per layer.

    A stack of one layer has one end.
    """
    first, last, change = report.layers[0], report.layers[-1], report.change_per_layer
    yield _change("signal", "rms a", (first.layer, first.rms), (last.layer, last.rms), change.forward)
    if first.gradient and last.gradient:
        start, end = (last.layer, last.gradient.rms), (first.layer, first.gradient.rms)
        yield _change("gradient", "rms dL/dz", start, end, change.backward)


def _change(
    label: str, of: str, start: tuple[int, float | None], end: tuple[int, float | None], per_layer: float | None
) -> Line:
    ends = ", ".join(f"{brief(rms)} at layer {layer}" for layer, rms in dict.fromkeys((start, end)))
    text = f"{of} {ends}"
    return Line(label, text if per_layer is None else f"{text}, {factor(per_layer)} per layer")


def theory_line(said: StackTheory) -> str:
    """Return what theory says of a stack in a line that needs no symbols: what the signal and the gradient do."""
    if not said.applies:
        return f"none applies: {said.note}"
    signal, _, _ = said.note.partition(";")
    if said.phase is None or said.chi1 is None:
        return signal
    per_layer = f", {factor(sqrt(said.chi1))} per layer"
    gradient = {
        "ordered": f"the gradient vanishes{per_layer}",
        "critical": "the gradient keeps its scale",
        "chaotic": f"the gradient explodes{per_layer}",
    }[said.phase]
    return f"{'; '.join(filter(None, (signal, gradient)))} ({said.phase})"


def theory_lines(said: StackTheory) -> list[str]:
    """Return all that theory says of a stack: its phase and fixed point, how far it reaches, the note."""
    if not said.applies:
        return [f"none applies: {said.note}"]
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


def flags(report: Report) -> list[str]:
    """Return a line on each number that is not what theory expects: `layer 7 std 0.31, expected 0.52 ± 0.02 ...`."""
    lines = []
    for stats, said in zip(report.layers, report.layer_theory, strict=False):
        for name in said.flagged:
            what = f"layer {stats.layer} {_NAMES.get(name, name)}"
            number, expected = value_at(stats, name), value_at(said.expected, name)
            if expected is None:
                runs = f" in {report.repeats.enough} or more of the runs" if report.repeats else ""
                lines.append(f"{what} {brief(number)}, over 4 sd off{runs}")
                continue
            came, wanted = _in_digits_that_count(number, expected, name.endswith("_fraction"))
            lines.append(f"{what} {came}, expected {wanted} from {_origin(report, stats.layer, name)}")
    return lines


def _in_digits_that_count(number: float | None, expected: Estimate, is_share: bool) -> tuple[str, str]:
    """Return a number and what was expected of it, in as many digits as the expectation's spread leaves."""
    scale, unit = (100, "%") if is_share else (1, "")
    sd = expected.sd
    digits = 3
    if sd and expected.value:
        digits = min(max(floor(log10(abs(expected.value))) - floor(log10(sd)) + 2, 3), 9)
    came = MISSING if number is None else f"{scale * number:.{digits}g}{unit}"
    spread = "" if sd is None else f" ± {rough(scale * sd)}{unit}"
    return came, f"{scale * expected.value:.{digits}g}{unit}{spread}"


def _origin(report: Report, layer: int, name: str) -> str:
    """Return what a number was expected from: the layer before, of gradients the one after."""
    if name.startswith("gradient"):
        return f"layer {layer + 1}" if layer < len(report.layers) else "the loss"
    return f"layer {layer - 1}" if layer > 1 else "the input"
