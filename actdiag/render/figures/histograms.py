"""Histograms of the activations of one stack, side by side."""

from math import ceil

from matplotlib.figure import Figure

from actdiag.numerals import brief, percent, rough
from actdiag.render.figures.bars import draw_bars, outside
from actdiag.render.figures.page import MARGIN, Page, heading_height, heading_lines
from actdiag.render.figures.parts import title
from actdiag.render.figures.settings import own_settings
from actdiag.report import Report
from actdiag.view import words
from actdiag.view.selection import evenly_chosen

_PANELS_A_ROW, _MOST_PANELS = 5, 10

_CELL = (2.35, 2.15)
"""The width and height of a panel with its title and the labels of its ticks."""

_LEFT, _OVER, _UNDER = 0.55, 0.28, 0.3
"""What the labels of the ticks take of a cell on the left and under the panel, and the title over it."""

_LEAST_WIDTH = 7.0
_SIDE = 0.32
"""What the label of the vertical axes takes on the left of the page, and that of the horizontal ones under it."""


@own_settings()
def signal_figure(report: Report) -> Figure:
    """Return the histograms of the activations side by side, with mean and std in each; at most ten layers."""
    shown = evenly_chosen(len(report.layers), _MOST_PANELS)
    columns = min(len(shown), _PANELS_A_ROW)
    rows = ceil(len(shown) / columns)
    width = max(_CELL[0] * columns, _LEAST_WIDTH - _SIDE) + _SIDE + MARGIN
    cell = (width - _SIDE - MARGIN) / columns
    heading = heading_lines(title(report), width)
    top = heading_height(heading)
    page = Page(width, top + rows * _CELL[1] + _SIDE + MARGIN)
    page.head(heading)
    predicted = False
    for place, number in enumerate(shown):
        row, column = divmod(place, columns)
        axes = page.panel(
            _SIDE + column * cell + _LEFT, top + row * _CELL[1] + _OVER, cell - _LEFT, _CELL[1] - _OVER - _UNDER
        )
        axes.set_title(f"layer {number}", fontsize=10)
        predicted = draw_bars(axes, report, number, _notes(report, number), 8) or predicted
    drawn = "; bars: measured, line: predicted" if predicted else ""
    left_out = "exact zeros left out" if predicted else "exact zeros left out of the bars"
    _, height = page.get_size_inches()
    page.supxlabel(f"activation a ({left_out}){drawn}", y=MARGIN / height, va="bottom", fontsize=10)
    middle = MARGIN + _SIDE + rows * _CELL[1] / 2
    page.supylabel("share of all entries (%)", x=MARGIN / width, y=middle / height, va="center", fontsize=10)
    return page


def _notes(report: Report, number: int) -> list[str]:
    """Return what is written into the panel of a layer."""
    stats = report.layers[number - 1]
    notes = [_noted(report, number, name) for name in ("mean", "std")] if stats.rms is not None else []
    notes += [f"zero {percent(stats.zero_fraction)}"] if stats.zero_fraction else []
    return notes + outside(stats.histogram)


def _noted(report: Report, number: int, name: str) -> str:
    """Return a statistic of a layer, with its spread over the runs where there are several."""
    spread = "" if report.repeats is None else words.value_at(report.repeats.sd[number - 1], name)
    value = brief(words.value_at(report.layers[number - 1], name))
    return f"{name} {value}" + (f" ± {rough(spread)}" if isinstance(spread, float) else "")
