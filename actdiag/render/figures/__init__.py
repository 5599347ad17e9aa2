"""Pictures: matplotlib Figures of reports, comparisons, activations and training runs. No backend, no global state."""

from matplotlib.figure import Figure

from actdiag.render.figures.comparison import comparison_figures
from actdiag.render.figures.curves import activation_figure, gradient_figure
from actdiag.render.figures.histograms import signal_figure
from actdiag.render.figures.training import training_figures
from actdiag.render.figures.writing import page_mark, picture_files
from actdiag.report import Report

__all__ = [
    "activation_figure",
    "comparison_figures",
    "gradient_figure",
    "page_mark",
    "picture_files",
    "report_figure",
    "signal_figure",
    "training_figures",
]


def report_figure(report: Report) -> Figure:
    """Return the picture of one report: histograms of a signal, or curves over depth where there is a gradient."""
    return signal_figure(report) if report.loss is None else gradient_figure(report)
