"""Training: against PyTorch, against finite differences, against a run of the same stack at initialization."""

from dataclasses import replace
from math import exp, inf, log, nan

import numpy as np
import pytest

from actdiag import Activation, InvalidField, grad_flow, make_stack, train
from actdiag.activations import resolve
from actdiag.datasets.catalogue import Dataset
from actdiag.engine.losses import LABELLED
from actdiag.engine.workers import Workers
from actdiag.experiments.train import AUTO_RATES, Recipe, checked_recipe
from actdiag.experiments.train.loop import batches, steps
from actdiag.experiments.train.network import draw_network, evaluate, forward, gradients, slopes_of
from actdiag.experiments.train.optimizers import MOMENTUM, clip
from actdiag.experiments.train.outcome import Advantage, outcome_of
from actdiag.experiments.train.snapshot import relative_changes, snapshot

CLASSES, FEATURES, ROWS, BATCH = 5, 12, 200, 30
SMALL = {"width": 20, "depth": 3}


def dataset(rows=ROWS, seed=0, classes=CLASSES, dtype="float64"):
    """Classes around centres of their own, so that a stack that can learn does so within a few iterations."""
    rng = np.random.default_rng(seed)
    centres = 1.5 * rng.normal(size=(classes, FEATURES))
    labels = rng.integers(classes, size=rows + rows // 4)
    inputs = (centres[labels] + rng.normal(size=(len(labels), FEATURES))).astype(dtype)
    return Dataset("blobs", inputs[:rows], labels[:rows], inputs[rows:], labels[rows:], classes)


def network_of(stack, classes=CLASSES):
    with Workers(1) as workers:
        return draw_network(stack, classes, workers)


def stack_over(data, act="relu", init="he", **options):
    return make_stack(act, init, input=data.train_inputs, batch=len(data.train_inputs), **SMALL | options)


# Against PyTorch: the same weights, the same order of rows, the same optimizer, in float64

FORWARD = {
    "relu": lambda t, z, slope: t.relu(z),
    "tanh": lambda t, z, slope: t.tanh(z),
    "gelu": lambda t, z, slope: t.nn.functional.gelu(z),
    "prelu": lambda t, z, slope: t.nn.functional.prelu(z, slope),
    "maxout:3": lambda t, z, slope: z.reshape(len(z), -1, 3).max(dim=2).values,
    "glu": lambda t, z, slope: t.nn.functional.glu(z, dim=1),
}
OPTIMIZERS = {
    "sgd": lambda t, parameters, **given: t.optim.SGD(parameters, **given),
    "momentum": lambda t, parameters, **given: t.optim.SGD(parameters, momentum=0.9, **given),
    "adam": lambda t, parameters, **given: t.optim.Adam(parameters, **given),
    "adamw": lambda t, parameters, **given: t.optim.AdamW(parameters, **given),
}


def torch_schedule(torch, optimizer, recipe):
    """Return PyTorch's schedule; its cosine reaches 0 one step later than it is told, so that it is told one less."""
    schedules = torch.optim.lr_scheduler
    left = recipe.iterations - recipe.warmup
    name, *values = recipe.schedule.split(":")
    after = {
        "constant": lambda: schedules.ConstantLR(optimizer, factor=1.0),
        "cosine": lambda: schedules.CosineAnnealingLR(optimizer, left - 1),
        "step": lambda: schedules.StepLR(optimizer, int(values[0]), float(values[1])),
    }[name]()
    if not recipe.warmup:
        return after
    first = schedules.LambdaLR(optimizer, lambda step: min((step + 1) / recipe.warmup, 1.0))
    return schedules.SequentialLR(optimizer, [first, after], [recipe.warmup])


def torch_loss(torch, recipe, outputs, labels, classes):
    if recipe.loss_name == "cross-entropy":
        return torch.nn.functional.cross_entropy(outputs, torch.tensor(labels))
    targets = torch.tensor(labels)[:, None] if classes == 1 else torch.eye(classes, dtype=outputs.dtype)[labels]
    return torch.nn.functional.mse_loss(outputs, targets)


def torch_losses(torch, network, data, recipe, rate):
    """Train copies of a network's parameters by PyTorch's own means; return its losses and the parameters."""
    act = network.stack.act
    layers = [[torch.tensor(array, requires_grad=True) for array in layer.parameters()] for layer in network.layers]
    readout = [torch.tensor(array, requires_grad=True) for array in network.readout.parameters()]
    parameters = [array for layer in (*layers, readout) for array in layer]
    given = {} if recipe.weight_decay is None else {"weight_decay": recipe.weight_decay}
    optimizer = OPTIMIZERS[recipe.optimizer](torch, parameters, lr=rate, **given)
    schedule = torch_schedule(torch, optimizer, recipe)
    order, losses = batches(network.stack.seed, len(data.train_inputs), recipe.batch), []
    for _ in range(recipe.iterations):
        rows = next(order)
        a = torch.tensor(data.train_inputs[rows])
        for weights, biases, *slope in layers:
            a = FORWARD[act.name](torch, a @ weights + biases, slope[0] if slope else None)
        loss = torch_loss(torch, recipe, a @ readout[0] + readout[1], data.train_labels[rows], data.classes)
        optimizer.zero_grad()
        loss.backward()
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        if recipe.clip_value is not None:
            torch.nn.utils.clip_grad_value_(parameters, recipe.clip_value)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, [array.detach().numpy() for array in parameters]


CASES = [
    *((act, Recipe("sgd", 50, BATCH), 0.1) for act in FORWARD),
    *((act, Recipe("momentum", 50, BATCH), 0.05) for act in ("relu", "prelu", "glu")),
    *((act, Recipe("adam", 50, BATCH), 0.01) for act in ("relu", "prelu", "maxout:3")),
    *((act, Recipe("sgd", 50, BATCH, clip_norm=0.5), 0.1) for act in ("tanh", "prelu")),
    *((act, Recipe("sgd", 50, BATCH, clip_value=0.01), 0.1) for act in ("gelu", "prelu")),
    ("relu", Recipe("adam", 50, BATCH, clip_norm=0.3, clip_value=0.02), 0.01),
    ("relu", Recipe("momentum", 50, BATCH, clip_norm=0.3, clip_value=0.02), 0.01),
    ("tanh", Recipe("adamw", 50, BATCH), 0.01),
    ("tanh", Recipe("adamw", 50, BATCH, weight_decay=0.3), 0.01),
    *(("tanh", Recipe(name, 50, BATCH, weight_decay=0.1), 0.02) for name in ("sgd", "momentum", "adam")),
    ("tanh", Recipe("sgd", 50, BATCH, schedule="cosine"), 0.1),
    ("tanh", Recipe("adam", 50, BATCH, schedule="cosine", warmup=7), 0.02),
    ("tanh", Recipe("momentum", 50, BATCH, schedule="step:12:0.3", warmup=5), 0.05),
    ("tanh", Recipe("adamw", 50, BATCH, schedule="step:20:0.5", clip_norm=0.3), 0.02),
    ("tanh", Recipe("sgd", 50, BATCH, warmup=20), 0.1),
    *(("tanh", Recipe(name, 50, BATCH, loss_name="mse"), rate) for name, rate in (("sgd", 0.5), ("adam", 0.01))),
]


@pytest.mark.torch
@pytest.mark.parametrize(("act", "recipe", "rate"), CASES)
def test_pytorch_trains_to_the_same_numbers(act, recipe, rate):
    torch = pytest.importorskip("torch")
    data = dataset()
    network = network_of(stack_over(data, act, "he", dtype="float64", seed=3, bias_std=0.1))
    losses, learned = torch_losses(torch, network, data, recipe, rate)
    ours = [step.loss for step in steps(network, data.train_inputs, data.train_labels, recipe, rate)]
    assert ours == pytest.approx(losses, rel=1e-6)
    assert min(ours[-5:]) < 0.95 * ours[0]  # it went somewhere
    for parameter, theirs in zip(network.parameters(), learned, strict=True):
        np.testing.assert_allclose(parameter, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.torch
@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.05), ("momentum", 0.02), ("adam", 0.01), ("adamw", 0.01)])
def test_pytorch_fits_targets_to_the_same_numbers(optimizer, rate):
    torch = pytest.importorskip("torch")
    inputs = np.random.default_rng(0).normal(size=(300, FEATURES))
    targets = inputs[:, 0] * inputs[:, 1] + np.sin(inputs[:, 2])
    data = Dataset("targets", inputs[:240], targets[:240], inputs[240:], targets[240:], 1, "regression")
    recipe = Recipe(optimizer, 50, BATCH, loss_name="mse")
    network = network_of(stack_over(data, "tanh", "he", dtype="float64", seed=3, bias_std=0.1), 1)
    losses, learned = torch_losses(torch, network, data, recipe, rate)
    ours = [step.loss for step in steps(network, data.train_inputs, data.train_labels, recipe, rate)]
    assert ours == pytest.approx(losses, rel=1e-6)
    assert ours[-1] < 0.95 * ours[0]  # it went somewhere
    for parameter, theirs in zip(network.parameters(), learned, strict=True):
        np.testing.assert_allclose(parameter, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("clipped", [{"clip_norm": 0.5}, {"clip_value": 0.01}])
def test_the_bounds_of_those_cases_are_felt(clipped):
    data = dataset()
    free, bound = (
        train("prelu", "he", data=data, lr=0.1, iterations=50, batch=BATCH, dtype="float64", **SMALL, **options)[0].loss
        for options in ({}, clipped)
    )
    assert abs(free[-1] / bound[-1] - 1) > 0.01


# The gradient of every parameter, by finite differences


@pytest.mark.parametrize("loss", LABELLED)
@pytest.mark.parametrize("act", ["tanh", "prelu", "rrelu", "softmax", "maxout", "swiglu", "elu"])
def test_gradients_are_those_of_the_loss(act, loss):
    data = dataset(40)
    network = network_of(stack_over(data, act, "lecun", dtype="float64", bias_std=0.3))
    draws = network.stack.act.slope_range is not None

    def loss_and_gradients():
        rng = slopes_of(0, 7) if draws else None
        return gradients(network, data.train_inputs, data.train_labels, rng, loss)

    found = [gradient.copy() for gradient in loss_and_gradients()[2]]
    rng = np.random.default_rng(1)
    for parameter, gradient in zip(network.parameters(), found, strict=True):
        assert parameter.shape == gradient.shape
        direction = rng.normal(size=parameter.shape)
        step = 1e-6
        sides = []
        for sign in (1, -1):
            parameter += sign * step * direction
            sides.append(loss_and_gradients()[0])
            parameter -= sign * step * direction
        assert (gradient * direction).sum() == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-5, abs=1e-9)


