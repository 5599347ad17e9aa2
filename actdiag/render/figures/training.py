"""Training runs: loss and accuracy against iteration, every run in one picture, its name where its curve ends."""

from collections.abc import Callable, Iterator, Sequence
from math import ceil, log10
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from actdiag import numerals
from actdiag.experiments.train import TrainingRun
from actdiag.render.figures.page import MARGIN, Page, heading_height, heading_lines, text_width
from actdiag.render.figures.parts import BLUE, GREEN, GREY, ORANGE, RED
from actdiag.render.figures.settings import own_settings
from actdiag.view import training as words_of
from actdiag.view.paging import run_pages

# The rest of Okabe & Ito's palette, but for its yellow, which is lost on white.
_COLOURS = (BLUE, RED, GREEN, "black", ORANGE, "#CC79A7", "#56B4E9")
_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_MARKS_A_CURVE = 8

_HEIGHTS, _LINE_OF_TEXT = (4.2, 2.6), 0.19
_PANEL, _LEFT, _BETWEEN, _UNDER = 6.2, 0.85, 0.2, 0.6
"""The width of a panel, and what is free on the left of it, between the two and under the lower one, in inches."""

_NAMES_FROM, _NAME_SIZE = 1.085, 9
"""Where the names of the runs begin, in widths of a panel, and their size in points."""

_MOST_POINTS = 2000
_SMOOTHED_SHARE = 0.025

_LOG_FROM, _LEAST_SHARE = 10.0, 1e-5
"""The axis is logarithmic where the highest smoothed loss is so many times the lowest; and the share of a guess where
it ends, for losses that reach zero."""

_LEAST_R2 = -0.5
"""Where the axis of R^2 ends: what is worse has no place in the picture."""

_MOST_GUESSES = 10.0
"""The axis ends at so many times the loss of a guess: what explodes leaves the picture at the top."""


class _Curve(NamedTuple):
    """A curve: iterations, values, the values smoothed, whether it broke off, its style, and what stands at its end."""

    x: Sequence[float]
    raw: Sequence[float]
    smooth: Sequence[float]
    broken: bool
    style: dict[str, Any]
    label: str


def training_figures(runs: Sequence[TrainingRun]) -> Iterator[Figure]:
    """Yield the pages of the loss and, under it, the accuracy of every run: raw values light, their mean strong.

    A page is made when it is asked for. `run_pages` says what is on each; all pages have the same axes, and a run's
    style is its own among all runs.
    """
    heading = "\n".join(filter(None, (*words_of.heading(runs), words_of.tried(runs))))
    losses, accuracies = _curves(runs)
    pages = run_pages(list(zip(losses, accuracies, strict=True)))
    for number, shown in enumerate(pages, start=1):
        told = heading + (f"\npage {number} of {len(pages)}" if len(pages) > 1 else "")
        yield _page(told, runs[0], losses, shown)


