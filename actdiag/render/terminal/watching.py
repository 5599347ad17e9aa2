"""The view of training while it goes: the run under way on top, under it those that are done."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from actdiag import numerals
from actdiag.experiments.train import Snapshot
from actdiag.experiments.train.snapshot import worst_dead
from actdiag.render.terminal.marks import table
from actdiag.render.terminal.training import largest


class Watched(NamedTuple):
    """A run at some iteration.

    Attributes:
        name: What is trained, and at which learning rate.
        iteration: Where it is.
        iterations: How many there will be.
        loss: The mean of its last losses; None where the last is not finite.
        accuracy: The mean of its last accuracies.
        taken: Its statistics.
        updates: Of each layer, the norm of the last update that was measured over that of the weights.
    """

    name: str
    iteration: int
    iterations: int
    loss: float | None
    accuracy: float
    taken: Snapshot
    updates: tuple[float | None, ...] = ()

    @property
    def facts(self) -> dict[str, str]:
        """What there is to tell, in a few characters each."""
        change = self.taken.change_per_layer
        return {
            "loss": "not finite" if self.loss is None else numerals.number(self.loss),
            "accuracy": numerals.percent(self.accuracy),
            "up": numerals.short_factor(change.forward),
            "down": numerals.short_factor(change.backward),
            "dead": numerals.percent(worst_dead(self.taken.layers)),
            "update": numerals.ratio(largest(self.updates)),
        }


def watch_line(watched: Watched) -> str:
    """Return a run in one line, for where nothing can be drawn over."""
    facts = ", ".join(f"{name} {fact}" for name, fact in watched.facts.items())
    return f"{watched.name}: {watched.iteration} of {watched.iterations}, {facts}"


def watch_view(runs: Sequence[Watched], *, ascii_only: bool = False) -> RenderableType:
    """Return the runs, the last of which is under way, that one on top."""
    view = table(ascii_only)
    view.add_column("run", overflow="fold")
    for head in ("iteration", *runs[-1].facts):
        view.add_column(head, justify="right", no_wrap=True)
    for number, run in enumerate(reversed(runs)):
        view.add_row(run.name, f"{run.iteration}/{run.iterations}", *run.facts.values(), style="" if number else "bold")
    legend = "up, down: change per layer of rms(a), rms(dL/dz); dead: worst layer; update: largest |dW|/|W|"
    return Group(view, Text(legend, "dim"))
