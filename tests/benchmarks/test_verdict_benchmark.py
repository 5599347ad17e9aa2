"""The benchmark of the verdict: observed networks, the fit, its scores, and the labels that it was made from."""

import numpy as np
import pytest

from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.features import Features
from benchmarks import cases, rates
from benchmarks.cases import Case, Labelled, digest, label, read
from benchmarks.fitting import FITTED, GROUPS, Fit, Row, crossed, fit, fit_odds, fit_rate, labels, module, row_of, suits
from benchmarks.observed import observe, observed
from benchmarks.scores import area_under_curve, balanced_accuracy, brier, scored
from benchmarks.verdicts import clear_of, recommended, verdict_row

NOTHING = Features(*[0.0] * len(Features._fields))
DIGITS = Case("relu", "he", 1.0, None, 3, 64, 0, "digits")


@pytest.fixture(scope="module")
def on_digits():
    """The labelled stacks of an earlier draw that were trained on digits."""
    pytest.importorskip("sklearn")
    return [labelled for labelled in read("stacks") if labelled.case.data == "digits"]


def test_stored_labels_come_out_again(on_digits):
    quick = sorted(on_digits, key=lambda labelled: labelled.case.depth * labelled.case.width)[:4]
    assert {labelled.trains for labelled in quick} >= {True}
    for kept in quick:
        again = label(kept.case)
        assert again.trains is kept.trains
        known = {outcome.rate: outcome for outcome in kept.outcomes}
        for one in again.outcomes:
            if one.rate in known and kept.trains_with(known[one.rate]):
                assert again.trains_with(one)


def test_the_verdict_is_right_on_data_that_are_a_small_part_of_the_fit(on_digits):
    networks = [observe(labelled) for labelled in on_digits]
    clear = clear_of(networks)
    trains = np.array([one.labelled.trains for one in clear], dtype=float)
    for reports in ([one.measured for one in clear], [one.estimated for one in clear]):
        probability = np.array([report.verdict.probability for report in reports])
        assert balanced_accuracy(probability >= 0.5, trains) > 0.9
        assert area_under_curve(probability, trains) > 0.95
    row = verdict_row("ours", networks, lambda one: one.measured)
    assert row.accuracy.low <= row.accuracy.value <= row.accuracy.high


def test_a_row_of_the_fit_is_what_was_observed(on_digits):
    one = observe(on_digits[0])
    row = row_of(one)
    assert row.optimizer == on_digits[0].case.optimizer
    assert row.target == {True: 1.0, False: 0.0, None: 0.5}[on_digits[0].trains]
    assert len(row.features) == 2  # with a backward pass and without
    assert list(row.outcomes) == [outcome.rate for outcome in on_digits[0].outcomes]
    of_squares = one._replace(labelled=on_digits[0]._replace(case=on_digits[0].case._replace(loss="mse")))
    assert len(row_of(of_squares).features) == 1  # without labels the loss is taken to be cross-entropy


def test_data_that_do_not_count_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(cases, "FOLDER", tmp_path)
    cases.path_of("x").write_text(cases._written(Labelled(DIGITS, 2.3, ())))
    assert len(read("x")) == 1
    assert list(observed("x")) == []


def test_recommended_rates_count_where_they_were_trained(monkeypatch, tmp_path, on_digits):
    monkeypatch.setattr(rates, "FOLDER", tmp_path)
    networks = [observe(labelled) for labelled in on_digits[:6]]
    called = [one for one in networks if one.measured.verdict.learning_rate is not None]
    assert len(called) >= 2
    lines = [
        {"case": one.labelled.case._asdict(), "outcome": [one.measured.verdict.learning_rate, loss, 250]}
        for one, loss in zip(called, (0.5, None), strict=False)
    ]
    rates.path_of("none").write_text("".join(rates.json.dumps(line) + "\n" for line in lines))
    right, possible, count = recommended("none", networks)
    assert (right, count) == (1, 2)
    assert possible >= right


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


def row(outcomes, target=1.0, features=(NOTHING,), steep=0.0, iterations=250):
    return Row("sgd", features, steep, 3, target, outcomes, iterations)


@pytest.mark.parametrize(
    ("rate", "suited"),
    [(0.1, True), (0.09, True), (0.33, False), (0.17, True), (0.2, False), (0.05, True), (0.02, False)],
)
def test_a_rate_suits_by_what_is_known_of_others(rate, suited):
    assert suits(rate, row({0.32: (False, 5), 0.1: (True, 100)})) is suited


def test_the_rates_that_are_fitted_suit_the_networks():
    steep = np.linspace(-3, 11, 60)
    largest = np.exp(np.minimum(-0.4 * (steep - 3), 0) - 1.7)
    trained = [row({rate: (True, 60)}, steep=at) for at, rate in zip(steep, largest, strict=True)]
    intercept, slope, most, steepest = fit_rate(trained)
    found = np.minimum(np.minimum(np.exp(intercept + slope * steep), most), steepest / 3)
    assert np.mean([suits(rate, one) for rate, one in zip(found, trained, strict=True)]) > 0.95


def test_a_fit_is_made_from_all_features_of_a_network():
    vanishing = NOTHING._replace(falling=9.0)
    rows = [row({0.1: (True, 50)}, features=(NOTHING, NOTHING))] * 20
    rows += [row({0.1: (False, 250)}, 0.0, (vanishing, vanishing), None)] * 20
    found = fit(rows)
    odds = found.intercept + found.weights[Features._fields.index("falling")] * 9
    assert found.intercept > 2
    assert odds < -2
    assert found.typical == pytest.approx(NOTHING)


def test_networks_are_judged_by_fits_without_them():
    rng = np.random.default_rng(0)
    trains = rng.random(300) < 0.5
    falls = np.where(trains, 1.0, 9.0) + rng.normal(size=300)
    rows = [row({}, float(one), (NOTHING._replace(falling=at),)) for one, at in zip(trains, falls, strict=True)]
    accuracy, area = crossed(rows)
    assert accuracy.value > 0.97
    assert area.value > 0.99
    guessing = [one._replace(target=float(rng.random() < 0.5)) for one in rows]
    assert 0.4 < crossed(guessing)[1].value < 0.6
    assert crossed(rows[:1] * 20) is None


def test_the_fit_names_the_labels_that_it_was_made_from():
    assert fitted.LABELS_SHA256 == digest(*labels())
    assert [*map(cases.path_of, GROUPS)] == labels()[: len(GROUPS)]
    assert digest(*labels()) != digest(labels()[0])


def test_the_source_of_the_fit_is_what_fitting_writes():
    fits = {
        name: Fit(
            odds["intercept"],
            np.array([odds[feature] for feature in Features._fields]),
            np.array([fitted.TYPICAL[name][feature] for feature in Features._fields]),
            fitted.RATES[name],
        )
        for name, odds in fitted.FITS.items()
    }
    assert module(fits) == FITTED.read_text()


def test_digests_see_every_byte_of_the_labels_but_not_their_line_ends(tmp_path):
    found = set()
    for content in (b"1\n2\n", b"1\n3\n", b"1\n2"):
        path = tmp_path / "a"
        path.write_bytes(content)
        found.add(digest(path))
        path.write_bytes(content.replace(b"\n", b"\r\n"))
        found.add(digest(path))
    assert len(found) == 3
