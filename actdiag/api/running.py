"""How options become runs of a stack."""

from pathlib import Path
from typing import Protocol

from actdiag.api.stack import as_array
from actdiag.arrays import Numbers
from actdiag.datasets.inputs import load_labels
from actdiag.engine.losses import Loss
from actdiag.engine.memory import parse_size
from actdiag.experiments import run as running
from actdiag.experiments.run import Progress, RunSettings, run_repeatedly, run_settings
from actdiag.measurements import TrainingPlan
from actdiag.model.stack import Stack
from actdiag.options import BackwardOptions, MemoryOptions, RunOptions
from actdiag.report import Report


class Run(Protocol):
    """Runs a stack once for each of its repeats."""

    def __call__(self, stack: Stack, progress: Progress | None, *, theory: bool = True) -> Report:
        """Return the report of a stack; without predictions where `theory` is false, else as the options say."""


def make_loss(
    name: str = BackwardOptions.loss,
    classes: int = BackwardOptions.classes,
    labels: str | Path | Numbers | None = BackwardOptions.labels,
) -> Loss:
    """Return the Loss that names and options describe, with its labels read.

    Raises:
        InvalidField: A field holds something that is not accepted.
    """
    if isinstance(labels, str | Path):
        from actdiag.datasets.catalogue import is_named, load_named  # random labels do without

        named = isinstance(labels, str) and is_named(labels)
        labels = load_named("labels", str(labels)).train_labels if named else load_labels(labels)
    return Loss(name, classes, None if labels is None else as_array("labels", labels))


def runner(
    options: RunOptions,
    backward: BackwardOptions | None = None,
    command: str = "grad-flow",
    memory: int | str = MemoryOptions.memory,
) -> Run:
    """Return what runs a stack as the options say.

    Args:
        options: How to run it.
        backward: What the backward pass starts from; None to report on the forward pass only.
        command: The command of a report with a backward pass.
        memory: What the backward pass may take that only the verdict needs; `backward` has its own.

    Raises:
        InvalidField: An option holds something that is not accepted.
    """
    if backward is None:
        room = parse_size("memory", memory)

        def once(stack: Stack, settings: RunSettings) -> Report:
            return running.run_propagate(stack, settings, room)

    else:
        budget = parse_size("memory", backward.memory)
        loss = make_loss(backward.loss, backward.classes, backward.labels)

        def once(stack: Stack, settings: RunSettings) -> Report:
            return running.run_grad_flow(stack, loss, budget, settings, command)

    settings = run_settings(
        options.bins,
        options.range,
        options.threads,
        None,
        options.theory,
        options.rules,
        TrainingPlan(options.optimizer, options.iterations),
    )

    def run(stack: Stack, progress: Progress | None, *, theory: bool = True) -> Report:
        telling = settings._replace(progress=progress or settings.progress, theory=theory and settings.theory)
        return run_repeatedly(once, stack, telling, options.repeats)

    return run
