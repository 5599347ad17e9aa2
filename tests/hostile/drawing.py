"""Command lines drawn from the options that click knows."""

from itertools import pairwise
from pathlib import Path

import click
import numpy as np
from contract import CODES
from hostile.case import Case
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from actdiag.cli.command import actdiag
from actdiag.cli.types import Rates, Real, RealOrAuto, Whole, Wholes

SMALL = {"depth": (1, 4), "width": (1, 6), "batch": (1, 8), "iterations": (1, 4), "repeats": (1, 3), "bins": (1, 40)}
"""Sizes are drawn small where they are sizes: what is large and refused is drawn besides."""

TEXTS = (
    "", " ", "0", "-1", "1e400", "nan", "inf", "-inf", "auto", "all", "relu", "he", "x", "x*x", "std=1", "std=",
    "maxout:2", "relu,", ",", "prelu:a", "leaky_relu:nan", "celu:1e-50", "x(", "abs(sin(x))", "no.such:thing",
    "random", "mse", "cross-entropy", "float16", "float64", "synthetic:rows=20:features=3:classes=2", "1-2", "3-1",
    "\x1b[31m", "\u202e", "\x00", "x" * 2000, "../..", "/", "/dev/null", "\xe9", "--", "-h", "at-risk", "died_runs",
    "sagemaker",
)  # fmt: skip
READ = ("x.npy", "bad.npy", "xy.npz:x", "xy.npz", "rules.toml", "bad.toml", "folder", "missing.npy")
WRITTEN = ("out.json", "out.csv", "out.png", "folder/out.json", "missing/out.json", "-")
_HOSTILE = st.sampled_from(TEXTS) | st.sampled_from(READ) | st.sampled_from(WRITTEN)


_ACTS = ("relu", "tanh", "gelu,relu", "maxout:2", "x*sigmoid(x)", "prelu", "softmax", "leaky_relu:0.2", "swiglu")
_INITS = ("he", "std=0.01", "xavier,he", "lsuv", "orthogonal", "ones", "auto", "torch_linear")
_NAMES = {
    "act": _ACTS, "init": _INITS, "loss": ("random", "mse", "cross-entropy"), "dtype": ("float32", "float64"),
    "input": ("normal", "uniform", "x.npy", "xy.npz:x"), "labels": ("xy.npz:y",), "rules": ("rules.toml",),
    "data": ("synthetic:rows=40:features=3:classes=2",), "memory": ("1MiB", "64MB"), "scale": ("unit", "raw"),
    "json": WRITTEN, "csv": WRITTEN, "png": WRITTEN[2:4], "layers": ("all", "1", "1-2"), "optimizer": ("sgd", "adam"),
    "fail_on": ("at-risk", "untrainable", "saturation"), "judge": ("sagemaker", "torchmortem"), "rule": ("saturation",),
}  # fmt: skip


def values(parameter):
    """Return what is drawn for a parameter: mostly what it takes, at times anything."""
    kind, name = parameter.type, parameter.name
    if name in _NAMES:
        good = st.sampled_from(_NAMES[name])
    elif isinstance(kind, Whole):
        good = st.integers(*SMALL.get(name, (1, 12))).map(str)
    elif isinstance(kind, Wholes):
        good = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(lambda some: ",".join(map(str, some)))
    elif isinstance(kind, Real | RealOrAuto | Rates):
        good = st.floats(0.01, 3).map("{:.3g}".format)
    else:
        good = st.sampled_from(TEXTS)
    return st.integers(0, 24).flatmap(
        lambda die: good if die else _HOSTILE | st.sampled_from(["-1", "9" * 20, "1e-320"])
    )


@st.composite
def command_lines(draw):
    name = draw(st.sampled_from(sorted(actdiag.commands)))
    line = [name]
    for parameter in actdiag.commands[name].params:
        if parameter.name not in SMALL and draw(st.integers(0, 5)):
            continue
        if isinstance(parameter, click.Argument):
            line += [draw(values(parameter)) for _ in range(draw(st.integers(0, 2)))]
        elif parameter.is_flag:
            line.append(draw(st.sampled_from([*parameter.opts, *parameter.secondary_opts])))
        else:
            line += [parameter.opts[0], *(draw(values(parameter)) for _ in range(parameter.nargs))]
    return line


def prepare():
    """Write the files that command lines name into the present folder."""
    Path("folder").mkdir()
    np.save("x.npy", np.arange(12.0).reshape(4, 3))
    np.savez("xy.npz", x=np.ones((4, 3)), y=np.arange(4))
    Path("bad.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    Path("rules.toml").write_text("[saturation]\nhigh = 0.4\n", encoding="utf-8")
    Path("bad.toml").write_text("[[", encoding="utf-8")


OUTPUTS = ("--json", "--csv", "--png", "-o", "--checkpoint", "--save")


def outputs_of(line):
    """Return the files that a command line asks for, further pages of a picture among them."""
    names = {name for flag, name in pairwise(line) if flag in OUTPUTS}
    pages = {f"{Path(name).stem}-{page}{Path(name).suffix}" for name in names for page in range(2, 9)}
    return names | pages


def case_of(line):
    """Return a command line as a case that may end in any way that keeps the contract."""
    return Case(line[0], tuple(line), frozenset(CODES), make=prepare, asked=tuple(outputs_of(line)))


def drawn(count, seed):
    """Yield so many command lines, as cases, by a seed of their own."""
    lines = []

    @hypothesis_seed(seed)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(line=command_lines())
    def collect(line):
        lines.append(line)

    collect()
    yield from map(case_of, lines)
