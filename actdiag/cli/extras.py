"""What `--judge` and `--fix` add to the answer."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from actdiag.cli.output import Extra
from actdiag.errors import check_choice
from actdiag.report import Report

if TYPE_CHECKING:
    from rich.console import RenderableType

    from actdiag.experiments.fix import Fix
    from actdiag.external import Judgement

_NOT_REPEATED = frozenset({"fix", "fail_on", "judge", "png", "json", "csv", "quiet", "summary"})


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
    if names is None:
        return ()
    from actdiag.external import JUDGES

    listed = dict.fromkeys(name.strip() for name in names.split(","))
    return tuple(check_choice("judge", name, JUDGES) for name in listed)


def judgements(said: "Sequence[Judgement]") -> Extra:
    """Return the judgements of other tools as a part of the answer."""
    from actdiag.documents.extras import judgements_to_dict

    def view(width: int, ascii_only: bool) -> "RenderableType":
        from actdiag.render.terminal.external import judgements_view

        return judgements_view(said)

    return Extra("judgements", judgements_to_dict(said), view)


def with_command(context: click.Context, report: Report) -> Report:
    """Return a report whose fix, if it has one, has the whole command line that runs it."""
    fix = report.verdict.fix
    if fix is None:
        return report
    command = " ".join(command_line(context, fix.changes))
    return replace(report, verdict=replace(report.verdict, fix=replace(fix, command=command)))


def fixed(context: click.Context, report: Report, found: "Fix | None") -> Extra:
    """Return the fix of a stack as a part of the answer, with the command line that runs it.

    Args:
        context: The context of the command that was run.
        report: The report of the stack.
        found: Its fix; None where it needs none, or where there is none.
    """
    from actdiag.documents.extras import fix_to_dict

    command = [] if found is None else command_line(context, found.change.options)

    def view(width: int, ascii_only: bool) -> "RenderableType":
        from actdiag.render.terminal.fixing import fix_view

        return fix_view(report, found, command, width=width, ascii_only=ascii_only)

    return Extra("fix", fix_to_dict(found, " ".join(command)), view)
