"""The rules: each looks at one run and returns what it found, if anything. Thresholds stand here, named."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import exp, sqrt

from actdiag.activations import traits
from actdiag.diagnosis.expectations import expected_dead_fraction, log_variance
from actdiag.diagnosis.findings import Finding, Outlook, Severity, Verdict
from actdiag.diagnosis.wording import centred, fold_of, name_layers, rescale
from actdiag.stack import Stack
from actdiag.statistics import ChangePerLayer, LayerStats

FOLD = 100.0
"""A signal or gradient may change this many times over the whole depth."""

SPREADS = 4.0
"""A log second moment may wander this many of its finite-width stds; the book of numbers is Hanin & Nica 2019."""

SATURATED = 0.5
"""A layer with more than this share of saturated entries passes little gradient."""

DEAD_EXCESS = 0.1
"""A layer may have this share of dead units over what depth and batch explain."""

ALIGNED = 0.999
"""Inputs whose activations have a greater mean cosine can hardly be told apart."""

COLLAPSED = 1e-3
"""A unit's std over the inputs under this share of the pooled std says that units differ but inputs do not."""

FLAT_WEIGHT_GRADIENT = 10.0
"""Norms of dL/dW within this factor of each other look flat to the eye."""


_LARGEST_EXPONENT = 700.0
"""exp of more leaves float64."""

_LEAST_RMS, _MOST_RMS = 1e-150, 1e150
"""Beyond these a square leaves float64; no activation tells numbers out there apart."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the rules look at.

    Attributes:
        stack: What was run.
        layers: What was measured, layer 1 first.
        change: The change per layer.
        input_cosine: The mean cosine between different inputs; None where there is none.
    """

    stack: Stack
    layers: tuple[LayerStats, ...]
    change: ChangePerLayer
    input_cosine: float | None


def diagnose(run: Run) -> Verdict:
    """Return the verdict of all rules, most severe findings first."""
    found = [finding for rule in RULES for finding in rule(run)]
    found.sort(key=lambda finding: ("error", "warning", "info").index(finding.severity))
    severities = {finding.severity for finding in found}
    outlook: Outlook = "untrainable" if "error" in severities else "at-risk" if "warning" in severities else "healthy"
    return Verdict(outlook, tuple(found))


def nonfinite(run: Run) -> Iterable[Finding]:
    """NaN or inf among pre-activations, activations or gradients."""

    def share(stats: LayerStats) -> float:
        gradient = stats.gradient.nonfinite_fraction if stats.gradient else 0.0
        return max(stats.nonfinite_fraction, stats.pre_activation.nonfinite_fraction, gradient)

    layers = tuple(stats.layer for stats in run.layers if share(stats) > 0)
    if layers:
        worst = max(share(stats) for stats in run.layers)
        yield Finding(
            rule="nonfinite",
            severity="error",
            layers=layers,
            value=worst,
            limit=0.0,
            summary=f"NaN or inf in {name_layers(layers)}, up to {worst:.0%} of the entries: beyond {run.stack.dtype}",
            advice=rescale(run.stack, run.change.forward) or "use smaller weights; --dtype float64 reaches further",
        )


def signal_change(run: Run) -> Iterable[Finding]:
    """The rms of the activations changes more over the depth than 100-fold and than finite width explains."""
    rms = {stats.layer: stats.rms for stats in run.layers if stats.rms is not None and not stats.nonfinite_fraction}
    yield from _change(run, rms, "signal", "activations", run.change.forward, rescale(run.stack, run.change.forward))


def gradient_change(run: Run) -> Iterable[Finding]:
    """The rms of dL/dz changes more over the depth than 100-fold and than finite width explains."""
    rms = {
        stats.layer: stats.gradient.rms
        for stats in reversed(run.layers)
        if stats.gradient and stats.gradient.rms is not None and not stats.gradient.nonfinite_fraction
    }
    change = run.change.backward
    slope = traits(run.stack.act).slope_supremum
    advice: str | None
    of_signal = [finding.advice for finding in signal_change(run)]
    if of_signal:
        advice = of_signal[0]  # what mends the signal mends the gradient of it, and one change is less than two
    elif change is not None and change < 1 and slope is not None and slope < 1:
        name = run.stack.act.name
        advice = f"the slope of {name} is at most {slope:.3g}: take an activation of slope 1, such as tanh"
    else:
        advice = rescale(run.stack, change)
    for finding in _change(run, rms, "gradient", "dL/dz", change, advice):
        yield finding
        norms = [stats.weight_gradient.norm for stats in run.layers if stats.weight_gradient]
        known = [norm for norm in norms if norm]
        if len(known) == len(norms) > 1 and max(known) / min(known) < FLAT_WEIGHT_GRADIENT:
            fold = max(known) / min(known)
            yield Finding(
                rule="flat_weight_gradient",
                severity="info",
                layers=tuple(stats.layer for stats in run.layers),
                value=fold,
                limit=FLAT_WEIGHT_GRADIENT,
                summary=f"dL/dW looks flat ({fold:.3g}-fold over all layers) while dL/dz does not",
                advice="judge by dL/dz: in dL/dW a shrinking signal and a shrinking gradient cancel",
            )


def saturation(run: Run) -> Iterable[Finding]:
    """More than half of a layer's entries on a plateau."""
    over = {
        stats.layer: stats.saturated_fraction for stats in run.layers if (stats.saturated_fraction or 0) > SATURATED
    }
    if over:
        worst = max(over.values(), key=lambda share: share or 0.0) or 0.0
        yield Finding(
            rule="saturation",
            severity="warning",
            layers=tuple(over),
            value=worst,
            limit=SATURATED,
            summary=f"up to {worst:.0%} of the entries saturated in {name_layers(tuple(over))} (limit {SATURATED:.0%})",
            advice="use smaller weights (--init xavier, or a --gain under 1), so that z stays where the slope is",
        )


