"""How an entry is spelled: its name, then its parameters that differ from their defaults; and how that is read."""

import inspect
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from types import NoneType
from typing import Any, get_args

from actdiag.errors import InvalidField

Parameters = Mapping[str, inspect.Parameter]
"""Those of the function that builds an entry, under their names."""

_SYNONYMS = {
    "default_value": ("value",),
    "lambd": ("half_width",),
    "max_val": ("max",),
    "min_val": ("min",),
    "negative_slope": ("slope",),
    "stddev": ("std",),
    "threshold": ("theta", "half_width"),
}
"""What PyTorch, JAX and Keras call parameters: to the names that entries have for them."""

_NAME_ENDS = re.compile("[:=]")
_NUMBER = re.compile(r"[+-]?(\d|\.\d)")


def bare_name(name: str) -> str:
    """Return a name without its parameters."""
    return _NAME_ENDS.split(name)[0]


_INSIDE_A_WORD = re.compile(r"(?<=[a-z0-9])-(?=[a-z0-9])")


def squeezed(name: str) -> str:
    """Return a name without case, underscores and hyphens inside it, which do not count in what is given."""
    return _INSIDE_A_WORD.sub("", name.lower()).replace("_", "")


def full_name(name: str, bound: inspect.BoundArguments) -> str:
    """Return a name with the arguments that its builder was called with, where they differ from the defaults."""
    parameters = bound.signature.parameters
    given = {
        key: value
        for key, value in bound.arguments.items()
        if parameters[key].default is inspect.Parameter.empty or value != parameters[key].default
    }
    first = next(iter(parameters), None)
    parts = [_written(value) if key == first else f"{key}={_written(value)}" for key, value in given.items()]
    # An entry that is named after its parameter reads as an assignment: std=0.01.
    return f"{name}={parts[0]}" if name == first else ":".join([name, *parts])


def usage(name: str, parameters: Parameters) -> str:
    """Return how a name is written with its parameters: `maxout[:pieces=2]`, `uniform:limit`, `std=STD`."""
    if list(parameters) == [name]:
        return f"{name}={name.upper()}"
    return name + "".join(
        f":{key}" if one.default is one.empty else f"[:{key}{_default(one.default)}]" for key, one in parameters.items()
    )


def parts_of(spec: str, bare: str | None) -> tuple[str, list[str]]:
    """Return the name and the texts of the values in NAME[:value[:key=value...]]; NAME=value is NAME:value.

    Args:
        spec: The text.
        bare: The name that a bare number stands for, if any.
    """
    name, *values = [part.strip() for part in spec.strip().split(":")]
    if bare and _NUMBER.match(name):
        return bare, [name, *values]
    if "=" in name:
        name, value = (part.strip() for part in name.split("=", 1))
        return name, [value, *values]
    return name, values


def arguments_of(field: str, spec: str, name: str, values: Sequence[str], parameters: Parameters) -> dict[str, Any]:
    """Return the arguments of an entry's builder that texts of values say.

    Args:
        field: The field that the entry is given in, for errors.
        spec: The whole text, for errors.
        name: The entry's name.
        values: The texts.
        parameters: The parameters of the builder.

    Raises:
        InvalidField: A value is not accepted, or one is missing.
    """
    arguments: dict[str, Any] = {}
    for position, text in enumerate(values):
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            key, value = (list(parameters)[position] if position < len(parameters) else ""), key
        elif key not in parameters:
            key = next((own for own in _SYNONYMS.get(key, ()) if own in parameters), key)
        if key not in parameters or key in arguments:
            takes = f"takes {usage(name, parameters)}" if parameters else "takes no parameters"
            raise InvalidField(field, f"{spec!r}: {name} {takes}, got {text!r}")
        arguments[key] = _converted(field, spec, key, value, parameters[key].annotation)
    for key, one in parameters.items():
        if one.default is one.empty and key not in arguments:
            raise InvalidField(field, f"{spec!r}: {name} needs a value, as in {usage(name, parameters)}")
    return arguments


def _default(value: object) -> str:
    return "" if value is None else f"={_written(value)}"


def _written(value: object) -> str:
    if isinstance(value, Real) and not isinstance(value, Integral):
        return repr(float(value)).removesuffix(".0")
    return str(value)


def _converted(field: str, spec: str, key: str, value: str, annotation: type) -> Any:
    annotation = next((one for one in get_args(annotation) if one is not NoneType), annotation)
    if annotation is str:
        return value
    try:
        return annotation(value)
    except ValueError:
        accepted = "a whole number" if annotation is int else "a number"
        raise InvalidField(field, f"{spec!r}: {key} must be {accepted}, got {value!r}") from None
