"""Every option that takes a number, at numbers that no option takes and at texts that are none."""

import click
from hostile.case import Case

from actdiag.activations import ACTIVATIONS
from actdiag.cli.command import actdiag
from actdiag.cli.types import Rates, Real, RealOrAuto, Whole, Wholes
from actdiag.initializers import INITIALIZERS

VALUES = (
    "0", "-0", "-1", "1", "+1", "9" * 20, "9" * 310, "9" * 100_000, "-" + "9" * 310, "1e400", "-1e400", "1e308",
    "1e-320", "1e-400", "-1e-320", "nan", "-nan", "inf", "-inf", "0x10", "0b1", "1_0", "1__0", "_1", "1_", " 5 ",
    "5 5", "1.5", "1e3", "1e", "1d3", "1j", ".", "-", "--", "", " ", "1,0", "1.0.0", "\u0663", "\uff15", "\u00b2",
    "\u00bd", "\u22121", "1\n", "\t1", "1\x00", "\x1b[31m1", "True", "None", "[1]",
)  # fmt: skip
"""Numbers out of every range and at its ends, of more digits than Python reads, and what looks like a number."""

_QUICK = ("0", "-1", "9" * 310, "9" * 100_000, "1e-320", "nan", "-inf", "0x10", "1_0", " 5 ", "", "\u0663", "1e308")
"""The values that the quick tests take; the first few of them where one takes long."""

_FEW = 4

_SMALL = ["--depth", "2", "--width", "3", "--batch", "3"]
_DATA = ["--data", "synthetic:rows=20:features=2"]

SIZES = {
    "propagate": _SMALL,
    "grad-flow": [*_SMALL, "--loss", "mse"],
    "compare": ["--act", "relu", "--init", "he", *_SMALL],
    "train": [*_DATA, "--init", "he", *_SMALL, "--iterations", "1"],
    "gain": ["relu", "--verify", "--depth", "2", "--width", "4"],
    "initializers": [],
}
"""What makes each command with numbers run on little."""

_NUMERIC = (Whole, Real, RealOrAuto, Rates, Wholes)
_ENDS = frozenset({0, 2, 3})


def cases():
    """Yield the cases."""
    for value in VALUES:
        for case in _at(value):
            costly = case.name.startswith(("--act", "--init", "gain"))
            yield case._replace(slow=value not in _QUICK[: _FEW if costly else None])


def _at(value):
    """Yield every option at a value."""
    for command, sizes in SIZES.items():
        for option in actdiag.commands[command].params:
            if isinstance(option, click.Option) and isinstance(option.type, _NUMERIC):
                yield from _of_option(command, sizes, option, value)
    yield from _texts(value)


def _of_option(command, sizes, option, value):
    flag = option.opts[0]
    replaced = ("--depth", "--width") if flag == "--widths" else (flag,)
    without = list(sizes)
    for one in replaced:
        if one in without:
            at = without.index(one)
            del without[at : at + 2]
    for values in ((value,),) if option.nargs == 1 else ((value, "1"), ("0", value)):
        yield Case(f"{command} {flag}", (command, *without, flag, *values), _ENDS, f"Error: {flag} ")


def _texts(value):
    """Yield numbers within texts: the parameters of names, sizes of memory, layers, data."""
    for option, registry in (("--act", ACTIVATIONS), ("--init", INITIALIZERS)):
        for name in registry:
            if ":" in registry.signature(name) or "=" in registry.signature(name):
                yield Case(f"{option} {name}", ("propagate", *_SMALL, option, f"{name}:{value}"), _ENDS, "Error: --")
    for form in ("{}", "{}MiB", "{} kB"):
        said = "Error: --memory "
        yield Case("--memory", ("grad-flow", *SIZES["grad-flow"], "--memory", form.format(value)), _ENDS, said)
    for form in ("{}", "1-{}", "{}-2", "1,{}"):
        yield Case("--layers", ("propagate", *_SMALL, "--layers", form.format(value)), _ENDS, "Error: --layers ")
    for key in ("rows", "features", "classes"):
        data = f"synthetic:{key}={value}"
        yield Case(f"--data {key}", ("train", *SIZES["train"][2:], "--data", data), _ENDS, "Error: --")
