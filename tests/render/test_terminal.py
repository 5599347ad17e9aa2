"""What users see in the terminal, from reports built by hand."""

import io
import re
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import builders
import numpy as np
import pytest
from rich.console import Console

from actdiag import numerals
from actdiag.activations import ACTIVATIONS, resolve
from actdiag.diagnosis import RULES
from actdiag.diagnosis.findings import Outlook
from actdiag.experiments.fix import Change, Fix
from actdiag.initializers import INITIALIZERS
from actdiag.initializers import resolve as resolve_initializer
from actdiag.render.figures.parts import VERDICT_COLOURS
from actdiag.render.terminal import catalogue, columns
from actdiag.render.terminal.comparison import comparison_view
from actdiag.render.terminal.fixing import fix_view
from actdiag.render.terminal.marks import densities_of, sparkline
from actdiag.render.terminal.summary import report_view
from actdiag.view.summary import heading, summary


def shown(view, width, **console):
    screen = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False, **console)
    screen.print(view)
    lines = [line.rstrip() for line in screen.file.getvalue().splitlines()]
    return "\n".join(lines) + "\n"


THEORY = {
    "theory": builders.with_theory,
    "surprising": builders.surprising,
    "surprising-gradient": builders.surprising_gradient,
    "repeats": builders.repeated,
    "repeats-surprising": lambda: builders.repeated(builders.surprising()),
    "repeats-gradient": lambda: builders.repeated(builders.with_gradient()),
    "no-theory": lambda: builders.changed(builders.report(), theory=builders.DOES_NOT_APPLY),
}


KINDS = {"healthy": builders.report, "sick": builders.sick, "gradient": builders.with_gradient, **THEORY}


def everything():
    """A report of means over seeds, with gradients, theory that is contradicted, and findings of every severity."""
    flags = {2: ("rms",), 3: ("gradient.rms",), 4: ("gradient.rms", "rms")}
    report = builders.repeated(builders.with_theory(builders.with_gradient(), flags))
    findings = [replace(builders.VANISHING, rule="vanishing_gradient"), builders.ALIGNED, builders.FLAT]
    return replace(report, verdict=builders.verdict("at-risk", findings))


# Whole outputs are kept for the layouts that matter; what is said in them is tested where it is made.
LAYOUTS = [
    ("everything", everything, 80, False),
    ("everything", everything, 80, True),
    ("everything", everything, 120, False),
    ("healthy", builders.report, 80, False),
    ("sick", builders.sick, 80, False),
    ("theory", builders.with_theory, 120, False),
    ("surprising", builders.surprising, 80, False),
    ("repeats", builders.repeated, 120, False),
]


@pytest.mark.parametrize(("name", "build", "width", "ascii_only"), LAYOUTS)
def test_report(golden, name, build, width, ascii_only):
    text = shown(report_view(build(), width=width, ascii_only=ascii_only), width)
    assert text.isascii() or not ascii_only
    golden(f"report-{name}-{width}{'-ascii' if ascii_only else ''}.txt", text)


def written(report, width=200, ascii_only=False):
    return shown(report_view(report, width=width, ascii_only=ascii_only), width).splitlines()


def table_of(lines):
    """The head of a report's table, and its rows."""
    rule = next(at for at, line in enumerate(lines) if line.startswith(("──", "--")))
    return lines[rule - 1], lines[rule + 1 : rule + 5]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_rows_of_a_signal(ascii_only):
    head, rows = table_of(written(builders.report(), 120, ascii_only))
    assert head.split() == [
        "layer",
        "histogram",
        "mean",
        "std",
        "rms",
        "unit",
        "std",
        "rms",
        "z",
        "zero",
        "dead",
        "cosine",
    ]
    bars = "@#+-" if ascii_only else "█▇▅▃"  # of 20, 15, 10 and 5
    for number, row in enumerate(rows, 1):
        mean = numerals.number(0.4 / number)
        assert row.split() == [str(number), bars, mean, "0.580", "0.700", "0.500", "1.00", "50%", "0%", "0.300", "ok"]


