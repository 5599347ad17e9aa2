"""The changes to try, in a fixed order: data, initializer, gain, biases, both, activation, depth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from actdiag import activations
from actdiag.activations import Activation
from actdiag.datasets.scaling import find_scaling, scaled
from actdiag.diagnosis.findings import Value
from actdiag.errors import InvalidField
from actdiag.initializers import Initializer
from actdiag.measurements import Measurements
from actdiag.model.stack import Stack
from actdiag.theory.automatic import AUTO, resolve_init, scale_fields

CUSTOMARY: Mapping[str, str] = {
    **dict.fromkeys(("relu", "leaky_relu", "prelu", "rrelu", "relu6", "elu", "celu"), "he"),
    **dict.fromkeys(("tanh", "softsign", "arctan", "erf", "hardtanh", "lecun_tanh", "sin", "identity"), "xavier"),
    "selu": "lecun",
}
"""The initializer that people know for an activation, by its name; AUTO is tried for all others."""

INITIALIZERS = ("orthogonal", "lecun", "he", "xavier", AUTO)
"""Initializers that are tried in place of another, in this order; the last also sets the biases."""

ACTIVATIONS = ("tanh", "relu", "leaky_relu:0.2")
"""Activations that are tried in place of another, in this order, each with the weights it is critical with."""

DEPTHS = (2, 4, 8)
"""What the number of layers is divided by."""

_OFF_CENTRE, _OFF_SCALE = 0.1, 0.25
"""A feature whose mean is beyond the first, or its std farther from 1 than the second, is worth standardizing."""


FAULTS_OF_DATA = frozenset({"input_scale", "uneven_features"})
"""Rules that find what is wrong with the inputs, whatever the network."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change to a stack.

    Attributes:
        what: What it changes: `inputs`, `initializer`, `gain`, `biases`, `gain and biases`, `activation`, `activation
            and initializer` or `depth`.
        options: The options that it sets, by name; None for one that goes back to its default.
        stack: The stack with the change.
    """

    what: str
    options: Mapping[str, Value]
    stack: Stack


def changes(measurements: Measurements) -> Iterator[Change]:
    """Yield the changes to try on a network, each once; none without a recipe.

    Args:
        measurements: What was measured of it.
    """
    if measurements.recipe is None:
        return
    seen = {_told_apart(measurements.recipe)}
    for change in _changes(measurements, measurements.recipe):
        if _told_apart(change.stack) not in seen:
            seen.add(_told_apart(change.stack))
            yield change


def _told_apart(stack: Stack) -> tuple[object, ...]:
    scale = stack.gain, stack.target_gain, *stack.bias_spread(1)
    return stack.act.name, stack.init.name, scale, len(stack.widths), id(stack.data)


def _changes(measurements: Measurements, stack: Stack) -> Iterator[Change]:
    own_biases = any(stack.bias_spread(1))
    yield from _scaled(stack)
    if stack.weights is not None:
        return
    customary = CUSTOMARY.get(stack.act.name.partition(":")[0], AUTO)
    yield from _replaced(stack, stack.act, customary)
    yield from _gains(measurements, stack)
    if own_biases:
        bare = _rescaled(stack, stack.act, stack.init, AUTO if stack.target_gain else stack.gain, None, 0.0)
        if bare is not None:
            yield Change("biases", _no_biases(stack), bare)
        yield from _gains(measurements, stack, bias_std=0.0)
    automatic = _rescaled(stack, stack.act, stack.init, AUTO)
    if automatic is not None and automatic.bias_std:
        given = {"bias_mean": stack.bias_mean, "bias_std": stack.bias_std}
        options: dict[str, Value] = {"gain": AUTO} | {name: None for name, value in given.items() if value is not None}
        yield Change("gain and biases", options, automatic)
    for name in INITIALIZERS:
        yield from _replaced(stack, stack.act, name)
    for act in map(activations.resolve, ACTIVATIONS):
        for name in (stack.init.name, CUSTOMARY[act.name.partition(":")[0]], AUTO):
            yield from _replaced(stack, act, name)
    yield from _shallower(stack)


def _scaled(stack: Stack) -> Iterator[Change]:
    """Yield the stack over inputs that are scaled per feature, where they are given and not near that already."""
    if not isinstance(stack.data, np.ndarray) or len(stack.data) < 2:
        return
    with np.errstate(all="ignore"):  # the squares of large inputs leave float64
        means, stds = stack.data.mean(axis=0, dtype=np.float64), stack.data.std(axis=0, dtype=np.float64)
        off = np.maximum(np.abs(means) / _OFF_CENTRE, np.abs(stds - 1) / _OFF_SCALE)[stds > 0]
    if not off.size or off.max() <= 1:
        return
    scaling = find_scaling("feature", stack.data)
    data = scaled(stack.data, scaling, stack.input, "input", stack.dtype)
    yield Change("inputs", {"scale": "feature"}, replace(stack, data=data, input=f"{stack.input}, {scaling.note}"))


def _gains(measurements: Measurements, stack: Stack, bias_std: float | None = None) -> Iterator[Change]:
    """Yield changes of the gain: to the critical one under the biases, and to those that undo the change per layer."""
    if stack.init.fits_batch or not stack.init.mean_field or stack.init.name == AUTO:
        return
    # An automatic gain brings biases of its own, which a number in its place would leave out.
    beside: dict[str, Value] = {} if stack.target_gain is None else {"bias_std": stack.bias_std}
    if bias_std is not None:
        beside = _no_biases(stack)
        stack = replace(stack, bias_mean=None, bias_std=bias_std)
    biases = stack.bias_mean or 0.0, (stack.bias_spread(1)[1] or 0.0)
    found: list[float] = []
    critical = _rescaled(stack, stack.act, stack.init, AUTO, *biases)
    if critical is not None and len(critical.layer_gains()) == 1:
        found += critical.layer_gains()
    if stack.target_gain is None:
        factors = measurements.change.forward, measurements.change.backward
        found += [stack.gain / factor for factor in factors if factor]
    for gain in found:
        rounded = float(f"{gain:.3g}") if isfinite(gain) else 0.0
        if not 1e-6 < rounded < 1e6:
            continue
        options: dict[str, Value] = {"gain": rounded, **beside}
        what = "gain" if bias_std is None else "gain and biases"
        try:
            changed = replace(stack, gain=rounded, target_gain=None)
        except InvalidField:  # weights of that size leave the format
            continue
        yield Change(what, options, changed)


def _no_biases(stack: Stack) -> dict[str, Value]:
    options: dict[str, Value] = {} if stack.bias_mean is None else {"bias_mean": None}
    return options | {"bias_std": 0.0}


def _replaced(stack: Stack, act: Activation, name: str) -> Iterator[Change]:
    """Yield the change to another activation or initializer, at gain 1 and with the biases of the initializer."""
    init = resolve_init(name)
    bare = replace(stack, gain=1.0, target_gain=None, bias_mean=None, bias_std=None)
    changed = _rescaled(bare, act, init, 1.0)
    if changed is None:
        return
    now = {"gain": None if stack.gain == 1 and stack.target_gain is None else stack.gain}
    now |= {"bias_mean": stack.bias_mean, "bias_std": stack.bias_std}
    options: dict[str, Value] = {option: None for option, value in now.items() if value is not None}
    if name != stack.init.name:
        options["init"] = name
    what = "initializer"
    if act.name != stack.act.name:
        options["act"] = act.name
        what = "activation" if name == stack.init.name else "activation and initializer"
    yield Change(what, options, changed)


def _shallower(stack: Stack) -> Iterator[Change]:
    """Yield the stack with fewer layers; a network of ops has no depth to change."""
    if stack.arch is not None:
        return
    for part in DEPTHS:
        depth = stack.depth // part
        if depth:
            widths = stack.widths[:depth]
            options: dict[str, Value] = {"depth": depth} if len(set(stack.widths)) == 1 else {"widths": widths}
            yield Change("depth", options, replace(stack, widths=widths))


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
        scale = scale_fields(act, init, gain, bias_mean, bias_std, len(stack.weight_layers))
        return replace(stack, act=act, init=init, **scale)
    except InvalidField:
        return None
