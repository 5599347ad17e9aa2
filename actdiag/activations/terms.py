"""The terms of an expression: its syntax tree, checked node by node against what is accepted, becomes steps."""

import ast
import inspect
import math
import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from actdiag.activations import dual
from actdiag.activations.dual import FUNCTIONS, POWER, Dual, Function
from actdiag.activations.entry import ACTIVATIONS, Activation
from actdiag.activations.steps import Steps, X
from actdiag.errors import InvalidField, did_you_mean

DEEPEST_NESTING = 100
LARGEST_EXPONENT = 64

ACCEPTED = "an expression takes x, pi, e, numbers, + - * / **, comparisons, where(...) and functions such as tanh(x)"
_CONSTANTS = {"pi": math.pi, "e": math.e}
_OPERATORS: dict[type[ast.operator], Function] = {
    ast.Add: dual.ADD,
    ast.Sub: dual.SUBTRACT,
    ast.Mult: dual.MULTIPLY,
    ast.Div: dual.DIVIDE,
    ast.Pow: dual.POWER,
    # Of two comparisons, which are 0 or 1.
    ast.BitAnd: dual.MINIMUM,
    ast.BitOr: dual.MAXIMUM,
}
_COMPARISONS: dict[type[ast.cmpop], Function] = {
    ast.Lt: dual.comparison(operator.lt),
    ast.LtE: dual.comparison(operator.le),
    ast.Gt: dual.comparison(operator.gt),
    ast.GtE: dual.comparison(operator.ge),
    ast.Eq: dual.comparison(operator.eq),
    ast.NotEq: dual.comparison(operator.ne),
}


class Refused(Exception):
    """What is wrong with an expression, to be said after its text."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)


def refused(what: str, hint: str = "") -> Refused:
    """Return the refusal of a part of an expression, with a hint in place of what is accepted."""
    return Refused(problem=f"{what} is not accepted{hint or f'; {ACCEPTED}'}")


def too_deep() -> Refused:
    """Return the refusal of an expression that nests too deep."""
    return Refused(problem=f"must nest at most {DEEPEST_NESTING} operations")


def term_of(node: ast.expr, depth: int, steps: Steps) -> int:
    """Return the place of a node among the steps, or refuse it: what is not named here is not accepted."""
    if depth > DEEPEST_NESTING:
        raise too_deep()

    def inner(*nodes: ast.expr) -> list[int]:
        return [term_of(one, depth + 1, steps) for one in nodes]

    match node:
        case ast.Name(id="x"):
            return X
        case ast.Name(id=name) if name in _CONSTANTS:
            return _number(_CONSTANTS[name], steps)
        case ast.Name(id=name):
            hint = f"; a function is called, as in {name}(x)" if name in _names() else _offer(name)
            raise refused(what=f"the name {name}", hint=hint)
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _number(value, steps)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return inner(operand)[0]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _apply(dual.NEGATE, inner(operand), steps)
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
            if not (_is_condition(left) and _is_condition(right)):
                raise refused(
                    what=f"{type(op).__name__}",
                    hint="; & and | join comparisons in parentheses, as in (x > 0) & (x < 1)",
                )
            return _apply(_OPERATORS[type(op)], inner(left, right), steps)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _apply(_OPERATORS[type(op)], inner(left, right), steps)
        case ast.Compare(left=left, ops=ops, comparators=comparators) if all(type(op) in _COMPARISONS for op in ops):
            return _chain(inner(left, *comparators), ops, steps)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            return _call(name, inner(*arguments), keywords, depth + 1, steps)
    raise refused(what=_described(node))


def _described(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return f"the constant {value!r}"
        case ast.BinOp(op=op) | ast.UnaryOp(op=op):
            return f"the operator {type(op).__name__}"
        case ast.Attribute(attr=name):
            return f"the attribute .{name}"
        case ast.Call():
            return "a call of what is not a function's name"
    return f"a Python {type(node).__name__}"


def _is_condition(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare) or (
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr)
    )


def _names() -> list[str]:
    aliases = [alias for name in ACTIVATIONS for alias in ACTIVATIONS.aliases(name)]
    return [*FUNCTIONS, *ACTIVATIONS, *aliases]


def _offer(name: str) -> str:
    return did_you_mean(name, ["x", *_CONSTANTS, *_names()])


def _number(value: float, steps: Steps) -> int:
    # An integer may exceed every float, and never takes part in arithmetic as an integer.
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refused(what="a constant that is not finite")
    return steps.number(number)


def _apply(function: Function, places: Sequence[int], steps: Steps) -> int:
    """Return the place of a function of other steps, a number where all of them are."""
    numbers = [steps.number_at(place) for place in places]
    if function is POWER and abs(numbers[1] or 0) > LARGEST_EXPONENT:
        raise Refused(problem=f"must have exponents from -{LARGEST_EXPONENT} to {LARGEST_EXPONENT}, got {numbers[1]:g}")
    if function is dual.DIVIDE and numbers[1] == 0:
        raise refused(what="a division by zero")
    if None in numbers:
        return steps.apply(function, places)
    with np.errstate(all="ignore"):
        folded = function.rule(*[Dual(np.array([number]), None) for number in numbers])
    return _number(folded.value[0], steps)


def _chain(sides: Sequence[int], ops: Sequence[ast.cmpop], steps: Steps) -> int:
    links = [_apply(_COMPARISONS[type(op)], sides[at : at + 2], steps) for at, op in enumerate(ops)]
    chained = links[0]
    for link in links[1:]:
        chained = _apply(dual.MULTIPLY, [chained, link], steps)
    return chained


def _call(name: str, places: list[int], keywords: list[ast.keyword], depth: int, steps: Steps) -> int:
    if name in ACTIVATIONS:
        return _apply(_registered(name, len(places), keywords, depth), places, steps)
    if name not in FUNCTIONS:
        raise refused(what=f"the function {name}", hint=_offer(name))
    arity = FUNCTIONS[name].arity
    if keywords or len(places) != arity:
        raise Refused(problem=f"{name} takes {arity} argument{'s' if arity > 1 else ''} and no keywords")
    return _apply(FUNCTIONS[name], places, steps)


def _registered(name: str, arguments: int, keywords: list[ast.keyword], depth: int) -> Function:
    """Return a registered activation with its parameters as a function of one argument."""
    known = inspect.signature(ACTIVATIONS[name], eval_str=True).parameters
    takes = f"{name} takes one argument" + "".join(f", {key}={value.default:g}" for key, value in known.items())
    given = [keyword.arg for keyword in keywords]
    if arguments != 1 or not known.keys() >= set(given) or len(set(given)) < len(given):
        raise Refused(takes)
    values: dict[str, Any] = {}
    for keyword in keywords:
        own = Steps()
        number = own.number_at(term_of(keyword.value, depth, own))
        if number is None:
            raise refused(what=f"x in {keyword.arg}")
        values[str(keyword.arg)] = int(number) if known[str(keyword.arg)].annotation is int else number
    try:
        entry = ACTIVATIONS[name](**values)
    except InvalidField as error:
        raise Refused(problem=f"{name}: {error.field} {error.problem}") from None
    if entry.derivative is None:
        hint = f"; a unit of {name} looks at more than its own pre-activation"
        raise refused(what=name, hint=hint)
    return _function_of(entry)


@lru_cache(maxsize=256)
def _function_of(entry: Activation) -> Function:
    """Return an elementwise activation as a function, one for one entry, so that equal steps are found equal."""
    assert entry.derivative is not None
    return dual.elementwise(entry.value, entry.derivative, entry.kinks)
