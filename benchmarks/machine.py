"""What the measurements were made on."""

import os
import platform
import re
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from actdiag import __version__
from actdiag.engine.workers import available_threads


def describe() -> dict[str, str]:
    """Return the machine and the versions of the libraries, in words."""
    return {
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": f"{available_threads()} of {os.cpu_count()}",
        "python": platform.python_version(),
        "actdiag": __version__,
        "numpy": f"{np.__version__}, {_blas()}",
        "scipy": _version("scipy"),
        "torch": _version("torch"),
    }


def load_average() -> str:
    """Return the processes that ran or waited, averaged over the last 1, 5 and 15 minutes."""
    if not hasattr(os, "getloadavg"):
        return "unknown"
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _blas() -> str:
    """Return the name, the version and the threads of the BLAS that NumPy multiplies with."""
    loaded = [library for library in threadpool_info() if library["user_api"] == "blas"]
    own = [library for library in loaded if "numpy" in library["filepath"]] or loaded
    if own:
        return f"{own[0]['internal_api']} {own[0]['version']} on {own[0]['num_threads']} threads"
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{built['name']} {built['version']}"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "missing"
