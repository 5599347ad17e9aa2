"""Histograms of many stacks: small panels in rows, a block for each activation, on as many pages as they need."""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from actdiag.numerals import brief
from actdiag.render.figures.bars import draw_bars, outside
from actdiag.render.figures.page import MARGIN, Page, fold, heading_height, heading_lines, text_height, text_width
from actdiag.render.figures.parts import VERDICT_COLOURS
from actdiag.render.figures.settings import own_settings
from actdiag.report import Report
from actdiag.view import words
from actdiag.view.paging import ROWS_OF_A_TITLE, block_pages
from actdiag.view.selection import evenly_chosen

_COLUMNS = 5
_LEAST_WIDTH = 8.0

_CELL = (1.85, 1.18)
_GAP, _UNDER = 0.24, 0.26
"""What is free on the left of a panel, and what the labels of its ticks take under it."""

_NAMES = (0.8, 2.3)
"""The least and the greatest width of the names of the initializers, on the left."""

_TITLE, _LAYERS = 0.26, 0.22
"""The heights of a block's title and of the layers' numbers under it."""

_NAME_SIZE, _NOTE_SIZE, _MOST_NAME_LINES = 8, 7, 5


def comparison_figures(reports: Sequence[Report]) -> Iterator[Figure]:
    """Yield the pages of a grid of small histograms: a block an activation, its rows initializers, its columns layers.

    A page is made when it is asked for. `block_pages` says what is on each.
    """
    acts = list(dict.fromkeys(report.stack.act.name for report in reports))
    pages = block_pages([[report for report in reports if report.stack.act.name == act] for act in acts])
    key = "\nbars: measured, line: predicted" if any(report.layer_theory for report in reports) else ""
    heading = words.setting(reports[0], words.common_biases([report.stack for report in reports])) + key
    longest = max(text_width(report.stack.init.name, _NAME_SIZE) for report in reports)
    names = min(max(longest, _NAMES[0]), _NAMES[1])
    for number, blocks in enumerate(pages, start=1):
        yield _page(heading + (f"\npage {number} of {len(pages)}" if len(pages) > 1 else ""), blocks, names)


@own_settings()
def _page(heading: str, blocks: Sequence[Sequence[Report]], names: float) -> Figure:
    """Return a page under a heading, with names of the initializers that are so wide."""
    shown = evenly_chosen(len(blocks[0][0].layers), _COLUMNS)
    width = max(_CELL[0] * len(shown) + names + 2 * MARGIN, _LEAST_WIDTH)
    lines = heading_lines(heading, width)
    top = heading_height(lines)
    heights = [_CELL[1] * (len(block) + ROWS_OF_A_TITLE) for block in blocks]
    page = Page(width, top + sum(heights))
    page.head(lines)
    for block, height in zip(blocks, heights, strict=True):
        _block(page, top, block, shown, names)
        top += height
    return page


def _block(page: Page, top: float, reports: Sequence[Report], shown: Sequence[int], names: float) -> None:
    """Draw the rows of one activation from a height of the page down."""
    width, _ = page.get_size_inches()
    left = MARGIN + names
    cell = (width - left - MARGIN) / len(shown)
    for line in fold(reports[0].stack.act.name, width - 2 * MARGIN, 11, 1, "bold"):
        page.write(width / 2, top, line, 11, fontweight="bold", ha="center", va="top")
    top += _TITLE + _LAYERS
    for row, report in enumerate(reports):
        # A row has its own axis: what one initializer spreads over units another keeps within thousandths.
        over, height = top + row * _CELL[1], _CELL[1] - _UNDER
        for column, number in enumerate(shown):
            axes = page.panel(left + column * cell + _GAP, over, cell - _GAP, height)
            stats = report.layers[number - 1]
            draw_bars(axes, report, number, [f"std {brief(stats.std)}", *outside(stats.histogram)], _NOTE_SIZE)
            axes.set_yticks([])
            if row == 0:
                axes.set_title(f"layer {number}", fontsize=8, pad=4)
            if row == len(reports) - 1:
                axes.set_xlabel("a", fontsize=8, labelpad=1)
        _name(page, left, over + height / 2, report, names)


def _name(page: Page, right: float, middle: float, report: Report, width: float) -> None:
    """Write the initializer and the verdict on the left of a row."""
    severity = report.verdict.severity
    lines = fold(report.stack.init.name, width, _NAME_SIZE, _MOST_NAME_LINES)
    top = middle - text_height(len(lines) + 1, _NAME_SIZE) / 2
    name = "\n".join([*lines, severity])
    page.write(right, top, name, _NAME_SIZE, color=VERDICT_COLOURS[severity], ha="right", va="top")
