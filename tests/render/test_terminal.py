"""What users see in the terminal, from reports built by hand."""

import io
from dataclasses import replace
from itertools import pairwise

import builders
import pytest
from rich.console import Console

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.diagnosis import RULES
from actdiag.initializers import INITIALIZERS
from actdiag.initializers import resolve as resolve_initializer
from actdiag.render.terminal import catalogue
from actdiag.render.terminal.comparison import comparison_view
from actdiag.render.terminal.marks import densities_of, sparkline
from actdiag.render.terminal.summary import report_view
from actdiag.view import words


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


THEORY = {
    "theory": builders.with_theory,
    "surprising": builders.surprising,
    "surprising-gradient": builders.surprising_gradient,
    "repeats": builders.repeated,
    "repeats-surprising": lambda: builders.repeated(builders.surprising()),
    "repeats-gradient": lambda: builders.repeated(builders.with_gradient()),
    "no-theory": lambda: builders.changed(builders.report(), theory=builders.DOES_NOT_APPLY),
}


@pytest.mark.parametrize("name", list(THEORY))
@pytest.mark.parametrize(("width", "ascii_only"), [(80, False), (120, False), (80, True)])
def test_report_with_theory_and_repeats(golden, name, width, ascii_only):
    text = shown(report_view(THEORY[name](), width=width, ascii_only=ascii_only), width)
    assert text.isascii() or not ascii_only
    golden(f"report-{name}-{width}{'-ascii' if ascii_only else ''}.txt", text)


@pytest.mark.parametrize(
    ("severity", "changes", "line", "rates"),
    [
        ("healthy", {}, "97% that SGD trains it", "learning rates 0.01 to 0.3, try 0.1"),
        ("healthy", {"probability": 0.995}, ">99% that SGD trains it", "learning rates 0.01 to 0.3, try 0.1"),
        ("healthy", {"probability": 1.0, "learning_rates": None}, "100% that SGD trains it", "try 0.1"),
        ("healthy", {"learning_rate": None, "learning_rates": None}, "97% that SGD trains it", None),
        (
            "at-risk",
            {"estimated": True},
            "60% that SGD trains it; gradient estimated",
            "learning rates 0.01 to 0.3, try 0.1",
        ),
        ("at-risk", {"probability": 0.4, "trainable": False}, "40% that SGD trains it", None),
        ("untrainable", {"probability": 0.009, "estimated": True}, "<1% that SGD trains it; gradient estimated", None),
        ("untrainable", {"probability": 0.0, "estimated": True}, "no learning rate trains it", None),
    ],
)
def test_the_verdict_tells_probability_and_learning_rates(severity, changes, line, rates):
    report = replace(builders.report(), verdict=builders.verdict(severity, **changes))
    lines = shown(report_view(report, width=80), 80).splitlines()
    start = next(at for at, text in enumerate(lines) if text.startswith("verdict:"))
    assert lines[start] == f"verdict: {severity} ({line})"
    assert lines[start + 1 : start + 2] == ([f"  SGD    {rates}"] if rates else lines[start + 1 : start + 2])
    assert ("SGD   " in "\n".join(lines[start + 1 :])) == bool(rates)


def test_a_comparison_names_only_what_counts():
    told = replace(builders.report(), verdict=builders.verdict("healthy", [builders.FLAT]))
    warned = replace(builders.report(), verdict=builders.verdict("at-risk", [builders.ALIGNED, builders.FLAT]))
    assert "flat_weight_gradient" not in shown(comparison_view([told], width=80), 80)
    assert "healthy 97%" in shown(comparison_view([told], width=80), 80)
    assert "aligned_inputs" in shown(comparison_view([warned], width=80), 80)


def test_layers_are_marked_with_their_rules_word():
    for rule in RULES.values():
        finding = replace(builders.ALIGNED, rule=rule.name, layers=(2,))
        text = shown(report_view(builders.report(findings=(finding,)), width=80), 80)
        (row,) = [line for line in text.splitlines() if line.startswith("    2 ")]
        assert row.endswith(f" {rule.mark or rule.name.split('_')[0]}")
    mine = replace(builders.ALIGNED, rule="my_own")
    assert " my\n" in shown(report_view(builders.report(findings=(mine,)), width=80), 80)


