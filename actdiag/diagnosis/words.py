"""Numbers and layers in the words of a finding."""

from actdiag.diagnosis.calibration.domain import judged_as


def fold_of(ratio: float) -> str:
    """Return a ratio as a fold change in either direction: `12.5` for 0.08."""
    return f"{ratio if ratio > 1 else 1 / ratio:.3g}"


def name_layers(layers: tuple[int, ...]) -> str:
    """Return layers in words: `layer 3`, `layers 3 to 7`, `4 layers from 3 to 9`."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    gap = layers[-1] - layers[0] + 1 != len(layers)
    return f"{len(layers)} layers from {layers[0]} to {layers[-1]}" if gap else f"layers {layers[0]} to {layers[-1]}"


_OPTIMIZERS = {"sgd": "SGD", "momentum": "SGD with momentum", "adam": "Adam", "adamw": "AdamW"}


def optimizer_name(optimizer: str) -> str:
    """Return what an optimizer is called in a sentence."""
    return _OPTIMIZERS[optimizer]


def trains_it(optimizer: str, iterations: int) -> str:
    """Return what a probability is of, and as what it is judged where no such training was seen.

    Example:
        >>> trains_it("sgd", 250)
        'that SGD trains it in 250 iterations'
        >>> trains_it("adamw", 5000)
        'that AdamW trains it in 5000 iterations, judged as Adam in 1000'
    """
    known, most = judged_as(optimizer, iterations)
    judged = f", judged as {optimizer_name(known)} in {most}" if (known, most) != (optimizer, iterations) else ""
    return f"that {optimizer_name(optimizer)} trains it in {iterations} iterations{judged}"
