"""Runs that several files of tests alter."""

import pytest
from altering import run_of

from actdiag import grad_flow


@pytest.fixture(scope="session")
def runs():
    """Healthy runs of five layers, forward and backward."""
    return {
        "relu": run_of(grad_flow("relu", "he", depth=5, batch=200)),
        "tanh": run_of(grad_flow("tanh", "xavier", depth=5, batch=200)),
    }
