"""The probability that a stack trains: what the features are, and what the fit makes of them."""

from math import exp, inf, log

import pytest

import actdiag
from actdiag.diagnosis import RULES
from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.signals import Signals
from actdiag.diagnosis.calibration.trainability import HIGH, LOW, Features, features, recommended_rate, trainability

SOUND = Signals(gradient=0.0, typical=0.0, information=-0.3, output=-0.5, curvature=4.0, learning=3.0, estimated=False)


def promised(act, init, backward=True, **options):
    run = actdiag.grad_flow if backward else actdiag.propagate
    return trainability(run(act, init, theory=False, **options).measurements)


def test_a_sound_stack_has_no_feature():
    assert features(SOUND._replace(learning=6.0), 5) == Features(0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"gradient": -7.0, "typical": -7.0}, {"falling": 7.0}),
        ({"gradient": -1.0, "typical": -7.0}, {"falling": 7.0}),
        ({"gradient": 5.0, "typical": 5.0}, {"growing": 5.0}),
        ({"gradient": 5.0, "typical": -2.0}, {"growing": 5.0, "falling": 2.0}),
        ({"curvature": 13.0, "learning": 12.0}, {"excess": 3.0}),
        ({"gradient": 900.0, "typical": 900.0}, {"growing": 40.0}),
        ({"gradient": -7.0, "typical": None}, {"falling": 7.0}),
        ({"gradient": None, "typical": None}, {}),
        ({"gradient": -inf, "typical": -inf}, {"falling": 40.0}),
    ],
)
def test_each_feature_has_its_cause(changed, expected):
    found = features(SOUND._replace(**{"learning": 6.0, **changed}), 5)._asdict()
    assert {name: found[name] for name in ("falling", "growing", "excess")} == {
        "falling": 0.0,
        "growing": 0.0,
        "excess": 0.0,
    } | expected


def test_slowness_is_what_the_best_rate_leaves():
    # 5 layers take no more than 1/5, which the curvature of e^1 allows; the learning of e^-4 is short of e^3 by e^7.
    faint = SOUND._replace(curvature=1.0, learning=-4.0)
    assert features(faint, 5).slowness == pytest.approx(7.0 + log(5))
    assert features(faint, 50).slowness == pytest.approx(7.0 + log(50))
    # A curvature of e^6 takes no more than 20 e^-6.
    assert features(SOUND._replace(curvature=6.0, learning=0.0), 5).slowness == pytest.approx(3.0 + 6.0 - log(20))


def test_the_weights_all_speak_against_training():
    assert set(fitted.WEIGHTS) == set(Features._fields) == set(fitted.TYPICAL)
    assert all(weight < 0 for weight in fitted.WEIGHTS.values())
    assert 1 / (1 + exp(-fitted.INTERCEPT)) > HIGH > 0.5 > LOW


@pytest.mark.parametrize(
    ("act", "init", "depth"), [("relu", "he", 30), ("tanh", "xavier", 10), ("selu", "lecun", 20), ("elu", "lecun", 5)]
)
@pytest.mark.parametrize("backward", [True, False])
def test_known_stacks_that_train(act, init, depth, backward):
    said = promised(act, init, backward, depth=depth)
    assert said.probability > HIGH
    low, high = said.learning_rates
    assert low <= said.learning_rate <= high
    assert said.estimated is not backward


@pytest.mark.parametrize(
    ("act", "init", "options", "rule"),
    [
        ("sigmoid", "xavier", {"depth": 10}, "vanishing_gradient"),
        ("relu", "std=0.01", {"depth": 10}, "vanishing_gradient"),
        ("tanh", "lecun", {"depth": 50, "gain": 4.0}, "exploding_gradient"),
        ("relu", "he", {"depth": 30, "gain": 3.0}, "exploding_gradient"),
    ],
)
@pytest.mark.parametrize("backward", [True, False])
def test_known_stacks_that_do_not(act, init, options, rule, backward):
    said = promised(act, init, backward, **options)
    assert said.probability < LOW
    assert said.learning_rate is said.learning_rates is None
    assert rule in [reason.rules[0] for reason in said.reasons if reason.pull < -1]
    pulls = [reason.pull for reason in said.reasons]
    assert pulls == sorted(pulls)


def test_a_lost_signal_does_not_train():
    said = promised("relu", "std=1e30", depth=3)
    assert said.probability == 0
    assert [reason.said for reason in said.reasons] == ["the signal, or its gradient, does not reach the other end"]


def test_every_reason_names_rules_that_there_are():
    said = promised("tanh", "xavier", depth=5)
    assert [set(reason.rules) - set(RULES) for reason in said.reasons] == [set()] * len(Features._fields)
    assert not any(RULES[rule].certain for reason in said.reasons for rule in reason.rules)


def test_steeper_losses_take_smaller_rates():
    rates = [recommended_rate(SOUND._replace(curvature=value), 5) for value in (0.0, 4.0, 8.0, 12.0, 16.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == fitted.RATE_MOST
    assert rates[-1] < rates[0] / 10
    assert recommended_rate(SOUND._replace(curvature=-inf), 5) == fitted.RATE_MOST
    assert recommended_rate(SOUND, 50) == 0.04  # 2/50
