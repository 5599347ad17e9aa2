"""The process of the command line: its streams, its signals, and the codes that it ends with."""

import os
import signal
import sys
import warnings
from types import FrameType

EXIT_INTERRUPTED = 130

_ENDING = ("SIGTERM", "SIGHUP")


class Terminated(BaseException):
    """The process was asked to end: raised in the main thread, so that temporary files go on the way out.

    Attributes:
        code: The exit code, 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        self.code = 128 + number
        super().__init__(self.code)


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


def _take_signals() -> None:
    """End with 128 and the signal's number; a second Ctrl-C ends at once. Signals that are ignored stay so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminated)


def _interrupted(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, _quit)
    raise Terminated(number)


def _quit(number: int, frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)


def _terminated(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # files that are being removed are not left to a second one
    raise Terminated(number)
