"""Rules on what the dtype loses: overflow, underflow, digits."""

from collections.abc import Iterable
from math import floor, log10

from actdiag.diagnosis.lost import dead_layers, recipe_of, zero_layers
from actdiag.diagnosis.rule import Found, Measured, Rule
from actdiag.diagnosis.wording import mend_scale, name_layers, rescale
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import LayerStats
from actdiag.measurements import Measurements
from actdiag.numerals import whole_percent
from actdiag.theory.regions import zero_intervals

LOST = 0.01
"""A layer may have this share of entries that the dtype holds with fewer digits, or not at all."""

_NEAR = 1e6
"""Zeros are suspect where the rms is within this factor of the dtype's smallest normal number."""


def _nonfinite(run: Measurements) -> Iterable[Measured]:
    for stats in run.layers:
        gradient = stats.gradient.nonfinite_fraction if stats.gradient else 0.0
        yield Measured((stats.layer,), max(stats.nonfinite_fraction, stats.pre_activation.nonfinite_fraction, gradient))


def _nonfinite_said(found: Found) -> str:
    where = name_layers(found.layers)
    up_to = whole_percent(found.value)
    return f"NaN or inf in {where}, up to {up_to} of the entries: beyond {recipe_of(found.run).dtype}"


def _mend_nonfinite(found: Found) -> str:
    run = found.run
    further = "use smaller weights; --dtype float64 reaches further"
    return rescale(recipe_of(run), run.layers, run.change.forward) or further


def _all_zero(run: Measurements) -> Iterable[Measured]:
    """Layers of zeros that no dead layer below accounts for."""
    zero, dead = zero_layers(run), dead_layers(run)
    if zero and not (dead and dead[0] <= zero[0]):
        yield Measured(zero, float(len(zero)))


def _zeros_said(found: Found) -> str:
    run, first = found.run, found.layers[0]
    below = run.layers[first - 2].rms if first > 1 else run.input.rms
    why = "the inputs are zero" if below == 0 else "everything underflowed"
    if not recipe_of(run).init.mean_field and recipe_of(run).weight_std(first) == 0:
        why = "the weights are zero"
    under = f", over an rms of {below:.3g} below" if below else ""
    return f"all activations are exactly zero in {name_layers(found.layers)}{under}: {why}"


def _mend_zeros(found: Found) -> str:
    return mend_scale(recipe_of(found.run), found.run.layers, found.run.change.forward, "signal", exploding=False)


def _lost(run: Measurements) -> Iterable[Measured]:
    """The share of each layer's entries, or of those of dL/dz, that are subnormal or that underflowed."""
    tiny = recipe_of(run).format.normal
    for stats in run.layers:
        if not stats.rms:
            continue  # where all is zero, zero_signal says so
        share = stats.subnormal_fraction + _underflowed(run, stats, tiny)
        if stats.gradient is not None and stats.gradient.rms:
            share = max(share, _share_under(stats.gradient.magnitude, floor(log10(tiny))))
        yield Measured((stats.layer,), share)


def _underflowed(run: Measurements, stats: LayerStats, tiny: float) -> float:
    """Return the share of zeros that are none of the activation's: it has none elsewhere, and the rest is as small."""
    act = recipe_of(run).act
    if (stats.rms or 0.0) >= _NEAR * tiny or act.derivative is None:
        return 0.0
    return 0.0 if zero_intervals(act, recipe_of(run).dtype) else stats.zero_fraction


def _share_under(magnitude: Histogram, decade: int) -> float:
    """Return the share of the entries other than zero that are under 10^decade."""
    entries = sum(magnitude.counts)
    under = sum(count for edge, count in zip(magnitude.edges[1:], magnitude.counts, strict=True) if edge <= decade)
    return under / entries if entries else 0.0


def _lost_said(found: Found) -> str:
    dtype, where = recipe_of(found.run).dtype, name_layers(found.layers)
    return f"up to {whole_percent(found.value)} of the entries are too small for all digits of {dtype} in {where}"


def _mend_lost(found: Found) -> str:
    run = found.run
    further = "use larger weights; --dtype float64 reaches further"
    return rescale(recipe_of(run), run.layers, run.change.forward) or further


NONFINITE = Rule(
    name="nonfinite",
    title="NaN or infinity",
    quantity="share of a layer's entries (of z, a or dL/dz) that are NaN or infinite",
    severity="error",
    high=0.0,
    measure=_nonfinite,
    summary=_nonfinite_said,
    advice=_mend_nonfinite,
    explanation=(
        "Numbers left the range of the dtype. One of them makes the loss NaN, the gradient of every weight with it, "
        "and the first step the weights."
    ),
    remedy="Smaller weights; --dtype float64 only moves the layer at which it happens.",
    source="IEEE 754: float32 ends at 3.4e38, float64 at 1.8e308",
    mark="NaN/inf",
)

ZERO_SIGNAL = Rule(
    name="zero_signal",
    title="The signal is exactly zero",
    quantity="layers whose activations are all zero",
    severity="error",
    high=0.0,
    measure=_all_zero,
    summary=_zeros_said,
    advice=_mend_zeros,
    explanation=(
        "The activations fell under the smallest number of the dtype, or the weights are zero. Nothing of the input "
        "reaches the output, and dL/dW, a product with the activations, is zero too: no step changes it. Where units "
        "are dead instead, born_dead says so."
    ),
    remedy="Larger weights, such as --init he; --dtype float64 only moves the layer at which it happens.",
    source="IEEE 754: float32 rounds to zero what is under 2^-150, float64 what is under 2^-1075",
    mark="zero",
)

PRECISION_LOST = Rule(
    name="precision_lost",
    title="Digits are lost to underflow",
    quantity="share of a layer's entries (of a or dL/dz) that are subnormal or underflowed to zero",
    high=LOST,
    measure=_lost,
    summary=_lost_said,
    advice=_mend_lost,
    explanation=(
        "Under the smallest normal number a float loses digit by digit, and then becomes zero; many accelerators make "
        "zero of it at once. Zeros that the activation makes of its own, as a ReLU does, do not count."
    ),
    remedy="A scale that keeps (see vanishing_signal and vanishing_gradient), or --dtype float64.",
    source=(
        "IEEE 754: the smallest normal number is 1.2e-38 in float32, 2.2e-308 in float64; the limit is a rule of thumb"
    ),
    mark="subnormal",
)
