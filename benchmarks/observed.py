"""What is known of labelled stacks at initialization: their reports with and without a backward pass."""

from typing import NamedTuple

from actdiag.datasets.catalogue import Dataset
from actdiag.engine.losses import Loss
from actdiag.experiments.run import run_grad_flow, run_propagate, run_settings
from actdiag.options import DEFAULT_BUDGET
from actdiag.report import Report
from benchmarks.labels import SEEN, Labelled, data_of, read


class Observed(NamedTuple):
    """A labelled stack at initialization.

    Attributes:
        labelled: The stack with its labels.
        measured: What `grad-flow` reports, from the cross-entropy of the labels.
        estimated: What `propagate` reports.
    """

    labelled: Labelled
    measured: Report
    estimated: Report


def observe(labelled: Labelled, data: Dataset) -> Observed:
    """Run a labelled stack forward and backward, and forward alone."""
    stack = labelled.draw.stack(data)
    settings = run_settings(threads=1, theory=False)
    loss = Loss("cross-entropy", data.classes, data.train_labels[:SEEN])
    return Observed(labelled, run_grad_flow(stack, loss, DEFAULT_BUDGET, settings), run_propagate(stack, settings))


def observed(name: str) -> list[Observed]:
    """Return all labelled stacks of a set as they are at initialization."""
    data = data_of(name)
    return [observe(labelled, data) for labelled in read(name)]
