"""Where the signal of a network is lost on its way forward."""

from actdiag.measurements import Measurements
from actdiag.model.stack import Stack

_CONSTANT = 1e-3
"""Activations whose std over the inputs is under this share of their rms carry nothing of the input."""


def recipe_of(run: Measurements) -> Stack:
    """Return the recipe of a run."""
    assert run.recipe is not None
    return run.recipe


def lost(run: Measurements) -> bool:
    """Return whether the signal is lost on the way up: to NaN or inf, to zeros, or in a layer that is dead."""
    overflowed = any(stats.nonfinite_fraction or stats.pre_activation.nonfinite_fraction for stats in run.layers)
    return overflowed or bool(zero_layers(run) or dead_layers(run))


def zero_layers(run: Measurements) -> tuple[int, ...]:
    """Return the layers whose activations are all exactly zero."""
    return tuple(stats.layer for stats in run.layers if stats.rms == 0)


def dead_layers(run: Measurements) -> tuple[int, ...]:
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
