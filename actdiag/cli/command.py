"""The command `actdiag`: options in, the library's answers out, errors in one line."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from actdiag import __version__
from actdiag.cli import answers, screen
from actdiag.cli.process import EXIT_INTERRUPTED
from actdiag.errors import InvalidField, described

EXIT_USAGE = 2

_COMPLETION = "_ACTDIAG_COMPLETE"


class _Commands(Mapping[str, click.Command]):
    """The commands by name, each a function in a module of its name, which is imported when it is asked for."""

    names = ("activations", "compare", "explain", "gain", "grad-flow", "initializers", "propagate", "train")

    def __getitem__(self, name: str) -> click.Command:
        if name not in self.names:
            raise KeyError(name)
        attribute = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"actdiag.cli.{attribute}"), attribute)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class _Group(click.Group):
    """The group of commands: turns errors of the library into usage errors, and handles a closed or full output."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments."""
        with _output_failures():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            with _output_failures():
                try:
                    return super().invoke(ctx)
                finally:
                    answers.stream().flush()
        except InvalidField as error:
            command = self.commands[ctx.invoked_subcommand or ""]
            message = f"{_option(command, error.field)} {error.problem}"
            raise click.UsageError(message) from None
        except KeyboardInterrupt:  # a user's own code may raise one; click would print an empty line
            raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
        except MemoryError as error:
            message = (
                f"memory must hold the run, got {described(error)}; a smaller --width, --batch or --depth needs less"
            )
            raise click.UsageError(message) from None


@click.group(
    cls=_Group,
    commands=_Commands(),
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="actdiag", message="%(prog)s %(version)s")
@click.pass_context
def actdiag(ctx: click.Context) -> None:
    """Activation statistics for deep networks.

    Runs a deep stack with the activation and initializer you name, and reports layer by layer what happens to the
    signal and to the gradient, what is wrong, why, and the smallest change that fixes it.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on `arguments` (those of the process by default) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        if os.environ.get(_COMPLETION):
            _complete()
        code = actdiag.main(arguments, prog_name="actdiag", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        screen.tell(f"Error: {_message(error)}")
        return EXIT_USAGE
    return code if isinstance(code, int) else 0


def _complete() -> NoReturn:
    """Answer a shell that asks how a word goes on.

    Raises:
        Exit: It was answered.
        UsageError: No shell asks like that.
    """
    code: object = EXIT_USAGE
    with _output_failures():
        try:
            actdiag.main([], prog_name="actdiag", standalone_mode=False)
        except SystemExit as ended:
            code = ended.code
        except (KeyError, ValueError):  # the words are missing, or are no words
            pass
    if not code:
        raise click.exceptions.Exit(0)
    message = f"{_COMPLETION} must be what a shell's completion sets, or bash_source, got {os.environ[_COMPLETION]!r}"
    raise click.UsageError(message)


@contextlib.contextmanager
def _output_failures() -> Iterator[None]:
    """Exit quietly if the reader has closed the pipe, and with a usage error if the output is full.

    All other errors of the system, such as too many open files, are usage errors too.
    """
    try:
        yield
    except OSError as error:
        closed = answers.is_unread(error)
        full = error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)
        if error.filename is not None or not (closed or full):
            message = f"the system must allow what it asks for, got {described(error)}"
            raise click.ClickException(message) from None
        # What is left in the buffer must not fail again when the interpreter flushes it.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), answers.stream().fileno())
        if closed:
            code = error.__context__.exit_code if isinstance(error.__context__, click.exceptions.Exit) else 0
            raise click.exceptions.Exit(code) from None
        message = f"standard output must take the answer, got: {error.strerror}"
        raise click.ClickException(message) from None


def _option(command: click.Command, field: str) -> str:
    """Return how the command line spells a field of the library: `--bias-std`, or an argument as `NAME`."""
    for parameter in command.params:
        if parameter.name == field:
            return (
                parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name.strip("[].")
            )
    return f"--{field.replace('_', '-')}"


def _message(error: click.ClickException) -> str:
    """Return an error of the command line in one line, a parameter's with its option in front."""
    if isinstance(error, click.BadParameter) and error.param is not None and error.message:
        return f"{error.param.opts[0]} {error.message}"
    return " ".join(error.format_message().split())