def test_a_recipe_may_train_by_the_mean_squared_error():
    data = dataset(200)
    network, rate = network_of(stack_over(data, "tanh", "xavier", dtype="float64")), 0.5
    recipe = Recipe(iterations=80, batch=40, loss_name="mse")
    logits = forward(network, data.train_inputs).logits.copy()
    found = [step.loss for step in steps(network, data.train_inputs, data.train_labels, recipe, rate)]
    targets = np.eye(CLASSES)[data.train_labels]
    rows = next(batches(network.stack.seed, 200, 40))
    assert found[0] == pytest.approx(np.square(logits - targets)[rows].mean(), rel=1e-12)
    after = np.square(forward(network, data.train_inputs).logits - targets).mean()
    assert after < np.square(logits - targets).mean()
    assert after < np.square(targets - targets.mean(axis=0)).mean()  # better than guessing
    assert Recipe().loss_name == "cross-entropy"


def test_loss_and_accuracy_are_those_of_the_logits():
    data = dataset()
    network = network_of(stack_over(data, dtype="float64"))
    logits = forward(network, data.test_inputs).logits
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    loss = -np.log(chances[np.arange(len(logits)), data.test_labels]).mean()
    right = (logits.argmax(axis=1) == data.test_labels).mean()
    gains = (logits.argmax(axis=1) == data.test_labels).astype(float) - (data.test_labels == 1)
    for at_once in (7, 50, 2000):
        found = evaluate(network, data.test_inputs, data.test_labels, "cross-entropy", 1.0, at_once)
        assert found[:2] == pytest.approx((loss, right), rel=1e-12)
        error = gains.std(ddof=1) / len(gains) ** 0.5
        assert found.advantage == pytest.approx((gains.mean(), error, sum(gains > 0), sum(gains < 0)), rel=1e-12)


