"""Forward and backward against PyTorch's autograd; plans that keep more or less give the same bits."""

from itertools import pairwise
from math import ceil, sqrt
from threading import Event, Lock, Semaphore

import numpy as np
import pytest

from actdiag import grad_flow, make_stack, propagate
from actdiag.activations import resolve
from actdiag.datasets.random_inputs import random_labels
from actdiag.engine import backward as backward_module
from actdiag.engine.backward import backward, weight_gradients
from actdiag.engine.forward import forward
from actdiag.engine.losses import Loss, loss_and_gradient, readout
from actdiag.engine.memory import Plan, plan_backward
from actdiag.engine.parameters import draw_biases, draw_weights, fit_scale
from actdiag.engine.tape import Tape
from actdiag.engine.workers import Workers
from actdiag.ops.dense import Dense
from actdiag.streams import Stream, stream

KEEP_ALL = Plan(weights=True, stride=1)


def run(stack, loss=None, plan=KEEP_ALL, threads=1):
    """Return what the engine computes: loss, tape, top and its gradient, and the arrays of each layer by name."""
    loss, tape = loss or Loss(), Tape(plan)
    layers = []
    with Workers(threads) as workers:
        for layer in forward(stack, workers, lambda layer, z, a: (z.copy(), a.copy()), tape):
            if layer.number == 0:
                assert np.array_equal(layer.activations, stack.inputs())
                continue
            z, a = (np.concatenate(parts) for parts in zip(*layer.blocks, strict=True))
            layers.append({"z": z, "a": a})
            top = layer.activations
        value, d_top = loss_and_gradient(stack, loss, top, workers)
        for layer in backward(
            stack, workers, tape, d_top, lambda layer, z, d_a, d_z: (z.copy(), d_a.copy(), d_z.copy())
        ):
            z, d_a, d_z = (np.concatenate(parts) for parts in zip(*layer.blocks, strict=True))
            assert np.array_equal(z, layer.z)
            assert np.array_equal(d_z, layer.d_z)
            d_w = np.concatenate(weight_gradients(layer, workers, lambda rows, weights, block: block.copy()).results())
            layers[layer.number - 1] |= {
                "replayed z": layer.z.copy(),
                "replayed inputs": layer.inputs.copy(),
                "w": layer.weights.copy(),
                "d_z": layer.d_z.copy(),
                "d_w": d_w,
                "d_b": layer.d_z.sum(axis=0),
            }
            if stack.act.slope_derivative:
                layers[layer.number - 1]["d_slope"] = (d_a * stack.act.slope_derivative(z)).sum()
        weights = None if loss.name == "random" else readout(stack, loss, layers[-1]["a"], workers)
    return value, tape, weights, layers


def torch_value(torch, act, z, slope):
    functional = torch.nn.functional
    if act == "maxout":
        return z.view(len(z), -1, 3).max(dim=2).values
    if act == "swiglu":
        x, y = z.chunk(2, dim=1)
        return x * functional.silu(y)
    return {
        "relu": torch.relu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "gelu": functional.gelu,
        "elu": functional.elu,
        "prelu": lambda z: functional.prelu(z, slope),
        "softmax": lambda z: torch.softmax(z, dim=1),
        "log_softmax": lambda z: torch.log_softmax(z, dim=1),
    }[act](z)


def torch_run(torch, stack, loss, scales, readout_weights):
    """Return loss and layers as autograd has them, with the same weights, by the same names."""

    def variable(array):
        return torch.tensor(np.asarray(array), dtype=torch.float64, requires_grad=True)

    a = torch.tensor(stack.inputs())
    layers = []
    for number in range(1, stack.depth + 1):
        biases = draw_biases(stack, number)
        w = variable(draw_weights(stack, number, scales.get(number, 1.0)))
        b = variable(np.zeros(stack.columns(number)) if biases is None else biases)
        slope = variable([0.25])
        z = a @ w + b
        z.retain_grad()
        a = torch_value(torch, stack.act.name.split(":")[0], z, slope)
        layers.append({"z": z, "a": a, "w": w, "b": b, "slope": slope})
    if loss.name == "random":
        target = stream(stack.seed, Stream.TARGET).standard_normal(tuple(a.shape))
        value = (torch.tensor(target) * a).sum(dim=1).mean()
    else:
        weights, biases = readout_weights
        y = a @ torch.tensor(weights) + (0 if biases is None else torch.tensor(biases))
        labels = random_labels(stack.seed, stack.batch, loss.classes) if loss.labels is None else loss.labels
        labels = torch.tensor(np.asarray(labels[: stack.batch], dtype=np.int64))
        if loss.name == "mse":
            value = torch.nn.functional.mse_loss(y, torch.nn.functional.one_hot(labels, loss.classes).to(y.dtype))
        else:
            value = torch.nn.functional.cross_entropy(y, labels)
    value.backward()
    arrays = [
        {
            "z": layer["z"].detach().numpy(),
            "a": layer["a"].detach().numpy(),
            "w": layer["w"].detach().numpy(),
            "d_z": layer["z"].grad.numpy(),
            "d_w": layer["w"].grad.numpy(),
            "d_b": layer["b"].grad.numpy(),
            "d_slope": None if layer["slope"].grad is None else layer["slope"].grad.item(),
        }
        for layer in layers
    ]
    return value.item(), arrays


