"""The runs of actdiag that are measured."""

from dataclasses import dataclass, replace
from typing import Any

import actdiag
from actdiag.api.running import Run as RunOnce
from actdiag.api.running import runner
from actdiag.diagnosis.findings import Outlook
from actdiag.experiments.fix import with_advice
from actdiag.model.stack import Stack
from actdiag.options import BackwardOptions, RunOptions


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

    def without_advice(self) -> actdiag.Report:
        """Run it, and try no changes."""
        return self._once()(self._stack(), None)

    def with_vain_advice(self) -> actdiag.Report:
        """Run it, and try as many changes as an ordinary run tries where none helps."""
        once = self._once()
        sick = once(self._stack(), None)
        severity: Outlook = "untrainable"
        sick = replace(sick, verdict=replace(sick.verdict, severity=severity))
        return with_advice(sick, lambda stack: replace(once(stack, None, theory=False), verdict=sick.verdict))

    def _once(self) -> RunOnce:
        return runner(RunOptions(), None if self.command == "propagate" else BackwardOptions())

    def _stack(self) -> Stack:
        options = self.options()
        options.pop("memory", None)
        return actdiag.make_stack(**options)

    def __str__(self) -> str:
        """The run in the words of a table."""
        return f"{self.command} {self.act}, {self.depth:,}x{self.width}, batch {self.batch}"

    def options(self) -> dict[str, Any]:
        """Return the arguments of the function."""
        named = ("act", "init", "depth", "width", "batch", "memory")
        return {name: getattr(self, name) for name in named if getattr(self, name) is not None}
