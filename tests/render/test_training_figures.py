"""The picture of training runs: what is drawn, that runs can be told apart, that nothing lies over anything."""

from itertools import combinations
from math import log

import numpy as np
import pytest
import training_runs
from pictures import assert_apart, drawn

from actdiag.experiments.train import Recipe
from actdiag.render.figures import picture_files
from actdiag.render.figures.training import spread, training_figures
from actdiag.view.paging import RUNS_A_PAGE


def many(count):
    """Runs of as many activations, initializers and learning rates, so that names and ends crowd."""
    acts = ("relu", "tanh", "sigmoid", "gelu", "elu", "selu", "leaky_relu:0.2", "silu", "softplus", "mish")
    inits = ("he", "xavier", "std=0.01", "lecun")
    pairs = [(act, init) for act in acts for init in inits][:count]
    return [
        training_runs.stuck(act, init)
        if init == "std=0.01"
        else training_runs.run(act, init, loss=training_runs.falling(0.05 + 0.01 * number, 20 + number, seed=number))
        for number, (act, init) in enumerate(pairs)
    ]


def exploding():
    exploded = training_runs.run(loss=training_runs.falling(1e9, 50, 2.4))
    return [exploded, training_runs.run(init="xavier"), training_runs.diverged(loss=(None,), accuracy=(0.0,))]


def training_figure(runs):
    (figure,) = training_figures(runs)
    return figure


SETS = {
    "book": training_runs.book,
    "several": training_runs.several,
    "exploding": exploding,
    "alone": lambda: [training_runs.run()],
    "twelve": lambda: many(12),
    "most": lambda: many(40),
    "one-iteration": lambda: [training_runs.run(loss=(2.4,), accuracy=(0.1,), recipe=Recipe("adam", 1, 1))],
    "nothing": lambda: [training_runs.diverged(loss=(None,), accuracy=(0.0,))],
}


def strong(axes, runs):
    """The smoothed curve of each run, in order."""
    found = [line for line in axes.lines if line.get_linewidth() == 1.7 and line.get_transform() == axes.transData]
    assert len(found) == len(runs)
    return found


def labels(axes):
    return [text for text in axes.texts if text.get_transform() == axes.transAxes]


@pytest.mark.parametrize("name", list(SETS))
def test_every_run_has_a_name_of_its_own_that_lies_over_nothing(name):
    runs = SETS[name]()
    figure = training_figure(runs)
    renderer = drawn(figure)
    assert_apart(figure, renderer)
    page = figure.bbox
    for axes in figure.axes:
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in labels(axes)]
        assert len(boxes) == len(runs)
        frame = axes.get_window_extent(renderer)
        for text, box in boxes:
            assert box.x0 > frame.x1, f"{text} lies over the curves"
            assert box.x1 <= page.x1, f"{text} leaves the page"
        for (one, a), (other, b) in combinations(boxes, 2):
            assert min(a.y1, b.y1) - max(a.y0, b.y0) < 2, f"{one!r} overlaps {other!r}"


@pytest.mark.parametrize("name", list(SETS))
def test_runs_are_told_apart_by_colour_line_and_marker(name):
    runs = SETS[name]()
    for axes in training_figure(runs).axes:
        styles = [(line.get_color(), line._dash_pattern, line.get_marker()) for line in strong(axes, runs)]
        assert len(set(map(str, styles))) == len(runs)
    colourless = {str(style[1:]) for style in styles}
    assert len(colourless) == len(runs) or len(runs) > 7


def test_few_runs_need_no_colour():
    runs = training_runs.book()
    lines = strong(training_figure(runs).axes[0], runs)
    assert len({str(line._dash_pattern) for line in lines}) == 3
    assert len({line.get_marker() for line in lines}) == 3


def test_one_activation_is_one_colour_and_one_initializer_one_line():
    runs = many(12)
    lines = strong(training_figure(runs).axes[0], runs)
    by_init, by_act = {}, {}
    for run, line in zip(runs, lines, strict=True):
        by_init.setdefault(run.stack.init.name, set()).add(line.get_color())
        by_act.setdefault(run.stack.act.name, set()).add(str(line._dash_pattern))
    assert [len(colours) for colours in by_init.values()] == [1] * 4
    assert [len(dashes) for dashes in by_act.values()] == [1] * 3


def test_raw_values_and_their_means_are_drawn():
    run = training_runs.run()
    figure = training_figure([run])
    for axes, values in zip(figure.axes, (run.loss, run.accuracy), strict=True):
        raw, smooth = axes.lines[:2]
        assert raw.get_xdata().tolist() == smooth.get_xdata().tolist() == list(range(1, 401))
        assert raw.get_ydata() == pytest.approx(values)
        assert raw.get_alpha() < 0.5
        assert raw.get_linewidth() < smooth.get_linewidth()
        assert smooth.get_ydata()[200] == pytest.approx(np.mean(values[190:211]))
        assert smooth.get_ydata()[0] == values[0]
        assert smooth.get_ydata()[-1] == pytest.approx(np.mean(values[-11:]))
    assert figure.axes[1].get_xlabel() == "iteration"
    assert figure.axes[0].get_xlim() == (0, 400)


