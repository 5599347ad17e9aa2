"""The view of several reports: a matrix of initializers by activations, one cell per stack."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from actdiag.diagnosis.words import trains_it
from actdiag.numerals import brief, factor, number, whole_percent
from actdiag.render.terminal.marks import FLAG_STYLE, STYLES, table
from actdiag.report import Report
from actdiag.view import words

_CELL_WIDTH = 19


def comparison_view(reports: Sequence[Report], *, width: int, ascii_only: bool = False) -> RenderableType:
    """Return the reports of every activation with every initializer, as many activations a table as `width` holds."""
    acts = list(dict.fromkeys(report.stack.act.name for report in reports))
    inits = list(dict.fromkeys(report.stack.init.name for report in reports))
    cells = {(report.stack.act.name, report.stack.init.name): report for report in reports}
    bias = words.common_biases([report.stack for report in reports], mark=" (b)")
    name_width = max(len(name) for name in inits)
    fitting = max((width - name_width - 1) // (_CELL_WIDTH + 1), 1)
    parts: list[RenderableType] = [Text(words.setting(reports[0], bias)), Text()]
    for start in range(0, len(acts), fitting):
        view = table(ascii_only)
        view.add_column("", no_wrap=True)
        for act in acts[start : start + fitting]:
            view.add_column(act, min_width=_CELL_WIDTH)
        for init in inits:
            view.add_row(Text(init, "bold"), *(_cell(cells[act, init]) for act in acts[start : start + fitting]))
            view.add_row()
        parts.append(view)
    verdict = reports[0].verdict
    legend = (
        "rms: of the last layer's activations; forward, backward: change per layer of rms(a) and rms(dL/dz); then the "
        f"verdict, with the probability {trains_it(verdict.optimizer, verdict.iterations)}"
    )
    under = [legend, words.unknown([report.verdict for report in reports])]
    return Group(*parts, *(Text(line, "dim") for line in under if line))


def _cell(report: Report) -> Text:
    verdict, change, stack = report.verdict, report.change_per_layer, report.stack
    gain = ""
    if stack.target_gain is not None:
        gain = f"gain {brief(stack.target_gain)}, b {brief(stack.bias_spread(1)[1])}\n"
    text = Text(f"{gain}rms {number(report.layers[-1].rms)}\n")
    text.append(f"forward {factor(change.forward)}\nbackward {factor(change.backward)}\n")
    text.append(verdict.severity, STYLES[verdict.severity]).append(f" {whole_percent(verdict.probability)}")
    if report.repeats is not None:
        text.append(f"\nso {dict(report.repeats.verdicts).get(verdict.severity, 0)} of {report.repeats.n} runs")
    if report.theory is not None and report.theory.disagrees:
        text.append("\n! theory disagrees", FLAG_STYLE)
    text.append("".join(f"\n{finding.rule}" for finding in verdict.findings[:1] if finding.counts))
    return text
