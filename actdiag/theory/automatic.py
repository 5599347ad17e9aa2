"""The meaning of `auto`: the recommended gain of the activation with its biases, and lecun scaled to it."""

from dataclasses import replace
from typing import Any

from actdiag import initializers
from actdiag.activations import Activation
from actdiag.errors import InvalidField
from actdiag.initializers import Initializer

AUTO = "auto"


def resolve_init(spec: str | Initializer) -> Initializer:
    """Return the initializer that `spec` names; `auto` is lecun, to be scaled to the activation."""
    if isinstance(spec, str) and spec.strip().lower() == AUTO:
        lecun = initializers.resolve("lecun")
        return initializers.INITIALIZERS.keep(AUTO, lambda: replace(lecun, name=AUTO), resolve_init)
    return initializers.resolve(spec)


def scale_fields(
    act: Activation,
    init: Initializer,
    gain: float | str,
    bias_mean: float | None,
    bias_std: float | None,
    depth: int,
) -> dict[str, Any]:
    """Return the fields of a Stack that say its gain and biases.

    An automatic gain is the one recommended for the activation and so many layers: for the given biases, if any, else
    with the recommended biases, which replace an initializer's own.

    Raises:
        InvalidField: The gain is a number and the initializer `auto`, or there is no gain for the activation.
    """
    by_init, by_gain = init.name == AUTO, isinstance(gain, str) and gain.lower() == AUTO
    if by_init and not by_gain and gain != 1:
        raise InvalidField(field="gain", problem=f"must be left out with the initializer auto, got {gain}")
    if not by_init and not by_gain:
        return {"gain": gain, "target_gain": None, "bias_mean": bias_mean, "bias_std": bias_std}
    from actdiag.theory.gains import automatic

    given = bias_mean is not None or bias_std is not None
    target, std = automatic(act, (bias_std or 0.0) if given else None, depth)
    return {"gain": 1.0, "target_gain": target, "bias_mean": bias_mean, "bias_std": std}
