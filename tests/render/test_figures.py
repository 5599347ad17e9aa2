"""Pictures, from reports built by hand: what is drawn, and that nothing lies over anything else."""

from dataclasses import replace

import builders
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection
from pictures import assert_apart, drawn

from actdiag import grad_flow, ops
from actdiag.activations import ACTIVATIONS, resolve
from actdiag.initializers import resolve as initializer
from actdiag.render.figures import activation_figure, comparison_figures, gradient_figure, picture_files, signal_figure
from actdiag.render.figures.density import predicted_shares
from actdiag.theory.types import Estimate, PreActivationEstimates


def signal(depth):
    return builders.report([builders.layer(number) for number in range(1, depth + 1)])


def comparison_figure(reports):
    (figure,) = comparison_figures(reports)
    return figure


def heights(axes):
    (bars,) = axes.patches
    return bars.get_data().values


def gradient(depth):
    base = builders.with_gradient()
    layers = tuple(builders.gradient(builders.layer(number), 0.5**number, 0.1) for number in range(1, depth + 1))
    return builders.changed(base, layers=layers, stack=builders.stack(depth))


@pytest.mark.parametrize("depth", [1, 2, 5, 6, 10, 11, 100])
def test_signal_figure_at_any_depth(depth):
    figure = signal_figure(signal(depth))
    assert_apart(figure, drawn(figure))
    titles = [axes.get_title() for axes in figure.axes if axes.axison]
    assert len(titles) == min(depth, 10)
    assert titles[0] == "layer 1"
    assert titles[-1] == f"layer {depth}"


def test_signal_figure_draws_shares_and_numbers():
    figure = signal_figure(signal(2))
    first = figure.axes[0]
    assert heights(first) == pytest.approx([20, 15, 10, 5])
    assert first.patches[0].get_data().edges == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    note = first.texts[0].get_text()
    assert "mean 0.4" in note
    assert "std 0.58" in note
    assert "zero 50%" in note
    assert "relu, he" in figure._suptitle.get_text()
    assert "healthy" in figure._suptitle.get_text()


def test_signal_figure_says_why_a_panel_is_blank():
    figure = signal_figure(builders.sick())
    assert_apart(figure, drawn(figure))
    texts = [" ".join(text.get_text() for text in axes.texts) for axes in figure.axes]
    assert "off the axis" in texts[2]
    assert "NaN or inf" in texts[3]


def named_curves(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines if not line.get_label().startswith("_")}


@pytest.mark.parametrize("depth", [1, 2, 20, 100])
def test_gradient_figure_at_any_depth(depth):
    figure = gradient_figure(gradient(depth))
    assert_apart(figure, drawn(figure))
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert axes.get_xlabel() == "layer"
    curves = named_curves(axes)
    assert list(curves) == ["rms of dL/dz", "norm of dL/dW", "rms of activations"]
    assert curves["rms of dL/dz"] == pytest.approx([0.5**number for number in range(1, depth + 1)])
    styles = {(line.get_linestyle(), line.get_color()) for line in axes.lines}
    assert len({style for style, _ in styles}) == 3  # told apart without colour


def test_gradient_figure_leaves_zero_out_and_says_so():
    report = gradient(4)
    layers = (*report.layers[:3], replace(report.layers[3], rms=0.0))
    figure = gradient_figure(builders.changed(report, layers=layers))
    assert_apart(figure, drawn(figure))
    assert np.isnan(figure.axes[0].lines[2].get_ydata()[3])
    assert "rms of activations at 1 of 4 layers" in figure._supxlabel.get_text()


def shares(name, edges, mean=0.0, rms=1.0):
    z = PreActivationEstimates(Estimate(mean, None), None, Estimate(rms, None))
    return predicted_shares(resolve(name), z, edges)


@pytest.mark.parametrize("name", ["relu", "tanh", "hardtanh", "gelu", "sigmoid", "elu"])
@pytest.mark.parametrize(("mean", "rms"), [(0.0, 1.0), (0.5, 1.3), (0.0, 0.01)])
def test_predicted_shares_are_those_of_a_sample(name, mean, rms):
    act = resolve(name)
    z = mean + np.sqrt(rms**2 - mean**2) * np.random.default_rng(0).normal(size=400_000)
    a = act.value(z)
    edges = tuple(np.linspace(*((-1, 1) if np.isfinite(act.bounds[0]) and name != "elu" else (-2, 3)), 21))
    counts, _ = np.histogram(a[a != 0], edges)
    points, predicted = shares(name, edges, mean, rms)
    assert points == pytest.approx((np.array(edges[1:]) + edges[:-1]) / 2)
    assert predicted == pytest.approx(counts / z.size, abs=4e-3)


