"""judge: what the published rules of other tools say of a stack."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actdiag.activations import Activation
from actdiag.api.running import make_loss
from actdiag.api.signatures import takes
from actdiag.api.stack import build_stack
from actdiag.arrays import Numbers
from actdiag.initializers import Initializer
from actdiag.ops.entry import Op
from actdiag.options import JudgeOptions, StackOptions, options_from

if TYPE_CHECKING:
    from actdiag.external import Judgement


@takes(StackOptions, JudgeOptions)
def judge(
    act: str | Activation = StackOptions.act,
    init: str | Initializer = StackOptions.init,
    *,
    weights: str | Path | Sequence[Any] | None = StackOptions.weights,
    weights_layout: str | None = StackOptions.weights_layout,
    depth: int | None = StackOptions.depth,
    width: int | None = StackOptions.width,
    widths: Sequence[int] | None = StackOptions.widths,
    arch: Sequence[Op] | None = StackOptions.arch,
    bias_mean: float | None = StackOptions.bias_mean,
    bias_std: float | None = StackOptions.bias_std,
    gain: float | str = StackOptions.gain,
    dtype: str = StackOptions.dtype,
    seed: int = StackOptions.seed,
    input: str | Path | Numbers = StackOptions.input,
    input_width: int | None = StackOptions.input_width,
    batch: int | None = StackOptions.batch,
    scale: str = StackOptions.scale,
    standardize: bool = StackOptions.standardize,
    label_column: str | int | None = StackOptions.label_column,
    loss: str = JudgeOptions.loss,
    classes: int | None = JudgeOptions.classes,
    labels: str | Path | Numbers | None = JudgeOptions.labels,
    task: str = JudgeOptions.task,
    raw_targets: bool = JudgeOptions.raw_targets,
    threads: int | None = JudgeOptions.threads,
    judges: Sequence[str] | None = JudgeOptions.judges,
) -> "tuple[Judgement, ...]":
    """Return what other tools, by their published default rules, say of a stack at initialization.

    The tools watch training: what they see here is one step of plain gradient descent on the whole batch. The loss
    `random`, which has no readout to train, stands for cross-entropy on ten classes with random labels.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> [(one.judge, one.healthy) for one in judge("relu", "std=0.01", judges=["sagemaker"])]
        [('sagemaker', False)]
    """
    from actdiag import external

    given = locals()
    stack, chosen = (
        build_stack(options_from(StackOptions, given)),
        make_loss(loss, classes, labels, task, raw_targets, label_column),
    )
    return external.judge(stack, chosen, external.JUDGES if judges is None else judges, threads=threads)
