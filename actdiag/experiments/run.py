"""One run: a stack is run and measured, and its report returned."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from actdiag.arrays import Array
from actdiag.diagnosis import RULES, Rules, Verdict, diagnose, rules_from
from actdiag.diagnosis.calibration.domain import OPTIMIZERS
from actdiag.engine.backward import backward
from actdiag.engine.forward import forward
from actdiag.engine.losses import DEFAULT_CLASSES, Loss, labels_of, loss_and_gradient
from actdiag.engine.memory import need_of, plan_backward, useful_threads
from actdiag.engine.tape import Tape
from actdiag.engine.workers import MOST_THREADS, Workers
from actdiag.errors import InvalidField, check_choice, check_integer, check_real
from actdiag.measure.change import change_per_layer
from actdiag.measure.directions import mean_cosine, squares_of
from actdiag.measure.features import feature_evenness
from actdiag.measure.forward import Axis, ForwardMeasure, directions_of
from actdiag.measure.gradients import BackwardMeasure
from actdiag.measure.statistics import InputStats, LayerStats, LossValue
from actdiag.measurements import DEFAULT_PLAN, Measurements, TrainingPlan
from actdiag.model.stack import MOST_SEED, Stack
from actdiag.options import DEFAULT_BUDGET, RunOptions
from actdiag.repeats import average
from actdiag.report import Report
from actdiag.theory.comparison import TheoryComparison

if TYPE_CHECKING:  # a plain stack does without
    from actdiag.theory.network import NetworkComparison

MOST_BINS = 10_000
MOST_REPEATS = 10_000
MOST_ITERATIONS = 10_000_000

_UNSURE = (0.05, 0.95)
"""Probabilities between which an estimate of the gradient is not enough."""

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


class RunSettings(NamedTuple):
    """How to run a stack. Only `axis` changes what is measured.

    Attributes:
        axis: The axis of the histograms of activations.
        threads: The number of threads; None for as many as help.
        progress: Called with (steps done, steps in all).
        theory: Whether predictions of theory are included.
        rules: The rules that the run is judged by.
        plan: The training that it is judged for.
    """

    axis: Axis
    threads: int | None
    progress: Progress
    theory: bool = True
    rules: Rules = RULES
    plan: TrainingPlan = DEFAULT_PLAN


def run_settings(
    bins: int = RunOptions.bins,
    range: tuple[float, float] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    theory: bool = RunOptions.theory,
    rules: str | Path | Mapping[str, Any] | None = None,
    plan: TrainingPlan = DEFAULT_PLAN,
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
    return RunSettings(Axis(bins, range), threads, progress or silent, theory, rules_from(rules), checked_plan(plan))


def checked_plan(plan: TrainingPlan) -> TrainingPlan:
    """Return a plan with the names of its optimizer in lower case.

    Raises:
        InvalidField: A field holds something that is not accepted.
    """
    optimizer = check_choice("optimizer", plan.optimizer, OPTIMIZERS)
    return TrainingPlan(optimizer, check_integer("iterations", plan.iterations, 1, MOST_ITERATIONS))


def silent(done: int, total: int) -> None:
    """Report no progress."""


def run_propagate(stack: Stack, settings: RunSettings, budget: int = DEFAULT_BUDGET) -> Report:
    """Run a stack forward and return its Report.

    The verdict rests on an estimate of the gradient. Where that is unsure a backward pass is run for it, from random
    directions, if `budget` bytes are room enough for what it keeps.
    """
    threads = settings.threads or useful_threads(stack)
    with need_of(stack, bins=settings.axis.bins).met(threads) as threads:
        run = _Run(stack, settings, stack.depth)
        with Workers(threads) as workers:
            run.forward(workers)
            report = run.report("propagate")
    return _measured(report, settings, budget) if _is_unsure(report.verdict) else report


def _is_unsure(verdict: Verdict) -> bool:
    low, high = _UNSURE
    return verdict.estimated and verdict.probability is not None and low < verdict.probability < high


def _measured(report: Report, settings: RunSettings, budget: int) -> Report:
    """Return a report whose verdict rests on a backward pass, where there is room for it."""
    try:
        measured = run_grad_flow(
            report.stack, Loss("random"), budget, settings._replace(progress=silent, theory=False)
        )  # fmt: skip
    except InvalidField:  # there is no room
        return report
    layers = tuple(
        replace(stats, weight_gradient=None, bias_gradient=None, slope_gradient=None) for stats in measured.layers
    )
    judged = replace(report.measurements, layers=layers, change=measured.change_per_layer)
    return replace(report, verdict=diagnose(judged, settings.rules))


def run_grad_flow(
    stack: Stack,
    loss: Loss,
    budget: int,
    settings: RunSettings,
    command: str = "grad-flow",
    fixed: Collection[str] = (),
) -> Report:
    """Run a stack forward and backward and return its Report, keeping at most `budget` bytes for the backward pass.

    Fields that are `fixed`, which the caller has not asked for, are not blamed where memory is short.
    """
    plan, kept = plan_backward(stack, budget)
    classes = None if loss.name == "random" else loss.classes
    threads = settings.threads or useful_threads(stack)
    with need_of(stack, kept, classes or 0, settings.axis.bins, fixed=fixed).met(threads) as threads:
        labels_of(stack, loss)  # labels that do not fit are refused before anything is run
        run = _Run(stack, settings, 2 * stack.depth, loss)
        tape = Tape(plan)
        with Workers(threads) as workers:
            top = run.forward(workers, tape)
            value, d_top = loss_and_gradient(stack, loss, top, workers)
            run.backward(workers, tape, d_top)
            return run.report(command, LossValue(loss.name, classes, value if isfinite(value) else None))


def _of_network(stack: Stack, loss_is_random: bool) -> "NetworkComparison":
    from actdiag.theory.network import NetworkComparison

    return NetworkComparison(stack, loss_is_random)


class _Run:
    """A run in progress: what was measured so far, and the predictions of theory."""

    def __init__(self, stack: Stack, settings: RunSettings, steps: int, loss: Loss | None = None) -> None:
        self._stack, self._sites = stack, stack.sites()
        self._axis, self._progress = settings.axis, settings.progress
        self._rules, self._plan = settings.rules, settings.plan
        self._steps = steps
        self._theory: TheoryComparison | NetworkComparison | None = None
        if settings.theory:
            random = loss is None or loss.name == "random"
            plain = stack.arch is None and stack.weights is None
            self._theory = TheoryComparison(stack, random) if plain else _of_network(stack, random)
        self._layers: list[LayerStats] = []
        self._input = InputStats()

    def forward(self, workers: Workers, tape: Tape | None = None) -> Array:
        """Measure every layer on the forward pass and return the activations of the last."""
        measure = ForwardMeasure(self._sites, self._axis)
        for layer in forward(self._stack, workers, measure.visit, tape):
            if layer.number == 0:
                found = directions_of(layer.activations, self._stack.row_blocks(), workers)
                squares = squares_of(found)
                self._input = InputStats(
                    mean_cosine(found),
                    sqrt(squares.mean() / self._stack.input_width),
                    None if self._stack.data is None else feature_evenness(layer.activations),
                )
                if self._theory is not None:
                    self._theory.record_input(layer.activations, squares, self._input.cosine)
                continue
            stats = measure.summarize(layer.number, layer.blocks)
            self._layers.append(stats)
            if self._theory is not None:
                squares = squares_of([block.directions for block in layer.blocks])
                self._theory.record_layer(stats, layer.activations, squares, backward=tape is not None)
            self._progress(len(self._layers), self._steps)
        return layer.activations

    def backward(self, workers: Workers, tape: Tape, d_top: Array) -> None:
        """Measure every layer's gradients on the backward pass."""
        measure = BackwardMeasure(self._sites)
        held = []
        along = 0.0
        for passed in backward(self._stack, workers, tape, d_top, measure.visit):
            held.append((passed, measure.weigh(passed, workers)))
            # dL/dW of a layer is left to the threads while the gradient goes on to the next.
            while len(held) > (passed.number > 1):
                layer, weighed = held.pop(0)
                at = layer.number - 1
                self._layers[at] = measure.summarize(layer, weighed, self._layers[at])
                if self._theory is not None and layer.number < self._stack.depth:
                    self._theory.record_gradient(self._layers[at], self._layers[at + 1], along)
                gradient = self._layers[at].gradient
                along = 0.0 if gradient is None else gradient.along_z_fraction
                self._progress(self._steps - at, self._steps)

    def report(self, command: str, loss: LossValue | None = None) -> Report:
        """Return the Report of the whole run."""
        layers = tuple(self._layers)
        theory, layer_theory = (None, ()) if self._theory is None else self._theory.report(layers)
        measurements = Measurements(
            self._sites,
            layers,
            self._input,
            change_per_layer(layers),
            loss=loss,
            classes=(loss and loss.classes) or DEFAULT_CLASSES,
            plan=self._plan,
            theory=theory,
            layer_theory=layer_theory,
            recipe=self._stack,
        )
        return Report(command, measurements, diagnose(measurements, self._rules))


