"""Whether a gain does what theory predicts: stacks with it are run and compared with the prediction."""

from dataclasses import replace
from math import isfinite, log, nan, sqrt
from typing import NamedTuple

import numpy as np

from actdiag import initializers
from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.engine.losses import Loss
from actdiag.errors import check_integer
from actdiag.experiments.run import Progress, run_grad_flow, run_settings
from actdiag.experiments.trained_gain import Trained
from actdiag.model.stack import MOST_LAYERS, MOST_SEED, Stack
from actdiag.options import DEFAULT_BUDGET, VerifyOptions
from actdiag.theory.critical import next_q
from actdiag.theory.gaussian import moments

SEEDS = 5
"""Number of stacks that are run. Their logarithms are averaged: at finite width a single stack deviates from theory."""

_BATCH = 256


class LayerCheck(NamedTuple):
    """One layer, predicted and measured.

    Attributes:
        layer: Its number, from 1.
        predicted_rms: The rms of z by the length map, from inputs N(0, 1); None if it is not finite.
        measured_rms: Its geometric mean over the stacks; None if any is zero or not finite.
        rms_spread: The factor by which single stacks deviate from that (exp of the sd of the logarithm).
        predicted_ratio: The rms of dL/dz over that of the last layer.
        measured_ratio: Its geometric mean over the stacks.
        ratio_spread: As `rms_spread`.
    """

    layer: int
    predicted_rms: float | None
    measured_rms: float | None
    rms_spread: float | None
    predicted_ratio: float | None
    measured_ratio: float | None
    ratio_spread: float | None


class Verification(NamedTuple):
    """A gain, tried.

    Attributes:
        depth: The number of layers of the stacks.
        width: The units per layer.
        seeds: The seeds of the stacks.
        layers: Prediction and measurement of each layer.
        trained: What became of a stack that was trained under it; None where none was.
    """

    depth: int
    width: int
    seeds: tuple[int, ...]
    layers: tuple[LayerCheck, ...]
    trained: Trained | None = None


def verify(
    act: Activation,
    gain: float,
    bias_std: float,
    *,
    depth: int = VerifyOptions.depth,
    width: int = VerifyOptions.width,
    seed: int = VerifyOptions.seed,
    threads: int | None = VerifyOptions.threads,
    progress: Progress | None = None,
) -> Verification:
    """Run stacks with weights N(0, gain^2 / fan_in) and biases N(0, bias_std^2) and compare them with theory.

    Raises:
        InvalidField: A field holds something that is not accepted.
    """
    check_integer("depth", depth, 1, MOST_LAYERS)
    check_integer("seed", seed, 0, MOST_SEED - SEEDS)
    stack = Stack(
        act=act,
        init=initializers.resolve("lecun"),
        widths=(width,) * depth,
        input="normal",
        input_width=width,
        batch=_BATCH,
        gain=gain,
        bias_std=bias_std,
    )
    seeds = tuple(range(seed, seed + SEEDS))
    rms, ratio = np.empty((2, SEEDS, depth))
    for run, one_seed in enumerate(seeds):

        def step(done: int, total: int, run: int = run) -> None:
            if progress is not None:
                progress(run * total + done, SEEDS * total)

        settings = run_settings(threads=threads, progress=step, theory=False)
        report = run_grad_flow(replace(stack, seed=one_seed), Loss(), DEFAULT_BUDGET, settings, fixed=("batch",))
        rms[run] = [_log(layer.pre_activation.rms) for layer in report.layers]
        ratio[run] = [_log(layer.gradient.ratio if layer.gradient else None) for layer in report.layers]
    predicted_rms, predicted_ratio = predicted(act, gain, bias_std, depth)
    layers = [
        LayerCheck(number + 1, one_rms, *_mean(rms[:, number]), one_ratio, *_mean(ratio[:, number]))
        for number, (one_rms, one_ratio) in enumerate(zip(predicted_rms, predicted_ratio, strict=True))
    ]
    return Verification(depth, width, seeds, tuple(layers))


def predicted(
    act: Activation, gain: float, bias_std: float, depth: int
) -> tuple[list[float | None], list[float | None]]:
    """Return the rms of z of every layer, and that of dL/dz over the last layer's, by theory from inputs N(0, 1).

    None stands for a number that is not finite, and for all of an activation whose units look at several
    pre-activations.
    """
    if act.derivative is None:
        return [None] * depth, [None] * depth
    q, rms, growth = gain**2 + bias_std**2, np.full(depth, nan), np.full(depth, nan)
    for number in range(depth):
        if not isfinite(q):
            break
        rms[number], growth[number] = sqrt(q), gain**2 * moments(act, q).slope
        q = next_q(act, gain, bias_std, q)
    # dL/dz of a layer is that of the next layer times the slopes of this one; the last layer has no next.
    ratio = np.sqrt(np.cumprod([1.0, *growth[-2::-1]])[::-1])
    return _finite(rms), _finite(ratio)


def _finite(values: Doubles) -> list[float | None]:
    return [value if isfinite(value) else None for value in values.tolist()]


def _log(value: float | None) -> float:
    return log(value) if value else nan


def _mean(logs: Doubles) -> tuple[float | None, float | None]:
    """Return the geometric mean and the geometric standard deviation of numbers by their logarithms."""
    if not np.isfinite(logs).all():
        return None, None
    return float(np.exp(np.mean(logs))), float(np.exp(np.std(logs, ddof=1)))
