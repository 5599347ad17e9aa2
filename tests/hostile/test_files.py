"""No output takes the place of an input, and no file is read without end."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from contract import Ended, check, files

from actdiag.cli.command import run

SMALL = ["--depth", "2", "--width", "4", "--batch", "4"]
TRAINING = ["--depth", "2", "--width", "4", "--iterations", "2"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("rules.toml").write_text("[saturation]\nhigh = 0.4\n", encoding="utf-8")
    Path("link.toml").symlink_to("rules.toml")
    pytest.importorskip("autograd")
    name = f"mine_{tmp_path.name}"  # modules are loaded once a process
    Path("package").mkdir()
    Path(f"helps_{name}.py").write_text("", encoding="utf-8")
    Path(f"{name}.py").write_text(
        f"import autograd.numpy as np\nimport helps_{name}\n\ndef f(x):\n    return np.tanh(x)\n", encoding="utf-8"
    )
    np.save("x.npy", np.ones((4, 4)))
    np.savez("data.npz", x_train=np.eye(8), y_train=np.arange(8) % 2)
    return name


def held(capfd, arguments, asked=()):
    before = files()
    result = Ended(run(arguments), *capfd.readouterr())
    check(result, before, files(), asked)
    return result


@pytest.mark.parametrize("option", ["--json", "--csv"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["propagate", *SMALL, "--rules", "rules.toml", "rules.toml"],
        ["grad-flow", *SMALL, "--rules", "rules.toml", "./rules.toml"],
        ["compare", *SMALL, "--rules", "link.toml", "rules.toml"],
        ["propagate", *SMALL, "--rules", "rules.toml", "link.toml"],
        ["propagate", "--depth", "2", "--input", "x.npy", "x.npy"],
        ["train", *TRAINING, "--data", "data.npz", "data.npz"],
    ],
)
def test_outputs_spare_what_is_read(capfd, arguments, option):
    *first, name = arguments
    result = held(capfd, [*first, option, name])
    assert result.err == f"Error: {option} must be another file than those that are read, got {name!r}\n"


@pytest.mark.parametrize("command", ["propagate", "grad-flow", "compare", "train", "gain"])
def test_outputs_spare_the_users_module(capfd, folder, command):
    sizes = {"gain": [], "train": TRAINING}.get(command, SMALL)
    named = [f"{folder}:f"] if command == "gain" else ["--act", f"{folder}:f"]
    result = held(capfd, [command, *named, *sizes, "--json", f"{folder}.py"])
    assert "--json must be another file than those that are read" in result.err


def test_outputs_spare_what_the_users_module_loads(capfd, folder):
    result = held(capfd, ["propagate", *SMALL, "--act", f"{folder}:f", "--csv", f"helps_{folder}.py"])
    assert "--csv must be another file than those that are read" in result.err


def test_a_device_may_be_both(capfd):
    if os.name == "posix":
        assert held(capfd, ["propagate", *SMALL, "--rules", "/dev/null", "--json", "/dev/null"]).code == 0


@pytest.mark.parametrize("name", ["new/", "package/", "rules.toml/"])
def test_a_name_of_a_folder_is_no_file(capfd, name):
    result = held(capfd, ["propagate", *SMALL, "--json", name])
    assert result.err.endswith(f"got {name!r}, which names a folder\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[saturation]\nhigh = " + "9" * 310, "must have high be a number in [saturation], got 999"),
        ("[saturation]\nhigh = " + "[" * 2000 + "]" * 2000, "nested too deeply"),
        ("#" * 2**20 + "\n", "more than 1048576 bytes"),
        ("\x00", "must be a TOML file"),
        ("[\x1b[31m]", "must be a TOML file"),
        ('["\\u202E"]\n', "must name rules, got [\\u202e]"),
        ("[saturation]\nhigh = nan", "must have high be a number"),
        ('[saturation]\nhigh = "x"', "must have high be a number"),
        ("saturation = 1", "must have a table [saturation]"),
    ],
)
def test_rules_of_any_content(capfd, content, said):
    Path("bad.toml").write_text(content, encoding="utf-8")
    result = held(capfd, ["propagate", *SMALL, "--rules", "bad.toml"])
    assert result.code == 2
    assert said in result.err


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without an end")
def test_rules_from_a_device_without_an_end(capfd):
    assert "more than 1048576 bytes" in held(capfd, ["propagate", *SMALL, "--rules", "/dev/zero"]).err


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".npz", "x" * 300 + "/t.npz", "a\x00b.npz", "\x1b[31mred.npz"])
@pytest.mark.parametrize("option", ["--data", "--input", "--labels", "--rules", "--json", "--csv", "--png"])
def test_names_that_no_file_has(capfd, name, option):
    command = "train" if option == "--data" else "grad-flow"
    extra = ["--loss", "mse"] if option == "--labels" else []
    result = held(capfd, [command, *extra, option, name], [name])
    assert result.code == 2 or option in ("--json", "--csv")
    assert result.code != 2 or f"Error: {option} must" in result.err


@pytest.mark.parametrize(
    ("widths", "said"), [("0", "at least 1, got 0"), ("4,0", "at least 1, got 0"), ("9" * 30, "at most")]
)
def test_widths_are_blamed_as_widths(capfd, widths, said):
    result = held(capfd, ["propagate", "--widths", widths])
    assert result.err.startswith("Error: --widths must be")
    assert said in result.err


def test_data_that_do_not_fit_are_refused_before_they_are_read(capfd, monkeypatch):
    monkeypatch.setattr("actdiag.arrays.available_memory", lambda: 2**24)
    result = held(capfd, ["train", *TRAINING, "--data", "synthetic:rows=100000:features=100"])
    assert "--data must be smaller, its rows need about 152.6 MiB and 16.0 MiB is available" in result.err
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in (5000, 64, 64))
    with gzip.open("train-images-idx3-ubyte.gz", "wb") as file:
        file.write(header + bytes(5000 * 64 * 64))
    Path("train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x02\0\1")
    result = held(capfd, ["train", *TRAINING, "--data", "."])
    assert "--data must be smaller, the first 16777216 numbers in it need about 272.0 MiB" in result.err


def test_the_reports_of_all_stacks_count(capfd, monkeypatch):
    monkeypatch.setattr("actdiag.engine.memory.available_memory", lambda: 2**26)
    stacks = ["--act", "relu,tanh,gelu", "--init", "he,xavier,lecun"]
    result = held(capfd, ["compare", *stacks, "--width", "2", "--batch", "2", "--depth", "5000"])
    assert "--depth must be smaller" in result.err


@pytest.mark.parametrize(("option", "name"), [("--input", "x.npy"), ("--data", "data.npz")])
def test_a_file_that_does_not_fit_in_memory_is_blamed_itself(capfd, monkeypatch, option, name):
    def too_large(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(np, "load", too_large)
    result = held(capfd, ["train" if option == "--data" else "propagate", option, name])
    assert result.err.startswith(f"Error: {option} must")
    assert result.err.endswith(f"got {name!r}: it does not fit in memory\n")
