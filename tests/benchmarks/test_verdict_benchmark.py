"""The benchmark of the verdict: draws, labels, fit and scores, and the labels that are kept."""

import math
from itertools import pairwise

import numpy as np
import pytest

from actdiag.diagnosis.calibration import fitted
from actdiag.experiments.run import run_propagate, run_settings
from benchmarks import labels
from benchmarks.fitting import FITTED, LABELS, fit_odds, fit_rate, module, suits, target
from benchmarks.labels import SETS, Draw, Labelled, Outcome, data_of, digest, draws, label, load, read
from benchmarks.rates import grid, rounded
from benchmarks.scores import area_under_curve, balanced_accuracy, brier, scored

DRAW = Draw("relu", "he", 1.0, None, 3, 64, 0)


def labelled(*outcomes):
    return Labelled(DRAW, tuple(Outcome(rate, loss, 250, loss and loss + 1) for rate, loss in outcomes))


@pytest.mark.parametrize(
    ("outcomes", "trains"),
    [
        ([(1.0, None), (0.1, 0.99)], True),
        ([(1.0, None), (0.1, 1.0)], None),
        ([(1.0, 2.3), (0.1, 2.2)], None),
        ([(1.0, 2.3), (0.1, 2.21)], False),
        ([(1.0, None), (0.1, None)], False),
    ],
)
def test_the_best_rate_decides(outcomes, trains):
    assert labelled(*outcomes).trains is trains
    assert target(labelled(*outcomes)) == {True: 1.0, False: 0.0, None: 0.5}[trains]


@pytest.mark.parametrize(
    ("loss", "highest", "still"),
    [(2.30, 2.33, True), (2.29, 2.33, False), (2.30, 2.40, False), (None, None, False), (0.5, 2.3, False)],
)
def test_a_stack_stands_still_at_a_guess_that_nothing_moves(loss, highest, still):
    assert Outcome(1.0, loss, 100, highest).stands_still is still


def test_draws_follow_from_the_seed_and_keep_their_ranges():
    for chosen in SETS.values():
        found = draws(chosen)
        assert found == draws(chosen)
        assert len(found) == len(set(found)) == chosen.stacks
        assert all(64 <= draw.width <= 200 and 0.5 <= draw.gain <= 4 for draw in found)
        depths = {draw.depth for draw in found}
        assert depths == {chosen.depth} if chosen.depth else min(depths) >= 3 and max(depths) <= 50
        assert all(draw.bias_std is None or 0 <= draw.bias_std <= 1 for draw in found)
    assert not {draw.seed for draw in draws(SETS["fit"])} & {draw.seed for draw in draws(SETS["held_out"])}


@pytest.mark.parametrize("name", SETS)
def test_every_drawn_stack_is_labelled_and_no_other(name):
    kept = read(name)
    assert len(kept) == SETS[name].stacks
    assert {one.draw for one in kept} == set(draws(SETS[name]))
    assert all({outcome.rate for outcome in one.outcomes} <= set(SETS[name].rates) for one in kept)
    assert False in {one.trains for one in kept}
    assert (True in {one.trains for one in kept}) is (
        name != "deep"
    )  # a hundred layers are too many for 250 iterations


def test_stored_labels_come_out_again():
    pytest.importorskip("sklearn")
    load(["digits"], "")
    kept = {one.draw: one for one in read("digits")}
    quick = sorted((draw for draw in kept if draw.act != "gelu"), key=lambda draw: draw.depth * draw.width)[:4]
    assert {kept[draw].trains for draw in quick} >= {True}
    for draw in quick:
        again = label((SETS["digits"], draw))
        assert again.trains is kept[draw].trains
        assert [one.rate for one in again.outcomes] == [one.rate for one in kept[draw].outcomes]
        for one, other in zip(again.outcomes, kept[draw].outcomes, strict=True):
            assert one.iterations == pytest.approx(other.iterations, abs=3)
            if other.trains:
                assert one.loss == pytest.approx(other.loss, abs=0.02)


def test_the_verdict_is_right_on_stacks_and_data_that_it_was_not_fitted_to():
    pytest.importorskip("sklearn")
    load(["digits"], "")
    clear = [one for one in read("digits") if one.trains is not None]
    settings = run_settings(threads=1, theory=False)
    verdicts = [run_propagate(one.draw.stack(data_of("digits")), settings).verdict for one in clear]
    trains = np.array([one.trains for one in clear], dtype=float)
    probability = np.array([verdict.probability for verdict in verdicts])
    assert balanced_accuracy(probability >= 0.5, trains) > 0.9
    assert area_under_curve(probability, trains) > 0.95


