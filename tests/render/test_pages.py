"""What pages share: bars that fit the pixels, folded text, many stacks, and settings that are never the reader's."""

import os
import subprocess
import sys
from dataclasses import replace

import builders
import matplotlib
import numpy as np
import pytest
from pictures import assert_apart, drawn

from actdiag.activations import ACTIVATIONS, resolve
from actdiag.initializers import resolve as initializer
from actdiag.measure.histograms import Histogram
from actdiag.render.figures import comparison_figures, picture_files, report_figure, signal_figure
from actdiag.render.figures.bars import bars_of, tick_label
from actdiag.render.figures.page import Page, fold, text_width
from actdiag.view.paging import block_pages


def histogram(bins):
    counts = np.random.default_rng(0).integers(0, 100, bins).tolist()
    return Histogram(tuple(np.linspace(0, 1, bins + 1)), tuple(counts), 3, 4, 50, 1, 2)


@pytest.mark.parametrize("bins", [1, 2, 100, 101, 199, 200, 201, 3000, 10_007])
def test_bars_keep_the_counts_and_are_as_many_as_fit(bins):
    fine = histogram(bins)
    edges, shares, size = bars_of(fine, 100)
    assert len(shares) <= 100
    assert size == 1 or bins > 100
    held = np.diff(np.searchsorted(fine.edges, edges))
    assert held[:-1].tolist() == [size] * (len(shares) - 1)
    counts = shares * held / size / 100 * (sum(fine.counts) + 60)
    assert counts.sum() == pytest.approx(sum(fine.counts))
    assert counts[0] == pytest.approx(sum(fine.counts[:size]))
    assert (edges[0], edges[-1]) == (0, 1)


@pytest.mark.parametrize("power", [-300, -12, -7, 0, 5, 9, 30])
def test_ticks_of_any_size_tell_their_power_of_ten_and_keep_apart(power):
    counts = histogram(30)
    edges = tuple(np.linspace(-1.7, 1.7, 31) * 10.0**power)
    layers = [builders.layer(number, histogram=replace(counts, edges=edges)) for number in range(1, 7)]
    report = builders.report(layers)
    other = builders.changed(report, stack=builders.stack(6, init=initializer("xavier")))
    for figure in (signal_figure(report), *comparison_figures([report, other])):
        assert_apart(figure, drawn(figure))
        for axes in figure.axes:
            assert axes.xaxis.get_offset_text().get_text() == ""
            labels = [float(label.get_text().replace("\N{MINUS SIGN}", "-")) for label in axes.get_xticklabels()]
            assert labels == pytest.approx(axes.get_xticks(), rel=1e-12, abs=0)


def test_tick_labels():
    values = [0.0, 1.5, -0.25, 1e-7, 2.5e-12, -3e30, 150_000]
    assert [tick_label(value) for value in values] == ["0", "1.5", "-0.25", "1e-7", "2.5e-12", "-3e30", "150000"]


def artists(figure):
    return len(figure.findobj())


def test_artists_do_not_grow_with_bins():
    few, many = (
        builders.with_theory(builders.report([builders.layer(1, histogram=histogram(bins))])) for bins in (40, 10_000)
    )
    figures = [signal_figure(report) for report in (few, many)]
    for figure in figures:
        assert_apart(figure, drawn(figure))
    assert artists(figures[0]) == artists(figures[1])
    assert figures[1].axes[0].patches[0].get_path().vertices.shape[0] < 1500


def stacks(acts, inits, depth=5):
    """Reports of so many activations with so many initializers."""
    layers = [builders.layer(number) for number in range(1, depth + 1)]
    return [
        builders.changed(
            builders.report(layers), stack=builders.stack(depth, act=resolve(act), init=initializer(f"std=0.{init}1"))
        )
        for act in list(ACTIVATIONS)[:acts]
        for init in range(inits)
    ]


@pytest.mark.parametrize(
    ("acts", "inits", "pages"),
    [(1, 1, 1), (2, 3, 1), (6, 5, 3), (1, 16, 2), pytest.param(22, 5, 11, marks=pytest.mark.slow)],
)
def test_many_stacks_are_on_pages_where_nothing_overlaps(acts, inits, pages):
    count, rows = 0, 0
    for number, page in enumerate(comparison_figures(stacks(acts, inits)), start=1):
        if number in (1, pages):  # those between are like them
            assert_apart(page, drawn(page))
        assert max(page.get_size_inches()) * page.dpi <= 3000
        assert artists(page) < 75 * len(page.axes) + 100
        count, rows = number, rows + len(page.axes) // 5
    assert (count, rows) == (pages, acts * inits)
    assert pages == len(block_pages([range(inits)] * acts))


