"""actdiag train."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.cli.process import EXIT_INTERRUPTED, Interrupts
from actdiag.options import TrainOptions

if TYPE_CHECKING:
    from actdiag.experiments.train import Look, TrainingRun
    from actdiag.external import Judgement


@click.command(cls=Command, short_help="Train stacks and see whether they learn.")
@options.options_of(TrainOptions)
@options.fail_on_option
@options.judge_option
@options.watch_option
@options.outputs_option("run and iteration")
def train(
    act: tuple[str, ...],
    init: tuple[str, ...],
    lr: tuple[tuple[Any, ...], ...],
    judge: str | None,
    watch: bool,
    **given: Any,
) -> None:
    """Train every activation with every initializer at every learning rate.

    Each stack gets a readout with softmax cross-entropy and batches in a seeded order. One row per run: the loss curve,
    the accuracy, the statistics after training, and the verdict at initialization next to the outcome.

    \b
      actdiag train --act relu --init std=0.01,xavier,he --png loss.png
      actdiag train --act sigmoid,relu,elu --init auto --data digits --lr auto
      actdiag train --data mnist.npz --optimizer adam --lr 0.001,0.0001 --watch
    """
    from actdiag.api.stack import resolve_acts, resolve_inits
    from actdiag.api.train import train as of_library
    from actdiag.cli import extras, files, gate, output, screen
    from actdiag.view.paging import run_pages

    acts, inits = resolve_acts(options.split_list(act)), resolve_inits(options.split_list(init))
    rates = list(dict.fromkeys(rate for some in lr for rate in some))
    pages = len(run_pages(range(len(acts) * len(inits) * len(rates))))
    outputs = files.taken_from(given, pages=pages, act=act)
    fail_on, judges = gate.taken_from(given, outputs.quiet), extras.judges_from(judge)
    asked: dict[str, Any] = {"act": acts, "init": inits, "lr": rates, **given}
    runs: list[TrainingRun] = []
    stopped = False
    with Interrupts() as interrupts, contextlib.ExitStack() as views:
        if watch:
            from actdiag.cli.watching import watching

            screen.end_progress()
            shown, progress = views.enter_context(watching()), None
        else:
            shown, progress = None, screen.progress("iterations")

        def look(seen: "Look") -> None:
            if shown is not None:
                shown(seen)
            interrupts.check()

        def each(run: "TrainingRun") -> None:
            runs.append(run)
            interrupts.keep()

        try:
            of_library(**asked, watch=look, progress=progress, each=each)
            interrupts.check()
        except KeyboardInterrupt:
            if not runs:
                raise
            stopped = True
    if stopped:
        screen.tell(f"interrupted: {len(runs)} run{'s' if len(runs) > 1 else ''} finished")
        outputs = replace(outputs, pages=len(run_pages(runs)))
    added = [(run.stack, extras.judgements(_judged(run, judges))) for run in runs] if judges else []
    with contextlib.nullcontext() if stopped else fail_on.after(runs):
        output.answer_training(runs, outputs, added)
    if stopped:
        raise click.exceptions.Exit(EXIT_INTERRUPTED)


def _judged(run: "TrainingRun", judges: tuple[str, ...]) -> "Sequence[Judgement]":
    """Return what other tools say of a stack that was trained, by one step on the rows that its statistics are of."""
    from actdiag.engine.losses import Loss
    from actdiag.external import judge as judge_of

    return judge_of(run.stack, Loss("cross-entropy", max(run.data.classes, 2)), judges)
