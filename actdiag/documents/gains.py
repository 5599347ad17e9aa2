"""The gains of activations in documents, and what stacks under them did."""

from collections.abc import Sequence
from typing import Any

from actdiag.documents.plain import SCHEMA, checked, member, read, reading, versions
from actdiag.experiments.verify import Verification
from actdiag.theory.gains import Gains
from actdiag.theory.torch_gain import TorchGain


def gains_to_dict(found: Sequence[Gains], verified: Sequence[Verification | None]) -> dict[str, Any]:
    """Return the gains of several activations as plain dicts, lists, numbers and None, with the keys of the JSON.

    Args:
        found: The gains.
        verified: What stacks under each did; None where none was run.
    """
    listed = [_gains(one, check) for one, check in zip(found, verified, strict=True)]
    return {"schema": SCHEMA, "versions": versions(), "activations": listed}


def gains_from_dict(document: Any) -> tuple[list[Gains], list[Verification | None]]:
    """Return the gains that a document holds, and what stacks under each did.

    Raises:
        InvalidField: It is no such document.
    """
    with reading():
        found = checked(document, "activations")["activations"]
        listed = [(one, f"activations[{place}]") for place, one in enumerate(found)]
        return [_read_gains(*one) for one in listed], [_read_check(*one) for one in listed]


def _gains(found: Gains, check: Verification | None) -> dict[str, Any]:
    forward, backward = found.forward_gain, found.backward_gain
    plain = {
        "name": found.name,
        "forward_gain": forward,
        "backward_gain": backward,
        "gap": forward / backward - 1 if forward and backward else None,
        "gain_reason": found.gain_reason,
        "chi1": found.chi1,
        "chiq": found.chiq,
        "bias_std": found.bias_std,
        "critical": found.critical and found.critical._asdict(),
        "critical_count": found.critical_count,
        "reason": found.reason,
        "half_stable": found.half_stable and found.half_stable._asdict(),
        "torch_gain": found.torch and found.torch._asdict(),
        "recommended": found.recommended._asdict(),
        "standard_error": found.standard_error,
    }
    if check is not None:
        layers = [layer._asdict() for layer in check.layers]
        trained = check.trained and check.trained._asdict()
        plain["verify"] = check._asdict() | {"seeds": list(check.seeds), "layers": layers, "trained": trained}
    return plain


def _read_gains(plain: Any, where: str) -> Gains:
    torch = member(plain, "torch_gain", where)
    return read(Gains, plain, where, torch=None if torch is None else read(TorchGain, torch, f"{where}.torch_gain"))


def _read_check(plain: Any, where: str) -> Verification | None:
    return read(Verification, plain["verify"], f"{where}.verify") if "verify" in plain else None
