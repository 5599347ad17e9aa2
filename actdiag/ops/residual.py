"""The residual op: x + branch(x)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan
from typing import ClassVar

from actdiag.arrays import Array
from actdiag.errors import InvalidField
from actdiag.ops.entry import Known, Layout, Op, Signal, register

_MEAN_SHARE = 1e-3
"""The share of a branch's second moment that its mean may have before gradients cannot be predicted."""


@register
@dataclass(frozen=True, slots=True)
class Residual(Op):
    """A branch of ops whose output is added to its input.

    Attributes:
        branch: The ops, at least one, that keep the width of their input.
    """

    branch: tuple[Op, ...]

    kind: ClassVar[str] = "residual"

    def lay(self, layout: Layout) -> None:
        """Add the ops of the branch, then the sum, to a network.

        Raises:
            InvalidField: The branch changes the width.
        """
        path, skipped, units = layout.next_path(), layout.value, layout.units
        with layout.inside(path, "branch"):
            for op in self.branch:
                op.lay(layout)
        if layout.units != units:
            problem = f"must keep the width within a residual, got {units} in and {layout.units} out of {path}"
            raise InvalidField(field="arch", problem=problem)
        layout.append(Sum(), units, path=path, reads=(skipped, layout.value))


@dataclass(frozen=True, slots=True)
class Sum(Op):
    """The sum of two values: what a residual ends in."""

    kind: ClassVar[str] = "residual"

    def lay(self, layout: Layout) -> None:
        """Refuse to stand alone.

        Raises:
            InvalidField: Always.
        """
        raise InvalidField(field="arch", problem="must hold ops, got the sum of a residual without its branch")

    def forward(self, inputs: Sequence[Array], parameters: object, out: Array) -> None:
        """Fill `out` with x + y."""
        out[...] = inputs[0]
        out += inputs[1]

    def backward(
        self, which: int, d_out: Array, inputs: Sequence[Array | None], parameters: object, out: Array
    ) -> None:
        """Fill `out` with the gradient at the sum, which is that at either value."""
        out[...] = d_out

    def gradient_factor(self, which: int) -> float:
        """Return 1: either value gets the gradient at the sum."""
        return 1.0

    def predict(self, incoming: Sequence[Signal], known: Known) -> Signal | str:
        """Return the moments of x + y where y has gone through random weights that x has not: E xy = E x E y.

        Source: Yang & Schoenholz 2017, arXiv:1712.08969.
        """
        x, y = incoming
        if y.draw <= x.draw:
            return "a branch without weights is not independent of what it is added to"
        both = 2 * x.mean * y.mean
        second = x.second + y.second + both
        cosine = (x.second * x.cosine + y.second * y.cosine + both) / second if second else nan
        return Signal(second, x.mean + y.mean, cosine, x.gaussian and y.gaussian, y.draw)

    def predict_gradient(self, which: int, incoming: Sequence[Signal], known: Known) -> float | str:
        """Return the factor of the gradient.

        Where branches add a mean, the gradients of the branches are correlated with each other through it, and their
        second moments do not add up.
        """
        mean, second = incoming[1].mean, incoming[1].second
        if mean**2 > _MEAN_SHARE * second:
            return "a branch that adds a mean correlates the gradients that meet below it"
        return self.gradient_factor(which)


def residual(branch: Op | Iterable[Op]) -> Residual:
    """Return x + branch(x).

    Source: He, Zhang, Ren & Sun 2016, arXiv:1512.03385.

    Args:
        branch: The ops of the branch in running order.

    Raises:
        InvalidField: There are none, or something else is among them.

    Example:
        >>> from actdiag.ops import activation, dense
        >>> len(residual([dense(), activation(), dense()]).branch)
        3
    """
    ops = tuple(branch) if isinstance(branch, Iterable) else (branch,)
    strange = [op for op in ops if not isinstance(op, Op)]
    if strange or not ops:
        got = repr(strange[0]) if strange else "none"
        raise InvalidField(field="arch", problem=f"must have a branch of ops within a residual, got {got}")
    return Residual(ops)
