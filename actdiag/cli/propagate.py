"""actdiag propagate."""

from typing import Any

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.options import MemoryOptions, RunOptions, StackOptions


@click.command(cls=Command, short_help="Show what happens to the signal.")
@options.options_of(StackOptions, MemoryOptions, RunOptions, without=("theory",))
@options.theory_option
@options.fail_on_option
@options.report_options
def propagate(**given: Any) -> None:
    """Run a stack forward and show what happens to the signal.

    One row per layer: the histogram of the activations, their mean and std, each unit's std over the inputs, exact
    zeros, dead units, saturated entries, and the cosine between different inputs. The verdict follows.

    \b
      actdiag propagate --act relu --init he
      actdiag propagate --act relu --init std=0.01 --png layers.png
      actdiag propagate --act gelu --init xavier --depth 30 --fix
    """
    from actdiag.api.propagate import propagate as of_library
    from actdiag.cli.report import answer

    answer(of_library, given)
