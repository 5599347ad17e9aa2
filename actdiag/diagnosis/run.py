"""What is judged: a stack, and what was measured and predicted of it."""

from typing import NamedTuple

from actdiag.measure.statistics import ChangePerLayer, LayerStats
from actdiag.model.stack import Stack
from actdiag.theory.types import StackTheory

_CONSTANT = 1e-3
"""Activations whose std over the inputs is under this share of their rms carry nothing of the input."""


class Run(NamedTuple):
    """What the rules look at.

    Attributes:
        stack: What was run.
        layers: What was measured, layer 1 first.
        change: The change per layer.
        input_cosine: The mean cosine between different inputs; None where there is none.
        theory: What theory says of the stack; None where it was not asked.
        loss: The name of the loss whose backward pass was run; None without one.
        learning_rate: The rate that the stack is to be trained with; None where none is in use.
        classes: The classes that a readout would tell apart.
        input_rms: Of the input's entries; None where that is not known.
    """

    stack: Stack
    layers: tuple[LayerStats, ...]
    change: ChangePerLayer
    input_cosine: float | None
    theory: StackTheory | None = None
    loss: str | None = None
    learning_rate: float | None = None
    classes: int = 10
    input_rms: float | None = None


def lost(run: Run) -> bool:
    """Return whether the signal is lost on the way up: to NaN or inf, to zeros, or in a layer that is dead."""
    overflowed = any(stats.nonfinite_fraction or stats.pre_activation.nonfinite_fraction for stats in run.layers)
    return overflowed or bool(zero_layers(run) or dead_layers(run))


def zero_layers(run: Run) -> tuple[int, ...]:
    """Return the layers whose activations are all exactly zero."""
    return tuple(stats.layer for stats in run.layers if stats.rms == 0)


def dead_layers(run: Run) -> tuple[int, ...]:
    """Return the layers whose units are all dead and say the same of every input.

    Units on plateaus that differ between inputs still tell them apart. Where every pre-activation is zero, the signal
    was lost below.
    """
    return tuple(
        stats.layer
        for stats in run.layers
        if stats.dead_fraction == 1
        and stats.pre_activation.rms
        and (stats.unit_std is None or stats.unit_std <= _CONSTANT * (stats.rms or 0.0))
    )
