"""Quadrature over a standard normal: rules that resolve an activation, and which activations bend too often for one."""

from collections.abc import Callable
from functools import lru_cache
from math import sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Doubles
from actdiag.theory import often_bent
from actdiag.theory.panels import FAR, REACH, Resolved, first_edges, legendre, needs_far, nodes, normal_density, resolve

_MOST_WORK, _MOST_PANELS, _MOST_HALVED = 1 << 16, 1024, 64
"""Panels, times second moments, times the operations of one point; panels alone; and panels that are halved at once:
beyond these an activation counts as often bent."""


class Rule(NamedTuple):
    """Nodes z and weights, shape (nodes,), for the expectation of an activation of sqrt(q) z over z ~ N(0, 1)."""

    z: Doubles
    weights: Doubles


def rule(act: Activation, *q: float) -> Rule:
    """Return nodes and weights for expectations of functions of f and f' over u = sqrt(q) z.

    Args:
        act: An elementwise activation.
        *q: The second moments of the pre-activations, above 0, that the rule has to resolve.
    """
    return _rule(act, q)


def bends_often(act: Activation, q: tuple[float, ...]) -> bool:
    """Return whether there is no rule for these second moments, above 0: the activation bends too often."""
    largest = sqrt(max(q))
    many = len(act.kinks) > often_bent.MANY and often_bent.reached(act, largest) > often_bent.MANY
    return many or resolving_edges(act, q) is None


def one_by_one(
    by_rule: Callable[[Activation, float], Doubles] | None,
    often_bent: Callable[[Activation, float], Doubles | None],
    act: Activation,
    q: tuple[float, ...],
    columns: int,
) -> Doubles:
    """Return rows for several second moments that have no rule together; NaN from the first that is not known.

    An activation that bends too often within one spread of its pre-activations does so within larger ones.

    Args:
        by_rule: An activation and a second moment that has a rule to an array of one row; None for none by a rule.
        often_bent: Those and one that has none to a row; None where it is not known.
        act: The activation.
        q: The second moments, in any order.
        columns: Of a row.
    """
    rows, often = np.full((len(q), columns), np.nan), False
    for place in np.argsort(q).tolist():
        often = often or by_rule is None or bends_often(act, (q[place],))
        row = often_bent(act, q[place]) if often or by_rule is None else by_rule(act, q[place])[0]
        if row is None:
            break
        rows[place] = row
    return rows


def is_known(act: Activation, q: float) -> bool:
    """Return whether the moments at a second moment above 0 are known, and so at smaller ones."""
    end = often_bent.end_of_bin(q)
    return not bends_often(act, (end,)) or often_bent.weighed(act, q) is not None


@lru_cache(maxsize=16)
def _rule(act: Activation, q: tuple[float, ...]) -> Rule:
    edges = resolving_edges(act, q)
    assert edges is not None, "the activation bends too often"
    z = nodes(edges[:-1], edges[1:])
    return Rule(z.ravel(), (normal_density(z) * legendre().weights * np.diff(edges)[:, np.newaxis]).ravel())


@lru_cache(maxsize=256)
@np.errstate(all="ignore")
def resolving_edges(act: Activation, q: tuple[float, ...]) -> Doubles | None:
    """Return the edges, in z, of panels that resolve f^2 and f'^2; None where it takes too many."""
    roots = np.sqrt(np.array(q))
    found = _resolved(act, roots, REACH)
    if found is not None and needs_far(act, roots, found.integrals):
        found = _resolved(act, roots, FAR)
    return found.edges if found is not None and found.enough else None


def _resolved(act: Activation, roots: Doubles, reach: float) -> Resolved | None:
    """Return panels for E f^2 and E f'^2, shape (2, roots), for the roots of q; None where there are too many."""
    slope, most = act.derivative, min(_MOST_WORK // (len(roots) * act.operations), _MOST_PANELS)
    assert slope is not None
    edges = first_edges(act.kinks, roots, reach)
    if len(edges) > most:
        return None

    def squares(z: Doubles) -> Doubles:
        u = roots[:, np.newaxis, np.newaxis] * z
        if reach > REACH:  # where a square may leave float64 and its product with the density does not
            grown: Doubles = np.square(np.array([act.value(u), slope(u)]) * np.sqrt(normal_density(z)))
            return grown
        found: Doubles = np.array([np.square(act.value(u)), np.square(slope(u))]) * normal_density(z)
        return found

    return resolve(squares, edges, most, _MOST_HALVED)
