"""Rules on what the number format loses: overflow, underflow, digits."""

from collections.abc import Iterable
from math import floor, log10

from actdiag.diagnosis.lost_signal import dead_layers, zero_layers
from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.diagnosis.words import name_layers
from actdiag.measure.histograms import Histogram
from actdiag.measurements import Measurements, Place
from actdiag.numerals import whole_percent
from actdiag.theory.regions import zero_intervals

_NEAR = 1e6
"""Zeros may be underflows where the rms is within this factor of the format's smallest normal number."""


def _nonfinite(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    for stats in measurements.layers:
        gradient = stats.gradient.nonfinite_fraction if stats.gradient else 0.0
        yield Measured((stats.layer,), max(stats.nonfinite_fraction, stats.pre_activation.nonfinite_fraction, gradient))


def _nonfinite_summary(found: Found) -> str:
    where, name = name_layers(found.layers), found.measurements.place(found.layers[0]).site.format.name
    return f"NaN or inf in {where}, up to {whole_percent(found.value)} of the entries: beyond {name}"


def _all_zero(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    """Yield the layers of zeros, unless a dead layer below them is the cause."""
    zero, dead = zero_layers(measurements), dead_layers(measurements)
    if zero and not (dead and dead[0] <= zero[0]):
        yield Measured(zero, float(len(zero)))


def _zeros_summary(found: Found) -> str:
    measurements, first = found.measurements, found.layers[0]
    below = measurements.below(first)
    rms = measurements.input.rms if below is None else below.stats.rms
    why = "the inputs are zero" if rms == 0 else "everything underflowed"
    recipe = measurements.recipe
    if recipe is not None and not recipe.init.mean_field and recipe.weight_std(first) == 0:
        why = "the weights are zero"
    under = f", over an rms of {rms:.3g} below" if rms else ""
    return f"all activations are exactly zero in {name_layers(found.layers)}{under}: {why}"


def _lost(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    """Yield the share of each layer's entries, or of those of dL/dz, that are subnormal or that underflowed."""
    for place in measurements.places():
        stats, least = place.stats, place.site.format.normal
        if not stats.rms:
            continue  # where all is zero, zero_signal reports it
        share = stats.subnormal_fraction + _underflowed(place)
        if stats.gradient is not None and stats.gradient.rms:
            share = max(share, _share_under(stats.gradient.magnitude, floor(log10(least))))
        yield Measured((place.number,), share)


def _underflowed(place: Place) -> float:
    """Return the share of zeros that are not the activation's own, where the other entries are nearly as small."""
    act, stats = place.site.act, place.stats
    if (stats.rms or 0.0) >= _NEAR * place.site.format.normal or act is None or act.derivative is None:
        return 0.0
    return 0.0 if zero_intervals(act, place.site.format.name) else stats.zero_fraction


def _share_under(magnitude: Histogram, decade: int) -> float:
    """Return the share of the entries other than zero that are under 10^decade."""
    entries = sum(magnitude.counts)
    under = sum(count for edge, count in zip(magnitude.edges[1:], magnitude.counts, strict=True) if edge <= decade)
    return under / entries if entries else 0.0


def _lost_summary(found: Found) -> str:
    where, name = name_layers(found.layers), found.measurements.place(found.layers[0]).site.format.name
    return f"up to {whole_percent(found.value)} of the entries are too small for all digits of {name} in {where}"


NONFINITE = Rule(
    name="nonfinite",
    title="NaN or infinity occurs",
    quantity="share of a layer's entries (of z, a or dL/dz) that are NaN or infinite",
    severity="error",
    certain=True,
    high=0.0,
    measure=_nonfinite,
    summary=_nonfinite_summary,
    explanation=(
        "Numbers are out of the range of the dtype. A single one makes the loss NaN, and with it the gradient of "
        "every weight; after the first step the weights are NaN too."
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
    certain=True,
    high=0.0,
    measure=_all_zero,
    summary=_zeros_summary,
    explanation=(
        "The activations fell below the smallest number of the dtype, or the weights are zero. Nothing of the input "
        "reaches the output, and dL/dW, a product with the activations, is zero too, so that no step changes the "
        "weights. Where dead units are the cause, born_dead reports it."
    ),
    remedy="Larger weights, such as --init he; --dtype float64 only moves the layer at which it happens.",
    source="IEEE 754: float32 rounds to zero what is below 2^-150, float64 what is below 2^-1075",
    mark="zero",
)

PRECISION_LOST = Rule(
    name="precision_lost",
    title="Digits are lost to underflow",
    quantity="share of a layer's entries (of a or dL/dz) that are subnormal or underflowed to zero",
    high=0.01,
    measure=_lost,
    summary=_lost_summary,
    explanation=(
        "Below the smallest normal number a float loses digit after digit until it is zero; many accelerators flush "
        "it to zero at once. Zeros that the activation itself gives, as a ReLU does, do not count."
    ),
    remedy="A scale that is preserved (see vanishing_signal and vanishing_gradient), or --dtype float64.",
    source=(
        "IEEE 754: the smallest normal number is 1.2e-38 in float32, 2.2e-308 in float64; the limit is a rule of thumb"
    ),
    mark="subnormal",
)
