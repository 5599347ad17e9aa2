"""An expression as a list of steps, equal ones kept once: each is worked out once for a set of points."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from actdiag.activations.dual import Dual, Function
from actdiag.arrays import Array, cut

_AT_ONCE = 1 << 14
"""Points that are worked out at once, so that what the steps hold meanwhile stays small."""

X = 0
"""The place of x among the steps."""


class Step(NamedTuple):
    """One step of an expression: x, a number, or a function of steps before it.

    Attributes:
        function: None for x and for a number.
        arguments: The places of its arguments.
        number: What it is where x does not occur in it.
    """

    function: Function | None = None
    arguments: tuple[int, ...] = ()
    number: float | None = None


class Steps:
    """The steps of an expression while it is read."""

    def __init__(self) -> None:
        self._steps: list[Step] = [Step()]
        self._places: dict[tuple[object, ...], int] = {}

    def number(self, value: float) -> int:
        """Return the place of a number."""
        # 0 and -0 are equal, and differ in what they give.
        return self._place(Step(number=value), (repr(value),))

    def apply(self, function: Function, arguments: Sequence[int]) -> int:
        """Return the place of a function of some steps."""
        return self._place(Step(function, tuple(arguments)), (function, *arguments))

    def number_at(self, place: int) -> float | None:
        """Return the number at a place; None where x occurs in it."""
        return self._steps[place].number

    def program(self) -> "Program":
        """Return the expression that ends with the last step."""
        last = {place: at for at, step in enumerate(self._steps) for place in step.arguments}
        done: list[list[int]] = [[] for _ in self._steps]
        for place, at in last.items():
            if self._steps[place].number is None:
                done[at].append(place)
        return Program(tuple(self._steps), tuple(map(tuple, done)))

    def _place(self, step: Step, key: tuple[object, ...]) -> int:
        if key not in self._places:
            self._places[key] = len(self._steps)
            self._steps.append(step)
        return self._places[key]


@dataclass(frozen=True, slots=True)
class Program:
    """The steps of a whole expression.

    Attributes:
        steps: Each after its arguments; the last one that depends on x is the result.
        done: The places that no step needs after each.
    """

    steps: tuple[Step, ...]
    done: tuple[tuple[int, ...], ...]

    @property
    def operations(self) -> int:
        """How many functions are worked out for a point."""
        return sum(step.function is not None for step in self.steps)

    def value(self, x: Array) -> Array:
        """Return the expression at x, in its shape and dtype."""
        return self._over(x, sloped=False)

    def slope(self, x: Array) -> Array:
        """Return the derivative at x, in its shape and dtype."""
        return self._over(x, sloped=True)

    def switches(self, x: Array, parts: Sequence[slice] | None = None) -> Iterator[Array]:
        """Yield the values of each function at whose zeros the expression may bend or jump, in the order of the steps.

        Args:
            x: The points, shape (points,).
            parts: At which of them each is asked for, by default all.
        """
        number = 0
        for step, arguments, _ in self._worked_out(Dual(x, None)):
            for switch in () if step.function is None else step.function.switches:
                part = parts[number] if parts else slice(None)
                number += 1
                yield switch(*[one.value if isinstance(one.value, float) else one.value[part] for one in arguments])

    def _worked_out(self, x: Dual) -> Iterator[tuple[Step, list[Dual], Dual]]:
        """Yield each step that depends on x, its arguments and what it gives."""
        known: list[Dual | None] = [None if step.number is None else Dual(step.number, None) for step in self.steps]
        for place, step in enumerate(self.steps):
            if step.number is not None:
                continue
            arguments = [one for one in (known[argument] for argument in step.arguments) if one is not None]
            known[place] = found = x if step.function is None else step.function.rule(*arguments)
            yield step, arguments, found
            for argument in self.done[place]:
                known[argument] = None

    def _over(self, x: Array, sloped: bool) -> Array:
        flat, result = x.ravel(), np.zeros(x.size, x.dtype)
        with np.errstate(all="ignore"):
            for some in cut(len(flat), _AT_ONCE):
                at = flat[some]
                steps = self._worked_out(Dual(at, np.ones_like(at) if sloped else None))
                ((_, _, found),) = deque(steps, maxlen=1)
                # A constant's slope is 0.
                wanted = found.slope if sloped else found.value
                if wanted is not None:
                    result[some] = wanted
        return result.reshape(x.shape)
