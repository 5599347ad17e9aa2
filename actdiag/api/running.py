"""How options become runs of a stack."""

from pathlib import Path
from typing import Protocol

from actdiag.arrays import Numbers
from actdiag.engine.losses import DEFAULT_CLASSES, Loss
from actdiag.engine.memory import parse_size
from actdiag.errors import InvalidField
from actdiag.experiments import run as running
from actdiag.experiments.run import Progress, RunSettings, run_repeatedly, run_settings
from actdiag.measurements import TrainingPlan
from actdiag.model.stack import Stack
from actdiag.options import BackwardOptions, InputOptions, MemoryOptions, RunOptions
from actdiag.report import Report


class Run(Protocol):
    """Runs a stack once for each of its repeats."""

    def __call__(self, stack: Stack, progress: Progress | None, *, theory: bool = True) -> Report:
        """Return the report of a stack; without predictions where `theory` is false, else as the options say."""


def make_loss(
    name: str = BackwardOptions.loss,
    classes: int | None = BackwardOptions.classes,
    labels: str | Path | Numbers | None = BackwardOptions.labels,
    task: str = BackwardOptions.task,
    raw_targets: bool = BackwardOptions.raw_targets,
    label_column: str | int | None = InputOptions.label_column,
) -> Loss:
    """Return the Loss that names and options describe, with its labels read and brought to classes or targets.

    Raises:
        InvalidField: A field holds something that is not accepted.
    """
    if labels is None:
        return Loss(name, DEFAULT_CLASSES if classes is None else classes)
    from actdiag.datasets.labels import labelled  # random labels do without
    from actdiag.datasets.sources import read_labels

    found = labelled("labels", *read_labels(labels, label_column), task=task, raw_targets=raw_targets, classes=classes)
    if found.task == "regression" and name == "cross-entropy":
        problem = f"must be mse for {found.notes[0]}, got 'cross-entropy'"
        raise InvalidField(field="loss", problem=problem)
    return Loss(name, found.classes, found.labels)


def runner(
    options: RunOptions,
    backward: BackwardOptions | None = None,
    command: str = "grad-flow",
    memory: int | str = MemoryOptions.memory,
    label_column: str | int | None = InputOptions.label_column,
) -> Run:
    """Return what runs a stack as the options say.

    Args:
        options: How to run it.
        backward: What the backward pass starts from; None to report on the forward pass only.
        command: The command of a report with a backward pass.
        memory: What the backward pass may take that only the verdict needs; `backward` has its own.
        label_column: The column of labels of a table.

    Raises:
        InvalidField: An option holds something that is not accepted.
    """
    if backward is None:
        room = parse_size("memory", memory)

        def once(stack: Stack, settings: RunSettings) -> Report:
            return running.run_propagate(stack, settings, room)

    else:
        budget = parse_size("memory", backward.memory)
        loss = make_loss(
            backward.loss, backward.classes, backward.labels, backward.task, backward.raw_targets, label_column
        )

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
