"""One run: a Stack in, its Report out."""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import NamedTuple

from actdiag.diagnosis import Run, diagnose
from actdiag.errors import InvalidField, check_integer, check_real
from actdiag.gradients import BackwardMeasure
from actdiag.losses import Loss, labels_of, loss_and_gradient
from actdiag.measure import Axis, ForwardMeasure, change_per_layer, cosine_of
from actdiag.memory import check_fits, plan_backward, useful_threads
from actdiag.propagation import Tape, backward, forward
from actdiag.report import LossValue, Report
from actdiag.stack import Stack
from actdiag.statistics import LayerStats
from actdiag.workers import MOST_THREADS, Workers

MOST_BINS = 10_000

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


class RunSettings(NamedTuple):
    """How to run, none of which changes a statistic but the histogram's axis."""

    axis: Axis
    threads: int | None
    progress: Progress


def run_settings(
    bins: int = 30,
    range: tuple[float, float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> RunSettings:
    """Return checked settings.

    Raises:
        InvalidField: A field holds something that is not accepted.
    """
    check_integer("bins", bins, 1, MOST_BINS)
    if range is not None:
        if not isinstance(range, Sequence) or len(range) != 2:
            raise InvalidField(field="range", problem=f"must be two numbers LO HI, got {range!r}")
        low, high = (check_real("range", end, -1e300, 1e300) for end in range)
        if not low < high:
            raise InvalidField(field="range", problem=f"must have LO under HI, got {low:g} {high:g}")
    if threads is not None:
        check_integer("threads", threads, 1, MOST_THREADS)
    return RunSettings(Axis(bins, range), threads, progress or _silent)


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


def run_propagate(stack: Stack, settings: RunSettings) -> Report:
    """Run a stack forward and return its Report."""
    check_fits(stack, bins=settings.axis.bins)
    measure = ForwardMeasure(stack, settings.axis)
    layers: list[LayerStats] = []
    cosine = None
    with Workers(settings.threads or useful_threads(stack)) as workers:
        for layer in forward(stack, workers, measure.visit):
            if layer.number == 0:
                cosine = cosine_of(stack, layer, workers)
                continue
            layers.append(measure.summarize(layer))
            settings.progress(len(layers), stack.depth)
        return _report("propagate", stack, layers, cosine)


def run_grad_flow(stack: Stack, loss: Loss, budget: int, settings: RunSettings, command: str = "grad-flow") -> Report:
    """Run a stack forward and backward and return its Report, keeping at most `budget` bytes for the way down."""
    plan, kept = plan_backward(stack, budget)
    check_fits(stack, kept, 0 if loss.name == "random" else loss.classes, settings.axis.bins)
    labels_of(stack, loss)  # labels that do not fit are refused before anything is run
    measure, backward_measure = ForwardMeasure(stack, settings.axis), BackwardMeasure(stack)
    tape = Tape(plan)
    steps = 2 * stack.depth
    layers: list[LayerStats] = []
    cosine = None
    with Workers(settings.threads or useful_threads(stack)) as workers:
        for ascending in forward(stack, workers, measure.visit, tape):
            top = ascending.activations
            if ascending.number == 0:
                cosine = cosine_of(stack, ascending, workers)
                continue
            layers.append(measure.summarize(ascending))
            settings.progress(len(layers), steps)
        value, d_top = loss_and_gradient(stack, loss, top, workers)
        held = []
        for descending in backward(stack, workers, tape, d_top, backward_measure.visit):
            held.append((descending, backward_measure.weigh(descending, workers)))
            # dL/dW of a layer is left to the threads while the gradient goes on to the next.
            while len(held) > (descending.number > 1):
                layer, weighed = held.pop(0)
                layers[layer.number - 1] = backward_measure.summarize(layer, weighed, layers[layer.number - 1])
                settings.progress(steps - layer.number + 1, steps)
        classes = None if loss.name == "random" else loss.classes
        return _report(
            command, stack, layers, cosine, LossValue(loss.name, classes, value if isfinite(value) else None)
        )


def _report(
    command: str, stack: Stack, layers: Sequence[LayerStats], cosine: float | None, loss: LossValue | None = None
) -> Report:
    measured = tuple(layers)
    change = change_per_layer(measured)
    return Report(command, stack, measured, change, diagnose(Run(stack, measured, change, cosine)), loss)
