"""What a rule is: an entry that measures a run and allows an interval, and how that becomes a finding."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from actdiag.diagnosis.findings import Finding, Severity
from actdiag.measurements import Measurements

Interval = tuple[float, float]


class Measured(NamedTuple):
    """A number that a rule compares with its limits.

    Attributes:
        layers: The layers that it was measured on.
        value: The number.
        path: The number as it was up to each layer, where `value` is what it came to: (layer, number). Then a finding
            concerns the layers at which the limit had been passed.
    """

    layers: tuple[int, ...]
    value: float
    path: tuple[tuple[int, float], ...] = ()


class Found(NamedTuple):
    """What passed a limit, for the words about it.

    Attributes:
        run: What was looked at.
        layers: The layers concerned, in order.
        value: The number farthest beyond its limit.
        limit: That limit.
    """

    run: Measurements
    layers: tuple[int, ...]
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing to look for.

    Attributes:
        name: As it is written in a file of rules and in a finding.
        title: The name in words.
        quantity: What is measured.
        measure: Takes it: a number for the stack or one for each layer; none where it has no meaning. A number that is
            not one (NaN) is no finding.
        summary: What was seen, in a sentence.
        advice: The smallest change that mends it.
        explanation: What it means and why it matters.
        remedy: What to do about it, in general.
        source: Where rule and limits come from.
        severity: `error` where no stack can train with it, whatever else is measured; `warning` where it may fail;
            `info` for what is only told.
        low: The least value allowed.
        high: The greatest.
        explained: What finite width explains of a value beyond the limits: the interval that is allowed beside them.
        harmless: Whether a number beyond the limits is only told, as `info`.
        mark: The word that marks a layer in a table; the name's first by default.
        enabled: Whether the rule is applied.
    """

    name: str
    title: str
    quantity: str
    measure: Callable[[Measurements], Iterable[Measured]]
    summary: Callable[[Found], str]
    advice: Callable[[Found], str]
    explanation: str
    remedy: str
    source: str
    severity: Severity = "warning"
    low: float = -inf
    high: float = inf
    explained: Callable[[Measurements, Measured], Interval] | None = None
    harmless: Callable[[Measurements, Measured], bool] | None = None
    mark: str = ""
    enabled: bool = True

    @property
    def bounds(self) -> dict[str, float]:
        """The limits that the rule has, by name."""
        return {name: bound for name, bound in (("low", self.low), ("high", self.high)) if abs(bound) != inf}

    def find(self, run: Measurements) -> Iterator[Finding]:
        """Yield what is found in a run: one finding for all numbers beyond their limits, none where all are within."""
        beyond = []
        for measured in self.measure(run):
            limit = self._passed(run, measured)
            if limit is not None:
                beyond.append((measured, limit))
        if not beyond:
            return
        grave = [one for one in beyond if self.harmless is None or not self.harmless(run, one[0])]
        chosen = grave or beyond
        worst, limit = max(chosen, key=lambda one: abs(one[0].value - one[1]))
        layers = tuple(sorted({layer for measured, limit in chosen for layer in _concerned(measured, limit)}))
        found = Found(run, layers, worst.value, limit)
        yield Finding(
            rule=self.name,
            severity=self.severity if grave else "info",
            layers=layers,
            value=worst.value,
            limit=limit,
            summary=self.summary(found),
            advice=self.advice(found),
        )

    def _passed(self, run: Measurements, measured: Measured) -> float | None:
        """Return the limit that a number is beyond, with all that is explained; None where it is within."""
        low, high = self.low, self.high
        if low <= measured.value <= high:
            return None
        if self.explained is not None:
            least, most = self.explained(run, measured)
            low, high = min(low, least), max(high, most)
        return low if measured.value < low else high if measured.value > high else None


def _concerned(measured: Measured, limit: float) -> Iterable[int]:
    if not measured.path:
        return measured.layers
    below = measured.value < limit
    return (layer for layer, value in measured.path if (value < limit if below else value > limit))