# Optimizers and clipping, by hand


def test_momentum_carries_on():
    data = dataset()
    rates = {"sgd": [], "momentum": []}
    for optimizer, changes in rates.items():
        network = network_of(stack_over(data, dtype="float64"))
        seen = []

        def watch(iteration, found, parameters, seen=seen):
            seen.append((found[0].copy(), parameters[0].copy()))

        recipe = Recipe(optimizer, 3, BATCH)
        for _ in steps(network, data.train_inputs, data.train_labels, recipe, 0.1, watch):
            pass
        (first, start), (second, middle), (_, end) = seen
        changes += [first, second, start - middle, middle - end]
    first, second, once, twice = rates["sgd"]
    np.testing.assert_allclose(once, 0.1 * first, rtol=1e-9)
    np.testing.assert_allclose(twice, 0.1 * second, rtol=1e-9)
    first, second, once, twice = rates["momentum"]
    np.testing.assert_allclose(once, 0.1 * first, rtol=1e-9)
    np.testing.assert_allclose(twice, 0.1 * (MOMENTUM * first + second), rtol=1e-9)


def test_clipping_bounds_all_gradients_together_then_each_entry():
    free = [np.array([[3.0, 0.0]]), np.array([4.0])]
    found = [array.copy() for array in free]
    clip(found, 10.0, None)
    assert [array.tolist() for array in found] == [array.tolist() for array in free]
    clip(found, 1.0, None)
    assert np.concatenate([array.ravel() for array in found]) == pytest.approx([0.6, 0.0, 0.8], rel=1e-6)
    clip(found, None, 0.7)
    assert np.concatenate([array.ravel() for array in found]) == pytest.approx([0.6, 0.0, 0.7], rel=1e-6)
    clip(found, None, 0.1)
    assert np.abs(np.concatenate([array.ravel() for array in found])).max() == 0.1


