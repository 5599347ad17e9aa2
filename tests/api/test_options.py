"""Options: what a function takes, what a command takes and what is said of both are the fields of one dataclass."""

import inspect
from dataclasses import FrozenInstanceError, dataclass, fields
from typing import get_type_hints

import click
import numpy as np
import pytest

import actdiag
from actdiag import InvalidField, ops
from actdiag.api.signatures import takes
from actdiag.arrays import Numbers
from actdiag.cli.base import SECTIONS
from actdiag.cli.command import actdiag as group
from actdiag.datasets.random_inputs import RANDOM_INPUTS
from actdiag.datasets.scaling import SCALES
from actdiag.engine.losses import LOSSES
from actdiag.experiments.fix import Fix
from actdiag.experiments.train import Watch
from actdiag.experiments.train.optimizers import OPTIMIZERS
from actdiag.experiments.verify import Verification
from actdiag.external import JUDGES, Judgement
from actdiag.formats import ARITHMETIC
from actdiag.options import (
    BackwardOptions,
    CompareOptions,
    GainOptions,
    JudgeOptions,
    MemoryOptions,
    RuleOptions,
    RunOptions,
    StackOptions,
    TrainOptions,
    VerifyOptions,
    default_text,
    fields_of,
    option,
    options_from,
    section_of,
)
from actdiag.theory.gains import Gains

FUNCTIONS = {
    "make_stack": (StackOptions,),
    "propagate": (StackOptions, MemoryOptions, RunOptions),
    "grad_flow": (StackOptions, BackwardOptions, RunOptions),
    "compare": (CompareOptions, BackwardOptions, RunOptions),
    "fix": (StackOptions, BackwardOptions, RunOptions),
    "judge": (StackOptions, JudgeOptions),
    "train": (TrainOptions,),
    "gain": (GainOptions,),
    "verify": (VerifyOptions,),
    "explain": (RuleOptions,),
}
QUOTED = {
    "Activation": actdiag.Activation,
    "Dataset": actdiag.Dataset,
    "Fix": Fix,
    "Gains": Gains,
    "Initializer": actdiag.Initializer,
    "Judgement": Judgement,
    "Numbers": Numbers,
    "Op": ops.Op,
    "TrainingRun": actdiag.TrainingRun,
    "Verification": Verification,
    "Watch": Watch,
}
"""Types that are imported for annotations only."""

NOT_OPTIONS = {
    "fix": {"backward", "report"},
    "train": {"watch", "each"},
    "gain": {"act"},
    "verify": {"act"},
    "explain": {"rule"},
}
COMMANDS = {name: FUNCTIONS[name] for name in ("propagate", "grad_flow", "compare", "train", "explain")}
COMMANDS["gain"] = FUNCTIONS["verify"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_signature_names_every_option_with_its_default(name):
    parameters = inspect.signature(getattr(actdiag, name)).parameters
    expected = {one.name: one.default for one in fields_of(*FUNCTIONS[name])}
    others = NOT_OPTIONS.get(name, set()) | {"progress"}
    assert {key: one.default for key, one in parameters.items() if key not in others} == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_annotation_is_that_of_the_field(name):
    function = inspect.unwrap(getattr(actdiag, name))
    taken = get_type_hints(function, localns=QUOTED)
    for kind in FUNCTIONS[name]:
        hints = get_type_hints(kind, localns=QUOTED)
        for field in fields(kind):
            assert taken[field.name] == hints[field.name], field.name


@pytest.mark.parametrize("kind", sorted({kind for kinds in COMMANDS.values() for kind in kinds}, key=str))
def test_every_field_is_in_a_section_of_help(kind):
    for one in fields_of(kind):
        assert section_of(kind, one) in SECTIONS, one.name
    assert {one.name: section_of(TrainOptions, one) for one in fields_of(TrainOptions)}.items() >= {
        ("depth", "Network"), ("act", "Network"), ("data", "Data"), ("lr", "Run"),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(group.commands))
def test_help_has_its_options_by_section(name):
    command = group.commands[name]
    text = command.get_help(click.Context(command, max_content_width=80))
    sections = {}
    for line in text[text.index("Usage:") :].splitlines():
        if line.endswith(":") and not line.startswith(" "):
            sections[line[:-1]] = []
        elif line.startswith("  -") and sections:
            sections[next(reversed(sections))].append(line.split()[0])
    *named, other = sections
    assert named == [section for section in SECTIONS if section in sections]
    assert (other, sections[other]) in (("Other options", ["--help"]), ("Other options", ["-h,"]))
    assert all(sections.values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_help_says_what_every_option_sets(name):
    text = inspect.getdoc(getattr(actdiag, name))
    said = text.split("\nOptions:\n")[1]
    for one in fields_of(*FUNCTIONS[name]):
        assert f"    {one.name}: {one.metadata['help'][:40]}" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_an_option_for_every_field(name):
    parameters = {one.name: one for one in group.commands[name.replace("_", "-")].params}
    context = click.Context(group.commands[name.replace("_", "-")])
    for one in fields_of(*COMMANDS[name]):
        if (name, one.name) == ("gain", "threads") or one.metadata["python_only"]:
            continue
        if one.name == "theory":  # the command line asks how much is said of it as well
            assert (one.default, parameters["theory"].get_default(context)) == (True, "line")
            continue
        parameter = parameters[one.name]
        given = parameter.get_default(context)
        assert given == ((default_text(one),) if one.metadata["several"] else one.default), one.name
        assert parameter.help.startswith(one.metadata["help"]), one.name


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (StackOptions, "dtype", ARITHMETIC),
        (StackOptions, "input", [*RANDOM_INPUTS, "NAME", "FILE"]),
        (BackwardOptions, "loss", LOSSES),
        (TrainOptions, "optimizer", OPTIMIZERS),
        (TrainOptions, "scale", SCALES),
        (JudgeOptions, "judges", JUDGES),
    ],
)
def test_the_words_in_help_are_those_that_are_accepted(kind, name, words):
    (one,) = [one for one in fields_of(kind) if one.name == name]
    assert one.metadata["metavar"] == "|".join(words)


