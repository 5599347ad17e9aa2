"""What surrounds the code: metadata, documents and the checks of CI agree with each other and with the code."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import actdiag

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_licence_everywhere():
    assert PROJECT["license"] == "MIT"
    assert PROJECT["license-files"] == ["LICENSE"]
    assert text_of("LICENSE").startswith("MIT License\n\nCopyright (c) 2026 the actdiag developers\n")
    assert "\nlicense: MIT\n" in text_of("CITATION.cff")


def test_one_version_everywhere():
    newest = re.search(r"^## \[(\d[^]]*)\] - (\d{4}-\d\d-\d\d)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert newest[1] == actdiag.__version__
    assert f'\nversion: {newest[1]}\ndate-released: "{newest[2]}"\n' in text_of("CITATION.cff")


def test_pythons_are_classified_and_tested():
    classified = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert PROJECT["requires-python"] == f">={classified[0]}"
    tested = re.search(r"python: \[(.*)\]", text_of(".github/workflows/ci.yml"))[1]
    assert re.findall(r"\d\.\d+", tested) == classified[:3]


def test_hosted_checks_are_those_of_this_repository():
    """Every check of .ci/run is one of the workflow, and every command of the workflow is one of .ci/run."""
    script = text_of(".ci/run")
    local = {line.partition("bin/")[2] for line in script.splitlines() if line.startswith(".venv-test/bin/python -m ")}
    assert '\nbash -euo pipefail -c "$test_command"\n' in script
    local.add("python -m pytest -n 2")
    hosted = set(re.findall(r"^ *- run: (.*)$", text_of(".github/workflows/ci.yml"), re.MULTILINE))
    torch = {command for command in local | hosted if " torch" in command}
    assert len(torch) == 2
    assert hosted - torch == local - torch
    assert f".venv-test/bin/{'python -m pytest -n 2'}\n" in text_of("README.md")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_that_are_named_are_there(name):
    text = text_of(name)
    named = re.findall(r"\]\(([\w./-]+)\)", text)
    for line in text.splitlines():
        if "(coming)" not in line:
            named += re.findall(r"`((?:actdiag|benchmarks|tests)/[\w./]*)`", line)
    assert named or name == "CHANGELOG.md"
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_folder_has_its_line_in_the_guide():
    folders = {path.parent.name for path in (ROOT / "actdiag").glob("*/__init__.py")}
    assert folders
    assert sorted(name for name in folders if f"`actdiag/{name}/" not in text_of("CONTRIBUTING.md")) == []


CHECKED = """
import pytest

def test_extra():
    pytest.importorskip("a_package_that_nobody_has")

@pytest.mark.skipif(True, reason="another system")
def test_system():
    pass
"""


@pytest.mark.parametrize(
    ("variables", "code", "outcome"),
    [({"ACTDIAG_REQUIRE_EXTRAS": "1"}, 1, "1 failed, 1 skipped"), ({"ACTDIAG_REQUIRE_EXTRAS": ""}, 0, "2 skipped")],
)
@pytest.mark.parametrize("where", ["test", "module"])
def test_a_missing_extra_fails_where_all_are_required(tmp_path, variables, code, outcome, where):
    text = CHECKED if where == "test" else CHECKED.replace("def test_extra():\n    ", "")
    if where == "module":  # collecting ends there, so that nothing else is seen
        code, outcome = (2, "1 error") if code else (5, "1 skipped")
    (tmp_path / "conftest.py").write_text(text_of("tests/conftest.py"), encoding="utf-8")
    (tmp_path / "test_extras.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)],
        env=os.environ | variables, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, outcome in done.stdout) == (code, True), done.stdout
