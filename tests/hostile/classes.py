"""All classes of hostile cases."""

from collections.abc import Callable, Iterable

from hostile.case import Case
from hostile.cases import environment, expressions, limits, modules, numbers, outputs, permissions, reading, streams

CLASSES: dict[str, Callable[[], Iterable[Case]]] = {
    "numbers": numbers.cases,
    "expressions": expressions.cases,
    "modules": modules.cases,
    "reading": reading.cases,
    "permissions": permissions.cases,
    "outputs": outputs.cases,
    "streams": streams.cases,
    "environment": environment.cases,
    "limits": limits.cases,
}
"""What yields the cases of each class."""
