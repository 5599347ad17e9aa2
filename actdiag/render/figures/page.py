"""A page: a figure on which everything has a place in inches from the upper left corner, with no layout engine."""

from bisect import bisect_right
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from actdiag.render.figures.settings import own_settings

DPI = 150
MARGIN = 0.12
HEADING_SIZE = 10
_MOST_HEADING_LINES = 6
_POINTS_AN_INCH = 72
_LINE_SPACING = 1.3
_PARTING = ":,/"
_HINTING = 1.03  # letters drawn on pixels are wider than their outlines by up to so much


class Page(Figure):
    """A figure of a size in inches, drawn by the settings of pictures wherever and whenever it is drawn."""

    def __init__(self, width: float, height: float) -> None:
        """Make an empty page."""
        super().__init__(figsize=(width, height), dpi=DPI)

    @own_settings()
    def draw(self, renderer: RendererBase) -> None:
        """Draw the page; ticks are made only now, so the settings matter once more."""
        super().draw(renderer)

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return a new panel; its labels lie outside the given rectangle."""
        across, down = self.get_size_inches()
        return self.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))

    def write(self, left: float, top: float, text: str, size: float, **style: Any) -> Text:
        """Write text at a place; dollar signs in it are dollar signs."""
        across, down = self.get_size_inches()
        return self.text(left / across, 1 - top / down, text, fontsize=size, parse_math=False, **style)

    def head(self, lines: list[str]) -> None:
        """Write the lines of the heading, which `heading_lines` returns, in the middle of the top."""
        _, down = self.get_size_inches()
        self.suptitle("\n".join(lines), y=1 - MARGIN / down, va="top", fontsize=HEADING_SIZE, parse_math=False)


def heading_lines(text: str, width: float) -> list[str]:
    """Return the lines of a heading on a page of that width."""
    return fold(text, width - 2 * MARGIN, HEADING_SIZE, _MOST_HEADING_LINES)


def heading_height(lines: list[str]) -> float:
    """Return the inches that a heading takes from the top of its page, the space under it included."""
    return 2 * MARGIN + text_height(len(lines), HEADING_SIZE)


def text_height(lines: int, size: float) -> float:
    """Return the inches that lines of text take."""
    return lines * size * _LINE_SPACING / _POINTS_AN_INCH


@lru_cache(maxsize=10_000)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the inches that a line of text takes."""
    font = FontProperties(size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) * _HINTING / _POINTS_AN_INCH


def fold(text: str, width: float, size: float, most: int | None = None, weight: str = "normal") -> list[str]:
    """Return text as lines that fit a width, divided at spaces, and inside words that are longer than a line.

    Args:
        text: The text; what stands on a line of its own stays there.
        width: The width in inches.
        size: The size of the letters in points.
        most: How many lines to keep; the last of them ends in an ellipsis where more are left out.
        weight: The weight of the letters.
    """
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if text_width(longer, size, weight) <= width:
                line = longer
                continue
            lines += [line] if line else []
            while text_width(word, size, weight) > width:
                fits = _fitting(word, width, size, weight)
                lines.append(word[:fits])
                word = word[fits:]
            line = word
        lines.append(line)
    if most is not None and len(lines) > most:
        last = lines[most - 1]
        while last and text_width(f"{last}…", size, weight) > width:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last}…"]
    return lines


def _fitting(word: str, width: float, size: float, weight: str) -> int:
    """Return how many letters of a word fit a width, at least one; up to a colon, a comma or a slash where there is."""
    fits = max(
        1, bisect_right(range(1, len(word)), width, key=lambda letters: text_width(word[:letters], size, weight))
    )
    return 1 + max(word.rfind(mark, 0, fits) for mark in _PARTING) or fits
