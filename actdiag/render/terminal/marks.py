"""What every view shares: lines, bars, colours with their words."""

from collections.abc import Sequence
from itertools import pairwise

from rich import box
from rich.table import Table

from actdiag.diagnosis import Finding

STYLES = {"healthy": "green", "at-risk": "yellow", "untrainable": "red bold"}
SEVERITY_STYLES = {"info": "cyan", "warning": "yellow", "error": "red"}

_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = ".:-=+*#@"
_PLAIN_HEAD = box.Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def table(ascii_only: bool) -> Table:
    """Return an empty table in the house style: a rule under the head, nothing else."""
    style = _PLAIN_HEAD if ascii_only else box.SIMPLE_HEAD
    return Table(box=style, padding=0, pad_edge=False, show_edge=False, header_style="bold", safe_box=False)


def sparkline(counts: Sequence[int], cells: int, ascii_only: bool) -> str:
    """Return a histogram as at most `cells` characters, neighbouring bins joined evenly where there are more.

    Height is the share of the fullest bin; a bin that holds anything is never blank.
    """
    joined = join(counts, cells)
    fullest = max(joined, default=0)
    bars = _ASCII_BARS if ascii_only else _BARS
    return "".join(" " if not count else bars[min(len(bars) * count // fullest, len(bars) - 1)] for count in joined)


def join(counts: Sequence[int], cells: int) -> list[int]:
    """Return at most `cells` sums over neighbouring counts, as even in size as whole counts allow."""
    cells = max(min(cells, len(counts)), 1)
    cuts = [round(cell * len(counts) / cells) for cell in range(cells + 1)]
    return [sum(counts[start:stop]) for start, stop in pairwise(cuts)]


def word(finding: Finding) -> str:
    """Return the one word that marks a layer in a table: `vanishing`, `saturated`."""
    return _WORDS.get(finding.rule, finding.rule.split("_")[0])


_WORDS = {
    "saturation": "saturated",
    "dead_units": "dead",
    "aligned_inputs": "aligned",
    "collapsed_inputs": "collapsed",
}
