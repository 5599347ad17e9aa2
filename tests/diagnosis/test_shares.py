"""Shares in findings: a part never reads as all, nor a share as none."""

import builders
import pytest
from altering import run_of

from actdiag.diagnosis import RULES
from actdiag.diagnosis.numerics import NONFINITE, PRECISION_LOST
from actdiag.diagnosis.rule import Found
from actdiag.diagnosis.units import SATURATION


def found(rule, value, limit):
    return Found(run_of(builders.report()), RULES, rule, rule.severity, (2,), value, limit)


@pytest.mark.parametrize("rule", [NONFINITE, PRECISION_LOST, SATURATION])
@pytest.mark.parametrize(("value", "text"), [(0.002, "<1%"), (0.57, "57%"), (0.997, ">99%"), (1.0, "100%")])
def test_shares_in_findings(rule, value, text):
    said = rule.summary(found(rule, value, 0.5))
    assert f"up to {text} of the entries" in said


def test_limits_under_one_percent_are_told():
    assert "(limit 0.5%)" in SATURATION.summary(found(SATURATION, 0.997, 0.005))
