"""Views of what is registered: the lists, one activation with its curves, one initializer with a sample."""

import inspect
from collections.abc import Callable, Sequence
from itertools import takewhile
from math import isfinite

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from actdiag import numerals
from actdiag.activations import ACTIVATIONS, Activation, traits
from actdiag.errors import InvalidField
from actdiag.initializers import INITIALIZERS, Initializer
from actdiag.registry import Registry
from actdiag.render.terminal.marks import sparkline, table

CURVE_REACH = 5.0
"""Activations are drawn from minus to plus this."""

_WIDE = 155
_ROWS, _LABEL = 15, 8
_SAMPLE_BINS = 41
_NOT_CUT = (
    "not cut, as in PyTorch: he_normal, xavier_normal, lecun_normal and their other names; those of Keras and JAX are"
    " cut at two std: keras_he_normal, keras_glorot_normal, keras_lecun_normal"
)


def activations_view(*, width: int, ascii_only: bool = False) -> RenderableType:
    """Return a table of every registered activation; its sources stand in it where `width` allows, else under it."""
    entries = [ACTIVATIONS[name]() for name in sorted(ACTIVATIONS)]
    wide = width >= _WIDE
    view = table(ascii_only)
    for head in (
        "name",
        "range",
        "zero-\ncentred",
        "mono-\ntonic",
        "smooth",
        "slope\nat 0",
        "satur-\nates",
        "sup\n|f'|",
    ):
        view.add_column(head, no_wrap=True, vertical="bottom")
    if wide:
        view.add_column("source", vertical="bottom")
    for entry in entries:
        cells = [entry.name, range_of(entry), *trait_words(entry).values()]
        view.add_row(*cells, *([entry.source] if wide else []))
    parts: list[RenderableType] = [view, Text()]
    if not wide:
        parts += [_sources([(entry.name, entry.source) for entry in entries]), Text()]
    hint = "`actdiag activations NAME` draws one; NAME:value:key=value sets parameters, as in leaky_relu:0.2"
    return Group(*parts, Text(_aliases(ACTIVATIONS)), Text(hint, "dim"))


def activation_view(act: Activation, *, width: int, ascii_only: bool = False) -> RenderableType:
    """Return all that is known of one activation, with the curves of f and f' drawn in characters."""
    lines = [("f(x)", act.formula), *_registered(ACTIVATIONS, act.name), ("range", range_of(act))]
    if act.derivative is None:
        lines.append(("structured", f"{act.pieces} pre-activation{'s' if act.pieces > 1 else ''} a unit"))
    else:
        lines += [(key, value) for key, value in trait_words(act).items()]
        lines += _slopes_at_kinks(act)
    lines.append(("source", act.source))
    parts: list[RenderableType] = [Text(act.name, "bold"), _sources(lines), Text()]
    if act.derivative is not None:
        parts.append(_curves(act, min(width, 100) - _LABEL - 1, ascii_only))
    return Group(*parts)


def initializers_view(fan_in: int, fan_out: int, *, width: int, ascii_only: bool = False) -> RenderableType:
    """Return a table of every registered initializer with its std at the fans."""
    wide = width >= _WIDE
    entries = [example(name) for name in sorted(INITIALIZERS)]
    view = table(ascii_only)
    for head in ("name", f"std at {fan_in}, {fan_out}", "distribution", *(["source"] if wide else [])):
        view.add_column(head, no_wrap=True)
    for entry in entries:
        cells = [entry.name, numerals.number(entry.std(fan_in, fan_out)), entry.distribution]
        view.add_row(*cells, *([entry.source] if wide else []))
    parts: list[RenderableType] = [view, Text()]
    if not wide:
        parts += [_sources([(entry.name, entry.source) for entry in entries]), Text()]
    hint = "`actdiag initializers NAME` shows one; a bare number S is std=S"
    return Group(*parts, Text(_NOT_CUT), Text(_aliases(INITIALIZERS)), Text(hint, "dim"))


def initializer_view(
    init: Initializer, fan_in: int, fan_out: int, *, width: int, ascii_only: bool = False
) -> RenderableType:
    """Return all that is known of one initializer, with a sample drawn at the fans from seed 0."""
    weights = init.sample(np.random.default_rng(0), fan_in, fan_out, "float64")
    std, reach = init.std(fan_in, fan_out), float(np.abs(weights).max()) or 1.0
    counts = np.histogram(weights, _SAMPLE_BINS, (-reach, reach))[0]
    bars = sparkline([int(count) for count in counts], _SAMPLE_BINS, ascii_only)
    bias, gain = init.bias_variance(fan_in, fan_out) ** 0.5, numerals.precise(std * fan_in**0.5)
    lines = [
        *_registered(INITIALIZERS, init.name),
        ("fans", f"fan_in {fan_in}, fan_out {fan_out}"),
        ("std", f"{numerals.precise(std)} (a sample drawn here: {numerals.precise(weights.std())})"),
        ("gain", f"{gain} (std x sqrt(fan_in): 1.414 keeps a relu's signal, 1 a linear layer's)"),
        ("distribution", init.distribution),
        ("sample", f"{numerals.number(-reach)} {bars} {numerals.number(reach)}"),
        ("biases", f"std {numerals.precise(bias)}" if init.sample_bias else "zero"),
        ("source", init.source),
    ]
    return Group(Text(init.name, "bold"), _sources(lines))


