"""Which measured numbers are too far from what theory expects of them."""

from collections.abc import Iterator

from actdiag.formats import NumberFormat
from actdiag.measure.statistics import LayerStats
from actdiag.theory.types import Estimate, GradientEstimates, LayerEstimates

FLAGGED = 4.0
"""A number is flagged that is over this many sd from what is expected."""

_NORMAL_RANGE = 1e4
"""Layers whose rms is within this factor of the limits of the number format are not compared."""


def flagged(within: NumberFormat, estimates: LayerEstimates, stats: LayerStats) -> tuple[str, ...]:
    """Return the names of the measured numbers that are over 4 sd from what is expected, dotted where nested.

    Args:
        within: The number format of the run; layers near its limits are not compared.
        estimates: What is expected.
        stats: What was measured.
    """
    rms, z_rms = stats.rms, stats.pre_activation.rms
    if rms is None or z_rms is None or stats.nonfinite_fraction or stats.pre_activation.nonfinite_fraction:
        return ()
    low, high = within.normal * _NORMAL_RANGE, within.most / _NORMAL_RANGE
    around = estimates.rms.value if estimates.rms else 0.0
    if not (low < max(rms, around) < high and low < z_rms < high):
        return ()
    scale = within.statistic_error
    return tuple(
        name
        for name, estimate, measured, size in _compared(estimates, stats)
        if abs(measured - estimate.value) > FLAGGED * (estimate.sd or 0.0) + scale * size
    )


def _compared(estimates: LayerEstimates, stats: LayerStats) -> Iterator[tuple[str, Estimate, float, float]]:
    """Yield (name, what is expected, what was measured, the size that rounding is relative to)."""
    z, of_z = stats.pre_activation, estimates.pre_activation
    measured = (
        ("mean", estimates.mean, stats.mean, stats.rms),
        ("std", estimates.std, stats.std, stats.rms),
        ("rms", estimates.rms, stats.rms, stats.rms),
        ("zero_fraction", estimates.zero_fraction, stats.zero_fraction, 1.0),
        ("saturated_fraction", estimates.saturated_fraction, stats.saturated_fraction, 1.0),
        ("cosine", estimates.cosine, stats.cosine, 1.0),
        ("pre_activation.mean", of_z.mean, z.mean, z.rms),
        ("pre_activation.std", of_z.std, z.std, z.rms),
        ("pre_activation.rms", of_z.rms, z.rms, z.rms),
    )
    for name, estimate, number, size in measured:
        if estimate is not None and number is not None and size is not None:
            yield name, estimate, number, size


def is_outlier(within: NumberFormat, estimates: GradientEstimates, stats: LayerStats) -> bool:
    """Return whether the rms of dL/dz is over 4 sd from what is expected."""
    gradient, expectation = stats.gradient, estimates.rms
    if gradient is None or gradient.rms is None or gradient.nonfinite_fraction or expectation is None:
        return False
    low, high = within.normal * _NORMAL_RANGE, within.most / _NORMAL_RANGE
    tolerance = FLAGGED * (expectation.sd or 0.0) + within.statistic_error * expectation.value
    return low < max(gradient.rms, expectation.value) < high and abs(gradient.rms - expectation.value) > tolerance
