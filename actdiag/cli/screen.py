"""The terminal: what it can show, how views are printed, and the progress of long runs."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from actdiag.errors import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


_PATIENCE = 1.0


def ascii_only() -> bool:
    """Return whether characters beyond ASCII may not show: a C or POSIX locale, or an output that is not UTF-8."""
    environment = _environment_as_given()
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    plain = locale in ("C", "POSIX") or (not locale and os.name == "posix")
    return plain or (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"


def _environment_as_given() -> Mapping[str, str]:
    """Return the environment before Python's own start put LC_CTYPE=C.UTF-8 in place of a C locale (PEP 538)."""
    if os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") != "C.UTF-8":  # under LC_ALL nothing was put in place
        return os.environ
    try:
        given = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return os.environ
    return dict(os.fsdecode(item).split("=", 1) for item in given if b"=" in item)


def tell(line: str) -> None:
    """Print a line to standard error, control characters in it escaped."""
    print(one_line(line), file=sys.stderr)


def show(view: "Callable[[int, bool], RenderableType]") -> None:
    """Print what `view` makes of (columns, ASCII only)."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(_Printable(view(console.width, ascii_only())))
    # Cells are padded to the width of their columns; at the end of a line that is only noise in a file.
    lines = capture.get().split("\n")
    sys.stdout.write("\n".join(lines if console.is_terminal else [line.rstrip() for line in lines]))


class _Printable:
    """A view in which names from files and options cannot steer the terminal: their control characters are escaped."""

    def __init__(self, view: "RenderableType") -> None:
        self._view = view

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield what the view consists of."""
        from rich.segment import Segment

        for segment in console.render(self._view, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


@contextlib.contextmanager
def progress(of: str = "layers") -> Iterator[Callable[[int, int], None]]:
    """Give a callback of (done, total): a bar on standard error, if that is a terminal and it takes a while.

    Args:
        of: What is counted.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        advance: list[Callable[[int, int], None]] = []

        def tell(done: int, total: int) -> None:
            if not advance and time.monotonic() - started > _PATIENCE:
                advance.append(stack.enter_context(_bar(of)))
            if advance:
                advance[0](done, total)

        yield tell


@contextlib.contextmanager
def _bar(of: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(of)
        yield lambda done, total: bar.update(task, completed=done, total=total)