# The loop


def test_an_epoch_takes_every_row_once_but_what_is_left_over():
    order = batches(seed=4, rows=100, batch=32)
    epochs = [[next(order) for _ in range(3)] for _ in range(2)]
    for epoch in epochs:
        taken = np.concatenate(epoch)
        assert len(taken) == 96
        assert len(set(taken.tolist())) == 96
        assert 0 <= taken.min() <= taken.max() < 100
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    assert not np.array_equal(next(batches(5, 100, 32)), epochs[0][0])
    again = batches(seed=4, rows=100, batch=32)
    assert all(np.array_equal(next(again), rows) for epoch in epochs for rows in epoch)
    whole = batches(seed=4, rows=10, batch=10)
    assert sorted(next(whole)) == sorted(next(whole)) == list(range(10))


def test_a_run_is_the_same_twice_and_watching_changes_nothing():
    data = dataset()
    settings = {"data": data, "lr": 0.1, "iterations": 40, "batch": BATCH, **SMALL}
    looks = []

    def watch(look):
        looks.append((look.step.iteration, look.snapshot(), [array.copy() for array in look.weights]))

    plain, watched, other = (train("relu", "he", **settings, **more)[0] for more in ({}, {"watch": watch}, {"seed": 1}))
    assert plain.loss == watched.loss
    assert plain.after == watched.after
    assert plain.loss != other.loss
    assert [iteration for iteration, *_ in looks] == list(range(1, 41))
    assert looks[0][1] == plain.before
    assert looks[-1][1] != plain.after
    first, second = looks[0][2], looks[1][2]
    assert plain.first_update == relative_changes(first, second)


def test_the_first_update_is_the_learning_rate_times_gradient_over_weights():
    data = dataset()
    network = network_of(stack_over(data))
    rows = next(batches(0, ROWS, BATCH))
    found = gradients(network, data.train_inputs[rows].astype("float32"), data.train_labels[rows])[2]
    expected = [
        0.2 * np.linalg.norm(gradient) / np.linalg.norm(layer.weights)
        for gradient, layer in zip(found[::2], network.layers, strict=False)
    ]
    for iterations in (1, 3):
        (run,) = train("relu", "he", data=data, lr=0.2, iterations=iterations, batch=BATCH, **SMALL)
        assert run.first_update == pytest.approx(expected, rel=1e-3)


def test_relative_changes_of_nothing_and_of_what_is_not_finite():
    one, zero, broken = np.ones((2, 2)), np.zeros((2, 2)), np.full((2, 2), np.nan)
    assert relative_changes([one, zero, one, 2 * one], [2 * one, one, broken, 2 * one]) == (1.0, None, None, 0.0)


