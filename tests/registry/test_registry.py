from dataclasses import dataclass

import numpy as np
import pytest

import actdiag
from actdiag import initializers
from actdiag.activations import ACTIVATIONS
from actdiag.datasets.entry import SOURCES
from actdiag.errors import InvalidField, check_integer, check_real
from actdiag.initializers import INITIALIZERS
from actdiag.registry import Registry


@dataclass(frozen=True)
class Fruit:
    name: str
    weight: float = 0.0
    word: str = ""


@pytest.fixture
def fruits():
    registry = Registry(field="fruit", kind="orchard", bare="melon")

    @registry.register("pomme", "apfel")
    def apple(weight: float = 1.5, count: int = 2, word: str = "red") -> Fruit:
        check_integer("count", count, 1, 9)
        return Fruit("", weight * count, word)

    @registry.register()
    def melon(melon: float) -> Fruit:
        check_real("melon", melon, 0, 100)
        return Fruit("", melon)

    @registry.register(name="kaki")
    def persimmon() -> Fruit:
        return Fruit("")

    @registry.register()
    def plum(stone: float, skin: float = 1.0) -> Fruit:
        return Fruit("", stone + skin)

    return registry


def test_names_come_in_the_order_of_registration_without_aliases(fruits):
    assert list(fruits) == ["apple", "melon", "kaki", "plum"]


def test_aliases_belong_to_a_name_and_count_as_known(fruits):
    assert fruits.aliases("apple") == ["pomme", "apfel"]
    assert fruits.aliases("kaki") == []
    assert "pomme" in fruits
    assert "kaki" in fruits
    assert "persimmon" not in fruits
    assert fruits["pomme"] is fruits["apple"]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("apple", "apple"),
        ("APPLE", "apple"),
        ("Ap_ple_", "apple"),
        ("_Pomme", "pomme"),
        ("pomme", "pomme"),
        ("pomme:3", "pomme:3"),
        ("apfel:word=green", "apfel:word=green"),
        ("apple:1.5:2:red", "apple"),
        ("apple:3:2", "apple:3"),
        ("apple:count=3:weight=2.50", "apple:2.5:count=3"),
        ("apple : 1e-3 : word = green", "apple:0.001:word=green"),
        ("kaki", "kaki"),
        ("plum:1", "plum:1"),
        ("plum:skin=2:stone=3", "plum:3:skin=2"),
        ("melon=4", "melon=4"),
        ("melon:4", "melon=4"),
        ("melon:melon=4", "melon=4"),
        ("4", "melon=4"),
        ("4.0", "melon=4"),
        (".5", "melon=0.5"),
        ("+.5", "melon=0.5"),
    ],
)
def test_an_entry_is_named_by_what_differs_from_the_defaults(fruits, spec, name):
    entry = fruits.resolve(spec)
    assert entry.name == name
    assert fruits.resolve(name) == entry


def test_parameters_reach_the_builder_in_their_types(fruits):
    assert fruits.resolve("apple:2:3:green") == Fruit("apple:2:count=3:word=green", 6.0, "green")


def test_a_builder_called_directly_names_its_entry_too(fruits):
    assert fruits["apple"](2.0, word="green").name == "apple:2:word=green"


@pytest.mark.parametrize("spec", ["apple", "pomme", "apple:3:word=green", "melon=4", "4", "kaki"])
def test_one_text_is_one_entry(fruits, spec):
    assert fruits.resolve(spec) is fruits.resolve(spec)


def test_one_number_is_one_entry(fruits):
    assert fruits.resolve(4) is fruits.resolve("4")
    assert fruits.resolve(4).name == "melon=4"


def test_every_registry_keeps_to_its_own(fruits):
    other = Registry(field="fruit", kind="orchard")
    other.register(name="kaki")(lambda: Fruit("", 7.0))
    assert (fruits.resolve("kaki").weight, other.resolve("kaki").weight) == (0.0, 7.0)


@pytest.mark.parametrize("resolve", [actdiag.ACTIVATIONS.resolve, actdiag.INITIALIZERS.resolve])
def test_the_registered_ones_resolve_once(resolve):
    spec = "leaky_relu:0.2" if resolve == actdiag.ACTIVATIONS.resolve else "std=0.02"
    assert resolve(spec) is resolve(spec)


