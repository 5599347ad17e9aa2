"""Streams that are closed, signals, and a folder that is gone: how the process ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from contract import ENVIRONMENT, WATCHDOG, check, ended, files, started

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SMALL = ["--depth", "2", "--width", "4", "--batch", "4"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX streams and signals")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def closing(*streams):
    return {"preexec_fn": lambda: [os.close(stream) for stream in streams], "stdout": None, "stderr": None}


@pytest.mark.parametrize("streams", [(1,), (2,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["propagate", *SMALL], 0),
        (["propagate", *SMALL, "--json", "-"], 0),
        (["propagate", *SMALL, "--json", "out.json"], 0),
        (["propagate", *SMALL, "--init", "std=0.001", "--fail-on", "untrainable"], 3),
        (["propagate", "--depth", "0"], 2),
        (["--help"], 0),
    ],
)
def test_closed_streams_change_no_exit_code(streams, arguments, code):
    assert ended(started(*arguments, **closing(*streams))).code == code
    assert [path.name for path in Path().iterdir()] == (["out.json"] if "out.json" in arguments else [])


def test_errors_do_not_go_to_standard_output():
    options = closing(2) | {"stdout": subprocess.PIPE}
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


@pytest.mark.skipif(not Path("/proc").exists(), reason="asks Linux what a process has loaded")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["INT", "TERM", "HUP"]
)
def test_signals_end_with_their_code_and_leave_nothing(number, code):
    process = started(
        "propagate", "--depth", "100000", "--width", "50", "--batch", "50", "--json", "never.json",
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in ENDING],
    )  # fmt: skip
    try:
        wait_until_running(process)
        process.send_signal(number)
        result = ended(process)
    finally:
        process.kill()
    check(result, {}, files())
    assert result.code == code


def wait_until_running(process):
    """Wait until a process has taken its signals and has loaded what draws weights, so that a run is under way."""
    about = Path(f"/proc/{process.pid}")
    deadline = time.monotonic() + WATCHDOG
    while time.monotonic() < deadline and process.poll() is None:
        caught = int((about / "status").read_text(encoding="utf-8").split("SigCgt:")[1].split()[0], 16)
        if caught >> (signal.SIGTERM - 1) & 1 and "numpy/random" in (about / "maps").read_text(encoding="utf-8"):
            return


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
