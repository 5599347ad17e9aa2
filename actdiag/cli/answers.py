"""Answers: all that goes to standard output. What a user's code writes there goes to standard error."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO


class _State:
    """Where answers go: the stream of a process of the command's own, and that of the running command."""

    own: TextIO | None = None
    stream: TextIO | None = None


_STATE = _State()


def keep_apart() -> None:
    """Give answers a descriptor of their own in this process, and send what else comes for theirs to standard error.

    That is what C code, children and whoever keeps the stream that Python began with write to standard output.
    """
    with suppress(OSError, ValueError):
        given, number = sys.stdout, sys.stdout.fileno()
        kept = os.dup(number)
        os.dup2(sys.stderr.fileno(), number)
        sys.stdout = _STATE.own = open(kept, "w", encoding=given.encoding, errors=given.errors)  # noqa: PTH123


@contextmanager
def alone() -> Iterator[None]:
    """Have `sys.stdout` be standard error within the context, for all threads: only `stream()` takes answers.

    In a process of the command's own it stays so: the user's code may have left threads.
    """
    _STATE.stream = given = sys.stdout
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        if given is not _STATE.own:
            sys.stdout, _STATE.stream = given, None


def stream() -> TextIO:
    """Return where answers go."""
    return _STATE.stream or sys.stdout


def is_unread(error: OSError) -> bool:
    """Return whether an error says that the reader of answers has gone; Windows calls that an invalid argument."""
    return error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)