STACKS = {
    "relu": {"act": "relu", "init": "he", "depth": 6},
    "tanh": {"act": "tanh", "init": "xavier", "depth": 5, "gain": 1.5},
    "sigmoid": {"act": "sigmoid", "init": "std=0.5", "depth": 4},
    "gelu with biases": {"act": "gelu", "init": "he", "depth": 4, "bias_mean": 0.1, "bias_std": 0.3},
    "elu orthogonal": {"act": "elu", "init": "orthogonal", "depth": 4},
    "prelu": {"act": "prelu", "init": "he", "depth": 4},
    "maxout": {"act": "maxout:3", "init": "lecun", "depth": 3},
    "swiglu": {"act": "swiglu", "init": "he", "depth": 3},
    "softmax": {"act": "softmax", "init": "std=1", "depth": 3},
    "log_softmax": {"act": "log_softmax", "init": "lecun", "depth": 3},
    "widths": {"act": "relu", "init": "he", "widths": [30, 20, 40], "input_width": 25},
    "wide glu": {"act": "swiglu", "init": "he", "widths": [30, 20, 40]},
    "torch_linear": {"act": "relu", "init": "torch_linear", "depth": 4},
    "lsuv": {"act": "relu", "init": "lsuv", "depth": 4, "bias_std": 0.3, "gain": 1.2},
    "wider than a gradient block": {"act": "tanh", "init": "lecun", "widths": [300, 12]},
    "one layer": {"act": "tanh", "init": "lecun", "depth": 1},
}
GIVEN = np.arange(200) % 7
LOSSES = {
    "random": {"name": "random"},
    "mse": {"name": "mse"},
    "cross-entropy": {"name": "cross-entropy", "classes": 7},
    "mse, labels": {"name": "mse", "classes": 8, "labels": GIVEN},
    "cross-entropy, labels": {"name": "cross-entropy", "classes": 9, "labels": GIVEN},
}


def options_of(name):
    options = {"batch": 150, "dtype": "float64", "seed": 3, **STACKS[name]}
    return options if "widths" in options else {"width": 24, **options}


def assert_near(found, expected, rel=1e-10):
    """Within 1e-10 of each entry, or of the rounding that sums over the largest ones leave."""
    np.testing.assert_allclose(found, expected, rtol=rel, atol=rel / 100 * np.abs(expected).max())


@pytest.mark.torch
@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("name", STACKS)
def test_engine_and_report_agree_with_autograd(name, loss_name):
    torch = pytest.importorskip("torch")
    options, loss_options = options_of(name), LOSSES[loss_name]
    stack, loss = make_stack(**options), Loss(**loss_options)
    value, tape, weights, layers = run(stack, loss)
    torch_loss, torch_layers = torch_run(torch, stack, loss, tape.scales, weights)
    assert value == pytest.approx(torch_loss, rel=1e-10, abs=1e-12)
    for ours, theirs in zip(layers, torch_layers, strict=True):
        for key in ("z", "a", "w", "d_z", "d_w", "d_b"):
            assert_near(ours[key], theirs[key])
        if "d_slope" in ours:
            assert ours["d_slope"] == pytest.approx(theirs["d_slope"], rel=1e-10)

    given = {key: value for key, value in loss_options.items() if key != "name"}
    report = grad_flow(loss=loss_options["name"], **given, **options)
    assert report.loss.value == pytest.approx(torch_loss, rel=1e-10, abs=1e-12)
    top = np.sqrt(np.mean(torch_layers[-1]["d_z"] ** 2))
    for stats, theirs in zip(report.layers, torch_layers, strict=True):
        rms, norm = np.sqrt(np.mean(theirs["d_z"] ** 2)), np.linalg.norm(theirs["d_w"])
        assert stats.rms == pytest.approx(np.sqrt(np.mean(theirs["a"] ** 2)), rel=1e-10)
        assert stats.gradient.rms == pytest.approx(rms, rel=1e-10)
        assert stats.gradient.ratio == pytest.approx(rms / top, rel=1e-10)
        assert stats.gradient.zero_fraction == np.mean(theirs["d_z"] == 0)
        assert stats.weight_gradient.norm == pytest.approx(norm, rel=1e-10)
        assert stats.weight_gradient.weight_ratio == pytest.approx(norm / np.linalg.norm(theirs["w"]), rel=1e-10)
        assert stats.bias_gradient.norm == pytest.approx(np.linalg.norm(theirs["d_b"]), rel=1e-9)
        has_slope = stack.act.slope_derivative is not None
        assert stats.slope_gradient == (pytest.approx(theirs["d_slope"], rel=1e-10) if has_slope else None)


