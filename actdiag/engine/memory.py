"""How much memory and how many threads a run is worth, and what of the forward pass the backward pass can keep."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import ceil, sqrt
from numbers import Integral
from typing import NamedTuple

from actdiag.arrays import available_memory, left_of_limits, readable_size
from actdiag.engine.values import crossing, units_of
from actdiag.engine.workers import BYTES_OF_A_THREAD, available_threads
from actdiag.errors import InvalidField
from actdiag.model.stack import Stack
from actdiag.options import RunOptions

MOST_AHEAD = 4
"""How many layers' weights are drawn before their turn, at most."""

_BYTES_AHEAD = 2**26
"""What weights that were drawn ahead may take together."""

_LEAST_SHARED = 2**25
"""Multiplications a layer from which on a second thread was measured to help."""

_NEVER_REFUSED = 2**24
"""Less than the interpreter has taken itself: to ask the system what is left would take longer than the run."""

# Peaks that were measured, in arrays of the size of a layer's activations, and rounded up.
_FORWARD_ARRAYS, _BACKWARD_ARRAYS = 6, 15
_BYTES_OF_STATISTICS = 5120
_BYTES_OF_A_BIN = 40
_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


class Plan(NamedTuple):
    """What the forward pass keeps for the backward pass.

    Attributes:
        weights: Whether weights are kept; else they are drawn again from the seed.
        stride: 1 where the pre-activations of every layer are kept; else every stride-th layer's input is, and the
            layers between are computed again.
    """

    weights: bool
    stride: int


def parse_size(field: str, size: int | str) -> int:
    """Return a number of bytes from an int or from text such as `64MiB`, `1.5GB` or `1000000`.

    Raises:
        InvalidField: It is no size, or not above 0.
    """
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match:
        number, prefix, binary = match.groups()
        unit = _UNITS[prefix.lower()]
        power = {1: 0, 10**3: 1, 10**6: 2, 10**9: 3, 10**12: 4}[unit]
        bytes_ = float(number) * (1024**power if binary else unit)
    elif isinstance(size, Integral) and not isinstance(size, bool):
        bytes_ = int(size)
    else:
        raise InvalidField(field, f"must be a size such as 64MiB or 2GB, got {size!r}")
    if not 1 <= bytes_ < 2**60:
        raise InvalidField(field, f"must be a size of at least 1 byte and under 1 EiB, got {size!r}")
    return int(bytes_)


