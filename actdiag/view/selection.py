"""Which layers are shown where there are more than fit."""

import re

from actdiag.errors import InvalidField

_RANGE = re.compile(r"(\d{1,20})(?:-(\d{1,20}))?")


def evenly_chosen(depth: int, most: int) -> list[int]:
    """Return at most `most` layers from 1 to `depth`, evenly chosen, first and last among them."""
    if depth <= most:
        return list(range(1, depth + 1))
    if most == 1:
        return [depth]
    return sorted({1 + round(step * (depth - 1) / (most - 1)) for step in range(most)})


def parse_layers(text: str, depth: int) -> list[int]:
    """Return the layers that `all` or a list such as `1-10,50` names, in order.

    Raises:
        InvalidField: It is no such list, or names a layer that is not there.
    """
    if text.strip().lower() == "all":
        return list(range(1, depth + 1))
    chosen: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match:
            raise InvalidField(field="layers", problem=f"must be all or a list such as 1-10,50, got {text!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= depth:
            raise InvalidField(
                field="layers", problem=f"must be within 1 to {depth}, low end first, got {part.strip()!r}"
            )
        chosen.update(range(first, last + 1))
    return sorted(chosen)
