"""What theory says of a stack: predicted numbers with their spread at finite width, and the phase."""

from typing import Literal, NamedTuple

Phase = Literal["ordered", "critical", "chaotic"]
Stability = Literal["stable", "marginal", "unstable"]


class Estimate(NamedTuple):
    """A predicted number.

    Attributes:
        value: What is predicted.
        sd: The standard deviation of runs of the stack's width and batch; None where it is not known.
    """

    value: float
    sd: float | None


class PreActivationEstimates(NamedTuple):
    """Of z."""

    mean: Estimate | None = None
    std: Estimate | None = None
    rms: Estimate | None = None


class GradientEstimates(NamedTuple):
    """Of dL/dz: its rms, and that over the last layer's."""

    rms: Estimate | None = None
    ratio: Estimate | None = None


class LayerEstimates(NamedTuple):
    """What theory says of one layer, under the names of the statistics that are measured; None where it says nothing.

    Attributes:
        mean: Of the activations.
        std: Their std.
        rms: The root of their second moment.
        unit_std: Each unit's std over the inputs, averaged over units.
        zero_fraction: Exact zeros.
        dead_fraction: Units that are dead on the whole batch.
        saturated_fraction: Entries on a plateau that counts as saturation.
        cosine: Mean cosine between the activations of different inputs.
        pre_activation: The same of z.
        gradient: Of dL/dz; empty without a backward pass.
        chi1: The factor by which the second moment of dL/dz grows from this layer's activations to its inputs.
    """

    mean: Estimate | None = None
    std: Estimate | None = None
    rms: Estimate | None = None
    unit_std: Estimate | None = None
    zero_fraction: Estimate | None = None
    dead_fraction: Estimate | None = None
    saturated_fraction: Estimate | None = None
    cosine: Estimate | None = None
    pre_activation: PreActivationEstimates = PreActivationEstimates()
    gradient: GradientEstimates = GradientEstimates()
    chi1: float | None = None


class LayerTheory(NamedTuple):
    """What theory says of one measured layer.

    Attributes:
        predicted: From the recipe alone, from the input on; not a test, since deviations of a run accumulate.
        expected: From what was measured of the layer before (of dL/dz: the layer after), one step of theory; kept where
            something is flagged, empty elsewhere.
        flagged: The names of the measured numbers that are over 4 sd from what was expected, dotted where nested
            (`std`, `pre_activation.rms`, `gradient.rms`).
    """

    predicted: LayerEstimates = LayerEstimates()
    expected: LayerEstimates = LayerEstimates()
    flagged: tuple[str, ...] = ()


class Horizon(NamedTuple):
    """Layers until something is lost, by theory; None where it is not within 100,000 layers.

    Attributes:
        signal: Until the rms of the activations has changed 1000-fold.
        gradient: Until that of dL/dz has.
        inputs: Until 1 - cosine between inputs is under 0.001.
        float16: Until activations under- or overflow there.
        bfloat16: Likewise.
        float32: Likewise.
    """

    signal: int | None = None
    gradient: int | None = None
    inputs: int | None = None
    float16: int | None = None
    bfloat16: int | None = None
    float32: int | None = None


class StackTheory(NamedTuple):
    """What theory says of a stack as a whole.

    Attributes:
        applies: Whether mean-field theory describes the stack; where not, all else is empty.
        note: In words: why theory does not apply, or where the signal goes (a fixed point, none, several, divergence).
        phase: `ordered` (chi1 < 1: gradients vanish, inputs align), `critical`, `chaotic` (chi1 > 1); None where the
            signal settles nowhere.
        stable: Whether the fixed point attracts: `stable` (chiq < 1), `marginal` or `unstable`.
        q: Second moment of z at the fixed point that the signal goes to; None where there is none or every q is one.
        c: Correlation of two inputs at the fixed point that it goes to.
        chi1: Factor of the gradient's second moment per layer there.
        chiq: Factor of a small deviation of q per layer there.
        xi_q: Depth scale of q, in layers; None where deviations do not decay.
        xi_c: Depth scale of c, in layers; likewise.
        horizon: Layers until something is lost.
        disagrees: Whether the run as a whole disagrees with theory.
    """

    applies: bool
    note: str
    phase: Phase | None = None
    stable: Stability | None = None
    q: float | None = None
    c: float | None = None
    chi1: float | None = None
    chiq: float | None = None
    xi_q: float | None = None
    xi_c: float | None = None
    horizon: Horizon = Horizon()
    disagrees: bool = False
