"""Reports built by hand, so that what is shown can be tested without a run."""

from dataclasses import replace

from actdiag.activations import resolve as activation
from actdiag.diagnosis import Finding, Verdict
from actdiag.initializers import resolve as initializer
from actdiag.measure.histograms import Histogram
from actdiag.measure.statistics import (
    BiasGradientStats,
    ChangePerLayer,
    GradientStats,
    InputStats,
    LayerStats,
    LossValue,
    PreActivationStats,
    WeightGradientStats,
)
from actdiag.measurements import Measurements
from actdiag.model.stack import Stack
from actdiag.report import Repeats, Report
from actdiag.theory.types import (
    Estimate,
    GradientEstimates,
    Horizon,
    LayerEstimates,
    LayerTheory,
    PreActivationEstimates,
    StackTheory,
)

EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)
VANISHING = Finding(
    rule="vanishing_signal",
    severity="error",
    layers=(3, 4),
    value=1e-6,
    limit=0.01,
    summary="rms of activations falls 1e+06-fold from layer 1 to 4, x0.01 per layer (limit 100-fold)",
    advice="--gain 100: healthy, 97% that SGD trains it in 250 iterations",
)
ALIGNED = Finding(
    rule="aligned_inputs",
    severity="warning",
    layers=(2,),
    value=0.99995,
    limit=0.999,
    summary="different inputs give parallel activations in layer 2 (cosine 0.999950)",
    advice="",
)
FLAT = Finding(
    rule="flat_weight_gradient",
    severity="info",
    layers=(1, 2, 3, 4),
    value=1.5,
    limit=10.0,
    summary="dL/dW looks flat (1.5-fold over all layers) while dL/dz does not",
    advice="",
)

DISAGREES = Finding(
    rule="disagrees_with_theory",
    severity="info",
    layers=(),
    value=1.0,
    limit=0.0,
    summary="theory and the run disagree: it does not behave as theory says it must",
    advice="",
)


def layer(number, **changes):
    stats = LayerStats(
        layer=number,
        width=10,
        mean=0.4 / number,
        std=0.58,
        rms=0.7,
        min=0.0,
        max=0.99,
        unit_std=0.5,
        zero_fraction=0.5,
        dead_fraction=0.0,
        saturated_fraction=None,
        silent_fraction=0.0,
        nonfinite_fraction=0.0,
        subnormal_fraction=0.0,
        cosine=0.3,
        slope_rms=0.7,
        pre_activation=PreActivationStats(0.01, 1.0, 1.0, -3.0, 3.0, 0.0),
        histogram=Histogram(EDGES, (20, 15, 10, 5), 0, 0, 50, 0, 0),
        magnitude=Histogram((-2.0, -1.0, 0.0), (10, 40), 0, 0, 50, 0, 0),
    )
    return replace(stats, **changes)


def gradient(stats, rms, ratio):
    decades = Histogram((-5.0 - stats.layer, -4.0 - stats.layer, -3.0 - stats.layer), (30, 60), 0, 0, 10, 0, 0)
    return replace(
        stats,
        gradient=GradientStats(rms, ratio, 0.1, 0.0, decades, rms / 2, 0.02),
        weight_gradient=WeightGradientStats(0.02, 0.001),
        bias_gradient=BiasGradientStats(0.03),
    )


def stack(depth=4, **changes):
    recipe = Stack(activation("relu"), initializer("he"), (10,) * depth, "normal", 20, 10)
    return replace(recipe, **changes)


def verdict(severity="healthy", findings=(), **changes):
    """A verdict with the numbers that go with its severity."""
    probability = {"healthy": 0.97, "at-risk": 0.6, "untrainable": 0.02, "unknown": None}[severity]
    rates = (None, None) if severity == "untrainable" else (0.1, (0.01, 0.3))
    decided = tuple(finding.rule for finding in findings if finding.severity != "info")
    said = Verdict(
        severity,
        None if probability is None else probability >= 0.5,
        probability,
        *rates,
        False,
        decided,
        tuple(findings),
    )
    return replace(said, **changes)


def report(layers=None, findings=(), severity="healthy", loss=None, change=(0.98, None), **changes):
    layers = tuple(layers if layers is not None else [layer(number) for number in range(1, 5)])
    recipe = stack(len(layers), **changes)
    measured = Measurements(recipe.sites(), layers, InputStats(), ChangePerLayer(*change), loss, recipe=recipe)
    return Report("grad-flow" if loss else "propagate", measured, verdict(severity, findings))


def changed(base, *, stack=None, **changes):
    """A report with some of its measurements replaced; `stack` is another recipe, with its sites."""
    if stack is not None:
        changes |= {"recipe": stack, "sites": stack.sites()}
    return replace(base, measurements=replace(base.measurements, **changes))


