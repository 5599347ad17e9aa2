"""Where the values of a network are held while it runs, and how long."""

from collections.abc import Container, Mapping, Sequence

import numpy as np

from actdiag.arrays import Array
from actdiag.model.blocks import Node
from actdiag.model.stack import Stack


def last_readers(nodes: Sequence[Node]) -> dict[int, int]:
    """Return for each value that a node reads, by its number, the last node that does, from 1."""
    return {value: number for number, node in enumerate(nodes, 1) for value in node.reads}


def first_readers(nodes: Sequence[Node]) -> dict[int, int]:
    """Return for each value that a node reads, by its number, the first node that does, from 1."""
    return {value: number for number in range(len(nodes), 0, -1) for value in nodes[number - 1].reads}


def crossing(nodes: Sequence[Node], ends: Container[int]) -> dict[int, list[int]]:
    """Return for each of some nodes the values made up to its end that nodes after it read.

    Args:
        nodes: All nodes in running order.
        ends: The nodes, from 1; 0 for the input.
    """
    readers, alive, found = last_readers(nodes), {0}, {}
    if 0 in ends:
        found[0] = [0]
    for number, node in enumerate(nodes, 1):
        alive -= {value for value in node.reads if readers[value] == number}
        alive |= {value for value in (number, -number) if value in readers}
        if number in ends:
            found[number] = sorted(alive, key=abs)
    return found


def units_of(stack: Stack, value: int) -> int:
    """Return the entries of one input that a value has."""
    if value == 0:
        return stack.input_width
    return stack.widths[value - 1] if value > 0 else stack.columns(-value)


def widest(stack: Stack, values: Mapping[int, object]) -> int:
    """Return the most columns that an array of activations, or of one of some values, needs."""
    return max(*stack.widths, *(stack.columns(-value) for value in values if value < 0), 1)


class Buffers:
    """Arrays that values take turns in, so that a stream of nodes reuses its memory.

    Blocks of rows run ahead of each other by one node: while step s starts, all blocks of step s - 2 are done. So an
    array is free for what step s fills once the last step that uses it is s - 2 or before, or s - 1 where rows lie at
    the same place in memory because both have as many columns.
    """

    def __init__(self, stack: Stack, columns: int) -> None:
        self._batch, self._size, self._dtype = stack.batch, stack.batch * columns, stack.dtype
        self._held: list[tuple[Array, int, int]] = []

    def take(self, columns: int, step: int, used_until: int) -> Array:
        """Return an array of any content, shape (batch, columns).

        Args:
            columns: Its columns.
            step: The step that fills it.
            used_until: The last step that uses it.
        """
        free = (
            index
            for index, (_, until, before) in enumerate(self._held)
            if until <= step - 2 or (until == step - 1 and columns == before)
        )
        index = next(free, None)
        array = np.empty(self._size, dtype=self._dtype) if index is None else self._held.pop(index)[0]
        self._held.append((array, used_until, columns))
        return array[: self._batch * columns].reshape(self._batch, columns)


class Rotation:
    """Arrays that take turns: the oldest is filled next."""

    def __init__(self, stack: Stack, columns: int, count: int) -> None:
        self._batch = stack.batch
        self._arrays = [np.empty(stack.batch * columns, dtype=stack.dtype) for _ in range(count)]

    def next(self, columns: int) -> Array:
        """Return an array of any content, shape (batch, columns)."""
        self._arrays.append(self._arrays.pop(0))
        return self._arrays[-1][: self._batch * columns].reshape(self._batch, columns)
