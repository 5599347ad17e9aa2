"""Numbers as text: one function for each kind of number, for findings, tables and figures alike.

A share or a probability between 0 and 1 never reads as none or as all.
"""

from collections.abc import Callable

MISSING = "-"


def number(value: float | None) -> str:
    """Return three significant digits, trailing zeros kept so that columns line up: plain from 0.001 to 10000."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 99.95:
        return f"{value:#.3g}"
    return f"{value:.0f}" if 99.95 <= abs(value) < 1e4 else f"{value:.2e}"


def brief(value: float | None) -> str:
    """Return three significant digits for running text: `0.1` rather than `0.100`."""
    return MISSING if value is None else f"{value:.3g}"


def rough(value: float | None) -> str:
    """Return two significant digits, of a spread or a learning rate: `0.094`."""
    return MISSING if value is None else f"{value:.2g}"


def precise(value: float | None) -> str:
    """Return six significant digits, of a gain that is to be used: `1.59254`."""
    return MISSING if value is None else f"{value:.6g}"


def percent(fraction: float | None) -> str:
    """Return a share in percent for a column: a decimal under 10 %, `<.1%` and `>99%` at the ends."""
    if fraction is None:
        return MISSING
    if 0 < fraction < 0.001:
        return "<.1%"
    whole = fraction in (0, 1) or fraction >= 0.0995
    return _not_all(fraction) if whole else f"{100 * fraction:.1f}%"


def brief_percent(fraction: float) -> str:
    """Return a share in percent for running text, in two digits: `5%` rather than `5.0%`."""
    if 0 < fraction < 0.001:
        return "<.1%"
    return _not_all(fraction) if fraction >= 0.0995 else f"{100 * fraction:.2g}%"


def whole_percent(fraction: float | None) -> str:
    """Return a probability, or a share, in whole percent: `<1%` and `>99%` at the ends."""
    if fraction is None:
        return MISSING
    if 0 < fraction < 0.01:
        return "<1%"
    return ">99%" if 0.99 < fraction < 1 else f"{100 * fraction:.0f}%"


def _not_all(fraction: float) -> str:
    """Return a share in whole percent, `>99%` where that would read 100% of a part."""
    text = f"{100 * fraction:.0f}%"
    return ">99%" if fraction < 1 and text == "100%" else text


def cosine(value: float | None) -> str:
    """Return a cosine in three decimals, near 1 and -1 in four, never rounding one to 1 or -1; six characters."""
    if value is None:
        return MISSING
    if 0.9995 <= abs(value) < 1:
        if value < 0:
            return f"{value:.4f}".replace("0.", ".", 1) if value > -0.99995 else "<-.999"
        return f"{value:.4f}" if value < 0.99995 else ">.9999"
    return f"{value:.3f}"


def factor(value: float | None) -> str:
    """Return a change per layer for running text: `x0.069`."""
    return MISSING if value is None else f"x{brief(value)}"


def short_factor(value: float | None) -> str:
    """Return a change per layer for a narrow column: two decimals near 1, two digits far from it."""
    if value is None:
        return MISSING
    return f"{value:.2f}" if 0.095 <= value < 99.5 else f"{value:.2g}"


def ratio(value: float | None) -> str:
    """Return a ratio that is small, such as an update over its weights, in two digits: `1.2e-03`."""
    return MISSING if value is None else f"{value:.1e}" if value else "0"


def plus_minus(text: Callable[[float | None], str], value: float | None, sd: float | None) -> str:
    """Return a number with its spread, `0.826±0.094`; alone where there is none.

    Args:
        text: How the number is written.
        value: The number.
        sd: Its spread.
    """
    if value is None or sd is None:
        return text(value)
    spread = percent(sd) if text is percent else f"{sd:#.2g}" if sd else "0"
    return f"{text(value)}±{spread}"


def in_ascii(text: str) -> str:
    """Return a text with `±` as `+-` and arrows as `->`."""
    return text.replace("±", "+-").replace("→", "->")
