"""The runs of actdiag that are measured."""

from dataclasses import dataclass
from typing import Any

import actdiag


@dataclass(frozen=True, slots=True)
class Run:
    """A run of `actdiag.propagate` or `actdiag.grad_flow`, as data; calling it runs it.

    Attributes:
        command: The function's name.
        act: The activation.
        init: The initializer.
        depth: The number of layers.
        width: The units of each.
        batch: The number of inputs.
        memory: What `grad_flow` may keep; None for its default.
    """

    command: str
    act: str
    init: str
    depth: int
    width: int
    batch: int
    memory: str | None = None

    def __call__(self, **changes: Any) -> actdiag.Report:
        """Run it, with `changes` among the arguments."""
        report: actdiag.Report = getattr(actdiag, self.command)(**self.options() | changes)
        return report

    def __str__(self) -> str:
        """The run in the words of a table."""
        return f"{self.command} {self.act}, {self.depth:,}x{self.width}, batch {self.batch}"

    def options(self) -> dict[str, Any]:
        """Return the arguments of the function."""
        named = ("act", "init", "depth", "width", "batch", "memory")
        return {name: getattr(self, name) for name in named if getattr(self, name) is not None}
