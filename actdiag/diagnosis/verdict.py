"""The verdict on a run: what the rules found, and the probability that it trains."""

from collections.abc import Sequence
from dataclasses import replace

from actdiag.diagnosis.advice import advise
from actdiag.diagnosis.calibration.trainability import LOW, Reason, Trainability, trainability
from actdiag.diagnosis.findings import SEVERITIES, Finding, Outlook, Verdict
from actdiag.diagnosis.needs import available
from actdiag.diagnosis.rule import Rule, Rules
from actdiag.diagnosis.rules import RULES
from actdiag.measurements import Measurements

_OUTLOOK = "outlook"


def diagnose(measurements: Measurements, rules: Rules = RULES) -> Verdict:
    """Return the verdict on a run.

    A rule of severity `error` that finds something is certain: no stack trains with it. Otherwise the probability
    decides together with what the other rules found, as the attributes of Verdict say; in a stack that it calls
    untrainable, the warnings that belong to what lowers it become errors. Means of several runs are untrainable too
    where more than half of the runs are, and only there is a rule certain of them: what it finds in the means may be of
    few runs.

    Args:
        measurements: What was measured and predicted.
        rules: The rules to apply.
    """
    found = findings(measurements, rules)
    promised, runs = trainability(measurements), measurements.runs
    if runs is not None and not runs.mostly_untrainable:
        found = [replace(one, severity="warning") if one.severity == "error" else one for one in found]
    certain = any(finding.severity == "error" for finding in found) or (runs is not None and runs.mostly_untrainable)
    probability = promised.probability if not certain or (runs and runs.probability is not None) else 0.0
    severity = _severity(found, promised, certain=certain)
    decided = _deciding(found, promised.reasons) if severity in ("at-risk", "untrainable") else ()
    if severity == "untrainable":
        found = [replace(one, severity="error") if one.rule in decided else one for one in found]
    known = not promised.at_most or severity == "untrainable"
    return Verdict(
        severity=severity,
        trainable=probability >= 0.5 if known else None,
        probability=probability if known else None,
        learning_rate=None if certain else promised.learning_rate,
        learning_rates=None if certain else promised.learning_rates,
        estimated=promised.estimated,
        decided_by=decided,
        findings=tuple(sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), _place(one.rule, decided)))),
    )


def _severity(found: Sequence[Finding], promised: Trainability, *, certain: bool) -> Outlook:
    if certain or promised.probability < LOW:
        return "untrainable"
    if any(finding.counts for finding in found):
        return "at-risk"
    return "unknown" if promised.at_most else "healthy"


def findings(measurements: Measurements, rules: Rules = RULES) -> list[Finding]:
    """Return what the rules find in a run, in the order of the rules; `outlook` only where no other finding counts."""
    provided = available(measurements)
    applied = [rule for rule in rules.values() if rule.enabled and rule.why_not_applicable(provided) is None]
    found = [one for rule in applied if rule.name != _OUTLOOK for one in _find(rule, measurements, rules)]
    if not any(finding.counts for finding in found):
        found += [one for rule in applied if rule.name == _OUTLOOK for one in _find(rule, measurements, rules)]
    return found


def not_applicable(measurements: Measurements, rules: Rules = RULES) -> dict[str, str]:
    """Return the rules that are enabled but not applicable to a run, each with the reason."""
    provided = available(measurements)
    reasons = {name: rule.why_not_applicable(provided) for name, rule in rules.items() if rule.enabled}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _find(rule: Rule, measurements: Measurements, rules: Rules) -> list[Finding]:
    found = rule.find(measurements, rules)
    if found is None:
        return []
    summary, advice = rule.summary(found), advise(found)
    return [Finding(rule.name, found.severity, found.layers, found.value, found.limit, summary, advice)]


def _deciding(found: Sequence[Finding], reasons: Sequence[Reason]) -> tuple[str, ...]:
    """Return the rules that decided: the certain ones, else those behind the low probability, else all that warn."""
    certain = [finding.rule for finding in found if finding.severity == "error"]
    if certain:
        return tuple(certain)
    warned = [finding.rule for finding in found if finding.counts]
    against = sorted((reason for reason in reasons if reason.pull < 0), key=lambda reason: reason.pull)
    behind = dict.fromkeys(reason.rule for reason in against if reason.rule in warned)
    return tuple(behind or warned)


def _place(rule: str, decided: Sequence[str]) -> int:
    return decided.index(rule) if rule in decided else len(decided)
