"""actdiag initializers."""

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.cli.types import Registered

_MOST_FANS = 10_000


@click.command(cls=Command, short_help="List the initializers, or show one.")
@click.argument("init", metavar="[NAME]", required=False, type=Registered("init"))
@options.fan_options
def initializers(init: str | None, fan_in: int, fan_out: int) -> None:
    """List the initializers with their std at the given fans, or show one with a sample of its weights.

    \b
      actdiag initializers
      actdiag initializers he_normal --fan-in 100 --fan-out 100
    """
    from actdiag.cli import screen
    from actdiag.errors import check_integer
    from actdiag.initializers import resolve
    from actdiag.render.terminal import catalogue

    check_integer("fan_in", fan_in, 1, _MOST_FANS)
    check_integer("fan_out", fan_out, 1, _MOST_FANS)
    if init is None:
        screen.show(lambda width, plain: catalogue.initializers_view(fan_in, fan_out, width=width, ascii_only=plain))
        return
    entry = resolve(init)
    screen.show(lambda width, plain: catalogue.initializer_view(entry, fan_in, fan_out, width=width, ascii_only=plain))
