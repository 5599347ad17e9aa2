"""What users see in the terminal, from reports built by hand."""

import io
from dataclasses import replace
from itertools import pairwise

import builders
import pytest
from rich.console import Console

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.initializers import INITIALIZERS
from actdiag.initializers import resolve as resolve_initializer
from actdiag.render import words
from actdiag.render.terminal import catalogue
from actdiag.render.terminal.comparison import comparison_view
from actdiag.render.terminal.marks import densities_of, sparkline
from actdiag.render.terminal.summary import report_view


def shown(view, width, **console):
    screen = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False, **console)
    screen.print(view)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", ["healthy", "sick", "gradient"])
@pytest.mark.parametrize("ascii_only", [False, True])
def test_report(golden, name, width, ascii_only):
    report = {"healthy": builders.report, "sick": builders.sick, "gradient": builders.with_gradient}[name]()
    text = shown(report_view(report, width=width, ascii_only=ascii_only), width)
    golden(f"report-{name}-{width}{'-ascii' if ascii_only else ''}.txt", text)


def comparison():
    reports = {
        "relu": builders.report(change=(0.98, 1.02)),
        "tanh": builders.report(),
        "sigmoid": builders.with_gradient(),
    }
    return [
        replace(report, stack=builders.stack(act=resolve(act), init=resolve_initializer(init)))
        for act, report in reports.items()
        for init in ("std=0.01", "he")
    ]


@pytest.mark.parametrize("width", [50, 80])
def test_comparison(golden, width):
    golden(f"comparison-{width}.txt", shown(comparison_view(comparison(), width=width), width))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160])
@pytest.mark.parametrize("build", [builders.report, builders.sick, builders.with_gradient])
def test_nothing_is_cut_at_any_width(build, width):
    text = shown(report_view(build(), width=width), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("view", ["activations", "initializers", "gelu", "softmax", "he"])
@pytest.mark.parametrize("width", [80, 120, 150])
def test_catalogue_fits_and_is_ascii_where_asked(view, width):
    views = {
        "activations": lambda: catalogue.activations_view(width=width, ascii_only=True),
        "initializers": lambda: catalogue.initializers_view(100, 50, width=width, ascii_only=True),
        "gelu": lambda: catalogue.activation_view(resolve("gelu"), width=width, ascii_only=True),
        "softmax": lambda: catalogue.activation_view(resolve("softmax"), width=width, ascii_only=True),
        "he": lambda: catalogue.initializer_view(resolve_initializer("he"), 100, 50, width=width, ascii_only=True),
    }
    text = shown(views[view](), width)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 150])
def test_lists_hold_every_entry_with_its_source(width):
    text = shown(catalogue.activations_view(width=width), width)
    squeezed = "".join(text.split())
    for name in ACTIVATIONS:
        entry = ACTIVATIONS[name]()
        assert f"\n{entry.name} " in text
        assert "".join(entry.source.split()) in squeezed
    text = shown(catalogue.initializers_view(100, 50, width=width), width)
    squeezed = "".join(text.split())
    for name in INITIALIZERS:
        entry = catalogue.example(name)
        assert f"\n{entry.name} " in text
        assert words.number(entry.std(100, 50)) in text
        assert "".join(entry.source.split()) in squeezed


def test_initializer_view_tells_std_at_the_fans():
    text = shown(catalogue.initializer_view(resolve_initializer("xavier"), 300, 100, width=80), 80)
    assert "0.0707107" in text


def test_ascii_views_are_ascii():
    for build in (builders.report, builders.sick, builders.with_gradient):
        assert shown(report_view(build(), width=80, ascii_only=True), 80).isascii()
    assert shown(comparison_view(comparison(), width=80, ascii_only=True), 80).isascii()


def test_colour_always_has_a_word_beside_it():
    text = shown(report_view(builders.sick(), width=80), 80)
    for word in ("vanishing", "aligned", "ok", "untrainable", "error", "warning", "info"):
        assert word in text


def test_colours_only_where_the_terminal_has_them():
    view = report_view(builders.sick(), width=80)
    assert "\x1b[31m" in shown(view, 80, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[3" not in shown(view, 80, force_terminal=True, no_color=True)
    assert "\x1b" not in shown(view, 80)


def test_deep_stacks_show_chosen_layers():
    deep = builders.report([builders.layer(number) for number in range(1, 101)])
    rows = [line for line in shown(report_view(deep, width=80), 80).splitlines() if line.endswith(" ok")]
    numbers = [int(row.split()[0]) for row in rows]
    assert len(numbers) == 20
    assert (numbers[0], numbers[-1]) == (1, 100)
    gaps = {after - before for before, after in pairwise(numbers)}
    assert gaps <= {5, 6}
    chosen = shown(report_view(deep, width=80, layers=[2, 50]), 80)
    assert [line.split()[0] for line in chosen.splitlines() if line.endswith(" ok")] == ["2", "50"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (1.0, "1.00"), (0.04, "0.0400"), (-1.234e-6, "-1.23e-06"), (99.96, "100"),
     (99.94, "99.9"), (1234.5, "1234"), (12345.0, "1.23e+04"), (0.00099999, "1.00e-03"), (5e-324, "4.94e-324")],
)  # fmt: skip
def test_number(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0%"), (1.0, "100%"), (0.0004, "<.1%"), (0.9996, ">99%"), (0.005, "0.5%"), (0.5, "50%"),
     (0.0996, "10%"), (0.994, "99%")],
)  # fmt: skip
def test_percent_never_rounds_to_none_or_all(value, text):
    assert words.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (1.0, "1.000"), (0.99999, ">.9999"), (0.9997, "0.9997"), (-0.00021, "-0.000"), (0.5, "0.500")],
)
def test_cosine_never_rounds_to_one(value, text):
    assert words.cosine(value) == text


def test_sparkline():
    assert sparkline((0, 1, 4, 8), 4, ascii_only=False) == " ▂▅█"
    assert sparkline((0, 1, 4, 1000), 4, ascii_only=True) == " ..@"
    assert sparkline((5,) * 30, 17, ascii_only=False) == "█" * 15  # even counts look even at every width
    assert densities_of((1, 2, 3, 4, 5), 3) == [1.5, 3.5, 5]
    assert all(len(densities_of(range(30), cells)) <= cells for cells in range(1, 40))