def dead_units(run: Run) -> Iterable[Finding]:
    """More dead units than depth and batch explain."""
    expected: dict[int, float] = {}
    dead: dict[int, float] = {}
    cosine, worst = run.input_cosine, 0.0
    for stats in run.layers:
        # Where every pre-activation is zero the signal is gone, and what became of it is another rule's to say.
        if stats.dead_fraction is not None and stats.dead_fraction > DEAD_EXCESS and stats.pre_activation.rms:
            chance = _dead_by_chance(run.stack, stats, cosine)
            # Units are counted, so a narrow layer strays from its chance by more than the excess allowed.
            allowed = chance + max(DEAD_EXCESS, SPREADS * sqrt(chance * (1 - chance) / stats.width))
            if stats.dead_fraction > min(allowed, 1 - 1e-9):
                dead[stats.layer], expected[stats.layer] = stats.dead_fraction, allowed
        cosine = stats.cosine
    if dead:
        layer = max(dead, key=lambda number: dead[number] - expected[number])
        worst = dead[layer]
        severity: Severity = "error" if max(dead.values()) == 1 else "warning"
        negative = (run.stack.bias_mean or 0) < 0
        yield Finding(
            rule="dead_units",
            severity=severity,
            layers=tuple(dead),
            value=worst,
            limit=expected[layer],
            summary=f"{worst:.0%} of the units of layer {layer} are dead on every input (limit {expected[layer]:.0%})",
            advice="raise --bias-mean, which holds units below zero"
            if negative
            else "take an activation with a slope on both sides, such as leaky_relu",
        )


def aligned_inputs(run: Run) -> Iterable[Finding]:
    """Activations of different inputs nearly parallel."""
    over = {stats.layer: stats.cosine for stats in run.layers if stats.cosine is not None and stats.cosine > ALIGNED}
    if over:
        worst = max(over.values())
        yield Finding(
            rule="aligned_inputs",
            severity="warning",
            layers=tuple(over),
            value=worst,
            limit=ALIGNED,
            summary=f"different inputs give parallel activations in {name_layers(tuple(over))} (cosine {worst:.6f})",
            advice=f"use fewer layers{centred(run.stack.act)}",
        )


def collapsed_inputs(run: Run) -> Iterable[Finding]:
    """Units that differ from each other but not over the inputs."""
    ratios = {
        stats.layer: stats.unit_std / stats.std if stats.std else 0.0
        for stats in run.layers
        if stats.rms and stats.unit_std is not None and stats.unit_std <= COLLAPSED * (stats.std or 0.0)
    }
    if ratios:
        worst = min(ratios.values())
        yield Finding(
            rule="collapsed_inputs",
            severity="error",
            layers=tuple(ratios),
            value=worst,
            limit=COLLAPSED,
            summary=f"units hardly depend on the input in {name_layers(tuple(ratios))}: unit_std is {worst:.2g} of std",
            advice=f"use a larger --gain, so that the inputs outweigh the offset{centred(run.stack.act)}",
        )


RULES: tuple[Callable[[Run], Iterable[Finding]], ...] = (
    nonfinite,
    signal_change,
    gradient_change,
    saturation,
    dead_units,
    aligned_inputs,
    collapsed_inputs,
)


def _change(
    run: Run, rms: dict[int, float], what: str, of: str, change: float | None, rescale: str | None
) -> Iterable[Finding]:
    """Judge the way of `rms` from its first layer to its last, in the order that the signal takes."""
    if len(rms) < 2 and 0.0 not in rms.values():
        return
    start, end = next(iter(rms.items())), list(rms.items())[-1]
    ratio = end[1] / start[1] if start[1] else 0.0
    if 1 / FOLD <= ratio <= FOLD:
        return
    vanishing = ratio < 1
    between = [stats for stats in run.layers if stats.layer != min(start[0], end[0])]
    variance = sum(log_variance(run.stack.act, stats.pre_activation.rms, stats.width) for stats in between)
    # The log second moment spreads by its variance, and its median sinks by half of that: twice the log of the rms.
    wandering = SPREADS * sqrt(variance) + (variance / 2 if vanishing else 0.0)
    fold = max(FOLD, exp(min(wandering / 2, _LARGEST_EXPONENT)))
    if 1 / fold <= ratio <= fold:
        return
    reached = [
        number
        for number, value in rms.items()
        if (value * fold < start[1] or value == 0 if vanishing else value > start[1] * fold)
    ]
    moved = "falls to zero" if ratio == 0 else f"{'falls' if vanishing else 'grows'} {fold_of(ratio)}-fold"
    step = "" if change is None else f", x{change:.3g} a layer"
    yield Finding(
        rule=f"{'vanishing' if vanishing else 'exploding'}_{what}",
        severity="error",
        layers=tuple(sorted(reached)),
        value=ratio,
        limit=1 / fold if vanishing else fold,
        summary=f"rms of {of} {moved} from layer {start[0]} to {end[0]}{step} (limit {fold:.3g}-fold)",
        advice=rescale or "take other weights: these pass nothing on",
    )


def _dead_by_chance(stack: Stack, stats: LayerStats, cosine_below: float | None) -> float:
    rms = stats.pre_activation.rms
    if not rms:
        return 0.0
    second_moment = min(max(rms, _LEAST_RMS), _MOST_RMS) ** 2
    from_bias = min(stack.bias_spread(stats.layer)[1] ** 2, second_moment)
    correlation = ((second_moment - from_bias) * (cosine_below or 0.0) + from_bias) / second_moment
    return expected_dead_fraction(stack.act, second_moment, correlation, stack.batch)
