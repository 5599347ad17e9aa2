"""The rules: each looks at one run and returns what it found, if anything. Thresholds stand here, named."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import exp, sqrt
from typing import Literal, NamedTuple

from actdiag.activations import traits
from actdiag.diagnosis.expectations import degree, log_variance
from actdiag.diagnosis.findings import Finding, Outlook, Severity, Verdict
from actdiag.diagnosis.wording import (
    DRAW_WEIGHTS,
    centre,
    fold_of,
    mend_scale,
    name_layers,
    rescale,
    revive,
    unsaturate,
)
from actdiag.stack import Stack
from actdiag.statistics import ChangePerLayer, LayerStats
from actdiag.theory.regions import expected_dead_fraction

FOLD = 100.0
"""A signal or gradient may change this many times over the whole depth."""

SPREADS = 4.0
"""A log second moment may wander this many of its finite-width stds (Hanin & Nica 2019, arXiv:1812.05994)."""

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


class Run(NamedTuple):
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
            advice=rescale(run.stack, run.layers, run.change.forward)
            or "use smaller weights; --dtype float64 reaches further",
        )


def signal_change(run: Run) -> Iterable[Finding]:
    """The rms of the activations changes more over the depth than 100-fold and than finite width explains."""
    rms = {stats.layer: stats.rms for stats in run.layers if stats.rms is not None and not stats.nonfinite_fraction}
    yield from _change(run, rms, "signal")


def gradient_change(run: Run) -> Iterable[Finding]:
    """The rms of dL/dz changes more over the depth than 100-fold and than finite width explains."""
    if any(stats.nonfinite_fraction or stats.pre_activation.nonfinite_fraction for stats in run.layers):
        return  # what comes down from NaN and inf says nothing of its own
    rms = {
        stats.layer: stats.gradient.rms
        for stats in reversed(run.layers)
        if stats.gradient and stats.gradient.rms is not None and not stats.gradient.nonfinite_fraction
    }
    for finding in _change(run, rms, "gradient"):
        # What mends the signal mends its gradient, and one change is less than two.
        yield replace(finding, advice=next((signal.advice for signal in signal_change(run)), finding.advice))
        yield from _flat_weight_gradient(run)


def _flat_weight_gradient(run: Run) -> Iterable[Finding]:
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
            advice="judge by dL/dz: in dL/dW the changes of the signal and of the gradient cancel",
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
            advice=unsaturate(run.stack, min(over)),
        )


def dead_units(run: Run) -> Iterable[Finding]:
    """More dead units than depth, width and batch explain."""
    dead: dict[int, tuple[float, float]] = {}
    cosine, awake_below = run.input_cosine, None
    for stats in run.layers:
        # Where every pre-activation is zero the signal is gone, and what became of it is another rule's to say.
        if stats.dead_fraction is not None and stats.dead_fraction > DEAD_EXCESS and stats.pre_activation.rms:
            allowed = _allowed_dead(run.stack, stats, cosine, awake_below)
            if stats.dead_fraction > allowed:
                dead[stats.layer] = stats.dead_fraction, allowed
        cosine = stats.cosine
        awake_below = round(stats.width * (1 - (stats.dead_fraction or 0.0)))
    if dead:
        worst = max(dead, key=lambda layer: (dead[layer][0] == 1, dead[layer][0] - dead[layer][1]))
        share, allowed = dead[worst]
        severity: Severity = "error" if share == 1 else "warning"
        yield Finding(
            rule="dead_units",
            severity=severity,
            layers=tuple(dead),
            value=share,
            limit=allowed,
            summary=f"{share:.0%} of the units of layer {worst} are dead on every input (limit {allowed:.0%})",
            advice=revive(run.stack),
        )


def aligned_inputs(run: Run) -> Iterable[Finding]:
    """Activations of different inputs nearly parallel."""
    over = {stats.layer: stats.cosine for stats in run.layers if stats.cosine is not None and stats.cosine > ALIGNED}
    if over:
        worst = max(over.values())
        first = run.layers[min(over) - 1]
        yield Finding(
            rule="aligned_inputs",
            severity="warning",
            layers=tuple(over),
            value=worst,
            limit=ALIGNED,
            summary=f"different inputs give parallel activations in {name_layers(tuple(over))} (cosine {worst:.6f})",
            advice=centre(run.stack, first),
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
        first = run.layers[min(ratios) - 1]
        yield Finding(
            rule="collapsed_inputs",
            severity="error",
            layers=tuple(ratios),
            value=worst,
            limit=COLLAPSED,
            summary=f"units hardly depend on the input in {name_layers(tuple(ratios))}: unit_std is {worst:.2g} of std",
            advice=centre(run.stack, first),
        )


def symmetric_units(run: Run) -> Iterable[Finding]:
    """Equal weights and equal biases: all units of a layer compute the same, and training keeps them the same."""
    layers = tuple(
        stats.layer
        for stats in run.layers
        if stats.width > 1
        and run.stack.init.distribution == "fixed"
        and run.stack.weight_std(stats.layer) == run.stack.bias_spread(stats.layer)[1] == 0
    )
    if layers:
        yield Finding(
            rule="symmetric_units",
            severity="error",
            layers=layers,
            value=0.0,
            limit=0.0,
            summary=f"all weights are equal in {name_layers(layers)} (std 0), so that all units of a layer are one",
            advice=DRAW_WEIGHTS,
        )


RULES: tuple[Callable[[Run], Iterable[Finding]], ...] = (
    nonfinite,
    signal_change,
    gradient_change,
    saturation,
    dead_units,
    aligned_inputs,
    collapsed_inputs,
    symmetric_units,
)


def _change(run: Run, rms: dict[int, float], what: Literal["signal", "gradient"]) -> Iterable[Finding]:
    """Judge the way from the first layer of `rms` to its last.

    Args:
        run: The run.
        rms: The rms of each layer that has a finite one, in the order that the signal or the gradient takes.
        what: Whose rms it is.
    """
    if len(rms) < 2 and 0.0 not in rms.values():
        return
    start, end = next(iter(rms)), list(rms)[-1]
    ratio = rms[end] / rms[start] if rms[start] else 0.0
    vanishing = ratio < 1
    if 1 / FOLD <= ratio <= FOLD:  # the limit is never under that
        return
    fold = _explained_fold(run, min(start, end), what, vanishing)
    if 1 / fold <= ratio <= fold:
        return
    reached = [
        layer
        for layer, value in rms.items()
        if (value == 0 or value * fold < rms[start] if vanishing else value > rms[start] * fold)
    ]
    change = run.change.forward if what == "signal" else run.change.backward
    step = "" if change is None else f", x{change:.3g} a layer"
    moved = f"{'falls' if vanishing else 'grows'} {fold_of(ratio)}-fold" if ratio else "falls to zero"
    way = f"{moved} from layer {start} to {end}{step}" if rms[start] else f"is zero from layer {start} on"
    yield Finding(
        rule=f"{'vanishing' if vanishing else 'exploding'}_{what}",
        severity="error",
        layers=tuple(sorted(reached)),
        value=ratio,
        limit=1 / fold if vanishing else fold,
        summary=f"rms of {'activations' if what == 'signal' else 'dL/dz'} {way} (limit {fold:.3g}-fold)",
        advice=mend_scale(run.stack, run.layers, change, what, exploding=not vanishing),
    )


def _explained_fold(run: Run, lowest: int, what: Literal["signal", "gradient"], vanishing: bool) -> float:
    """Return the fold change that is no finding: 100, or more where finite width alone explains more.

    The log second moment gathers K/width of variance a layer, of which a layer passes on what its activation's local
    degree leaves (never more than all: a scale that runs away is a fault), and its median sinks by half of it.
    """
    variance = 0.0
    for stats in run.layers[lowest:]:
        act, z_rms = run.stack.act, stats.pre_activation.rms
        kept = 1.0 if what == "gradient" else min(degree(act, z_rms) or 1.0, 1.0) ** 2
        variance = kept * variance + log_variance(act, z_rms, stats.width, backward=what == "gradient")
    wandering = SPREADS * sqrt(variance) + (variance / 2 if vanishing else 0.0)
    return max(FOLD, exp(min(wandering / 2, _LARGEST_EXPONENT)))  # half of it: an rms is the root of a second moment


def _allowed_dead(stack: Stack, stats: LayerStats, cosine_below: float | None, awake_below: int | None) -> float:
    """Return the share of dead units that is no finding: what is expected, with its spread in whole units."""
    rms = stats.pre_activation.rms
    if not rms:
        return DEAD_EXCESS
    second_moment = min(max(rms, _LEAST_RMS), _MOST_RMS) ** 2
    from_bias = min(stack.bias_spread(stats.layer)[1] ** 2, second_moment)
    correlation = ((second_moment - from_bias) * (cosine_below or 0.0) + from_bias) / second_moment
    chance = expected_dead_fraction(stack.act, second_moment, correlation, stack.batch)
    edges = traits(stack.act)
    if awake_below is not None and (edges.dead_below is None) != (edges.dead_above is None):
        # Few inputs, all of one sign: a unit is dead as soon as all its weights have the other.
        chance = max(chance, 2.0**-awake_below)
    spread = (SPREADS * sqrt(stats.width * chance * (1 - chance)) + 2) / stats.width
    return min(chance + max(DEAD_EXCESS, spread), 1 - 0.5 / stats.width)
