"""Every activation, one block each, by family; `resolve` turns a name, or one's own function, into its entry."""

import re

from actdiag.activations import gated, piecewise, rectifiers, sigmoidal, smooth  # noqa: F401  (registers the entries)
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
        if re.split("[:=]", text)[0].strip().lower() not in ACTIVATIONS:
            if text == "x" or _EXPRESSION.search(text) or len(text) > _LONGEST_NAME:
                from actdiag.activations.expressions import from_text

                return from_text(text)
            if _FUNCTION.fullmatch(text):
                from actdiag.activations.custom import from_path

                return from_path(text)
    return ACTIVATIONS.resolve(spec)


__all__ = ["ACTIVATIONS", "Activation", "Traits", "resolve", "traits"]