def test_a_bad_name_stays_bad(fruits):
    for _ in range(2):
        with pytest.raises(InvalidField, match="must name an orchard"):
            fruits.resolve("zzz")


def test_an_entry_passes_through(fruits):
    entry = Fruit("home-grown")
    assert fruits.resolve(entry) is entry


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("apple", "apple[:weight=1.5][:count=2][:word=red]"),
        ("melon", "melon=MELON"),
        ("kaki", "kaki"),
        ("plum", "plum:stone[:skin=1]"),
    ],
)
def test_signature(fruits, name, signature):
    assert fruits.signature(name) == signature


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("aple", "must name an orchard, got 'aple'; did you mean apple or apfel?"),
        ("pome", "must name an orchard, got 'pome'; did you mean pomme?"),
        ("zzz:1", "must name an orchard, got 'zzz:1'; `actdiag orchards` lists them"),
        ("", "must name an orchard, got ''; `actdiag orchards` lists them"),
        ("plum", "'plum': plum needs a value, as in plum:stone[:skin=1]"),
        ("plum:skin=2", "'plum:skin=2': plum needs a value, as in plum:stone[:skin=1]"),
        ("melon", "'melon': melon needs a value, as in melon=MELON"),
        ("kaki:1", "'kaki:1': kaki takes no parameters, got '1'"),
        ("plum:1:2:3", "'plum:1:2:3': plum takes plum:stone[:skin=1], got '3'"),
        ("plum:1:stone=2", "'plum:1:stone=2': plum takes plum:stone[:skin=1], got 'stone=2'"),
        ("plum:1:size=2", "'plum:1:size=2': plum takes plum:stone[:skin=1], got 'size=2'"),
        ("apple:red", "'apple:red': weight must be a number, got 'red'"),
        ("apple:1:2.5", "'apple:1:2.5': count must be a whole number, got '2.5'"),
        ("apple:count=0", "'apple:count=0': count must be at least 1, got 0"),
        ("-1", "'-1': melon must be at least 0 and at most 100, got -1"),
    ],
)
def test_what_is_said_of_a_bad_name(fruits, spec, problem):
    with pytest.raises(InvalidField) as caught:
        fruits.resolve(spec)
    assert caught.value.field == "fruit"
    assert caught.value.problem == problem
    assert str(caught.value) == f"fruit {problem}"


def test_a_bare_number_means_nothing_without_a_name_for_it():
    registry = Registry(field="fruit", kind="orchard")
    with pytest.raises(InvalidField, match="must name an orchard, got '4'"):
        registry.resolve("4")


def test_one_name_is_one_entry(fruits):
    apple = fruits.resolve("apple")
    assert fruits.resolve("apple:1.5") is fruits.resolve(" Apple:count=2 ") is fruits["apple"](1.5) is apple
    assert fruits["apple"](2.5) is fruits.resolve("apple:2.5") is not apple


def test_a_name_says_a_number_of_numpy_exactly(fruits):
    value = np.float32(0.1)
    entry = fruits["apple"](value)
    assert entry.name == "apple:0.10000000149011612"
    assert fruits.resolve(entry.name).weight == entry.weight


def test_a_builder_that_is_registered_anew_replaces_the_entries_of_the_old(fruits):
    assert fruits.resolve("kaki").weight == 0

    @fruits.register()
    def kaki() -> Fruit:
        return Fruit("", 5.0)

    assert fruits.resolve("kaki").weight == fruits["kaki"]().weight == 5


@pytest.mark.parametrize("registry", [ACTIVATIONS, INITIALIZERS, SOURCES])
def test_no_two_entries_are_one_but_for_underscores(registry):
    names = {}
    for name in registry:
        for spelled in (name, *registry.aliases(name)):
            assert names.setdefault(spelled.replace("_", ""), name) == name
            assert registry.found(spelled.upper()) == spelled


@pytest.mark.parametrize("spec", ["std:stddev=0.3", "KaimingNormal", "trunc_normal_:0.02", "GlorotUniform", "HeNormal"])
def test_initializers_are_found_under_the_names_of_frameworks(spec):
    assert initializers.resolve(spec).variance(100, 100) > 0