def test_pages_say_which_they_are():
    titles = [page.get_suptitle().splitlines()[-1] for page in comparison_figures(stacks(6, 5, 1))]
    assert titles == ["page 1 of 3", "page 2 of 3", "page 3 of 3"]
    (alone,) = comparison_figures(stacks(1, 2, 1))
    assert "page" not in alone.get_suptitle()


@pytest.mark.slow
def test_pages_are_files_but_for_pdf():
    def pages():
        return (Page(1, 1) for _ in range(3))

    assert [len(picture_files(pages(), suffix)) for suffix in (".png", ".svg", ".pdf")] == [3, 3, 1]
    assert picture_files(pages(), ".pdf")[0].count(b"/Type /Page ") == 3


def test_text_is_folded_to_a_width():
    lines = fold("one two three\nfour " + "x" * 60, 1.0, 10)
    assert "".join(lines).replace(" ", "") == "onetwothreefour" + "x" * 60
    assert all(text_width(line, 10) <= 1.0 for line in lines)
    assert fold("short", 1.0, 10) == ["short"]
    assert fold("variance_scaling:mode=fan_avg", 1.6, 10) == ["variance_scaling:", "mode=fan_avg"]
    cut = fold("x" * 60, 1.0, 10, 2)
    assert len(cut) == 2
    assert cut[1].endswith("…")
    assert text_width(cut[1], 10) <= 1.0


def test_long_names_and_dollars_stay_on_the_page():
    act = replace(resolve("relu"), name="$f$ " + "long name " * 30)
    init = replace(initializer("he"), name="$he$:" + "g" * 400)
    named = builders.stack(2, act=act, init=init)
    report = builders.changed(builders.report([builders.layer(1), builders.layer(2)]), stack=named)
    figures = [signal_figure(report), *comparison_figures([report])]
    for figure in figures:
        assert_apart(figure, drawn(figure))
    assert "$f$" in figures[0].get_suptitle()
    assert not any(text.get_parse_math() for figure in figures for text in figure.texts if "$" in text.get_text())


HOSTILE = {
    "text.usetex": True,
    "savefig.dpi": 37,
    "savefig.bbox": "tight",
    "figure.constrained_layout.use": True,
    "font.size": 30,
    "axes.grid": True,
    "xtick.labelsize": 30,
    "savefig.transparent": True,
}


def test_settings_of_the_process_neither_change_a_picture_nor_are_changed():
    report = builders.report()
    plain = picture_files([report_figure(report)], ".png")
    with matplotlib.rc_context(HOSTILE):
        before = dict(matplotlib.rcParams)
        assert picture_files([report_figure(report)], ".png") == plain
        assert dict(matplotlib.rcParams) == before


def test_a_figure_that_its_owner_draws_has_the_ticks_of_its_page():
    looks = []
    for settings in ({}, {"ytick.labelsize": 30, "ytick.direction": "in", "text.color": "red"}):
        figure = report_figure(builders.with_gradient())
        with matplotlib.rc_context(settings):
            drawn(figure)
        ticks = figure.axes[0].yaxis.majorTicks
        looks.append([(tick.label1.get_fontsize(), tick.label1.get_color(), tick.get_tickdir()) for tick in ticks])
    assert looks[0] == looks[1]


RC = {
    "none": None,
    "hostile": "text.usetex: True\nsavefig.dpi: 37\nsavefig.bbox: tight\nfont.size: 30\n",
    "unknown": "backend: nonsense\nno such line\nfont.size: many\nnothing: 3\n",
    "undecodable": b"\xff\xfe\xfa: \xff\n",
}


@pytest.mark.slow
def test_matplotlibrc_and_mplbackend_do_not_reach_the_command_line(tmp_path):
    pictures = {}
    for name, content in RC.items():
        for place in ("here", "home"):
            folder = tmp_path / name / place
            (folder / "home").mkdir(parents=True)
            (folder / "here").mkdir()
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (folder / place / "matplotlibrc").write_bytes(data)
            variables = {"MPLBACKEND": "nonsense" if name != "none" else "agg", "MPLCONFIGDIR": str(folder / "home")}
            done = subprocess.run(
                [sys.executable, "-m", "actdiag", "activations", "relu", "--png", "x.png"],
                cwd=folder / "here", env=os.environ | variables, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (0, ""), (name, place)
            pictures[name, place] = (folder / "here" / "x.png").read_bytes()
            left = {path.name for path in (folder / "here").iterdir()}
            assert left <= {"x.png", "matplotlibrc"}
    assert len(set(pictures.values())) == 1
