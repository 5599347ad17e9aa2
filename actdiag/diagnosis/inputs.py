"""Rules on inputs: whether they come in at a scale to train on, and whether the layers still tell them apart."""

from collections.abc import Iterable

from actdiag.diagnosis.lost import recipe_of
from actdiag.diagnosis.rule import Found, Measured, Rule
from actdiag.diagnosis.wording import STANDARDIZE, centre, name_layers
from actdiag.measure.statistics import LayerStats
from actdiag.measurements import Measurements
from actdiag.numerals import brief_percent

ALIGNED = 0.999
"""Inputs whose activations have a greater mean cosine can hardly be told apart."""

COLLAPSED = 1e-3
"""A unit's std over the inputs under this share of the pooled std says that units differ but inputs do not."""

SHIFTED = 0.5
"""All entries may have this share of their second moment in common; a healthy ReLU has 1/pi."""

NEARLY_ALIGNED = 0.99
"""Over this mean cosine a shared mean has taken the place of what tells inputs apart."""

SMALL_INPUT, LARGE_INPUT = 0.1, 10.0
"""The rms that inputs may have; initializers are made for 1."""


def _cosines(run: Measurements) -> Iterable[Measured]:
    for stats in run.layers:
        if stats.cosine is not None:
            yield Measured((stats.layer,), stats.cosine)


def _aligned_said(found: Found) -> str:
    where = name_layers(found.layers)
    return f"different inputs give parallel activations in {where} (cosine {found.value:.6f})"


def _spread_left(run: Measurements) -> Iterable[Measured]:
    for stats in run.layers:
        if stats.rms and stats.unit_std is not None:
            yield Measured((stats.layer,), stats.unit_std / stats.std if stats.std else 0.0)


def _collapsed_said(found: Found) -> str:
    where = name_layers(found.layers)
    return f"units hardly depend on the input in {where}: unit_std is {found.value:.2g} of std"


def _common(run: Measurements) -> Iterable[Measured]:
    """The share of each layer's second moment that the mean over all entries makes."""
    for stats in run.layers:
        if stats.rms and stats.mean is not None:
            yield Measured((stats.layer,), min((stats.mean / stats.rms) ** 2, 1.0))


def _apart(run: Measurements, measured: Measured) -> bool:
    return (_layer(run, measured).cosine or 0.0) <= NEARLY_ALIGNED


def _layer(run: Measurements, measured: Measured) -> LayerStats:
    return run.layers[measured.layers[0] - 1]


def _common_said(found: Found) -> str:
    where, mean = name_layers(found.layers), found.run.layers[found.layers[-1] - 1].mean
    at = f"mean {mean:.3g} at layer {found.layers[-1]}"
    return f"up to {brief_percent(found.value)} of the second moment is one mean that all share in {where} ({at})"


def _centre(found: Found) -> str:
    return centre(recipe_of(found.run), found.run.layers[found.layers[0] - 1])


def _scale_of_input(run: Measurements) -> Iterable[Measured]:
    if run.input.rms is not None:
        yield Measured((), run.input.rms)


def _input_said(found: Found) -> str:
    return f"the inputs have an rms of {found.value:.3g}, for which no initializer is made (limit {found.limit:g})"


def _standardize(found: Found) -> str:
    return STANDARDIZE


ALIGNED_INPUTS = Rule(
    name="aligned_inputs",
    title="Different inputs look alike",
    quantity="mean cosine between the activations of different inputs",
    high=ALIGNED,
    measure=_cosines,
    summary=_aligned_said,
    advice=_centre,
    explanation=(
        "The activations of any two inputs point the same way: the layers above get one vector, and small differences "
        "from it, for everything. In the ordered phase cosines go to 1 exponentially with depth; under a critical "
        "ReLU they do so slowly, as 1/depth^2."
    ),
    remedy="Fewer layers, smaller biases, an activation centred on zero such as tanh, or --gain auto.",
    source=(
        "Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232; the limit is a rule of thumb"
    ),
    mark="aligned",
)

COLLAPSED_INPUTS = Rule(
    name="collapsed_inputs",
    title="Units ignore the input",
    quantity="each unit's std over the inputs, averaged over the units, over the std of all entries",
    low=COLLAPSED,
    measure=_spread_left,
    summary=_collapsed_said,
    advice=_centre,
    explanation=(
        "The activations still spread, but from unit to unit and not from input to input: what a layer says of an "
        "input is a constant. The std of all entries together hides it."
    ),
    remedy=(
        "Larger weights against the biases, an activation centred on zero such as tanh, --gain auto, or fewer layers."
    ),
    source="Schoenholz et al. 2017, arXiv:1611.01232; the limit is a rule of thumb",
    mark="collapsed",
)

SHIFTED_MEAN = Rule(
    name="shifted_mean",
    title="Activations share a mean",
    quantity="mean^2 over rms^2: the share of the second moment that is one common mean",
    high=SHIFTED,
    measure=_common,
    harmless=_apart,
    summary=_common_said,
    advice=_centre,
    explanation=(
        "A mean that all units and inputs share adds the same vector to every pre-activation of the next layer. It "
        "makes inputs alike and gives the loss one steep direction, which limits the learning rate. Told as info "
        "unless inputs have nearly aligned (cosine over 0.99)."
    ),
    remedy=(
        "An activation centred on zero, such as tanh, elu or selu in place of sigmoid or softplus; biases of mean zero."
    ),
    source="LeCun et al. 1998, Efficient BackProp; Clevert et al. 2016, arXiv:1511.07289; the limit is a rule of thumb",
    mark="shifted",
)

INPUT_SCALE = Rule(
    name="input_scale",
    title="Inputs are off scale",
    quantity="rms of the inputs",
    low=SMALL_INPUT,
    high=LARGE_INPUT,
    measure=_scale_of_input,
    summary=_input_said,
    advice=_standardize,
    explanation=(
        "Initializers keep the scale that inputs come with. Pixels from 0 to 255 start the loss in the hundreds and "
        "saturate what can saturate; tiny inputs drown in biases and give tiny gradients."
    ),
    remedy="Inputs of mean 0 and std 1 (--standardize).",
    source="LeCun et al. 1998, Efficient BackProp; the limits are a rule of thumb",
)