@pytest.mark.parametrize("name", ["gelu", "selu", "elu", "silu", "mish", "relu"])
@pytest.mark.parametrize("rms", [1e-3, 1.0, 10.0, 1e3])
def test_flat_stretches_are_drawn_without_a_warning(name, rms):
    _, predicted = shares(name, tuple(np.linspace(-2, 12, 31)), rms=rms)
    assert np.isfinite(predicted).all()
    assert (predicted >= 0).all()


def test_an_op_without_weights_is_not_said_to_have_a_gradient_that_is_zero():
    block = ops.residual([ops.dense(), ops.activation(), ops.dense()])
    figure = grad_flow(arch=[ops.dense(12), ops.activation(), block], act="relu", batch=30).figure()
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert figure.get_supxlabel() == ""
    assert lines["norm of dL/dW"].get_xdata().tolist() == [1, 2, 3]
    assert lines["rms of dL/dz"].get_xdata().tolist() == [1, 2, 3, 4]


def test_predicted_shares_are_none_where_theory_is():
    edges = (0.0, 0.5, 1.0)
    assert predicted_shares(resolve("softmax"), builders.estimates().pre_activation, edges) is None
    assert predicted_shares(resolve("relu"), PreActivationEstimates(), edges) is None
    assert shares("relu", edges, rms=np.inf) is None
    assert shares("relu", (0.0, 1.0))[1] == pytest.approx([0.3413], abs=1e-4)  # a single bin
    assert shares("relu", tuple(np.linspace(0, 4, 10_001)))[0].size <= 400


@pytest.mark.parametrize("depth", [1, 3, 5, 11])
def test_signal_figure_draws_what_is_predicted(depth):
    report = builders.with_theory(signal(depth))
    figure = signal_figure(report)
    assert_apart(figure, drawn(figure))
    for axes in figure.axes[: min(depth, 10)]:
        (line,) = axes.lines
        assert line.get_xdata() == pytest.approx([0.125, 0.375, 0.625, 0.875])
        assert line.get_ydata() == pytest.approx([9.87, 9.28, 8.20, 6.81], abs=0.05)  # of N(0, 1) above 0
    assert "line: predicted" in figure._supxlabel.get_text()
    assert figure._supylabel.get_text() == "share of all entries (%)"
    plain = signal_figure(signal(depth))
    assert not any(axes.lines for axes in plain.axes)
    assert "predicted" not in plain._supxlabel.get_text()


def test_blank_panels_have_no_line():
    figure = signal_figure(builders.with_theory(builders.sick()))
    assert_apart(figure, drawn(figure))
    assert [len(axes.lines) for axes in figure.axes[:4]] == [1, 1, 0, 0]


def test_signal_figure_of_repeats_tells_the_spread():
    figure = signal_figure(builders.repeated(signal(2)))
    assert_apart(figure, drawn(figure))
    assert "std 0.58 ± 0.094" in figure.axes[0].texts[0].get_text()
    assert "seeds 0 to 19" in figure._suptitle.get_text()
    summed = [builders.layer(1, histogram=replace(builders.layer(1).histogram, counts=(400, 300, 200, 60), above=40,
                                                  zero=1000))]  # fmt: skip
    figure = signal_figure(builders.repeated(builders.report(summed)))
    assert heights(figure.axes[0]) == pytest.approx([20, 15, 10, 3])
    assert "off the axis 2.0%" in figure.axes[0].texts[0].get_text()


