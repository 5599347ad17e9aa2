"""Residuals: laid out, run both ways, differentiated and trained, beside PyTorch and beside what they must be."""

import re

import numpy as np
import pytest

from actdiag.activations import resolve as activation
from actdiag.engine.backward import backward, weight_gradients
from actdiag.engine.forward import forward
from actdiag.engine.losses import Loss, labels_of, loss_and_gradient, readout
from actdiag.engine.memory import Plan, plan_backward
from actdiag.engine.tape import Tape
from actdiag.engine.workers import Workers
from actdiag.errors import InvalidField
from actdiag.experiments.train.loop import Recipe, batches, steps
from actdiag.experiments.train.network import draw_network, gradients
from actdiag.initializers import resolve as initializer
from actdiag.model.stack import Stack
from actdiag.ops import activation as act
from actdiag.ops import dense, residual

ARCHS = {
    "two layers": [dense(12), act(), *3 * [residual([dense(20), act(), dense(12)])]],
    "pre-activation": [dense(12), *2 * [residual([act(), dense(), act(), dense()])], act()],
    "after the sum": [dense(12), act(), *2 * [residual([dense(), act(), dense()]), act()]],
    "nested": [dense(12), residual([dense(), act("tanh"), residual([dense(), act()]), dense(12)]), act()],
    "from the input": [residual([dense(), act()]), dense(5), act()],
    "no weights in the branch": [dense(12), act("tanh"), residual([act("sigmoid")]), residual([act()]), dense(7)],
    "twice activated": [act("tanh"), dense(12), act(), act("sigmoid"), residual([dense(9), act(), dense(12)])],
    "gated": [dense(12), act("swiglu"), residual([dense(8), act("maxout:2"), dense(12)])],
}
PLANS = {
    "kept": Plan(True, 1),
    "drawn again": Plan(False, 1),
    "2": Plan(False, 2),
    "3": Plan(False, 3),
    "99": Plan(False, 99),
}


def stack_of(arch, name="gelu", init="he", **changes):
    fields = {"input": "normal", "input_width": 12, "batch": 70, "dtype": "float64", "bias_std": 0.2}
    return Stack(activation(name), initializer(init), (), arch=tuple(arch), **(fields | changes))


