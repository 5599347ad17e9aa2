"""All rules, and their limits from a file."""

import os
from collections.abc import Mapping
from dataclasses import replace
from math import isnan
from numbers import Real
from pathlib import Path
from types import MappingProxyType
from typing import Any

from actdiag.diagnosis import combined, dead, inputs, numerics, readout, repeated, scale, steps, units
from actdiag.diagnosis.findings import SEVERITIES
from actdiag.diagnosis.rule import Rule, Rules
from actdiag.errors import InvalidField, did_you_mean

_FIELD = "rules"

_MOST_BYTES = 2**20
"""Of a file of rules: a device has no end."""

_UNWRITTEN = "it is a pipe that nothing writes to"

RULES: Rules = MappingProxyType(
    {
        rule.name: rule
        for rule in (
            numerics.NONFINITE,
            numerics.ZERO_SIGNAL,
            dead.BORN_DEAD,
            dead.SILENT_INPUTS,
            repeated.DIED_RUNS,
            units.SYMMETRIC_UNITS,
            scale.VANISHING_GRADIENT,
            scale.EXPLODING_GRADIENT,
            scale.VANISHING_SIGNAL,
            scale.EXPLODING_SIGNAL,
            inputs.COLLAPSED_INPUTS,
            inputs.ALIGNED_INPUTS,
            inputs.SHIFTED_MEAN,
            inputs.INPUT_SCALE,
            inputs.UNEVEN_FEATURES,
            units.SATURATION,
            dead.DEAD_UNITS,
            readout.SMALL_OUTPUT,
            readout.LARGE_OUTPUT,
            numerics.PRECISION_LOST,
            steps.UPDATE_TOO_LARGE,
            steps.UPDATE_TOO_SMALL,
            steps.FLAT_WEIGHT_GRADIENT,
            steps.DISAGREES_WITH_THEORY,
            combined.COMBINED_RISK,
        )
    }
)


FORMER_NAMES: Mapping[str, str] = MappingProxyType(
    {"faint_output": "small_output", "loud_output": "large_output", "outlook": "combined_risk"}
)
"""The names that rules had before; they are accepted wherever a rule is named."""


def rule_name(name: str, rules: Rules = RULES) -> str:
    """Return the name of a rule that is written in any case, or as it was called before; anything else unchanged."""
    if name in rules:
        return name
    known = FORMER_NAMES.get(name.lower(), name.lower())
    return known if known in rules else name


def rules_from(source: str | Path | Mapping[str, Any] | None) -> Rules:
    """Return the rules with the changes of a TOML file or of a mapping of the same form.

    It has a table for each rule to change, with `low` and `high` (the limits that the rule has), `severity` (`info`,
    `warning` or `error`, the least that its findings have, which does not change the verdict) and `enabled`. A mapping
    may hold a Rule in place of a table.

    Raises:
        InvalidField: The file cannot be read, or holds a rule, a key or a value that is not accepted.

    Example:
        >>> rules_from({"saturation": {"high": 0.9}})["saturation"].high
        0.9
    """
    if source is None:
        return RULES
    tables = source if isinstance(source, Mapping) else _read(source)
    changed = dict(RULES)
    for written, table in tables.items():
        name = rule_name(written) if isinstance(written, str) else written
        changed[name] = table if isinstance(table, Rule) else _changed(_named(name), table)
    return MappingProxyType(changed)


def _read(source: object) -> Mapping[str, Any]:
    if not isinstance(source, str | Path):
        raise InvalidField(_FIELD, f"must be a TOML file or a mapping, got {source!r}")
    import tomllib

    accepted = f"must be a TOML file with a table for each rule, got {str(source)!r}"
    try:
        content = _start_of(source)
        if len(content) > _MOST_BYTES:
            raise InvalidField(_FIELD, f"{accepted}: it has more than {_MOST_BYTES} bytes")
        return tomllib.loads(content.decode("utf-8"))
    except InvalidField:
        raise
    except RecursionError:
        raise InvalidField(_FIELD, f"{accepted}: it is nested too deeply") from None
    except OSError as error:
        raise InvalidField(_FIELD, f"{accepted}: {error.strerror}") from None
    except ValueError as error:  # no TOML, no UTF-8, or a name that no file can have
        raise InvalidField(_FIELD, f"{accepted}: {' '.join(str(error).split())}") from None


def _start_of(source: str | Path) -> bytes:
    """Return what a file holds, one byte more than rules may have at most.

    Raises:
        OSError: It cannot be read.
        ValueError: No file can have that name, or it is a pipe that nothing writes to.
    """
    path = Path(source)
    if not path.is_fifo():
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # else opening it waits for somebody to write
    with os.fdopen(pipe, "rb", buffering=0) as file:
        start = file.read(1)
        if start == b"":
            raise ValueError(_UNWRITTEN)
        os.set_blocking(pipe, True)
        content = bytearray(start or b"")
        while len(content) <= _MOST_BYTES and (more := file.read(_MOST_BYTES)):
            content += more
        return bytes(content)


def _named(name: object) -> Rule:
    if name not in RULES:
        offer = did_you_mean(name, RULES) or "; `actdiag explain` lists them"
        raise InvalidField(_FIELD, f"must name rules, got [{name}]{offer}")
    return RULES[str(name)]


def _changed(rule: Rule, table: object) -> Rule:
    accepted = [*rule.bounds, "severity", "enabled"]
    if not isinstance(table, Mapping):
        keys = ", ".join(accepted)
        raise InvalidField(_FIELD, f"must have a table [{rule.name}] with any of {keys}, got {table!r}")
    for key, value in table.items():
        _check(rule, key, value, accepted)
    changed = replace(
        rule,
        low=float(table.get("low", rule.low)),
        high=float(table.get("high", rule.high)),
        severity=table.get("severity", rule.severity),
        enabled=table.get("enabled", rule.enabled),
    )
    if changed.low > changed.high:
        limits = f"low {changed.low:g} and high {changed.high:g}"
        raise InvalidField(_FIELD, f"must have low under high in [{rule.name}], got {limits}")
    return changed


def _check(rule: Rule, key: object, value: object, accepted: list[str]) -> None:
    """Refuse a key that the rule does not have, or a value that the key does not take."""
    if key not in accepted:
        offer = did_you_mean(key, accepted)
        raise InvalidField(_FIELD, f"must set any of {', '.join(accepted)} in [{rule.name}], got {key}{offer}")
    if key == "enabled":
        fits, wanted = isinstance(value, bool), "be true or false"
    elif key == "severity":
        fits, wanted = value in SEVERITIES, f"be one of {', '.join(SEVERITIES)}"
    else:
        fits, wanted = _is_number(value), "be a number"
    if not fits:
        raise InvalidField(_FIELD, f"must have {key} {wanted} in [{rule.name}], got {value!r}")


def _is_number(value: object) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return not isnan(float(value))
    except OverflowError:  # a whole number of over 308 digits
        return False