@pytest.mark.parametrize("depth", [1, 4, 100])
def test_gradient_figure_draws_predictions_and_spread(depth):
    report = builders.with_theory(gradient(depth))
    figure = gradient_figure(builders.repeated(report))
    assert_apart(figure, drawn(figure))
    (axes,) = figure.axes
    curves = named_curves(axes)
    assert list(curves)[3:] == ["rms of dL/dz, predicted", "rms of activations, predicted"]
    assert curves["rms of dL/dz, predicted"] == pytest.approx([2 * 0.5**number for number in range(1, depth + 1)])
    bands = [part for part in axes.collections if isinstance(part, PolyCollection)]
    assert len(bands) == 2
    highest = bands[0].get_paths()[0].vertices[:, 1].max()
    assert highest == pytest.approx(np.exp(2 * 0.5))  # 2 x 0.5 at layer 1, with an sd of half of it
    bars = [part for part in axes.collections if isinstance(part, LineCollection)]
    assert len(bars) == (5 if depth == 1 else 3)  # a band of a single layer is a bar
    low, high = bars[0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((0.5 * np.exp(-1 / 8), 0.5 * np.exp(1 / 8)))
    assert axes.get_legend().get_title().get_text() == "vertical: 1 sd of 20 runs\nbands: 2 sd predicted"
    plain = gradient_figure(gradient(depth))
    assert not plain.axes[0].collections
    assert plain.axes[0].get_legend().get_title().get_text() == ""


def test_comparison_figure_draws_what_is_predicted():
    reports = [builders.with_theory(), builders.report()]
    reports[1] = builders.changed(reports[1], stack=builders.stack(init=initializer("xavier")))
    figure = comparison_figure(reports)
    assert_apart(figure, drawn(figure))
    assert "line: predicted" in figure._suptitle.get_text()
    assert [len(axes.lines) for axes in figure.axes] == [1] * 4 + [0] * 4


@pytest.mark.parametrize(("acts", "inits", "depth"), [(1, 1, 1), (3, 3, 5), (2, 6, 100), (5, 2, 3)])
def test_comparison_figure_has_a_block_an_activation(acts, inits, depth):
    names = list(ACTIVATIONS)[:acts]
    specs = ["std=0.01", "he", "xavier", "lecun", "variance_scaling:scale=2:mode=fan_avg", "orthogonal"][:inits]
    layers = tuple(builders.layer(number) for number in range(1, depth + 1))
    reports = [
        builders.changed(
            builders.report(layers, change=(0.98, 1.0)),
            stack=builders.stack(depth, act=resolve(name), init=initializer(spec)),
        )
        for name in names
        for spec in specs
    ]
    figure = comparison_figure(reports)
    assert_apart(figure, drawn(figure))
    assert len(figure.axes) == acts * inits * min(depth, 5)
    written = [text.get_text() for text in figure.texts if text.get_text() != figure.get_suptitle()]
    assert [text for text in written if text in names] == names
    named = ["".join(text.split("\n")) for text in written if text not in names]
    assert named == [f"{initializer(spec).name}healthy" for spec in specs] * acts


def test_comparison_figure_states_no_stacks_biases_for_all():
    stacks = [builders.stack(init=initializer(name)) for name in ("torch_linear", "he")]
    reports = [builders.changed(builders.report(), stack=stack) for stack in stacks]
    title = comparison_figure(reports)._suptitle.get_text()
    assert "each initializer's own biases" in title


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activation_figure(name):
    act = ACTIVATIONS[name]()
    figure = activation_figure(act)
    assert_apart(figure, drawn(figure))
    (axes,) = figure.axes
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(curves) == (2 if act.derivative else 3)
    if act.derivative:
        x, y = curves[0].get_xdata(), curves[0].get_ydata()
        seen = np.isfinite(y)
        assert y[seen] == pytest.approx(act.value(x)[seen])


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_picture_bytes_are_of_that_kind_and_repeat(suffix, start):
    first, second = (picture_files([signal_figure(signal(2))], suffix) for _ in range(2))
    assert first[0].startswith(start)
    assert first == second


@pytest.mark.parametrize("tiny", [1e-320, 5e-324, 1e-305])
def test_numbers_too_near_zero_for_an_axis_are_left_out(tiny):
    report = gradient(3)
    layers = (*report.layers[:2], replace(report.layers[2], rms=tiny))
    figure = gradient_figure(builders.changed(report, layers=layers))
    assert_apart(figure, drawn(figure))
    assert np.isnan(named_curves(figure.axes[0])["rms of activations"][2])
    alone = grad_flow("relu", "he", gain=1e-320, depth=1, width=4, batch=3, loss="cross-entropy")
    assert drawn(alone.figure()) is not None
