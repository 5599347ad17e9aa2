"""python -m actdiag, and the command `actdiag`: signals are taken before anything else is imported."""

import gc
from collections.abc import Callable

from actdiag.cli.process import end, prepare

_OBJECTS_BEFORE_COLLECTION = 100_000
"""What is imported stays: to look for garbage in it again and again takes a twentieth of a start."""

_STACK_SLOTS = 2**15
"""What a frame claims so that all frames above it share one chunk of CPython's stack.

Chunks have 16 KiB, and one is mapped and unmapped by every call across the end of the one before. Imports nest deep
enough to do that thousands of times, which takes a sixth of a start.
"""


def main() -> None:
    """Run the command line and exit.

    The code is 0 for done, 2 for usage, 3 for --fail-on, 130 for an interrupt, 143 and 129 for SIGTERM and SIGHUP; a
    bug ends with 1 and a traceback.
    """
    prepare()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    from actdiag.cli.command import run

    code = _with_room(run)
    gc.freeze()  # nor is garbage looked for at the end
    end(code)


def _with_room(run: Callable[[], int]) -> int:
    return run()


_with_room.__code__ = _with_room.__code__.replace(co_stacksize=_STACK_SLOTS)


if __name__ == "__main__":
    main()