def example(name: str) -> Initializer:
    """Return the entry under `name`, with 0.01 for a parameter that has no default."""
    try:
        return INITIALIZERS.resolve(name)
    except InvalidField:
        return INITIALIZERS[name](0.01)


def range_of(act: Activation) -> str:
    """Return the range as an interval: `[0, inf)`."""
    low, high = act.bounds
    opening, closing = "[" if isfinite(low) else "(", "]" if isfinite(high) else ")"
    return f"{opening}{numerals.brief(low)}, {numerals.brief(high)}{closing}"


def trait_words(act: Activation) -> dict[str, str]:
    """Return the derived properties of an activation in words, `-` for those that a structured one lacks."""
    derived = traits(act)
    known = derived.slope_at_zero
    # Rounded first, so that a slope that vanishes at 0 reads 0 and not what it is at the nearest number.
    sides = dict.fromkeys(numerals.brief(round(side, 12)) for side in known or ())
    supremum = derived.slope_supremum
    return {
        "zero-centred": _yes(derived.zero_centred),
        "monotonic": _yes(derived.monotonic),
        "smooth": _yes(derived.smooth),
        "slope at 0": "|".join(sides) or numerals.MISSING,
        "saturates": numerals.MISSING if act.derivative is None else act.saturates,
        "sup |f'|": numerals.MISSING if supremum is None else f"{supremum:.4g}",
    }


def _yes(flag: bool | None) -> str:
    return numerals.MISSING if flag is None else "yes" if flag else "no"


def _registered(registry: Registry[Activation] | Registry[Initializer], name: str) -> list[tuple[str, str]]:
    base = name.split(":")[0].split("=")[0]
    if base not in registry:
        return []
    build = registry[base]
    what, *notes = _said_of(build)
    lines = [("what", what), *[("note", note) for note in notes], ("write", registry.signature(build.__name__))]
    others = [alias for alias in registry.aliases(build.__name__) if alias != base]
    return lines + ([("also", ", ".join(others))] if others else [])


def _said_of(build: Callable[..., object]) -> list[str]:
    """Return the paragraphs of a docstring, each on one line, up to the first section."""
    paragraphs = (inspect.getdoc(build) or "").split("\n\n")
    return [" ".join(one.split()) for one in takewhile(lambda one: not one.startswith("Args:"), paragraphs)]


def _aliases(registry: Registry[Activation] | Registry[Initializer]) -> str:
    """Return the other names of what is registered: `also: swish is silu, ...`."""
    aliases = [(alias, name) for name in sorted(registry) for alias in registry.aliases(name)]
    return "also: " + ", ".join(f"{alias} is {name}" for alias, name in aliases)


def _slopes_at_kinks(act: Activation) -> list[tuple[str, str]]:
    """Return the line that says f' at the kinks, where it is a convention."""
    assert act.derivative is not None
    slopes = act.derivative(np.array(act.kinks)).tolist()
    said = [f"{numerals.brief(slope)} at {numerals.brief(at)}" for at, slope in zip(act.kinks, slopes, strict=True)]
    return [("f' at kinks", ", ".join(said))] if said else []


def _sources(lines: Sequence[tuple[str, str]]) -> RenderableType:
    from rich.table import Table

    view = Table.grid(padding=(0, 2, 0, 0))
    view.add_column(no_wrap=True)
    view.add_column(overflow="fold")
    for name, text in lines:
        view.add_row(Text(name, "dim"), text)
    return view


def _curves(act: Activation, columns: int, ascii_only: bool) -> Text:
    """Return f and f' over [-5, 5], drawn with a character a column: f over f' where they meet."""
    assert act.derivative is not None
    x = np.linspace(-CURVE_REACH, CURVE_REACH, columns)
    slope_mark, value_mark, line = (".", "*", "-") if ascii_only else ("·", "●", "─")
    slope, value = act.derivative(x), act.value(x)
    top = min(max(slope.max(), value.max()), CURVE_REACH)
    bottom = max(min(slope.min(), value.min()), -CURVE_REACH)
    canvas = [[(" ", "")] * columns for _ in range(_ROWS)]
    for curve, mark, style in ((0 * x, line, "dim"), (slope, slope_mark, "yellow"), (value, value_mark, "cyan")):
        heights = (top - curve) / ((top - bottom) or 1.0) * (_ROWS - 1)
        for column, height in enumerate(np.rint(np.clip(heights, -1, _ROWS)).astype(int)):
            if 0 <= height < _ROWS:
                canvas[height][column] = (mark, style)
    text = Text()
    zero = round(top / ((top - bottom) or 1.0) * (_ROWS - 1))
    labels = {zero: "0", 0: numerals.brief(top), _ROWS - 1: numerals.brief(bottom)}
    for number, cells in enumerate(canvas):
        text.append(f"{labels.get(number, ''):>{_LABEL}} ", "dim")
        for mark, style in cells:
            text.append(mark, style)
        text.append("\n")
    margin, ends = " " * (_LABEL + 1), f"{CURVE_REACH:g}"
    text.append(
        f"{margin}{'-' + ends:<{columns // 2}}{'0':<{columns - columns // 2 - len(ends)}}{ends}\n{margin}", "dim"
    )
    return text.append(f"{value_mark} f(x)", "cyan").append("   ").append(f"{slope_mark} f'(x)", "yellow")
