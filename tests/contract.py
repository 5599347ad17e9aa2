"""What every invocation of the command line keeps, however hostile: how it may end, and what it may say."""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from actdiag.cli.command import run

WATCHDOG = 60
"""Seconds after which an invocation counts as hanging; it bounds nothing else."""

CODES = {0, 2, 3, 130, 129, 143}

NAMED = re.compile(
    "Error: (--[a-z][a-z-]+|[A-Z]+|standard output|memory|the system|the libraries|_ACTDIAG_COMPLETE) "
    "|Error: No such (option|command) |Error: Option '--?[a-z-]+' (requires|does not take)|Error: Missing argument "
    "|Error: Got unexpected extra argument"
)
"""How the line of a usage error begins: it names the option, or what else was at fault."""

ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONWARN"))}


class Ended(NamedTuple):
    """How an invocation ended."""

    code: int
    out: str
    err: str


def started(*arguments, **options):
    """Start the command line in a process of its own; options are those of Popen."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": ENVIRONMENT} | options
    return subprocess.Popen([sys.executable, "-m", "actdiag", *arguments], **options)


def run_here(arguments):
    """Run the command line in this process and return how it ended."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(arguments)
        except SystemExit as error:
            code = error.code
    return Ended(code, *(stream.buffer.getvalue().decode("utf-8", "backslashreplace") for stream in (out, err)))


def ended(process, timeout=WATCHDOG):
    """Return how a process ended, or fail where it hangs."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, *((part or b"").decode(errors="backslashreplace") for part in (out, err)))


def check(result, before, after, asked=(), heard=True):
    """Check the contract.

    Args:
        result: How the invocation ended.
        before: The files before, as `files` has them.
        after: Those after.
        asked: The names of the files that it was to write.
        heard: Whether anybody listens to standard error.
    """
    result, whole = result._replace(out=result.out[:200]), result.out
    assert result.code in CODES, result
    assert "Traceback" not in result.err, result
    lines = result.err.splitlines()
    if result.code == 2 and heard:
        assert len(lines) == 1, result
        assert NAMED.match(lines[0]), result
        assert len(lines[0]) < 1000
    elif result.code != 3:
        assert not lines, result
    assert all(character.isprintable() for line in lines for character in line), result
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed <= (set(asked) if result.code in (0, 3) else set()), (result, changed)
    assert not any("\x1b[31m" in line or "\u202e" in line for line in whole.splitlines())


def files(folder="."):
    """Return the start of every file in a folder, by name, without what Python caches; folders have none."""
    found = (path for path in Path(folder).rglob("*") if "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): _start(path) if path.is_file() else None for path in found}


def _start(path):
    try:
        with path.open("rb") as file:
            return file.read(2**24)
    except PermissionError:
        return None
