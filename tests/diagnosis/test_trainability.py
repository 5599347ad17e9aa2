"""The probability that a stack trains: what the features are, and what the fit makes of them."""

from math import exp, inf

import pytest
from sound import SOUND, TASK

import actdiag
from actdiag.diagnosis import RULES
from actdiag.diagnosis.calibration import fitted
from actdiag.diagnosis.calibration.features import Features
from actdiag.diagnosis.calibration.trainability import HIGH, LOW, recommended_rate, trainability

OPTIMIZERS = ("sgd", "momentum", "adam")


def promised(act, init, backward=True, **options):
    run = actdiag.grad_flow if backward else actdiag.propagate
    return trainability(run(act, init, theory=False, **options).measurements)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_weights_all_speak_against_training(optimizer):
    fit, typical = fitted.FITS[optimizer], fitted.TYPICAL[optimizer]
    assert set(fit) - {"intercept"} == set(Features._fields) == set(typical)
    assert all(fit[name] <= 0 for name in Features._fields)
    assert 1 / (1 + exp(-fit["intercept"])) > HIGH > 0.5 > LOW


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
    assert rule in [reason.rules[0] for reason in said.reasons if reason.pull < -1 and reason.rules]
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


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_steeper_losses_take_smaller_rates(optimizer):
    task = TASK._replace(optimizer=optimizer)
    rates = [recommended_rate(SOUND._replace(curvature=value), task) for value in (0.0, 4.0, 8.0, 12.0, 16.0)]
    *_, most, steepest = fitted.RATES[optimizer]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]
    assert all(rate <= 1.05 * min(most, steepest) for rate in rates)
    assert recommended_rate(SOUND, task._replace(depth=100)) <= 1.05 * steepest / 100
    assert recommended_rate(SOUND._replace(curvature=None), task) is None