def run(stack, plan=PLANS["kept"], threads=1):
    """Return the loss and, of each layer by its number, what the engine computes."""
    tape, layers = Tape(plan), {}
    with Workers(threads) as workers:
        for layer in forward(stack, workers, lambda number, z, a: (z.copy(), a.copy()), tape):
            if layer.number:
                z, a = (np.concatenate(parts) for parts in zip(*layer.blocks, strict=True))
                layers[layer.number] = {"z": z, "a": a}
                last = layer.activations
        loss, d_last = loss_and_gradient(stack, Loss("cross-entropy"), last, workers)
        for layer in backward(stack, workers, tape, d_last, lambda number, z, d_a, d_z: d_z.copy()):
            found = layers[layer.number]
            found |= {"z again": layer.z.copy(), "d_z": np.concatenate(layer.blocks)}
            blocks = weight_gradients(layer, workers, lambda rows, weights, part: part.copy()).results()
            if blocks:
                found |= {"d_w": np.concatenate(blocks), "w": layer.weights.copy(), "x": layer.inputs.copy()}
    assert not tape.pre_activations
    return loss, layers


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 16 rows, so that small stacks have several."""
    monkeypatch.setattr("actdiag.arrays._FEWEST_ROWS", 16)
    monkeypatch.setattr("actdiag.arrays._LEAST_ENTRIES", 1)


def test_paths_and_values_follow_the_ops():
    nodes = stack_of([dense(8), act(), residual([dense(20), act(), residual([act("tanh"), dense()]), dense(8)])]).nodes
    assert [(node.site.path, node.site.kind) for node in nodes] == [
        ("1", "dense"),
        ("2.branch.1", "dense"),
        ("2.branch.2.branch.1", "activation"),
        ("2.branch.2.branch.2", "dense"),
        ("2.branch.2", "residual"),
        ("2.branch.3", "dense"),
        ("2", "residual"),
    ]
    assert [node.reads for node in nodes] == [(0,), (1,), (2,), (3,), (2, 4), (5,), (1, 6)]
    assert [node.draw for node in nodes] == [1, 2, None, 3, None, 4, None]
    assert [node.site.units for node in nodes] == [8, 20, 20, 20, 20, 8, 8]


def test_a_skip_from_pre_activations_reads_them():
    nodes = stack_of([dense(12), residual([act(), dense()])]).nodes
    assert [node.reads for node in nodes] == [(0,), (1,), (-1, 2)]


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("plan", list(PLANS))
def test_plans_and_threads_do_not_change_a_bit(name, threads, plan, small_blocks):
    stack = stack_of(ARCHS[name])
    loss, kept = run(stack)
    other_loss, replayed = run(stack, PLANS[plan], threads)
    assert loss == other_loss
    for number, layer in kept.items():
        assert layer.keys() == replayed[number].keys()
        for key, array in layer.items():
            assert np.array_equal(array, replayed[number][key]), (number, key)
        assert np.array_equal(replayed[number]["z"], replayed[number]["z again"])


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize("init", ["he", "lsuv"])
def test_sums_are_sums(name, init, small_blocks):
    stack = stack_of(ARCHS[name], init=init)
    _, layers = run(stack, threads=2)
    values = {0: stack.inputs()}
    for number, node in enumerate(stack.nodes, 1):
        values[-number], values[number] = layers[number]["z"], layers[number]["a"]
        if node.site.kind == "residual":
            one, other = (values[value] for value in node.reads)
            np.testing.assert_array_equal(layers[number]["z"], one + other)
        elif node.draw:
            np.testing.assert_array_equal(layers[number]["x"], values[node.reads[0]])


@pytest.mark.torch
@pytest.mark.parametrize("name", ARCHS)
def test_pytorch_agrees(name, small_blocks):
    torch = pytest.importorskip("torch")
    from torch.nn import functional

    stack = stack_of(ARCHS[name])
    loss, layers = run(stack, PLANS["3"], threads=2)
    functions = {
        "gelu": functional.gelu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "swiglu": lambda z: z.chunk(2, dim=1)[0] * functional.silu(z.chunk(2, dim=1)[1]),
        "maxout": lambda z: z.reshape(len(z), -1, 2).amax(dim=2),
    }
    values, z_of, w_of = {0: torch.tensor(stack.inputs())}, {}, {}
    for number, node in enumerate(stack.nodes, 1):
        read = [values[value] for value in node.reads]
        if node.draw:
            w_of[number] = torch.tensor(layers[number]["w"], requires_grad=True)
            biases = layers[number]["z"] - layers[number]["x"] @ layers[number]["w"]
            z = read[0] @ w_of[number] + torch.tensor(biases[0])
        else:
            z = sum(read)
        z = z + 0 if z.requires_grad else (z + 0).requires_grad_()
        z.retain_grad()
        values[-number] = z_of[number] = z
        follows = node.site.act
        values[number] = z if follows is None else functions[follows.name.split(":")[0]](z)
    with Workers(1) as workers:
        weights, biases = readout(stack, Loss("cross-entropy"), layers[stack.depth]["a"], workers)
    logits = values[stack.depth] @ torch.tensor(weights) + (0 if biases is None else torch.tensor(biases))
    theirs = functional.cross_entropy(logits, torch.tensor(labels_of(stack, Loss("cross-entropy"))))
    theirs.backward()
    assert loss == pytest.approx(theirs.item(), rel=1e-12)
    for number, layer in layers.items():
        expected = z_of[number].grad.numpy()
        np.testing.assert_allclose(layer["d_z"], expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
        if number in w_of:
            expected = w_of[number].grad.numpy()
            np.testing.assert_allclose(layer["d_w"], expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


def test_a_skip_leaves_all_weights_as_they_are():
    plain = stack_of([dense(12), act(), dense(), act(), dense()])
    skipped = stack_of([dense(12), act(), residual([dense(), act(), dense()])])
    drawn = [[layer["w"] for layer in run(stack)[1].values() if "w" in layer] for stack in (plain, skipped)]
    assert all(np.array_equal(one, other) for one, other in zip(*drawn, strict=True))


def test_memory_grows_by_what_crosses_a_segment():
    """Within a branch two values are kept at a segment's start, elsewhere one."""
    block = residual([dense(12), act(), dense(12), act(), dense(12), act(), dense(12)])
    stack = stack_of([dense(12), act(), *5 * [block]])
    plan, kept = plan_backward(stack, 8 * 70 * 12 * 20)
    assert plan.stride > 1
    _, layers = run(stack, plan)
    assert all(np.array_equal(layer["z"], layer["z again"]) for layer in layers.values())
    assert kept <= 8 * 70 * 12 * 20


