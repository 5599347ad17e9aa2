"""Numbers as text: digits, widths, and that a part never reads as all, nor a share as none."""

from math import nextafter

import numpy as np
import pytest

from actdiag import numerals

EDGES = [
    nextafter(edge, toward)
    for edge in (0.0, 0.0005, 0.001, 0.005, 0.01, 0.0995, 0.1, 0.985, 0.99, 0.994, 0.995, 0.999, 1.0)
    for toward in (0.0, 1.0)
]
PARTS = sorted({*(np.arange(1, 20_000) / 20_000).tolist(), *np.geomspace(1e-300, 0.01, 500).tolist(),
                *(1 - np.geomspace(1e-15, 0.01, 500)).tolist(), *EDGES} - {0.0, 1.0})  # fmt: skip
SHARES = [numerals.percent, numerals.brief_percent, numerals.whole_percent]


@pytest.mark.parametrize("text", SHARES)
def test_none_and_all_are_told_from_nearly(text):
    assert text(0.0) == "0%"
    assert text(1.0) == "100%"
    for part in PARTS:
        shown = text(part)
        assert float(shown.strip("<>%")) > 0, part
        assert float(shown.strip("<>%")) < 100, part


@pytest.mark.parametrize("text", SHARES)
def test_what_is_shown_of_a_share_is_near_it_and_grows_with_it(text):
    last = 0.0
    for part in PARTS:
        shown = text(part)
        value = float(shown.strip("<>%"))
        if shown.startswith("<"):
            assert 100 * part < value
        elif shown.startswith(">"):
            assert 100 * part > value
        else:
            assert abs(100 * part - value) <= 0.5 + 1e-9, part
        assert value >= last, part
        last = value


def test_columns_of_shares_are_five_wide():
    assert max(len(numerals.percent(part)) for part in [*PARTS, 0.0, 1.0]) <= 5


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0%"), (1.0, "100%"), (0.0004, "<.1%"), (0.9996, ">99%"), (0.9975, ">99%"), (0.995, ">99%"),
     (0.994, "99%"), (0.005, "0.5%"), (0.05, "5.0%"), (0.5, "50%"), (0.0996, "10%")],
)  # fmt: skip
def test_percent(value, text):
    assert numerals.percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.05, "5%"), (0.0123, "1.2%"), (0.001, "0.1%"), (0.345, "34%")])
def test_brief_percent(value, text):
    assert numerals.brief_percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.004, "<1%"), (0.005, "<1%"), (0.007, "<1%"), (0.01, "1%"), (0.064, "6%"),
     (0.5, "50%"), (0.99, "99%"), (0.992, ">99%"), (0.995, ">99%"), (0.996, ">99%")],
)  # fmt: skip
def test_whole_percent(value, text):
    assert numerals.whole_percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (1.0, "1.00"), (0.04, "0.0400"), (-1.234e-6, "-1.23e-06"), (99.96, "100"),
     (99.94, "99.9"), (1234.5, "1234"), (12345.0, "1.23e+04"), (0.00099999, "1.00e-03"), (5e-324, "4.94e-324")],
)  # fmt: skip
def test_number(value, text):
    assert numerals.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1.0, "1.000"), (-1.0, "-1.000"), (0.99999, ">.9999"), (0.9997, "0.9997"), (-0.9997, "-.9997"),
     (-0.99999, "<-.999"), (-0.00021, "-0.000"), (0.5, "0.500")],
)  # fmt: skip
def test_cosine(value, text):
    assert numerals.cosine(value) == text


def test_cosines_never_read_as_one():
    for value in [*PARTS, *EDGES]:
        for signed in (value, -value):
            if abs(signed) < 1:
                shown = numerals.cosine(signed)
                assert shown not in ("1.000", "-1.000", "1.0000")
                assert len(shown) <= 6
                off = 1.1e-3 if shown.startswith("<") else 5.1e-4
                assert abs(float(shown.strip("<>")) - signed) <= off


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        (numerals.brief, 0.1, "0.1"),
        (numerals.brief, 1234.5, "1.23e+03"),
        (numerals.rough, 0.0941, "0.094"),
        (numerals.precise, 1.5925374, "1.59254"),
        (numerals.factor, 0.0686, "x0.0686"),
        (numerals.short_factor, 1.0, "1.00"),
        (numerals.short_factor, 0.0686, "0.069"),
        (numerals.short_factor, 0.098, "0.10"),
        (numerals.short_factor, 12.34, "12.34"),
        (numerals.short_factor, 123.0, "1.2e+02"),
        (numerals.short_factor, 0.0, "0"),
        (numerals.ratio, 0.0, "0"),
        (numerals.ratio, 0.00123, "1.2e-03"),
    ],
)
def test_digits(text, value, shown):
    assert text(value) == shown
    assert text(None) == "-"


@pytest.mark.parametrize(
    ("text", "value", "sd", "shown"),
    [
        (numerals.number, 0.826, 0.0941, "0.826±0.094"),
        (numerals.number, 0.826, 0.1, "0.826±0.10"),
        (numerals.number, None, 0.1, "-"),
        (numerals.number, 0.826, None, "0.826"),
        (numerals.number, 1.0, 0.0, "1.00±0"),
        (numerals.percent, 0.5, 0.012, "50%±1.2%"),
    ],
)
def test_plus_minus(text, value, sd, shown):
    assert numerals.plus_minus(text, value, sd) == shown


def test_in_ascii():
    assert numerals.in_ascii("0.8±0.1 → 2") == "0.8+-0.1 -> 2"
