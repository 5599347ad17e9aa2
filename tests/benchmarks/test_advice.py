"""The benchmark of advice: which stacks are drawn, how changes are applied and trained, what is kept and scored."""

from itertools import islice

import numpy as np
import pytest

import actdiag
from benchmarks import advice, cases
from benchmarks.advice import (
    GROUP,
    PRINTED,
    SEARCHED,
    Advised,
    Judged,
    advise,
    options_of,
    produce,
    read,
    summary,
    trained,
    written,
)
from benchmarks.cases import Case, Outcome, data_of, drawn

SMALL = "synthetic:rows=600:features=8:classes=3/0"
SICK = Case("tanh", "std=0.01", 1.0, None, 12, 24, 6, data=SMALL)


@pytest.fixture(scope="module")
def advised():
    """A sick stack, run forward and trained after its change."""
    return advise(SICK)


def test_draws_are_plain_and_of_seeds_that_no_label_has():
    found = list(islice(drawn(GROUP), 60))
    assert found == list(islice(drawn(GROUP), 60))
    assert {(one.loss, one.optimizer, one.iterations, one.batch) for one in found} == {
        ("cross-entropy", "sgd", 250, 128)
    }
    assert {one.data.partition(":")[0] for one in found} == {"mnist", "digits", "synthetic"}
    assert GROUP.seed not in {group.seed for group in cases.GROUPS.values()}
    assert {one.seed // 1_000_000 for one in found} == {GROUP.seed}


def test_a_change_takes_the_place_of_options():
    case = SICK._replace(gain=2.0, bias_std=0.3)
    own = options_of(case)
    assert (own["gain"], own["bias_std"], own["depth"], len(own["input"])) == (2.0, 0.3, 12, 480)  # all rows there are
    new = options_of(case, {"init": "xavier", "gain": None, "bias_std": None, "scale": "feature"})
    assert set(own) - set(new) == {"gain", "bias_std"}
    assert (new["init"], new["scale"]) == ("xavier", "feature")
    assert "bias_std" not in options_of(SICK)


def test_the_printed_change_is_followed_and_trained(advised):
    with_advice = actdiag.propagate(**options_of(SICK)).verdict
    assert advised.command == "propagate"
    assert advised.before == advice.judged(with_advice)
    assert advised.before.severity == "untrainable"
    assert (advised.source, advised.change) == (PRINTED, with_advice.fix.changes)
    after = actdiag.propagate(**options_of(SICK, advised.change)).verdict
    assert advised.after == advice.judged(after)
    assert (advised.promised.severity, advised.is_healthy, advised.rises) == ("healthy", True, True)
    assert [one.rate for one in advised.outcomes] == list(SICK.rates)[: len(advised.outcomes)]
    assert advised.recommended.rate == after.learning_rate
    assert advised.trains
    assert advised.trains is (advised.best < cases.TRAINS)


def test_where_nothing_is_printed_fix_is_asked(monkeypatch, advised):
    monkeypatch.setattr("actdiag.api.grad_flow.with_advice", lambda report, rerun: report)
    monkeypatch.setattr(advice, "trained", lambda one: one)
    searched = advise(SICK._replace(seed=7))
    assert (searched.command, searched.source) == ("grad-flow", SEARCHED)
    assert searched.after == searched.promised
    assert searched.is_healthy
    monkeypatch.setattr(actdiag, "fix", lambda **given: None)
    nothing = advise(SICK._replace(seed=7))
    assert (nothing.before, nothing.change, nothing.outcomes) == (searched.before, None, ())
    assert not any((nothing.rises, nothing.is_healthy, nothing.trains, nothing.trains_as_recommended))


def test_healthy_stacks_and_data_that_do_not_count_are_left_out(monkeypatch):
    assert advise(SICK._replace(init="xavier", depth=2)) is None
    monkeypatch.setattr(advice, "is_learnable", lambda *asked: False)
    assert advise(SICK) is None


def test_after_standardizing_it_is_trained_on_standardized_features(monkeypatch):
    plain, changed = data_of(SMALL), data_of(SMALL + cases.STANDARDIZED)
    assert np.allclose(changed.train_inputs.mean(axis=0), 0, atol=1e-6)
    assert np.allclose(changed.train_inputs.std(axis=0), 1, atol=1e-5)
    assert not np.allclose(plain.train_inputs.std(axis=0), 1, atol=1e-2)
    assert changed.train_labels is plain.train_labels
    on = []
    monkeypatch.setattr(advice, "outcomes_of", lambda stack, case, chance: on.append((stack.input, case.data)) or ())
    for change in ({"scale": "feature"}, {"init": "he"}):
        trained(Advised(SICK, "propagate", Judged("untrainable", 0.0, None), PRINTED, change))
    (input_name, data), (_, own) = on
    assert "scaled per feature" in input_name
    assert (data, own) == (SMALL + cases.STANDARDIZED, SMALL)


def test_the_recommended_rate_is_trained_once(monkeypatch):
    outcomes = Outcome(1.0, None, 3), Outcome(0.3, 0.2, 250)
    tried = []
    monkeypatch.setattr(advice, "outcomes_of", lambda *given: outcomes)
    monkeypatch.setattr(advice, "outcome_of", lambda stack, case, rate, chance: tried.append(rate))
    one = Advised(SICK, "propagate", Judged("untrainable", 0.0, None), PRINTED, {"init": "he"})
    for rate, expected in ((0.3, outcomes[1]), (None, None)):
        assert trained(one._replace(after=Judged("healthy", 0.9, rate))).recommended == expected
    assert tried == []
    trained(one._replace(after=Judged("healthy", 0.9, 0.2)))
    assert tried == [0.2]


class Pool:
    """Does in this process what it is asked, when it is asked."""

    def __init__(self, processes):
        self.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def apply_async(self, work, given):
        found = work(*given)
        return type("Result", (), {"get": lambda self: found})()

    def terminate(self):
        pass


def test_what_is_kept_is_not_run_again(tmp_path, monkeypatch, advised):
    asked = []

    def every_third_is_healthy(case):
        asked.append(case)
        return advised._replace(case=case) if case.seed % 3 else None

    monkeypatch.setattr(advice, "FOLDER", tmp_path)
    monkeypatch.setattr(advice, "advise", every_third_is_healthy)
    monkeypatch.setattr(advice.multiprocessing, "get_context", lambda kind: type("Context", (), {"Pool": Pool}))
    assert read() == []
    first = list(produce(3, 1))[-1]
    assert read() == first
    assert len(first) == 3
    whole = list(produce(7, 1))[-1]
    assert read() == whole
    expected = [case for case in islice(drawn(GROUP), 20) if case.seed % 3][:7]
    assert [one.case for one in whole] == expected
    asked.clear()
    assert list(produce(7, 1)) == []
    assert all(case.seed > whole[-1].case.seed for case in asked)


def test_a_line_is_read_back(tmp_path, monkeypatch, advised):
    monkeypatch.setattr(advice, "FOLDER", tmp_path)
    nothing = Advised(SICK._replace(seed=9), "grad-flow", Judged("at-risk", 0.3, 0.1))
    (tmp_path / "advice.jsonl").write_text(written(nothing) + written(advised))
    assert read() == [advised, nothing]


def after(loss, severity="healthy", probability=0.9, source=PRINTED, at_recommended=None):
    return Advised(
        SICK,
        "propagate",
        Judged("untrainable", 0.1, None),
        source,
        {"init": "he"},
        Judged("healthy", 0.9, None),
        Judged(severity, probability, 0.1),
        1.0,
        (Outcome(1.0, None, 3), Outcome(0.3, loss, 250)),
        Outcome(0.1, at_recommended, 250),
    )


def test_scores_of_stacks_with_known_answers():
    nothing = Advised(SICK, "propagate", Judged("untrainable", 0.0, None))
    stacks = [
        nothing,
        after(0.2, at_recommended=0.2),
        after(0.42, at_recommended=0.5),
        after(0.96, at_recommended=0.42),
        after(0.43, source=SEARCHED),
        after(0.96, source=SEARCHED),
        after(None, severity="at-risk", probability=0.1),
    ]
    assert summary(stacks).splitlines() == [
        "7 stacks at risk or untrainable, 1 of them without advice",
        "all advice: 6",
        "  higher probability: 5 of 6, 83.3% (target 99%)",
        "  called healthy after it: 5 of 6, 83.3%; of these",
        "    train: 3 of 5, 60.0% (target 95%); 1 do not",
        "    at the recommended rate: 2 of 5, 40.0%",
        "printed: 4",
        "  higher probability: 3 of 4, 75.0% (target 99%)",
        "  called healthy after it: 3 of 4, 75.0%; of these",
        "    train: 3 of 3, 100.0% (target 95%); 0 do not",
        "    at the recommended rate: 2 of 3, 66.7%",
        "--fix: 2",
        "  higher probability: 2 of 2, 100.0% (target 99%)",
        "  called healthy after it: 2 of 2, 100.0%; of these",
        "    train: 0 of 2, 0.0% (target 95%); 1 do not",
        "    at the recommended rate: 0 of 2, 0.0%",
    ]
    assert "all advice: 0\n  higher probability: 0 of 0 (target 99%)" in summary([nothing])


def test_stored_lines_are_stacks_of_the_draws():
    kept = read()
    first = list(islice(drawn(GROUP), kept[-1].case.seed % 1_000_000 + 1 if kept else 0))
    assert {one.case for one in kept} <= set(first)
    assert all(one.before.severity in ("at-risk", "untrainable") for one in kept)
