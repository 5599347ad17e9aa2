"""Where the signal is lost on the forward pass: to NaN or infinity, to zeros, or in a dead layer."""

from actdiag.measurements import Measurements

_CONSTANT = 1e-3
"""Activations whose std over the inputs is under this share of their rms carry nothing of the input."""


def is_lost(measurements: Measurements) -> bool:
    """Return whether the signal is lost: to NaN or infinity, to zeros, or in a layer whose units are all dead."""
    layers = measurements.layers
    overflowed = any(stats.nonfinite_fraction or stats.pre_activation.nonfinite_fraction for stats in layers)
    return overflowed or bool(zero_layers(measurements) or dead_layers(measurements))


def zero_layers(measurements: Measurements) -> tuple[int, ...]:
    """Return the layers whose activations are all exactly zero, those in a branch of a residual left out."""
    return tuple(place.number for place in measurements.places() if place.stats.rms == 0 and not place.site.in_branch)


def dead_layers(measurements: Measurements) -> tuple[int, ...]:
    """Return the layers whose units are all dead and have the same activation for every input, branches left out.

    Saturated units whose activations differ between inputs still tell inputs apart. Where every pre-activation is zero
    the signal was lost in a layer below.
    """
    return tuple(
        place.number
        for place, stats in zip(measurements.places(), measurements.layers, strict=True)
        if stats.dead_fraction == 1
        and not place.site.in_branch
        and stats.pre_activation.rms
        and (stats.unit_std is None or stats.unit_std <= _CONSTANT * (stats.rms or 0.0))
    )
