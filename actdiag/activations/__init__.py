"""Every activation, one block each, by family; `resolve` turns a name into its entry."""

from actdiag.activations import gated, piecewise, rectifiers, sigmoidal, smooth  # noqa: F401  (registers the entries)
from actdiag.activations.entry import ACTIVATIONS, Activation
from actdiag.activations.traits import Traits, traits

resolve = ACTIVATIONS.resolve

__all__ = ["ACTIVATIONS", "Activation", "Traits", "resolve", "traits"]
