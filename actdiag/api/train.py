"""train: short training runs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from actdiag.activations import Activation
from actdiag.api.signatures import takes
from actdiag.api.stack import build_stack, listed, resolve_acts, resolve_inits, with_entries
from actdiag.errors import InvalidField, check_real
from actdiag.experiments.run import Progress
from actdiag.initializers import Initializer
from actdiag.ops.entry import Op
from actdiag.options import LayerOptions, StackOptions, TrainOptions, options_from
from actdiag.theory.automatic import AUTO

if TYPE_CHECKING:
    from actdiag.datasets.catalogue import Dataset
    from actdiag.experiments.train import Look, TrainingRun, Watch

MOST_RATE = 1e30


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
    batch: int = TrainOptions.batch,
    clip_norm: float | None = TrainOptions.clip_norm,
    clip_value: float | None = TrainOptions.clip_value,
    watch: "Watch | None" = None,
    progress: Progress | None = None,
) -> "list[TrainingRun]":
    """Train every activation with every initializer at every learning rate, with a linear readout.

    `load_dataset` says what `data` takes; its inputs are the network's. `watch` is called at every iteration with a
    Look at the run, `progress` with (iterations done, iterations in all) over all runs.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> runs = train("relu", ["std=0.01", "he"], lr=0.1, iterations=200)
        >>> [run.final_loss > 1.5 for run in runs]
        [True, False]
    """
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
    acts, inits = resolve_acts(act), resolve_inits(init)
    loaded = load_dataset(data, scale=scale, seed=seed, label_column=label_column, task=task, raw_targets=raw_targets)
    loss_name = loss_for(loss, loaded.task)
    wanted = Recipe(optimizer, iterations, batch, clip_norm, clip_value, loss_name)
    recipe = checked_recipe(wanted, len(loaded.train_inputs))
    facts_of(loaded, loaded.name, loss_name)  # data with nothing to learn are refused before anything runs
    grids = list(dict.fromkeys(_rates(one, AUTO_RATES[recipe.optimizer]) for one in listed("lr", lr)))
    rows = over_rows(loaded)
    layers = options_from(LayerOptions, vars(options))
    first = build_stack(StackOptions(**vars(layers), act=acts[0], init=inits[0], input=rows, batch=len(rows)))
    stacks = with_entries(replace(first, input=loaded.name), acts, inits, options)
    for stack in stacks:
        training_need(stack, recipe, loaded.classes).check(threads=1)
    total, begun = len(stacks) * sum(map(len, grids)) * recipe.iterations, 0

    def look(seen: "Look") -> None:
        nonlocal begun
        begun += seen.step.iteration == 1
        if watch is not None:
            watch(seen)
        if progress is not None:  # a run that diverged leaves out the iterations that it had left
            progress((begun - 1) * recipe.iterations + seen.step.iteration, total)

    return [run_training(stack, loaded, recipe, grid, look) for stack in stacks for grid in grids]


def _rates(rate: object, grid: Sequence[float]) -> tuple[float, ...]:
    if isinstance(rate, str) and rate.lower() == AUTO:
        return tuple(grid)
    if isinstance(rate, str):
        raise InvalidField(field="lr", problem=f"must be a number or auto, got {rate!r}")
    return (check_real("lr", rate, 0.0, MOST_RATE, open_below=True),)