@pytest.mark.parametrize("ascii_only", [False, True])
def test_rows_of_a_gradient(ascii_only):
    lines = written(builders.with_gradient(), 120, ascii_only)
    head, rows = table_of(lines)
    assert " ".join(head.split()) == "layer histogram rms a rms dL/dz ratio typical along z |dL/dW| dW/W |dL/db| zero"
    marks = ["ok", "ok", "vanishing", "vanishing"]
    for number, (row, mark) in enumerate(zip(rows, marks, strict=True), 1):
        rms = 1e-11 * 100**number
        numbers = ["0.700", *map(numerals.number, (rms, rms / 1e-3, rms / 2)), "2.0%", "0.0200", "0.00100", "0.0300"]
        numbers.append("10%")
        assert row.split()[2:] == [*numbers, mark]
    bars = [row.index("+" if ascii_only else "▅") for row in rows]
    assert bars == sorted(bars, reverse=True)  # all rows share an axis: the smaller the gradient, the further left
    assert "histograms: log10 |dL/dz| from -9 to -4" in lines


def test_cells_that_have_no_number():
    _, rows = table_of(written(builders.sick(), 120))
    assert rows[1].split()[-1] == "aligned"
    assert "off the axis" in rows[2]
    assert rows[3].split()[1:4] == ["NaN", "or", "inf"]
    assert rows[3].split().count("-") == 5
    assert "dead" not in table_of(written(builders.report([builders.layer(1, dead_fraction=None)]), 120))[0]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", list(KINDS))
def test_without_other_characters_the_layout_is_the_same(name, width):
    """But for the bars, and for what is wider in ASCII."""
    texts = [written(KINDS[name](), width, ascii_only) for ascii_only in (False, True)]
    (head, rows), (ascii_head, ascii_rows) = map(table_of, texts)
    assert not any("±" in line for line in texts[1])
    if not any("±" in line for line in rows):
        assert head == ascii_head
        cells = str.maketrans("▁▂▃▄▅▆▇█", ".:-=+*#@")
        assert [row.translate(cells) for row in rows] == ascii_rows
    whole, ascii_whole = (" ".join(" ".join(lines).partition("verdict: ")[2].split()) for lines in texts)
    assert numerals.in_ascii(whole) == ascii_whole


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("name", list(KINDS))
def test_headings_and_summaries_stand_as_they_are(name, ascii_only):
    plain = numerals.in_ascii if ascii_only else str
    lines = written(KINDS[name](), 250, ascii_only)
    said = heading(KINDS[name]())
    assert tuple(lines[: len(said)]) == said
    assert lines[len(said)] == ""
    verdict, *others = summary(KINDS[name]())
    start = lines.index(f"verdict: {verdict.severity} ({verdict.text})")
    width = max(len(plain(line.label)) + 2 for line in others)
    wanted = []
    for line in others:
        first, *more = plain(line.text).split("\n")
        label = f"  {plain(line.label)}" if line.label else ""
        wanted += [f"{label:{width}} {first}", *(" " * (width + 1) + one for one in more)]
    assert lines[start + 1 :] == wanted


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


def test_the_median_input_and_the_share_along_z_stand_where_there_is_room():
    heads = [table_of(written(builders.with_gradient(), width))[0] for width in (80, 100, 120)]
    assert [("typical" in head, "along z" in head) for head in heads] == [(False, False), (True, False), (True, True)]
    older = [
        replace(stats, gradient=replace(stats.gradient, typical_rms=None)) for stats in builders.with_gradient().layers
    ]
    report = builders.report(older, loss=builders.LossValue("random", None, 0.1))
    assert "typical" not in table_of(written(report, 120))[0]


