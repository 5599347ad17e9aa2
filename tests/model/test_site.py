"""Sites: what measuring knows of one place in a network."""

from dataclasses import FrozenInstanceError

import pytest

from actdiag import make_stack
from actdiag.activations import resolve as activation
from actdiag.formats import FORMATS
from actdiag.model.site import Site


def test_sites_of_a_plain_stack():
    stack = make_stack("maxout:2", "he", widths=[7, 5], input_width=4, batch=6, dtype="float64")
    first, second = stack.sites()
    assert (first.path, second.path) == ("1", "2")
    assert (first.fan_in, first.units, first.columns) == (4, 7, 14)
    assert (second.fan_in, second.units, second.columns) == (7, 5, 10)
    for site in (first, second):
        assert (site.act, site.batch, site.format, site.axis) == (stack.act, 6, FORMATS["float64"], -1)


def test_a_site_needs_no_stack():
    site = Site("features.3", "conv", activation("relu"), 8, 8, 27, 4, FORMATS["float32"], axis=1)
    assert (site.path, site.kind, site.axis) == ("features.3", "conv", 1)
    assert Site("out", "dense", None, 8, 8, 27, 4, FORMATS["float32"]).act is None
    with pytest.raises(FrozenInstanceError):
        site.path = "features.4"


def test_equal_sites_are_equal():
    one, other = (make_stack("relu", "he", width=9, seed=seed).sites() for seed in (0, 1))
    assert one == other
    assert one[1] != one[2]  # the path
    assert one != make_stack("tanh", "he", width=9).sites()
