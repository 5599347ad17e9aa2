"""The view of training runs: a headline, a table with a row per run, and where verdict and outcome part."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from actdiag import numerals
from actdiag.diagnosis.words import trains_it
from actdiag.experiments.train import Snapshot, TrainingRun
from actdiag.experiments.train.snapshot import worst_dead
from actdiag.render.terminal.marks import FLAG_STYLE, STYLES, levels, table
from actdiag.view import training as words_of
from actdiag.view.words import unknown

OUTCOME_STYLES = {
    "learned": "green",
    "slow": "yellow",
    "memorized": "yellow",
    "did not learn": "red",
    "diverged": "red bold",
}

_LEAST_CURVE, _MOST_CURVE = 10, 24
_CURVE, _SHORT_CURVE, _CURVE_RANK = "loss curve", "curve", 3
_MOST_GUESSES = 1.5
"""Curves are cut at so many times the loss of a guess, so that one that explodes leaves the others their shape."""


class _Column(NamedTuple):
    """A column, and the rank by which it goes where not all fit: the highest first."""

    head: str
    cells: list[Text]
    rank: int
    right: bool = False

    @property
    def width(self) -> int:
        """The columns of the terminal that it takes."""
        return max(len(self.head), *(cell.cell_len for cell in self.cells))


def training_view(runs: Sequence[TrainingRun], *, width: int, ascii_only: bool = False) -> RenderableType:
    """Return the runs of one command for a terminal of `width` columns.

    Args:
        runs: At least one.
        width: Columns of the terminal; decides which numbers fit.
        ascii_only: Whether to do without characters beyond ASCII.
    """
    what, setting, data = words_of.heading(runs)
    columns, axis = _fitting(runs, width, ascii_only)
    view = table(ascii_only)
    for column in columns:
        view.add_column(column.head, justify="right" if column.right else "left", no_wrap=True)
    for row in zip(*(column.cells for column in columns), strict=True):
        view.add_row(*row)
    heads = {column.head for column in columns}
    training = trains_it(runs[0].verdict.optimizer, runs[0].verdict.iterations)
    legend = _legend(heads, axis, runs[0], training)
    under = [legend, unknown([run.verdict for run in runs]), words_of.tried(runs), words_of.fitted_gains(runs)]
    under.insert(1, words_of.memorized(runs))
    parts: list[RenderableType] = [Text(what, "bold"), Text(f"{setting}\n{data}"), Text(), view]
    parts += [Text(line, "dim") for line in under if line]
    surprises = Table.grid(padding=(0, 1, 0, 0))
    for line in words_of.surprises(runs):
        surprises.add_row(Text("!", FLAG_STYLE), line)
    parts += [Text(), surprises] if surprises.row_count else []
    return Group(*parts)


def paired(before: float | None, after: float | None, text: Callable[[float | None], str], ascii_only: bool) -> str:
    """Return a number before and after: `0.069→0.98`."""
    pair = f"{text(before)}→{text(after)}"
    return numerals.in_ascii(pair) if ascii_only else pair


def largest(values: Sequence[float | None]) -> float | None:
    """Return the greatest of what is known."""
    return max((value for value in values if value is not None), default=None)


def _fitting(runs: Sequence[TrainingRun], width: int, ascii_only: bool) -> tuple[list[_Column], float | None]:
    """Return the columns that fit, and the loss that the curves' axis ends at, None where they do not fit.

    The columns of the highest rank go first; the curves take what room is left.
    """
    columns = _columns(runs, ascii_only)
    room = width - sum(column.width + 1 for column in columns)
    most = min(_MOST_CURVE, runs[0].recipe.iterations)
    least = max(min(_LEAST_CURVE, most), len(_SHORT_CURVE))
    while (highest := max(columns, key=lambda column: column.rank)).rank:
        if room >= (least if highest.rank > _CURVE_RANK else 0):
            break
        columns.remove(highest)
        room += highest.width + 1
    if room < least:
        return columns, None
    curves = [words_of.means(run.loss, run.recipe.iterations, min(room, most)) for run in runs]
    top = _top(curves, runs[0].data.level)
    drawn = [_drawn(run, curve, top, ascii_only) for run, curve in zip(runs, curves, strict=True)]
    place = sum(column.rank == 0 for column in columns) - 1  # after the names; the outcome is the last
    columns.insert(place, _Column(_CURVE if room >= len(_CURVE) else _SHORT_CURVE, drawn, _CURVE_RANK))
    return columns, top


def _columns(runs: Sequence[TrainingRun], ascii_only: bool) -> list[_Column]:
    """Return every column but that of the curves, names first."""

    def pairs(value: Callable[[Snapshot], float | None], text: Callable[[float | None], str]) -> list[Text]:
        return [Text(paired(value(run.before), value(run.after), text, ascii_only)) for run in runs]

    acts, inits = [run.stack.act.name for run in runs], [run.stack.init.name for run in runs]
    rates = [numerals.brief(run.learning_rate) + "*" * bool(run.tried) for run in runs]
    varied = [(head, cells) for head, cells in (("act", acts), ("init", inits)) if len(set(cells)) > 1]
    varied += [("lr", rates)] if len(set(rates)) > 1 or any(run.tried for run in runs) else []
    told = [_Column(head, [Text(cell) for cell in cells], 0) for head, cells in varied or [("init", inits)]]
    losses = [Text(paired(run.loss[0], run.final_loss, numerals.number, ascii_only)) for run in runs]
    test = [words_of.score_text(run, run.test_accuracy if run.test_loss is not None else None) for run in runs]
    severities = [run.verdict.severity for run in runs]
    verdicts = [
        Text.assemble((severity, STYLES[severity]), f" {numerals.whole_percent(run.verdict.probability)}")
        for severity, run in zip(severities, runs, strict=True)
    ]
    return [
        *told,
        _Column("loss", losses, 1, right=True),
        _Column("train", [Text(words_of.score_text(run, run.final_accuracy)) for run in runs], 5, right=True),
        _Column("test", [Text(cell) for cell in test], 4, right=True),
        _Column("forward", pairs(lambda taken: taken.change_per_layer.forward, numerals.short_factor), 6, right=True),
        _Column("backward", pairs(lambda taken: taken.change_per_layer.backward, numerals.short_factor), 7, right=True),
        _Column("dead", pairs(lambda taken: worst_dead(taken.layers), numerals.percent), 8, right=True),
        _Column("update", [Text(numerals.ratio(largest(run.first_update))) for run in runs], 9, right=True),
        _Column("verdict", verdicts, 2),
        _Column("outcome", [Text(words_of.outcome(run), OUTCOME_STYLES[run.outcome]) for run in runs], 0),
    ]


def _top(curves: Sequence[Sequence[float | None]], guess: float) -> float:
    """Return the loss that an axis for all curves ends at."""
    found = [loss for curve in curves for loss in curve if loss is not None]
    return min(max([guess, *found]), _MOST_GUESSES * guess)


def _drawn(run: TrainingRun, curve: Sequence[float | None], top: float, ascii_only: bool) -> Text:
    """Return a curve in characters, with a cross where it ended early."""
    drawn = levels(curve, top, ascii_only).rstrip()
    cross = "x" if ascii_only else "\N{MULTIPLICATION SIGN}"
    return Text(drawn if run.diverged_at is None else drawn[: len(curve) - 1] + cross)


def _legend(heads: Collection[str], axis: float | None, run: TrainingRun, training: str) -> str:
    """Return what the columns of these heads hold, `run` being one of theirs."""
    guess, score = run.data.level, words_of.score(run)
    meanings = (
        (axis is not None, f"curve: the loss from 0 to {numerals.brief(axis)}"),
        ("loss" in heads, f"loss: first and last (chance level {numerals.brief(guess)})"),
        ("train" in heads, f"train, test: {score}"),
        ("test" in heads and "train" not in heads, f"test: {score}"),
        ("forward" in heads and "backward" not in heads, "forward: change per layer of rms(a), before and after"),
        ("backward" in heads, "forward, backward: change per layer of rms(a) and rms(dL/dz), before and after"),
        ("dead" in heads, "dead: units of the worst layer"),
        ("update" in heads, "update: |dW|/|W| of the first one, of the layer that it moves most"),
        ("verdict" in heads, f"verdict: at initialization, with the probability {training}"),
    )
    return "; ".join(said for shown, said in meanings if shown)
