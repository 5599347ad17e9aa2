"""Comparison of a run of a network of ops with theory: each node from measurements of the values that it reads."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles
from actdiag.engine.values import last_readers
from actdiag.measure.statistics import LayerStats
from actdiag.model.stack import Stack
from actdiag.theory.comparison import disagrees
from actdiag.theory.flags import flagged, is_outlier
from actdiag.theory.gradient_fluctuations import spreads_of_slopes
from actdiag.theory.maps import predict_nodes
from actdiag.theory.nodes import LINEAR, weights_of
from actdiag.theory.often_bent import REASON
from actdiag.theory.onestep import expected
from actdiag.theory.pre_activations import PreActivationTheory, pre_activations
from actdiag.theory.recipe import Layers, unlike_theory
from actdiag.theory.sampling import InputSample, sample_inputs
from actdiag.theory.shifting import shifted_activation
from actdiag.theory.tables import tables
from actdiag.theory.types import (
    Estimate,
    GradientEstimates,
    LayerEstimates,
    LayerTheory,
    PreActivationEstimates,
    StackTheory,
)

_NOTE = "moments of every op in turn; a network of ops is not followed to a fixed point"
_MEAN_SHARE = 1e-2
"""Share of a second moment that the mean of a branch may have before gradients that meet below it are not compared."""


class NetworkComparison:
    """What theory says of a run of ops: record the input, each node in order, then `report`."""

    def __init__(self, stack: Stack, loss_is_random: bool = True) -> None:
        self._stack, self._loss_is_random = stack, loss_is_random
        self._reason = _why_not(stack)
        self._readers = last_readers(stack.nodes)
        self._all_readers: dict[int, list[int]] = {}
        for number, node in enumerate(stack.nodes, 1):
            for value in set(node.reads):
                self._all_readers.setdefault(value, []).append(number)
        self._last_draw = [0]
        for node in stack.nodes:
            self._last_draw.append(node.draw or max(self._last_draw[abs(value)] for value in node.reads))
        self._samples: dict[int, InputSample | None] = {}
        self._input: InputSample | None = None
        self._input_mean = 0.0
        self._measured: dict[int, LayerStats] = {}
        self._z: dict[int, PreActivationTheory] = {}
        self._expected: dict[int, LayerEstimates] = {}
        self._flagged: dict[int, tuple[str, ...]] = {}

    def record_input(self, activations: Array, squares: Doubles, cosine: float | None) -> None:
        """Record what theory starts from: the input, the sums of squares of its rows, and their mean cosine."""
        if self._reason is None:
            self._input = self._samples[0] = sample_inputs(activations, squares, cosine)
            self._input_mean = float(activations.mean(dtype=np.float64))
            if self._input is None:
                self._reason = "an input is too large for its squares"

    @np.errstate(all="ignore")
    def record_layer(self, stats: LayerStats, activations: Array, squares: Doubles, backward: bool) -> None:
        """Compare a node with what the values that it reads let expect.

        Args:
            stats: What was measured of the node.
            activations: a, shape (batch, units).
            squares: The sum of squares of each row of them, shape (batch,).
            backward: Whether gradients will be compared too.
        """
        number = stats.layer
        self._measured[number] = stats
        if self._reason is not None:
            return
        node = self._stack.nodes[number - 1]
        said = self._of_weights(number) if node.draw is not None else self._of_sum(number)
        names = () if said is None else flagged(self._stack.format, said, stats)
        if said is not None and names:
            self._expected[number], self._flagged[number] = said, names
        if self._readers.get(number, 0) > number and not stats.nonfinite_fraction:
            self._samples[number] = sample_inputs(activations, squares, stats.cosine)

    def _of_weights(self, number: int) -> LayerEstimates | None:
        node = self._stack.nodes[number - 1]
        act, sample = node.site.act or LINEAR, self._samples.get(node.reads[0])
        if sample is None or act.derivative is None:
            return None
        recipe = _recipe_of(self._stack, number, act)
        z = pre_activations(recipe, [1], [sample])
        if not tables(z.act).knows(z.q):
            self._reason = REASON
            return None
        self._z[number] = z
        return expected(recipe, z)[0]

    def _of_sum(self, number: int) -> LayerEstimates | None:
        """Return what is expected of the sum of two values, the second of which went through random weights."""
        node = self._stack.nodes[number - 1]
        if len(node.reads) != 2 or not self._has_own_weights(number):
            return None
        (x, x_mean, x_cosine), (y, y_mean, y_cosine) = (self._moments(value) for value in node.reads)
        second, width, batch = x + y + 2 * x_mean * y_mean, node.site.units, self._stack.batch
        # The products of x and y over the units are as alike for two inputs as the inputs are, in either value.
        sample = self._samples.get(node.reads[0])
        spread = 1 / width if sample is None or not len(sample.cosines) else float(np.mean(np.square(sample.cosines)))
        alike = (1 - 1 / batch) * max(x_cosine * y_cosine, spread) + 1 / batch
        sd = sqrt(x * y * alike / width / second) if second > 0 else 0.0
        rms = sqrt(max(second, 0.0))
        of_z = PreActivationEstimates(rms=Estimate(rms, sd))
        return LayerEstimates(rms=Estimate(rms, sd) if node.site.act is None else None, pre_activation=of_z)

    def _has_own_weights(self, number: int) -> bool:
        """Return whether the second value that a node reads went through random weights that the first did not."""
        x, y = (self._last_draw[abs(value)] for value in self._stack.nodes[number - 1].reads)
        return y > x

    def _moments(self, value: int) -> tuple[float, float, float]:
        """Return the second moment, the mean and the cosine that were measured of a value."""
        if value == 0:
            assert self._input is not None
            return float(np.dot(self._input.shares, self._input.seconds)), self._input_mean, self._input.cosine
        stats = self._measured[abs(value)]
        of = stats.pre_activation if value < 0 else stats
        return (of.rms or 0.0) ** 2, of.mean or 0.0, 1.0 if value < 0 or stats.cosine is None else stats.cosine

    def record_gradient(self, stats: LayerStats, above: LayerStats, along: float) -> None:
        """Leave gradients to the report, for those of several nodes may meet in one."""

    def _compare_gradient(self, stats: LayerStats, layers: Sequence[LayerStats]) -> None:
        """Compare dL/dz of a node with what those of the nodes that read it let expect.

        Args:
            stats: What was measured of the node.
            layers: What was measured of all nodes.
        """
        number, stack = stats.layer, self._stack
        act = stack.nodes[number - 1].site.act
        both = self._gradient_at(number, layers), self._gradient_at(-number, layers)
        if None in both or (act is not None and number not in self._z):
            return
        at_a, at_z = (value or 0.0 for value in both)
        slope, own = 1.0, 0.0
        if act is not None:
            z = self._z[number]
            slope = float(z.average(tables(z.act).curves(z.q).slope)[0])
            own = float(spreads_of_slopes(z.batches())[0])
        second = slope * at_a + at_z
        if not second:
            return
        # In so many dimensions even unrelated gradients have a squared cosine of 1/width.
        width = stack.widths[number - 1]
        together = 1 / stack.batch + 1 / width if self._loss_is_random else 1.0
        noise = sqrt(2 * together / width)
        relative = sqrt((own * slope * at_a / second) ** 2 + (noise / 2) ** 2)
        said = GradientEstimates(rms=Estimate(sqrt(second), sqrt(second) * relative))
        if is_outlier(stack.format, said, stats):
            before = self._expected.get(number, LayerEstimates())
            self._expected[number] = before._replace(gradient=said)
            self._flagged[number] = (*self._flagged.get(number, ()), "gradient.rms")

    def _gradient_at(self, value: int, layers: Sequence[LayerStats]) -> float | None:
        """Return the expected second moment of the gradient at a value; None where theory expects none."""
        total = 0.0
        for number in self._all_readers.get(value, ()):
            node = self._stack.nodes[number - 1]
            gradient = layers[number - 1].gradient
            if gradient is None or gradient.rms is None or gradient.nonfinite_fraction:
                return None
            weights = weights_of(self._stack, number, node)
            if weights is None and len(node.reads) > 1 and self._adds_a_mean(node.reads[1]):
                return None
            factor = node.op.gradient_factor(node.reads.index(value)) if weights is None else weights.backward
            total += gradient.rms**2 * factor
        return total

    def _adds_a_mean(self, value: int) -> bool:
        second, mean, _ = self._moments(value)
        return mean**2 > _MEAN_SHARE * second

    @np.errstate(all="ignore")
    def report(self, layers: Sequence[LayerStats]) -> tuple[StackTheory, tuple[LayerTheory, ...]]:
        """Return what theory says of the network and, where it applies, of each node."""
        if self._reason is not None or self._input is None:
            return StackTheory(applies=False, note=self._reason or ""), ()
        gradient = layers[-1].gradient
        for stats in layers[:-1] if gradient is not None else ():
            self._compare_gradient(stats, layers)
        top = None if gradient is None or self._loss_is_random else gradient.rms
        predicted = predict_nodes(self._stack, self._input, self._input_mean, top, backward=gradient is not None)
        said = disagrees(sorted(self._flagged), len(layers))
        note = f"{_NOTE}; {predicted.note}" if predicted.note else _NOTE
        if self._stack.weights is not None:
            note = predicted.note
        empty = LayerEstimates()
        return StackTheory(applies=True, note=note, disagrees=said), tuple(
            LayerTheory(one, self._expected.get(number, empty), self._flagged.get(number, ()))
            for number, one in enumerate(predicted.layers, 1)
        )


def _recipe_of(stack: Stack, number: int, act: Activation) -> Layers:
    """Return one node as theory has a stack of one layer."""
    node = stack.nodes[number - 1]
    weights = weights_of(stack, number, node)
    assert weights is not None
    loose = max(1 - node.site.columns / node.site.fan_in, 0.0) if stack.init.family == "orthogonal" else 1.0
    return Layers(
        act=shifted_activation(act, weights.bias_mean),
        centre=weights.bias_mean,
        loose=[loose],
        fitted=False,
        weight=[weights.forward],
        back=[weights.backward],
        bias=[weights.bias_variance],
        widths=(node.site.units,),
        batch=stack.batch,
        dtype=stack.dtype,
    )


def _why_not(stack: Stack) -> str | None:
    if stack.weights is not None:
        return (
            None if stack.act.derivative is not None else f"a unit of {stack.act.name} looks at several pre-activations"
        )
    if not stack.init.mean_field or any(stack.weight_std(number) == 0 for number in stack.weight_layers[:1]):
        return unlike_theory(stack.init)
    if stack.init.fits_batch:
        return f"the weights of {stack.init.name} are fitted to the batch"
    return None
