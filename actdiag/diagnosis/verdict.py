"""The verdict on a run: what the rules found, and the probability that it trains."""

from collections.abc import Sequence
from dataclasses import replace

from actdiag.diagnosis.calibration.trainability import LOW, Reason, trainability
from actdiag.diagnosis.findings import SEVERITIES, Finding, Outlook, Verdict
from actdiag.diagnosis.rules import RULES, Rules
from actdiag.measurements import Measurements

_LAST_WORD = "outlook"


def judge_run(run: Measurements, rules: Rules = RULES) -> Verdict:
    """Return the verdict on a run.

    A rule of severity `error` that finds something is certain: no stack trains with it. Otherwise the probability
    decides together with what the other rules found, as the attributes of Verdict say; in a stack that it calls
    untrainable, the warnings that belong to what lowers it become errors.

    Args:
        run: What was measured and predicted.
        rules: The rules to apply.
    """
    found = _findings(run, rules)
    said = trainability(run)
    certain = any(finding.severity == "error" for finding in found)
    probability = 0.0 if certain else said.probability
    severity: Outlook = "healthy"
    if certain or probability < LOW:
        severity = "untrainable"
    elif any(finding.counts for finding in found):
        severity = "at-risk"
    decided = () if severity == "healthy" else _deciding(found, said.reasons)
    if severity == "untrainable":
        found = [replace(one, severity="error") if one.rule in decided else one for one in found]
    return Verdict(
        severity=severity,
        trainable=probability >= 0.5,
        probability=probability,
        learning_rate=None if certain else said.learning_rate,
        learning_rates=None if certain else said.learning_rates,
        estimated=said.estimated,
        decided_by=decided,
        findings=tuple(sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), _place(one.rule, decided)))),
    )


def _findings(run: Measurements, rules: Rules) -> list[Finding]:
    last = rules[_LAST_WORD]
    found = [finding for rule in rules.values() if rule.enabled and rule is not last for finding in rule.find(run)]
    if last.enabled and not any(finding.counts for finding in found):
        found += last.find(run)
    return found


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
