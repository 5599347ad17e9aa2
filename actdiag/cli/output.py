"""Answers of commands: files, and a table on standard output unless a file takes its place."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from actdiag.cli import screen
from actdiag.cli.files import Outputs, csv_text
from actdiag.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from actdiag.experiments.train import TrainingRun
    from actdiag.model.stack import Stack
    from actdiag.view.summary import Detail


class Extra(NamedTuple):
    """What an option adds to the answer of one report.

    Attributes:
        key: The key in the JSON.
        document: The value there.
        view: Takes the columns of the terminal and whether to use ASCII only; returns what is shown below the report.
    """

    key: str
    document: Any
    view: "Callable[[int, bool], RenderableType]"


class Shown(NamedTuple):
    """What of a report stands on standard output.

    Attributes:
        layers: The layers in the table; None for up to 20, evenly spaced.
        theory: How much is said of theory.
        summary: Whether the verdict stands there alone.
    """

    layers: Sequence[int] | None
    theory: "Detail"
    summary: bool


def answer(report: Report, outputs: Outputs, shown: Shown, extras: Sequence[Extra] = ()) -> None:
    """Give one report's answer: its files, and its table unless a file's content takes standard output."""

    def document() -> str:
        from actdiag.documents.plain import as_json

        return as_json(report.to_dict() | {extra.key: extra.document for extra in extras})

    def show() -> None:
        from actdiag.render.terminal.summary import report_view, verdict_view

        def view(width: int, plain: bool) -> "RenderableType":
            if shown.summary:
                return verdict_view(report, plain, shown.theory)
            return report_view(report, width=width, ascii_only=plain, layers=shown.layers, theory=shown.theory)

        screen.show(view)
        for extra in extras:
            screen.show(extra.view)

    outputs.write(lambda: [report.figure()], document, lambda: csv_text(report.rows()), show)


def answer_all(reports: Sequence[Report], outputs: Outputs) -> None:
    """Give the answer of several reports: their files, and their matrix unless standard output is taken."""

    def figures() -> "Iterable[Figure]":
        from actdiag.render.figures import comparison_figures

        return comparison_figures(reports)

    def rows() -> str:
        names = [{"act": report.stack.act.name, "init": report.stack.init.name} for report in reports]
        return csv_text([name | row for name, report in zip(names, reports, strict=True) for row in report.rows()])

    def document() -> str:
        from actdiag.documents.plain import as_json
        from actdiag.documents.reports import reports_to_dict

        return as_json(reports_to_dict(reports))

    def show() -> None:
        from actdiag.render.terminal.comparison import comparison_view

        screen.show(lambda width, plain: comparison_view(reports, width=width, ascii_only=plain))

    outputs.write(figures, document, rows, show)


def answer_training(
    runs: "Sequence[TrainingRun]", outputs: Outputs, extras: "Sequence[tuple[Stack, Extra]]" = ()
) -> None:
    """Give the answer of training runs: their files, and their table unless standard output is taken.

    Args:
        runs: The runs.
        outputs: Where the answer goes.
        extras: What an option adds to each run, in their order.
    """
    from actdiag.documents.plain import as_json
    from actdiag.documents.rows import training_rows
    from actdiag.documents.training import training_to_dict

    def figures() -> "Iterable[Figure]":
        from actdiag.render.figures import training_figures

        return training_figures(runs)

    def show() -> None:
        from actdiag.render.terminal.training import training_view

        screen.show(lambda width, plain: training_view(runs, width=width, ascii_only=plain))
        for stack, extra in extras:
            screen.write(f"\n{stack.act.name}, {stack.init.name}\n")
            screen.show(extra.view)

    def document() -> str:
        found = training_to_dict(runs)
        for run, (_, extra) in zip(found["runs"], extras, strict=False):
            run[extra.key] = extra.document
        return as_json(found)

    outputs.write(figures, document, lambda: csv_text(training_rows(runs)), show)
