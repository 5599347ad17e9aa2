"""What the library says of a value it cannot take, and the checks that say it."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real


class InvalidField(ValueError):
    """A field of the input holds something that is not accepted.

    The command line turns exactly this error into a usage error, with the field's option in front.

    Attributes:
        field: The name of the field, as the Python parameter spells it.
        problem: What is accepted and what came, to be read after the field's name.
    """

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = one_line(problem)
        super().__init__(f"{field} {self.problem}")

    def __reduce__(self) -> tuple[type["InvalidField"], tuple[str, str]]:
        """Return what pickle builds it from again, as a pool of processes does."""
        return type(self), (self.field, self.problem)


_LONGEST, _KEPT_AT_THE_END, _LONGEST_MESSAGE = 600, 60, 200


def one_line(text: str) -> str:
    """Return text as one line that a terminal can show: shortened in the middle where it is long, and `printable`."""
    line = printable(" ".join(part.strip() for part in text.splitlines()))
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST - _KEPT_AT_THE_END]} ... {line[-_KEPT_AT_THE_END:]}"


def printable(text: str) -> str:
    """Return text with control characters, and marks that turn the direction of writing, as escapes; lines stay."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == "\n" else one.encode("unicode_escape", "surrogatepass").decode("ascii")
        for one in text
    )


def described(error: BaseException) -> str:
    """Return the kind of an error and its message, shortened; the kind alone where there is no message."""
    kind = type(error).__name__
    try:
        message = str(error)
    except BaseException:  # a message of the user's own making may fail as well
        message = ""
    if len(message) > _LONGEST_MESSAGE:
        message = f"{message[:_LONGEST_MESSAGE]}..."
    return f"{kind}: {message}" if message else kind


def check_integer(field: str, value: object, least: int, most: int) -> int:
    """Return `value` as an int within [least, most], or raise InvalidField."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidField(field, f"must be a whole number from {least} to {most}, got {value!r}")
    number = int(value)
    if number < least:
        raise InvalidField(field, f"must be at least {least}, got {number}")
    if number > most:
        raise InvalidField(field, f"must be at most {most}, got {number}")
    return number


def check_real(field: str, value: object, least: float, most: float, *, open_below: bool = False) -> float:
    """Return `value` as a finite float within [least, most], or raise InvalidField.

    Args:
        field: The field's name, for the error.
        value: What came.
        least: The smallest value accepted, itself excluded under `open_below`.
        most: The largest value accepted.
        open_below: Whether `least` itself is refused.
    """
    accepted = f"{'above' if open_below else 'at least'} {least:g} and at most {most:g}"
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InvalidField(field, f"must be a finite number {accepted}, got {value}")
    number = float(value)
    if number > most or number < least or (open_below and number == least):
        raise InvalidField(field, f"must be {accepted}, got {number:g}")
    return number


def check_choice(field: str, value: object, choices: Sequence[str]) -> str:
    """Return the one of `choices`, words in lower case, that `value` is in any case, or raise with the nearest ones."""
    if isinstance(value, str) and value.lower() in choices:
        return value.lower()
    raise InvalidField(field, f"must be one of {', '.join(choices)}, got {value!r}{did_you_mean(value, choices)}")


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """Return a clause that offers the names of `known` nearest to `value`, or nothing where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(value).lower(), list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
