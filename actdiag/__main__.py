"""python -m actdiag, and the command `actdiag`: signals are taken before anything else is imported."""

import gc
import sys

from actdiag.process import prepare

_OBJECTS_BEFORE_COLLECTION = 100_000
"""What is imported stays: to look for garbage in it again and again takes a twentieth of a start."""


def main() -> None:
    """Run the command line and exit.

    The code is 0 for done, 2 for usage, 3 for --fail-on, 130 for an interrupt, 143 and 129 for SIGTERM and SIGHUP; a
    bug ends with 1 and a traceback.
    """
    prepare()
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    from actdiag.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
