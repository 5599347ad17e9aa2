"""What `--fix` adds to a command: the mended run, and the command line that repeats it."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from actdiag.mending import Mended
    from actdiag.report import Report

_NOT_REPEATED = frozenset({"fix", "fail_on", "png", "json", "csv"})


def command_line(context: click.Context, changes: Mapping[str, object]) -> str:
    """Return the command line of a context with some options set otherwise.

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
    return shlex.join(words).replace(shlex.quote(context.command_path), context.command_path, 1)


def _texts(value: object) -> list[str]:
    if isinstance(value, tuple):
        together = all(isinstance(part, int) for part in value)
        return [",".join(map(str, value))] if together else [str(part) for part in value]
    return [str(value)]


def fix_to_dict(mended: "Mended | None", command: str) -> dict[str, Any] | None:
    """Return what the JSON says of the change; None where nothing helped."""
    if mended is None:
        return None
    change = mended.change
    return {
        "what": change.what,
        "options": dict(change.options),
        "tried": mended.tried,
        "command": command,
        "after": mended.report.to_dict(),
    }


def with_fix(report: "Report", mended: "Mended | None", command: str) -> str:
    """Return the JSON of a report with what mends it."""
    from actdiag.report import as_json

    return as_json(report.to_dict() | {"fix": fix_to_dict(mended, command)})
