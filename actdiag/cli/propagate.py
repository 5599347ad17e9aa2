"""actdiag propagate."""

from typing import Any

import click

from actdiag.cli import options


@click.command(short_help="What becomes of the signal.")
@options.one_act
@options.one_init
@options.stack_options
@options.run_options
@options.layers_option
@options.output_options
def propagate(act: str, init: str, layers: str | None, **given: Any) -> None:
    """Push inputs through a stack and see what becomes of the signal.

    One row a layer: the histogram of the activations, their mean and std, each unit's std over the inputs, exact
    zeros, dead units, saturated entries, and the cosine between different inputs. Under it the verdict.

    \b
      actdiag propagate --act relu --init he
      actdiag propagate --act relu --init std=0.01 --png layers.png
    """
    from actdiag import api, running
    from actdiag.cli import gate, output
    from actdiag.render.selection import parse_layers
    from actdiag.repeats import run_repeatedly

    outputs, fail_on = output.taken_from(given), gate.taken_from(given)
    settings = output.settings_from(given)
    repeats = given.pop("repeats")
    stack = api.make_stack(act, init, **given)
    shown = None if layers is None else parse_layers(layers, stack.depth)
    with output.progress() as progress:
        chosen = running.run_settings(**settings, progress=progress)
        report = run_repeatedly(running.run_propagate, stack, chosen, repeats)
    output.answer(report, outputs, shown)
    fail_on.check([report])
