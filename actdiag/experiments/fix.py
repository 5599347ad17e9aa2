"""The smallest change that makes a stack healthy: changes from small to large, each tried by a run of its own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from actdiag import activations
from actdiag.activations import Activation
from actdiag.errors import InvalidField
from actdiag.initializers import Initializer
from actdiag.model.stack import Stack
from actdiag.report import Report
from actdiag.theory.automatic import AUTO, resolve_init, scale_fields

INITIALIZERS = ("orthogonal", "lecun", "he", "xavier", AUTO)
"""Initializers that are tried in place of another, in this order; the last also sets the biases."""

ACTIVATIONS = ("tanh", "relu", "leaky_relu:0.2")
"""Activations that are tried in place of another, in this order, each with the weights it is critical with."""

SOUND = 0.97
"""The probability from which on a change is taken at once: so far over the limit that other seeds are healthy too."""

Value = str | float | bool
"""A value of an option."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change to a stack.

    Attributes:
        what: What it changes: `gain`, `biases`, `gain and biases`, `initializer`, `activation` or `activation and
            initializer`.
        options: The options that it sets, by name; None for one that goes back to its default.
        stack: The stack with the change.
    """

    what: str
    options: Mapping[str, Value | None]
    stack: Stack


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that makes a stack healthy.

    Attributes:
        change: The change.
        report: The report of the stack with the change.
        tried: How many changes were tried, this one included.
    """

    change: Change
    report: Report
    tried: int


def find_fix(report: Report, rerun: Callable[[Stack], Report]) -> Fix | None:
    """Return the first change, from small to large, that makes a stack soundly healthy, else healthy; None without one.

    Args:
        report: The report of the stack.
        rerun: Runs a stack the same way.
    """
    first: Fix | None = None
    tried = 0
    for tried, change in enumerate(changes(report), 1):
        found = rerun(change.stack)
        if found.verdict.severity == "healthy":
            first = first or Fix(change, found, tried)
            if (found.verdict.probability or 0.0) >= SOUND:
                return Fix(change, found, tried)
    return None if first is None else replace(first, tried=tried)


def changes(report: Report) -> Iterator[Change]:
    """Yield changes to a stack from small to large: its gain, its biases, both, its initializer, its activation."""
    stack = report.stack
    own = any(stack.bias_spread(1))
    yield from _gains(report)
    if own:
        yield Change("biases", {"bias_mean": None, "bias_std": 0.0}, replace(stack, bias_mean=None, bias_std=0.0))
        yield from _gains(report, bias_std=0.0)
    automatic = _rescaled(stack, stack.act, stack.init, AUTO)
    if automatic is not None and automatic.bias_std:
        yield Change("gain and biases", {"gain": AUTO, "bias_mean": None, "bias_std": None}, automatic)
    for act in (stack.act, *(activations.resolve(name) for name in ACTIVATIONS)):
        if act is stack.act:
            names = tuple(name for name in INITIALIZERS if name != stack.init.name)
        else:
            names = (stack.init.name, AUTO) if act.name != stack.act.name else ()
        for name in names:
            yield from _replaced(stack, act, name)


def _gains(report: Report, bias_std: float | None = None) -> Iterator[Change]:
    """Yield changes of the gain: to the critical one under the biases, and to those that undo the change per layer."""
    stack = report.stack
    if bias_std is not None:
        stack = replace(stack, bias_mean=None, bias_std=bias_std)
    if stack.init.fits_batch or not stack.init.mean_field:
        return
    biases = stack.bias_mean or 0.0, (stack.bias_spread(1)[1] or 0.0)
    found: list[float] = []
    critical = _rescaled(stack, stack.act, stack.init, AUTO, *biases)
    if critical is not None and len(critical.layer_gains()) == 1:
        found += critical.layer_gains()
    if stack.target_gain is None:
        factors = report.change_per_layer.forward, report.change_per_layer.backward
        found += [stack.gain / factor for factor in factors if factor]
    tried: set[float] = set()
    for gain in found:
        rounded = float(f"{gain:.3g}") if isfinite(gain) else 0.0
        if rounded in tried or not 1e-6 < rounded < 1e6 or rounded == stack.gain:
            continue
        tried.add(rounded)
        options: dict[str, Value | None] = {"gain": rounded}
        if bias_std is not None:
            options |= {"bias_mean": None, "bias_std": bias_std}
        what = "gain" if bias_std is None else "gain and biases"
        yield Change(what, options, replace(stack, gain=rounded, target_gain=None))


def _replaced(stack: Stack, act: Activation, name: str) -> Iterator[Change]:
    """Yield the change to another activation or initializer, at gain 1 and with the biases of the initializer."""
    init = resolve_init(name)
    bare = replace(stack, gain=1.0, target_gain=None, bias_mean=None, bias_std=None)
    changed = _rescaled(bare, act, init, 1.0)
    if changed is None:
        return
    options: dict[str, Value | None] = {"gain": None, "bias_mean": None, "bias_std": None}
    if name != stack.init.name:
        options["init"] = name
    what = "initializer"
    if act.name != stack.act.name:
        options["act"] = act.name
        what = "activation" if name == stack.init.name else "activation and initializer"
    yield Change(what, options, changed)


def _rescaled(
    stack: Stack,
    act: Activation,
    init: Initializer,
    gain: float | str,
    bias_mean: float | None = None,
    bias_std: float | None = None,
) -> Stack | None:
    """Return the stack with an activation, an initializer and a gain; None where they do not go together."""
    try:
        return replace(stack, act=act, init=init, **scale_fields(act, init, gain, bias_mean, bias_std))
    except InvalidField:
        return None
