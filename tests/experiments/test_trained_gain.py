"""The stack that is trained under a gain: what it is, at which learning rate, and what is told of it."""

import json
from math import log, sqrt

import numpy as np
import pytest

import actdiag
from actdiag import InvalidField
from actdiag.activations import resolve
from actdiag.datasets.catalogue import load_dataset
from actdiag.documents.gains import gains_from_dict, gains_to_dict
from actdiag.experiments import trained_gain
from actdiag.experiments.trained_gain import ITERATIONS, Trained, train_under
from actdiag.experiments.verify import SEEDS


def test_it_is_the_training_run_of_that_stack():
    found = train_under(resolve("tanh"), 1.3, 0.2, 3, seed=4)
    options = {"gain": 1.3, "bias_std": 0.2, "depth": 3, "width": 100, "seed": 4}
    run = actdiag.train("tanh", "lecun", data="synthetic", lr=found.learning_rate, iterations=ITERATIONS, **options)[0]
    assert found.loss == pytest.approx(run.final_loss, rel=1e-6)
    assert (found.chance, found.iterations) == (log(10), 250)


def test_the_learning_rate_is_that_of_the_verdict():
    found = train_under(resolve("tanh"), 1.3, 0.2, 3)
    data = load_dataset("synthetic")
    rows, labels = data.train_inputs[:1000], data.train_labels
    options = {"gain": 1.3, "bias_std": 0.2, "depth": 3, "width": 100, "loss": "cross-entropy", "labels": labels}
    assert found.learning_rate == actdiag.grad_flow("tanh", "lecun", input=rows, **options).verdict.learning_rate


def test_a_good_gain_trains_and_a_bad_one_does_not():
    good = train_under(resolve("relu"), sqrt(2), 0.0, 10)
    bad = train_under(resolve("relu"), 0.3, 0.0, 10)
    assert good.loss < 1
    assert bad.loss == pytest.approx(bad.chance, rel=0.02)


def test_what_diverges_has_no_loss(monkeypatch):
    monkeypatch.setattr(trained_gain, "last_mean", lambda losses: np.inf)
    monkeypatch.setattr(trained_gain, "ITERATIONS", 2)
    assert train_under(resolve("tanh"), 1.3, 0.2, 1).loss is None


def test_verify_trains_and_progress_counts_all_of_it():
    told = []
    found = actdiag.verify("tanh", depth=2, width=20, progress=lambda *step: told.append(step))
    total = 2 * 2 * SEEDS + ITERATIONS
    assert told == [(done, total) for done in range(1, total + 1)]
    take = actdiag.gain("tanh", depth=2).recommended
    assert found.trained == train_under(resolve("tanh"), take.gain, take.bias_std, 2)


def test_the_document_holds_it_and_is_read_back():
    found, checked = actdiag.gain("maxout", depth=2), actdiag.verify("maxout", depth=2, width=20)
    document = json.loads(json.dumps(gains_to_dict([found], [checked])))
    assert document["activations"][0]["verify"]["trained"] == checked.trained._asdict()
    assert gains_from_dict(document) == ([found], [checked])
    del document["activations"][0]["verify"]["trained"]
    del document["activations"][0]["standard_error"]
    del document["activations"][0]["recommended"]["depth"]
    older, runs = gains_from_dict(document)
    assert (older[0].standard_error, runs[0].trained) == (None, None)
    assert older[0].recommended.depth == 30


def test_what_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr("actdiag.engine.memory.available_memory", lambda: 1000)
    monkeypatch.setattr("actdiag.engine.memory._NEVER_REFUSED", 0)
    with pytest.raises(InvalidField, match="must be smaller"):
        train_under(resolve("tanh"), 1.3, 0.2, 3)


def test_its_line():
    from actdiag.render.terminal.gain import _trained

    assert _trained(Trained(0.61, log(10), 0.07, 250), 30) == (
        "30 layers of 100, 250 iterations of SGD at 0.07: loss 0.61 (chance 2.30)"
    )
    assert _trained(Trained(None, log(10), 0.07, 250), 3).endswith("at 0.07: diverged (chance 2.30)")
