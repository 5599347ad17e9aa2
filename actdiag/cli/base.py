"""What every command does around its own work."""

from typing import Any

import click

from actdiag.cli import answers
from actdiag.cli.process import memory_limit
from actdiag.cli.screen import Bar
from actdiag.errors import described

_LEAST_MEMORY = 256 * 2**20


SECTIONS = ("Network", "Data", "Run", "Verdict", "Output")
"""The sections of the options in help, in order; those of no section come after."""


class Option(click.Option):
    """An option in a section of help."""

    def __init__(self, *names: Any, section: str, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.section = section


class Command(click.Command):
    """A command of which only the answer goes to standard output, and which shows that it runs if it takes long."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by section."""
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in (*SECTIONS, "")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections[getattr(parameter, "section", "")].append(record)
        for name, records in sections.items():
            if records:
                with formatter.section(name or "Other options"):
                    formatter.write_dl(records)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            ClickException: The system does not let it load what it needs.
        """
        _check_memory()
        with answers.alone(), Bar() as ctx.obj:
            _import_numpy()
            try:
                return super().invoke(ctx)
            except ImportError as error:
                raise _unloaded(error) from None


def _check_memory() -> None:
    """Refuse a limit on memory under which OpenBLAS ends the process where numpy is imported."""
    limit = memory_limit()
    if limit is not None and limit < _LEAST_MEMORY:
        least, got = _LEAST_MEMORY // 2**20, limit // 2**20
        message = f"memory must hold {least} MiB for the program alone, got a limit of {got} MiB (ulimit -v)"
        raise click.ClickException(message)


def _import_numpy() -> None:
    try:
        import numpy  # noqa: F401
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # whatever it raises, as for a variable that it cannot read
        raise _unloaded(error) from None


def _unloaded(error: BaseException) -> click.ClickException:
    while error.__cause__ is not None:  # numpy puts a page of advice around the error that says what is wrong
        error = error.__cause__
    return click.ClickException(f"the libraries must load, got {described(error)}")
