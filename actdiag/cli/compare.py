"""actdiag compare."""

from typing import Any

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.options import BackwardOptions, CompareOptions, RunOptions


@click.command(cls=Command, short_help="Compare many activations with many initializers.")
@options.options_of(CompareOptions, BackwardOptions, RunOptions, without=("theory",))
@options.theory_option
@options.fail_on_option
@options.output_options
def compare(act: tuple[str, ...], init: tuple[str, ...], **given: Any) -> None:
    """Run every activation with every initializer, forward and backward.

    One cell per stack: the rms of the last layer, the change per layer of the signal going forward and of the gradient
    going backward, and the verdict.

    \b
      actdiag compare --act relu,tanh --init std=0.01,xavier,he --png grid.png
    """
    from actdiag.api.compare import compare as of_library
    from actdiag.api.stack import resolve_acts, resolve_inits
    from actdiag.cli import files, gate, output, screen
    from actdiag.view.paging import block_pages

    acts, inits = resolve_acts(options.split_list(act)), resolve_inits(options.split_list(init))
    pages = len(block_pages([inits] * len(acts)))
    options.theory_from(given)
    outputs = files.taken_from(given, pages=pages, act=act)
    fail_on = gate.taken_from(given, outputs.quiet)
    reports = of_library(acts, inits, progress=screen.progress(), **given)
    with fail_on.after(reports):
        output.answer_all(reports, outputs)
