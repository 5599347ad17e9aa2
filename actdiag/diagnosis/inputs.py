"""Rules on inputs: whether they come at a scale to train on, and whether the layers still tell them apart."""

from collections.abc import Iterable

from actdiag.diagnosis.rule import Found, Measured, Rule, Rules
from actdiag.diagnosis.words import name_layers
from actdiag.measurements import Measurements
from actdiag.numerals import brief_percent

_NEARLY_ALIGNED = 0.99
"""Over this mean cosine a shared mean is taken for what makes inputs alike."""


def _cosines(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    for stats in measurements.layers:
        if stats.cosine is not None:
            yield Measured((stats.layer,), stats.cosine)


def _aligned_summary(found: Found) -> str:
    where = name_layers(found.layers)
    return f"different inputs give parallel activations in {where} (cosine {found.value:.6f})"


def _spread_left(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    for stats in measurements.layers:
        if stats.rms and stats.unit_std is not None:
            yield Measured((stats.layer,), stats.unit_std / stats.std if stats.std else 0.0)


def _collapsed_summary(found: Found) -> str:
    where = name_layers(found.layers)
    return f"units hardly depend on the input in {where}: unit_std is {found.value:.2g} of std"


def _common_share(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    """Yield the share of each layer's second moment that is the square of the mean over all entries."""
    for stats in measurements.layers:
        if stats.rms and stats.mean is not None:
            yield Measured((stats.layer,), min((stats.mean / stats.rms) ** 2, 1.0))


def _tells_inputs_apart(measurements: Measurements, measured: Measured, rules: Rules) -> bool:
    cosine = measurements.place(measured.layers[0]).stats.cosine or 0.0
    return cosine <= min(_NEARLY_ALIGNED, rules[ALIGNED_INPUTS.name].high)


def _common_summary(found: Found) -> str:
    last = found.layers[-1]
    at = f"mean {found.measurements.place(last).stats.mean:.3g} at layer {last}"
    where = name_layers(found.layers)
    return f"up to {brief_percent(found.value)} of the second moment is one mean that all share in {where} ({at})"


def _scale_of_inputs(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    if measurements.input.rms is not None:
        yield Measured((), measurements.input.rms)


def _scale_summary(found: Found) -> str:
    return f"the inputs have an rms of {found.value:.3g}, for which no initializer is made (limit {found.limit:g})"


def _evenness(measurements: Measurements, rules: Rules) -> Iterable[Measured]:
    if measurements.input.evenness is not None:
        yield Measured((), measurements.input.evenness)


def _uneven_summary(found: Found) -> str:
    features = found.measurements.first.site.fan_in or 0
    effective = 1 + found.value * (features - 1)
    return f"{features} features have the scale of about {effective:.2g}: few have nearly all of the sum of squares"


ALIGNED_INPUTS = Rule(
    name="aligned_inputs",
    title="Different inputs look alike",
    quantity="mean cosine between the activations of different inputs",
    high=0.999,
    measure=_cosines,
    summary=_aligned_summary,
    explanation=(
        "The activations of any two inputs point the same way: whatever the input, the layers above see one vector "
        "and small deviations from it. In the ordered phase cosines go to 1 exponentially with depth; in a critical "
        "ReLU stack they do so slowly, as 1/depth^2."
    ),
    remedy="Fewer layers, smaller biases, an activation centred on zero such as tanh, or --gain auto.",
    source=(
        "Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232; the limit is a rule of thumb"
    ),
    mark="aligned",
)

COLLAPSED_INPUTS = Rule(
    name="collapsed_inputs",
    title="The layers forget their input",
    quantity="each unit's std over the inputs, averaged over the units, relative to the std of all entries",
    low=1e-3,
    measure=_spread_left,
    summary=_collapsed_summary,
    explanation=(
        "The activations still spread, but from unit to unit and not from input to input: what a layer says about its "
        "input is a constant. The std of all entries together hides that."
    ),
    remedy=(
        "Weights that are larger relative to the biases, an activation centred on zero such as tanh, --gain auto, or "
        "fewer layers."
    ),
    source="Schoenholz et al. 2017, arXiv:1611.01232; the limit is a rule of thumb",
    mark="collapsed",
)

SHIFTED_MEAN = Rule(
    name="shifted_mean",
    title="Activations share a mean",
    quantity="mean^2 over rms^2: the share of the second moment that is one common mean",
    high=0.5,
    measure=_common_share,
    harmless=_tells_inputs_apart,
    summary=_common_summary,
    explanation=(
        "A mean that all units and inputs share adds the same vector to every pre-activation of the next layer. It "
        "makes inputs alike and gives the loss one steep direction, which limits the learning rate. It is harmless "
        f"unless inputs have nearly aligned: at a cosine above {_NEARLY_ALIGNED:g}, or above the limit of "
        "aligned_inputs where that is lower."
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
    low=0.1,
    high=10.0,
    measure=_scale_of_inputs,
    summary=_scale_summary,
    explanation=(
        "Initializers preserve the scale of the inputs. Pixels from 0 to 255 start the loss in the hundreds and "
        "saturate what can saturate; tiny inputs drown in biases and give tiny gradients."
    ),
    remedy="Inputs of mean 0 and std 1 (--scale feature).",
    source="LeCun et al. 1998, Efficient BackProp; the limits are a rule of thumb",
)

UNEVEN_FEATURES = Rule(
    name="uneven_features",
    title="Features differ in scale",
    quantity="how evenly the features share the sum of squares: 1 if all have the same share, 0 if one has it all",
    low=0.05,
    measure=_evenness,
    summary=_uneven_summary,
    explanation=(
        "Every unit of layer 1 sees little but the few features of the largest scale. What the others carry is "
        "learned late or never, and the steep directions of the few limit the learning rate. Tables with columns in "
        "different units come like that; images do not."
    ),
    remedy="Every feature at mean 0 and std 1 (--scale feature).",
    source="LeCun et al. 1998, Efficient BackProp; the limit is a rule of thumb",
)
