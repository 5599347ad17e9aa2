"""What a diagnosis says: findings, and the verdict that they add up to."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "error"]
Outlook = Literal["healthy", "at-risk", "untrainable"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""From mild to grave."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found.

    Attributes:
        rule: The rule's name.
        severity: `info`, `warning` (training may fail) or `error` (training will).
        layers: The layers that it concerns, from 1, in order; none where it concerns the stack as a whole.
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

    @property
    def counts(self) -> bool:
        """Whether it stands in the way of `healthy`."""
        return self.severity != "info"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outlook for training, and what it rests on.

    Attributes:
        severity: `untrainable` where a rule is certain or the probability is small, `healthy` where it is large and
            nothing but `info` was found, else `at-risk`.
        trainable: Whether plain SGD is more likely to train the stack than not.
        probability: That plain SGD trains it, at the best learning rate; 0 where a rule is certain that it cannot.
        learning_rate: The rate to take; None where none is known to work.
        learning_rates: The least and the greatest that should work; likewise.
        estimated: Whether the gradient was estimated, because no backward pass was run.
        decided_by: The rules that tipped the scales, the strongest first; none of a healthy stack.
        findings: Most severe first.
    """

    severity: Outlook
    trainable: bool
    probability: float
    learning_rate: float | None
    learning_rates: tuple[float, float] | None
    estimated: bool
    decided_by: tuple[str, ...]
    findings: tuple[Finding, ...]
