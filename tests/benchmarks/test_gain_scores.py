"""Scores of recommended gains: hand-made labels with known answers."""

import math

import pytest

from benchmarks.gain_labels import NAMED, SEEDS, Case, Trained, recommended
from benchmarks.gain_scores import TRAINS, scores


def labels(losses, act="tanh", depth=30):
    """Return labels of one activation at one depth from the losses of a setting at the three seeds."""
    found = []
    for (init, gain, bias_std), at_seeds in losses.items():
        for seed, loss in zip(SEEDS, at_seeds, strict=True):
            case = Case(act, init, gain, bias_std, depth, 100, seed)
            found.append(Trained(case, (None, loss), (3, 250)))
    return found


TAKEN = ("lecun", *recommended("tanh", 30))
NAMES = {(name, 1.0, None): (0.9, 0.9, 0.9) for name in NAMED}


def test_the_best_is_chosen_without_the_seed_that_it_is_scored_on():
    lucky = {TAKEN: (0.3, 0.3, 0.3), ("lecun", 2.0, 0.0): (0.1, 0.8, 0.8)}
    (score,) = scores(labels(NAMES | lucky))
    # At the first seed the others choose the recommended gain; of the others the first seed may choose the lucky one.
    means = math.log(0.3), math.log(0.1 * 0.8) / 2
    others = 0.3 if means[0] < means[1] else 0.8
    assert score.best == pytest.approx(math.exp((math.log(0.3) + 2 * math.log(others)) / 3))
    assert score.recommended == pytest.approx(0.3)
    assert score.named == pytest.approx(0.9)
    assert score.trains
    assert score.is_as_good
    assert not score.is_beaten


def test_a_recommended_gain_that_is_worse_is_told():
    (score,) = scores(labels(NAMES | {TAKEN: (0.9, 0.9, 0.9), ("lecun", 1.5, 0.0): (0.2, 0.2, 0.2)}))
    assert not score.is_as_good
    assert not score.is_beaten
    beaten = NAMES | {("he", 1.0, None): (0.4, 0.4, 0.4), TAKEN: (0.9, 0.9, 0.9)}
    assert scores(labels(beaten))[0].is_beaten


def test_where_nothing_trains_nothing_is_asked():
    stuck = dict.fromkeys([*NAMES, TAKEN], (2.3, 2.3, 2.3))
    assert not scores(labels(stuck))[0].trains
    assert 2.3 > TRAINS * math.log(10)


def test_groups_without_the_recommended_gain_at_all_seeds_are_left_out():
    assert scores(labels(NAMES)) == []
    short = [one for one in labels(NAMES | {TAKEN: (0.3, 0.3, 0.3)}) if one.case.seed != SEEDS[-1]]
    assert scores(short) == []