def sick():
    """A report with something of everything: missing numbers, overflow, off-axis entries, three findings."""
    layers = [
        layer(1),
        layer(2, mean=-1.234e-6, std=9.876e-7, cosine=0.99995, dead_fraction=0.0004, zero_fraction=0.9996),
        layer(3, mean=12345.6, std=1e30, histogram=Histogram(EDGES, (0, 0, 0, 0), 0, 50, 50, 0, 0)),
        layer(
            4,
            **dict.fromkeys(("mean", "std", "rms", "min", "max", "unit_std", "cosine")),
            nonfinite_fraction=1.0,
            zero_fraction=0.0,
            histogram=Histogram(EDGES, (0, 0, 0, 0), 0, 0, 0, 60, 40),
        ),
    ]
    return report(layers, (VANISHING, ALIGNED, FLAT), "untrainable", change=(0.01, None))


def with_gradient():
    rms = (1e-9, 1e-7, 1e-5, 1e-3)
    layers = [gradient(layer(number), value, value / 1e-3) for number, value in enumerate(rms, 1)]
    return report(
        layers,
        (replace(VANISHING, rule="vanishing_gradient"),),
        "untrainable",
        LossValue("mse", 10, 0.123),
        (0.98, 0.01),
    )


ORDERED = StackTheory(
    applies=True,
    note="the signal goes to the fixed point q*",
    phase="ordered",
    stable="stable",
    q=0.315,
    c=1.0,
    chi1=0.88,
    chiq=0.572,
    xi_q=1.79,
    xi_c=7.83,
    horizon=Horizon(signal=108, gradient=108, inputs=54, float16=12, bfloat16=98),
)
DOES_NOT_APPLY = StackTheory(applies=False, note="the weights of constant=0.1 are not independent")


def estimates(**changes):
    said = LayerEstimates(
        mean=Estimate(0.39, 0.02),
        std=Estimate(0.57, 0.03),
        rms=Estimate(0.71, 0.03),
        unit_std=Estimate(0.49, 0.02),
        zero_fraction=Estimate(0.5, 0.001),
        dead_fraction=Estimate(0.001, None),
        cosine=Estimate(0.318, 0.004),
        pre_activation=PreActivationEstimates(Estimate(0.0, 0.01), Estimate(1.0, 0.05), Estimate(1.0, 0.05)),
        chi1=0.88,
    )
    return said._replace(**changes)


def layer_theory(number, flagged=(), **expected):
    return LayerTheory(estimates(), estimates(std=Estimate(0.5801, 0.0002), **expected), tuple(flagged))


def with_theory(base=None, flags=None, **changes):
    """A report with theory beside it; `flags` has names by layer."""
    base = base or report()
    said = [layer_theory(stats.layer, (flags or {}).get(stats.layer, ())) for stats in base.layers]
    if base.loss is not None:
        gradients = [GradientEstimates(Estimate(2 * one.gradient.rms, one.gradient.rms), Estimate(0.5, 0.1)) for one in
                     base.layers]  # fmt: skip
        said = [
            LayerTheory(one.predicted._replace(gradient=of), one.expected._replace(gradient=of), one.flagged)
            for one, of in zip(said, gradients, strict=True)
        ]
    return changed(base, theory=ORDERED._replace(**changes), layer_theory=tuple(said))


def surprising():
    """Theory that most of the run contradicts."""
    flags = {1: ("std",), 2: ("std", "cosine", "pre_activation.rms"), 3: ("zero_fraction",)}
    return with_theory(report(findings=(DISAGREES,)), flags, disagrees=True)


def surprising_gradient():
    return with_theory(with_gradient(), {3: ("gradient.rms",), 4: ("gradient.rms", "rms")})


def repeated(base=None, runs=20):
    """A report of means over seeds."""
    base = base or report()
    empty = Histogram((), (), 0, 0, 0, 0, 0)

    def of(value, sd):
        return None if value is None else sd

    def spread(stats):
        gradient = stats.gradient
        return LayerStats(
            layer=stats.layer,
            width=stats.width,
            mean=of(stats.mean, 0.031),
            std=of(stats.std, 0.094),
            rms=of(stats.rms, 0.1),
            min=of(stats.min, 0.02),
            max=of(stats.max, 0.05),
            unit_std=of(stats.unit_std, 0.02),
            zero_fraction=0.012,
            dead_fraction=of(stats.dead_fraction, 0.0),
            saturated_fraction=of(stats.saturated_fraction, 0.013),
            silent_fraction=of(stats.silent_fraction, 0.0),
            nonfinite_fraction=0.0,
            subnormal_fraction=0.0,
            cosine=of(stats.cosine, 0.012),
            slope_rms=of(stats.slope_rms, 0.003),
            pre_activation=PreActivationStats(0.01, 0.12, 0.12, 0.5, 0.5, 0.0),
            histogram=empty,
            magnitude=empty,
            gradient=gradient
            and GradientStats(gradient.rms / 8, gradient.ratio / 9, 0.01, 0.0, empty, gradient.rms / 16, 0.003),
            weight_gradient=stats.weight_gradient and WeightGradientStats(0.004, 0.0002),
            bias_gradient=stats.bias_gradient and BiasGradientStats(0.005),
        )

    verdicts = (("healthy", runs - 1), ("at-risk", 1))
    spreads = tuple(spread(stats) for stats in base.layers)
    said = tuple(one._replace(expected=LayerEstimates()) for one in base.layer_theory)
    return replace(changed(base, layer_theory=said), repeats=Repeats(runs, tuple(range(runs)), spreads, verdicts))
