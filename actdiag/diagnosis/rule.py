"""A rule: an entry that measures one number of a run and allows an interval for it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, TypeAlias

from actdiag.diagnosis.findings import Severity
from actdiag.diagnosis.needs import MISSING, Need
from actdiag.measurements import Measurements

Interval = tuple[float, float]
Rules: TypeAlias = "Mapping[str, Rule]"
"""Rules by name, in the order in which they are applied."""


class Measured(NamedTuple):
    """A number that a rule compares with its limits.

    Attributes:
        layers: The layers that it was measured on.
        value: The number.
        path: (layer, number) for every layer up to the one that `value` was taken at. A finding then concerns the
            layers at which the limit had been passed.
    """

    layers: tuple[int, ...]
    value: float
    path: tuple[tuple[int, float], ...] = ()


class Found(NamedTuple):
    """A number beyond a limit, with what its summary and its advice are written from.

    Attributes:
        measurements: The run.
        rules: The rules in force.
        rule: The rule that found it.
        explained: Whether all that was found is harmless.
        layers: The layers concerned, in order.
        value: The number farthest beyond its limit.
        limit: That limit.
    """

    measurements: Measurements
    rules: Rules
    rule: "Rule"
    explained: bool
    layers: tuple[int, ...]
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for.

    Its functions get the rules in force, so that a limit stands in its own rule and nowhere else: a rule that asks
    whether another one's limit is passed reads it there.

    Attributes:
        name: As it is written in a file of rules and in a finding.
        title: The name in words.
        quantity: What is measured.
        measure: Measures it: one number for the network or one for each layer; none where it has no meaning. NaN is
            never a finding.
        summary: What was found, in a sentence.
        explanation: What it means and why it matters.
        remedy: What to do about it, in general.
        source: Where the rule and its limits come from.
        certain: Whether no network trains with it, whatever else is measured.
        severity: The least severity of what it finds. It marks layers and says nothing of the probability.
        low: The least value allowed.
        high: The greatest.
        explained: The interval that finite width explains; it is allowed as well.
        harmless: Whether something else explains a number beyond the limits, so that it is reported but no fault.
        mark: The word that marks a layer in a table; the first word of the name by default.
        enabled: Whether the rule is applied.
        needs: What the rule needs to know, all of it; without it the rule is not applicable.
        needs_one_of: Of these it needs any one.
        cause: What is wrong, in a clause that needs no knowledge of the rule; the title by default.
    """

    name: str
    title: str
    quantity: str
    measure: Callable[[Measurements, Rules], Iterable[Measured]]
    summary: Callable[[Found], str]
    explanation: str
    remedy: str
    source: str
    severity: Severity = "info"
    certain: bool = False
    low: float = -inf
    high: float = inf
    explained: Callable[[Measurements, Measured], Interval] | None = None
    harmless: Callable[[Measurements, Measured, Rules], bool] | None = None
    mark: str = ""
    enabled: bool = True
    needs: frozenset[Need] = frozenset()
    needs_one_of: frozenset[Need] = frozenset()
    cause: "Callable[[Found], str] | None" = None

    @property
    def bounds(self) -> dict[str, float]:
        """The limits that the rule has, by name."""
        return {name: bound for name, bound in (("low", self.low), ("high", self.high)) if abs(bound) != inf}

    def why_not_applicable(self, provided: frozenset[Need]) -> str | None:
        """Return why the rule is not applicable to a run that provides so much; None where it is applicable."""
        missing = [MISSING[need] for need in sorted(self.needs - provided)]
        if self.needs_one_of and not self.needs_one_of & provided:
            missing.append(", and ".join(MISSING[need] for need in sorted(self.needs_one_of)))
        return "; ".join(missing) or None

    def cause_of(self, found: "Found") -> str:
        """Return what is wrong in a clause."""
        if self.cause is not None:
            return self.cause(found)
        return self.title if self.title[:2].isupper() else self.title[:1].lower() + self.title[1:]

    def find(self, measurements: Measurements, rules: Rules) -> Found | None:
        """Return what is found in a run: all numbers beyond their limits as one; None where all are within.

        Args:
            measurements: The run; the rule must be applicable to it.
            rules: The rules in force, this one among them.
        """
        beyond = []
        for measured in self.measure(measurements, rules):
            limit = self._passed(measurements, measured)
            if limit is not None:
                beyond.append((measured, limit))
        if not beyond:
            return None
        harmful = [one for one in beyond if self.harmless is None or not self.harmless(measurements, one[0], rules)]
        chosen = harmful or beyond
        worst, limit = max(chosen, key=lambda one: abs(one[0].value - one[1]))
        layers = tuple(sorted({layer for measured, limit in chosen for layer in _concerned(measured, limit)}))
        return Found(measurements, rules, self, not harmful, layers, worst.value, limit)

    def _passed(self, measurements: Measurements, measured: Measured) -> float | None:
        """Return the limit that a number is beyond, what is explained included; None where it is within."""
        low, high = self.low, self.high
        if low <= measured.value <= high:
            return None
        if self.explained is not None:
            least, most = self.explained(measurements, measured)
            low, high = min(low, least), max(high, most)
        return low if measured.value < low else high if measured.value > high else None


def _concerned(measured: Measured, limit: float) -> Iterable[int]:
    if not measured.path:
        return measured.layers
    below = measured.value < limit
    return (layer for layer, value in measured.path if (value < limit if below else value > limit))
