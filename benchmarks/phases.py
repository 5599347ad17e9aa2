"""Where the time of a run goes, by phase: timers around the engine's functions, for the length of one run."""

import functools
import inspect
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any
from unittest.mock import patch

from actdiag.activations import Activation, resolve
from benchmarks.runs import Run

PHASES: dict[str, tuple[str, ...]] = {
    "draw": (
        "actdiag.engine.parameters.sample_weights",
        "actdiag.engine.parameters.draw_weights",
        "actdiag.engine.parameters.draw_biases",
        "actdiag.datasets.random_inputs.random_rows",
        "actdiag.initializers.draws.draw_normal",
    ),
    "multiply": (
        "actdiag.ops.dense.Dense.forward",
        "numpy.matmul",
    ),
    "activate": ("actdiag.ops.activation.apply", "actdiag.ops.activation.pull_back"),
    "reduce": (
        "actdiag.measure.moments.block_moments",
        "actdiag.measure.moments.unit_highest",
        "actdiag.measure.pooled.entry_moments",
        "actdiag.measure.pooled.value_range",
        "actdiag.measure.squares.column_and_square_sums",
        "actdiag.measure.directions.directions",
        "actdiag.measure.directions.Directions.add",
        "actdiag.measure.squares.square_sum",
        "actdiag.measure.slopes.active_units",
        "actdiag.measure.slopes.count_saturated",
        "actdiag.measure.slopes.mean_squared_slope",
        "actdiag.measure.forward.ForwardMeasure.visit",
        "actdiag.measure.gradients.BackwardMeasure.visit",
    ),
    "bin": (
        "actdiag.measure.counting.count_entries",
        "actdiag.measure.counting.Counting.add",
        "actdiag.measure.counting.Counting.counts",
        "actdiag.measure.counting.Thresholds.tally_ordered",
        "actdiag.engine.blocks.in_order",
        "numpy.sort",
    ),
    "report": (
        "actdiag.measure.forward.ForwardMeasure.summarize",
        "actdiag.measure.gradients.BackwardMeasure.summarize",
        "actdiag.experiments.run._Run.report",
    ),
    "theory": (
        "actdiag.theory.comparison.TheoryComparison.record_input",
        "actdiag.theory.comparison.TheoryComparison.record_layer",
        "actdiag.theory.comparison.TheoryComparison.record_gradient",
        "actdiag.theory.comparison.TheoryComparison.report",
    ),
}
"""The functions of each phase, named where they are defined. Besides these, an activation's own count as `activate`."""

WHOLE = frozenset({"theory"})
"""Phases that keep the time of what is timed within them: theory evaluates the activation as well, and sorts."""

OTHER = "other"
"""What no function above accounts for."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Seconds of each phase of one run on one thread, and the layers that they are spread over."""

    run: Run
    seconds: dict[str, float]

    @property
    def total(self) -> float:
        """The seconds of the whole run."""
        return sum(self.seconds.values())

    def milliseconds_a_layer(self, phase: str) -> float:
        """The milliseconds that a layer spends in a phase."""
        return 1000 * self.seconds[phase] / self.run.depth

    def share(self, phase: str) -> float:
        """The part of the run's time that a phase takes."""
        return self.seconds[phase] / self.total


class Clock:
    """Splits time among phases: a phase within another stops the outer one's time, if that is not `WHOLE`.

    For one thread.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._inside = [OTHER]
        self.restart()

    def restart(self) -> None:
        """Forget the time so far."""
        self.seconds = dict.fromkeys((*PHASES, OTHER), 0.0)
        self._since = self._now()

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return `function` with its time counted as that phase's, but for what is timed within it."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if self._inside[-1] in WHOLE:
                return function(*args, **kwargs)
            self.lap()
            self._inside.append(phase)
            try:
                return function(*args, **kwargs)
            finally:
                self.lap()
                self._inside.pop()

        return wrapper

    def lap(self) -> None:
        """Give the time since the last lap to the innermost phase."""
        now = self._now()
        self.seconds[self._inside[-1]] += now - self._since
        self._since = now


def profile(run: Run) -> Profile:
    """Return where the time of a run on one thread goes."""
    clock = Clock()
    act = timed_activation(clock, resolve(run.act))
    run(act=act, threads=1)  # what is worked out once, such as the activation's traits, is no part of a layer's time
    with timers(clock):
        clock.restart()
        run(act=act, threads=1)
        clock.lap()
    return Profile(run, clock.seconds)


def timed_activation(clock: Clock, act: Activation) -> Activation:
    """Return the activation with the time in its functions counted as `activate`."""
    known = {field.name: getattr(act, field.name) for field in fields(act)}
    timed: dict[str, Any] = {name: clock.timed("activate", value) for name, value in known.items() if callable(value)}
    return replace(act, **timed)


@contextmanager
def timers(clock: Clock) -> Iterator[None]:
    """Put a timer around every function of every phase while the context lasts."""
    with ExitStack() as patches:
        for phase, names in PHASES.items():
            for name in names:
                function = resolved(name)
                timed = clock.timed(phase, function)
                for holder, attribute in _holders(name, function):
                    patches.enter_context(patch.object(holder, attribute, timed))
        yield


def resolved(name: str) -> Callable[..., Any]:
    """Return the function of that dotted name.

    Raises:
        LookupError: There is none, or its call does not last as long as its work.
    """
    try:
        function = pkgutil.resolve_name(name)
    except (ImportError, AttributeError) as error:
        message = f"no function {name}, which benchmarks.phases.PHASES names: {error}"
        raise LookupError(message) from None
    if not callable(function) or inspect.isclass(function) or inspect.isgeneratorfunction(function):
        message = f"{name}, which benchmarks.phases.PHASES names, must be a function that returns when it is done"
        raise LookupError(message)
    found: Callable[..., Any] = function
    return found


def _holders(name: str, function: Callable[..., Any]) -> Iterator[tuple[Any, str]]:
    """Yield (object, attribute) for every place that a function is looked up in: its home, and who imported it."""
    home, _, attribute = name.rpartition(".")
    owner = pkgutil.resolve_name(home)
    yield owner, attribute
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] == "actdiag" and module is not owner:
            yield from ((module, key) for key, value in list(vars(module).items()) if value is function)
