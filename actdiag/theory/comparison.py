"""Theory that goes along with a run: a step ahead of every layer, and at the end what it says of the whole."""

from collections.abc import Sequence

import numpy as np

from actdiag.arrays import Array, Doubles
from actdiag.measure.statistics import LayerStats
from actdiag.model.stack import Stack
from actdiag.theory.flow import follow, layers_of, why_not
from actdiag.theory.onestep import (
    PreActivationTheory,
    expected,
    expected_gradient,
    flagged,
    is_outlier,
    pre_activations,
)
from actdiag.theory.prediction import predict_along
from actdiag.theory.sampling import InputSample, sample_inputs
from actdiag.theory.summary import extended, summarize
from actdiag.theory.types import LayerEstimates, LayerTheory, StackTheory

IN_A_ROW = 3
"""So many flagged layers in a row, or a share of them all, are no chance."""

_SHARE = 0.05


class TheoryComparison:
    """What theory says of a run while it goes: `record_input`, then `compare` each layer in order, then `report`."""

    def __init__(self, stack: Stack, loss_is_random: bool = True) -> None:
        self._stack = stack
        self._loss_is_random = loss_is_random
        self._reason = why_not(stack)
        self._input: InputSample | None = None
        self._below: InputSample | None = None
        self._arrived: dict[int, PreActivationTheory] = {}
        self._expected: dict[int, LayerEstimates] = {}
        self._flagged: dict[int, tuple[str, ...]] = {}

    def record_input(self, activations: Array, squares: Doubles, cosine: float | None) -> None:
        """Take what theory starts from: the input, the sums of squares of its rows, and their mean cosine."""
        if self._reason is None:
            self._input = self._below = sample_inputs(activations, squares, cosine)
            if self._input is None:
                self._reason = "an input is too large for its squares"

    @np.errstate(all="ignore")
    def compare(self, stats: LayerStats, activations: Array, squares: Doubles, backward: bool) -> None:
        """Compare a layer with what the one below lets expect, and see its activations for the next.

        Args:
            stats: What was measured of the layer.
            activations: a, shape (batch, width).
            squares: The sum of squares of each row of them, shape (batch,).
            backward: Whether a backward pass will ask for the layer again.
        """
        if self._reason is not None:
            return
        if self._below is not None:
            z = pre_activations(self._stack, stats.layer, self._below)
            said = expected(self._stack, stats.layer, z)
            names = flagged(self._stack, said, stats)
            if names:
                self._expected[stats.layer], self._flagged[stats.layer] = said, names
            if backward:
                self._arrived[stats.layer] = _shortened(z)
        known = stats.layer < self._stack.depth and not stats.nonfinite_fraction
        self._below = sample_inputs(activations, squares, stats.cosine) if known else None

    @np.errstate(all="ignore")
    def compare_gradient(self, stats: LayerStats, above: LayerStats, radial: float) -> None:
        """Compare dL/dz of a layer with what that of the layer above lets expect.

        Args:
            stats: What was measured of the layer.
            above: What was measured of the layer above.
            radial: The share of the squares of dL/dz there in the part that points along z.
        """
        z, z_above = self._arrived.get(stats.layer), self._arrived.pop(above.layer, None)
        if z is None or z_above is None or stats.gradient is None or above.gradient is None or not above.gradient.rms:
            return
        said = expected_gradient(self._stack, stats.layer, z, above.gradient.rms, radial, z_above.fit)
        if is_outlier(self._stack, said, stats):
            before = self._expected.get(stats.layer, LayerEstimates())
            self._expected[stats.layer] = before._replace(gradient=said)
            self._flagged[stats.layer] = (*self._flagged.get(stats.layer, ()), "gradient.rms")

    @np.errstate(all="ignore")
    def report(self, layers: Sequence[LayerStats]) -> tuple[StackTheory, tuple[LayerTheory, ...]]:
        """Return what theory says of the stack and, where it applies, of each layer."""
        if self._reason is not None or self._input is None:
            return StackTheory(applies=False, note=self._reason or ""), ()
        gradient = layers[-1].gradient
        top = None if gradient is None or self._loss_is_random else gradient.rms
        recipe = extended(layers_of(self._stack))
        flow = follow(recipe, self._input)
        predicted = predict_along(self._stack, flow, self._input, top)
        theory = summarize(recipe, flow)._replace(disagrees=disagrees(sorted(self._flagged), len(layers)))
        empty = LayerEstimates()
        return theory, tuple(
            LayerTheory(said, self._expected.get(number, empty), self._flagged.get(number, ()))
            for number, said in enumerate(predicted, 1)
        )


def disagrees(numbers: Sequence[int], depth: int) -> bool:
    """Return whether a run with these layers flagged, in ascending order, does not behave as theory says it must."""
    run = longest = 0
    for at, number in enumerate(numbers):
        run = run + 1 if at and numbers[at - 1] == number - 1 else 1
        longest = max(longest, run)
    return longest >= IN_A_ROW or len(numbers) >= max(IN_A_ROW, _SHARE * depth + 1e-9)


def _shortened(z: PreActivationTheory) -> PreActivationTheory:
    """Return what the backward pass needs, without the pairs: two that stand for them."""
    none = np.empty(0)
    c = np.clip(z.c.mean() + z.c.std() * np.array([-1.0, 1.0]), -1, 1) if len(z.c) else none
    return z._replace(first=none, second=none, c=c, below=none)
