"""The Report: the measurements of a run and the verdict on them, as typed fields, as a dict, as JSON and as rows."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple

from actdiag.diagnosis.findings import Finding, Outlook, Verdict
from actdiag.measure.statistics import ChangePerLayer, LayerStats, LossValue
from actdiag.measurements import Measurements, Runs
from actdiag.model.stack import Stack
from actdiag.theory.types import LayerTheory, StackTheory

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console, ConsoleOptions, RenderResult

_BY_CHANCE = 0.05


class Repeats(NamedTuple):
    """The spread of several runs that differ in their seed alone.

    Attributes:
        n: Number of runs.
        seeds: Their seeds.
        sd: Standard deviation over the runs of every measured number (ddof 1; None where under two runs have one); the
            histograms in it are empty.
        verdicts: Number of runs with each severity, most frequent first.
        died_seeds: The seeds of the runs in which the signal was lost.
        probability: The mean over the runs of the verdict's probability; None where that is not known.
    """

    n: int
    seeds: tuple[int, ...]
    sd: tuple[LayerStats, ...]
    verdicts: tuple[tuple[Outlook, int], ...]
    died_seeds: tuple[int, ...] = ()
    probability: float | None = None

    @property
    def ends(self) -> Runs:
        """How the runs ended."""
        return Runs(self.n, len(self.died_seeds), dict(self.verdicts).get("untrainable", 0), self.probability)

    @property
    def enough(self) -> int:
        """How many of the runs must disagree with theory before all are said to."""
        return runs_that_count(self.n)


def runs_that_count(runs: int) -> int:
    """Return how many of `runs` must disagree with theory before all are said to: two, and more than 5 %."""
    return max(1, floor(_BY_CHANCE * runs)) + 1


@dataclass(frozen=True, slots=True)
class Report:
    """What one run measured, or the means of several, with the verdict on it.

    Attributes:
        command: `propagate`, `grad-flow` or `compare`.
        measurements: What was measured.
        verdict: The outlook for training, with its findings.
        repeats: The spread over several seeds, where `layers` holds their means; None for a single run.
    """

    command: str
    measurements: Measurements
    verdict: Verdict
    repeats: Repeats | None = None

    @property
    def stack(self) -> Stack:
        """What was run."""
        assert self.measurements.recipe is not None  # every command runs a stack
        return self.measurements.recipe

    @property
    def layers(self) -> tuple[LayerStats, ...]:
        """The statistics of each layer, layer 1 first."""
        return self.measurements.layers

    @property
    def change_per_layer(self) -> ChangePerLayer:
        """The factor from layer to layer."""
        return self.measurements.change

    @property
    def loss(self) -> LossValue | None:
        """What the backward pass started from; None without one."""
        return self.measurements.loss

    @property
    def theory(self) -> StackTheory | None:
        """What theory predicts of the stack; None where it was not asked."""
        return self.measurements.theory

    @property
    def layer_theory(self) -> tuple[LayerTheory, ...]:
        """What theory predicts of each layer; empty where it was not asked or does not apply."""
        return self.measurements.layer_theory

    @property
    def input_cosine(self) -> float | None:
        """The mean cosine between different inputs; None where there is none."""
        return self.measurements.input.cosine

    @property
    def input_rms(self) -> float | None:
        """The rms of the inputs' entries; None where it is not known."""
        return self.measurements.input.rms

    @property
    def input_evenness(self) -> float | None:
        """How evenly the features of given inputs share the sum of squares, 0 to 1; None where that has no meaning."""
        return self.measurements.input.evenness

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The verdict's findings, most severe first."""
        return self.verdict.findings

    @classmethod
    def from_dict(cls, document: Any) -> "Report":
        """Return the report that `to_dict` made a document of.

        No code of the document's is run: an activation or an initializer that neither the catalogue nor the expressions
        hold becomes a name that cannot run, and of data there is the digest.

        Raises:
            InvalidField: It is no such document, or in a layout that this version does not know.
        """
        report: Report = below("from_dict")(document)
        return report

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """Return the report that `to_json` made a text of, likewise."""
        return cls.from_dict(below("from_json")(text))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts, lists, numbers and None, with the keys of the JSON."""
        document: dict[str, Any] = below("to_dict")(self)
        return document

    def to_json(self) -> str:
        """Return the report as JSON text: always valid, and the same for the same run."""
        text: str = below("to_json")(self.to_dict())
        return text

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat dict for each layer, nested keys joined by `_`, without the histograms.

        With theory, `predicted_<name>` and `predicted_<name>_sd` follow, and `flagged` as names with spaces between;
        with repeats, `sd_<name>`.
        """
        rows: list[dict[str, Any]] = below("rows")(self)
        return rows

    def figure(self) -> "Figure":
        """Return the run as a matplotlib Figure."""
        figure: Figure = below("figure")(self)
        return figure

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Show the run as a table in a rich console."""
        yield below("display")(self, width=options.max_width, ascii_only=options.ascii_only)


BELOW = {
    "to_dict": "actdiag.documents.reports:report_to_dict",
    "from_dict": "actdiag.documents.reports:report_from_dict",
    "to_json": "actdiag.documents.plain:as_json",
    "from_json": "actdiag.documents.plain:from_json",
    "rows": "actdiag.documents.rows:report_rows",
    "figure": "actdiag.render.figures:report_figure",
    "display": "actdiag.render.terminal.summary:report_view",
    "training_to_dict": "actdiag.documents.training:training_to_dict",
    "training_rows": "actdiag.documents.rows:training_rows",
    "training_figures": "actdiag.render.figures:training_figures",
    "training_display": "actdiag.render.terminal.training:training_view",
}
"""What reports and training runs do by functions of modules below, which are imported when they are called."""


def below(name: str) -> Callable[..., Any]:
    """Return the function of a module below that has this name in `BELOW`."""
    module, _, function = BELOW[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
