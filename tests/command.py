"""The command line as tests run it."""

import os
import sys

import pytest

from actdiag.cli.command import run

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs pipes, modes and links as POSIX has them")
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full or /proc")

SMALL = ["--batch", "50", "--width", "20", "--depth", "3"]

ENVIRONMENT = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def succeed(capsys, *arguments):
    assert run([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out
