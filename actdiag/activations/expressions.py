"""An activation written as an expression in x: checked, then evaluated without ever becoming code."""

import ast
import re
import warnings
from functools import lru_cache

from actdiag.activations.deriving import derive
from actdiag.activations.entry import ACTIVATIONS, Activation
from actdiag.activations.steps import Program, Steps
from actdiag.activations.terms import ACCEPTED, Refused, refused, term_of, too_deep
from actdiag.errors import InvalidField

LONGEST_TEXT = 1000
"""Characters of an expression."""

MOST_OPERATIONS = 200
"""Operations of an expression, equal ones counted once: what one point costs."""

_STRANGE = re.compile(r"[^\w .,+\-*/()<>=!&|]", re.ASCII)


@lru_cache(maxsize=256)
def from_text(text: str) -> Activation:
    """Return the activation that an expression in x describes.

    Its derivative is exact (forward mode), also where a branch of `where` that is not taken has none. At a kink of
    maximum, minimum, clip and abs it is the slope nearest to 0 between those of the two sides, so 0 for maximum(x, 0)
    and abs(x); the branch taken by `where` gives its own.

    Raises:
        InvalidField: Something in it is not accepted, or it is no continuous function of x that a stack can use.
    """
    try:
        program = parse(text)
    except Refused as refusal:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        raise InvalidField(field="act", problem=f"{shown!r}: {refusal}") from None

    def build() -> Activation:
        return derive(
            name=text,
            formula=text,
            source="an expression",
            value=program.value,
            derivative=program.slope,
            switches=program.switches,
            operations=program.operations,
        )

    return ACTIVATIONS.keep(text, build, from_text)


def parse(text: str) -> Program:
    """Return the checked expression; nothing of it is run but arithmetic on its constants."""
    if len(text) > LONGEST_TEXT:
        raise Refused(problem=f"must have at most {LONGEST_TEXT} characters, got {len(text)}")
    strange = _STRANGE.search(text)
    if strange:
        hint = "; a power is written **" if strange[0] == "^" else ""
        raise refused(what=f"{strange[0]!r} at position {strange.start() + 1}", hint=hint)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise Refused(problem=f"is not complete or not in order ({error.msg}); {ACCEPTED}") from None
    except (RecursionError, MemoryError, ValueError, OverflowError):
        raise too_deep() from None
    steps = Steps()
    number = steps.number_at(term_of(tree.body, 1, steps))
    if number is not None:
        raise Refused(problem=f"must depend on x, got the constant {number:g}")
    program = steps.program()
    if program.operations > MOST_OPERATIONS:
        raise Refused(problem=f"must have at most {MOST_OPERATIONS} different operations, got {program.operations}")
    return program
