"""Whole processes: the peak of their memory, and how long they take from start to end."""

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

from benchmarks.runs import Run

# A process that is started inherits the peak of the one that starts it. So a bare interpreter stands between this
# process, which may hold PyTorch, and the one that is measured.
_LAUNCH = """
import os, sys
pid = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
_RUN = """
import json, sys
import actdiag
getattr(actdiag, sys.argv[1])(**json.loads(sys.argv[2]))
"""
_UNIT = 1 if sys.platform == "darwin" else 1024


@cache
def peak_memory(run: Run) -> int:
    """Return the peak of the resident memory, in bytes, of a process that does the run and nothing else."""
    measured = ["-c", _RUN, run.command, json.dumps(run.options())]
    command = [sys.executable, "-I", "-S", "-c", _LAUNCH, *measured]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout) * _UNIT


def python(arguments: Sequence[str]) -> None:
    """Run this interpreter with these arguments to its end, its output going nowhere."""
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
