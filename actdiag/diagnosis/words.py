"""Numbers and layers in the words of a finding."""


def fold_of(ratio: float) -> str:
    """Return a ratio as a fold change in either direction: `12.5` for 0.08."""
    return f"{ratio if ratio > 1 else 1 / ratio:.3g}"


def name_layers(layers: tuple[int, ...]) -> str:
    """Return layers in words: `layer 3`, `layers 3 to 7`, `4 layers from 3 to 9`."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    gap = layers[-1] - layers[0] + 1 != len(layers)
    return f"{len(layers)} layers from {layers[0]} to {layers[-1]}" if gap else f"layers {layers[0]} to {layers[-1]}"


def share(part: float) -> str:
    """Return a share in percent with two digits; only exactly 0 is 0% and only exactly 1 is 100%."""
    if 0 < part < 0.001:
        return "<.1%"
    if 0.995 <= part < 1:
        return ">99%"
    return f"{100 * part:.0f}%" if part >= 0.0995 else f"{100 * part:.2g}%"
