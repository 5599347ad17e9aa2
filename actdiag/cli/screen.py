"""The terminal: what it can show, how views are printed, and the progress of long runs."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actdiag.cli import answers
from actdiag.cli.process import undone_at_end
from actdiag.errors import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.progress import Progress, TaskID


_PATIENCE = 1.0


def ascii_only() -> bool:
    """Return whether characters beyond ASCII may not show: a C or POSIX locale, or an output that is not UTF-8."""
    environment = _environment_as_given()
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "")
    plain = locale in ("C", "POSIX") or (not locale and os.name == "posix")
    return plain or (answers.stream().encoding or "").lower().replace("-", "") != "utf8"


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
    end_progress()
    try:
        print(one_line(line), file=sys.stderr, flush=True)
    except (OSError, ValueError):  # nobody reads it; what is left in its buffer must not fail again at the end
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def write(text: str) -> None:
    """Write part of an answer to standard output."""
    end_progress()
    answers.stream().write(text)


def show(view: "Callable[[int, bool], RenderableType]") -> None:
    """Print what `view` makes of (columns, ASCII only)."""
    from rich.console import Console

    console = Console(file=answers.stream(), width=_columns(), highlight=False, markup=False, emoji=False)
    with console.capture() as capture:
        console.print(_Printable(view(console.width, ascii_only())))
    # Cells are padded to the width of their columns; at the end of a line that is only noise in a file.
    lines = capture.get().split("\n")
    write("\n".join(lines if console.is_terminal else [line.rstrip() for line in lines]))


def _columns() -> int | None:
    """Return the columns of the terminal that answers go to; None where there is none, or where COLUMNS says more."""
    if os.environ.get("COLUMNS"):
        return None
    try:
        return os.get_terminal_size(answers.stream().fileno()).columns or None
    except (OSError, ValueError):
        return None


class _Printable:
    """A view in which names from files and options cannot steer the terminal: their control characters are escaped."""

    def __init__(self, view: "RenderableType") -> None:
        self._view = view

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield what the view consists of."""
        from rich.segment import Segment

        for segment in console.render(self._view, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


_REFRESH = 0.1
"""Seconds between two drawings of the bar."""


class Bar:
    """The progress of a command on standard error: it appears after a second, also before the first step is done.

    One thread draws it, which is started before memory can be short: Python waits forever for a thread that cannot
    begin for lack of it.

    Attributes:
        of: What is counted.
    """

    def __init__(self, of: str = "layers") -> None:
        self.of, self._label = of, "starting"
        self._steps: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._shown: tuple[Progress, TaskID] | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._ends = contextlib.ExitStack()

    def __call__(self, done: int, total: int) -> None:
        """Take how many steps are done, of how many."""
        self._set(self.of, (done, total))

    def now(self, label: str) -> None:
        """Take what is done now, of which steps are not counted."""
        self._set(label, None)

    def __enter__(self) -> "Bar":
        """Start waiting."""
        if sys.stderr.isatty():
            self._ends.enter_context(undone_at_end(self._clear))
            thread = threading.Thread(target=self._draw, daemon=True)
            with contextlib.suppress(RuntimeError):  # the system starts no more threads: no bar
                thread.start()
                self._thread = thread
        return self

    def __exit__(self, *error: object) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, for good."""
        self._ends.close()
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._lock:
            if self._shown is not None:
                self._shown[0].stop()
                self._shown = None

    def _clear(self) -> None:
        """Clear the line and show the cursor, as the process ends."""
        if self._shown is not None:
            os.write(sys.stderr.fileno(), b"\r\x1b[2K\x1b[?25h")

    def _set(self, label: str, steps: tuple[int, int] | None) -> None:
        with self._lock:
            started = label != self._label
            self._label, self._steps = label, steps
            if self._shown is not None:
                bar, task = self._shown
                if started:
                    bar.remove_task(task)
                    self._shown = bar, self._task(bar)
                elif steps is not None:
                    bar.update(task, completed=steps[0], total=steps[1])

    def _draw(self) -> None:
        """Show the bar once the command takes long, and draw it until it is taken away."""
        if self._closed.wait(_PATIENCE):
            return
        with contextlib.suppress(MemoryError, ImportError, OSError):  # no bar; the command says what it lacks itself
            self._show()
            while not self._closed.wait(_REFRESH):
                with self._lock:
                    if self._shown is not None:
                        self._shown[0].refresh()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        bar = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
        with self._lock:
            self._shown = bar, self._task(bar)
            bar.start()
            bar.refresh()

    def _task(self, bar: "Progress") -> "TaskID":
        done, total = self._steps or (0, None)
        return bar.add_task(self._label, completed=done, total=total)


def progress(of: str = "layers") -> Bar:
    """Return the bar of the running command, which counts `of` from now on: a callback of (done, total).

    Args:
        of: What is counted.
    """
    bar = _bar() or Bar()
    bar.of = of
    return bar


def end_progress() -> None:
    """Take the bar of the running command away, before anything else is shown."""
    bar = _bar()
    if bar is not None:
        bar.close()


def _bar() -> Bar | None:
    context = click.get_current_context(silent=True)
    return None if context is None else context.find_object(Bar)
