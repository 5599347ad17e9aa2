"""Streams: closed before the start, closed by their reader, full, and signals at any moment."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from contract import WATCHDOG, started
from hostile.case import Case

_SMALL = ("--depth", "2", "--width", "3", "--batch", "3")
_RUN = ("propagate", *_SMALL)
_TRIPPED = (*_RUN, "--init", "std=0.001", "--fail-on", "untrainable")
ENDING = {name: getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")}

WAYS = {
    (*_RUN, "--json", "out.json"): 0,
    _TRIPPED: 3,
    ("propagate", "--depth", "0"): 2,
    ("--help",): 0,
    _RUN: 0,
    (*_RUN, "--json", "-"): 0,
    ("compare", *_SMALL): 0,
    ("train", "--iterations", "1", "--watch"): 0,
    ("gain", "relu"): 0,
    ("activations",): 0,
    ("activations", "relu"): 0,
    ("initializers",): 0,
    ("explain",): 0,
    ("train", "--help"): 0,
    ("--version",): 0,
}
"""Command lines, and the code that each ends with."""

_QUICK = 3
"""So many of them stand in the quick tests."""


def closing(*streams: int) -> Callable[..., object]:
    """Return what starts the command line with streams that are closed."""
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return partial(started, preexec_fn=lambda: [os.close(stream) for stream in streams], **nowhere)


def _without_reader(stream: str) -> Callable[..., object]:
    """Return what starts the command line with a pipe that nobody reads in place of a stream."""

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        read, write = os.pipe()
        os.close(read)
        try:
            return started(*arguments, **{stream: write})
        finally:
            os.close(write)

    return start


def _full(stream: str) -> Callable[..., object]:
    """Return what starts the command line on a full disk in place of a stream."""

    def start(*arguments: str) -> "subprocess.Popen[bytes]":
        with Path("/dev/full").open("wb") as full:
            return started(*arguments, **{stream: full})

    return start


def _read_once(*arguments: str) -> "subprocess.Popen[bytes]":
    """Start the command line with a reader that goes away after a few bytes."""
    process = started(*arguments, bufsize=0)
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None
    return process


def signalled(number: int, *arguments: str, ready: bool = True) -> "subprocess.Popen[bytes]":
    """Start the command line and send it a signal once a run is under way, or as soon as it takes signals."""
    process = started(*arguments, preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in ENDING.values()])
    wait_until_running(process, "numpy/random" if ready else "")
    process.send_signal(number)
    return process


def wait_until_running(process: "subprocess.Popen[bytes]", loaded: str) -> None:
    """Wait until a process has taken its signals and has loaded a library, or has ended."""
    about = Path(f"/proc/{process.pid}")
    deadline = time.monotonic() + WATCHDOG
    while time.monotonic() < deadline and process.poll() is None:
        caught = int((about / "status").read_text(encoding="utf-8").split("SigCgt:")[1].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1 and loaded in (about / "maps").read_text(encoding="utf-8"):
            return


def cases() -> Iterator[Case]:
    """Yield the cases."""
    if os.name != "posix":
        return
    for number, (arguments, code) in enumerate(WAYS.items()):
        slow, asked = number >= _QUICK, ("out.json",)
        codes = frozenset({code})
        for streams in ((1,), (2,), (1, 2), (0, 1, 2)):
            start = closing(*streams)
            rare = slow or streams == (1, 2)
            yield Case(f"closed {streams}", arguments, codes, asked=asked, start=start, heard=False, slow=rare)
        yield Case("read by nobody", arguments, codes, asked=asked, start=_without_reader("stdout"), slow=slow)
        start = _without_reader("stderr")
        yield Case("errors read by nobody", arguments, codes, asked=asked, start=start, heard=False, slow=slow)
        if Path("/dev/full").exists():
            writes = code != 2
            full = frozenset({2 if writes else code})
            said = "Error: standard output must take the answer" if writes else ""
            yield Case("full", arguments, full, said, asked=asked, start=_full("stdout"), slow=slow)
            start = _full("stderr")
            yield Case("errors on a full disk", arguments, codes, asked=asked, start=start, heard=False, slow=slow)
    for arguments in (("propagate", "--depth", "300", "--width", "3", "--json", "-"), ("activations",), ("explain",)):
        yield Case("read once", arguments, frozenset({0}), start=_read_once, slow=arguments[0] != "propagate")
    if Path("/proc").exists():
        yield from _signals()


def _signals() -> Iterator[Case]:
    long = ("propagate", "--depth", "100000", "--width", "50", "--batch", "50", "--json", "never.json")
    train = ("train", "--iterations", "1000000", "--json", "never.json", "--csv", "never.csv")
    gain = ("gain", "relu", "--verify", "--depth", "10000", "--json", "never.json")
    for name, number in ENDING.items():
        codes = frozenset({128 + number})
        for arguments in (long, train, gain, ("compare", *long[1:]), ("grad-flow", *long[1:])):
            start = partial(signalled, number)
            yield Case(name, arguments, codes, start=start, slow=arguments != long)
        early = partial(signalled, number, ready=False)
        yield Case(f"{name} early", long, codes, start=early, slow=name != "SIGINT")
