"""actdiag propagate."""

from typing import TYPE_CHECKING, Any

import click

from actdiag.cli import options

if TYPE_CHECKING:
    from actdiag.model.stack import Stack
    from actdiag.report import Report


@click.command(short_help="What becomes of the signal.")
@options.one_act
@options.one_init
@options.stack_options
@options.run_options
@options.judge_option
@options.fix_option
@options.layers_option
@options.output_options
def propagate(act: str, init: str, judge: str | None, fix: bool, layers: str | None, **given: Any) -> None:
    """Push inputs through a stack and see what becomes of the signal.

    One row a layer: the histogram of the activations, their mean and std, each unit's std over the inputs, exact
    zeros, dead units, saturated entries, and the cosine between different inputs. Under it the verdict.

    \b
      actdiag propagate --act relu --init he
      actdiag propagate --act relu --init std=0.01 --png layers.png
      actdiag propagate --act gelu --init xavier --depth 30 --fix
    """
    from actdiag import api
    from actdiag.cli import extras, gate, output
    from actdiag.engine.losses import Loss
    from actdiag.experiments import run as running
    from actdiag.experiments.run import run_repeatedly
    from actdiag.view.selection import parse_layers

    outputs, fail_on = output.taken_from(given), gate.taken_from(given)
    judges = extras.judges_from(judge)
    settings = output.settings_from(given)
    repeats = given.pop("repeats")
    stack = api.make_stack(act, init, **given)
    shown = None if layers is None else parse_layers(layers, stack.depth)

    def run(stack: "Stack") -> "Report":
        return run_repeatedly(running.run_propagate, stack, chosen, repeats)

    with output.progress() as progress:
        chosen = running.run_settings(**settings, progress=progress)
        report = run(stack)
        added = [extras.judgements(stack, Loss("cross-entropy"), judges, chosen)] if judges else []
        if fix:
            chosen = chosen._replace(progress=running.silent)
            added.append(extras.fixed(report, run))
    with fail_on.after([report]):
        output.answer(report, outputs, shown, added)
