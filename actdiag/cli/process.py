"""The process of the command line: its streams, its signals, and the codes that it ends with."""

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

EXIT_INTERRUPTED = 130

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


class _State:
    """What a signal has to know: what to undo, whether it has to wait, and which one waits."""

    undo: dict[object, Callable[[], None]]
    held = 0
    waiting: int | None = None

    def __init__(self) -> None:
        self.undo = {}


_STATE = _State()


def prepare() -> None:
    """Prepare a process that runs one command: streams that are closed, signals, and no warnings of libraries."""
    open_closed_streams()
    _take_signals()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def open_closed_streams() -> None:
    """Send what goes to a stream that was closed before the start to nowhere.

    Python has None for it, and prints errors to standard output where standard error is None. A file that is opened
    later must not get the number of a stream either.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123


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


def _take_signals() -> None:
    """End with 128 and the signal's number. Signals that are ignored stay so."""
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: an exception may be caught on its way, as by libraries that are being imported."""
    if _STATE.held:
        _STATE.waiting = number
        return
    for undo in list(_STATE.undo.values()):
        with suppress(Exception):
            undo()
    os._exit(128 + number)
