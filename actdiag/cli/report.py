"""What propagate and grad-flow have in common: one report, what `--judge` and `--fix` add to it, and its answer."""

from collections.abc import Callable
from typing import Any

import click

from actdiag.api.stack import layer_widths
from actdiag.cli import extras, files, gate, options, output, screen
from actdiag.options import JudgeOptions, StackOptions, fields_of
from actdiag.report import Report
from actdiag.view.selection import parse_layers

_OF_JUDGE = frozenset(one.name for one in fields_of(StackOptions, JudgeOptions))


def answer(verb: Callable[..., Report], given: dict[str, Any]) -> None:
    """Run a function of the library on the options of a command and give its answer.

    Args:
        verb: `propagate` or `grad_flow`.
        given: The options of the command, by name.
    """
    theory, outputs = options.theory_from(given), files.taken_from(given)
    fail_on = gate.taken_from(given, outputs.quiet)
    judges, fix, layers = extras.judges_from(given.pop("judge")), given.pop("fix"), given.pop("layers")
    summary = given.pop("summary")
    shown = None
    if layers is not None:
        shown = parse_layers(layers, _depth(given))
    added: list[output.Extra] = []
    progress = screen.progress()
    report = verb(**given, progress=progress)
    if judges:
        from actdiag.api.judge import judge

        progress.now("rules of other tools")
        asked = {name: value for name, value in given.items() if name in _OF_JUDGE}
        added.append(extras.judgements(judge(**asked, judges=judges)))
    report = extras.with_command(click.get_current_context(), report)
    if fix:
        from actdiag.api.fix import fix as fix_of
        from actdiag.experiments.fix import advised

        progress.now("changes that may fix it")
        found = fix_of(**given, backward=report.loss is not None, report=report)
        if found is not None:
            report = extras.with_command(click.get_current_context(), advised(report, found))
        added.append(extras.fixed(click.get_current_context(), report, found))
    with fail_on.after([report]):
        output.answer(report, outputs, output.Shown(shown, theory, summary), added)


def _depth(given: dict[str, Any]) -> int:
    """Return the number of layers of the stack that options describe."""
    if given["weights"] is None:
        return len(layer_widths(given["depth"], given["width"], given["widths"]))
    from actdiag.activations import resolve
    from actdiag.api.weight_files import read_weights

    return len(read_weights(given["weights"], given["weights_layout"], resolve(given["act"]).pieces).spreads)
