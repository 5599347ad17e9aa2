"""actdiag grad-flow."""

from typing import TYPE_CHECKING, Any

import click

from actdiag.cli import options

if TYPE_CHECKING:
    from actdiag.experiments.run import RunSettings
    from actdiag.model.stack import Stack
    from actdiag.report import Report


@click.command("grad-flow", short_help="What becomes of the gradient.")
@options.one_act
@options.one_init
@options.stack_options
@options.loss_options
@options.run_options
@options.judge_option
@options.fix_option
@options.layers_option
@options.output_options
def grad_flow(
    act: str,
    init: str,
    loss: str,
    classes: int,
    labels: str | None,
    memory: str,
    judge: str | None,
    fix: bool,
    layers: str | None,
    **given: Any,
) -> None:
    """Push a gradient back down a stack and see what reaches the first layer.

    One row a layer: the histogram of log10 |dL/dz|, its rms and the ratio to the last layer's, beside the rms of the
    activations and the norm of dL/dW. Judge by dL/dz: dL/dW can look flat while the gradient dies.

    \b
      actdiag grad-flow --act sigmoid --init xavier --depth 20
      actdiag grad-flow --act relu --init he --loss cross-entropy --json -
    """
    from actdiag import api
    from actdiag.cli import extras, gate, output
    from actdiag.engine.memory import parse_size
    from actdiag.experiments import run as running
    from actdiag.experiments.run import run_repeatedly
    from actdiag.view.selection import parse_layers

    outputs, fail_on = output.taken_from(given, labels), gate.taken_from(given)
    judges = extras.judges_from(judge)
    settings = output.settings_from(given)
    budget, chosen_loss = parse_size("memory", memory), api.make_loss(loss, classes, labels)
    repeats = given.pop("repeats")
    stack = api.make_stack(act, init, **given)
    shown = None if layers is None else parse_layers(layers, stack.depth)

    def run_once(stack: "Stack", settings: "RunSettings") -> "Report":
        return running.run_grad_flow(stack, chosen_loss, budget, settings)

    def run(stack: "Stack") -> "Report":
        return run_repeatedly(run_once, stack, chosen, repeats)

    with output.progress() as progress:
        chosen = running.run_settings(**settings, progress=progress)
        report = run(stack)
        added = [extras.judgements(stack, chosen_loss, judges, chosen)] if judges else []
        if fix:
            chosen = chosen._replace(progress=running.silent)
            added.append(extras.fixed(report, run))
    with fail_on.after([report]):
        output.answer(report, outputs, shown, added)
