"""How the learning rate changes in the course of training."""

from math import cos, pi

from actdiag.errors import InvalidField

SCHEDULES = "constant, cosine or step:EVERY:FACTOR"

_MOST_EVERY = 10_000_000


def checked_schedule(schedule: object) -> str:
    """Return a schedule as it is written.

    Raises:
        InvalidField: It is none.
    """
    if isinstance(schedule, str):
        name, *values = schedule.strip().lower().split(":")
        if name in ("constant", "cosine") and not values:
            return name
        if name == "step" and _step(values) is not None:
            return ":".join((name, *values))
    raise InvalidField(field="schedule", problem=f"must be {SCHEDULES}, such as step:500:0.1, got {schedule!r}")


def factor_of(schedule: str, warmup: int, iteration: int, iterations: int) -> float:
    """Return what the learning rate is multiplied by in an iteration, from 1.

    It rises linearly over the first `warmup` iterations, whose last one has the full rate, and then follows the
    schedule: `cosine` falls from 1 in the next iteration to 0 in the last.
    """
    if iteration <= warmup:
        return iteration / warmup
    done, left = iteration - warmup - 1, iterations - warmup
    name, *values = schedule.split(":")
    if name == "cosine":
        return (1 + cos(pi * done / (left - 1))) / 2 if left > 1 else 1.0
    step = _step(values)
    return 1.0 if step is None else step[1] ** (done // step[0])


def _step(values: list[str]) -> tuple[int, float] | None:
    """Return after how many iterations the rate falls, and to what share."""
    try:
        every, factor = int(values[0]), float(values[1])
    except (IndexError, ValueError):
        return None
    fits = len(values) == 2 and 1 <= every <= _MOST_EVERY and 0 < factor <= 1
    return (every, factor) if fits else None
