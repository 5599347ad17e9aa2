"""The data card of the labels: files, lines and fields are those of the files."""

import json
import re

import pytest

from benchmarks import cases, gain_labels
from benchmarks.labels import ACTS, FOLDER, INITS, SETS

CARD = (FOLDER / "README.md").read_text(encoding="utf-8")
LINES = {name: int(lines) for name, lines in re.findall(r"^\| `(\w+\.jsonl)` \| (\d+) \|", CARD, re.MULTILINE)}
FIELDS = dict(re.findall(r"^\| `([a-z_.]+)` \| ([^|]+) \|", CARD, re.MULTILINE))


def rows(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


def fields(row):
    """Return the fields of a line, those inside an object after a dot, with their values."""
    inner = {f"draw.{key}": value for key, value in row["draw"].items()}
    return row | inner


def kind(value):
    names = {dict: "object", list: "array", str: "text", int: "integer", float: "number", type(None): "null"}
    return names[type(value)]


def test_files_and_lines():
    growing = {"advice.jsonl", gain_labels.PATH.name, *(cases.path_of(name).name for name in cases.GROUPS)}
    assert {path.name: len(rows(path.name)) for path in FOLDER.glob("*.jsonl") if path.name not in growing} == LINES
    assert "\n| `gains.jsonl` | grows |" in CARD
    assert "\n| `advice.jsonl` | grows |" in CARD
    assert "\n| `cases_GROUP.jsonl` | grow |" in CARD
    assert f"\n{sum(LINES.values())} lines about" in CARD
    assert {name: LINES[f"{name}.jsonl"] for name in SETS} == {name: chosen.stacks for name, chosen in SETS.items()}


def test_fields_are_those_of_the_files():
    kept = {field for name in LINES for row in rows(name) for field in fields(row)}
    assert kept == set(FIELDS) - {name for name in FIELDS if name.endswith("jsonl")}


@pytest.mark.parametrize("name", LINES)
def test_types_are_those_of_the_files(name):
    seen = {(field, kind(value)) for row in rows(name) for field, value in fields(row).items()}
    assert seen
    for field, found in seen:
        assert found in FIELDS[field] or (found == "integer" and "number" in FIELDS[field])


@pytest.mark.parametrize("name", LINES)
def test_entries_are_as_the_card_has_them(name):
    entries = [entry for row in rows(name) for entry in (row["outcomes"] if "outcomes" in row else [row["outcome"]])]
    assert entries
    for rate, loss, iterations, highest in entries:
        assert 0 < rate < 10
        assert 1 <= iterations <= 1000
        assert (loss is None) == (highest is None)


def test_numbers_in_the_text():
    words = {8: "eight", 10: "ten"}
    assert f"over {words[len(ACTS)]} and {words[len(INITS)]} of the catalogue" in CARD
    between = [row for row in rows("held_out.jsonl") if 1.0 <= best(row) <= 2.2]
    assert f"{len(between)} stacks of `held_out.jsonl`\n  are in between" in CARD


def best(row):
    return min(float("inf") if loss is None else loss for _, loss, *_ in row["outcomes"])
