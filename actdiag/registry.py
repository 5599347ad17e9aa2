"""Named entries with parameters: how `leaky_relu:0.2` becomes an Activation and `std=0.01` an Initializer."""

import functools
import inspect
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from numbers import Integral, Real
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import numpy as np

from actdiag.errors import InvalidField, did_you_mean

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

Entry = TypeVar("Entry")
Builder = Callable[..., Entry]

_NAME_ENDS = re.compile("[:=]")
_NUMBER = re.compile(r"[+-]?(\d|\.\d)")


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
                signature = inspect.signature(build)
                full_name = _full_name(own_name, signature, signature.bind(*args, **kwargs))
                return self._kept(full_name, lambda: replace(entry, name=full_name))  # type: ignore[type-var]

            self._builders[own_name] = named
            for spelled in (*aliases, own_name):
                self._squeezed[_squeezed(spelled)] = spelled
            for known in [known for known in self._known if _NAME_ENDS.split(known)[0] in (own_name, *aliases)]:
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
        """The name or alias that is meant, where case and underscores do not count; None where there is none."""
        if name.lower() in self:
            return name.lower()
        return self._squeezed.get(_squeezed(name))

    def aliases(self, name: str) -> list[str]:
        """The other names of the entry `name`."""
        return [alias for alias, target in self._aliases.items() if target == name]

    def signature(self, name: str) -> str:
        """How `name` is written with its parameters: `maxout[:pieces=2]`, `uniform:limit`."""
        parameters = inspect.signature(self[name], eval_str=True).parameters.values()
        if [p.name for p in parameters] == [name]:
            return f"{name}={name.upper()}"
        return name + "".join(
            f":{p.name}" if p.default is p.empty else f"[:{p.name}={_written(p.default)}]" for p in parameters
        )

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
        name, *values = [part.strip() for part in spec.strip().split(":")]
        if self._bare and _NUMBER.match(name):
            name, values = self._bare, [name, *values]
        elif "=" in name:
            name, value = (part.strip() for part in name.split("=", 1))
            values = [value, *values]
        name = self.found(name) or name
        if name not in self:
            known = [*self._builders, *self._aliases]
            offer = did_you_mean(name, known) or f"; `actdiag {self.kind}s` lists them"
            raise InvalidField(self.field, f"must name an {self.kind}, got {spec!r}{offer}")
        try:
            entry = self[name](**self._arguments(spec, name, values))
        except InvalidField as error:
            if error.field == self.field:
                raise
            raise InvalidField(self.field, f"{spec!r}: {error.field} {error.problem}") from None
        if name not in self._aliases:
            return entry
        full_name = name + entry.name.removeprefix(self._aliases[name])  # type: ignore[attr-defined]
        return self._kept(full_name, lambda: replace(entry, name=full_name))  # type: ignore[type-var]

    def _kept(self, name: str, build: Callable[[], Entry]) -> Entry:
        """Return the entry of a name that is in use, or build it."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = build()
        return found

    def _arguments(self, spec: str, name: str, values: list[str]) -> dict[str, Any]:
        parameters = inspect.signature(self[name], eval_str=True).parameters
        arguments: dict[str, Any] = {}
        for position, text in enumerate(values):
            key, equals, value = (part.strip() for part in text.partition("="))
            if not equals:
                key, value = (list(parameters)[position] if position < len(parameters) else ""), key
            elif key not in parameters:
                key = next((own for own in _SYNONYMS.get(key, ()) if own in parameters), key)
            if key not in parameters or key in arguments:
                takes = f"takes {self.signature(name)}" if parameters else "takes no parameters"
                raise InvalidField(self.field, f"{spec!r}: {name} {takes}, got {text!r}")
            arguments[key] = _converted(self.field, spec, key, value, parameters[key].annotation)
        for parameter in parameters.values():
            if parameter.default is parameter.empty and parameter.name not in arguments:
                raise InvalidField(self.field, f"{spec!r}: {name} needs a value, as in {self.signature(name)}")
        return arguments


def _squeezed(name: str) -> str:
    return name.replace("_", "").lower()


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


def _full_name(name: str, signature: inspect.Signature, bound: inspect.BoundArguments) -> str:
    given = {
        key: value
        for key, value in bound.arguments.items()
        if signature.parameters[key].default is inspect.Parameter.empty or value != signature.parameters[key].default
    }
    first = next(iter(signature.parameters), None)
    parts = [_written(value) if key == first else f"{key}={_written(value)}" for key, value in given.items()]
    # An entry that is named after its parameter reads as an assignment: std=0.01.
    return f"{name}={parts[0]}" if name == first else ":".join([name, *parts])


def _written(value: object) -> str:
    if isinstance(value, Real) and not isinstance(value, Integral):
        return repr(float(value)).removesuffix(".0")
    return str(value)


def _converted(field: str, spec: str, key: str, value: str, annotation: type) -> Any:
    if annotation is str:
        return value
    try:
        return annotation(value)
    except ValueError:
        accepted = "a whole number" if annotation is int else "a number"
        raise InvalidField(field, f"{spec!r}: {key} must be {accepted}, got {value!r}") from None
