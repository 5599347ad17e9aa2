"""Limits of the system: memory, open files, threads, the size of files, a disk that is full."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

from contract import ENVIRONMENT, ended, started
from hostile.case import ADMINISTER, EXCEED_LIMITS, Case, fresh_folder, give_up

with contextlib.suppress(ImportError):  # not on Windows
    import resource

MIB = 2**20
_SMALL = ("--depth", "2", "--width", "3", "--batch", "3")
_RUN = ("propagate", *_SMALL)
_EITHER = frozenset({0, 2})
_NOBODY = 54_321


def under(terminal: bool = False, **limits: int) -> Callable[..., object]:
    """Return what starts the command line under limits, by the names that `resource` has for them.

    With a terminal, standard error is one.
    """

    def limit() -> None:
        if "NPROC" in limits and os.geteuid() == 0:  # threads are counted for a user
            give_up(ADMINISTER, EXCEED_LIMITS)
            os.setresuid(_NOBODY, 0, 0)
        for name, most in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))

    return partial(_on_a_terminal if terminal else started, preexec_fn=limit)


def _on_a_terminal(*arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    """Start the command line with a terminal, which is read to its end, for standard error."""
    import pty

    terminal, end = pty.openpty()
    process = started(*arguments, stderr=end, env=ENVIRONMENT | {"TERM": "xterm"}, **options)
    os.close(end)

    def read() -> None:
        with contextlib.suppress(OSError):  # as the process ends
            while os.read(terminal, 2**16):
                pass
        os.close(terminal)

    threading.Thread(target=read, daemon=True).start()
    return process


_ON_A_SMALL_DISK = """
import ctypes, os, subprocess, sys
from pathlib import Path
libc = ctypes.CDLL(None, use_errno=True)
Path("disk").mkdir(exist_ok=True)
size, *arguments = sys.argv[1:]
private, all_below = 1 << 18, 1 << 14
for done in (
    libc.unshare(1 << 17),
    libc.mount(b"none", b"/", None, private | all_below, None),
    libc.mount(b"tmpfs", b"disk", b"tmpfs", 0, f"size={size}".encode()),
):
    if done:
        sys.exit(77)
code = subprocess.run([sys.executable, "-m", "actdiag", *arguments]).returncode if arguments else 0
for path in Path("disk").iterdir():
    print("left:", path, path.stat().st_size, file=sys.stderr)
sys.exit(code)
"""
"""Runs the command line where `disk` is a file system of some size, and tells what it leaves there."""


def on_a_small_disk(size: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start the command line where the folder `disk` has room for so much."""
    command = [sys.executable, "-c", _ON_A_SMALL_DISK, size, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)


@cache
def may_mount() -> bool:
    """Return whether file systems may be mounted here."""
    with fresh_folder():
        return ended(on_a_small_disk("4k")).code == 0


def cases() -> Iterator[Case]:
    """Yield the cases."""
    if sys.platform != "linux":
        return
    yield from _memory()
    yield from _files()
    yield from _threads()
    if may_mount():
        yield from _disks()


