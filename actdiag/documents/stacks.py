"""Stacks in documents: the recipe, entries by name, data by digest and shape."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from math import sqrt
from typing import Any, NamedTuple

from actdiag.activations import Activation
from actdiag.arrays import ArrayRecord
from actdiag.documents.entries import own_activation, own_initializer, read_activation, read_initializer
from actdiag.documents.plain import as_plain, member, read
from actdiag.errors import InvalidField
from actdiag.model.stack import Stack
from actdiag.model.weights import GIVEN, Spread, Weights
from actdiag.ops.entry import OPS, Op


def stack_to_dict(stack: Stack) -> dict[str, Any]:
    """Return a stack as the JSON has it: its entries by name, its inputs by theirs."""
    gains = stack.layer_gains()
    own_biases = stack.bias_mean is None and stack.bias_std is None and stack.init.sample_bias is not None
    own_init = None if stack.weights is not None else own_initializer(stack.init, _fans(stack))
    own = {"act": own_activation(stack.act), "init": own_init}
    return {
        "act": stack.act.name,
        "init": stack.init.name,
        "widths": list(stack.widths),
        "input": stack.input,
        "input_width": stack.input_width,
        "batch": stack.batch,
        "gain": gains[0] if len(gains) == 1 else list(gains),
        "bias_mean": None if own_biases else stack.bias_mean or 0.0,
        "bias_std": None if own_biases else stack.bias_std or 0.0,
        "dtype": stack.dtype,
        "seed": stack.seed,
        "asked": {name: getattr(stack, name) for name in ("gain", "target_gain", "bias_mean", "bias_std")},
        "data": None if stack.data is None else {"digest": stack.data_digest, "shape": list(stack.data.shape)},
        "weights": None if stack.weights is None else as_plain(_record(stack.weights)),
        "arch": None if stack.arch is None else [_op_to_dict(op) for op in stack.arch],
        "own": own if any(own.values()) else None,
    }


def stack_from_dict(plain: Any, where: str = "stack") -> Stack:
    """Return the stack that a document holds.

    It is equal to the one that was written where the catalogue and the expressions hold its entries. Others are names
    that cannot run, and data are a digest.

    Raises:
        InvalidField: It is no stack.
    """
    own = (plain.get("own") if isinstance(plain, Mapping) else None) or {}
    data, arch = (plain.get(name) if isinstance(plain, Mapping) else None for name in ("data", "arch"))
    act = read_activation(member(plain, "act", where), own.get("act"))
    weights = plain.get("weights") if isinstance(plain, Mapping) else None
    init = GIVEN if weights else read_initializer(member(plain, "init", where), own.get("init"))
    bare = {name: member(plain, name, where) for name in ("input", "input_width", "batch", "dtype", "seed")}
    record = None if data is None else ArrayRecord(tuple(member(data, "shape", f"{where}.data")), data["digest"])
    stack = Stack(
        act=act,
        init=init,
        widths=tuple(member(plain, "widths", where)),
        data=record,
        weights=None if weights is None else _read_record(weights, f"{where}.weights"),
        arch=None if arch is None else tuple(_read_op(op, f"{where}.arch") for op in arch),
        **bare,
        **_scale(plain, where),
    )
    return stack if "asked" in plain else _with_target(stack, plain)


def _scale(plain: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the fields on gain and biases as they were asked for; documents that do not say have what came of it."""
    if "asked" in plain:
        return {name: member(plain["asked"], name, where) for name in ("gain", "target_gain", "bias_mean", "bias_std")}
    gain = member(plain, "gain", where)
    return {"gain": 1.0 if isinstance(gain, list) else gain} | {
        name: member(plain, name, where) for name in ("bias_mean", "bias_std")
    }


def _with_target(stack: Stack, plain: Mapping[str, Any]) -> Stack:
    """Return a stack with the gain that its layers' gains came of, where they differ."""
    if not isinstance(plain["gain"], list):
        return stack
    layer = stack.weight_layers[0]
    fan_in = stack.fan_in(layer)
    own = stack.init.std(fan_in, fan_in if stack.init.averages_fans else stack.columns(layer))
    return replace(stack, target_gain=plain["gain"][0] * sqrt(fan_in) * own)


class _Record(NamedTuple):
    """What a document has of given weights."""

    name: str
    digest: str
    spreads: tuple[Spread, ...]
    readout_std: float | None


def _record(weights: Weights) -> _Record:
    return _Record(weights.name, weights.digest, weights.spreads, weights.readout_std)


def _read_record(plain: Any, where: str) -> Weights:
    record = read(_Record, plain, where)
    return Weights(record.name, record.spreads, record.digest, readout_std=record.readout_std)


def _fans(stack: Stack) -> Iterator[tuple[int, int]]:
    """Yield the fans at which a stack asks for the variance of its initializer."""
    for layer in range(1, stack.depth + 1):
        yield stack.fan_in(layer), stack.columns(layer)
        if stack.init.averages_fans:
            yield stack.fan_in(layer), stack.fan_in(layer)


def _op_to_dict(op: Op) -> dict[str, Any]:
    """Return an op by its kind and its fields; an activation by its name and what else is known of it."""
    plain: dict[str, Any] = {"op": op.kind}
    for field in fields(op):  # type: ignore[arg-type]
        value = getattr(op, field.name)
        if isinstance(value, Activation):
            value = {"name": value.name, "own": own_activation(value)}
        elif isinstance(value, tuple):
            value = [_op_to_dict(inner) for inner in value]
        plain[field.name] = value
    return plain


def _read_op(plain: Any, where: str) -> Op:
    kind = OPS.get(member(plain, "op", where))
    if kind is None:
        raise InvalidField(field="json", problem=f"must have ops of {', '.join(OPS)} at {where}, got {plain['op']!r}")
    values: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        value = member(plain, field.name, where)
        if isinstance(value, list):
            value = tuple(_read_op(inner, f"{where}.{field.name}") for inner in value)
        elif isinstance(value, Mapping):
            value = read_activation(member(value, "name", where), value.get("own"))
        values[field.name] = value
    return kind(**values)