class Need(NamedTuple):
    """The memory that a run needs.

    Attributes:
        what: What needs it, in words.
        total: Bytes.
        field: The field that asks for the most of them.
        most: What it asks for.
        got: Its value.
    """

    what: str
    total: int
    field: str
    most: int
    got: int

    def check(self, threads: int | None = None) -> None:
        """Refuse what takes more memory than there is, before anything is allocated.

        Args:
            threads: The threads that it runs on, for which a limit on memory must have room; None for as many as fit.

        Raises:
            InvalidField: It does not fit.
        """
        if self.total <= _NEVER_REFUSED:
            return
        available, left = available_memory(), left_of_limits()
        if available is not None and left is not None:
            available = max(min(available, left - BYTES_OF_A_THREAD * (threads or 1)), 0)
        if available is not None and self.total > available:
            raise self._refusal(there_is=f"{readable_size(available)} is available")

    @contextmanager
    def met(self, threads: int | None = None) -> Iterator[int | None]:
        """Refuse what takes more memory than there is: as `check` does, and where it runs out within the context.

        Args:
            threads: As `check` takes them.

        Yields:
            The threads to run on; None for all processors.

        Raises:
            InvalidField: It does not fit.
        """
        self.check(threads)
        try:
            yield self._threads_beside() if threads is None else threads
        except MemoryError:
            if self.most <= _NEVER_REFUSED:  # not this is what is too large
                raise
            raise self._refusal(there_is="memory ran out") from None

    def _threads_beside(self) -> int | None:
        """Return how many threads a limit on memory has room for beside what is needed; None without a limit."""
        left = left_of_limits()
        if left is None:
            return None
        return max(min((left - self.total) // BYTES_OF_A_THREAD, available_threads()), 1)

    def _refusal(self, there_is: str) -> InvalidField:
        estimate = f"{self.what} about {readable_size(self.total)} and {there_is}"
        return InvalidField(self.field, f"must be smaller, {estimate}, got {self.got}")


def need_of(
    stack: Stack,
    kept: int = 0,
    classes: int = 0,
    bins: int = RunOptions.bins,
    reports: int = 1,
    fixed: Collection[str] = (),
) -> Need:
    """Return the memory that a run of a stack needs.

    Args:
        stack: The stack.
        kept: The bytes that the backward pass keeps on top of the forward pass; 0 without one.
        classes: The classes of the readout; 0 without one.
        bins: The bins of each layer's histogram.
        reports: How many reports on stacks of this depth are kept.
        fixed: The fields that nobody can change, and that are not to blame.
    """
    item = stack.format.bytes
    fan_in, columns = _widest_shape(stack)
    widest = max(stack.input_width, *(stack.columns(layer) for layer in range(1, stack.depth + 1)))
    arrays = _BACKWARD_ARRAYS if kept else _FORWARD_ARRAYS
    at_once = min(draws_ahead(stack), available_threads())
    asked = {
        "width": (stack.init.copies * at_once + 1) * item * fan_in * columns,
        "batch": arrays * item * stack.batch * widest + kept,
        "classes": 3 * item * classes * (stack.widths[-1] + _rows_at_once(stack)),
        "depth": (_BYTES_OF_STATISTICS + _BYTES_OF_A_BIN * bins) * stack.depth * reports,
    }
    field = max((name for name in asked if name not in fixed), key=lambda name: asked[name])
    got = {"width": max(fan_in, columns), "batch": stack.batch, "classes": classes, "depth": stack.depth}[field]
    return Need("the stack needs", sum(asked.values()), field, asked[field], got)


def draws_ahead(stack: Stack) -> int:
    """Return how many layers' weights may be drawn before their turn: a few, but no great part of the memory."""
    fan_in, columns = _widest_shape(stack)
    return min(max(_BYTES_AHEAD // (stack.format.bytes * fan_in * columns), 1), MOST_AHEAD)


def useful_threads(stack: Stack) -> int | None:
    """Return 1 for a stack whose layers take a thread less time than to share them out, else None: all there are."""
    fan_in, columns = _widest_shape(stack)
    return 1 if stack.batch * fan_in * columns < _LEAST_SHARED else None


def _widest_shape(stack: Stack) -> tuple[int, int]:
    return max(set(_shapes(stack)), key=lambda shape: shape[0] * shape[1], default=(stack.input_width, 1))


def _rows_at_once(stack: Stack) -> int:
    """Return the rows that all processors together may be working on."""
    rows: int = stack.row_blocks()[0].stop
    return min(stack.batch, available_threads() * rows)


def plan_backward(stack: Stack, budget: int) -> tuple[Plan, int]:
    """Return the fastest plan whose kept arrays fit in `budget` bytes, and how many bytes it keeps.

    Raises:
        InvalidField: Not even the smallest plan fits.
    """
    item = stack.format.bytes
    shapes = _shapes(stack)
    pre_activations = [item * stack.batch * stack.columns(layer) for layer in range(1, stack.depth + 1)]
    weights = [item * fan_in * columns for fan_in, columns in shapes]
    if sum(pre_activations) + sum(weights) <= budget:
        return Plan(weights=True, stride=1), sum(pre_activations) + sum(weights)
    if sum(pre_activations) <= budget:
        return Plan(weights=False, stride=1), sum(pre_activations)
    stride = ceil(sqrt(stack.depth))
    starts = range(0, stack.depth, stride)
    checkpoints = sum(item * stack.batch * units_of(stack, value) for value in _kept_at(stack, starts))
    segment = max(sum(pre_activations[start : start + stride]) for start in starts)
    if checkpoints + segment > budget:
        least = min(checkpoints + segment, sum(pre_activations))
        needed = f"must be at least {readable_size(least)} for this stack"
        raise InvalidField(field="memory", problem=f"{needed}, got {readable_size(budget)}")
    return Plan(weights=False, stride=stride), checkpoints + segment


def _shapes(stack: Stack) -> list[tuple[int, int]]:
    """Return the shapes of all weights."""
    return [(stack.fan_in(layer), stack.columns(layer)) for layer in stack.weight_layers]


def _kept_at(stack: Stack, starts: range) -> Collection[int]:
    """Return the values that are kept where segments start."""
    if stack.arch is None:
        return starts
    return {value for values in crossing(stack.nodes, starts).values() for value in values}
