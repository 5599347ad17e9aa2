"""What a tool says of a stack: charges, and the judgement that they add up to."""

from collections.abc import Mapping
from typing import NamedTuple


class Charge(NamedTuple):
    """One rule that a stack breaks.

    Attributes:
        rule: The rule, by the tool's own name.
        layers: The layers that break it, from 1, in order.
        value: What the rule saw, where it is furthest from its limit; infinite or NaN where the run left the numbers.
        limit: The tool's default.
        said: What the rule saw and its limit, in a sentence.
    """

    rule: str
    layers: tuple[int, ...]
    value: float
    limit: float
    said: str


class Judgement(NamedTuple):
    """What one tool says of a stack.

    Attributes:
        judge: The tool.
        healthy: Whether no rule is broken.
        charges: The rules that are.
        source: Where its rules and their defaults are published.
    """

    judge: str
    healthy: bool
    charges: tuple[Charge, ...]
    source: str


Charges = tuple[Charge, ...]

Values = Mapping[int, float]
"""A number for each layer, by the layer's number. NaN breaks no limit."""


def under(rule: str, what: str, values: Values, limit: float) -> Charges:
    """Charge the layers whose value is under `limit`."""
    found = {layer: value for layer, value in values.items() if value < limit}
    return _charge(rule, what, found, min(found, key=found.__getitem__, default=0), f"under {limit:g}", limit)


def over(rule: str, what: str, values: Values, limit: float) -> Charges:
    """Charge the layers whose value is over `limit`."""
    found = {layer: value for layer, value in values.items() if value > limit}
    return _charge(rule, what, found, max(found, key=found.__getitem__, default=0), f"over {limit:g}", limit)


def reaching(rule: str, what: str, values: Values, limit: float) -> Charges:
    """Charge the layers whose value is `limit` or over it."""
    found = {layer: value for layer, value in values.items() if value >= limit}
    return _charge(rule, what, found, max(found, key=found.__getitem__, default=0), f"at or over {limit:g}", limit)


def outside(rule: str, what: str, values: Values, limits: tuple[float, float]) -> Charges:
    """Charge the layers whose value is outside `limits`: those under the first, then those over the second."""
    return under(rule, what, values, limits[0]) + over(rule, what, values, limits[1])


def _charge(rule: str, what: str, found: Values, worst: int, beyond: str, limit: float) -> Charges:
    if not found:
        return ()
    place = f"layer {worst}" if len(found) == 1 else f"layer {worst}, the worst of {len(found)} layers"
    said = f"{what} is {found[worst]:.3g} in {place}: {beyond}"
    return (Charge(rule, tuple(found), found[worst], limit, said),)
