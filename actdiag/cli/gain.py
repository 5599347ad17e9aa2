"""actdiag gain."""

from typing import Any

import click

from actdiag.cli import options
from actdiag.cli.base import Command
from actdiag.cli.types import Registered
from actdiag.options import VerifyOptions


@click.command(cls=Command, short_help="Compute the gain that an activation needs.")
@click.argument("act", metavar="ACT...", nargs=-1, required=True, type=Registered("act"))
@options.verify_option
@options.options_of(VerifyOptions, without=["threads"])
@options.json_option
def gain(act: tuple[str, ...], bias_std: float, verify: bool, json: str | None, **given: Any) -> None:
    """Compute the gain (sqrt(fan_in) times the std of a weight) that an activation needs.

    Shows which gain preserves the signal, which the gradient, and which both and whether the signal stays there; what
    PyTorch recommends; one recommendation with its reason; and code for PyTorch, Keras and JAX.

    \b
      actdiag gain gelu
      actdiag gain relu tanh selu --bias-std 0.2 --json -
      actdiag gain "x*sigmoid(1.7*x)" --verify
    """
    from functools import partial

    from actdiag.api.gain import gain as of_library
    from actdiag.api.stack import resolve_acts
    from actdiag.api.verify import verify as run_stacks
    from actdiag.cli import files, screen
    from actdiag.documents.gains import gains_to_dict
    from actdiag.documents.plain import as_json
    from actdiag.experiments.verify import Verification
    from actdiag.render.terminal.gain import gain_view

    outputs = files.taken_from({"json": json}, act=act)
    entries = resolve_acts(act)
    found = [of_library(entry, bias_std, given["depth"]) for entry in entries]
    checked: list[Verification | None] = [None] * len(entries)
    if verify:
        progress = screen.progress()
        for number, entry in enumerate(entries):

            def step(done: int, total: int, number: int = number) -> None:
                progress(number * total + done, len(entries) * total)

            checked[number] = run_stacks(entry, bias_std, **given, progress=step)

    def show() -> None:
        for number, (one, check) in enumerate(zip(found, checked, strict=True)):
            if number:
                screen.write("\n")
            screen.show(partial(gain_view, one, check))

    outputs.write(json=lambda: as_json(gains_to_dict(found, checked)), show=show)
