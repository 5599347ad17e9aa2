"""Training that is stopped: what is finished is shown, or kept in a file from which it goes on."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import actdiag
import actdiag.experiments.train as trained
from actdiag import InvalidField, TrainingRun, train
from actdiag.cli import process
from actdiag.cli.command import run

SMALL = {"data": "synthetic:rows=300:features=6:classes=3", "depth": 2, "width": 8, "iterations": 20, "batch": 32}
INITS = ["std=0.01", "xavier", "he"]
COMMAND = [
    *("train", "--data", "synthetic:rows=2000:features=16:classes=4", "--depth", "8", "--width", "64"),
    *("--act", "tanh,relu", "--init", "xavier,he", "--lr", "0.1,0.01", "--iterations", "150"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def start(*arguments, **options):
    """Start the program; a parent that ignores SIGINT hands that on to its children, so this one takes it again."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "from actdiag.__main__ import main; main()"
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, text=True, **options)


def test_finished_runs_are_not_trained_again():
    whole = train("relu", INITS, **SMALL)
    seen = []
    assert train("relu", INITS, **SMALL, checkpoint="x.json", each=seen.append) == whole == seen
    again = []
    iterations = []
    resumed = train("relu", INITS, **SMALL, checkpoint="x.json", watch=iterations.append, each=again.append)
    assert iterations == []
    assert [one.to_dict() for one in resumed] == [one.to_dict() for one in whole]
    assert again == resumed


def test_a_file_of_another_training_is_refused_with_the_difference():
    train("relu", ["he"], **SMALL, checkpoint="x.json")
    said = r"must be of the same training, got 'x.json': lr 0.01 there, 0.5 here; iterations 20 there, 10 here"
    with pytest.raises(InvalidField, match=said):
        train("relu", ["he"], **SMALL | {"iterations": 10, "lr": 0.5}, checkpoint="x.json")
    with pytest.raises(InvalidField, match="init he there, xavier here"):
        train("relu", ["xavier"], **SMALL, checkpoint="x.json")
    labels = np.arange(60) % 2
    data = actdiag.Dataset("mine", np.ones((60, 2)), labels, np.ones((5, 2)), labels[:5], 2)
    with pytest.raises(InvalidField, match=r"data synthetic.* there, mine .* here"):
        train("relu", ["he"], **SMALL | {"data": data}, checkpoint="x.json")


def test_what_files_and_functions_hold_is_compared_too():
    rules = Path("rules.toml")
    rules.write_text("[saturation]\nhigh = 0.5\n")
    train("relu", ["he"], **SMALL, rules=rules, checkpoint="x.json")
    rules.write_text("[saturation]\nhigh = 0.6\n")
    with pytest.raises(InvalidField, match=r"must be of the same training, got 'x.json': rules "):
        train("relu", ["he"], **SMALL, rules=rules, checkpoint="x.json")

    def own(factor):
        functions = {"value": lambda z: factor * z, "derivative": lambda z: factor + 0 * z}
        return actdiag.Activation(name="own", formula="?", source="mine", **functions)

    train(own(1.0), ["he"], **SMALL, checkpoint="y.json")
    with pytest.raises(InvalidField, match=r"must be of the same training, got 'y.json': stacks "):
        train(own(2.0), ["he"], **SMALL, checkpoint="y.json")


def test_a_comparison_that_goes_on_answers_all_options():
    arguments = ["train", "--init", "he,xavier", *(f"--{name}={value}" for name, value in SMALL.items())]
    arguments += ["--judge", "sagemaker", "--quiet"]
    assert run([*arguments, "--json", "whole.json"]) == 0
    for name in ("first.json", "again.json"):
        assert run([*arguments, "--checkpoint", "x.json", "--json", name, "--png", "x.png"]) == 0
        assert Path(name).read_text() == Path("whole.json").read_text()


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"specification": 1, "training": 2}', "\x00"])
def test_other_files_are_refused_and_kept(content):
    Path("x.json").write_text(content)
    with pytest.raises(InvalidField, match=r"^checkpoint must be "):
        train("relu", ["he"], **SMALL, checkpoint="x.json")
    assert Path("x.json").read_text() == content