def test_the_gradient_of_the_median_input_is_shown_where_layers_are_marked_by_it():
    layers = [replace(one, gradient=replace(one.gradient, ratio=0.5)) for one in builders.with_gradient().layers]
    finding = replace(builders.VANISHING, rule="vanishing_gradient")
    said = "vanishing: in typical, the rms dL/dz of the median input"
    for width, there in ((80, True), (120, True), (24, False)):
        report = builders.report(layers, (finding,), "untrainable", builders.LossValue("mse", 10, 0.123))
        lines = written(report, width)
        assert ("typical" in table_of(lines)[0], said in lines) == (there, there)
    note = builders.report(layers, (replace(finding, severity="info"),), loss=builders.LossValue("mse", 10, 0.123))
    assert "typical" not in table_of(written(note, 80))[0]
    of_the_whole = written(builders.with_gradient(), 120)
    assert "typical" in table_of(of_the_whole)[0]
    assert said not in of_the_whole


@pytest.mark.parametrize("rule", columns._MARKED_BY)
def test_what_marks_a_row_is_a_rule_and_its_number_is_the_last_to_go(rule):
    assert rule in RULES
    name = columns._MARKED_BY[rule]
    heads = {one.name: one.head for one in (*columns._GRADIENT_COLUMNS, *columns._SIGNAL_COLUMNS)}
    assert name in heads
    stats = builders.layer(1, saturated_fraction=0.9)
    backward = "gradient" in name
    layers = [builders.gradient(stats, 1e-9, 1e-6)] if backward else [stats]
    finding = replace(builders.VANISHING, rule=rule, layers=(1,))
    loss = builders.LossValue("mse", 10, 0.1) if backward else None
    for width in (80, 60, 45):
        head = table_of(written(builders.report(layers, (finding,), "untrainable", loss), width))[0]
        assert heads[name] in head


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


@pytest.mark.parametrize(("inits", "said"), [(("torch_linear", "he"), "each initializer's own biases"),
                                             (("he", "xavier"), "N(0, 1), float32")])  # fmt: skip
def test_comparisons_state_no_stacks_biases_for_all(inits, said):
    reports = [
        builders.changed(builders.report(), stack=builders.stack(init=resolve_initializer(init))) for init in inits
    ]
    text = shown(comparison_view(reports, width=120), 120)
    assert said in text.splitlines()[0]
    assert "biases of" not in text


@pytest.mark.parametrize(("probability", "text"), [(0.997, ">99%"), (0.992, ">99%"), (0.004, "<1%"), (0.064, "6%")])
def test_a_fix_tells_probabilities_as_the_verdict_does(probability, text):
    before = replace(builders.report(), verdict=builders.verdict("untrainable"))
    after = replace(builders.report(), verdict=builders.verdict(probability=probability))
    fix = Fix(Change("gain", {"gain": 1.5}, after.stack), after, 1)
    lines = shown(fix_view(before, fix, ["actdiag"], width=80), 80).splitlines()
    assert [line.split()[-2:] for line in lines if line.startswith("probability")] == [["2%", text]]
    assert f"({text} that SGD trains it in 250 iterations)" in "\n".join(written(after))


def test_comparison(golden):
    golden("comparison-80.txt", shown(comparison_view(comparison(), width=80), 80))


@pytest.mark.parametrize(
    ("width", "tables"),
    [
        (48, [["relu"], ["tanh"], ["sigmoid"]]),
        (50, [["relu", "tanh"], ["sigmoid"]]),
        (69, [["relu", "tanh", "sigmoid"]]),
    ],
)
def test_a_comparison_takes_as_many_tables_as_it_needs(width, tables):
    lines = shown(comparison_view(comparison(), width=width), width).splitlines()
    heads = [line.split() for line, under in pairwise(lines) if under.startswith("──")]
    assert heads == tables
    assert [line.split()[0] for line in lines if "rms 0.700" in line] == ["std=0.01", "he"] * len(tables)


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
@pytest.mark.parametrize("width", [80, 120, 160])
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


@pytest.mark.parametrize("width", [80, 160])
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
        assert numerals.number(entry.std(100, 50)) in text
        assert "".join(entry.source.split()) in squeezed


