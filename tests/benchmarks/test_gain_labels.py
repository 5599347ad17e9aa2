"""The labels of gains: which stacks are trained, and what is kept of them."""

import json
import math
from itertools import pairwise

import pytest

from actdiag import gain, load_dataset
from benchmarks import gain_labels
from benchmarks.gain_labels import (
    MAIN,
    NAMED,
    RATES,
    SEEDS,
    SHAPES,
    Case,
    Trained,
    biases,
    cases,
    grid,
    read,
    recommended,
    train,
)


@pytest.mark.slow
def test_the_cases_are_the_same_every_time_and_none_is_twice():
    found = list(cases())
    assert found == list(cases())
    assert len(found) == len(set(found))
    of_main = [case for case in found if case.act in MAIN]
    assert {(case.depth, case.width, case.seed) for case in of_main} == {
        (*shape, seed) for shape in SHAPES for seed in SEEDS
    }
    assert {(case.depth, case.width, case.seed) for case in found if case.act not in MAIN} == {(*SHAPES[0], SEEDS[0])}
    named = [case for case in found if (case.act, case.depth, case.width, case.seed) == ("tanh", *SHAPES[0], 0)]
    assert [case.init for case in named if case.bias_std is None] == list(NAMED)
    taken, _ = recommended("tanh", SHAPES[0][0])
    assert {case.gain for case in named if case.bias_std is not None} == {*grid("tanh"), taken}


@pytest.mark.parametrize("act", MAIN)
def test_the_grid_goes_beyond_all_that_theory_names(act):
    gains, said = grid(act), gain(act)
    assert len(gains) == 8
    assert list(gains) == sorted(gains)
    for named in (said.recommended.gain, said.forward_gain):
        assert named is None or gains[0] < named / 1.2 < named * 1.2 < gains[-1]
    assert gains[-1] / gains[0] > 1.99
    steps = [math.log(high / low) for low, high in pairwise(gains)]
    assert steps == pytest.approx([steps[0]] * 7, rel=0.01)
    assert biases(act)[0] == 0
    assert biases(act)[-1] == pytest.approx(said.recommended.bias_std, rel=1e-3)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(gain_labels, "RATES", (0.3, 0.01))
    monkeypatch.setattr(gain_labels, "ITERATIONS", 120)
    return load_dataset("synthetic:rows=600:features=8:classes=3")


def test_a_case_is_trained_the_same_every_time(short):
    case = Case("tanh", "xavier", 1.0, None, 2, 16, 0)
    found = train(case, short)
    assert found == train(case, short)
    assert found.iterations == (120, 60) or found.iterations == (120, 120)
    assert found.best == min(found.losses) < 0.9 * math.log(3)
    lost = train(case._replace(init="std=1e-9", depth=6), short)
    assert lost.iterations == (60, 60)  # nothing moves
    assert lost.best == pytest.approx(math.log(3), abs=0.05)


def test_what_is_kept_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(gain_labels, "PATH", tmp_path / "gains.jsonl")
    assert read() == []
    known = Trained(Case("relu", "lecun", 1.4, 0.0, 30, 100, 0), (None, 0.5), (12, 250))
    gain_labels.PATH.write_text(json.dumps(known._asdict() | {"case": known.case._asdict()}) + "\n")
    assert read() == [known]
    assert known.best == 0.5
    assert known._replace(losses=(None, None)).best == math.inf


@pytest.mark.slow
def test_the_stored_labels_are_of_these_cases():
    """However many there are by now."""
    kept, wanted = read(), set(cases())
    assert kept
    assert len({trained.case for trained in kept}) == len(kept)
    for trained in kept:
        assert trained.case in wanted
        assert len(trained.losses) == len(trained.iterations) == len(RATES)
        assert all(1 <= count <= gain_labels.ITERATIONS for count in trained.iterations)
        assert all(loss is None or 0 <= loss for loss in trained.losses)