def test_theory_takes_no_measured_column_away():
    for width in (80, 100, 120):
        plain = shown(report_view(builders.report(), width=width), width)
        beside = shown(report_view(builders.with_theory(), width=width), width)
        heads = plain.splitlines()[3].split()
        assert heads == beside.splitlines()[3].split()
        assert "0.580|0.570" in beside


@pytest.mark.parametrize(
    ("width", "cells"), [(80, ["0.580!|0.570"]), (120, ["0.580!|0.570", "0.300!|0.318", "1.00!|1.00"])]
)
def test_flags_are_marked_coloured_and_told(width, cells):
    view = report_view(builders.surprising(), width=width)
    text = shown(view, width)
    assert all(cell in text for cell in cells)
    assert "! over 4 sd from what the layer before lets expect" in text
    assert "layer 2 cosine 0.3, expected 0.318 ± 0.004 from layer 1" in text
    assert "layer 1 std 0.58, expected 0.5801 ± 0.0002 from the input" in text
    assert "and 2 more" in text
    assert "theory and the run disagree" in text
    coloured = shown(view, width, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[1;35m0.580!" in coloured
    assert "\x1b[1;35m0.580 " not in coloured


def test_a_flag_shows_where_its_prediction_does_not_fit():
    text = shown(report_view(builders.surprising(), width=80), 80)
    assert "50%!" in text
    assert "50%|50%" not in text


def test_gradients_are_expected_from_the_layer_after():
    text = shown(report_view(builders.surprising_gradient(), width=120), 120)
    assert "layer 3 rms dL/dz 1e-05, expected 2e-05 ± 1e-05 from layer 4" in text
    assert "layer 4 rms dL/dz 0.001, expected 0.002 ± 0.001 from the loss" in text


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        (
            builders.ORDERED,
            [
                "ordered, stable: q* 0.315, c* 1, chi1 0.88, depth scales 1.79 (q) and 7.83 (c) layers",
                "signal changes 1000-fold in 108 layers; gradient in 108 layers; inputs align in 54 layers; "
                "leaves float16 at layer 12, bfloat16 at 98",
                "the signal goes to the fixed point q*",
            ],
        ),
        (builders.DOES_NOT_APPLY, ["none applies: the weights of constant=0.1 are not independent"]),
        (
            builders.StackTheory(True, "", "critical", "marginal", chi1=1.0, xi_c=12.5),
            ["critical, marginal: chi1 1, depth scale 12.5 (c) layers"],
        ),
        (
            builders.StackTheory(True, "diverges", horizon=builders.Horizon(gradient=3, float32=7)),
            ["gradient changes 1000-fold in 3 layers; leaves float32 at layer 7", "diverges"],
        ),
    ],
)
def test_theory_in_words(said, lines):
    assert words.theory(said) == lines


@pytest.mark.parametrize(
    ("number", "expected", "text"),
    [
        (0.31, builders.Estimate(0.52, 0.02), "layer 2 std 0.31, expected 0.52 ± 0.02 from layer 1"),
        (0.99991, builders.Estimate(0.99998, 2e-6), "layer 2 std 0.99991, expected 0.99998 ± 2e-06 from layer 1"),
        (None, builders.Estimate(0.5, None), "layer 2 std -, expected 0.5 from layer 1"),
        (0.0, builders.Estimate(0.0, 0.0), "layer 2 std 0, expected 0 ± 0 from layer 1"),
    ],
)
def test_what_was_expected_is_told_in_the_digits_that_count(number, expected, text):
    layers = [builders.layer(1), builders.layer(2, std=number)]
    report = builders.with_theory(builders.report(layers))
    said = builders.LayerTheory(expected=builders.LayerEstimates(std=expected), flagged=("std",))
    assert words.flags(builders.changed(report, layer_theory=(builders.LayerTheory(), said)), ascii_only=False) == [
        text
    ]


