"""Options and fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# One commit, one result: examples follow from the test, and a busy machine is no failure.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

GOLDEN = Path(__file__).parent / "golden"

# Where this is set, a test that is skipped because a package is missing fails instead.
EXTRAS_REQUIRED = bool(os.environ.get("ACTDIAG_REQUIRE_EXTRAS"))


def as_required(report):
    if EXTRAS_REQUIRED and report.skipped and "could not import" in str(report.longrepr):
        report.outcome, report.longrepr = "failed", f"ACTDIAG_REQUIRE_EXTRAS is set: {report.longrepr[-1]}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return as_required((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return as_required((yield))


def pytest_addoption(parser):
    parser.addoption("--refresh-golden", action="store_true", help="write the golden outputs anew instead of comparing")


@pytest.fixture
def golden(request):
    """Compare text with the golden file of that name, or write it under --refresh-golden."""

    def check(name, text):
        path = GOLDEN / name
        if request.config.getoption("--refresh-golden"):
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8"), f"{name} differs; --refresh-golden writes it anew"

    return check
