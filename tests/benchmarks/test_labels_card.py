"""The data card of the labels: files, lines, fields and numbers are those of the files."""

import json
import re

import pytest

from benchmarks import cases, fitting, gain_labels
from benchmarks.cases import ACTS, FOLDER, INITS

CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
LINES = {name: int(lines) for name, lines in re.findall(r"^\| `(\w+\.jsonl)` \| (\d+) \|", CARD, re.MULTILINE)}
FIELDS = dict(re.findall(r"^\| `([a-z_.]+)` \| ([a-z][^|]*) \| [^|]+ \|$", CARD, re.MULTILINE))
CASES = [name for name in ("stacks", "earlier", *cases.GROUPS) if cases.path_of(name).exists()]


def rows(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def fields(row):
    """Return the fields of a line, those inside its case after a dot, with their values."""
    return row | {f"case.{key}": value for key, value in row["case"].items()}


def kind(value):
    names = {dict: "object", list: "array", str: "text", int: "integer", float: "number", type(None): "null"}
    return names[type(value)]


def test_files_and_lines():
    growing = {"advice.jsonl", gain_labels.PATH.name, *(cases.path_of(name).name for name in cases.GROUPS)}
    growing |= {f"rates_{name}.jsonl" for name in (*cases.HELD_OUT, *fitting.GROUPS)}
    assert {path.name: len(rows(path.name)) for path in FOLDER.glob("*.jsonl") if path.name not in growing} == LINES
    for name, how in (("cases_GROUP", "grow"), ("rates_GROUP", "grow"), ("advice", "grows"), ("gains", "grows")):
        assert f"\n| `{name}.jsonl` | {how} |" in CARD


@pytest.mark.parametrize("name", CASES)
def test_fields_and_types_are_those_of_the_files(name):
    kept = rows(cases.path_of(name).name)
    assert {field for row in kept for field in fields(row)} == {name for name in FIELDS if "jsonl" not in name}
    for field, found in {(field, kind(value)) for row in kept for field, value in fields(row).items()}:
        assert found in FIELDS[field] or (found == "integer" and "number" in FIELDS[field])


@pytest.mark.parametrize("name", CASES)
def test_entries_are_as_the_card_has_them(name):
    for row in rows(cases.path_of(name).name):
        tried = [rate for rate, _, _ in row["outcomes"]]
        assert tried == sorted(set(tried), reverse=True)
        assert all(0 < rate < 20 for rate in tried)
        assert all(1 <= iterations <= row["case"]["iterations"] for _, _, iterations in row["outcomes"])


def test_numbers_in_the_text():
    words = {11: "eleven", 13: "thirteen"}
    assert f"{words[len(ACTS)]} activations and {words[len(INITS)]} initializers" in CARD
    assert f"under {cases.TRAINS:g} of chance" in CARD
    assert f"over {cases.STUCK:g} of it" in CARD
    stacks = [row["case"] for row in rows("cases_stacks.jsonl")]
    assert sum(case["depth"] == 100 for case in stacks) == 9
    assert all(3 <= case["depth"] <= 50 or case["depth"] == 100 for case in stacks)
    plain = ("sgd", 250, "mnist")
    of_plain = [case for case in stacks if (case["optimizer"], case["iterations"], case["data"]) == plain]
    assert len([case for case in of_plain if case["depth"] != 100]) == 600
    losses = [loss for row in rows("cases_stacks.jsonl") for _, loss, _ in row["outcomes"] if loss is not None]
    assert not [loss for loss in losses if 0.989 < loss < 1.0]
