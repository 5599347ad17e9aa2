"""What is known of labelled networks at initialization: their reports with and without a backward pass."""

from collections.abc import Iterator
from typing import NamedTuple

from actdiag.engine.losses import Loss
from actdiag.experiments.run import run_grad_flow, run_propagate, run_settings
from actdiag.measurements import TrainingPlan
from actdiag.options import DEFAULT_BUDGET
from actdiag.report import Report
from benchmarks.cases import MEASURED_ROWS, Labelled, data_of, read


class Observed(NamedTuple):
    """A labelled network at initialization.

    Attributes:
        labelled: The network with its labels.
        measured: What `grad-flow` reports, from the loss on the labels.
        estimated: What `propagate` reports, which takes the loss to be cross-entropy over ten classes.
    """

    labelled: Labelled
    measured: Report
    estimated: Report


def observe(labelled: Labelled) -> Observed:
    """Run a labelled network forward and backward, and forward alone."""
    case, data = labelled.case, data_of(labelled.case.data)
    stack = case.stack(data)
    settings = run_settings(threads=1, theory=False, plan=TrainingPlan(case.optimizer, case.iterations))
    loss = Loss(case.loss, data.classes, data.train_labels[:MEASURED_ROWS])
    return Observed(labelled, run_grad_flow(stack, loss, DEFAULT_BUDGET, settings), run_propagate(stack, settings))


def observed(name: str) -> Iterator[Observed]:
    """Yield the labelled networks of a group, those on data that count, as they are at initialization."""
    return (observe(labelled) for labelled in read(name) if labelled.outcomes)
