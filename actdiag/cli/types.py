"""How the text of an option is read; the ranges of numbers are the library's to judge."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from actdiag.registry import Registry


class Whole(click.ParamType[int]):
    """A whole number; its range is the library's to judge."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with what is accepted."""
        try:
            return int(value)
        except ValueError:
            self.fail(f"must be a whole number, got {value!r}", param, ctx)


class Real(click.ParamType[float]):
    """A number; its range is the library's to judge."""

    name = "X"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number, or fail with what is accepted."""
        try:
            return float(value)
        except ValueError:
            self.fail(f"must be a number, got {value!r}", param, ctx)


class RealOrAuto(Real):
    """A number, or `auto`."""

    name = "X|auto"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return how help shows it: click would write AUTO."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or `auto`, or fail with what is accepted."""
        if str(value).lower() == "auto":
            return "auto"
        try:
            return float(value)
        except ValueError:
            self.fail(f"must be a number or auto, got {value!r}", param, ctx)


class Rates(click.ParamType[tuple[Any, ...]]):
    """Numbers or `auto`, with commas between."""

    name = "X,...|auto"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return how help shows it: click would write AUTO."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Return the numbers, `auto` as it stands, or fail with what is accepted."""
        if isinstance(value, tuple):
            return value
        try:
            parts = [part.strip().lower() for part in str(value).split(",")]
            return tuple(part if part == "auto" else float(part) for part in parts)
        except ValueError:
            self.fail(f"must be numbers with commas between, or auto, got {value!r}", param, ctx)


class Wholes(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between."""

    name = "N,N,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, or fail with what is accepted."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"must be whole numbers with commas between, such as 512,256,64, got {value!r}", param, ctx)


class Registered(click.ParamType[str]):
    """A name of a registry, offered by shell completion; resolved by the library."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = kind.upper()

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names, aliases among them, that begin like the last of a list."""
        before, comma, start = incomplete.rpartition(",")
        return [CompletionItem(before + comma + name) for name in _NAMES[self.kind]() if name.startswith(start)]


class NameOrFile(Registered):
    """A name of data, or a file; both are offered by shell completion."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so, and leave files to the shell."""
        return [*super().shell_complete(ctx, param, incomplete), *complete_files(ctx, param, incomplete)]


def complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave the completion to the shell, which knows the files."""
    return [CompletionItem(incomplete, type="file")]


def _acts() -> list[str]:
    from actdiag.activations import ACTIVATIONS

    return _with_aliases(ACTIVATIONS)


def _inits() -> list[str]:
    from actdiag.initializers import INITIALIZERS

    return [*_with_aliases(INITIALIZERS), "auto"]


def _with_aliases(registry: "Registry[Any]") -> list[str]:
    return sorted(name for own in registry for name in (own, *registry.aliases(own)))


def _rules() -> list[str]:
    from actdiag.diagnosis import RULES

    return [*RULES]


def _gate() -> list[str]:
    from actdiag.cli.gate import VERDICTS

    return [*VERDICTS, *_rules()]


def _judges() -> list[str]:
    from actdiag.external import JUDGES

    return list(JUDGES)


def _sources() -> list[str]:
    from actdiag.datasets.catalogue import SOURCES

    return sorted(SOURCES)


def _inputs() -> list[str]:
    from actdiag.datasets.random_inputs import RANDOM_INPUTS

    return [*RANDOM_INPUTS, *_sources()]


_NAMES: Mapping[str, Callable[[], list[str]]] = {
    "act": _acts,
    "init": _inits,
    "rule": _rules,
    "gate": _gate,
    "judge": _judges,
    "data": _sources,
    "labels": _sources,
    "input": _inputs,
}
"""The names of each kind."""
