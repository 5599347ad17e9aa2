"""Comparison of a run with theory: activations are sampled during the run and compared many layers at a time."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.measure.statistics import GradientStats, LayerStats
from actdiag.model.stack import Stack
from actdiag.theory.flags import flagged, is_outlier
from actdiag.theory.flow import follow
from actdiag.theory.often_bent import REASON
from actdiag.theory.onestep import expected, expected_gradients
from actdiag.theory.pre_activations import PreActivationTheory, pre_activations
from actdiag.theory.prediction import predict_along
from actdiag.theory.recipe import layers_of, why_not
from actdiag.theory.sampling import InputSample, sample_inputs
from actdiag.theory.summary import extended, summarize
from actdiag.theory.tables import tables
from actdiag.theory.types import LayerEstimates, LayerTheory, StackTheory

IN_A_ROW = 3
"""A run disagrees with theory if this many consecutive layers are flagged, or a share of all layers."""

_SHARE = 0.05
_TYPICAL = 0.3
"""Where the gradient of the median input is under this share of the rms of all, a few inputs have nearly all of it."""

_AT_ONCE = 64
"""Layers that are recorded before they are compared, so that memory does not grow with depth."""


class _ForGradients(NamedTuple):
    """A layer in the backward pass: its place in a PreActivationTheory of several layers."""

    z: PreActivationTheory
    place: int


class _GradientRecord(NamedTuple):
    """A layer's statistics, the rms of dL/dz of the layer above and the share of it that points along z there."""

    stats: LayerStats
    above: float
    along: float


class TheoryComparison:
    """What theory says of a run: record the input, each layer in order, gradients from the last, then `report`."""

    def __init__(self, stack: Stack, loss_is_random: bool = True) -> None:
        self._stack = stack
        self._loss_is_random = loss_is_random
        self._reason = why_not(stack)
        self._recipe = None if self._reason else layers_of(stack)
        self._input: InputSample | None = None
        self._below: InputSample | None = None
        self._layers: list[tuple[LayerStats, InputSample]] = []
        self._gradients: list[_GradientRecord] = []
        self._backward: dict[int, _ForGradients] = {}
        self._expected: dict[int, LayerEstimates] = {}
        self._flagged: dict[int, tuple[str, ...]] = {}
        self._keeps_backward = False

    def record_input(self, activations: Array, squares: Doubles, cosine: float | None) -> None:
        """Record the input.

        Args:
            activations: The inputs, shape (batch, features).
            squares: The sum of squares of each row, shape (batch,).
            cosine: The mean cosine between different rows.
        """
        if self._reason is None:
            self._input = self._below = sample_inputs(activations, squares, cosine)
            if self._input is None:
                self._reason = "an input is too large for its squares"

    def record_layer(self, stats: LayerStats, activations: Array, squares: Doubles, backward: bool) -> None:
        """Record a layer, to be compared with the expectation from the layer below.

        Args:
            stats: What was measured of the layer.
            activations: a, shape (batch, width).
            squares: The sum of squares of each row of them, shape (batch,).
            backward: Whether a backward pass will follow.
        """
        if self._reason is not None:
            return
        self._keeps_backward = backward
        if self._below is not None:
            self._layers.append((stats, self._below))
            if len(self._layers) >= _AT_ONCE:
                self._compare_layers()
        sampled = stats.layer < self._stack.depth and not stats.nonfinite_fraction
        self._below = sample_inputs(activations, squares, stats.cosine) if sampled else None

    def record_gradient(self, stats: LayerStats, above: LayerStats, along: float) -> None:
        """Record the gradient of a layer, to be compared with the expectation from the layer above.

        Args:
            stats: What was measured of the layer.
            above: What was measured of the layer above.
            along: The share of the squares of dL/dz there in the part that points along z.
        """
        if self._reason is not None or stats.gradient is None or above.gradient is None or _of_few(stats.gradient):
            return
        if above.gradient.rms:
            self._gradients.append(_GradientRecord(stats, above.gradient.rms, along))
            if len(self._gradients) >= _AT_ONCE:
                self._compare_gradients()

    @np.errstate(all="ignore")
    def report(self, layers: Sequence[LayerStats]) -> tuple[StackTheory, tuple[LayerTheory, ...]]:
        """Return what theory says of the stack and, where it applies, of each layer."""
        self._compare_layers()
        self._compare_gradients()
        if self._reason is not None or self._input is None or self._recipe is None:
            return StackTheory(applies=False, note=self._reason or ""), ()
        gradient = layers[-1].gradient
        top = None if gradient is None or self._loss_is_random else gradient.rms
        further = extended(self._recipe)
        flow = follow(further, self._input)
        predicted = predict_along(self._recipe, flow, self._input, top)
        theory = summarize(further, flow, predicted)._replace(disagrees=disagrees(sorted(self._flagged), len(layers)))
        empty = LayerEstimates()
        return theory, tuple(
            LayerTheory(prediction, self._expected.get(number, empty), self._flagged.get(number, ()))
            for number, prediction in enumerate(predicted, 1)
        )

    def _compare_layers(self) -> None:
        """Compare the recorded layers with one step of theory each."""
        if not self._layers or self._recipe is None or self._reason is not None:
            return
        recorded, self._layers = self._layers, []
        numbers = [stats.layer for stats, _ in recorded]
        z = pre_activations(self._recipe, numbers, [sample for _, sample in recorded])
        if not tables(z.act).knows(z.q):
            self._reason = REASON
            return
        for (stats, _), expectation in zip(recorded, expected(self._recipe, z), strict=True):
            names = flagged(self._stack.format, expectation, stats)
            if names:
                self._expected[stats.layer], self._flagged[stats.layer] = expectation, names
        if self._keeps_backward:
            shortened = _shortened(z)
            self._backward.update((number, _ForGradients(shortened, at)) for at, number in enumerate(numbers))

    def _compare_gradients(self) -> None:
        """Compare the recorded gradients with one step of theory each."""
        self._compare_layers()
        if not self._gradients or self._recipe is None:
            return
        recorded, self._gradients = self._gradients, []
        recorded = [one for one in recorded if {one.stats.layer, one.stats.layer + 1} <= self._backward.keys()]
        if not recorded:
            return
        known = [(self._backward[one.stats.layer], self._backward[one.stats.layer + 1]) for one in recorded]
        numbers = [one.stats.layer for one in recorded]
        fits = np.array([above.z.fit[above.place] for _, above in known])
        said = expected_gradients(
            _together([here for here, _ in known]),
            back=fits * np.array([self._recipe.back[number] for number in numbers]),
            columns=np.array([float(self._recipe.widths[number]) for number in numbers]),
            above=np.array([one.above for one in recorded]),
            along=np.array([one.along for one in recorded]),
        )
        for one, expectation in zip(recorded, said, strict=True):
            number = one.stats.layer
            self._backward.pop(number + 1)
            if is_outlier(self._stack.format, expectation, one.stats):
                before = self._expected.get(number, LayerEstimates())
                self._expected[number] = before._replace(gradient=expectation)
                self._flagged[number] = (*self._flagged.get(number, ()), "gradient.rms")


