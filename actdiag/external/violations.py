"""The result of applying a tool's rules: the violated ones, and the judgement that follows."""

from collections.abc import Mapping
from typing import NamedTuple


class Violation(NamedTuple):
    """One rule that a network violates.

    Attributes:
        rule: The rule, by the tool's own name.
        layers: The layers that violate it, from 1, in order.
        value: The measured number that is farthest beyond the limit; infinite or NaN where the run overflowed.
        limit: The tool's default.
        said: The number and its limit, in a sentence.
    """

    rule: str
    layers: tuple[int, ...]
    value: float
    limit: float
    said: str


class Judgement(NamedTuple):
    """The verdict of one tool.

    Attributes:
        judge: The tool.
        healthy: Whether no rule is violated.
        violations: The rules that are.
        source: Where its rules and their defaults are published.
    """

    judge: str
    healthy: bool
    violations: tuple[Violation, ...]
    source: str


Violations = tuple[Violation, ...]

Values = Mapping[int, float]
"""A number for each layer, by the layer's number. NaN violates no limit."""


def under(rule: str, what: str, values: Values, limit: float) -> Violations:
    """Return whether a rule is violated by layers whose value is under `limit`."""
    found = {layer: value for layer, value in values.items() if value < limit}
    return _violation(rule, what, found, min(found, key=found.__getitem__, default=0), f"under {limit:g}", limit)


def over(rule: str, what: str, values: Values, limit: float) -> Violations:
    """Return whether a rule is violated by layers whose value is over `limit`."""
    found = {layer: value for layer, value in values.items() if value > limit}
    return _violation(rule, what, found, max(found, key=found.__getitem__, default=0), f"over {limit:g}", limit)


def reaching(rule: str, what: str, values: Values, limit: float) -> Violations:
    """Return whether a rule is violated by layers whose value is at or over `limit`."""
    found = {layer: value for layer, value in values.items() if value >= limit}
    return _violation(rule, what, found, max(found, key=found.__getitem__, default=0), f"at or over {limit:g}", limit)


def outside(rule: str, what: str, values: Values, limits: tuple[float, float]) -> Violations:
    """Return whether a rule is violated by layers under the first limit, then by those over the second."""
    return under(rule, what, values, limits[0]) + over(rule, what, values, limits[1])


def _violation(rule: str, what: str, found: Values, worst: int, beyond: str, limit: float) -> Violations:
    if not found:
        return ()
    place = f"layer {worst}" if len(found) == 1 else f"layer {worst}, the worst of {len(found)} layers"
    said = f"{what} is {found[worst]:.3g} in {place}: {beyond}"
    return (Violation(rule, tuple(found), found[worst], limit, said),)
