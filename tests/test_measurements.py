"""Measurements: places by path and by number, and what a Report says of them."""

from dataclasses import replace

import builders
import pytest

from actdiag import grad_flow, propagate
from actdiag.measure.statistics import InputStats


def test_places_are_found_by_path_and_by_number():
    measured = propagate("relu", "he", widths=[7, 5, 3], batch=20, theory=False).measurements
    assert [place.number for place in measured.places()] == [1, 2, 3]
    assert [place.site.units for place in measured.places()] == [7, 5, 3]
    for number, path in enumerate(("1", "2", "3"), 1):
        assert measured.at(path) == measured.place(number)
        assert measured.at(path).stats is measured.layers[number - 1]
    assert measured.below(1) is None
    assert measured.below(3) == measured.place(2)
    assert (measured.first, measured.last) == (measured.place(1), measured.place(3))


def test_places_that_are_not_there_are_refused():
    measured = builders.report().measurements
    with pytest.raises(KeyError):
        measured.at("5")
    for number in (0, 5):
        with pytest.raises(IndexError):
            measured.place(number)


def test_every_site_has_its_statistics():
    measured = builders.report().measurements
    with pytest.raises(ValueError, match="sites must have one entry for each of the layers, got 4 for 3"):
        replace(measured, layers=measured.layers[:3])
    with pytest.raises(ValueError, match="got 0 for 0"):
        replace(measured, layers=(), sites=())


def test_a_report_shows_its_measurements():
    report = grad_flow("tanh", "lecun", depth=3, batch=20, loss="mse", classes=7)
    measured = report.measurements
    assert (report.stack, report.layers, report.loss) == (measured.recipe, measured.layers, measured.loss)
    assert (report.theory, report.layer_theory) == (measured.theory, measured.layer_theory)
    assert report.change_per_layer == measured.change
    assert InputStats(report.input_cosine, report.input_rms) == measured.input
    assert (measured.classes, measured.loss.classes) == (7, 7)
    assert measured.sites == report.stack.sites()
