"""Finished training runs in a file, so that a comparison that was stopped goes on from there."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from actdiag.arrays import digest
from actdiag.datasets.catalogue import Dataset
from actdiag.diagnosis import Rules
from actdiag.documents.plain import as_json, from_json, versions
from actdiag.documents.training import training_from_dict, training_to_dict
from actdiag.errors import InvalidField
from actdiag.experiments.train import TrainingRun
from actdiag.model.stack import Stack
from actdiag.options import TrainOptions

_ACCEPTED = "must be a file that this command has written"
_LONGEST, _DIGITS = 60, 12


def specification(options: TrainOptions, data: Dataset, rules: Rules, stacks: Sequence[Stack]) -> dict[str, str]:
    """Return what the runs follow from: the options in words, and digests of what files and functions hold.

    Args:
        options: The options.
        data: The data.
        rules: The rules that they name.
        stacks: The stacks that they describe.
    """
    left_out = ("checkpoint", "data", "save", "rules")
    said = {one.name: _said(getattr(options, one.name)) for one in fields(options) if one.name not in left_out}
    limits = repr([(rule.name, rule.low, rule.high, rule.severity, rule.enabled) for rule in rules.values()])
    return said | {
        "data": f"{data.name} ({data.digest[:_DIGITS]})",
        "rules": sha256(limits.encode()).hexdigest()[:_DIGITS],
        "stacks": sha256("".join(stack.fingerprint() for stack in stacks).encode()).hexdigest()[:_DIGITS],
        "version": versions()["actdiag"],
    }


def finished(path: str | Path, wanted: Mapping[str, str]) -> list[TrainingRun]:
    """Return the runs that a file has; none where there is no file.

    Raises:
        InvalidField: It cannot be read, or is of another training; the error says in what they differ.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not in that format"
        raise InvalidField(field="checkpoint", problem=f"{_ACCEPTED}, got {str(path)!r}: {reason}") from None
    try:
        document = from_json(text)
        known, runs = document["specification"], document["training"]
        if known != dict(wanted):
            raise _other(path, known, wanted)
        return training_from_dict(runs) if runs is not None else []
    except (InvalidField, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, InvalidField) and error.field == "checkpoint":
            raise
        raise InvalidField(field="checkpoint", problem=f"{_ACCEPTED}, got {str(path)!r}") from None


def keep(path: str | Path, wanted: Mapping[str, str], runs: Sequence[TrainingRun]) -> None:
    """Write the runs that are finished, under a temporary name that is then the file's.

    Raises:
        InvalidField: It cannot be written.
    """
    document = {"specification": dict(wanted), "training": training_to_dict(runs) if runs else None}
    new = Path(f"{path}.new")
    try:
        new.write_text(as_json(document), encoding="utf-8")
        new.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            new.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else str(error)
        problem = f"must be a file that can be written, got {str(path)!r}: {reason}"
        raise InvalidField(field="checkpoint", problem=problem) from None


def _other(path: str | Path, known: Mapping[str, str], wanted: Mapping[str, str]) -> InvalidField:
    names = [name for name in {**wanted, **known} if known.get(name) != wanted.get(name)]
    said = "; ".join(f"{name} {_short(known.get(name))} there, {_short(wanted.get(name))} here" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return InvalidField(field="checkpoint", problem=f"must be of the same training, got {str(path)!r}: {said}{more}")


def _short(text: str | None) -> str:
    return "none" if text is None else text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _said(value: Any) -> str:
    """Return an option in words that are the same in every process."""
    if isinstance(value, tuple | list):
        return ",".join(map(_said, value))
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_said(one)}" for key, one in sorted(value.items()))
    if hasattr(value, "dtype"):
        return digest(value)
    return str(getattr(value, "name", value))
