"""gain: the gain that an activation needs."""

from typing import TYPE_CHECKING

from actdiag import activations
from actdiag.activations import Activation
from actdiag.api.signatures import takes
from actdiag.options import GainOptions

if TYPE_CHECKING:
    from actdiag.theory.gains import Gains


@takes(GainOptions)
def gain(act: str | Activation, bias_std: float = GainOptions.bias_std, depth: int = GainOptions.depth) -> "Gains":
    """Return the gains of an activation: forward, backward, critical, and the recommended one.

    Those of a structured activation are simulated.

    `act` is an activation's name, with parameters (`leaky_relu:0.2`), or an Activation.

    Raises:
        InvalidField: A ValueError that names the field, what it accepts and what it got.

    Example:
        >>> round(gain("tanh").forward_gain, 6), gain("tanh").recommended.gain
        (1.592537, 1.235...)
    """
    from actdiag.theory.gains import gains

    return gains(activations.resolve(act), bias_std, depth)