def test_scores_of_known_cases():
    trains = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    assert balanced_accuracy(np.array([1.0, 0.0, 0.0, 0.0, 0.0, 1.0]), trains) == pytest.approx((0.5 + 0.75) / 2)
    assert area_under_curve(np.array([3.0, 1.0, 2.0, 1.0, 0.0, 0.0]), trains) == pytest.approx((4 + 2.5) / 8)
    assert brier(np.array([1.0, 0.5, 0.0, 0.0, 0.0, 1.0]), trains) == pytest.approx(1.25 / 6)


def test_an_interval_holds_its_score_and_narrows_with_the_number():
    rng = np.random.default_rng(0)
    few = scored(balanced_accuracy, *_cases(rng, 40))
    many = scored(balanced_accuracy, *_cases(rng, 4000))
    for score in (few, many):
        assert score.low <= score.value <= score.high
    assert (many.high - many.low) * 4 < few.high - few.low


def _cases(rng, count):
    trains = rng.random(count) < 0.5
    return np.where(rng.random(count) < 0.9, trains, ~trains), trains


def test_the_fit_finds_the_odds_that_made_the_data():
    rng = np.random.default_rng(0)
    rows = rng.exponential(3.0, size=(20000, 2))
    odds = 4.0 - rows @ [1.5, 0.5]
    intercept, weights = fit_odds(rows, (rng.random(len(rows)) < 1 / (1 + np.exp(-odds))).astype(float))
    assert intercept == pytest.approx(4.0, rel=0.05)
    assert weights == pytest.approx([-1.5, -0.5], rel=0.05)


def test_the_fit_lets_no_feature_speak_for_training():
    rows = np.array([[0.0], [1.0], [2.0], [3.0]])
    assert fit_odds(rows, np.array([0.0, 0.0, 1.0, 1.0]))[1] == pytest.approx([0.0])


@pytest.mark.parametrize(
    ("rate", "suited"),
    [(0.1, True), (0.09, True), (0.33, False), (0.17, True), (0.2, False), (0.05, True), (0.02, False)],
)
def test_a_rate_suits_by_what_is_known_of_others(rate, suited):
    outcomes = {0.32: Outcome(0.32, None, 5, None), 0.1: Outcome(0.1, 0.99, 100, 3.0)}
    assert suits(rate, outcomes) is suited


def test_the_rates_that_are_fitted_suit_the_stacks():
    curvatures = np.linspace(0, 14, 60)
    largest = np.exp(np.minimum(-0.4 * (curvatures - 6), 0) - 1.7)
    outcomes = [{rate: Outcome(rate, 0.9, 60, 3.0)} for rate in largest]
    intercept, slope, most = fit_rate(curvatures, outcomes)
    rates = np.minimum(np.exp(intercept + slope * curvatures), most)
    assert np.mean([suits(rate, known) for rate, known in zip(rates, outcomes, strict=True)]) > 0.95


def test_the_finer_grid_is_half_a_decade_apart():
    rates = grid(SETS["fit"])
    assert rates[0] == rounded(10**0.5)
    assert all(math.log10(high / low) == pytest.approx(0.5, abs=0.01) for high, low in pairwise(rates))


def test_the_fit_names_the_labels_that_it_was_made_from():
    assert fitted.LABELS_SHA256 == digest(*LABELS)
    assert digest("fit") != digest("fit_rates") != digest(*LABELS)


def test_the_source_of_the_fit_is_what_fitting_writes():
    weights, typical = (np.array(list(values.values())) for values in (fitted.WEIGHTS, fitted.TYPICAL))
    rate = fitted.RATE_INTERCEPT, fitted.RATE_SLOPE, fitted.RATE_MOST
    assert module(fitted.INTERCEPT, weights, typical, rate) == FITTED.read_text()


def test_digests_see_every_byte_of_the_labels_but_not_their_line_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "FOLDER", tmp_path)
    found = set()
    for content in (b"1\n2\n", b"1\n3\n", b"1\n2"):
        (tmp_path / "a.jsonl").write_bytes(content)
        found.add(digest("a"))
        (tmp_path / "a.jsonl").write_bytes(content.replace(b"\n", b"\r\n"))
        found.add(digest("a"))
    assert len(found) == 3
