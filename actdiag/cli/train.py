"""actdiag train."""

from typing import Any

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.options import TrainOptions


@click.command(cls=Command, short_help="Train stacks and see whether they learn.")
@options.options_of(TrainOptions)
@options.watch_option
@options.outputs_option("run and iteration")
def train(
    act: tuple[str, ...], init: tuple[str, ...], lr: tuple[tuple[Any, ...], ...], watch: bool, **given: Any
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
    from actdiag.cli import files, output, screen
    from actdiag.view.paging import run_pages

    acts, inits = resolve_acts(options.split_list(act)), resolve_inits(options.split_list(init))
    rates = list(dict.fromkeys(rate for some in lr for rate in some))
    pages = len(run_pages(range(len(acts) * len(inits) * len(rates))))
    outputs = files.taken_from(given, pages=pages, act=act)
    asked: dict[str, Any] = {"act": acts, "init": inits, "lr": rates, **given}
    if watch:
        from actdiag.cli.watching import watching

        screen.end_progress()
        with watching() as look:
            runs = of_library(**asked, watch=look)
    else:
        runs = of_library(**asked, progress=screen.progress("iterations"))
    output.answer_training(runs, outputs)
