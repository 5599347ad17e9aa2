"""The statistics of a layer: what each number is, in one place."""

from dataclasses import dataclass

from actdiag.measure.histograms import Histogram


@dataclass(frozen=True, slots=True)
class PreActivationStats:
    """Of z: moments over the finite entries (None where there are none), and the share that is not finite."""

    mean: float | None
    std: float | None
    rms: float | None
    min: float | None
    max: float | None
    nonfinite_fraction: float


@dataclass(frozen=True, slots=True)
class GradientStats:
    """Of dL/dz at one layer.

    Attributes:
        rms: Root mean square over the finite entries; None where there are none.
        ratio: rms over that of the last layer; None where that is zero or none.
        zero_fraction: Exact zeros, per entry.
        nonfinite_fraction: NaN and inf, per entry.
        magnitude: Histogram of log10 |dL/dz|, one bin a decade.
        typical_rms: rms of what does not lie along z, for the median input: a few inputs may have nearly all of the
            gradient. None where it is not finite.
        along_z_fraction: The share of the sum of squares that lies along z, input by input. That part only rescales
            the layer for an input and does not help to tell inputs apart; 0 where it is not known.
    """

    rms: float | None
    ratio: float | None
    zero_fraction: float
    nonfinite_fraction: float
    magnitude: Histogram
    typical_rms: float | None = None
    along_z_fraction: float = 0.0


@dataclass(frozen=True, slots=True)
class WeightGradientStats:
    """Of dL/dW: its Frobenius norm, and that over the norm of W; None where an entry is not finite or W is zero."""

    norm: float | None
    weight_ratio: float | None


@dataclass(frozen=True, slots=True)
class BiasGradientStats:
    """Of dL/db: its norm; None where an entry is not finite."""

    norm: float | None


@dataclass(frozen=True, slots=True)
class LayerStats:
    """What was measured of one layer. Moments are over the finite entries, None where there are none.

    Attributes:
        layer: The layer's number, from 1.
        width: Its units.
        mean: Mean of the activations.
        std: Their std, ddof 0, over batch and units together.
        rms: Root of their second moment.
        min: The least.
        max: The greatest.
        unit_std: Each unit's std over the inputs, averaged over the units; None at batch 1. Pooled std hides collapse.
        zero_fraction: Exact zeros, per entry. Half is what a healthy ReLU has.
        dead_fraction: Units with |f'(z)| <= 1e-6 min(1, sup |f'|) for every input; None for structured activations.
        saturated_fraction: Entries with |f'(z)| under 1 % of its supremum on a side that the activation names; None
            where it names none.
        silent_fraction: Inputs for which every unit is without slope, as for `dead_fraction`; None likewise.
        nonfinite_fraction: NaN and inf, per entry.
        subnormal_fraction: Entries other than zero under the dtype's smallest normal number.
        cosine: Mean cosine over pairs of different inputs; None under two inputs with activations other than zero.
        slope_rms: Root of the mean of f'(z)^2 over the first rows of the batch: the factor that the layer's activation
            has on a random gradient; None where it is not finite.
        pre_activation: The same of z.
        histogram: Of the activations, on one axis for all layers.
        magnitude: Of log10 |a|, one bin a decade.
        gradient: Of dL/dz, where a backward pass was run.
        weight_gradient: Of dL/dW, likewise.
        bias_gradient: Of dL/db, likewise.
        slope_gradient: dL/dslope of an activation whose slope is learned, likewise.
    """

    layer: int
    width: int
    mean: float | None
    std: float | None
    rms: float | None
    min: float | None
    max: float | None
    unit_std: float | None
    zero_fraction: float
    dead_fraction: float | None
    saturated_fraction: float | None
    nonfinite_fraction: float
    subnormal_fraction: float
    cosine: float | None
    slope_rms: float | None
    pre_activation: PreActivationStats
    histogram: Histogram
    magnitude: Histogram
    gradient: GradientStats | None = None
    weight_gradient: WeightGradientStats | None = None
    bias_gradient: BiasGradientStats | None = None
    slope_gradient: float | None = None
    silent_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class ChangePerLayer:
    """The geometric mean factor from one layer to the next; None under two layers to measure it on.

    Attributes:
        forward: Of rms(a), towards the last layer.
        backward: Of rms(dL/dz), towards the first layer: above 1 where gradients grow; None without a backward pass.
    """

    forward: float | None
    backward: float | None


@dataclass(frozen=True, slots=True)
class InputStats:
    """Statistics of the inputs.

    Attributes:
        cosine: Mean cosine over pairs of different inputs; None under two inputs other than zero.
        rms: Root mean square of their entries; None where it is not known.
        evenness: How evenly the features of given inputs share the sum of squares, from 0 where one has all to 1; None
            for a single feature and for inputs that are drawn.
    """

    cosine: float | None = None
    rms: float | None = None
    evenness: float | None = None


@dataclass(frozen=True, slots=True)
class LossValue:
    """The loss that a backward pass started from.

    Attributes:
        name: `random`, `mse` or `cross-entropy`.
        classes: Of the readout; None for `random`, which has none.
        value: The loss over the batch; None where it is not finite.
    """

    name: str
    classes: int | None
    value: float | None
