"""What `--judge` and `--fix` add to the answer of a report."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from actdiag.cli.output import Extra
from actdiag.documents.extras import fix_to_dict, judgements_to_dict
from actdiag.engine.losses import Loss
from actdiag.errors import check_choice
from actdiag.experiments.fix import mend
from actdiag.experiments.run import RunSettings
from actdiag.external import JUDGES, judge
from actdiag.model.stack import Stack
from actdiag.report import Report

if TYPE_CHECKING:
    from rich.console import RenderableType

_NOT_REPEATED = frozenset({"fix", "fail_on", "judge", "png", "json", "csv"})


def command_line(context: click.Context, changes: Mapping[str, object]) -> list[str]:
    """Return the words of the command line of a context with some options set otherwise, quoted for a shell.

    Args:
        context: The context of the command that was run.
        changes: Parameter names with their new values; None to leave an option out.
    """
    words = [context.command_path]
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        value = changes[name] if name in changes else context.params.get(name) if given else None
        if value is None or name in _NOT_REPEATED:
            continue
        if isinstance(parameter, click.Option) and parameter.is_flag:
            words.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            words += [parameter.opts[0], *_texts(value)]
    return [words[0], *map(shlex.quote, words[1:])]


def _texts(value: object) -> list[str]:
    if isinstance(value, tuple):
        together = all(isinstance(part, int) for part in value)
        return [",".join(map(str, value))] if together else [str(part) for part in value]
    return [str(value)]


def judges_from(names: str | None) -> tuple[str, ...]:
    """Return the tools that `--judge` names; none where it is not given.

    Raises:
        InvalidField: There is no such tool.
    """
    listed = dict.fromkeys(name.strip() for name in names.split(",")) if names is not None else {}
    return tuple(check_choice("judge", name, JUDGES) for name in listed)


def judgements(stack: Stack, loss: Loss, judges: Sequence[str], settings: RunSettings) -> Extra:
    """Return what other tools say of a stack, as the answer has it."""
    said = judge(stack, loss, judges, threads=settings.threads)

    def view(width: int, ascii_only: bool) -> "RenderableType":
        from actdiag.render.terminal.judging import judgements_view

        return judgements_view(said)

    return Extra("judgements", judgements_to_dict(said), view)


def fixed(report: Report, rerun: Callable[[Stack], Report]) -> Extra:
    """Return what mends the stack of a report, as the answer has it."""
    context = click.get_current_context()
    healthy = report.verdict.severity == "healthy"
    mended = None if healthy else mend(report, rerun)
    command = [] if mended is None else command_line(context, mended.change.options)

    def view(width: int, ascii_only: bool) -> "RenderableType":
        from actdiag.render.terminal.mending import mended_view

        return mended_view(report, mended, command, width=width, ascii_only=ascii_only)

    return Extra("fix", fix_to_dict(mended, " ".join(command)), view)
