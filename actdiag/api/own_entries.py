"""Activations and initializers of one's own that raise amid a call: one error that names them."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from inspect import unwrap
from types import CodeType, TracebackType

from actdiag.activations import ACTIVATIONS, Activation
from actdiag.errors import InvalidField, described
from actdiag.initializers import INITIALIZERS, Initializer


class Blamed:
    """A context in which what a function of an entry of one's own raises becomes an error that names the entry.

    `SystemExit` is among it, so that no function ends the program. Interrupts, lack of memory and errors of actdiag
    pass, as does whatever is raised elsewhere, as in a callback.
    """

    def __init__(self, *given: object) -> None:
        self._given = given

    def __enter__(self) -> None:
        """Take nothing: entries are looked for where something is raised."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Blame the entry whose function has raised an error, if there is one.

        Raises:
            InvalidField: A function of an entry has raised it.
        """
        if error is None or isinstance(error, InvalidField | KeyboardInterrupt | MemoryError):
            return
        run = set(_codes_run(error))
        for entry in _own_entries(self._given):
            if run & set(_codes_of(entry)):
                field = "act" if isinstance(entry, Activation) else "init"
                raise InvalidField(field, f"{entry.name!r}: must not raise, got {described(error)}") from error


def _own_entries(given: object) -> Iterator[Activation | Initializer]:
    """Yield the entries among arguments, within lists, options and ops too, that are not what their names say."""
    if isinstance(given, Activation | Initializer):
        registry = ACTIVATIONS if isinstance(given, Activation) else INITIALIZERS
        if not registry.knows(given):  # type: ignore[arg-type]
            yield given
    elif isinstance(given, list | tuple):
        for one in given:
            yield from _own_entries(one)
    elif isinstance(given, Mapping):
        yield from _own_entries(tuple(given.values()))
    elif is_dataclass(given) and not isinstance(given, type):
        yield from _own_entries(tuple(getattr(given, field.name) for field in fields(given)))


def _codes_of(entry: Activation | Initializer) -> Iterator[CodeType]:
    """Yield the code of an entry's functions, and of what they wrap."""
    for field in fields(entry):
        function = getattr(entry, field.name)
        while isinstance(function, partial):
            function = function.func
        if callable(function):
            for one in (function, unwrap(function), vars(type(function)).get("__call__")):
                code = getattr(one, "__code__", None)
                if code is not None:
                    yield code


def _codes_run(error: BaseException) -> Iterator[CodeType]:
    """Yield the code that an error, or one that it came from, has passed through."""
    while error is not None:
        trace = error.__traceback__
        while trace is not None:
            yield trace.tb_frame.f_code
            trace = trace.tb_next
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
