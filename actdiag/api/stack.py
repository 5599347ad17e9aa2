"""Stacks from names and options."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from actdiag import activations
from actdiag.activations import Activation
from actdiag.api.signatures import takes
from actdiag.arrays import Numbers
from actdiag.datasets.random_inputs import RANDOM_INPUTS
from actdiag.datasets.scaling import checked_scale
from actdiag.errors import InvalidField, check_integer
from actdiag.initializers import Initializer
from actdiag.model.stack import MOST_LAYERS, Stack
from actdiag.model.weights import GIVEN, Weights
from actdiag.ops.dense import MOST_UNITS, Dense
from actdiag.ops.entry import Op
from actdiag.options import DEFAULT_DEPTH, DEFAULT_ROWS, DEFAULT_WIDTH, LayerOptions, StackOptions, options_from
from actdiag.theory.automatic import resolve_init, scale_fields


@takes(StackOptions)
def make_stack(
    act: str | Activation = StackOptions.act,
    init: str | Initializer = StackOptions.init,
    *,
    weights: str | Path | Sequence[Any] | None = StackOptions.weights,
    weights_layout: str | None = StackOptions.weights_layout,
    depth: int | None = StackOptions.depth,
    width: int | None = StackOptions.width,
    widths: Sequence[int] | None = StackOptions.widths,
    arch: Sequence[Op] | None = StackOptions.arch,
    bias_mean: float | None = StackOptions.bias_mean,
    bias_std: float | None = StackOptions.bias_std,
    gain: float | str = StackOptions.gain,
    dtype: str = StackOptions.dtype,
    seed: int = StackOptions.seed,
    input: str | Path | Numbers = StackOptions.input,
    input_width: int | None = StackOptions.input_width,
    batch: int | None = StackOptions.batch,
    scale: str = StackOptions.scale,
    standardize: bool = StackOptions.standardize,
    label_column: str | int | None = StackOptions.label_column,
) -> Stack:
    """Return the Stack that names and options describe, with its input read.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.
        TypeError: There is no such option.
    """
    return build_stack(options_from(StackOptions, locals()))


def build_stack(options: StackOptions) -> Stack:
    """Return the Stack that options describe, with its input read.

    Raises:
        InvalidField: An option holds something that is not accepted.
    """
    given = None if options.weights is None else _given(options)
    arch = None if options.arch is None else _ops(options)
    if given is not None:
        pieces = activations.resolve(options.act).pieces
        options = replace(options, widths=[one.columns // pieces for one in given.spreads], depth=None, width=None)
    widths = layer_widths(options.depth, options.width, options.widths) if arch is None else [_first_width(arch)]
    batch, input_width = options.batch, options.input_width
    if given is not None and input_width is None:
        input_width = given.spreads[0].fan_in
    if batch is not None:
        check_integer("batch", batch, 1, 10**18)
    data, label = _read_input(options)
    if data is not None:
        features = data.shape[1]
        if input_width not in (None, features):
            raise InvalidField(
                field="input_width", problem=f"must be {features}, the features of {label}, got {input_width}"
            )
        batch, input_width = data.shape
    act, init = activations.resolve(options.act), GIVEN if given is not None else resolve_init(options.init)
    stack = Stack(
        act=act,
        init=init,
        widths=tuple(widths),
        input=label,
        input_width=widths[0] if input_width is None else input_width,
        batch=DEFAULT_ROWS if batch is None else batch,
        dtype=options.dtype,
        seed=options.seed,
        data=data,
        arch=arch,
        weights=given,
    )
    return stack if given is not None else _scaled(stack, act, init, options)


def _given(options: StackOptions) -> Weights:
    """Return the weights that options give, or refuse what else they say of weights and layers.

    A depth, a width or widths may stand beside them where they are those of the weights.
    """
    from actdiag.api.weight_files import read_weights  # weights that are drawn do without

    for field, usual in (("init", "he"), ("gain", 1.0), ("bias_mean", None), ("bias_std", None), ("arch", None)):
        value = getattr(options, field)
        if value != usual:
            raise InvalidField(field, f"must be left out where weights are given, got {value}")
    pieces = activations.resolve(options.act).pieces
    found = read_weights(options.weights, options.weights_layout, pieces)
    widths = [one.columns // pieces for one in found.spreads]
    asked: dict[str, tuple[Any, Any]] = {"depth": (options.depth, len(widths)), "width": (options.width, widths[0])}
    asked["widths"] = (None if options.widths is None else list(options.widths), widths)
    for field, (value, own) in asked.items():
        if value is not None and (value != own or (field == "width" and len(set(widths)) > 1)):
            raise InvalidField(field, f"must be left out where weights are given, or be {own}, got {value}")
    if options.input_width not in (None, found.spreads[0].fan_in):
        problem = f"must be {found.spreads[0].fan_in}, as {found.name} has it, got {options.input_width}"
        raise InvalidField(field="input_width", problem=problem)
    return found


def _ops(options: StackOptions) -> tuple[Op, ...]:
    """Return the ops that options give, or refuse what else they say of the layers."""
    for field in ("depth", "width", "widths"):
        value = getattr(options, field)
        if value is not None:
            raise InvalidField(field, f"must be left out where arch is given, got {value!r}")
    if isinstance(options.arch, str) or not isinstance(options.arch, Iterable):
        raise InvalidField(field="arch", problem=f"must be a sequence of ops, got {options.arch!r}")
    return tuple(options.arch)


def _first_width(arch: Sequence[Op]) -> int:
    """Return the width of the first dense op that has one: what inputs have unless something else is said."""
    return next((op.width for op in arch if isinstance(op, Dense) and op.width is not None), DEFAULT_WIDTH)


def layer_widths(depth: int | None, width: int | None, widths: Sequence[int] | None) -> list[int]:
    """Return the units of layers 1 to L by the options that say them.

    Raises:
        InvalidField: There is no such number of layers, or both ways of saying them are used.
    """
    if widths is None:
        units = DEFAULT_WIDTH if width is None else width
        return [units] * check_integer("depth", DEFAULT_DEPTH if depth is None else depth, 1, MOST_LAYERS)
    if isinstance(widths, str) or not isinstance(widths, Iterable):
        raise InvalidField(field="widths", problem=f"must be a sequence of whole numbers, got {widths!r}")
    listed = [check_integer("widths", width, 1, MOST_UNITS) for width in widths]
    for field, value in (("depth", depth), ("width", width)):
        if value is not None:
            raise InvalidField(field, f"must be left out where widths are given, got {value}")
    if not listed:
        raise InvalidField(field="widths", problem="must hold at least one width, got none")
    return listed


def with_entries(
    first: Stack, acts: Sequence[Activation], inits: Sequence[Initializer], options: LayerOptions
) -> list[Stack]:
    """Return a stack with every activation and every initializer, in that order."""
    return [_scaled(first, act, init, options) for act in acts for init in inits]


def _scaled(stack: Stack, act: Activation, init: Initializer, options: LayerOptions) -> Stack:
    """Return a stack with an activation, an initializer, and the gain and the biases that options ask for."""
    depth = len(stack.weight_layers)
    scale = scale_fields(act, init, options.gain, options.bias_mean, options.bias_std, depth)
    return replace(stack, act=act, init=init, **scale)


def resolve_acts(values: object) -> list[Activation]:
    """Return the activations that one value, or each of several, stands for; what comes twice counts once.

    Raises:
        InvalidField: There are none, one is unknown, or two different ones have the same name.
    """
    return _several("act", values, activations.resolve)


def resolve_inits(values: object) -> list[Initializer]:
    """Return the initializers that one value, or each of several, stands for; what comes twice counts once.

    Raises:
        InvalidField: There are none, one is unknown, or two different ones have the same name.
    """
    return _several("init", values, resolve_init)


def listed(field: str, values: object) -> list[Any]:
    """Return one value, or the values of a sequence, as a list of at least one.

    Raises:
        InvalidField: The sequence is empty.
    """
    many = isinstance(values, Sequence) and not isinstance(values, str)
    found = list(values) if many else [values]  # type: ignore[call-overload]
    if not found:
        raise InvalidField(field, f"must be a list of at least one, got {values!r}")
    return found


def _several(field: str, values: object, resolve: Callable[[Any], Any]) -> list[Any]:
    chosen: dict[str, Any] = {}
    for entry in map(resolve, listed(field, values)):
        if chosen.setdefault(entry.name, entry) != entry:
            raise InvalidField(field, f"must have different names for different entries, got two named {entry.name!r}")
    return list(chosen.values())


def _read_input(options: StackOptions) -> tuple[Numbers | None, str]:
    scale = checked_scale("scale", options.scale)
    if options.standardize:
        if scale not in ("none", "feature"):
            raise InvalidField(field="standardize", problem=f"must be left out beside scale {scale}")
        scale = "feature"
    source = options.input
    if isinstance(source, str) and source.lower() in RANDOM_INPUTS:
        if scale != "none":
            field = "standardize" if options.standardize else "scale"
            raise InvalidField(field, f"must come with an input file or array, got input {source}")
        return None, source
    from actdiag.datasets.sources import read_input  # random inputs do without

    return read_input(source, options.label_column, options.batch, DEFAULT_ROWS, scale)