def _memory() -> Iterator[Case]:
    for limit, sizes in {"AS": (32, 128, 255), "DATA": (32, 255)}.items():
        for size in sizes:
            start, slow = under(**{limit: size * MIB}), (size, limit) != (128, "AS")
            yield Case("no memory for the program", _RUN, said="Error: memory must hold ", start=start, slow=slow)
    for arguments, option in {
        ("propagate", "--width", "20000", "--batch", "10"): "--width",
        ("propagate", "--batch", "1000000"): "--batch",
        ("propagate", "--depth", "1000000", "--width", "1", "--batch", "1"): "--depth",
        ("grad-flow", "--loss", "mse", "--classes", "10000", "--width", "10000", "--batch", "1"): "--",
        ("compare", "--width", "20000", "--batch", "10"): "--width",
        ("train", "--width", "10000", "--iterations", "1", "--init", "he"): "--width",
        ("train", "--data", "synthetic:rows=1000000:features=1000"): "--data",
        ("gain", "relu", "--verify", "--width", "20000"): "--",
    }.items():
        slow = option not in ("--batch", "--data")
        yield Case("too large", arguments, said=f"Error: {option}", start=under(AS=400 * MIB), slow=slow)
    for size in range(256, 400, 24):
        for arguments in (
            (*_RUN, "--png", "out.png"),
            ("grad-flow", *_SMALL, "--act", "gelu"),
            ("train", "--iterations", "1", "--init", "he", "--png", "out.png"),
            ("propagate", "--width", "1500", "--depth", "2", "--threads", "2"),
            ("propagate", "--width", "800", "--batch", "2000", "--depth", "2"),
            ("gain", "gelu"),
            ("gain", "gelu", "--verify", "--depth", "2"),
            ("compare",),
        ):
            yield Case("little memory", arguments, _EITHER, asked=("out.png",), start=under(AS=size * MIB), slow=True)
            limited = under(terminal=True, AS=size * MIB)
            yield Case(
                "little memory, on a terminal", arguments, _EITHER, asked=("out.png",), start=limited, heard=False,
                slow=True,
            )  # fmt: skip
    for size in (262, 276):
        limited = under(terminal=True, AS=size * MIB)
        verify = ("gain", "gelu", "--verify", "--depth", "5")
        yield Case("little memory, on a terminal", verify, _EITHER, start=limited, heard=False, slow=size != 262)
    shared = ("propagate", "--width", "800", "--batch", "2000", "--depth", "2", "--threads", "2")
    for size in (290, 298, 312):
        yield Case("memory for two threads", shared, frozenset({0}), start=under(AS=size * MIB), slow=size != 298)
    yield Case(
        "a gain that does not fit",
        ("gain", "gelu", "--verify", "--width", "300"),
        said="Error: --width ",
        start=under(AS=262 * MIB),
    )


def _files() -> Iterator[Case]:
    for most in (6, 7, 8, 9, 10, 16):
        drawn = (*_RUN, "--act", "gelu", "--png", "out.png", "--json", "out.json")
        asked = ("out.png", "out.json")
        yield Case("few open files", drawn, _EITHER, asked=asked, start=under(NOFILE=most), slow=most != 6)
    for most in (0, 100, 5000):
        for option, name in (("--json", "out.json"), ("--png", "out.png"), ("--csv", "out.csv")):
            if (option, most) != ("--csv", 5000):
                start, slow = under(FSIZE=most), (most, option) != (100, "--png")
                yield Case("small files", (*_RUN, option, name), said=f"Error: {option} ", start=start, slow=slow)


def _threads() -> Iterator[Case]:
    several = (*_RUN, "--threads", "4")
    yield Case("one thread", several, said="Error: --threads ", start=under(NPROC=1))
    shared = ("--width", "800", "--depth", "2")
    for command in (("grad-flow",), ("gain", "relu", "--verify")):
        yield Case("one thread", (*command, *shared), frozenset({0}), start=under(NPROC=1), slow=True)
    asked = ("grad-flow", *shared, "--threads", "2")
    yield Case("one thread", asked, said="Error: --threads ", start=under(NPROC=1), slow=True)
    yield Case("one thread", _RUN, frozenset({0}), start=under(NPROC=1))
    yield Case("one thread", ("gain", "gelu"), frozenset({0}), start=under(NPROC=1), slow=True)


def _disks() -> Iterator[Case]:
    for size, option in (("4k", "json"), ("16k", "png"), ("4k", "csv")):
        name = f"disk/out.{option}"
        for depth, slow in (("30", option != "json"), ("200", True)):
            run = ("propagate", "--depth", depth, "--width", "3", "--batch", "3", f"--{option}", name)
            start = partial(on_a_small_disk, size)
            yield Case("a small disk", run, said=f"Error: --{option} ", make=Path("disk").mkdir, start=start, slow=slow)
    two = (*_RUN, "--json", "disk/one.json", "--csv", "disk/two.csv")
    start = partial(on_a_small_disk, "12k")
    yield Case("a disk with room for one", two, said="Error: --csv ", make=Path("disk").mkdir, start=start)
