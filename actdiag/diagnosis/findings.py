"""The result of a diagnosis: findings, and the verdict that follows from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from actdiag.options import PlanOptions

Severity = Literal["info", "warning", "error"]
Outlook = Literal["healthy", "at-risk", "untrainable", "unknown"]

Value = str | float | bool | tuple[int, ...] | None
"""A value of an option; None is its default."""

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""In rising order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found.

    Attributes:
        rule: The rule's name.
        severity: `error` where a rule is certain that no network trains with it, and of what decided that a network is
            untrainable; `warning` of what decided that it is at risk; else `info`, a note. Rules may ask for more.
        layers: The layers concerned, from 1, in order; empty where the finding concerns the network as a whole.
        value: The measured number that is farthest beyond its limit.
        limit: That limit.
        summary: What was measured, in a sentence.
        advice: The change that was run and makes the network healthy, and what came of it: on the finding that decided
            the verdict, empty on all others.
        explained: Whether depth, batch or a learning rate that is only recommended explain it, so that it is no fault.
        cause: What is wrong, in a clause: `the signal vanishes, x0.069 per layer`.
    """

    rule: str
    severity: Severity
    layers: tuple[int, ...]
    value: float
    limit: float
    summary: str
    advice: str
    explained: bool = False
    cause: str = ""

    @property
    def counts(self) -> bool:
        """Whether the finding is more than a note."""
        return self.severity != "info"


@dataclass(frozen=True, slots=True)
class ProvenFix:
    """A change that was run, and under which the network is healthy.

    Attributes:
        changes: The options that it sets, by name; None for one that goes back to its default.
        command: How it is said on the command line.
        severity: The verdict after it.
        probability: The probability after it.
        tried: How many changes were tried, this one included.
    """

    changes: Mapping[str, Value] = field(hash=False)
    command: str
    severity: Outlook
    probability: float | None
    tried: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outlook for training, and the reasons for it.

    Attributes:
        severity: By the probability in whole percent: `untrainable` under 15, also where a rule is certain or more than
            half of several runs are untrainable; `healthy` from 85; `at-risk` between; `unknown` where there is no
            probability.
        trainable: Whether the network is more likely to train than not; None where that is not known.
        probability: The probability that `optimizer` trains it within `iterations` at the best learning rate; 0 where a
            rule is certain that it does not; None where it is not known. Of several runs the mean of theirs.
        learning_rate: The recommended learning rate; None where none is known to work.
        learning_rates: The lowest and the highest that should work; likewise.
        estimated: Whether the gradient was estimated because no backward pass was run.
        decided_by: The rules that decided, the strongest first; empty for a healthy network.
        findings: Most severe first.
        fix: The smallest change found that makes the network healthy; None where it is healthy, where nothing helped,
            and where none was looked for.
        optimizer: The optimizer that all this is on.
        iterations: The number of training iterations that it is on.
        outside: What lies outside the range of the trained networks that the probability was fitted to, a sentence
            each; empty within it. Outside there is no probability and no learning rate.
    """

    severity: Outlook
    trainable: bool | None
    probability: float | None
    learning_rate: float | None
    learning_rates: tuple[float, float] | None
    estimated: bool
    decided_by: tuple[str, ...]
    findings: tuple[Finding, ...]
    fix: ProvenFix | None = None
    optimizer: str = PlanOptions.optimizer
    iterations: int = PlanOptions.iterations
    outside: tuple[str, ...] = ()
