"""actdiag gain."""

import click

from actdiag.cli import options


@click.command(short_help="The gain that an activation needs.")
@click.argument("act", metavar="ACT...", nargs=-1, required=True, type=options.Registered("act"))
@click.option("--bias-std", type=options.Real(), default=0.0, show_default=True, help="Std of the biases.")
@click.option("--verify", is_flag=True, help="Run stacks under it: predicted beside measured.")
@click.option("--depth", type=options.Whole(), default=30, show_default=True, help="Layers of those stacks.")
@click.option("--width", type=options.Whole(), default=256, show_default=True, help="Units of each layer.")
@click.option("--seed", type=options.Whole(), default=0, show_default=True, help="The first stack's seed.")
@click.option("--json", metavar="FILE|-", help="Write JSON; - for standard output instead of the text.")
def gain(
    act: tuple[str, ...], bias_std: float, verify: bool, depth: int, width: int, seed: int, json: str | None
) -> None:
    """Work out the gain (sqrt(fan_in) times the std of a weight) that an activation needs.

    What keeps the signal, what keeps the gradient, where both keep and whether the signal stays there, what PyTorch
    would have said, one recommendation with its reason, and the lines to paste for PyTorch, Keras and JAX.

    \b
      actdiag gain gelu
      actdiag gain relu tanh selu --bias-std 0.2 --json -
      actdiag gain "x*sigmoid(1.7*x)" --verify
    """
    from functools import partial

    from actdiag.activations import resolve
    from actdiag.cli import output
    from actdiag.documents.gains import gains_to_dict
    from actdiag.documents.plain import as_json
    from actdiag.experiments.verify import Verification
    from actdiag.experiments.verify import verify as run_stacks
    from actdiag.render.terminal.gain import gain_view
    from actdiag.theory.gains import gains

    outputs = output.Outputs(json=json)
    entries = list({entry.name: entry for entry in map(resolve, act)}.values())
    found = [gains(entry, bias_std) for entry in entries]
    checked: list[Verification | None] = [None] * len(entries)
    if verify:
        with output.progress() as progress:
            for number, (entry, one) in enumerate(zip(entries, found, strict=True)):
                take = one.recommended

                def step(done: int, total: int, number: int = number) -> None:
                    progress(number * total + done, len(entries) * total)

                checked[number] = run_stacks(
                    entry, take.gain, take.bias_std, depth=depth, width=width, seed=seed, progress=step
                )
    outputs.write(json=lambda: as_json(gains_to_dict(found, checked)))
    if outputs.on_stdout:
        return
    for number, (one, check) in enumerate(zip(found, checked, strict=True)):
        if number:
            click.echo()
        output.show(partial(gain_view, one, check))
