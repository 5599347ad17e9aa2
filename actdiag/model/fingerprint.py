"""The fingerprint of a stack: one text for all that equal stacks hold alike, in every process and on every machine."""

from collections.abc import Mapping
from dataclasses import fields
from hashlib import sha256

from actdiag.activations import Activation
from actdiag.initializers import Initializer
from actdiag.model.weights import Weights
from actdiag.ops.entry import Op


def fingerprint(held: Mapping[str, object]) -> str:
    """Return a SHA-256, in hexadecimal, of the fields of a stack by name, data by their digest."""
    return sha256(repr(sorted((name, _told(value)) for name, value in held.items())).encode()).hexdigest()


def _told(value: object) -> object:
    """Return a value of which equal ones print alike in every process."""
    if isinstance(value, Activation | Initializer):
        return value.fingerprint()
    if isinstance(value, Op):
        return value.kind, [_told(getattr(value, one.name)) for one in fields(value)]  # type: ignore[arg-type]
    if isinstance(value, Weights):
        return value.digest
    if isinstance(value, tuple):
        return [_told(one) for one in value]
    return value + 0.0 if isinstance(value, float) else value  # a zero has two signs and one meaning
