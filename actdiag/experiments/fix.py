"""The smallest change that makes a stack healthy: changes are tried in order, each by a run of its own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from actdiag.diagnosis.advice import FAULTS_OF_DATA, Change, changes
from actdiag.diagnosis.findings import ProvenFix, Value, Verdict
from actdiag.diagnosis.words import trains_it
from actdiag.model.stack import Stack
from actdiag.numerals import whole_percent
from actdiag.report import Report

SOUND = 0.95
"""The probability from which on a change is taken at once: so far over the limit that other seeds are healthy too."""

MOST_TRIED, MOST_ROWS = 4, 256
"""What an ordinary run spends on advice: so many changes, each on so many rows at most."""

WIDEST_ORTHOGONAL = 256
"""Over so many units an ordinary run tries no orthogonal matrices: to draw one takes longer than all else."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that makes a stack healthy.

    Attributes:
        change: The change.
        report: The report of the stack with the change.
        tried: How many changes were tried, this one included.
    """

    change: Change
    report: Report
    tried: int

    def proven(self) -> ProvenFix:
        """Return what the verdict on the stack before says of it."""
        options, verdict = dict(self.change.options), self.report.verdict
        return ProvenFix(options, command_of(options), verdict.severity, verdict.probability, self.tried)


def find_fix(report: Report, rerun: Callable[[Stack], Report]) -> Fix | None:
    """Return the first change that makes a stack soundly healthy, else healthy; None without one.

    Where an ordinary run has found a fix on few rows, it is the first to be tried, and what that run tried in vain
    before it the last.

    Args:
        report: The report of the stack.
        rerun: Runs a stack the same way.
    """
    first: Fix | None = None
    tried = 0
    for tried, change in _in_turn(report):
        found = rerun(change.stack)
        if is_better(found.verdict, report.verdict):
            first = first or Fix(change, found, tried)
            if (found.verdict.probability or 0.0) >= SOUND:
                return Fix(change, found, tried)
    return None if first is None else replace(first, tried=tried)


def _in_turn(report: Report) -> Iterator[tuple[int, Change]]:
    """Yield the changes to try, each with how many are tried by then, those of an ordinary run included."""
    fix = report.verdict.fix
    tried, later, passed = 0, 0, list[Change]()
    for change in changes(report.measurements):
        if fix is not None and not later and dict(change.options) != dict(fix.changes):
            passed.append(change)
            continue
        tried = fix.tried if fix is not None and not later else tried + 1
        later += 1
        yield tried, change
    for change in passed:
        tried = min(tried + 1, later + len(passed))
        yield tried, change


def with_advice(report: Report, rerun: Callable[[Stack], Report]) -> Report:
    """Return a report with the first of a few changes that makes its stack healthy, if there is one.

    Of a healthy stack whose inputs are at fault only their change is tried. Changes that take far longer to run than
    the stack itself are passed over.

    Args:
        report: The report of a single run.
        rerun: Runs a stack the same way.
    """
    verdict = report.verdict
    quick = (change for change in changes(report.measurements) if _is_quick(change.stack, report.stack))
    tries: Iterator[Change] = islice(quick, MOST_TRIED)
    if verdict.severity not in ("at-risk", "untrainable"):
        if not any(finding.rule in FAULTS_OF_DATA for finding in verdict.findings):
            return report
        tries = (change for change in tries if change.what == "inputs")
    for tried, change in enumerate(tries, 1):
        found = rerun(_few_rows(change.stack))
        if is_better(found.verdict, verdict):
            return advised(report, Fix(change, found, tried))
    return report


def advised(report: Report, found: Fix) -> Report:
    """Return a report with the fix of its stack, which the finding that decided has as its advice."""
    verdict, fix = report.verdict, found.proven()
    promise = trains_it(verdict.optimizer, verdict.iterations)
    advice = f"{fix.command}: {fix.severity}, {whole_percent(fix.probability)} {promise}"
    of_data = [finding.rule for finding in verdict.findings if finding.rule in FAULTS_OF_DATA]
    first = (*verdict.decided_by, *of_data)[:1]
    findings = tuple(replace(one, advice=advice) if one.rule in first else one for one in verdict.findings)
    return replace(report, verdict=replace(verdict, findings=findings, fix=fix))


def is_better(after: Verdict, before: Verdict) -> bool:
    """Return whether a change makes a network healthy, and no less likely to train."""
    return after.severity == "healthy" and (after.probability or 0.0) >= (before.probability or 0.0)


def command_of(options: Mapping[str, Value]) -> str:
    """Return options as they are given on the command line, and which are not to be given.

    Example:
        >>> command_of({"init": "he", "bias_std": None, "scale": "feature"})
        '--init he --scale feature without --bias-std'
    """
    spelled = {name: f"--{name.replace('_', '-')}" for name in options}
    given = [
        spelled[name] if value is True else f"{spelled[name]} {_written(value)}"
        for name, value in options.items()
        if value is not None
    ]
    left_out = [spelled[name] for name, value in options.items() if value is None]
    return " ".join([*given, *(["without", " and ".join(left_out)] if left_out else [])])


def _written(value: Value) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_quick(changed: Stack, stack: Stack) -> bool:
    """Return whether a changed stack draws its weights about as fast as the stack itself."""
    narrow = max(changed.widths) <= WIDEST_ORTHOGONAL
    return narrow or changed.init.family != "orthogonal" or stack.init.family == "orthogonal"


def _few_rows(stack: Stack) -> Stack:
    if stack.batch <= MOST_ROWS:
        return stack
    data = stack.data[:MOST_ROWS] if isinstance(stack.data, np.ndarray) else stack.data
    return replace(stack, batch=MOST_ROWS, data=data)
