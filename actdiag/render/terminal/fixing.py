"""The view of a fix: the change, what a run found before and after it, and the command that runs it."""

from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from actdiag.experiments.fix import Fix
from actdiag.numerals import brief, cosine, factor, number, whole_percent
from actdiag.render.terminal.marks import STYLES, table
from actdiag.report import Report
from actdiag.view.code import code_of


def fix_view(
    before: Report, fix: Fix | None, command: Sequence[str], *, width: int, ascii_only: bool = False
) -> RenderableType:
    """Return the change that made a stack healthy, or that there is none.

    Args:
        before: What a run found of the stack.
        fix: The change, with what a run found after it; None where no change helped.
        command: The words of the command line that runs the stack with the change, quoted for a shell.
        width: Columns of the terminal.
        ascii_only: Whether to do without characters beyond ASCII.
    """
    if before.verdict.severity == "healthy":
        return Text.assemble(("fix: none needed", "bold"))
    if fix is None:
        tried = "gain, biases, initializer and activation were tried in turn: no single change makes this stack healthy"
        return Group(Text.assemble(("fix: none", "bold"), "\n  ", tried, "\n  use fewer layers, or wider ones"))
    options = {name.replace("_", "-"): value for name, value in fix.change.options.items() if value is not None}
    changed = ", ".join(f"--{name} {_value(value)}" for name, value in options.items())
    changes = f"{fix.tried} change{'s' if fix.tried > 1 else ''} tried"
    heading = Text.assemble((f"fix: {fix.change.what}", "bold"), f" ({changed}; {changes})")
    view = table(ascii_only)
    for head in ("", "before", "after"):
        view.add_column(head, no_wrap=True, justify="right" if head else "left")
    for name, *cells in _rows(before, fix.report):
        view.add_row(name, *cells)
    parts: list[RenderableType] = [heading, view, Text(_wrapped(command, width), no_wrap=True, overflow="ignore")]
    for framework, lines in code_of(fix.change.stack).items():
        parts += [Text(), Text(framework, "dim"), *(Text(f"    {line}") for line in lines)]
    return Group(*parts)


def _rows(before: Report, after: Report) -> list[tuple[str, Text, Text]]:
    """Return what is compared, each number of the run before and of the run after."""

    def pair(name: str, of: Callable[[Report], str]) -> tuple[str, Text, Text]:
        return name, Text(of(before)), Text(of(after))

    def severity(report: Report) -> Text:
        return Text(report.verdict.severity, STYLES[report.verdict.severity])

    rows = [
        ("verdict", severity(before), severity(after)),
        pair("probability that it trains", lambda report: whole_percent(report.verdict.probability)),
        pair("learning rate to try", lambda report: brief(report.verdict.learning_rate)),
        pair("rms a, last layer", lambda report: number(report.layers[-1].rms)),
        pair("rms a, change per layer", lambda report: factor(report.change_per_layer.forward)),
    ]
    if before.loss is not None:
        rows.append(pair("rms dL/dz, change per layer", lambda report: factor(report.change_per_layer.backward)))
    return [*rows, pair("cosine, last layer", lambda report: cosine(report.layers[-1].cosine))]


def _wrapped(command: Sequence[str], width: int) -> str:
    """Return a command line in lines that a shell reads as one."""
    lines = ["  " + command[0]]
    for word in command[1:]:
        if len(lines[-1]) + len(word) + 3 > width:
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += " " + word
    return "\n".join(lines)


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
