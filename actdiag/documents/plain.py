"""Values as plain dicts, lists, numbers and None, and back by the annotations of their types."""

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from math import isfinite, nan
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from actdiag.errors import InvalidField

SCHEMA, _READ = "actdiag/2", ("actdiag/1", "actdiag/2")
"""The layout of the JSON, and those that are read; the number grows when a key or the name of a rule changes."""

Value = TypeVar("Value")
_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def versions() -> dict[str, str]:
    """Return the versions of what the numbers came from."""
    from actdiag import __version__

    return {"actdiag": __version__, "numpy": np.__version__, "python": platform.python_version()}


def as_json(document: Mapping[str, Any]) -> str:
    """Return a dict as JSON text, refusing anything that JSON has no word for."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def as_plain(value: Any) -> Any:
    """Return dataclasses, mappings and tuples as dicts and lists, and a number that is not finite as None."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping) or hasattr(value, "_asdict"):
        named = value if isinstance(value, Mapping) else value._asdict()
        return {name: as_plain(item) for name, item in named.items()}
    if isinstance(value, tuple):
        return [as_plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def from_json(text: str) -> Any:
    """Return what JSON text holds.

    Raises:
        InvalidField: It is not JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidField(field="json", problem=f"must be JSON text of this program, got {error}") from None


def checked(document: Any, key: str) -> Mapping[str, Any]:
    """Return a document, or refuse what this version cannot read.

    Args:
        document: The document.
        key: A key that tells its kind from others.

    Raises:
        InvalidField: It is no document, of another kind, or in a layout that is not known.
    """
    if not isinstance(document, Mapping) or "schema" not in document:
        got = f"keys {', '.join(map(str, document))}" if isinstance(document, Mapping) else type(document).__name__
        raise InvalidField(field="json", problem=f"must be a document of this program with its schema, got {got}")
    if document["schema"] not in _READ:
        raise InvalidField(field="schema", problem=f"must be {' or '.join(_READ)}, got {document['schema']!r}")
    return {**document, key: member(document, key)}


@contextmanager
def reading() -> Iterator[None]:
    """Tell what no document of this program holds, wherever it was met, in one line."""
    try:
        yield
    except InvalidField:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        problem = f"must be a document as this program writes it, got one in which {' '.join(str(error).split())}"
        raise InvalidField(field="json", problem=problem) from None


def member(plain: Any, key: str, where: str = "") -> Any:
    """Return what stands under a key.

    Raises:
        InvalidField: There is no such key.
    """
    if not isinstance(plain, Mapping) or key not in plain:
        place = f"{where}.{key}".removeprefix(".")
        got = f"keys {', '.join(map(str, plain))}" if isinstance(plain, Mapping) else type(plain).__name__
        raise InvalidField(field="json", problem=f"must have {place}, got {got}")
    return plain[key]


def read(kind: type[Value], plain: Any, where: str = "", **given: Any) -> Value:
    """Return the dataclass or NamedTuple that `as_plain` made a dict of; keys that it does not know are left out.

    A number that is None where its type has no None was not finite: it comes back as NaN.

    Args:
        kind: The type.
        plain: The dict.
        where: Where it stands, for errors.
        **given: Fields that do not stand in the dict.

    Raises:
        InvalidField: A key is missing, or holds something else.
    """
    values = dict(given)
    for name, (hint, needed) in _fields(kind).items():  # type: ignore[arg-type]
        if name in values:
            continue
        if needed or (isinstance(plain, Mapping) and name in plain):
            values[name] = _value(hint, member(plain, name, where), f"{where}.{name}".removeprefix("."))
    return kind(**values)


def read_all(kind: type[Value], plain: Any, where: str) -> tuple[Value, ...]:
    """Return the values that `as_plain` made a list of dicts of."""
    return tuple(read(kind, item, f"{where}[{place}]") for place, item in enumerate(_listed(plain, where)))


@lru_cache(maxsize=64)
def _fields(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Return the annotation of each field of a type, and whether it has no default."""
    hints = get_type_hints(kind)
    if is_dataclass(kind):
        bare = {field.name: field.default is field.default_factory is MISSING for field in fields(kind) if field.init}
        return {name: (hints[name], needed) for name, needed in bare.items()}
    return {name: (hints[name], name not in kind._field_defaults) for name in kind._fields}


def _value(hint: Any, plain: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if plain is None and NoneType in arguments:
            return None
        kinds = [one for one in arguments if one is not NoneType]
        return _value(next((one for one in kinds if _is_of(one, plain)), kinds[0]), plain, where)
    if origin is Mapping:
        named = _checked(plain, isinstance(plain, Mapping), "a dict", where)
        return {name: _value(arguments[1], item, f"{where}.{name}") for name, item in named.items()}
    if origin is Literal:
        return _checked(plain, plain in arguments, f"one of {', '.join(map(str, arguments))}", where)
    if origin is tuple:
        listed = _listed(plain, where)
        hints = arguments[:1] * len(listed) if arguments[-1] is Ellipsis else arguments
        _checked(plain, len(listed) == len(hints), f"a list of {len(hints)}", where)
        pairs = enumerate(zip(hints, listed, strict=True))
        return tuple(_value(one, item, f"{where}[{place}]") for place, (one, item) in pairs)
    if hint is float and plain is None:
        return nan
    if hint in _KINDS:
        return _checked(plain, _is_of(hint, plain), _KINDS[hint], where)
    return read(hint, plain, where)


def _is_of(hint: Any, plain: Any) -> bool:
    """Return whether a value is of a kind, as far as that shows without its parts."""
    if hint in _KINDS:
        fitting = isinstance(plain, int | float) if hint is float else isinstance(plain, hint)
        return fitting and isinstance(plain, bool) == (hint is bool)
    return isinstance(plain, list | tuple) if get_origin(hint) is tuple else isinstance(plain, Mapping)


def _listed(plain: Any, where: str) -> Sequence[Any]:
    listed: Sequence[Any] = _checked(plain, isinstance(plain, list | tuple), "a list", where)
    return listed


def _checked(plain: Any, fitting: bool, accepted: str, where: str) -> Any:
    if not fitting:
        shown = repr(plain)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        raise InvalidField(field="json", problem=f"must have {accepted} at {where}, got {shown}")
    return plain
