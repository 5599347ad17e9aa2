"""Activations about a mean of the pre-activations."""

from functools import lru_cache

from actdiag.activations import Activation


@lru_cache(maxsize=64)
def shifted_activation(act: Activation, by: float) -> Activation:
    """Return the activation of u + by as one of u."""
    if by == 0:
        return act
    value, derivative = act.value, act.derivative
    assert derivative is not None
    return Activation(
        name=f"{act.name} of x + {by:g}",
        value=lambda x: value(x + x.dtype.type(by)),
        derivative=lambda x: derivative(x + x.dtype.type(by)),
        formula=act.formula,
        source=act.source,
        kinks=tuple(kink - by for kink in act.kinks),
        bounds=act.bounds,
        saturates=act.saturates,
        operations=act.operations + 1,
    )
