"""The command line as tests run it."""

import os

from actdiag.cli import run

SMALL = ["--batch", "50", "--width", "20", "--depth", "3"]

ENVIRONMENT = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def succeed(capsys, *arguments):
    assert run([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out