def test_long_curves_are_thinned_to_means():
    iterations = 10_000
    values = tuple(float(number) for number in range(1, iterations + 1))
    run = training_runs.run(loss=values, accuracy=(0.5,) * iterations, recipe=Recipe("sgd", iterations, 1))
    raw = training_figure([run]).axes[0].lines[0]
    assert len(raw.get_xdata()) == 2000
    assert raw.get_xdata()[[0, -1]].tolist() == [3, 9998]
    assert raw.get_ydata() == pytest.approx(raw.get_xdata())


def test_the_axis_shows_the_stuck_and_the_learned():
    close = [training_runs.stuck(), training_runs.run(loss=training_runs.falling(0.3, 30))]
    linear = training_figure(close).axes[0]
    assert linear.get_yscale() == "linear"
    assert linear.get_ylim()[0] == 0
    assert 2.35 < linear.get_ylim()[1] < 3
    assert training_figure(training_runs.book()).axes[0].get_yscale() == "log"  # 2.3 is over ten times what is learned
    low = [training_runs.stuck(), training_runs.run(loss=training_runs.falling(0.01, 30))]
    logarithmic = training_figure(low).axes[0]
    assert logarithmic.get_yscale() == "log"
    bottom, top = logarithmic.get_ylim()
    assert bottom < 0.01 < log(10) < top < 4
    assert bottom > 0.001


def test_what_explodes_leaves_the_picture_and_the_others_stay():
    axes = training_figure(exploding()).axes[0]
    bottom, top = axes.get_ylim()
    assert top == pytest.approx(1.12 * 10 * log(10))
    assert bottom < 0.2
    zero = training_runs.run(loss=(2.3, 0.0) * 200)
    bottom, _ = training_figure([zero, training_runs.run(loss=(0.0,) * 400)]).axes[0].get_ylim()
    assert 0 < bottom < 1e-4


def test_divergence_is_marked_where_it_happened():
    runs = [training_runs.run(), training_runs.diverged()]
    for axes in training_figure(runs).axes:
        crosses = [line for line in axes.lines if line.get_marker() == "x"]
        assert [line.get_xdata()[0] for line in crosses] == [36]
        assert [text.get_text() for text in labels(axes)][1] == "uniform:1  diverged at 37"
        assert len(strong(axes, runs)[1].get_xdata()) == 36
    assert not [line for line in training_figure([training_runs.run()]).axes[0].lines if line.get_marker() == "x"]


def test_labels_tell_the_end_and_the_heading_the_rest():
    figure = training_figure(training_runs.book())
    upper, lower = figure.axes
    assert [text.get_text() for text in labels(upper)] == ["std=0.01  2.30", "xavier  0.255", "he  0.199"]
    assert [text.get_text() for text in labels(lower)][2] == "he  83%, test 93%"
    heading = figure._suptitle.get_text()
    assert "relu, 3 initializers" in heading
    assert "sgd at 0.1, 400 iterations of 128 rows" in heading
    assert "synthetic: 8000 rows of 10 in 10 classes" in heading
    assert "lr*: best of 1, 0.1, 0.01" in training_figure(training_runs.several())._suptitle.get_text()
    assert any("chance level: 2.30" in text.get_text() for text in upper.texts)
    assert any("10%" in text.get_text() for text in lower.texts)


def test_names_stand_in_the_order_of_the_ends():
    runs = many(12)
    axes = training_figure(runs).axes[0]
    ends = [line.get_ydata()[-1] for line in strong(axes, runs)]
    places = [text.get_position()[1] for text in labels(axes)]
    assert sorted(range(12), key=lambda run: ends[run]) == sorted(range(12), key=lambda run: places[run])


def test_spread():
    assert spread([0.2, 0.8], 0.1) == pytest.approx([0.2, 0.8])
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    assert spread([0.52, 0.5, 0.9], 0.1) == pytest.approx([0.56, 0.46, 0.9])
    assert spread([1.0, 1.0, 0.0], 0.1) == pytest.approx([0.9, 1.0, 0.0])
    assert spread([0.5] * 5, 0.25) == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
    assert spread([], 0.1) == []


def test_further_runs_are_on_further_pages():
    runs = [
        training_runs.run(loss=training_runs.falling(0.05 * number, 20), learning_rate=float(number))
        for number in range(1, 102)
    ]
    pages = list(training_figures(runs))
    assert [len(labels(page.axes[0])) for page in pages] == [34, 34, 33]
    assert max(34, 33) <= RUNS_A_PAGE
    shown = [text.get_text() for page in pages for text in labels(page.axes[0])]
    assert len(set(shown)) == 101
    assert len({(page.axes[0].get_ylim(), page.axes[0].get_yscale()) for page in pages}) == 1
    assert [page.get_suptitle().splitlines()[-1] for page in pages] == [f"page {one} of 3" for one in (1, 2, 3)]
    for page in pages:
        assert_apart(page, drawn(page))


def test_files_repeat_byte_for_byte():
    first, second = (picture_files(training_figures(training_runs.several()), ".png") for _ in range(2))
    assert first == second