@pytest.mark.torch
def test_float32_agrees_with_autograd_to_its_own_rounding():
    torch = pytest.importorskip("torch")
    stack = make_stack("tanh", "xavier", depth=4, width=24, batch=150)
    _, _, _, layers = run(stack)
    a = torch.tensor(stack.inputs())
    for number, ours in enumerate(layers, 1):
        a = torch.tanh(a @ torch.tensor(draw_weights(stack, number)))
        assert ours["a"].dtype == ours["d_z"].dtype == np.float32
        np.testing.assert_allclose(ours["a"], a.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("act", ["relu", "softplus", "maxout:3"])
def test_a_layer_is_what_its_words_say(act):
    stack = make_stack(act, "he", widths=[7, 5], input_width=6, batch=4, bias_mean=0.2, bias_std=0.1, dtype="float64")
    _, _, _, layers = run(stack)
    a = stack.inputs()
    for number, layer in enumerate(layers, 1):
        z = a @ draw_weights(stack, number) + draw_biases(stack, number)
        a = resolve(act).value(z)
        np.testing.assert_allclose(layer["z"], z, rtol=1e-12)
        np.testing.assert_allclose(layer["a"], a, rtol=1e-12)
        assert layer["z"].shape == (4, stack.widths[number - 1] * stack.act.pieces)


def test_gain_scales_weights_and_nothing_else():
    options = {"depth": 2, "width": 8, "batch": 5, "bias_mean": 0.5, "bias_std": 0.1, "dtype": "float64"}
    plain, scaled = (make_stack("relu", "he", gain=gain, **options) for gain in (1.0, 3.0))
    np.testing.assert_allclose(draw_weights(scaled, 2), 3 * draw_weights(plain, 2), rtol=1e-15)
    assert np.array_equal(draw_biases(scaled, 2), draw_biases(plain, 2))
    loss, top = Loss("mse"), np.ones((5, 8))
    with Workers(1) as workers:
        assert np.array_equal(readout(scaled, loss, top, workers)[0], readout(plain, loss, top, workers)[0])


def test_biases_follow_their_options():
    wide = {"depth": 1, "width": 40_000, "input_width": 1, "batch": 1}
    assert draw_biases(make_stack("relu", "he", **wide), 1) is None
    assert draw_biases(make_stack("relu", "torch_linear", bias_mean=0.0, **wide), 1) is None
    assert set(draw_biases(make_stack("relu", "he", bias_mean=-5.0, **wide), 1)) == {-5.0}
    drawn = draw_biases(make_stack("relu", "torch_linear", bias_mean=1.0, bias_std=0.3, **wide), 1)
    assert drawn.mean() == pytest.approx(1, abs=4 * 0.3 / 200)
    assert drawn.std() == pytest.approx(0.3, rel=4 / 80_000**0.5)
    own = draw_biases(make_stack("relu", "torch_linear", **wide | {"input_width": 4}), 1)
    assert np.abs(own).max() == pytest.approx(0.5, rel=1e-3)


PLANS = {
    "drop weights": lambda depth: Plan(weights=False, stride=1),
    "checkpoints": lambda depth: Plan(weights=False, stride=ceil(sqrt(depth))),
    "every other": lambda depth: Plan(weights=False, stride=2),
    "input only": lambda depth: Plan(weights=False, stride=max(depth, 2)),
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("depth", [1, 2, 3, 10, 17])
@pytest.mark.parametrize(("act", "init"), [("prelu", "torch_linear"), ("swiglu", "lsuv"), ("maxout:3", "he")])
def test_plans_do_not_change_a_bit(act, init, depth, plan):
    widths = [(11, 7, 18, 5)[layer % 4] for layer in range(depth)]
    stack = make_stack(act, init, widths=widths, input_width=9, batch=140, bias_std=0.2)
    value, _, _, kept = run(stack)
    other_value, other_tape, _, replayed = run(stack, plan=PLANS[plan](depth), threads=2)
    assert value == other_value
    for ours, theirs in zip(kept, replayed, strict=True):
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
        assert np.array_equal(theirs["z"], theirs["replayed z"])
    assert all(np.array_equal(below["a"], layer["replayed inputs"]) for below, layer in pairwise(kept))
    assert not other_tape.pre_activations
    assert not other_tape.weights


@pytest.mark.parametrize("depth", [10, 17])
def test_a_smaller_memory_gives_the_same_report(depth):
    options = {"act": "prelu", "init": "he", "depth": depth, "width": 30, "batch": 150, "bias_std": 0.1}
    stack = make_stack(**options)
    layer, weights = 4 * 150 * 30, 4 * 30 * 30
    budgets = [2**30, depth * layer + depth * weights - 1, depth * layer - 1]
    plans = [plan_backward(stack, budget)[0] for budget in budgets]
    assert plans == [KEEP_ALL, Plan(False, 1), Plan(False, ceil(sqrt(depth)))]
    assert len({grad_flow(memory=budget, **options).to_json() for budget in budgets}) == 1


@pytest.mark.parametrize("bias_std", [None, 0.3])
@pytest.mark.parametrize("act", ["relu", "tanh", "swiglu"])
def test_lsuv_gives_every_layer_a_std_of_one(act, bias_std):
    layers = propagate(act, "lsuv", depth=6, width=50, batch=300, bias_std=bias_std).layers
    assert [stats.pre_activation.std for stats in layers] == pytest.approx([1] * 6, rel=1e-5)


def test_lsuv_lets_the_gain_multiply_afterwards():
    layers = propagate("relu", "lsuv", depth=6, width=50, batch=300, gain=3.0).layers
    assert [stats.pre_activation.std for stats in layers] == pytest.approx([3] * 6, rel=1e-5)


def test_lsuv_fits_the_readout_too():
    stack = make_stack("relu", "lsuv", depth=2, width=50, batch=300, dtype="float64")
    _, _, (weights, _), layers = run(stack, Loss("mse"))
    assert (layers[-1]["a"] @ weights).std() == pytest.approx(1, rel=1e-6)


def test_fitting_gives_up_where_there_is_nothing_to_fit():
    zeros = np.zeros((4, 3))
    with Workers(1) as workers:
        assert fit_scale(np.ones((3, 2)), None, zeros, [slice(0, 4)], workers) == 1


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 16 rows, so that small stacks have several."""
    monkeypatch.setattr("actdiag.arrays._FEWEST_ROWS", 16)
    monkeypatch.setattr("actdiag.arrays._LEAST_ENTRIES", 1)


class Steps:
    """A `visit` that can be waited for."""

    def __init__(self, stack):
        self._visited = Semaphore(0)
        self._blocks = len(stack.row_blocks())

    def __call__(self, layer, *arrays):
        self._visited.release()
        return len(arrays[0])

    def wait_for_a_layer(self):
        assert all(self._visited.acquire(timeout=60) for _ in range(self._blocks))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("init", ["he", "lsuv"])
def test_the_input_comes_first_and_every_layer_once(init, threads, small_blocks):
    stack = make_stack("relu", init, widths=[7, 5, 9], input_width=6, batch=50)
    with Workers(threads) as workers:
        layers = [
            (layer.number, layer.activations.shape, layer.blocks)
            for layer in forward(stack, workers, lambda layer, z, a: (len(z), z.shape[1]))
        ]
        first = next(forward(stack, workers, lambda layer, z, a: None))
        assert np.array_equal(first.activations, stack.inputs())
    sizes = [16, 16, 16, 2]
    assert layers[0] == (0, (50, 6), [])
    assert layers[1:] == [
        (number, (50, width), [(rows, width) for rows in sizes]) for number, width in enumerate((7, 5, 9), 1)
    ]


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("init", ["he", "lsuv"])
def test_activations_hold_while_the_next_layer_is_computed(init, threads, small_blocks):
    stack = make_stack("tanh", init, depth=6, width=12, batch=64)
    steps = Steps(stack)
    with Workers(threads) as workers:
        for layer in forward(stack, workers, steps):
            received = layer.activations.copy()
            if layer.number < stack.depth:
                steps.wait_for_a_layer()
            assert np.array_equal(layer.activations, received)
            assert layer.number == 0 or layer.blocks == [16] * 4


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("plan", [KEEP_ALL, Plan(False, 1), Plan(False, 2), Plan(False, 3), Plan(False, 7)])
def test_arrays_hold_while_the_gradient_goes_on(plan, threads, small_blocks):
    stack = make_stack("tanh", "he", depth=7, width=12, batch=64)
    steps, tape, numbers = Steps(stack), Tape(plan), []
    with Workers(threads) as workers:
        for layer in forward(stack, workers, lambda layer, z, a: None, tape):
            top = layer.activations
        for layer in backward(stack, workers, tape, np.ones_like(top), steps):
            arrays = (layer.inputs, layer.weights, layer.z, layer.d_z)
            received = [array.copy() for array in arrays]
            if not numbers:
                steps.wait_for_a_layer()  # the one that is received
            if layer.number > 1:
                steps.wait_for_a_layer()
            assert all(np.array_equal(array, copy) for array, copy in zip(arrays, received, strict=True))
            numbers.append(layer.number)
    assert numbers == [7, 6, 5, 4, 3, 2, 1]


class Straggler:
    """Holds up the second of two blocks of a layer until blocks of a later one overtook it, or would have.

    Layers are told by their columns: `held` those of the layer, `counted` those of the one that may overtake it, of
    which it takes so many blocks as `enough` says.
    """

    def __init__(self, held, counted, enough):
        self._held, self._counted = held, counted
        self._left, self._enough = 2, enough
        self._lock, self._overtaken = Lock(), Event()

    def hold(self, columns):
        with self._lock:
            self._left -= columns == self._held
            second = columns == self._held and self._left == 0
        if second:
            self._overtaken.wait(0.1)

    def visited(self, columns):
        with self._lock:
            self._enough -= columns == self._counted
            if self._enough == 0:
                self._overtaken.set()


@pytest.mark.parametrize(("widths", "enough"), [([8, 20, 8], 4), ([8, 20, 40], 1)])
def test_a_block_up_that_overtakes_leaves_what_others_read(widths, enough, small_blocks, monkeypatch):
    stack, run_op = make_stack("tanh", "he", widths=widths, input_width=6, batch=32), Dense.forward

    def pre_activations(threads, straggler):
        def slow(op, inputs, parameters, z):
            straggler.hold(z.shape[1])
            run_op(op, inputs, parameters, z)

        def visit(layer, z, a):
            straggler.visited(z.shape[1])
            return z.copy()

        monkeypatch.setattr(Dense, "forward", slow)
        with Workers(threads) as workers:
            return [np.concatenate(layer.blocks) for layer in forward(stack, workers, visit) if layer.number]

    expected = pre_activations(1, Straggler(0, 0, 0))
    found = pre_activations(2, Straggler(widths[1], widths[2], enough))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))


@pytest.mark.parametrize(("widths", "enough"), [([8, 20, 8, 10], 2), ([40, 20, 8, 10], 1)])
def test_a_block_down_that_overtakes_leaves_what_others_read(widths, enough, small_blocks, monkeypatch):
    stack, pull_back = make_stack("tanh", "he", widths=widths, input_width=6, batch=32), backward_module.pull_back

    def gradients(threads, straggler):
        def slow(act, z, d_a, d_z):
            straggler.hold(z.shape[1])
            pull_back(act, z, d_a, d_z)

        def visit(layer, z, d_a, d_z):
            straggler.visited(z.shape[1])
            return d_z.copy()

        monkeypatch.setattr(backward_module, "pull_back", slow)
        tape = Tape(KEEP_ALL)
        with Workers(threads) as workers:
            for layer in forward(stack, workers, lambda layer, z, a: None, tape):
                top = layer.activations
            layers = backward(stack, workers, tape, np.ones_like(top), visit)
            return [np.concatenate(layer.blocks) for layer in layers]

    expected = gradients(1, Straggler(0, 0, 0))
    found = gradients(2, Straggler(widths[2], widths[1], enough))
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
