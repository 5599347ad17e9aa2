"""Every rule as runs that it finds something in, and runs that are just within its limits."""

from collections.abc import Callable
from dataclasses import replace
from math import exp, nan, sqrt
from typing import Any, NamedTuple

import builders
from altering import altered, between, with_input, with_loss, with_recipe

from actdiag.diagnosis import RULES, diagnose, findings, readout
from actdiag.diagnosis import combined as combined_module
from actdiag.diagnosis.calibration import trainability as trainability_module
from actdiag.diagnosis.calibration.trainability import Trainability
from actdiag.initializers import resolve as initializer
from actdiag.measurements import Measurements, Runs


def set_to(**by_layer):
    return lambda run, patch: altered(run, **by_layer)


def with_fields(**changes):
    return lambda run, patch: replace(run, **changes)


def with_stack(init, **changes):
    return lambda run, patch: with_recipe(run, init=initializer(init), **changes)


def with_inputs_of(rms):
    return lambda run, patch: with_input(run, rms=rms)


def with_evenness_of(evenness):
    return lambda run, patch: with_input(run, evenness=evenness)


def from_layer(first, value, before: float | None = 0.0):
    return lambda layer: value if layer >= first else before


def promising(probability, *reasons):
    """A run for which the fit says so."""

    def change(run, patch):
        said = Trainability(probability, 0.1, (0.01, 1.0), False, reasons)
        for module in (combined_module, trainability_module):
            patch.setattr(module, "trainability", lambda run: said)
        return run

    return change


def with_output(scale):
    def change(run, patch):
        patch.setattr(readout, "output_scale", lambda run: scale)
        return run

    return change


def at_rate(rate, ratio):
    def change(run, patch):
        return altered(with_loss(run, "mse", learning_rate=rate), weight_gradient__weight_ratio=ratio)

    return change


class Case(NamedTuple):
    """A rule, tried.

    Attributes:
        hit: Makes of a healthy run one that the rule finds something in.
        layers: The layers that it then names.
        value: What it measures.
        limit: What that passed.
        misses: Makes runs that are just within the limit.
        blanks: Makes runs in which the number is NaN or missing.
        base: The healthy run.
        explained: Whether what is found is harmless.
    """

    hit: Callable[[Measurements, Any], Measurements]
    layers: tuple[int, ...]
    value: float
    limit: float
    misses: tuple[Callable[[Measurements, Any], Measurements], ...]
    blanks: tuple[Callable[[Measurements, Any], Measurements], ...]
    base: str = "relu"
    explained: bool = False