def test_statistics_after_are_those_after_the_last_update():
    settings = {"data": dataset(), "lr": 0.1, "batch": BATCH, **SMALL}
    taken = []

    def watch(look):
        if look.step.iteration == 21:
            taken.append(look.snapshot())

    train("relu", "he", iterations=21, watch=watch, **settings)
    (run,) = train("relu", "he", iterations=20, **settings)
    assert [run.after] == taken
    assert run.after.loss < run.before.loss


def test_the_verdict_is_on_what_was_measured_before(monkeypatch):
    from actdiag.experiments.train import run as module

    judged = []

    def judge(run, rules):
        judged.append(run)
        return diagnose(run, rules)

    diagnose = module.diagnose
    monkeypatch.setattr(module, "diagnose", judge)
    data = dataset(dtype="float32")
    (run,) = train("relu", "he", data=data, lr=0.3, iterations=2, batch=BATCH, **SMALL)
    (seen,) = judged
    assert (seen.recipe, seen.layers, seen.change) == (run.stack, run.before.layers, run.before.change_per_layer)
    assert (seen.loss.name, seen.loss.value) == ("cross-entropy", run.before.loss)
    assert (seen.learning_rate, seen.classes, seen.loss.classes) == (0.3, CLASSES, CLASSES)
    assert seen.sites == run.stack.sites()
    inputs = data.train_inputs.astype("float64")
    assert seen.input.rms == pytest.approx(np.sqrt(np.square(inputs).mean()))
    directions = inputs / np.linalg.norm(inputs, axis=1, keepdims=True)
    cosines = directions @ directions.T
    assert seen.input.cosine == pytest.approx((cosines.sum() - ROWS) / (ROWS * (ROWS - 1)))
    assert run.verdict == diagnose(seen)


