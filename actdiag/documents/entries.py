"""Activations and initializers in documents: by name, those of one's own with what else is known of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import inf, nan
from typing import Any

from actdiag.activations import ACTIVATIONS, Activation, resolve_without_code
from actdiag.documents.plain import as_plain, member
from actdiag.errors import InvalidField
from actdiag.initializers import INITIALIZERS, Initializer
from actdiag.registry import Missing
from actdiag.theory.automatic import resolve_init

Fans = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """A function of the fans of which a document holds some values.

    Attributes:
        missing: What stands for the function elsewhere.
        values: The fans, and the function's value there.
    """

    missing: Missing
    values: tuple[tuple[int, int, float], ...]

    def __call__(self, fan_in: int, fan_out: int) -> float:
        """Return the value at these fans; NaN where none is known at any, of an entry of a later version.

        Raises:
            InvalidField: It is not known at these.
        """
        if not self.values:
            return nan
        for known_in, known_out, value in self.values:
            if (known_in, known_out) == (fan_in, fan_out):
                return value
        raise self.missing.refusal()


def own_activation(act: Activation) -> dict[str, Any] | None:
    """Return what a document holds of an activation beside its name: nothing where that says all."""
    if ACTIVATIONS.says_all(act):
        return None
    functions = [field.name for field in fields(act) if callable(getattr(act, field.name))]
    return _held(act) | {"functions": functions}


def own_initializer(init: Initializer, fans: Iterable[Fans]) -> dict[str, Any] | None:
    """Return what a document holds of an initializer beside its name: nothing where that says all.

    Args:
        init: The initializer.
        fans: (fan_in, fan_out) at which variances are told.
    """
    if INITIALIZERS.says_all(init):
        return None
    variances = as_plain(tuple((*at, init.variance(*at), init.bias_variance(*at)) for at in dict.fromkeys(fans)))
    return _held(init) | {"sample_bias": init.sample_bias is not None, "variances": variances}


_PLAIN_OF_ACTIVATION = ("formula", "source", "pieces", "saturates", "slope")
_PLAIN_OF_INITIALIZER = ("distribution", "source", "mean_field", "fits_batch", "averages_fans", "copies", "family")


def _held(entry: Activation | Initializer) -> dict[str, Any]:
    """Return the fields of an entry that are no functions, but for its name."""
    values = {field.name: getattr(entry, field.name) for field in fields(entry) if field.name != "name"}
    return {name: as_plain(value) for name, value in values.items() if not callable(value) and value is not None}


def read_activation(name: str, own: Mapping[str, Any] | None) -> Activation:
    """Return the activation of a document; one that the catalogue and the expressions do not hold cannot run."""
    if own is None:
        try:
            return resolve_without_code(_text(name))
        except InvalidField:  # of a later version
            own = {"functions": ["value", "derivative"]}
    missing = Missing("act", _text(name))
    low, high = own.get("bounds", (None, None))
    held: dict[str, Any] = {key: own[key] for key in _PLAIN_OF_ACTIVATION if key in own}
    held |= dict.fromkeys(member(own, "functions", "own"), missing)
    return Activation(
        name,
        kinks=tuple(own.get("kinks", ())),
        bounds=(-inf if low is None else low, inf if high is None else high),
        slope_range=tuple(own["slope_range"]) if "slope_range" in own else None,
        **{"formula": "", "source": ""} | held,
    )


def read_initializer(name: str, own: Mapping[str, Any] | None) -> Initializer:
    """Return the initializer of a document; one that the catalogue does not hold cannot run."""
    if own is None:
        try:
            return resolve_init(_text(name))
        except InvalidField:  # of a later version
            own = {"distribution": "", "source": "", "variances": []}
    missing = Missing("init", _text(name))
    rows: list[list[Any]] = [
        [nan if value is None else value for value in row] for row in member(own, "variances", "own")
    ]
    return Initializer(
        name,
        sample=missing,
        variance=Known(missing, tuple((fan_in, fan_out, value) for fan_in, fan_out, value, _ in rows)),
        bias_variance=Known(missing, tuple((fan_in, fan_out, value) for fan_in, fan_out, _, value in rows)),
        sample_bias=missing if own.get("sample_bias") else None,
        **{key: own[key] for key in _PLAIN_OF_INITIALIZER if key in own},
    )


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidField(field="json", problem=f"must have the names of entries as text, got {name!r}")
    return name
