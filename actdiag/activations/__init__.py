"""Every activation, one block each, by family; `resolve` turns a name, or one's own function, into its entry."""

import re

from actdiag.activations import gated, piecewise, ramps, rectifiers, sigmoidal, smooth  # noqa: F401  (registers all)
from actdiag.activations.entry import ACTIVATIONS, Activation
from actdiag.activations.traits import Traits, traits

_EXPRESSION = re.compile(r"[()+*/<>&|^-]|[=!]=")
_LONGEST_NAME = 1000
_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def resolve(spec: str | Activation) -> Activation:
    """Return the entry that `spec` says.

    What begins with a registered name, up to the first colon, is that entry with its parameters
    (`leaky_relu:0.2`); else what has operators, parentheses or is `x` is an expression in x (`x*sigmoid(1.7*x)`); else
    it is `module:function`, written for autograd. An Activation of one's own is tried on a few points and returned.

    Raises:
        InvalidField: There is no such activation, or a stack cannot use it.
    """
    # What only few runs need is imported where it is needed, for it costs a start.
    if isinstance(spec, Activation):
        from actdiag.activations.probing import check

        check(spec)
        return spec
    if isinstance(spec, str):
        text = spec.strip()
        if _is_expression(text):
            from actdiag.activations.expressions import from_text

            return from_text(text)
        if not _is_registered(text) and _FUNCTION.fullmatch(text):
            from actdiag.activations.custom import from_path

            return from_path(text)
    return ACTIVATIONS.resolve(spec)


def resolve_without_code(text: str) -> Activation:
    """Return the entry of the catalogue, or of an expression, that a text says: what runs none of its writer's code.

    Raises:
        InvalidField: There is no such entry.
    """
    return resolve(text) if _is_expression(text.strip()) else ACTIVATIONS.resolve(text)


def _is_registered(text: str) -> bool:
    return ACTIVATIONS.found(re.split("[:=]", text)[0].strip()) is not None


def _is_expression(text: str) -> bool:
    return not _is_registered(text) and (
        text == "x" or _EXPRESSION.search(text) is not None or len(text) > _LONGEST_NAME
    )


__all__ = ["ACTIVATIONS", "Activation", "Traits", "resolve", "resolve_without_code", "traits"]
