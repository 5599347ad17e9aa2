"""Running code that a user wrote: what it prints goes to standard error, and it ends nothing but itself."""

import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

from actdiag.errors import InvalidField, described

Result = TypeVar("Result")


class Failed(Exception):
    """What a user's code raised, in words."""


def run(code: Callable[..., Result], *arguments: Any) -> Result:
    """Return `code(*arguments)`; what it prints meanwhile goes to standard error.

    Interrupts and errors of actdiag pass.

    Raises:
        Failed: It raised anything else, `SystemExit` and lack of memory included.
    """
    with _PRINTED:
        try:
            return code(*arguments)
        except (KeyboardInterrupt, InvalidField):
            raise
        except BaseException as error:
            raise Failed(described(error)) from None


class _ToStandardError:
    """A context in which `sys.stdout` is standard error, for all threads until the last one has left.

    There is one `sys.stdout` for all threads: were each to put back what it found, one might put back standard error.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._inside = 0
        self._stdout: TextIO | None = None

    def __enter__(self) -> None:
        with self._changing:
            if not self._inside:
                self._stdout, sys.stdout = sys.stdout, sys.stderr
            self._inside += 1

    def __exit__(self, *raised: object) -> None:
        with self._changing:
            self._inside -= 1
            if not self._inside:
                sys.stdout = self._stdout
                self._stdout = None


_PRINTED = _ToStandardError()
