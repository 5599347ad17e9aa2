"""--fail-on: the exit code for scripts, once the answer is written."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from actdiag.cli import screen
from actdiag.diagnosis import Rules, Verdict, rule_name, rules_from
from actdiag.errors import InvalidField, did_you_mean
from actdiag.report import Report

if TYPE_CHECKING:
    from actdiag.experiments.train import TrainingRun

EXIT_TRIPPED = 3

VERDICTS = ("at-risk", "untrainable", "unknown")
"""The first includes the second; the third stands apart."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The verdicts and rules that make a command fail, checked before anything is run.

    Attributes:
        names: Verdicts and rules; empty for a command that never fails.
        rules: The rules that are applied.
        quiet: Whether the exit code alone tells.
    """

    names: tuple[str, ...]
    rules: Rules
    quiet: bool = False

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            InvalidField: A name is neither a verdict nor a rule, or that of a rule that is disabled.
        """
        for name in self.names:
            if name not in VERDICTS and name not in self.rules:
                offer = did_you_mean(name, [*VERDICTS, *self.rules]) or "; `actdiag explain` lists the rules"
                problem = f"must be {', '.join(VERDICTS)} or name rules, got {name!r}{offer}"
                raise InvalidField(field="fail_on", problem=problem)
            if name in self.rules and not self.rules[name].enabled:
                problem = f"must name rules that are applied, got {name!r}, which --rules disables"
                raise InvalidField(field="fail_on", problem=problem)

    @contextlib.contextmanager
    def after(self, reports: "Sequence[Report | TrainingRun]") -> Iterator[None]:
        """Check reports after the block that writes the answer, also if the reader closes the pipe early."""
        try:
            yield
        except BrokenPipeError:
            self.check(reports)
            raise
        self.check(reports)

    def check(self, reports: "Sequence[Report | TrainingRun]") -> None:
        """Print the findings that make the command fail to standard error, a line each; exit with 3 if any do."""
        lines = [
            f"{report.stack.act.name}, {report.stack.init.name}: {said}"
            for report in reports
            for said in self.tripped_by(report.verdict)
        ]
        for line in () if self.quiet else lines:
            screen.tell(line)
        if lines:
            raise click.exceptions.Exit(EXIT_TRIPPED)

    def tripped_by(self, verdict: Verdict) -> list[str]:
        """Return a line for each finding that fails a named verdict (those that decided it) or a named rule."""
        severity = verdict.severity
        bad = severity in self.names or (severity == "untrainable" and "at-risk" in self.names)
        found = [
            finding
            for finding in verdict.findings
            if (bad and finding.rule in verdict.decided_by) or (finding.rule in self.names and not finding.explained)
        ]
        lines = [f"{severity}: {finding.severity} {finding.rule}: {finding.summary}" for finding in found]
        if bad and not lines:
            probability = verdict.probability
            lines = [
                f"{severity}: {'; '.join(verdict.outside) if probability is None else f'probability {probability:.2g}'}"
            ]
        return lines


def taken_from(given: dict[str, Any], quiet: bool = False) -> Gate:
    """Return the gate of a command's options, taken out of them, and replace the rules in them by what they name."""
    names, given["rules"] = given.pop("fail_on"), rules_from(given["rules"])
    listed = () if names is None else tuple(_named(name.strip(), given["rules"]) for name in names.split(","))
    return Gate(listed, given["rules"], quiet)


def _named(name: str, rules: Rules) -> str:
    """Return a verdict or a rule, in any case or by a former name, by its own name; anything else unchanged."""
    return name.lower() if name.lower() in VERDICTS else rule_name(name, rules)