def check_repeats(stack: Stack, repeats: object) -> int:
    """Return the number of runs, after checking it. The first has the stack's seed and each later one the next.

    Raises:
        InvalidField: It is not a number of runs, or the last seed is beyond the largest.
    """
    runs = check_integer("repeats", repeats, 1, MOST_REPEATS)
    if stack.seed > MOST_SEED - runs + 1:
        problem = f"must be at most {MOST_SEED - runs + 1} for {runs} repeats, got {stack.seed}"
        raise InvalidField(field="seed", problem=problem)
    return runs


def run_repeatedly(
    run: Callable[[Stack, RunSettings], Report], stack: Stack, settings: RunSettings, repeats: int
) -> Report:
    """Run a stack under `repeats` seeds and return the Report of their means; of one run, its own.

    Args:
        run: Runs a stack once.
        stack: The stack; its seed is the first.
        settings: How to run it; `progress` counts the steps of all runs.
        repeats: The number of runs.

    Raises:
        InvalidField: `repeats` is not a number of runs, or the last seed is beyond the largest.
    """
    runs = check_repeats(stack, repeats)
    return run(stack, settings) if runs == 1 else average(_runs(run, stack, settings, runs), settings.rules)


def _runs(
    run: Callable[[Stack, RunSettings], Report], stack: Stack, settings: RunSettings, runs: int
) -> Iterator[Report]:
    axis = settings.axis
    for number in range(runs):

        def step(done: int, total: int, before: int = number) -> None:
            settings.progress(before * total + done, runs * total)

        report = run(replace(stack, seed=stack.seed + number), settings._replace(axis=axis, progress=step))
        edges = report.layers[0].histogram.edges
        axis = axis._replace(range=(edges[0], edges[-1]))  # counts add up on one axis only: the first run's
        yield report
