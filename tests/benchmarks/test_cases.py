"""Cases: how they are drawn, what chance is, when training ends, and what is kept."""

import math
from itertools import islice

import pytest

from benchmarks import cases
from benchmarks.cases import GROUPS, Case, Group, Labelled, Outcome, draws, is_complete, label, read

SMALL = "synthetic:rows=600:features=8:classes=3/0"


@pytest.fixture(scope="module")
def drawn():
    return {name: list(islice(draws(name), 12)) for name in GROUPS}


def test_draws_are_the_same_every_time(drawn):
    for name, found in drawn.items():
        assert list(islice(draws(name), 12)) == found
        assert len(set(found)) == 12
    seeds = [case.seed for found in drawn.values() for case in found]
    assert len(set(seeds)) == len(seeds)


def is_suited(case):
    gain, bias_std = cases.SUITED[case.act]
    return abs(math.log(case.gain / gain)) * case.depth < 12 and case.bias_std == bias_std


def test_some_groups_have_weights_of_suited_gains(drawn):
    assert set(cases.SUITED) == set(cases.ACTS)
    shares = {name: sum(map(is_suited, islice(draws(name), 80))) / 80 for name in ("fit", "fit_deep", "deep")}
    assert shares["fit_deep"] == 1
    assert 0.35 < shares["deep"] < 0.65
    assert shares["fit"] < 0.1


def test_draws_keep_their_ranges(drawn):
    for case in (case for found in drawn.values() for case in found):
        assert case.act in cases.ACTS
        assert case.init in cases.INITS
        assert case.gain == 1 or 0.5 <= case.gain <= 4 or is_suited(case)
        assert case.bias_std is None or 0 <= case.bias_std <= 1
        assert 1 <= case.depth <= 200
        assert 2 <= case.width <= 1024
        assert case.depth * case.width**2 <= cases.MOST_PRODUCTS
        assert case.batch * case.iterations <= cases.MOST_SEEN
        assert list(case.rates) == sorted(case.rates, reverse=True)
        assert len(case.rates) > 4