def test_progress_counts_over_all_runs():
    told = []
    train(
        "relu", ["he", "std=3"], data=dataset(), lr=["auto", 0.1], iterations=5, batch=BATCH, **SMALL,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    done = [one for one, _ in told]
    assert {total for _, total in told} == {2 * 5 * 5}
    assert done == sorted(set(done))
    assert done[:6] == [1, 2, 3, 4, 5, 6]
    assert done[-1] > 45


def test_every_entry_of_the_lists_is_run_in_order():
    runs = train(["relu", "tanh"], ["he", "std=0.01"], data=dataset(), lr=[0.1, 0.01, 0.1], iterations=2, batch=9)
    found = [(run.stack.act.name, run.stack.init.name, run.learning_rate) for run in runs]
    rates = (0.1, 0.01)
    assert found == [(act, init, lr) for act in ("relu", "tanh") for init in ("he", "std=0.01") for lr in rates]


# Divergence


def test_a_run_that_diverges_ends_and_says_where():
    data = dataset()
    (run,) = train("relu", "std=3", data=data, lr=10.0, iterations=50, batch=BATCH, **SMALL)
    assert run.diverged_at is not None
    assert run.diverged_at < 50
    assert run.loss[-1] is None
    assert None not in run.loss[:-1]
    assert len(run.loss) == len(run.accuracy) == run.diverged_at
    assert run.final_loss is None
    assert run.test_loss is None
    assert run.outcome == "diverged"
    (healthy,) = train("relu", "he", data=data, lr=0.1, iterations=50, batch=BATCH, **SMALL)
    assert healthy.diverged_at is None
    assert healthy.outcome == "learned"
    assert healthy.final_loss == pytest.approx(np.mean(healthy.loss[-25:]))
    assert healthy.final_accuracy == pytest.approx(np.mean(healthy.accuracy[-25:]))


def test_losses_near_the_end_of_float64_have_a_mean():
    (run,) = train("relu", "he", data=dataset(), iterations=2, batch=BATCH, **SMALL)
    assert replace(run, loss=(1.7e308,) * 30).final_loss == pytest.approx(1.7e308)


@pytest.mark.parametrize(
    ("loss", "classes", "outcome"),
    [
        (0.99, 10, "learned"), (1.01, 10, "slow"), (2.19, 10, "slow"), (2.21, 10, "did not learn"),
        (inf, 10, "did not learn"), (log(10), 10, "did not learn"), (None, 10, "diverged"),
        (0.29, 2, "learned"), (0.31, 2, "slow"), (0.67, 2, "did not learn"),
    ],
)  # fmt: skip
def test_outcomes(loss, classes, outcome):
    assert outcome_of(loss, log(classes)) == outcome
    for clear, test in ((True, "learned"), (False, "memorized")):
        advantage = Advantage(0.2, 0.1 if clear else 0.2)
        assert outcome_of(loss, log(classes), advantage) == (test if outcome == "learned" else outcome)


# Learning rates


def test_auto_takes_the_rate_of_the_least_loss_and_says_which_it_tried():
    data = dataset()
    settings = {"data": data, "iterations": 60, "batch": BATCH, **SMALL}
    (best,) = train("relu", "he", lr="auto", **settings)
    alone = [train("relu", "he", lr=rate, **settings)[0] for rate in AUTO_RATES["sgd"]]
    losses = [run.final_loss for run in alone]
    assert [tuple(tried) for tried in best.tried] == list(zip(AUTO_RATES["sgd"], losses, strict=True))
    winner = alone[losses.index(min(loss for loss in losses if loss is not None))]
    assert best.learning_rate == winner.learning_rate
    assert best.loss == winner.loss
    assert winner.tried == ()


def test_auto_passes_over_rates_that_diverge():
    (run,) = train("relu", "std=30", data=dataset(), lr="auto", iterations=30, batch=BATCH, **SMALL)
    assert run.tried[0].loss is None
    assert run.final_loss == min(tried.loss for tried in run.tried if tried.loss is not None)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_each_optimizer_has_a_grid_of_its_own(optimizer):
    (run,) = train("relu", "he", data=dataset(), lr="auto", optimizer=optimizer, iterations=3, batch=BATCH, **SMALL)
    assert tuple(tried.learning_rate for tried in run.tried) == AUTO_RATES[optimizer]


# Activations that training treats in a way of its own


def test_rrelu_draws_slopes_in_training_and_takes_their_mean_in_evaluation():
    data = dataset()
    network = network_of(stack_over(data, "rrelu:0.1:0.4", dtype="float64"))
    z = forward(network, data.train_inputs).z[0]
    below = z < 0

    def slopes(rng):
        passed = forward(network, data.train_inputs, rng)
        np.testing.assert_array_equal(passed.z[0], z)
        np.testing.assert_array_equal(passed.values[1][~below], z[~below])
        return passed.values[1][below] / z[below]

    assert slopes(None) == pytest.approx(np.full(below.sum(), 0.25))
    drawn = slopes(slopes_of(0, 1))
    assert 0.1 <= drawn.min() < 0.105
    assert 0.395 < drawn.max() <= 0.4
    assert drawn.mean() == pytest.approx(0.25, abs=0.01)
    assert not np.array_equal(drawn, slopes(slopes_of(0, 2)))
    assert not np.array_equal(drawn, slopes(slopes_of(1, 1)))
    assert np.array_equal(drawn, slopes(slopes_of(0, 1)))


def test_a_run_draws_those_slopes_at_every_iteration():
    data = dataset()
    settings = {"data": data, "lr": 0.1, "iterations": 3, "batch": BATCH, "dtype": "float64", **SMALL}
    (run,) = train("rrelu", "he", **settings)
    network = network_of(stack_over(data, "rrelu", dtype="float64"))
    order = batches(0, ROWS, BATCH)
    for iteration, loss in enumerate(run.loss, 1):
        rows = next(order)
        found = gradients(network, data.train_inputs[rows], data.train_labels[rows], slopes_of(0, iteration))
        assert loss == pytest.approx(found[0], rel=1e-12)
        for parameter, gradient in zip(network.parameters(), found[2], strict=True):
            parameter -= 0.1 * gradient


def test_prelu_learns_its_slopes_and_statistics_follow():
    data = dataset()
    network = network_of(stack_over(data, "prelu"))
    recipe = Recipe("sgd", 60, BATCH)
    for _ in steps(network, data.train_inputs.astype("float32"), data.train_labels, recipe, 0.1):
        pass
    learned = [layer.slope.item() for layer in network.layers]
    assert all(abs(slope - 0.25) > 1e-3 for slope in learned)
    assert len(set(learned)) == 3
    inputs = data.train_inputs.astype("float32")
    with Workers(1) as workers:
        taken = snapshot(network, inputs, data.train_labels, "cross-entropy", workers)
    a = inputs
    for layer, slope, stats in zip(network.layers, learned, taken.layers, strict=True):
        z = a @ layer.weights + layer.biases
        a = np.where(z > 0, z, np.float32(slope) * z)
        assert stats.rms == pytest.approx(np.sqrt(np.square(a, dtype="float64").mean()), rel=1e-5)
        assert stats.slope_rms == pytest.approx(np.sqrt(np.where(z[:16] > 0, 1.0, slope**2).mean()), rel=1e-5)


def test_an_activation_of_ones_own_trains():
    bent = Activation(
        name="bent",
        formula="x + (sqrt(x^2 + 1) - 1)/2",
        source="mine",
        value=lambda z: z + (np.sqrt(z * z + 1) - 1) / 2,
        derivative=lambda z: 1 + z / (2 * np.sqrt(z * z + 1)),
    )
    (run,) = train(bent, "lecun", data=dataset(), lr=0.1, iterations=60, batch=BATCH, **SMALL)
    assert run.outcome == "learned"


# The statistics before training are those of a run at initialization


def numbers(value):
    """Every number of a dataclass or a tuple, in order, NaN where there is none."""
    if hasattr(value, "__dataclass_fields__"):
        return [one for name in value.__dataclass_fields__ for one in numbers(getattr(value, name))]
    if isinstance(value, tuple):
        return [one for part in value for one in numbers(part)]
    return [nan if value is None else value]


@pytest.mark.parametrize(
    ("act", "init", "options"),
    [
        ("relu", "he", {}), ("tanh", "torch_linear", {}), ("gelu", "lsuv", {}), ("prelu", "he", {"bias_std": 0.2}),
        ("rrelu", "he", {"gain": 0.5}), ("maxout", "lecun", {}), ("swiglu", "orthogonal", {}), ("sigmoid", "auto", {}),
        ("relu", "std=0.01", {"widths": (30, 9, 14), "width": None, "depth": None}),
    ],
)  # fmt: skip
def test_statistics_at_initialization_are_those_of_grad_flow(act, init, options):
    data = dataset(dtype="float32")
    options = {**SMALL, "seed": 2, **options}
    (run,) = train(act, init, data=data, lr=0.1, iterations=250, batch=BATCH, **options)
    inputs, labels = data.train_inputs, data.train_labels
    report = grad_flow(
        act, init, loss="cross-entropy", classes=CLASSES, labels=labels, input=inputs, theory=False, **options
    )
    assert run.before.loss == pytest.approx(report.loss.value, rel=1e-5)
    changes = numbers(report.change_per_layer)
    assert numbers(run.before.change_per_layer) == pytest.approx(changes, rel=1e-4, nan_ok=True)
    for ours, theirs in zip(run.before.layers, report.layers, strict=True):
        found = numbers(replace(ours, histogram=None, magnitude=None, gradient=replace(ours.gradient, magnitude=None)))
        other = replace(theirs, histogram=None, magnitude=None, gradient=replace(theirs.gradient, magnitude=None))
        assert found == pytest.approx(numbers(other), rel=1e-4, abs=1e-6, nan_ok=True)
        assert ours.gradient.rms == pytest.approx(theirs.gradient.rms, rel=1e-4)  # however small
        assert ours.weight_gradient.norm == pytest.approx(theirs.weight_gradient.norm, rel=1e-4)
        assert ours.bias_gradient.norm == pytest.approx(theirs.bias_gradient.norm, rel=1e-4)
        for name in ("histogram", "magnitude"):
            mine, its = getattr(ours, name), getattr(theirs, name)
            assert mine.edges == pytest.approx(its.edges, rel=1e-4)
            assert mine.counts == pytest.approx(its.counts, abs=3)  # an entry at an edge may go either way
    ours, theirs = run.verdict, report.verdict
    assert (ours.trainable, ours.estimated) == (theirs.trainable, False)
    assert ours.probability == pytest.approx(theirs.probability, rel=1e-3)
    assert numbers(ours.learning_rates) == pytest.approx(numbers(theirs.learning_rates), rel=1e-3, nan_ok=True)


def test_lsuv_fits_every_layer_of_a_network():
    data = dataset(dtype="float32")
    network = network_of(stack_over(data, "relu", "lsuv"))
    for z in forward(network, data.train_inputs).z:
        assert z.std() == pytest.approx(1.0, rel=1e-4)
    logits = forward(network, data.train_inputs).logits
    assert logits.std() == pytest.approx(1.0, rel=1e-4)


def test_statistics_are_of_the_first_thousand_rows_and_say_where_they_come_from():
    data = dataset(1500, dtype="float32")
    (run,) = train("relu", "he", data=data, lr=0.1, iterations=1, batch=BATCH, **SMALL)
    assert run.stack.batch == 1000
    assert run.stack.input == "blobs"
    assert run.data[:5] == ("blobs", 1500, 375, FEATURES, CLASSES)
    np.testing.assert_array_equal(run.stack.inputs(), data.train_inputs[:1000])


def test_scale_is_named_where_it_is_not_the_usual():
    for scale, notes in (("auto", ()), ("raw", ("not scaled",)), ("global", ("scaled by one mean and std",))):
        (run,) = train("relu", "he", data="synthetic:rows=500", scale=scale, iterations=1, batch=BATCH, **SMALL)
        assert run.data.name == run.stack.input == "synthetic:rows=500"
        assert run.data.notes == notes


def test_the_book_is_right():
    """Saito 2016, ch. 6: std 0.01 does not learn, Xavier and He do, and of a ReLU He sooner."""
    small, xavier, he = train("relu", ["std=0.01", "xavier", "he"], data="synthetic:rows=5000", lr=0.05, iterations=250)
    assert small.outcome == "did not learn"
    assert exp(small.final_loss) > 9.5
    assert he.final_loss < xavier.final_loss < 1.0
    assert [run.verdict.severity for run in (small, xavier, he)] == ["untrainable", "healthy", "healthy"]


def test_the_learning_rate_that_reaches_the_score_first_is_the_best():
    settings = {"data": "synthetic:rows=2000", "iterations": 200, "stop_at": 0.6}
    (run,) = train("relu", "he", lr="auto", **settings)
    alone = train("relu", "he", lr=[one.learning_rate for one in run.tried], **settings)
    stopped = {one.learning_rate: one.stopped_at or inf for one in alone}
    assert run.stopped_at == min(stopped.values()) < 200
    assert run.learning_rate != min(alone, key=lambda one: one.final_loss or inf).learning_rate


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": "fast"}, "lr must be a number or auto, got 'fast'"),
        ({"lr": 0}, "lr must be above 0"),
        ({"lr": True}, "lr must be a finite number"),
        ({"lr": []}, "lr must be a list of at least one"),
        ({"lr": [0.1, None]}, "lr must be a finite number"),
        ({"optimizer": "adm"}, "optimizer must be one of sgd, momentum, adam, adamw, got 'adm'; did you mean adam"),
        ({"iterations": 0}, "iterations must be at least 1, got 0"),
        ({"epochs": 2, "iterations": 5}, "epochs must be left out beside iterations 5, got 2"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"clip_norm": 0}, "clip_norm must be above 0"),
        ({"clip_value": -1.0}, "clip_value must be above 0"),
        ({"act": []}, "act must be a list of at least one"),
        ({"init": "hee"}, "init must name an initializer"),
        ({"input": np.ones((3, 3))}, "input must be left out"),
        ({"input": "uniform"}, "input must be left out"),
        ({"input": False}, "input must be left out"),
        ({"input_width": 3}, "input_width must be left out"),
        ({"standardize": True}, "standardize must be left out"),
        ({"data": "nowhere.npz"}, "which does not exist"),
        ({"width": 10_000_000}, "width must be smaller"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InvalidField) as error:
        train(**{"data": dataset(), "batch": BATCH, "iterations": 1} | options)
    assert message in str(error.value)


def test_unknown_options_are_errors_of_type():
    with pytest.raises(TypeError, match="unexpected option 'widht'"):
        train(data=dataset(), widht=3)


@pytest.mark.parametrize("value", [None, "normal"])
def test_what_may_be_left_out_may_also_be_none_or_the_default(value):
    (run,) = train("relu", "he", data=dataset(), iterations=1, batch=BATCH, input=value, standardize=False, **SMALL)
    assert len(run.loss) == 1


def test_a_recipe_is_checked_once():
    checked = checked_recipe(Recipe(iterations=np.int64(5), batch=np.int64(7)), 100)
    assert (type(checked.iterations), type(checked.batch)) == (int, int)
    assert resolve("rrelu").slope_range == (1 / 8, 1 / 3)
