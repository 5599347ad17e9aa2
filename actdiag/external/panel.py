"""The tools together: one training step of a stack, and what each of them says of it."""

from collections.abc import Callable, Sequence

from actdiag.engine.losses import Loss
from actdiag.errors import InvalidField, check_choice, check_real
from actdiag.external import autotrainer, deepdiagnosis, sagemaker, torchmortem
from actdiag.external.charges import Charges, Judgement
from actdiag.external.collecting import collect
from actdiag.external.evidence import Evidence
from actdiag.model.stack import Stack

_TOOLS: dict[str, tuple[Callable[[Evidence], Charges], str]] = {
    "sagemaker": (sagemaker.charges, sagemaker.SOURCE),
    "deepdiagnosis": (deepdiagnosis.charges, deepdiagnosis.SOURCE),
    "autotrainer": (autotrainer.charges, autotrainer.SOURCE),
    "torchmortem": (torchmortem.charges, torchmortem.SOURCE),
}

JUDGES = tuple(_TOOLS)

_MOST_LEARNING_RATE = 1e30


def judge(
    stack: Stack, loss: Loss, judges: Sequence[str], learning_rate: float = 0.01, threads: int | None = None
) -> tuple[Judgement, ...]:
    """Return what other tools, by their published default rules, say of a stack at initialization.

    The tools watch training, so it is the first step of plain gradient descent that they see, on the whole batch: one
    forward and one backward pass. Rules that look over steps are applied to that one. The readout is no layer.

    Args:
        stack: What to judge.
        loss: The loss of the step. `random` has no readout to train: cross-entropy on ten classes stands for it, with
            labels drawn from the seed.
        judges: Which of `JUDGES`, in the order of the judgements wanted.
        learning_rate: That of the step.
        threads: How many to use; as many as help where None.

    Raises:
        InvalidField: An argument is not accepted, or the run does not fit in memory.
    """
    if isinstance(judges, str):
        raise InvalidField(field="judge", problem=f"must be a sequence of names, got {judges!r}")
    named = [check_choice("judge", name, JUDGES) for name in judges]
    check_real("learning_rate", learning_rate, 0.0, _MOST_LEARNING_RATE, open_below=True)
    if not named:
        return ()
    trained = Loss("cross-entropy") if loss.name == "random" else loss
    evidence = collect(stack, trained, learning_rate, threads)
    return tuple(judge_by(name, evidence) for name in named)


def judge_by(name: str, evidence: Evidence) -> Judgement:
    """Return what one of `JUDGES` says of what was seen."""
    rules, source = _TOOLS[name]
    charges = rules(evidence)
    return Judgement(name, not charges, charges, source)
