"""Every hostile case keeps the contract and ends as it says."""

from collections import defaultdict

import pytest
from hostile.case import hold
from hostile.classes import CLASSES

OF_THE_SLOW = 1
"""Of the slow cases of one name only so many are run here; the report in this folder runs all."""


def together():
    """Yield the cases of one name in one class, the quick and the slow ones apart."""
    for name, cases in CLASSES.items():
        groups = defaultdict(list)
        for case in cases():
            groups[case.name, case.slow].append(case)
        for (what, slow), group in groups.items():
            marks = [pytest.mark.slow] if slow else []
            group = group[:OF_THE_SLOW] if slow else group
            yield pytest.param(group, id=f"{name}-{what.encode('unicode_escape').decode()}", marks=marks)


@pytest.mark.parametrize("cases", list(together()))
def test_hostile_cases(cases):
    for case in cases:
        if case.needs:
            pytest.importorskip(case.needs)
        hold(case)


def test_every_class_has_cases():
    assert all(list(cases()) for cases in CLASSES.values())