EDGE = exp(4.75)
NO_MOMENTS = set_to(rms=nan, std=nan, mean=nan, unit_std=nan, cosine=nan, dead_fraction=nan)
CASES = {
    "nonfinite": Case(
        set_to(nonfinite_fraction=from_layer(4, 0.25)), (4, 5), 0.25, 0.0,
        (set_to(nonfinite_fraction=0.0),),
        (set_to(nonfinite_fraction=nan), set_to(gradient=None)),
    ),
    "zero_signal": Case(
        set_to(rms=from_layer(3, 0.0, 1.0)), (3, 4, 5), 3, 0.0,
        (set_to(rms=from_layer(3, 5e-324, 1.0)), set_to(rms=from_layer(3, 0.0, 1.0), dead_fraction=1.0, unit_std=0.0)),
        (set_to(rms=None), set_to(rms=nan)),
    ),
    "born_dead": Case(
        set_to(dead_fraction=from_layer(3, 1.0), unit_std=0.0), (3, 4, 5), 1.0, 0.99,
        (
            set_to(silent_fraction=0.99),
            set_to(dead_fraction=from_layer(3, 0.99), unit_std=0.0),
            set_to(dead_fraction=from_layer(3, 1.0), rms=1.0, unit_std=0.0011),
            set_to(dead_fraction=from_layer(3, 1.0), unit_std=0.0, pre_activation__rms=0.0),
        ),
        (
            set_to(dead_fraction=None), NO_MOMENTS, set_to(dead_fraction=1.0, unit_std=nan),
            set_to(silent_fraction=None), set_to(silent_fraction=nan),
        ),
    ),
    "silent_inputs": Case(
        set_to(silent_fraction=from_layer(3, 0.51)), (3, 4, 5), 0.51, 0.5,
        (set_to(silent_fraction=0.5), set_to(silent_fraction=0.51, pre_activation__rms=0.0)),
        (set_to(silent_fraction=None), set_to(silent_fraction=nan)),
    ),
    "died_runs": Case(
        with_fields(runs=Runs(20, 4, 0, 0.9)), (), 0.2, 0.0,
        (with_fields(runs=Runs(20, 0, 0, 0.9)), with_fields(runs=Runs(20, 0, 20, 0.0))), (NO_MOMENTS,),
    ),
    "symmetric_units": Case(
        with_stack("constant:0.01"), (1, 2, 3, 4, 5), 5, 0.0,
        (with_stack("constant:0.01", bias_std=1e-9), with_stack("identity"), with_stack("std=1e-9")),
        (NO_MOMENTS,),
    ),
    "vanishing_gradient": Case(
        set_to(gradient__rms=between(1.01 * EDGE)), (1,), 1 / (1.01 * EDGE), 1 / EDGE,
        (set_to(gradient__rms=between(0.99 * EDGE)), set_to(gradient__rms=between(1 / (1.01 * EDGE)))),
        (set_to(gradient__rms=None), set_to(gradient__rms=nan), set_to(gradient__rms=from_layer(2, 1.0, nan))),
    ),
    "exploding_gradient": Case(
        set_to(gradient__rms=between(1 / (1.01 * EDGE))), (1,), 1.01 * EDGE, EDGE,
        (set_to(gradient__rms=between(1 / (0.99 * EDGE))), set_to(gradient__rms=between(1.01 * EDGE))),
        (set_to(gradient__rms=None), set_to(gradient__rms=nan), set_to(gradient__rms=from_layer(2, 1.0, nan))),
    ),
    "vanishing_signal": Case(
        set_to(rms=between(1 / 101)), (5,), 1 / 101, 0.01,
        (set_to(rms=between(1 / 99)), set_to(rms=between(101))),
        (set_to(rms=None), set_to(rms=nan), set_to(rms=from_layer(5, nan, 1.0))),
    ),
    "exploding_signal": Case(
        set_to(rms=between(101)), (5,), 101, 100,
        (set_to(rms=between(99)), set_to(rms=between(1 / 101))),
        (set_to(rms=None), set_to(rms=nan), set_to(rms=from_layer(5, nan, 1.0))),
    ),
    "collapsed_inputs": Case(
        set_to(std=2.0, unit_std=from_layer(3, 0.0018, 1.0)), (3, 4, 5), 0.0009, 0.001,
        (set_to(std=2.0, unit_std=0.0022), set_to(rms=0.0, std=0.0, unit_std=0.0)),
        (set_to(unit_std=None), set_to(unit_std=nan), set_to(std=nan)),
    ),
    "aligned_inputs": Case(
        set_to(cosine=from_layer(4, 0.9991)), (4, 5), 0.9991, 0.999,
        (set_to(cosine=0.999), set_to(cosine=-1.0)),
        (set_to(cosine=None), set_to(cosine=nan)),
    ),
    "shifted_mean": Case(
        set_to(rms=1.0, mean=from_layer(4, -sqrt(0.51)), cosine=0.991), (4, 5), 0.51, 0.5,
        (set_to(rms=1.0, mean=sqrt(0.49), cosine=0.991),),
        (set_to(mean=None), set_to(mean=nan), set_to(rms=nan)),
    ),
    "input_scale": Case(
        with_inputs_of(10.1), (), 10.1, 10.0,
        (with_inputs_of(9.9), with_inputs_of(0.11)),
        (with_inputs_of(None), with_inputs_of(nan)),
    ),
    "uneven_features": Case(
        with_evenness_of(0.04), (), 0.04, 0.05,
        (with_evenness_of(0.06), with_evenness_of(1.0)),
        (with_evenness_of(None), with_evenness_of(nan)),
    ),
    "saturation": Case(
        set_to(saturated_fraction=lambda layer: 0.51 if layer in (2, 4) else 0.1), (2, 4), 0.51, 0.5,
        (set_to(saturated_fraction=0.5),),
        (set_to(saturated_fraction=None), set_to(saturated_fraction=nan)),
        base="tanh",
    ),
    "dead_units": Case(
        set_to(dead_fraction=lambda layer: 0.15 if layer == 2 else 0.0), (2,), 0.15, 0.1,
        (set_to(dead_fraction=0.1), set_to(dead_fraction=0.15, pre_activation__rms=0.0)),
        (set_to(dead_fraction=None), set_to(dead_fraction=nan)),
    ),
    "small_output": Case(
        with_output(0.9e-4), (5,), 0.9e-4, 1e-4,
        (with_output(1.1e-4), with_output(1e9)), (with_output(None), with_output(nan)),
    ),
    "large_output": Case(
        with_output(101.0), (5,), 101, 100,
        (with_output(99.0), with_output(1e-9)), (with_output(None), with_output(nan)),
    ),
    "precision_lost": Case(
        set_to(subnormal_fraction=from_layer(5, 0.011)), (5,), 0.011, 0.01,
        (set_to(subnormal_fraction=0.009), set_to(subnormal_fraction=1.0, rms=0.0)),
        (set_to(subnormal_fraction=nan), set_to(rms=None, subnormal_fraction=1.0)),
    ),
    "update_too_large": Case(
        at_rate(0.5, from_layer(4, 0.21, 0.1)), (4, 5), 0.105, 0.1,
        (at_rate(0.5, 0.19), set_to(weight_gradient__weight_ratio=1e9)),
        (at_rate(0.5, None), at_rate(0.5, nan), with_fields(learning_rate=nan)),
    ),
    "update_too_small": Case(
        at_rate(0.5, from_layer(4, 1.9e-5, 0.1)), (4, 5), 0.95e-5, 1e-5,
        (at_rate(0.5, 2.1e-5), set_to(weight_gradient__weight_ratio=0.0)),
        (at_rate(0.5, None), at_rate(0.5, nan)),
    ),
    "flat_weight_gradient": Case(
        set_to(gradient__rms=between(1e4), weight_gradient__norm=lambda layer: 1 + 8.9 * (layer == 2)),
        (1, 2, 3, 4, 5), 9.9, 10.0,
        (
            set_to(gradient__rms=between(1e4), weight_gradient__norm=lambda layer: 1 + 9.1 * (layer == 2)),
            set_to(gradient__rms=between(0.99 * EDGE), weight_gradient__norm=1.0),
        ),
        (
            set_to(gradient__rms=between(1e4), weight_gradient__norm=None),
            set_to(gradient__rms=between(1e4), weight_gradient__norm=nan),
            set_to(gradient__rms=between(1e4), weight_gradient=None),
        ),
    ),
    "disagrees_with_theory": Case(
        with_fields(theory=builders.ORDERED._replace(disagrees=True)), (), 1, 0.0,
        (with_fields(theory=builders.ORDERED),),
        (with_fields(theory=None), with_fields(theory=builders.DOES_NOT_APPLY)),
    ),
    "combined_risk": Case(
        promising(RULES["combined_risk"].low - 0.01), (), RULES["combined_risk"].low - 0.01, RULES["combined_risk"].low,
        (promising(RULES["combined_risk"].low + 0.01),), (promising(nan),),
    ),
}  # fmt: skip


def found(name, run, rules=RULES):
    """What one rule finds, under the limits of all."""
    alone = {other: replace(rule, enabled=other == name) for other, rule in rules.items()}
    return list(diagnose(run, alone).findings) if name == "combined_risk" else findings(run, alone)
