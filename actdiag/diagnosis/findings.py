"""What a diagnosis says: findings, and the verdict that they add up to."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]
Outlook = Literal["healthy", "at-risk", "untrainable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found.

    Attributes:
        rule: The rule's name.
        severity: `info`, `warning` (training may fail) or `error` (training will).
        layers: The layers that it concerns, from 1, in order.
        value: The number that led to it.
        limit: The number that `value` passed.
        summary: What was seen, in a sentence.
        advice: The smallest change that mends it.
    """

    rule: str
    severity: Severity
    layers: tuple[int, ...]
    value: float
    limit: float
    summary: str
    advice: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outlook for training, and what it rests on.

    Attributes:
        severity: `untrainable` with an error among the findings, else `at-risk` with a warning, else `healthy`.
        findings: Most severe first.
    """

    severity: Outlook
    findings: tuple[Finding, ...]