def test_a_file_that_cannot_be_written_is_told(capsys):
    assert run([*COMMAND, "--checkpoint", "none/x.json", "--iterations", "2"]) == 2
    assert "--checkpoint must be a file that can be written, got 'none/x.json'" in capsys.readouterr().err


def test_no_output_takes_the_place_of_a_checkpoint(capsys):
    assert run([*COMMAND, "--checkpoint", "x.json", "--json", "x.json"]) == 2
    assert "x.json" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_comparison_goes_on_to_the_same_document():
    assert start(*COMMAND, "--json", "whole.json", "--quiet").wait() == 0
    whole = json.loads(Path("whole.json").read_text())
    for number, seconds in enumerate(np.random.default_rng(0).uniform(0.8, 3.0, 5)):
        running = start(*COMMAND, "--checkpoint", f"{number}.json", "--json", "out.json", "--quiet")
        time.sleep(seconds)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert start(*COMMAND, "--checkpoint", f"{number}.json", "--json", "out.json", "--quiet").wait() == 0
        assert json.loads(Path("out.json").read_text()) == whole


def interrupt_third_run(monkeypatch) -> list:
    """Arrange an interrupt at the third run; the list has an entry for each run that was begun."""
    real, begun = trained.run_training, []

    def interrupted(*given):
        begun.append(given)
        if len(begun) > 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(trained, "run_training", interrupted)
    return begun


def test_an_interrupt_keeps_what_is_finished(monkeypatch, capsys):
    begun = interrupt_third_run(monkeypatch)
    arguments = ["train", "--data", SMALL["data"], "--depth", "2", "--width", "8", "--iterations", "20"]
    assert run([*arguments, "--init", "he,xavier,lecun", "--json", "x.json"]) == 130
    captured = capsys.readouterr()
    assert captured.err == "interrupted: 2 runs finished\n"
    assert "xavier" in captured.out
    assert len(json.loads(Path("x.json").read_text())["runs"]) == 2
    begun[:] = [None] * 5  # interrupts the next run
    assert run([*arguments, "--init", "he"]) == 130
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_waits_for_the_iteration_and_keeps_what_is_finished():
    running = start(*COMMAND, "--watch", "--json", "x.json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    names = []
    while len(set(names)) < 2:  # the second run has begun
        names.append(running.stderr.readline().split(":")[0])
    running.send_signal(signal.SIGINT)
    out, err = running.communicate()
    assert running.returncode == 130
    assert err.endswith("interrupted: 1 run finished\n")
    assert " outcome" in out
    assert len(json.loads(Path("x.json").read_text())["runs"]) == 1


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_ends_at_once_where_nothing_is_finished():
    running = start(*COMMAND, "--watch", "--json", "x.json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stderr.readline()
    running.send_signal(signal.SIGINT)
    assert running.communicate()[0] == ""
    assert running.returncode == 130
    assert not Path("x.json").exists()


def test_interrupts_wait_once_something_is_kept():
    with process.Interrupts() as interrupts:
        assert not interrupts.takes(signal.SIGINT)
        interrupts.keep()
        assert not interrupts.takes(signal.SIGTERM)
        interrupts.check()
        assert interrupts.takes(signal.SIGINT)
        assert not interrupts.takes(signal.SIGINT)  # a second one ends
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_an_interrupted_picture_has_the_pages_of_what_is_finished(monkeypatch, capsys):
    interrupt_third_run(monkeypatch)
    rates = ",".join(str(number / 1000) for number in range(1, 43))
    arguments = ["train", "--data", SMALL["data"], "--init", "he", "--iterations", "2", "--batch", "20", "--lr", rates]
    assert run([*arguments, "--png", "x.png"]) == 130
    assert [path.name for path in Path().glob("x*.png")] == ["x.png"]


def test_a_run_shows_and_writes_itself():
    (one,) = train("relu", ["he"], **SMALL)
    assert isinstance(one, TrainingRun)
    assert one.to_dict()["runs"][0]["final_loss"] == one.final_loss
    assert [row["loss"] for row in one.rows()] == list(one.loss)
    assert len(one.figure().axes) == 2
    console = Console(width=100, file=io.StringIO())
    console.print(one)
    assert "chance level" in console.file.getvalue()
