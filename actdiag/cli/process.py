"""The process of the command line: its streams, its signals, its limits, and the codes that it ends with."""

import atexit
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from actdiag.cli import answers

EXIT_INTERRUPTED = 130

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")

_SIZE = re.compile("[1-9][0-9]{0,3}")
"""Columns and lines that a terminal may have; other numbers, 0 among them, count as none."""

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Runs hold BLAS to one thread. OpenBLAS would start its threads all the same, and interrupt itself where it cannot."""

_MOST_ARENAS = -8
"""M_ARENA_MAX of glibc's malloc.h."""


class _State:
    """What a signal has to know: what to undo, whether it has to wait, and which one waits."""

    undo: dict[object, Callable[[], None]]
    held = 0
    waiting: int | None = None
    interrupts: "Interrupts | None" = None

    def __init__(self) -> None:
        self.undo = {}


_STATE = _State()


def prepare() -> None:
    """Prepare a process that runs one command: its streams and signals, and libraries that neither warn nor thread."""
    open_closed_streams()
    _take_signals()
    answers.keep_apart()
    _shorten_what_is_ignored()
    os.environ.update(_ONE_THREAD)
    if memory_limit() is not None:
        _allocate_in_one_place()
    for name in ("COLUMNS", "LINES"):
        if not _SIZE.fullmatch(os.environ.get(name, "")):
            os.environ.pop(name, None)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def end(code: int) -> NoReturn:
    """End the process; what code of the user's own still prints is no part of the answer."""
    with suppress(OSError, ValueError):
        answers.stream().close()
    sys.stdout = sys.stderr
    if threading.active_count() > 1:  # the user's: one that prints while the interpreter goes down aborts it
        atexit._run_exitfuncs()
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def open_closed_streams() -> None:
    """Send what goes to a stream that was closed before the start to nowhere.

    Python has None for it, and prints errors to standard output where standard error is None. A file that is opened
    later must not get the number of a stream either.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123


def memory_limit() -> int | None:
    """Return the bytes that the process may take, as `ulimit -v` and the like set them; None without a limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    given = [resource.getrlimit(limit)[0] for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    return min((most for most in given if most != resource.RLIM_INFINITY), default=None)


def _allocate_in_one_place() -> None:
    """Keep glibc from reserving 64 MiB for the small objects of each thread, which count under a limit on memory."""
    import ctypes

    with suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(_MOST_ARENAS, 1)


def _shorten_what_is_ignored() -> None:
    """Print exceptions that end nothing, as those in a thread of the user's own, to standard error in one line."""
    from actdiag.errors import described, one_line

    def tell(error: BaseException | None) -> None:
        if error is None or isinstance(error, SystemExit):
            return
        try:
            print(one_line(f"ignored {described(error)}"), file=sys.stderr)
        except Exception:  # as the interpreter goes down, names are gone
            pass

    sys.unraisablehook = lambda ignored: tell(ignored.exc_value)
    threading.excepthook = lambda ended: tell(ended.exc_value)


@contextmanager
def undone_at_end(undo: Callable[[], None]) -> Iterator[None]:
    """Have `undo` called if a signal ends the process within the context."""
    key = object()
    _STATE.undo[key] = undo
    try:
        yield
    finally:
        _STATE.undo.pop(key, None)


@contextmanager
def held_signals() -> Iterator[None]:
    """Let signals wait for the length of the context, which does what must not be left half done."""
    _STATE.held += 1
    try:
        yield
    finally:
        _STATE.held -= 1
        if _STATE.waiting is not None and not _STATE.held:
            _end(_STATE.waiting, None)


class Interrupts:
    """SIGINT for work that has parts worth keeping: within the context it may wait until it is asked for.

    Until `keep` it ends the process as ever; so does a second one while the first waits.
    """

    def __init__(self) -> None:
        """Prepare to keep nothing."""
        self._kept = self._came = False

    def __enter__(self) -> "Interrupts":
        """Take SIGINT."""
        _STATE.interrupts = self
        return self

    def __exit__(self, *error: object) -> None:
        """Leave SIGINT as it was."""
        _STATE.interrupts = None

    def keep(self) -> None:
        """Let SIGINT wait from now on: there is something to keep."""
        self._kept = True

    def check(self) -> None:
        """Raise what waits.

        Raises:
            KeyboardInterrupt: SIGINT has come.
        """
        if self._came:
            raise KeyboardInterrupt

    def takes(self, number: int) -> bool:
        """Return whether a signal waits for `check`."""
        if number != signal.SIGINT or not self._kept or self._came:
            return False
        self._came = True
        return True


def _take_signals() -> None:
    """End with 128 and the signal's number. Signals that are ignored stay so."""
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: an exception may be caught on its way, as by libraries that are being imported."""
    if _STATE.interrupts is not None and _STATE.interrupts.takes(number):
        return
    if _STATE.held:
        _STATE.waiting = number
        return
    for undo in list(_STATE.undo.values()):
        with suppress(Exception):
            undo()
    os._exit(128 + number)
