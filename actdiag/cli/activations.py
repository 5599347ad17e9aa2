"""actdiag activations."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.cli.types import Registered

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@click.command(cls=Command, short_help="List the activations, or show one.")
@click.argument("act", metavar="[NAME]", required=False, type=Registered("act"))
@options.png_option
def activations(act: str | None, png: str | None) -> None:
    """List the activations, or show one: its formula, its traits and its curves.

    \b
      actdiag activations
      actdiag activations gelu --png gelu.png
    """
    from actdiag.activations import resolve
    from actdiag.cli import files, screen
    from actdiag.errors import InvalidField
    from actdiag.render.terminal import catalogue

    if act is None:
        if png is not None:
            raise InvalidField(field="png", problem="must come with the NAME of an activation, got none")
        screen.show(lambda width, plain: catalogue.activations_view(width=width, ascii_only=plain))
        return
    entry, outputs = resolve(act), files.taken_from({"png": png}, act=act)

    def figures() -> "Iterable[Figure]":
        from actdiag.render.figures import activation_figure

        return [activation_figure(entry)]

    def show() -> None:
        screen.show(lambda width, plain: catalogue.activation_view(entry, width=width, ascii_only=plain))

    outputs.write(figures, show=show)