def test_shares_are_told_in_percent():
    report = builders.with_theory(flags={3: ("zero_fraction",)})
    assert words.flags(report, ascii_only=True) == ["layer 3 exact zeros 50%, expected 50% +- 0.1% from layer 2"]


def test_repeats_tell_means_spread_seeds_and_verdicts():
    text = shown(report_view(builders.repeated(), width=120), 120)
    assert "float32, seeds 0 to 19" in text
    assert "0.580±0.094" in text
    assert "50%±1.2%" in text
    assert "cells: mean±sd of 20 runs" in text
    assert "runs   19 healthy, 1 at-risk" in text
    both = shown(report_view(builders.repeated(builders.with_theory()), width=120), 120)
    assert "0.580±0.094|0.570±0.030" in both
    narrow = shown(report_view(builders.repeated(), width=34), 34)
    assert "cells: means of 20 runs" in narrow
    assert "±" not in narrow


@pytest.mark.parametrize(
    ("text", "value", "sd", "shown_as"),
    [
        (words.number, 0.826, 0.0941, "0.826±0.094"),
        (words.number, 0.826, 0.1, "0.826±0.10"),
        (words.number, None, 0.1, "-"),
        (words.number, 0.826, None, "0.826"),
        (words.number, 1.0, 0.0, "1.00±0"),
        (words.percent, 0.5, 0.012, "50%±1.2%"),
    ],
)
def test_plus_minus(text, value, sd, shown_as):
    assert words.plus_minus(text, value, sd, ascii_only=False) == shown_as


def comparison():
    reports = {
        "relu": builders.report(change=(0.98, 1.02)),
        "tanh": builders.report(),
        "sigmoid": builders.with_gradient(),
    }
    return [
        builders.changed(report, stack=builders.stack(act=resolve(act), init=resolve_initializer(init)))
        for act, report in reports.items()
        for init in ("std=0.01", "he")
    ]


@pytest.mark.parametrize("width", [50, 80])
def test_comparison(golden, width):
    golden(f"comparison-{width}.txt", shown(comparison_view(comparison(), width=width), width))


@pytest.mark.parametrize("width", [34, 40, 50, 60, 70, 80, 90, 100, 120, 160])
@pytest.mark.parametrize(
    "build",
    [builders.report, builders.sick, builders.with_gradient, *THEORY.values(),
     lambda: builders.repeated(builders.with_theory(builders.sick(), {2: ("std", "mean")}))],
)  # fmt: skip
def test_nothing_is_cut_at_any_width(build, width):
    text = shown(report_view(build(), width=width), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_comparison_tells_runs_and_disagreement():
    first, *others = comparison()
    text = shown(comparison_view([builders.repeated(first), *others], width=80), 80)
    assert "so 19 of 20 runs" in text
    disagreeing = builders.changed(others[0], theory=builders.ORDERED._replace(disagrees=True))
    assert "! theory disagrees" in shown(comparison_view([first, disagreeing, *others[1:]], width=80), 80)
    assert "disagrees" not in shown(comparison_view(comparison(), width=80), 80)


def test_marks_take_room_too():
    tiny = {"mean": -1.234e-5, "std": 1.234e-6, "unit_std": 1.234e-6, "cosine": 0.99999, "zero_fraction": 0.9996}
    flags = dict.fromkeys((3, 4), (*tiny, "dead_fraction"))
    layers = [builders.layer(number, **tiny, dead_fraction=0.9996) for number in range(1, 5)]
    report = builders.with_theory(builders.report(layers, (builders.VANISHING,), "untrainable"), flags)
    for width in range(40, 121):
        text = shown(report_view(report, width=width), width)
        assert "…" not in text
        rows = [line for line in text.splitlines() if line.endswith("vanishing") and line[:5].strip().isdigit()]
        assert len(rows) == 2, width


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
