"""train: short training runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actdiag.activations import Activation
from actdiag.api.signatures import takes
from actdiag.api.stack import build_stack, listed, resolve_acts, resolve_inits, with_entries
from actdiag.diagnosis import rules_from
from actdiag.errors import InvalidField, check_integer, check_real
from actdiag.experiments.run import Progress
from actdiag.initializers import Initializer
from actdiag.ops.entry import Op
from actdiag.options import LayerOptions, StackOptions, TrainOptions, options_from
from actdiag.theory.automatic import AUTO

if TYPE_CHECKING:
    from actdiag.datasets.catalogue import Dataset
    from actdiag.experiments.train import Look, TrainingRun, Watch

MOST_RATE, MOST_EPOCHS, MOST_BATCH = 1e30, 1e6, 1_000_000


@takes(TrainOptions, not_taken=StackOptions)
def train(
    act: str | Activation | Sequence[str | Activation] = TrainOptions.act,
    init: str | Initializer | Sequence[str | Initializer] = TrainOptions.init,
    *,
    depth: int | None = TrainOptions.depth,
    width: int | None = TrainOptions.width,
    widths: Sequence[int] | None = TrainOptions.widths,
    arch: Sequence[Op] | None = TrainOptions.arch,
    bias_mean: float | None = TrainOptions.bias_mean,
    bias_std: float | None = TrainOptions.bias_std,
    gain: float | str = TrainOptions.gain,
    dtype: str = TrainOptions.dtype,
    seed: int = TrainOptions.seed,
    data: "str | Path | Dataset" = TrainOptions.data,
    scale: str = TrainOptions.scale,
    label_column: str | int | None = TrainOptions.label_column,
    task: str = TrainOptions.task,
    raw_targets: bool = TrainOptions.raw_targets,
    lr: float | str | Sequence[float | str] = TrainOptions.lr,
    loss: str | None = TrainOptions.loss,
    optimizer: str = TrainOptions.optimizer,
    iterations: int = TrainOptions.iterations,
    epochs: float | None = TrainOptions.epochs,
    schedule: str = TrainOptions.schedule,
    warmup: int = TrainOptions.warmup,
    weight_decay: float | None = TrainOptions.weight_decay,
    stop_at: float | None = TrainOptions.stop_at,
    batch: int = TrainOptions.batch,
    clip_norm: float | None = TrainOptions.clip_norm,
    clip_value: float | None = TrainOptions.clip_value,
    save: str | Path | None = TrainOptions.save,
    checkpoint: str | Path | None = TrainOptions.checkpoint,
    rules: str | Path | Mapping[str, Any] | None = TrainOptions.rules,
    watch: "Watch | None" = None,
    each: "Callable[[TrainingRun], None] | None" = None,
    progress: Progress | None = None,
) -> "list[TrainingRun]":
    """Train every activation with every initializer at every learning rate, with a linear readout.

    `load_dataset` says what `data` takes; its inputs are the network's. `watch` is called at every iteration with a
    Look at the run, `each` with every run as it is finished, `progress` with (iterations done, iterations in all) over
    all runs.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> runs = train("relu", ["std=0.01", "he"], lr=0.1, iterations=200)
        >>> [run.final_loss > 1.5 for run in runs]
        [True, False]
    """
    from actdiag.api.checkpoint import finished, keep, specification
    from actdiag.api.weight_files import save_weights
    from actdiag.datasets.catalogue import load_dataset
    from actdiag.experiments.train import (
        AUTO_RATES,
        Recipe,
        checked_recipe,
        facts_of,
        loss_for,
        over_rows,
        run_training,
        training_need,
    )

    options = options_from(TrainOptions, locals())
    acts, inits, applied = resolve_acts(act), resolve_inits(init), rules_from(rules)
    loaded = load_dataset(data, scale=scale, seed=seed, label_column=label_column, task=task, raw_targets=raw_targets)
    loss_name = loss_for(loss, loaded.task)
    rows = len(loaded.train_inputs)
    if epochs is not None:
        if iterations != TrainOptions.iterations:
            raise InvalidField(field="epochs", problem=f"must be left out beside iterations {iterations}, got {epochs}")
        iterations = _iterations(epochs, rows, batch)
    wanted = Recipe(
        optimizer, iterations, batch, clip_norm, clip_value, loss_name, weight_decay, schedule, warmup, stop_at
    )
    recipe = checked_recipe(wanted, rows)
    facts_of(loaded, loaded.name, loss_name)  # data with nothing to learn are refused before anything runs
    grids = list(dict.fromkeys(_rates(one, AUTO_RATES[recipe.optimizer]) for one in listed("lr", lr)))
    measured = over_rows(loaded)
    layers = options_from(LayerOptions, vars(options))
    first = build_stack(StackOptions(**vars(layers), act=acts[0], init=inits[0], input=measured, batch=len(measured)))
    stacks = with_entries(replace(first, input=loaded.name), acts, inits, options)
    for stack in stacks:
        training_need(stack, recipe, loaded.classes).check(threads=1)
    total = len(stacks) * sum(map(len, grids)) * recipe.iterations
    jobs = [(stack, grid) for stack in stacks for grid in grids]
    if save is not None:
        _check_save(save, len(jobs), acts[0], arch, checkpoint)
    said = specification(options, loaded, applied, stacks)
    known = [] if checkpoint is None else finished(checkpoint, said)
    runs = [replace(run, stack=stack) for run, (stack, _) in zip(known, jobs, strict=False)]
    begun = sum(len(grid) for _, grid in jobs[: len(runs)])
    if each is not None:
        for run in runs:
            each(run)

    def look(seen: "Look") -> None:
        nonlocal begun
        begun += seen.step.iteration == 1
        if watch is not None:
            watch(seen)
        if progress is not None:  # a run that diverged leaves out the iterations that it had left
            progress((begun - 1) * recipe.iterations + seen.step.iteration, total)

    for stack, grid in jobs[len(runs) :]:
        runs.append(run_training(stack, loaded, recipe, grid, look, applied, save is not None))
        if checkpoint is not None:
            keep(checkpoint, said, runs)
        if each is not None:
            each(runs[-1])
    if save is not None and runs[0].weights is not None:
        save_weights(save, runs[0].weights, runs[0].stack.act.name, runs[0].stack.widths)
    return runs


def _check_save(path: str | Path, runs: int, act: Activation, arch: object, checkpoint: object) -> None:
    """Refuse to save what a file does not hold: several runs, ops, learned slopes, and runs of a checkpoint."""
    accepted = "must be a .npz file for the weights of one run"
    if not str(path).lower().endswith(".npz"):
        raise InvalidField(field="save", problem=f"{accepted}, got {str(path)!r}")
    if runs > 1:
        raise InvalidField(field="save", problem=f"{accepted}, got {runs} runs: name one --act, --init and --lr")
    for what, is_there in (
        ("arch", arch is not None),
        ("checkpoint", checkpoint is not None),
        (f"the learned slopes of {act.name}", act.slope is not None),
    ):
        if is_there:
            raise InvalidField(field="save", problem=f"{accepted}, got {what}")
    if not Path(path).parent.is_dir():
        raise InvalidField(field="save", problem=f"{accepted}, got {str(path)!r}, whose folder does not exist")


def _iterations(epochs: float, rows: int, batch: int) -> int:
    """Return the iterations of so many epochs, in each of which every row comes at most once."""
    check_real("epochs", epochs, 0.0, MOST_EPOCHS, open_below=True)
    a_batch = min(check_integer("batch", batch, 1, MOST_BATCH), rows)
    return max(round(epochs * (rows // a_batch)), 1)


def _rates(rate: object, grid: Sequence[float]) -> tuple[float, ...]:
    if isinstance(rate, str) and rate.lower() == AUTO:
        return tuple(grid)
    if isinstance(rate, str):
        raise InvalidField(field="lr", problem=f"must be a number or auto, got {rate!r}")
    return (check_real("lr", rate, 0.0, MOST_RATE, open_below=True),)
