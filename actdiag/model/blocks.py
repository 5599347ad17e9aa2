"""Ops laid out in running order: every node that makes pre-activations, and the values that it reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from actdiag.activations import Activation
from actdiag.errors import InvalidField
from actdiag.formats import NumberFormat
from actdiag.model.site import Site
from actdiag.ops.activation import Copy
from actdiag.ops.entry import Op


class Node(NamedTuple):
    """One op of a network that makes pre-activations, and the activation that follows it.

    A value is known by a number: 0 is the input, n the activations of node n, -n its pre-activations where an
    activation follows; without one, the activations of a node are its pre-activations.

    Attributes:
        site: Where it is, and all that measuring needs to know.
        op: What makes the pre-activations.
        reads: The values that it reads.
        draw: Its number among the ops that draw weights, from 1; None where it draws none.
    """

    site: Site
    op: Op
    reads: tuple[int, ...]
    draw: int | None


class _Value(NamedTuple):
    """A value while nodes are laid out: the node that makes it, 0 for the input, and whether an activation does."""

    node: int
    activated: bool


@dataclass(slots=True)
class _Draft:
    """A node while an activation may still follow it."""

    op: Op
    path: str
    units: int
    columns: int
    fan_in: int
    reads: tuple[_Value, ...]
    in_branch: bool
    act: Activation | None = None


class _Layout:
    """A network while its ops are laid out: the `Layout` that ops are given."""

    def __init__(self, act: Activation, units: int) -> None:
        self.units = units
        self.value = _Value(0, activated=False)
        self.drafts: list[_Draft] = []
        self._act = act
        self._prefix, self._count = "", 0

    def append(self, op: Op, units: int, *, path: str, reads: Sequence[_Value] = (), fan_in: int | None = None) -> None:
        self.drafts.append(
            _Draft(
                op=op,
                path=path,
                units=units,
                columns=units,
                fan_in=self.units if fan_in is None else fan_in,
                reads=tuple(reads) or (self.value,),
                in_branch=bool(self._prefix),
            )
        )
        self.units, self.value = units, _Value(len(self.drafts), activated=False)

    def activate(self, act: Activation | None) -> None:
        act = self._act if act is None else act
        if not self.value.node or self.drafts[self.value.node - 1].act is not None:
            Copy().lay(self)
        last = self.drafts[self.value.node - 1]
        if last.op.draws:
            last.columns = last.units * act.pieces
        elif last.units % act.pieces:
            problem = f"must have a width that {act.name} divides by {act.pieces}, got {last.units} at {last.path}"
            raise InvalidField(field="arch", problem=problem)
        else:
            last.units //= act.pieces
        last.act = act
        self.units, self.value = last.units, _Value(self.value.node, activated=True)

    def next_path(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"

    @contextmanager
    def inside(self, path: str, part: str) -> Iterator[None]:
        before = self._prefix, self._count
        self._prefix, self._count = f"{path}.{part}.", 0
        yield
        self._prefix, self._count = before


def lay_out(
    ops: Sequence[Op], act: Activation, input_width: int, batch: int, number_format: NumberFormat
) -> tuple[Node, ...]:
    """Return the nodes of a network in running order.

    Args:
        ops: The ops.
        act: The activation of ops that name none.
        input_width: The features of an input.
        batch: The inputs.
        number_format: Of the arithmetic.

    Raises:
        InvalidField: The ops do not fit together.
    """
    layout = _Layout(act, input_width)
    for op in ops:
        op.lay(layout)
    drafts, draws = layout.drafts, 0
    if not drafts:
        raise InvalidField(field="arch", problem="must hold at least one op, got none")
    nodes = []
    for draft in drafts:
        draws += draft.op.draws
        site = Site(
            path=draft.path,
            kind=draft.op.kind,
            act=draft.act,
            units=draft.units,
            columns=draft.columns,
            fan_in=draft.fan_in,
            batch=batch,
            format=number_format,
            in_branch=draft.in_branch,
        )
        reads = tuple(_number(value, drafts) for value in draft.reads)
        nodes.append(Node(site, draft.op, reads, draws if draft.op.draws else None))
    return tuple(nodes)


def _number(value: _Value, drafts: Sequence[_Draft]) -> int:
    followed = value.node and drafts[value.node - 1].act is not None
    return -value.node if followed and not value.activated else value.node
