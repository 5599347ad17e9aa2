"""What an activation must be for a stack to use it, tried on a few hundred points."""

from functools import lru_cache

import numpy as np

from actdiag.activations.entry import Activation, Elementwise
from actdiag.activations.users_code import Failed, run
from actdiag.arrays import Array
from actdiag.errors import InvalidField
from actdiag.formats import ARITHMETIC, FORMATS

REACH = 8.0
"""Functions are tried from minus to plus this, which N(0, 1) does not leave."""

_SAME = 3.0
"""Times the format's error: values of one x that differ by more depend on the entries beside it."""

_POINTS = 257
_STEP = 1e-5
_LEAST_MATCH = 1e-3


@lru_cache(maxsize=256)
def check(activation: Activation) -> None:
    """Refuse an activation that a stack cannot use.

    An elementwise one must give finite numbers in the shape and the dtype of what it takes, each from its own entry,
    and a derivative that is that of the value but at the kinks; a structured one must give its shapes.

    Raises:
        InvalidField: What it must be, and the point at which it is not.
    """
    with np.errstate(all="ignore"):
        if activation.derivative is None:
            _check_shapes(activation)
            return
        check_elementwise(activation.name, activation.value, "")
        check_elementwise(activation.name, activation.derivative, "the derivative ")
        _check_match(activation, activation.derivative)


def check_elementwise(name: str, function: Elementwise, what: str) -> None:
    """Refuse a function that does not keep shape and dtype, is not finite, or looks at other entries than its own."""
    for dtype in ARITHMETIC:
        x = np.linspace(-REACH, REACH, _POINTS, dtype=dtype)
        before = x.copy()
        found = _tried(name, function, x, what)
        if not np.array_equal(x, before):
            raise _refused(name, f"{what}must leave what it takes as it is, got an array written over")
        if found.dtype != dtype:
            raise _refused(name, f"{what}must keep the dtype {dtype}, got {found.dtype}")
        broken = np.flatnonzero(~np.isfinite(found))
        if len(broken):
            first = broken[np.argmin(np.abs(x[broken]))]
            got = f"got {found[first]} at x = {x[first]:g} ({dtype})"
            raise _refused(name, f"{what}must be finite wherever a stack evaluates it, {got}")
        # Other neighbours, other sums and another shape must leave each entry as it was.
        some = np.random.default_rng(0).permutation(_POINTS)[:200]
        again = _tried(name, function, x[some].reshape(20, 10), what).ravel()
        apart = np.abs(again - found[some]) > _SAME * FORMATS[dtype].statistic_error * (1 + np.abs(found[some]))
        if apart.any():
            first = int(np.argmax(apart))
            got = f"got {found[some][first]:g} and {again[first]:g} at x = {x[some][first]:g} among different entries"
            raise _refused(name, f"{what}must be elementwise, {got}")


def _refused(name: str, problem: str) -> InvalidField:
    return InvalidField(field="act", problem=f"{name!r}: {' '.join(problem.split())}")


def _tried(name: str, function: Elementwise, x: Array, what: str) -> Array:
    try:
        found = run(function, x)
    except Failed as error:
        raise _refused(name, f"{what}must take an array, got {error}") from None
    if not isinstance(found, np.ndarray) or found.shape != x.shape:
        got = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else f"a {type(found).__name__}"
        raise _refused(name, f"{what}must give an array of shape {x.shape} for one of that shape, got {got}")
    return found


def _check_match(activation: Activation, derivative: Elementwise) -> None:
    # The points are shifted off the round numbers, where a second derivative may jump.
    x = np.linspace(-REACH, REACH, _POINTS) + 0.012345
    x = x[np.all(np.abs(x[:, np.newaxis] - np.array(activation.kinks)) > 2 * _STEP, axis=1)]
    slope = derivative(x)
    difference = (activation.value(x + _STEP) - activation.value(x - _STEP)) / (2 * _STEP)
    apart = np.abs(slope - difference)
    # A curved value departs from its chord, which a chord of double length tells.
    wide = (activation.value(x + 2 * _STEP) - activation.value(x - 2 * _STEP)) / (4 * _STEP)
    allowed = _LEAST_MATCH * (1 + np.abs(slope)) + np.abs(wide - difference)
    worst = int(np.argmax(apart / allowed))
    if not apart[worst] <= allowed[worst]:
        got = f"got {slope[worst]:g} against {difference[worst]:g} at x = {x[worst]:g}, which is not among its kinks"
        raise _refused(activation.name, f"the derivative must be that of the value, {got}")


def _check_shapes(activation: Activation) -> None:
    rows, width = 3, 4
    for dtype in ARITHMETIC:
        z = np.random.default_rng(0).standard_normal((rows, width * activation.pieces)).astype(dtype)
        try:
            a = run(activation.value, z)
            shapes = run(lambda z, a: (a.shape, activation.pull_back(z, np.ones_like(a)).shape), z, a)
        except Failed as error:
            raise _refused(activation.name, f"must take an array, got {error}") from None
        if shapes != ((rows, width), z.shape):
            must = f"give shape {(rows, width)} and take it back to {z.shape}"
            raise _refused(activation.name, f"must {must}, got {shapes[0]} and {shapes[1]}")
