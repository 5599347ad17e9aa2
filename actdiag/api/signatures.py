"""Signatures that options are part of: the help names every option, and an unknown one gets a suggestion."""

import functools
import inspect
import textwrap
from collections.abc import Callable, Collection
from dataclasses import Field
from typing import Any, ParamSpec, TypeVar

from actdiag.api.own_entries import Blamed
from actdiag.errors import InvalidField, did_you_mean
from actdiag.options import default_text, fields_of

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def takes(
    *kinds: type[Any], not_taken: type[Any] | None = None
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Return a decorator of a function whose signature names the fields of some kinds of options.

    The options are appended to the docstring. An unknown option is a TypeError that offers the nearest known one. What
    an activation or an initializer of one's own raises is an InvalidField that names it.

    Args:
        kinds: The classes of options.
        not_taken: A class of options that other functions take. Those of them that this one does not take, since it
            finds them out by itself, may be None or their defaults; anything else is refused.
    """

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        known = inspect.signature(function).parameters
        others = fields_of(not_taken) if not_taken is not None else []
        defaults = {one.name: one.default for one in others if one.name not in known}

        @functools.wraps(function)
        def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            for name in [name for name in kwargs if name not in known]:
                given = kwargs.pop(name)
                if name not in defaults:
                    message = f"unexpected option {name!r}{did_you_mean(name, known)}"
                    raise TypeError(message)
                if given is not None and not _same(given, defaults[name]):
                    raise InvalidField(name, f"must be left out: the data say what it is, got {given!r}")
            with Blamed(args, kwargs):
                return function(*args, **kwargs)

        if function.__doc__:
            checked.__doc__ = f"{inspect.cleandoc(function.__doc__)}\n\nOptions:\n{_described(kinds, known)}\n"
        return checked

    return decorate


def _same(given: object, default: object) -> bool:
    return type(given) is type(default) and bool(given == default)  # of an array there is no one truth


def _described(kinds: tuple[type[Any], ...], known: Collection[str]) -> str:
    """Return a paragraph for each option: what it sets, what else it takes from Python, and its default."""
    return "\n".join(_paragraph(one.name, *_said(one)) for one in fields_of(*kinds) if one.name in known)


def _said(one: Field[Any]) -> list[str]:
    default = default_text(one)
    said = [one.metadata["help"], one.metadata["library"], "" if default is None else f"Default: {default}."]
    return [part for part in said if part]


@functools.lru_cache(maxsize=256)  # most functions share their options
def _paragraph(name: str, *said: str) -> str:
    return textwrap.fill(f"{name}: {' '.join(said)}", 116, initial_indent="    ", subsequent_indent="        ")
