"""The verdict on a run: what the rules found, and the probability that it trains."""

from collections.abc import Sequence
from dataclasses import replace

from actdiag.diagnosis.calibration.trainability import HIGH, LOW, Reason, trainability
from actdiag.diagnosis.findings import SEVERITIES, Finding, Outlook, Severity, Verdict
from actdiag.diagnosis.needs import available
from actdiag.diagnosis.rule import Rule, Rules
from actdiag.diagnosis.rules import RULES
from actdiag.measurements import Measurements

_COMBINED = "combined_risk"


def diagnose(measurements: Measurements, rules: Rules = RULES) -> Verdict:
    """Return the verdict on a run.

    The probability alone decides, but for rules that are certain: no network trains with what they find. What the other
    rules find are notes; in a network that is at risk or untrainable those that lower the probability decided it, and
    `combined_risk` where there are none. Outside the range of the networks that the probability was fitted to there is
    none. Means of several runs are untrainable too where more than half of the runs are, and only there is a rule
    certain of them: what it finds in the means may be of few runs.

    Args:
        measurements: What was measured and predicted.
        rules: The rules to apply.
    """
    found = findings(measurements, rules)
    promised, runs = trainability(measurements), measurements.runs
    sure = runs is None or runs.mostly_untrainable
    if not sure:
        found = [replace(one, severity="warning") if rules[one.rule].certain else one for one in found]
    errors = tuple(one.rule for one in found if sure and rules[one.rule].certain and not one.explained)
    certain = bool(errors) or (runs is not None and runs.mostly_untrainable)
    probability = promised.probability if not certain or (runs and runs.probability is not None) else 0.0
    severity: Outlook = "unknown"
    if certain or not promised.outside:
        severity = _severity(probability, certain=certain, at_most=promised.at_most)
    behind = errors or _behind(found, promised.reasons)
    if not behind and not promised.outside:
        found += _combined_risk(measurements, rules)
        behind = tuple(one.rule for one in found if one.rule == _COMBINED)
    decided = behind if severity in ("at-risk", "untrainable") else ()
    least: Severity = "error" if severity == "untrainable" else "warning"
    found = [_raised(one, least) if one.rule in decided else one for one in found]
    known = severity == "untrainable" or not (promised.at_most or promised.outside)
    return Verdict(
        severity=severity,
        trainable=probability >= 0.5 if known else None,
        probability=probability if known else None,
        learning_rate=None if certain else promised.learning_rate,
        learning_rates=None if certain else promised.learning_rates,
        estimated=promised.estimated,
        decided_by=decided,
        findings=tuple(sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), _place(one.rule, decided)))),
        optimizer=measurements.plan.optimizer,
        iterations=measurements.plan.iterations,
        outside=promised.outside,
    )


def _severity(probability: float, *, certain: bool, at_most: bool) -> Outlook:
    """Return what a probability comes to, in whole percent as it is printed."""
    shown = round(probability, 2)
    if certain or shown < LOW:
        return "untrainable"
    return "at-risk" if shown < HIGH else "unknown" if at_most else "healthy"


def _raised(finding: Finding, least: Severity) -> Finding:
    return replace(finding, severity=max(finding.severity, least, key=SEVERITIES.index))


def findings(measurements: Measurements, rules: Rules = RULES) -> list[Finding]:
    """Return what the rules find in a run, in the order of the rules; `combined_risk` is left out."""
    applied = (rule for name, rule in _applied(measurements, rules).items() if name != _COMBINED)
    return [one for rule in applied for one in _find(rule, measurements, rules)]


def _combined_risk(measurements: Measurements, rules: Rules) -> list[Finding]:
    rule = _applied(measurements, rules).get(_COMBINED)
    return [] if rule is None else _find(rule, measurements, rules)


def _applied(measurements: Measurements, rules: Rules) -> dict[str, Rule]:
    provided = available(measurements)
    return {name: rule for name, rule in rules.items() if rule.enabled and rule.why_not_applicable(provided) is None}


def not_applicable(measurements: Measurements, rules: Rules = RULES) -> dict[str, str]:
    """Return the rules that are enabled but not applicable to a run, each with the reason."""
    provided = available(measurements)
    reasons = {name: rule.why_not_applicable(provided) for name, rule in rules.items() if rule.enabled}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _find(rule: Rule, measurements: Measurements, rules: Rules) -> list[Finding]:
    found = rule.find(measurements, rules)
    if found is None:
        return []
    severity: Severity = "info" if found.explained else rule.severity
    return [
        Finding(
            rule=rule.name,
            severity=severity,
            layers=found.layers,
            value=found.value,
            limit=found.limit,
            summary=rule.summary(found),
            advice="",
            explained=found.explained,
            cause=rule.cause_of(found),
        )
    ]


def _behind(found: Sequence[Finding], reasons: Sequence[Reason]) -> tuple[str, ...]:
    """Return the rules behind a low probability, the strongest first."""
    faults = {finding.rule for finding in found if not finding.explained}
    against = sorted((reason for reason in reasons if reason.pull < 0), key=lambda reason: reason.pull)
    return tuple(dict.fromkeys(rule for reason in against for rule in reason.rules if rule in faults))


def _place(rule: str, decided: Sequence[str]) -> int:
    return decided.index(rule) if rule in decided else len(decided)
