"""Pictures: matplotlib Figures of reports, comparisons, activations and training runs. No backend, no global state."""

from matplotlib.figure import Figure

from actdiag.render.figures.curves import activation_figure, gradient_figure
from actdiag.render.figures.histograms import comparison_figure, signal_figure
from actdiag.render.figures.training import training_figure
from actdiag.report import Report

__all__ = [
    "activation_figure",
    "comparison_figure",
    "gradient_figure",
    "report_figure",
    "signal_figure",
    "training_figure",
]


def report_figure(report: Report) -> Figure:
    """Return the picture of one report: histograms of a signal, or curves over depth where there is a gradient."""
    return signal_figure(report) if report.loss is None else gradient_figure(report)