KEPT = {
    "fit": lambda case: True,
    "fit_deep": lambda case: case.depth >= 20,
    "plain": lambda case: (
        (case.optimizer, case.iterations, case.loss, case.data, case.batch)
        == ("sgd", 250, "cross-entropy", "mnist", 128)
        and 3 <= case.depth <= 50
        and 64 <= case.width <= 200
    ),
    "momentum": lambda case: case.optimizer == "momentum",
    "adam": lambda case: case.optimizer == "adam",
    "deep": lambda case: case.depth > 60,
    "narrow": lambda case: case.width < 32,
    "other_data": lambda case: case.data != "mnist",
    "mse": lambda case: case.loss == "mse",
    "longer": lambda case: case.iterations == 1000,
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups_keep_to_what_they_are_named_for(name, drawn):
    assert set(KEPT) == set(GROUPS)
    assert all(map(KEPT[name], drawn[name]))
    if name != "fit":
        assert not all(map(KEPT[name], drawn["fit"]))


@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_a_small_case_trains_and_a_lost_one_does_not(loss):
    case = Case("tanh", "xavier", 1.0, None, 2, 32, 5, data=SMALL, loss=loss, optimizer="adam", batch=32)
    found = label(case)
    assert found == label(case)
    assert (found.trains, found.outcomes[-1].loss < cases.TRAINS * found.chance) == (True, True)
    assert [one.rate for one in found.outcomes] == list(case.rates)[: len(found.outcomes)]
    lost = label(case._replace(init="std=0.01", depth=30, optimizer="sgd"))
    assert (lost.trains, lost.best) == (False, pytest.approx(1, abs=0.05))
    assert 3 <= len(lost.outcomes) < len(case.rates)  # nothing moved three times: smaller rates move it less


@pytest.mark.parametrize(
    ("losses", "trains"),
    [([None, 0.429], True), ([0.43], None), ([0.955, 2.0], None), ([0.956, None], False), ([None], False), ([], None)],
)
def test_the_best_rate_decides(losses, trains):
    outcomes = tuple(Outcome(0.1, loss and loss * 2.0, 250) for loss in losses)
    assert Labelled(Case("relu", "he", 1.0, None, 2, 8, 0), 2.0, outcomes).trains is trains


@pytest.mark.parametrize(
    ("optimizer", "losses", "left"),
    [
        ("sgd", [], 8),
        ("sgd", [1.0], 7),  # dead perhaps: not all rates are as large
        ("sgd", [1.0, 1.01, 1.0], 0),
        ("sgd", [None, None, 1.0, 1.01, 0.998], 0),
        ("sgd", [1.0, 1.0, 0.99], 5),  # it moves
        ("sgd", [1.0, 1.0, 1.03], 5),
        ("sgd", [1.0, None, 1.0, 1.0], 4),
        ("momentum", [None, 0.42], 0),  # it trains
        ("adam", [1.0, 1.0, 1.0], 5),
        ("sgd", [None] * 8, 0),
    ],
)
def test_smaller_rates_are_tried_until_one_trains_or_several_change_nothing(optimizer, losses, left):
    case = Case("relu", "he", 1.0, None, 2, 8, 0, optimizer=optimizer)
    outcomes = [Outcome(rate, loss and 2 * loss, 250) for rate, loss in zip(case.rates, losses, strict=False)]
    found = Labelled(case, 2.0, tuple(outcomes))
    assert found.is_done is (left == 0)
    if left:
        assert found.next_rates == case.rates[-left:]


def test_a_case_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "FOLDER", tmp_path)
    case = Case("elu", "he", 2.0, None, 5, 32, 5, data=SMALL, optimizer="sgd", batch=32)
    whole = label(case)
    assert whole.trains
    assert len(whole.outcomes) > 1
    begun = whole._replace(outcomes=whole.outcomes[:1])
    cases.path_of("stacks").write_text(
        cases._written(begun) + cases._written(whole._replace(case=case._replace(seed=6)))
    )
    assert list(cases.finish("stacks", 1)) == [0]
    assert [one.outcomes for one in read("stacks")] == [whole.outcomes] * 2
    assert list(cases.finish("stacks", 1)) == []


@pytest.mark.parametrize("name", [name for name in ("stacks", "earlier", *GROUPS) if cases.path_of(name).exists()])
def test_no_stored_case_has_learning_rates_left_to_try(name):
    assert all(one.is_done for one in read(name) if one.outcomes)


def test_a_group_is_complete_when_it_has_enough_of_either_kind():
    case = Case("relu", "he", 1.0, None, 2, 8, 0)
    good, bad, left_out = (Labelled(case, 1.0, (Outcome(0.1, loss, 250),)) for loss in (0.1, 1.0, 0.1))
    left_out = left_out._replace(outcomes=())
    either = Group(1, clear=2)
    assert is_complete(either, [good, good, bad, bad])
    assert not is_complete(either, [good, good, good, bad, left_out])
    assert is_complete(Group(1, cases=3), [good, good, good])
    assert not is_complete(Group(1, cases=3), [good, good, left_out, left_out])


def test_what_is_kept_is_read_back_in_the_order_of_the_draws(tmp_path, monkeypatch, drawn):
    monkeypatch.setattr(cases, "FOLDER", tmp_path)
    assert read("mse") == []
    known = [Labelled(case, 0.09, (Outcome(3.0, None, 7), Outcome(1.0, 0.08, 250))) for case in drawn["mse"][:3]]
    cases.path_of("mse").write_text("".join(cases._written(one) for one in reversed(known)))
    assert read("mse") == known


@pytest.mark.parametrize("name", GROUPS)
def test_stored_labels_are_of_their_group(name):
    """However many there are by now."""
    kept = read(name)
    assert len({labelled.case for labelled in kept}) == len(kept)
    assert all(KEPT[name](labelled.case) for labelled in kept)
    first = list(islice(draws(name), min(len(kept), 50)))
    assert {case.seed for case in first} >= {one.case.seed for one in kept[:1]}
