"""Named entries with parameters: how `leaky_relu:0.2` becomes an Activation and `std=0.01` an Initializer."""

import functools
import inspect
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from numbers import Real
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import numpy as np

from actdiag.errors import InvalidField, did_you_mean
from actdiag.registry.spelling import Parameters, arguments_of, bare_name, full_name, parts_of, squeezed, usage

Entry = TypeVar("Entry")
Builder = Callable[..., Entry]


@dataclass(frozen=True, slots=True)
class Missing:
    """What stands for the functions of an entry of which there is only the name, as in a document.

    Attributes:
        field: The field that names the entry (`act`, `init`), for errors.
        name: The entry's name.
    """

    field: str
    name: str

    def __call__(self, *arguments: object) -> Any:
        """Refuse to run.

        Raises:
            InvalidField: Always.
        """
        raise self.refusal()

    def refusal(self) -> InvalidField:
        """Return the refusal."""
        problem = f"must be given again to run: of {self.name!r} a document has the name, not the functions"
        return InvalidField(self.field, problem)


class Registry(Generic[Entry]):
    """Builders of entries under their names; an entry's parameters are its builder's.

    A builder's arguments, where they differ from the defaults, become part of the entry's name, so that a name always
    says the whole entry and `resolve` takes it back. An entry asked for by an alias answers to it.

    Args:
        field: The field that these names are given in (`act`, `init`), for errors.
        kind: What an entry is called in a sentence.
        bare: The name that a bare number stands for, if any: `0.01` for `std:0.01`.
        entry: The class of the entries, where `resolve` is to refuse anything else.
    """

    def __init__(self, field: str, kind: str, bare: str | None = None, entry: type | None = None) -> None:
        self.field = field
        self._entry = entry
        self.kind = kind
        self._bare = bare
        self._builders: dict[str, Builder[Entry]] = {}
        self._aliases: dict[str, str] = {}
        self._squeezed: dict[str, str] = {}
        # One entry for one text, so that what is derived from an entry is derived once.
        self._named = functools.lru_cache(maxsize=256)(self._build)
        # One entry for one name as long as it is in use, so that entries of one name are equal.
        self._known: WeakValueDictionary[str, Entry] = WeakValueDictionary()
        self._makers: dict[str, Callable[[str], Entry]] = {}
        self._changing: set[str] = set()

    def register(self, *aliases: str, name: str | None = None) -> Callable[[Builder[Entry]], Builder[Entry]]:
        """Register the decorated builder under `name` (the function's own by default) and `aliases`."""

        def decorate(build: Builder[Entry]) -> Builder[Entry]:
            own_name = name or build.__name__

            @functools.wraps(build)
            def named(*args: Any, **kwargs: Any) -> Entry:
                entry = build(*args, **kwargs)
                called = full_name(own_name, inspect.signature(build).bind(*args, **kwargs))
                return self._kept(called, lambda: replace(entry, name=called))  # type: ignore[type-var]

            self._builders[own_name] = named
            for spelled in (*aliases, own_name):
                self._squeezed[squeezed(spelled)] = spelled
            for known in [known for known in self._known if bare_name(known) in (own_name, *aliases)]:
                del self._known[known]
            self._aliases.update(dict.fromkeys(aliases, own_name))
            self._named.cache_clear()
            return named

        return decorate

    def __iter__(self) -> Iterator[str]:
        """The names, aliases left out, in the order of registration."""
        return iter(self._builders)

    def __contains__(self, name: object) -> bool:
        """Whether `name` is a name or an alias, without parameters."""
        return name in self._builders or name in self._aliases

    def __getitem__(self, name: str) -> Builder[Entry]:
        """The builder under a name or an alias."""
        return self._builders[self._aliases.get(name, name)]

    def found(self, name: str) -> str | None:
        """The name or alias that is meant; case, underscores and hyphens do not count. None where there is none."""
        if name.lower() in self:
            return name.lower()
        return self._squeezed.get(squeezed(name))

    def aliases(self, name: str) -> list[str]:
        """The other names of the entry `name`."""
        return [alias for alias, target in self._aliases.items() if target == name]

    def signature(self, name: str) -> str:
        """How `name` is written with its parameters: `maxout[:pieces=2]`, `uniform:limit`."""
        return usage(name, self._parameters(name))

    def resolve(self, spec: "str | Entry") -> Entry:
        """Return the entry that `spec` (`NAME[:value[:key=value...]]`) names; an entry is returned as it is.

        Case and underscores do not count in a name: `LeakyReLU`, `xavier_normal_`.

        Raises:
            InvalidField: The name is unknown (the nearest ones are offered) or a parameter is not accepted.
        """
        if self._bare and isinstance(spec, Real) and not isinstance(spec, bool):
            spec = str(spec)
        if not isinstance(spec, str):
            if self._entry is not None and not isinstance(spec, self._entry):
                raise InvalidField(self.field, f"must be a name or an {self._entry.__name__}, got {spec!r}")
            return spec
        return self._named(spec)

    def keep(
        self, name: str, build: Callable[[], Entry], maker: Callable[[str], Entry], *, says_all: bool = True
    ) -> Entry:
        """Return the entry of a name that is not in the catalogue: the one in use, else a new one.

        Args:
            name: Its name.
            build: Makes it.
            maker: A function of a module that makes it from its name, in any process.
            says_all: Whether the name says what the entry does; it does not where it names code that may change.
        """
        self._makers[name] = maker
        if not says_all:
            self._changing.add(name)
        return self._kept(name, build)

    def knows(self, entry: Entry) -> bool:
        """Whether an entry is what its name says: from the catalogue, or kept; not one of a user's own."""
        return bool(self._known.get(entry.name) == entry)  # type: ignore[attr-defined]

    def says_all(self, entry: Entry) -> bool:
        """Whether an entry's name says what it does, in every process."""
        return self.knows(entry) and entry.name not in self._changing  # type: ignore[attr-defined]

    def reduced(self, entry: Entry, maker: Callable[[str], Entry]) -> tuple[Callable[..., Entry], tuple[Any, ...]]:
        """Return what a pickle of an entry holds: its name where that says all, else its fields.

        Args:
            entry: The entry, a dataclass.
            maker: A function of a module that makes an entry of the catalogue from its name.

        Raises:
            PicklingError: One of its functions has no name in a module, so that no other process finds it.
        """
        name: str = entry.name  # type: ignore[attr-defined]
        if self.knows(entry):
            return self._makers.get(name, maker), (name,)
        values = {field.name: getattr(entry, field.name) for field in fields(entry)}  # type: ignore[arg-type]
        for field, value in values.items():
            if callable(value) and not _picklable(value):
                what = getattr(value, "__qualname__", type(value).__name__)
                problem = f"its {field} is {what}, which is no function of a module"
                message = f"the {self.kind} {name!r} does not pickle: {problem}"
                raise pickle.PicklingError(message)
        return type(entry), tuple(values.values())

    def _build(self, spec: str) -> Entry:
        name, values = parts_of(spec, self._bare)
        name = self.found(name) or name
        if name not in self:
            known = [*self._builders, *self._aliases]
            offer = did_you_mean(name, known) or f"; `actdiag {self.kind}s` lists them"
            raise InvalidField(self.field, f"must name an {self.kind}, got {spec!r}{offer}")
        try:
            entry = self[name](**arguments_of(self.field, spec, name, values, self._parameters(name)))
        except InvalidField as error:
            if error.field == self.field:
                raise
            raise InvalidField(self.field, f"{spec!r}: {error.field} {error.problem}") from None
        if name not in self._aliases:
            return entry
        called = name + entry.name.removeprefix(self._aliases[name])  # type: ignore[attr-defined]
        return self._kept(called, lambda: replace(entry, name=called))  # type: ignore[type-var]

    def _kept(self, name: str, build: Callable[[], Entry]) -> Entry:
        """Return the entry of a name that is in use, or build it."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = build()
        return found

    def _parameters(self, name: str) -> Parameters:
        return inspect.signature(self[name], eval_str=True).parameters


def digest_of(entry: Any, given: Sequence[Any]) -> str:
    """Return a SHA-256 of what an entry holds beside functions, and of what these give.

    Args:
        entry: The entry, a dataclass.
        given: Numbers and arrays, which count to ten digits: what is behind them differs between machines.
    """
    held = [(field.name, getattr(entry, field.name)) for field in fields(entry)]
    found = sha256(repr([(name, value) for name, value in held if not callable(value)]).encode())
    for numbers in given:
        found.update(" ".join(f"{number:.9e}" for number in np.ravel(numbers).tolist()).encode())
    return found.hexdigest()


def _picklable(function: Callable[..., Any]) -> bool:
    try:
        pickle.dumps(function)
    except Exception:  # what pickle raises differs between kinds of functions
        return False
    return True