@own_settings()
def _page(
    heading: str, first: TrainingRun, all_losses: Sequence[_Curve], shown: Sequence[tuple[_Curve, _Curve]]
) -> Figure:
    """Return a page.

    Args:
        heading: What stands over it.
        first: A run, for what all have in common.
        all_losses: The losses of the runs of all pages, which set the axis.
        shown: The loss and the accuracy of each run of this page.
    """
    labels = max(text_width(curve.label, _NAME_SIZE) for curves in shown for curve in curves)
    width = _LEFT + _PANEL * _NAMES_FROM + labels + MARGIN
    lines = heading_lines(heading, width)
    top = heading_height(lines)
    heights = [max(height, _LINE_OF_TEXT * (len(shown) + 1)) for height in _HEIGHTS]
    page = Page(width, top + sum(heights) + _BETWEEN + _UNDER)
    page.head(lines)
    upper = page.panel(_LEFT, top, _PANEL, heights[0])
    lower = page.panel(_LEFT, top + heights[0] + _BETWEEN, _PANEL, heights[1])
    of = first.data
    height = _loss_axis(upper, all_losses, of.level)
    upper.set_ylabel(f"loss of the batch ({first.recipe.loss_name})")
    _draw(upper, [loss for loss, _ in shown], height, heights[0])
    _guess(upper, of.level, f"chance level: {numerals.number(of.level)}")
    low = _LEAST_R2 if words_of.is_regression(first) else 0.0
    lower.set_ylim(low, 1.02)
    lower.set_ylabel(f"{words_of.score(first)} of the batch")
    _draw(lower, [score for _, score in shown], lambda score: (score - low) / (1.02 - low), heights[1])
    if words_of.is_regression(first):
        _guess(lower, 0.0, "mean of the targets: 0", below=True)
    else:
        lower.yaxis.set_major_formatter(PercentFormatter(1.0))
        share = 1 / of.classes if of.commonest_fraction is None else of.commonest_fraction
        name = "chance level" if of.commonest is None else f"commonest class {of.called(of.commonest)}"
        _guess(lower, share, f"{name}: {numerals.percent(share)}", below=True)
    for axes in (upper, lower):
        axes.set_xlim((0, first.recipe.iterations) if first.recipe.iterations > 1 else (0.5, 1.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("iteration")
    return page


def _curves(runs: Sequence[TrainingRun]) -> tuple[list[_Curve], list[_Curve]]:
    """Return the curves of the losses and of the accuracies of all runs."""
    losses, accuracies = [], []
    for run, style, name in zip(runs, _styles(runs), words_of.names(runs), strict=True):
        known = [loss for loss in run.loss if loss is not None]
        end = numerals.number(run.final_loss) if run.diverged_at is None else words_of.outcome(run)
        scores = [score for score in run.accuracy if score is not None]
        losses.append(_curve(run, known, style, f"{name}  {end}"))
        test = "" if run.test_loss is None else f", test {words_of.score_text(run, run.test_accuracy)}"
        trained = words_of.score_text(run, run.final_accuracy)
        told = f"{name}  {trained}{test}" if run.diverged_at is None else f"{name}  {end}"
        accuracies.append(_curve(run, scores[: len(known)], style, told))
    return losses, accuracies


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Return places in [0, 1] as near to those wanted as places `gap` apart can be, in their order.

    Least squares under an order: neighbours that are too near are pooled (Ayer et al. 1955, Ann. Math. Stat. 26).
    """
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    pools: list[tuple[float, int]] = []  # what each pool is shifted to, and how many are in it
    for rank, place in enumerate(order):
        pools.append((wanted[place] - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (low, few), (high, more) = pools[-2:]
            pools[-2:] = [((low * few + high * more) / (few + more), few + more)]
    most = max(1 - (len(order) - 1) * gap, 0.0)
    shifts = [min(max(shift, 0.0), most) for shift, members in pools for _ in range(members)]
    found = dict(zip(order, (shift + rank * gap for rank, shift in enumerate(shifts)), strict=True))
    return [found[place] for place in range(len(wanted))]


def _curve(run: TrainingRun, values: Sequence[float], style: dict[str, Any], label: str) -> _Curve:
    """Return the curve of a run, as means over at most 2000 points where it is long."""
    iterations = run.recipe.iterations
    raw = [value for value in words_of.means(values, iterations, _MOST_POINTS) if value is not None]
    size = ceil(iterations / _MOST_POINTS)
    x = [min(size * place + (size + 1) / 2, float(len(values))) for place in range(len(raw))]
    over = ceil(_SMOOTHED_SHARE * min(iterations, _MOST_POINTS))
    return _Curve(x, raw, words_of.smoothed(raw, 2 * over), run.diverged_at is not None, style, label)


def _styles(runs: Sequence[TrainingRun]) -> list[dict[str, Any]]:
    """Return how each run is drawn: a colour for what has most values, then a line, then a marker."""
    parts = [(run.stack.act.name, run.stack.init.name, str(run.learning_rate)) for run in runs]
    known = [list(dict.fromkeys(part[kind] for part in parts)) for kind in range(3)]
    first, second, third = sorted(range(3), key=lambda kind: -len(known[kind]))
    styles = []
    for number, part in enumerate(parts):
        one, two, three = (known[kind].index(part[kind]) for kind in (first, second, third))
        line = two if len(known[second]) > 1 else one
        marker = (three if len(known[third]) > 1 else number) + one // len(_COLOURS)
        styles.append(
            {
                "color": _COLOURS[one % len(_COLOURS)],
                "linestyle": _LINES[line % len(_LINES)],
                "marker": _MARKERS[marker % len(_MARKERS)],
            }
        )
    return styles


def _loss_axis(axes: Axes, curves: Sequence[_Curve], guess: float) -> Callable[[float], float]:
    """Set the axis of the loss, and return what gives the height of a loss on it, from 0 to 1."""
    values = [value for curve in curves for value in curve.smooth]
    top = 1.12 * min(max([guess, *values]), _MOST_GUESSES * guess)
    least = max(min([guess, *values]), _LEAST_SHARE * guess)
    if top / least < _LOG_FROM:
        axes.set_ylim(0, top)
        return lambda loss: loss / top
    bottom = 0.7 * least
    axes.set_yscale("log")
    axes.set_ylim(bottom, top)
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return lambda loss: log10(max(loss, bottom) / bottom) / log10(top / bottom)


def _draw(axes: Axes, curves: Sequence[_Curve], height: Callable[[float], float], inches: float) -> None:
    """Draw the curves, and to the right of each end its name beside a sample of its line."""
    axes.grid(True, alpha=0.3)
    ends = [min(max(height(curve.smooth[-1]), 0.0), 1.0) if curve.smooth else 1.0 for curve in curves]
    places = spread(ends, _LINE_OF_TEXT / inches)
    step = max(max(len(curve.x) for curve in curves) // _MARKS_A_CURVE, 1)
    beside: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False}
    for number, (curve, end, place) in enumerate(zip(curves, ends, places, strict=True)):
        colour = curve.style["color"]
        strong = curve.style | {"linewidth": 1.7, "markersize": 5}
        axes.plot(curve.x, curve.raw, color=colour, linewidth=0.6, alpha=0.25)
        first = (number + 1) * step // (len(curves) + 1)  # the markers of curves that lie on each other stand in turn
        axes.plot(curve.x, curve.smooth, **strong, markevery=(first, step))
        if not curve.broken:
            axes.plot([1.0, 1.02], [end, place], color=colour, linewidth=0.7, **beside)
        elif curve.x:
            axes.plot(curve.x[-1], curve.smooth[-1], "x", color=colour, markersize=10, markeredgewidth=2.5)
        axes.plot([1.025, 1.05, 1.075], [place] * 3, **strong, markevery=[1], **beside)
        axes.text(_NAMES_FROM, place, curve.label, fontsize=_NAME_SIZE, va="center", parse_math=False, **beside)


def _guess(axes: Axes, value: float, label: str, below: bool = False) -> None:
    """Draw what a guess among all classes has, and say so on the side where curves seldom end, over those that do."""
    axes.axhline(value, color=GREY, linewidth=1.0, linestyle=(0, (1, 2)), zorder=1)
    beside: dict[str, Any] = {"va": "top" if below else "bottom", "ha": "right", "fontsize": 8, "color": GREY}
    beside["bbox"] = {"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 1}
    shift = (0, -3 if below else 3)
    axes.annotate(label, (0.995, value), shift, axes.get_yaxis_transform(), "offset points", **beside)