@pytest.mark.parametrize(
    ("arch", "problem"),
    [
        (lambda: [residual([])], "must have a branch of ops within a residual, got none"),
        (lambda: [residual(["dense"])], "must have a branch of ops within a residual, got 'dense'"),
        (lambda: [residual(3)], "must have a branch of ops within a residual, got 3"),
        (lambda: [dense(0)], "width must be at least 1, got 0"),
        (lambda: [], "must hold at least one op, got none"),
        (lambda: ["dense"], "must be a sequence of ops, got 'dense'"),
        (lambda: [residual([dense(5)])], "must keep the width within a residual, got 12 in and 5 out of 1"),
        (lambda: [dense(8), residual([act(), residual([dense(3), act()])])], "got 8 in and 3 out of 2.branch.1"),
        (lambda: [residual([act()]), act("maxout:5")], "must have a width that maxout:5 divides by 5, got 12 at 1"),
    ],
)
def test_what_does_not_fit_is_refused(arch, problem):
    with pytest.raises(InvalidField, match=re.escape(problem)):
        stack_of(arch())


def test_a_stack_of_ops_is_the_plain_stack_that_it_spells():
    plain = Stack(activation("gelu"), initializer("he"), (9, 7, 5), "normal", 12, 70, dtype="float64", bias_std=0.2)
    spelled = stack_of([op for width in (9, 7, 5) for op in (dense(width), act())])
    assert spelled.widths == plain.widths
    assert spelled.sites() == plain.sites()
    (_, ours), (_, theirs) = run(spelled), run(plain)
    for number, layer in ours.items():
        assert all(np.array_equal(array, theirs[number][key]) for key, array in layer.items())


@pytest.mark.parametrize("name", ARCHS)
@pytest.mark.parametrize("init", ["he", "lsuv", "torch_linear"])
def test_training_starts_from_the_loss_and_the_gradients_of_a_run(name, init):
    stack, loss = stack_of(ARCHS[name], init=init), Loss("cross-entropy")
    value, layers = run(stack)
    with Workers(1) as workers:
        network = draw_network(stack, loss.classes, workers)
    trained, _, found = gradients(network, stack.inputs(), labels_of(stack, loss))
    assert trained == pytest.approx(value, rel=1e-12)
    arrays = iter(found)
    for number, layer in layers.items():
        if "d_w" in layer:
            expected = [layer["d_w"], layer["d_z"].sum(axis=0)]
            for ours, theirs in zip([next(arrays), next(arrays)], expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12 * np.abs(theirs).max(), err_msg=number)


@pytest.mark.torch
def test_pytorch_trains_a_residual_network_to_the_same_numbers():
    torch = pytest.importorskip("torch")
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(12, 20), nn.Linear(20, 12)

        def forward(self, x):
            return x + self.outer(torch.tanh(self.inner(x)))

    stack = stack_of([dense(12), act(), *3 * [residual([dense(20), act(), dense(12)])], act()], "tanh", "xavier")
    inputs, labels = stack.inputs(), labels_of(stack, Loss("cross-entropy"))
    with Workers(1) as workers:
        network = draw_network(stack, 10, workers)
    model = nn.Sequential(
        nn.Linear(12, 12), nn.Tanh(), Block(), Block(), Block(), nn.Tanh(), nn.Linear(12, 10)
    ).double()
    drawn = network.parameters()
    for theirs, ours in zip(model.parameters(), drawn, strict=True):
        theirs.data = torch.tensor(ours.T.copy())
    recipe = Recipe(optimizer="momentum", iterations=50, batch=16)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    ours = [step.loss for step in steps(network, inputs, labels, recipe, 0.05)]
    theirs = []
    for rows, _ in zip(batches(stack.seed, len(inputs), 16), range(50), strict=False):
        loss = nn.functional.cross_entropy(model(torch.tensor(inputs[rows])), torch.tensor(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    assert ours == pytest.approx(theirs, rel=1e-9)
    assert ours[-1] < ours[0]
