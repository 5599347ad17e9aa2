"""Options and fixtures that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# One commit, one result: examples follow from the test, and a busy machine is no failure.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

GOLDEN = Path(__file__).parent / "golden"

if os.environ.get("ACTDIAG_REQUIRE_TORCH"):
    # Where the comparison with PyTorch is required, its absence is a failure and not a skip.
    import torch  # noqa: F401


def pytest_addoption(parser):
    parser.addoption("--refresh-golden", action="store_true", help="write the golden outputs anew instead of comparing")


@pytest.fixture
def golden(request):
    """Compare text with the golden file of that name, or write it under --refresh-golden."""

    def check(name, text):
        path = GOLDEN / name
        if request.config.getoption("--refresh-golden"):
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name} differs; --refresh-golden writes it anew"

    return check
