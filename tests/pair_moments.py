"""Gaussian integrals over two pre-activations, by quadrature in two dimensions: what series and tables are held to."""

from functools import lru_cache
from math import sqrt

import numpy as np

from actdiag.activations import resolve
from actdiag.theory.gaussian import moments
from actdiag.theory.panels import REACH, bends, first_edges, legendre, nodes, normal_density, within
from actdiag.theory.quadrature import Rule, resolving_edges, rule

ROWS = 128
"""Outer nodes whose inner integrals are computed at once, so that all their nodes stay in cache."""

NEGLIGIBLE_WEIGHT = 1e-24
"""Nodes of the outer integral with less weight are left out."""


def pair_moment(act, q, c, *, slopes=False, other_q=None):
    """Return E f(u1) f(u2), or E f'(u1) f'(u2), u1 and u2 Gaussian with second moment q and correlation c.

    Args:
        act: An elementwise activation.
        q: The second moment of u1, above 0.
        c: The correlation, from -1 to 1.
        slopes: Whether to use f' in place of f.
        other_q: The second moment of u2; by default that of u1.
    """
    return _pair_moment(act, float(q), min(max(float(c), -1.0), 1.0), slopes, float(other_q or q))


def cosine_by_quadrature(name, q, c, other_q=None):
    """Return the cosine of two inputs after one layer; arguments as in `pair_moment`, but for the activation's name."""
    act, other = resolve(name), other_q or q
    return pair_moment(act, q, c, other_q=other) / sqrt(moments(act, q).second * moments(act, other).second)


@lru_cache(maxsize=1024)
@np.errstate(all="ignore")
def _pair_moment(act, q, c, slopes, other_q):
    function = act.derivative if slopes else act.value
    root, other_root = sqrt(q), sqrt(other_q)
    s = sqrt((1 - c) * (1 + c))  # 1 - c^2 would cancel near 1
    if s == 0:
        z, weights = rule(act, q, other_q)
        return float(np.dot(weights, function(root * z) * function(np.copysign(other_root, c) * z)))
    z1, outer = outer_rule(act, root, other_root, c, s)
    centres = np.array([0.0, *(kink / other_root for kink in act.kinks)])
    local = bends((), other_root * s)
    steps = int(REACH) * cut_into(act, other_q)
    evenly = np.linspace(-REACH, REACH, steps + 1)
    inner = np.empty_like(z1)
    for start in range(0, len(z1), ROWS):
        m = c * z1[start : start + ROWS, np.newaxis]
        breaks = [np.broadcast_to(evenly, (len(m), steps + 1))]
        breaks += [(centre - m) / s + local for centre in centres]
        edges = np.sort(np.clip(np.concatenate(breaks, axis=1), -REACH, REACH), axis=1)
        z2 = nodes(edges[:, :-1], edges[:, 1:])
        values = function(other_root * (m[..., np.newaxis] + s * z2)) * normal_density(z2)
        inner[start : start + ROWS] = np.einsum("ij,ij->i", values @ legendre().weights, np.diff(edges, axis=1))
    return float(np.dot(outer, function(root * z1) * inner))


def cut_into(act, q):
    """Return into how many panels one of the first was cut on average, rounded up."""
    edges = resolving_edges(act, (q,))
    first = first_edges(act.kinks, np.sqrt([q]), edges[-1])
    return -(-len(edges) // len(first))


def outer_rule(act, root, other_root, c, s):
    """Return the rule of the outer integral, which bends where the inner one, smoothed over s, does."""
    edges = resolving_edges(act, (root**2,))
    if c:
        centres = np.array([0.0, *(kink / other_root for kink in act.kinks)]) / c
        around = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0]) * s / abs(c)
        blurred = centres[:, np.newaxis] + np.concatenate([-around[::-1], around])
        edges = within(np.concatenate([edges, blurred], axis=None), max(REACH, float(edges[-1])))
    z = nodes(edges[:-1], edges[1:])
    weights = (normal_density(z) * legendre().weights * np.diff(edges)[:, np.newaxis]).ravel()
    used = weights > NEGLIGIBLE_WEIGHT
    return Rule(z.ravel()[used], weights[used])