def test_initializer_view_tells_std_at_the_fans():
    text = shown(catalogue.initializer_view(resolve_initializer("xavier"), 300, 100, width=80), 80)
    assert "0.0707107" in text


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if resolve(name).kinks])
def test_the_slopes_at_the_kinks_are_shown(name):
    act = resolve(name)
    said = [f"{numerals.brief(float(act.derivative(np.array([at]))[0]))} at {numerals.brief(at)}" for at in act.kinks]
    lines = shown(catalogue.activation_view(act, width=100), 100).splitlines()
    assert [line.split("  ", 1)[1].strip() for line in lines if line.startswith("f' at kinks")] == [", ".join(said)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hardtanh", "its slope is 0, as in PyTorch; it is 1 in JAX"),
        ("hard_tanh", "its slope is 0, as in PyTorch; it is 1 in JAX"),
        ("sparse_sigmoid", "it is 1/4 in JAX"),
        ("leaky_relu:0.2", "the one below zero, as in PyTorch; in JAX it is 1"),
        ("prelu", "in Flax it is 1"),
        ("hardsigmoid", "Before version 3 Keras had another: keras2_hard_sigmoid"),
    ],
)
def test_where_other_frameworks_differ_is_shown(name, said):
    text = " ".join(shown(catalogue.activation_view(resolve(name), width=80), 80).split())
    assert said in text


def test_a_smooth_activation_has_no_line_on_kinks():
    assert "kinks" not in shown(catalogue.activation_view(resolve("tanh"), width=80), 80)


@pytest.mark.parametrize("name", ["he", "kaiming_normal", "xavier", "glorot_normal", "lecun"])
def test_normals_that_keras_and_jax_cut_say_so(name):
    entry = resolve_initializer(name)
    text = " ".join(shown(catalogue.initializer_view(entry, 100, 50, width=80), 80).split())
    assert "Not cut" in text
    assert "of Keras and JAX, the same variance, is cut at two std" in text
    cut = re.search(r"at two std: (keras_\w+)\.", text)[1]
    assert resolve_initializer(cut).family == "truncated_normal"
    assert resolve_initializer(cut).variance(100, 50) == entry.variance(100, 50)
    assert cut in shown(catalogue.initializers_view(100, 50, width=80), 80).split("not cut, as in PyTorch")[1]


def test_the_lists_name_every_alias():
    for registry, view in (
        (ACTIVATIONS, catalogue.activations_view(width=80)),
        (INITIALIZERS, catalogue.initializers_view(100, 50, width=80)),
    ):
        text = " ".join(shown(view, 80).split())
        for name in registry:
            for alias in registry.aliases(name):
                assert f"{alias} is {name}" in text


def test_ascii_views_are_ascii():
    for build in (builders.report, builders.sick, builders.with_gradient):
        assert shown(report_view(build(), width=80, ascii_only=True), 80).isascii()
    assert shown(comparison_view(comparison(), width=80, ascii_only=True), 80).isascii()


@pytest.mark.parametrize("severity", get_args(Outlook))
def test_every_verdict_has_a_colour_and_its_word(severity):
    known = builders.verdict("healthy" if severity == "unknown" else severity)
    verdict = replace(known, severity=severity, probability=None if severity == "unknown" else known.probability)
    report = replace(builders.report(), verdict=verdict)
    colours = {"force_terminal": True, "color_system": "standard", "no_color": False}
    for view in (report_view(report, width=80), comparison_view([report], width=80)):
        assert f"m{severity}" in shown(view, 80, **colours)
    assert severity in VERDICT_COLOURS


def test_colour_always_has_a_word_beside_it():
    text = shown(report_view(builders.sick(), width=80), 80)
    for word in ("vanishing", "aligned", "ok", "untrainable", "error", "warning", "note"):
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


def test_sparkline():
    assert sparkline((0, 1, 4, 8), 4, ascii_only=False) == " ▂▅█"
    assert sparkline((0, 1, 4, 1000), 4, ascii_only=True) == " ..@"
    assert sparkline((5,) * 30, 17, ascii_only=False) == "█" * 15  # even counts look even at every width
    assert densities_of((1, 2, 3, 4, 5), 3) == [1.5, 3.5, 5]
    assert all(len(densities_of(range(30), cells)) <= cells for cells in range(1, 40))
