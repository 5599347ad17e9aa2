"""The README's commands are run, and what they show is compared with what it says they show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")
BARS = re.compile("[▁▂▃▄▅▆▇█]+ *")

# Rounding differs between machines' matrix products, and a layer carries it on; a wrong number is off by far more.
CLOSE = 0.02


def blocks(kind):
    return [text for found, text in BLOCK.findall(README.read_text(encoding="utf-8")) if found == kind]


def commands():
    return [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


def shown_after(command):
    lines = next(block for block in blocks("console") if f"$ {command}\n" in block).splitlines()
    start = lines.index(f"$ {command}") + 1
    end = next((at for at in range(start, len(lines)) if lines[at].startswith("$ ")), len(lines))
    return "\n".join(lines[start:end]).strip("\n")


def output_of(command, folder):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "COLUMNS"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment |= {"LANG": "C.UTF-8", "COLUMNS": "80", "PATH": path}
    done = subprocess.run(
        command, shell=True, env=environment, cwd=folder, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stderr == ""
    return done.stdout.strip("\n")


def replace_output(command, output):
    text = README.read_text(encoding="utf-8")
    start = text.index(f"$ {command}\n") + len(command) + 3
    block = text[start : text.index("```", start)]
    rest = block[block.index("$ ") :] if "$ " in block else ""
    README.write_text(text[:start] + output + "\n" + rest + text[start + len(block) :], encoding="utf-8")


def words_of(text):
    return NUMBER.sub("#", BARS.sub("", text)).split()


def numbers_of(text):
    return [float(number) for number in NUMBER.findall(BARS.sub("", text))]


def assert_alike(shown, output):
    assert words_of(shown) == words_of(output)
    assert numbers_of(shown) == pytest.approx(numbers_of(output), rel=CLOSE, abs=0)


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize("command", commands())
def test_command_shows_what_the_readme_shows(request, tmp_path, command):
    output = output_of(command, tmp_path)
    if request.config.getoption("--refresh-golden"):
        replace_output(command, output)
    assert_alike(shown_after(command), output)


def test_python_examples(request):
    shared = {}
    for block in blocks("python"):
        fresh, told, statement = [], [], ""
        for line in [*block.splitlines(), ""]:
            if line.startswith("... "):
                statement += line[4:] + "\n"
                fresh.append(line)
                continue
            if statement:
                told.append((statement, run_statement(statement, shared)))
                fresh += [told[-1][1]] if told[-1][1] else []
                statement = ""
            if line.startswith(">>> "):
                statement = line[4:] + "\n"
                fresh.append(line)
        if request.config.getoption("--refresh-golden"):
            text = README.read_text(encoding="utf-8")
            README.write_text(text.replace(block, "\n".join(fresh) + "\n"), encoding="utf-8")
            block = "\n".join(fresh) + "\n"
        assert_alike(block, "\n".join(fresh))


def run_statement(statement, shared):
    try:
        value = eval(statement, shared)
    except SyntaxError:
        exec(statement, shared)
        return ""
    return "" if value is None else repr(value)


def test_no_list_of_activations_stands_on_the_page():
    from actdiag.activations import ACTIVATIONS

    text = README.read_text(encoding="utf-8")
    named = [name for name in ACTIVATIONS if re.search(rf"\b{name}\b", text)]
    assert len(named) < len(list(ACTIVATIONS)) / 2


def test_pictures_are_there():
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / name).read_bytes().startswith(b"\x89PNG")
