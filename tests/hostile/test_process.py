"""A folder that is gone, interrupts at any moment, and what a terminal shows of a command that takes long."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contract import ENVIRONMENT, WATCHDOG, check, ended, files, started

SMALL = ["--depth", "2", "--width", "4", "--batch", "4"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX streams and signals")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_errors_do_not_go_to_standard_output():
    options = {"preexec_fn": lambda: os.close(2), "stderr": None}
    assert ended(started("propagate", "--depth", "0", **options)).out == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["propagate", *SMALL], 0),
        (["propagate", *SMALL, "--json", "out.json"], 2),
        (["train", "--data", "digits.npz", "--csv", "out.csv"], 2),
        (["propagate", "--input", "x.npy"], 2),
        (["propagate", "--act", "mine:f"], 2),
    ],
)
def test_a_deleted_folder(arguments, code):
    gone = Path("gone").absolute()
    gone.mkdir()
    command = [sys.executable, "-m", "actdiag", *arguments]
    enter = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); os.execv({sys.executable!r}, {command!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", enter],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    result = ended(process)
    check(result, {}, files())
    assert result.code == code


# A parent that ignores SIGINT hands that on to its children; this one takes it again.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from actdiag.__main__ import main
from actdiag.cli.process import prepare
prepare()
print("x", flush=True)
sys.argv = {arguments}
main()
"""


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_two_interrupts_at_any_moment(moment):
    """From the first line of the program on; what comes before is Python's to say."""
    ready = INTERRUPTIBLE.format(arguments=["actdiag", "propagate", "--depth", "3000", "--width", "50"])
    process = subprocess.Popen(
        [sys.executable, "-c", ready], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    assert process.stdout.readline() == b"x\n"
    time.sleep(moment)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    result = ended(process)
    killed = -signal.SIGINT  # 130 to a shell: Python gives signals back before it has ended
    assert result.code in (0, 130, killed), result
    assert "Traceback" not in result.err, result


WAITING = """
import os, time
import autograd.numpy as np

def wait():
    while not os.path.exists("go"):
        time.sleep(0.01)

def f(x):
    if {late} and x.shape == (4, 4):
        wait()
    return np.tanh(x)

if not {late}:
    wait()
"""

TAKING_LONG = [
    ["propagate", *SMALL, "--act", "own:f", "--json", "-"],
    ["gain", "own:f"],
    ["activations", "own:f"],
    ["compare", *SMALL, "--act", "own:f"],
    ["train", "--act", "own:f", "--iterations", "2", "--watch"],
]


@pytest.mark.parametrize(
    ("late", "arguments"),
    [
        (True, TAKING_LONG[0]),
        *(
            pytest.param(False, one, marks=[pytest.mark.slow] if number else [])
            for number, one in enumerate(TAKING_LONG)
        ),
    ],
)
def test_a_terminal_shows_that_a_command_takes_long(late, arguments):
    """From the start on, whatever takes long: here the import of the user's module, or a call amid a run."""
    import pty

    pytest.importorskip("autograd")
    Path("own.py").write_text(WAITING.format(late=late), encoding="utf-8")
    terminal, end = pty.openpty()
    process = started(*arguments, stderr=end, env=ENVIRONMENT | {"TERM": "xterm"})
    os.close(end)
    try:
        assert select.select([terminal], [], [], WATCHDOG)[0], "nothing is shown"
        Path("go").touch()
        result = ended(process)
        assert (result.code, result.out != "") == (0, True)
        assert all_of(terminal).endswith(b"\x1b[2K")  # the line is cleared
    finally:
        process.kill()
        os.close(terminal)


def all_of(terminal):
    """Return what was shown on a terminal that nobody writes to any more."""
    shown = b""
    with contextlib.suppress(OSError):
        while select.select([terminal], [], [], 0)[0] and (more := os.read(terminal, 2**16)):
            shown += more
    return shown
