"""actdiag grad-flow."""

from typing import Any

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.options import BackwardOptions, RunOptions, StackOptions


@click.command("grad-flow", cls=Command, short_help="Show what happens to the gradient.")
@options.options_of(StackOptions, BackwardOptions, RunOptions, without=("theory",))
@options.theory_option
@options.fail_on_option
@options.report_options
def grad_flow(**given: Any) -> None:
    """Run a stack forward and backward and show what reaches the first layer.

    One row per layer: the histogram of log10 |dL/dz|, its rms and the ratio to the last layer's, next to the rms of
    the activations and the norm of dL/dW. Judge by dL/dz: dL/dW can look flat while the gradient vanishes.

    \b
      actdiag grad-flow --act sigmoid --init xavier --depth 20
      actdiag grad-flow --act relu --init he --loss cross-entropy --json -
    """
    from actdiag.api.grad_flow import grad_flow as of_library
    from actdiag.cli.report import answer

    answer(of_library, given)
