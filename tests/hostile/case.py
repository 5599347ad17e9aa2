"""A hostile invocation: what is given, what lies about, and how it may end."""

import contextlib
import ctypes
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

from contract import WATCHDOG, Ended, check, ended, files, run_here

from actdiag.cli.command import actdiag

OWN = "printed by the user's own code"
"""What code of the user's own prints; it belongs to standard error, and is no line of the command's."""


def nothing():
    """Write nothing."""


class Case(NamedTuple):
    """A hostile invocation.

    Attributes:
        name: What is hostile about it.
        arguments: The command line.
        codes: The exit codes that are right.
        said: What standard error holds where the code is 2.
        make: Writes files into the present folder.
        asked: The names of the files that it is to write.
        start: Takes the arguments and starts a process; None to run in this one.
        heard: Whether anybody listens to standard error.
        slow: Whether it is left to the slow tests.
        needs: A library without which it says nothing.
    """

    name: str
    arguments: tuple[str, ...]
    codes: frozenset[int] = frozenset({2})
    said: str = ""
    make: Callable[[], object] = nothing
    asked: tuple[str, ...] = ()
    start: Callable[..., object] | None = None
    heard: bool = True
    slow: bool = False
    needs: str = ""


@contextlib.contextmanager
def fresh_folder() -> Iterator[str]:
    """Enter a new folder, which is gone afterwards."""
    before = os.getcwd()  # noqa: PTH109
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


@contextlib.contextmanager
def own_modules() -> Iterator[None]:
    """Forget the modules that are loaded meanwhile out of a folder that is gone afterwards."""
    before = set(sys.modules)
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name.startswith("own"):
                del sys.modules[name]


_DROP_POWER = 24
READ_ANYTHING, SEARCH_ANYTHING, ADMINISTER, EXCEED_LIMITS = 1, 2, 21, 24
"""What root may do on Linux whatever files and limits say, by the numbers of linux/capability.h."""


def give_up(*powers: int) -> None:
    """Have the program that this process becomes do without some powers of root."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for power in powers:
            libc.prctl(_DROP_POWER, power, 0, 0, 0)


class Hang(BaseException):
    """Raised in an invocation that runs longer than the watchdog allows."""


@contextlib.contextmanager
def watched(patience: int = WATCHDOG) -> Iterator[None]:
    """End what takes more seconds than that in this process."""

    def bite(number, frame):
        raise Hang

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, bite)
    signal.alarm(patience)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def is_own(line: str) -> bool:
    """Return whether a line on standard error is the user's or was asked for.

    The user's code has printed it, to its end or not, or has raised something to no effect; `--watch` asks for lines.
    """
    return OWN in line or OWN.startswith(line) or line.startswith("ignored ") or ", loss " in line


class Held(NamedTuple):
    """A case that has run: how it ended, and the files before and after."""

    result: Ended
    before: dict[str, bytes | None]
    after: dict[str, bytes | None]


def run_case(case: Case, patience: int = WATCHDOG) -> Held:
    """Run a case in a folder of its own; what takes more seconds than that counts as hanging."""
    with fresh_folder(), own_modules(), watched(patience), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as a process of the command's own does
        case.make()
        before = files()
        if case.start is None:
            result = run_here(list(case.arguments))
        else:
            result = ended(case.start(*case.arguments), patience - 1)
        return Held(result, before, files())


def verify(case: Case, held: Held) -> None:
    """Check that a case that has run kept the contract and ended as it says."""
    err = "".join(line for line in held.result.err.splitlines(keepends=True) if not is_own(line))
    result = held.result._replace(err=err)
    shown = result._replace(out=result.out[:200])
    assert OWN not in result.out, shown
    assert names_an_option_of_its_own(case, result.err), shown
    check(result, held.before, held.after, case.asked, case.heard)
    assert result.code in case.codes, shown
    assert result.code != 2 or case.said in result.err or not case.heard, shown


def names_an_option_of_its_own(case: Case, line: str) -> bool:
    """Return whether the option that an error names, if any, is one of the command's."""
    option = re.match("Error: (--[a-z][a-z-]+) ", line)
    command = next((actdiag.commands[one] for one in case.arguments if one in actdiag.commands), None)
    if option is None or command is None:
        return True
    return option[1] in {name for parameter in command.params for name in parameter.opts + parameter.secondary_opts}


def hold(case: Case) -> None:
    """Run a case and check that it keeps the contract."""
    verify(case, run_case(case))
