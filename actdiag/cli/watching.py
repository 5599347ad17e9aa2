"""`train --watch`: a live table on a terminal, else a line for each tenth of a run, on standard error."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import isfinite

from actdiag.arrays import Array
from actdiag.cli import screen
from actdiag.experiments.train import Look, Watch
from actdiag.experiments.train.snapshot import relative_changes
from actdiag.numerals import brief
from actdiag.render.terminal.watching import Watched, watch_line, watch_view

SECONDS, REST = 0.3, 4.0
"""Seconds between updates of the live table, and the least ratio of that time to the time the statistics took, which
in a deep stack is that of many iterations."""

LINES = 10
"""Lines per run without a terminal."""

_OVER = 25


class Watcher:
    """Shows runs: each before its first update, after its last, and whenever it is due.

    An update is measured between two iterations: the weights are copied one iteration before a run is shown.

    Attributes:
        seconds: The seconds that the last update of the view took, statistics included.
    """

    def __init__(self, show: Callable[[Sequence[Watched]], None], due: Callable[[int, int], bool]) -> None:
        """Prepare to show runs.

        Args:
            show: Takes all runs so far, the current one last.
            due: Takes (next iteration, all iterations) and returns whether to show the run there.
        """
        self.seconds = 0.0
        self._show, self._due = show, due
        self._runs: list[Watched] = []
        self._losses: list[float] = []
        self._accuracies: list[float] = []
        self._weights: list[Array] | None = None

    def __call__(self, look: Look) -> None:
        """Record an iteration, and show the run if it is due."""
        step, first = look.step, look.step.iteration == 1
        if first:
            self._losses, self._accuracies, self._weights = [], [], None
        self._losses = [*self._losses[1 - _OVER :], step.loss]
        self._accuracies = [*self._accuracies[1 - _OVER :], step.accuracy]
        last = step.iteration == look.iterations or not isfinite(step.loss)
        if first or last or self._weights is not None:
            began = time.monotonic()
            watched = self._watched(look)
            self._runs = [*self._runs, watched] if first else [*self._runs[:-1], watched]
            self._show(self._runs)
            self.seconds = time.monotonic() - began
        due = not last and self._due(step.iteration + 1, look.iterations)
        self._weights = [array.copy() for array in look.weights] if due else None

    def _watched(self, look: Look) -> Watched:
        stack, step = look.stack, look.step
        updates = self._runs[-1].updates if self._runs and step.iteration > 1 else ()
        if self._weights is not None:
            updates = relative_changes(self._weights, look.weights)
        finite = isfinite(step.loss)
        return Watched(
            name=f"{stack.act.name}, {stack.init.name}, lr {brief(look.learning_rate)}",
            iteration=step.iteration,
            iterations=look.iterations,
            loss=sum(loss / len(self._losses) for loss in self._losses) if finite else None,
            accuracy=sum(self._accuracies) / len(self._accuracies),
            taken=look.snapshot(),
            updates=updates,
        )


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Give a callback for `train` that shows runs on standard error: a live table on a terminal, else lines."""
    if not sys.stderr.isatty():
        yield Watcher(lambda runs: screen.tell(watch_line(runs[-1])), _tenth)
        return
    from rich.console import Console
    from rich.live import Live

    console, plain, shown = Console(stderr=True), screen.ascii_only(), time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def draw(runs: Sequence[Watched]) -> None:
            nonlocal shown
            live.update(watch_view(runs, ascii_only=plain), refresh=True)
            shown = time.monotonic()

        watcher = Watcher(draw, lambda following, of: rested(time.monotonic() - shown, watcher.seconds))
        yield watcher


def rested(pause: float, took: float) -> bool:
    """Return whether `pause` seconds after a run was shown, which took `took` seconds, it may be shown again."""
    return pause > max(SECONDS, REST * took)


def _tenth(iteration: int, iterations: int) -> bool:
    """Return whether an iteration completes another tenth of them."""
    return iteration * LINES // iterations > (iteration - 1) * LINES // iterations