def test_options_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        StackOptions().depth = 3


def test_a_function_that_leaves_an_option_out_fails_at_once():
    @dataclass(frozen=True, kw_only=True)
    class Two:
        one: int = option(1, "One.")
        other: int = option(2, "Other.")

    assert options_from(Two, {"one": 3, "other": 4, "more": 5}) == Two(one=3, other=4)
    with pytest.raises(KeyError, match="other"):
        options_from(Two, {"one": 3})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_unknown_option_gets_a_suggestion(name):
    (wanted, *_) = [one.name for one in fields_of(*FUNCTIONS[name]) if one.name not in ("act", "init")]
    with pytest.raises(TypeError, match=f"unexpected option '{wanted}s'; did you mean .*{wanted}"):
        getattr(actdiag, name)(**{f"{wanted}s": 1})


@dataclass(frozen=True, kw_only=True)
class Rows:
    none: int | None = option(None, "None.")
    flag: bool = option(False, "A flag.")
    text: str = option("normal", "A text.")
    number: int = option(3, "A number.")
    several: tuple[int, ...] = option((1, 2), "Several numbers.")
    columns: int = option(4, "What the function takes itself.")


@takes(not_taken=Rows)
def of_columns(columns: int = 3) -> int:
    return columns


@pytest.mark.parametrize(
    ("name", "default", "others"),
    [
        ("none", None, (False, 0, 1, "")),
        ("flag", False, (0, True)),
        ("text", "normal", (False, "uniform", np.zeros(3), np.array("normal"))),
        ("number", 3, (False, 4, 0)),
        ("several", (1, 2), ((), (1, 3), np.array([1, 2]))),
    ],
)
def test_an_option_of_other_functions_may_be_none_or_its_default_and_nothing_else(name, default, others):
    assert of_columns(**{name: default}) == of_columns(**{name: None}) == of_columns() == 3
    for other in others:
        with pytest.raises(InvalidField, match=f"{name} must be left out: the data say what it is, got ") as caught:
            of_columns(**{name: other})
        assert caught.value.field == name


def test_an_option_that_no_function_takes_is_refused():
    assert of_columns(columns=5) == 5
    with pytest.raises(TypeError, match="unexpected option 'column'; did you mean columns"):
        of_columns(column=4)


def test_training_takes_the_options_of_a_stack_but_for_its_inputs():
    options = {**vars(StackOptions(depth=2, width=5)), "batch": 16}
    (run,) = actdiag.train(**options, iterations=1)
    assert run.stack.depth == 2
    for name, value in {"input": "uniform", "input_width": 64, "standardize": True}.items():
        with pytest.raises(InvalidField, match=f"{name} must be left out: the data say what it is, got {value!r}"):
            actdiag.train(**{**options, name: value}, iterations=1)
    with pytest.raises(InvalidField, match="input must be left out"):
        actdiag.train(**{**options, "input": np.zeros((5, 3))}, iterations=1)


def test_options_are_what_functions_take():
    options = StackOptions(act="tanh", init="xavier", depth=2, width=7, batch=20)
    assert actdiag.make_stack(**vars(options)) == actdiag.make_stack("tanh", "xavier", depth=2, width=7, batch=20)
