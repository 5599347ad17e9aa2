"""The features of the fit: each is 0 where nothing is wrong, and grows with its own cause alone."""

from math import exp, inf, log

import pytest
from sound import SOUND, TASK

import actdiag
from actdiag.diagnosis.calibration.features import Features, features, tolerated
from actdiag.diagnosis.calibration.signals import signals

NOTHING = Features(*[0.0] * len(Features._fields))


def off(signals, task=TASK):
    """Return the features that are not 0."""
    return {name: value for name, value in features(signals, task)._asdict().items() if value}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_nothing_is_wrong_with_a_sound_layer(optimizer):
    assert features(SOUND, TASK._replace(optimizer=optimizer)) == NOTHING


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"gradient": -7.0, "typical": -7.0}, {"falling": 7.0}),
        ({"gradient": -1.0, "typical": -7.0}, {"falling": 7.0}),
        ({"gradient": -1.0, "typical": -inf}, {"falling": 1.0}),
        ({"gradient": 5.0, "typical": 5.0}, {"growing": 5.0}),
        ({"gradient": 5.0, "typical": -2.0}, {"growing": 5.0, "falling": 2.0}),
        ({"curvature": 13.0, "learning": 19.0}, {"excess": 6.0 - log(20)}),
        ({"gradient": 900.0, "typical": 900.0}, {"growing": 40.0}),
        ({"gradient": -7.0, "typical": None}, {"falling": 7.0}),
        ({"gradient": None, "typical": None, "roughness": None}, {}),
        ({"gradient": -inf, "typical": -inf}, {"falling": 40.0}),
        ({"roughness": 3.0}, {"roughness": 3.0}),
        ({"roughness": -3.0}, {}),
        ({"output": 2.0}, {"loudness": 2.0}),
        ({"output": None, "curvature": None, "learning": None}, {}),
    ],
)
def test_each_feature_has_its_cause(changed, expected):
    assert off(SOUND._replace(**changed)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("depth", "width", "classes", "iterations"),
    [(1, 64, 10, 1000), (30, 45, 10, 250), (3, 2, 2, 500), (3, 90, 100, 1000)],
)
def test_what_is_asked_counts_in_logarithms(depth, width, classes, iterations):
    task = TASK._replace(depth=depth, width=width, classes=classes, iterations=iterations)
    found = features(SOUND._replace(learning=99.0), task)
    assert found.layers == pytest.approx(log(max(depth, 20) / 20))
    assert found.narrowness == pytest.approx(log(max(4.5 * classes / width, 1)))
    assert found.shortness == pytest.approx(log(1000 / iterations))


def test_slowness_is_what_the_best_rate_leaves():
    def slowness(curvature, learning, **task):
        asked = TASK._replace(**{"iterations": 250, **task})
        return features(SOUND._replace(curvature=curvature, learning=learning), asked).slowness

    # 5 layers take no more than 1/5, which the curvature of e^1 allows; 250 iterations at e^-4 are short of 5000.
    assert slowness(1.0, -4.0, depth=5) == pytest.approx(log(20) + 4 + log(5))
    assert slowness(1.0, -4.0, depth=50) == pytest.approx(log(20) + 4 + log(50))
    assert slowness(6.0, 0.0) == pytest.approx(log(20) + 6 - log(20))  # a curvature of e^6 takes no more than 20 e^-6
    assert slowness(1.0, -4.0, iterations=1000) == pytest.approx(log(5) + 4)
    assert slowness(1.0, -4.0, optimizer="momentum") == pytest.approx(log(20) + 4 - log(3))  # 0.3, ten times as far
    # The mean squared error pulls with 2 over the classes, and is as much flatter.
    assert slowness(1.0, -4.0, mse=True) == pytest.approx(log(20) + 4 - log(10) + 1 + log(5))


def test_steps_of_adam_do_not_shrink_with_the_gradient():
    faint, fainter = (SOUND._replace(curvature=at, learning=at) for at in (-20.0, -22.0))
    sgd, adam = TASK, TASK._replace(optimizer="adam")
    assert features(fainter, sgd).slowness - features(faint, sgd).slowness == pytest.approx(2.0)
    assert features(fainter, adam).slowness - features(faint, adam).slowness == pytest.approx(1.0)
    assert features(faint, adam).slowness < features(faint, sgd).slowness


@pytest.mark.parametrize(("classes", "mse", "expected"), [(10, False, 20.0), (10, True, 10.0), (2, False, 4.0)])
def test_the_tolerated_curvature_is_that_of_the_loss(classes, mse, expected):
    assert tolerated(TASK._replace(classes=classes, mse=mse)) == expected


def test_roughness_is_how_much_more_outputs_change_than_inputs():
    def roughness(act, **options):
        report = actdiag.grad_flow(act, "lecun", width=400, batch=200, theory=False, **options)
        return signals(report.measurements).roughness

    assert roughness("identity", depth=4) == pytest.approx(0.0, abs=0.05)
    assert roughness("tanh", depth=4, gain=0.1) == pytest.approx(0.0, abs=0.05)
    # Of z of std g, cos(z)^2 is (1 + e^(-2 g^2)) / 2 in the mean and sin(z)^2 is (1 - e^(-2 g^2)) / 2.
    for gain in (1.0, 3.0):
        rest = exp(-2 * gain**2)
        assert roughness("sin", depth=1, gain=gain) == pytest.approx(
            log(gain**2 * (1 + rest) / (1 - rest)) / 2, abs=0.1
        )
    assert roughness("sin", depth=6, gain=3.0) == pytest.approx((5 * log(4.5) + log(9)) / 2, abs=0.2)
