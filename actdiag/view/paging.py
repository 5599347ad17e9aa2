"""How stacks and runs that do not fit one page of a picture are divided into pages."""

from collections.abc import Sequence
from math import ceil
from typing import TypeVar

T = TypeVar("T")

ROWS_A_PAGE, ROWS_OF_A_TITLE = 15.5, 0.75
"""The height of a page without its heading, and of what stands over and under a block, in rows of a block.

With the longest heading a page of PNG is then no more than 3000 pixels high.
"""

RUNS_A_PAGE = 40


def block_pages(blocks: Sequence[Sequence[T]]) -> list[list[Sequence[T]]]:
    """Return the pages of a picture, each the blocks on it; a block goes on on a further page only if it fits none."""
    most = int(ROWS_A_PAGE - ROWS_OF_A_TITLE)
    pages: list[list[Sequence[T]]] = []
    room = 0.0
    for part in (block[start : start + most] for block in blocks for start in range(0, len(block), most)):
        height = len(part) + ROWS_OF_A_TITLE
        if height > room:
            pages.append([])
            room = ROWS_A_PAGE
        pages[-1].append(part)
        room -= height
    return pages


def run_pages(runs: Sequence[T]) -> list[Sequence[T]]:
    """Return the training runs of each page, about as many on each."""
    pages = ceil(len(runs) / RUNS_A_PAGE)
    size = ceil(len(runs) / pages)
    return [runs[start : start + size] for start in range(0, len(runs), size)]