def disagrees(numbers: Sequence[int], depth: int) -> bool:
    """Return whether a run with these layers flagged, in ascending order, disagrees with theory."""
    run = longest = 0
    for at, number in enumerate(numbers):
        run = run + 1 if at and numbers[at - 1] == number - 1 else 1
        longest = max(longest, run)
    return longest >= IN_A_ROW or len(numbers) >= max(IN_A_ROW, _SHARE * depth + 1e-9)


def _shortened(z: PreActivationTheory) -> PreActivationTheory:
    """Return what the backward pass needs, with two pairs that represent all pairs of each layer."""
    nothing = np.empty((len(z.q), 0))
    known = ~np.isnan(z.c)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, z.c, 0).sum(axis=1) / count
        std = np.sqrt(np.where(known, np.square(z.c - mean[:, np.newaxis]), 0).sum(axis=1) / count)
    c = np.clip(np.column_stack([mean - std, mean + std]), -1, 1)
    return z._replace(first=nothing, second=nothing, c=c, below=nothing)


def _together(parts: Sequence[_ForGradients]) -> PreActivationTheory:
    """Return layers from several PreActivationTheory as one."""
    groups = max(part.z.q.shape[1] for part in parts)

    def filled(rows: list[Doubles], fill: bool) -> Doubles:
        return np.array([np.pad(row, (0, groups - len(row)), "edge" if fill else "constant") for row in rows])

    z = parts[0].z
    return z._replace(
        q=filled([part.z.q[part.place] for part in parts], fill=True),
        shares=filled([part.z.shares[part.place] for part in parts], fill=False),
        c=np.array([part.z.c[part.place] for part in parts]),
        fit=np.array([part.z.fit[part.place] for part in parts]),
        cosine_below=np.array([part.z.cosine_below[part.place] for part in parts]),
        width=np.array([part.z.width[part.place] for part in parts]),
    )


def _of_few(gradient: GradientStats) -> bool:
    """Return whether a few inputs have nearly all of a gradient, so that it is no mean over the batch."""
    return (gradient.typical_rms or 0.0) < _TYPICAL * (gradient.rms or 0.0)
