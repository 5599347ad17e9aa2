"""Forward-mode differentiation: functions of (value, slope) pairs, and those that an expression may call."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from actdiag.activations.sigmoidal import sigmoid_value
from actdiag.activations.smooth import normal_cdf
from actdiag.arrays import Array

_INV_SQRT_2PI = 0.3989422804014327


class Dual(NamedTuple):
    """A value and its derivative in x.

    Attributes:
        value: Numbers, one an entry of x; a Python float, which leaves the dtype of x alone, for a constant.
        slope: Their derivatives; None for a constant, and where no derivative is asked for.
    """

    value: Any
    slope: Array | None


@dataclass(frozen=True, slots=True)
class Function:
    """A function of Duals.

    Attributes:
        rule: The Duals of the arguments, one of them an array at least, to the Dual of the result.
        arity: How many arguments it takes.
        switches: Functions of the arguments' values at whose zeros this one may bend or jump.
    """

    rule: Callable[..., Dual]
    arity: int
    switches: tuple[Callable[..., Array], ...] = ()


def smooth(value: Callable[..., Any], *partials: Callable[..., Any]) -> Function:
    """Return the function of this value, given its partial derivative in each of its arguments."""

    def rule(*arguments: Dual) -> Dual:
        values = [argument.value for argument in arguments]
        terms = [
            partial(*values) * argument.slope
            for partial, argument in zip(partials, arguments, strict=True)
            if argument.slope is not None
        ]
        return Dual(value(*values), sum(terms[1:], terms[0]) if terms else None)

    return Function(rule, len(partials))


def elementwise(value: Callable[[Any], Any], slope: Callable[[Any], Any], kinks: tuple[float, ...]) -> Function:
    """Return the function of one argument that is smooth but at its kinks."""
    return Function(smooth(value, slope).rule, 1, tuple((lambda x, kink=kink: x - kink) for kink in kinks))


def _extremum(largest: bool) -> Function:
    """Return the larger or the smaller of two; at a tie the slope is the one nearest to 0 between the two sides'."""
    pick, first_wins = (np.maximum, np.greater) if largest else (np.minimum, np.less)

    def rule(a: Dual, b: Dual) -> Dual:
        value = pick(a.value, b.value)
        if a.slope is None and b.slope is None:
            return Dual(value, None)
        slope_a, slope_b = (0.0 if side.slope is None else side.slope for side in (a, b))
        between = np.clip(0, np.minimum(slope_a, slope_b), np.maximum(slope_a, slope_b))
        apart = np.where(first_wins(a.value, b.value), slope_a, slope_b)
        return Dual(value, np.where(a.value == b.value, between, apart))

    return Function(rule, 2, (np.subtract,))


def comparison(holds: Callable[[Any, Any], Any]) -> Function:
    """Return the function that is 1 where the comparison holds and 0 elsewhere."""

    def rule(a: Dual, b: Dual) -> Dual:
        dtype = (a.value if isinstance(b.value, float) else b.value).dtype
        return Dual(holds(a.value, b.value).astype(dtype), None)

    return Function(rule, 2, (np.subtract,))


def _log(base: Any) -> Any:
    # numpy's logarithm of a Python float is a float64, which would take a float32 stack along.
    return float(np.log(base)) if isinstance(base, float) else np.log(base)


def _power_in_base(base: Any, exponent: Any) -> Any:
    return np.where(exponent == 0, 0.0, exponent * np.power(base, exponent - 1))


def _clip(x: Dual, low: Dual, high: Dual) -> Dual:
    return MINIMUM.rule(MAXIMUM.rule(x, low), high)


def _where(condition: Dual, chosen: Dual, other: Dual) -> Dual:
    """Return one of two by selection, so that a branch that is not taken spoils nothing where it has no value."""
    holds = condition.value != 0
    value = np.where(holds, chosen.value, other.value)
    if chosen.slope is None and other.slope is None:
        return Dual(value, None)
    slopes = (0.0 if branch.slope is None else branch.slope for branch in (chosen, other))
    return Dual(value, np.where(holds, *slopes))


def _unity(*_: Any) -> float:
    return 1.0


ADD = smooth(np.add, _unity, _unity)
SUBTRACT = smooth(np.subtract, _unity, lambda a, b: -1.0)
MULTIPLY = smooth(np.multiply, lambda a, b: b, lambda a, b: a)
DIVIDE = smooth(np.divide, lambda a, b: 1 / b, lambda a, b: -(a / b) / b)
POWER = smooth(np.power, _power_in_base, lambda a, b: _log(a) * np.power(a, b))
NEGATE = smooth(np.negative, lambda a: -1.0)
MAXIMUM, MINIMUM = _extremum(True), _extremum(False)
_ABSOLUTE = elementwise(np.abs, np.sign, (0.0,))

FUNCTIONS: dict[str, Function] = {
    "exp": smooth(np.exp, np.exp),
    "exp2": smooth(np.exp2, lambda x: np.exp2(x) * _log(2.0)),
    "expm1": smooth(np.expm1, np.exp),
    "log": smooth(np.log, lambda x: 1 / x),
    "log1p": smooth(np.log1p, lambda x: 1 / (1 + x)),
    "log2": smooth(np.log2, lambda x: 1 / (x * _log(2.0))),
    "log10": smooth(np.log10, lambda x: 1 / (x * _log(10.0))),
    "sqrt": smooth(np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "cbrt": smooth(np.cbrt, lambda x: 1 / (3 * np.square(np.cbrt(x)))),
    "square": smooth(np.square, lambda x: 2 * x),
    "reciprocal": smooth(np.reciprocal, lambda x: -1 / np.square(x)),
    "cos": smooth(np.cos, lambda x: -np.sin(x)),
    "tan": smooth(np.tan, lambda x: 1 + np.square(np.tan(x))),
    "sinh": smooth(np.sinh, np.cosh),
    "cosh": smooth(np.cosh, np.sinh),
    "arcsin": smooth(np.arcsin, lambda x: 1 / np.sqrt(1 - np.square(x))),
    "arccos": smooth(np.arccos, lambda x: -1 / np.sqrt(1 - np.square(x))),
    "arcsinh": smooth(np.arcsinh, lambda x: 1 / np.hypot(x, 1.0)),
    "arccosh": smooth(np.arccosh, lambda x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1))),
    "arctanh": smooth(np.arctanh, lambda x: 1 / (1 - np.square(x))),
    "Phi": smooth(normal_cdf, lambda x: np.exp(-np.square(x) / 2) * _INV_SQRT_2PI),
    "power": POWER,
    "logaddexp": smooth(np.logaddexp, lambda a, b: sigmoid_value(a - b), lambda a, b: sigmoid_value(b - a)),
    "hypot": smooth(np.hypot, lambda a, b: a / np.hypot(a, b), lambda a, b: b / np.hypot(a, b)),
    "abs": _ABSOLUTE,
    "absolute": _ABSOLUTE,
    "sign": elementwise(np.sign, lambda x: 0.0, (0.0,)),
    "maximum": MAXIMUM,
    "max": MAXIMUM,
    "minimum": MINIMUM,
    "min": MINIMUM,
    "where": Function(_where, 3),
    "clip": Function(_clip, 3, (lambda x, low, high: x - low, lambda x, low, high: x - high)),
}
