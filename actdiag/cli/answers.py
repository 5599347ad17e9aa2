"""Answers: all that goes to standard output. What a user's own code prints goes to standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class _State:
    stream: TextIO | None = None


_STATE = _State()


@contextmanager
def alone() -> Iterator[None]:
    """Have `sys.stdout` be standard error within the context, for all threads: only `stream()` takes answers."""
    _STATE.stream = given = sys.stdout
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, _STATE.stream = given, None


def stream() -> TextIO:
    """Return where answers go."""
    return _STATE.stream or sys.stdout
