"""Inputs that differ in length alone: the cosine of their activations, and its curvature, integrated between kinks."""

from collections.abc import Iterator, Sequence
from math import exp, sqrt
from typing import NamedTuple

import numpy as np

from actdiag.activations import Activation
from actdiag.arrays import Array, Doubles, Flags, cut
from actdiag.theory.gaussian import resolving_edges
from actdiag.theory.panels import bends
from actdiag.theory.tables import Tables

_POINTS, _REACH = 12, 8
_FEW_KINKS, _MOST_OPERATIONS = 16, 512
"""Kinks within the reach that are integrated between in any case, and kinks times operations."""

_MOST_EDGES = 128
_LEAST_Q, _LARGEST_Q = 1e-290, 1e290
_MOST_AT_ONCE = 1 << 18
"""Points of integrals that are computed at once."""

_RESOLVED = 1e-6
"""A larger deviation of E f^2, relatively, shows an activation that the points do not resolve."""


class AngleZero(NamedTuple):
    """The cosine of the activations of inputs at an angle of 0, for several pairs; NaN where it is not known.

    Attributes:
        cosine: Its value, shape (pairs,).
        curvature: Minus its second derivative after the angle; meaningless for an activation that jumps.
    """

    cosine: Doubles
    curvature: Doubles


def at_angle_zero(tables: Tables, q1: Doubles, q2: Doubles) -> AngleZero:
    """Return the cosines at angle 0, integrated where few kinks are within reach.

    Args:
        tables: Of an elementwise activation.
        q1: Second moments of one input's pre-activations, shape (pairs,).
        q2: Those of the other's.
    """
    found = AngleZero(np.full_like(q1, np.nan), np.full_like(q1, np.nan))
    few = np.flatnonzero(_few_kinks(tables.act, np.maximum(q1, q2)))
    sizes = np.log(np.clip([np.minimum(q1, q2)[few], np.maximum(q1, q2)[few]], _LEAST_Q, _LARGEST_Q))
    bins = np.floor(sizes).astype(int)  # so that no pair's panels depend on the others
    for low, high in sorted(set(zip(*bins.tolist(), strict=True))):
        left = few[(bins[0] == low) & (bins[1] == high)]
        for breaks in _breaks(tables.act, exp(low), exp(high + 1)):
            for column, values in zip(found, _in_parts(tables, breaks, q1[left], q2[left]), strict=True):
                column[left] = values
            left = left[np.isnan(found.cosine[left])]
            if not len(left):
                break
    return found


def _breaks(act: Activation, least: float, largest: float) -> Iterator[Doubles]:
    """Yield edges of panels for second moments between two: a few, and those that resolve it, if they are not many."""
    yield np.concatenate([np.arange(-_REACH, _REACH + 1, 2), bends((), sqrt(largest))])
    edges = resolving_edges(act, (least, largest))
    if edges is not None and np.count_nonzero(np.abs(edges) < _REACH) <= _MOST_EDGES:
        yield edges[np.abs(edges) < _REACH]


def _in_parts(tables: Tables, breaks: Doubles, q1: Doubles, q2: Doubles) -> AngleZero:
    """Return what `at_angle_zero` does, from panels between the breaks and the kinks of both inputs."""
    kinks = np.array(tables.act.kinks)
    kinks = kinks[np.abs(kinks) < _REACH * np.sqrt(np.maximum(q1, q2).max())]
    seconds = [tables.curves(q).second for q in (q1, q2)]
    at_once = max(_MOST_AT_ONCE // (_POINTS * (len(breaks) + 2 * len(kinks))), 1)
    parts = [
        _integrated(tables.act, kinks, breaks, q1[some], q2[some], [second[some] for second in seconds])
        for some in cut(len(q1), at_once)
    ]
    return AngleZero(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _few_kinks(act: Activation, q: Doubles) -> Flags:
    """Return for each q whether its kinks are few enough to integrate between them."""
    within = np.searchsorted(np.sort(np.abs(act.kinks)), _REACH * np.sqrt(q))
    few: Flags = within <= max(_FEW_KINKS, _MOST_OPERATIONS // act.operations)
    return few


@np.errstate(all="ignore")
def _integrated(
    act: Activation, kinks: Doubles, breaks: Doubles, q1: Doubles, q2: Doubles, seconds: Sequence[Doubles]
) -> AngleZero:
    assert act.derivative is not None
    x, legendre = np.polynomial.legendre.leggauss(_POINTS)
    roots = np.sqrt(np.array([q1, q2]))
    at = [np.broadcast_to(breaks, (len(q1), len(breaks))), *(kinks / root[:, np.newaxis] for root in roots)]
    edges = np.sort(np.clip(np.concatenate(at, axis=1), -_REACH, _REACH), axis=1)
    half = np.diff(edges, axis=1)[..., np.newaxis] / 2
    z = edges[:, :-1, np.newaxis] + half * (1 + x)
    weights = np.exp(-np.square(z) / 2) * half * legendre / np.sqrt(2 * np.pi)

    def expected(values: Array) -> Doubles:
        total: Doubles = (weights * values).sum(axis=(1, 2))
        return total

    u = [root[:, np.newaxis, np.newaxis] * z for root in roots]
    one, other = map(act.value, u)
    squares = [expected(part**2) for part in (one, other)]
    norms = np.sqrt(squares[0]) * np.sqrt(squares[1])
    slopes = act.derivative(u[0]) * act.derivative(u[1])
    right = [np.abs(square - second) <= _RESOLVED * second for square, second in zip(squares, seconds, strict=True)]
    cosine, curvature = expected(one * other) / norms, roots[0] * roots[1] * expected(slopes) / norms
    return AngleZero(*(np.where(right[0] & right[1], part, np.nan) for part in (cosine, curvature)))
