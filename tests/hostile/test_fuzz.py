"""Command lines drawn from the options that click knows: every one keeps the contract."""

import pytest
from hostile.case import hold
from hostile.drawing import case_of, command_lines
from hypothesis import HealthCheck, given, settings

QUIET = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@settings(QUIET, max_examples=200)
@given(line=command_lines())
def test_drawn_command_lines(line):
    hold(case_of(line))


@pytest.mark.slow
@settings(QUIET, max_examples=2000)
@given(line=command_lines())
def test_many_drawn_command_lines(line):
    hold(case_of(line))
