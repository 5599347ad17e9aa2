"""`actdiag train`: what its table says of runs built by hand, and what the command takes, gives and refuses."""

import csv
import inspect
import io
import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from math import inf, log, nan
from pathlib import Path
from types import SimpleNamespace

import builders
import numpy as np
import pytest
import training_runs
from rich.console import Console

from actdiag.cli import watching
from actdiag.cli.command import run
from actdiag.cli.watching import LINES, Watcher, rested
from actdiag.documents.plain import as_json
from actdiag.documents.rows import training_rows
from actdiag.documents.training import training_to_dict
from actdiag.experiments.train import Look, Recipe, Tried
from actdiag.experiments.train.loop import Step
from actdiag.numerals import in_ascii
from actdiag.render.terminal.marks import levels
from actdiag.render.terminal.training import training_view
from actdiag.render.terminal.watching import Watched, watch_line, watch_view
from actdiag.view import training as words_of

SETS = {
    "book": training_runs.book,
    "several": training_runs.several,
    "alone": lambda: [training_runs.diverged()],
    "one-iteration": lambda: [training_runs.run(loss=(2.4,), accuracy=(0.1,), recipe=Recipe("adam", 1, 1))],
}
TINY = ["--width", "12", "--depth", "2", "--iterations", "30", "--batch", "10"]


def shown(view, width, **console):
    screen = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False, **console)
    screen.print(view)
    return "\n".join(line.rstrip() for line in screen.file.getvalue().splitlines()) + "\n"


def heads_at(runs, width):
    lines = shown(training_view(runs, width=width), width).splitlines()
    return lines[next(place for place, line in enumerate(lines) if line.startswith("──")) - 1].split()


# The table


@pytest.mark.parametrize(
    ("name", "width", "ascii_only"),
    [("several", 80, False), ("several", 120, False), ("book", 80, False), ("alone", 80, True)],
)
def test_table(golden, name, width, ascii_only):
    text = shown(training_view(SETS[name](), width=width, ascii_only=ascii_only), width)
    golden(f"training-{name}-{width}{'-ascii' if ascii_only else ''}.txt", text)


@pytest.mark.parametrize("name", list(SETS))
def test_without_other_characters_it_says_the_same(name):
    texts = [shown(training_view(SETS[name](), width=200, ascii_only=plain), 200) for plain in (False, True)]
    assert texts[1].isascii()
    (rows, rest), (ascii_rows, ascii_rest) = (parted(text, len(SETS[name]())) for text in texts)
    assert " ".join(rest).split() == " ".join(ascii_rest).split()
    drawn = re.compile(r" [▁▂▃▄▅▆▇█.:=+*#@-]+[\N{MULTIPLICATION SIGN}x]? ")  # the curves
    for row, ascii_row in zip(rows, ascii_rows, strict=True):
        assert drawn.sub(" ", in_ascii(row)).split() == drawn.sub(" ", ascii_row).split()


def parted(text, runs):
    """The rows of a table, and the lines around them."""
    lines = text.split("\n")
    start = next(at for at, line in enumerate(lines) if line.startswith(("──", "--"))) + 1
    return lines[start : start + runs], [*lines[: start - 1], *lines[start + runs :]]


def test_rows():
    rows, _ = parted(shown(training_view(training_runs.several(), width=200), 200), 5)
    assert rows[0].split()[:3] == ["relu", "std=0.01", "0.1"]
    assert rows[1].split()[:3] == ["relu", "he", "0.1*"]
    assert rows[1].split()[4:] == [
        "2.31→0.199", "83%", "93%", "0.97→1.12", "0.98→1.31", "2.0%→10%", "3.4e-03", "healthy", "97%", "learned",
    ]  # fmt: skip
    assert rows[4].split()[3][-1] == "\N{MULTIPLICATION SIGN}"
    assert rows[4].split()[4:] == [
        "2.31→-", "10%", "-", "1.2e+02→-", "3.2e+02→-", "2.0%→0%", "-", "healthy", "97%", "diverged", "at", "37",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 70, 80, 90, 100, 110, 120, 140, 200])
@pytest.mark.parametrize("name", list(SETS))
def test_nothing_is_cut_at_any_width(name, width):
    text = shown(training_view(SETS[name](), width=width), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for run_ in SETS[name]():
        assert run_.stack.init.name in text
        assert run_.outcome in text


def test_columns_go_in_the_order_of_what_they_tell():
    order = ["update", "dead", "backward", "forward", "train", "test"]
    seen = [heads_at(training_runs.book(), width) for width in range(140, 44, -1)]
    for wide, narrow in pairwise(seen):
        gone = [head for head in order if head in wide and head not in narrow]
        assert gone in ([], [head for head in order if head in wide][:1])
        assert not set(narrow) - set(wide) - {"curve"}
    assert set(order) <= set(seen[0])
    assert not set(order) & set(seen[-1])
    assert {"init", "loss", "verdict", "outcome", "curve"} <= set(heads_at(training_runs.book(), 60))


def test_what_all_runs_share_stands_in_the_heading():
    first, setting, data = shown(training_view(training_runs.book(), width=120), 120).splitlines()[:3]
    assert first == "relu, 3 initializers"
    assert setting == "4 layers of 10, float32, seed 0, sgd at 0.1, 400 iterations of 128 rows"
    assert data == "synthetic: 8000 rows of 10 in 10 classes, 2000 to test on; chance level 2.3"
    assert "act" not in heads_at(training_runs.book(), 120)
    assert {"act", "init", "lr"} <= set(heads_at(training_runs.several(), 120))
    assert words_of.heading([training_runs.run()])[0] == "relu, he (std 0.316 to 0.447)"
    clipped = training_runs.run(recipe=Recipe("adam", 1, 32, 1.0, 0.5))
    bound = "adam at 0.1, 1 iteration of 32 rows, gradients clipped to a norm of 1, their entries to 0.5"
    assert words_of.recipe([clipped]) == bound


def test_curves_of_all_rows_have_one_axis():
    text = shown(training_view(training_runs.book(), width=80), 80).splitlines()
    stuck, slow, quick = (line.split()[1] for line in text[6:9])
    assert set(stuck) == {"█"}
    assert (slow[0], slow[-1], quick[-1]) == ("█", "▁", "▁")
    assert quick.index("▁") < slow.index("▁")
    exploded = training_runs.run(loss=training_runs.falling(1e9, 3))
    text = shown(training_view([exploded, training_runs.run(init="xavier")], width=80), 80)
    assert "from 0 to 3.45" in text  # 1.5 ln 10
    assert "█▆" not in text


def test_levels():
    assert levels([0.0, 1.0, 2.0, None, 9.9, inf], 2.0, ascii_only=False) == "▁▅█ ██"
    assert levels([0.0, 1.0, 2.0], 2.0, ascii_only=True) == ".+@"


def test_means_leave_out_what_is_missing():
    assert words_of.means([1.0, 3.0, 5.0, None], 8, 4) == [2.0, 5.0, None, None]
    assert words_of.means([1.0, 2.0, 3.0], 3, 10) == [1.0, 2.0, 3.0]
    assert len(words_of.means([1.0] * 2000, 2000, 24)) <= 24


def test_smoothed():
    values = [10.0, 0.0, 2.0, 4.0, 6.0]
    assert words_of.smoothed(values, 2) == [10.0, 4.0, 2.0, 4.0, 5.0]
    assert words_of.smoothed(values, 1) == values


def test_colours_have_words_and_go_where_asked():
    view = training_view(training_runs.several(), width=120)
    coloured = shown(view, 120, force_terminal=True, color_system="standard", no_color=False)
    assert "\x1b[31mdid not learn" in coloured
    assert "\x1b[32mlearned" in coloured
    assert "\x1b[3" not in shown(view, 120, force_terminal=True, no_color=True)
    assert "\x1b" not in shown(view, 120)


# Verdict and outcome


CAME = {
    "learned": "learned: loss 0.199",
    "slow": "learned slowly: loss 1.5",
    "did not learn": "did not learn: loss 2.3",
    "diverged": "diverged at 37",
}


def outcome_of(name):
    return {
        "learned": training_runs.run,
        "slow": lambda **changes: training_runs.run(loss=(1.5,) * 400, **changes),
        "did not learn": training_runs.stuck,
        "diverged": training_runs.diverged,
    }[name]


@pytest.mark.parametrize("name", ["learned", "slow", "did not learn", "diverged"])
@pytest.mark.parametrize(
    ("severity", "expected"),
    [("healthy", {"learned"}), ("at-risk", None), ("untrainable", {"did not learn", "diverged"})],
)
def test_a_line_says_where_the_verdict_was_wrong(severity, expected, name):
    (line,) = words_of.surprises([outcome_of(name)(severity=severity)]) or [None]
    if expected is None or name in expected:
        assert line is None
    else:
        assert f"judged {severity} (" in line
        assert f"yet it {CAME[name]}" in line


def test_that_line_says_why_where_the_run_is_not_what_the_verdict_speaks_of():
    wrong = training_runs.stuck(severity="healthy")
    (line,) = words_of.surprises([replace(wrong, learning_rate=0.001)])
    assert line.endswith("; the verdict is for a learning rate of 0.01 to 0.3, not 0.001")
    (line,) = words_of.surprises([wrong])
    assert line.endswith("it did not learn: loss 2.3")
    found = builders.verdict("untrainable", (builders.VANISHING, builders.ALIGNED))
    (line,) = words_of.surprises([training_runs.run(verdict=found)])
    assert "judged untrainable (2%) by vanishing_signal, aligned_inputs, yet it learned" in line


def test_names_say_what_tells_runs_apart():
    assert words_of.names(training_runs.book()) == ["std=0.01", "xavier", "he"]
    assert words_of.names([training_runs.run()]) == ["relu, he"]
    assert words_of.names([training_runs.run(learning_rate=rate) for rate in (0.1, 0.02)]) == ["lr 0.1", "lr 0.02"]
    tried = (Tried(1.0, None), Tried(0.1, 0.2))
    assert words_of.names([training_runs.run(tried=tried), training_runs.run("tanh", tried=tried)]) == [
        "relu, lr 0.1*",
        "tanh, lr 0.1*",
    ]


def test_auto_says_what_it_chose_from():
    text = shown(training_view(training_runs.several(), width=120), 120)
    assert "lr*: best of 1, 0.1, 0.01, by the mean of the last 25 losses" in text
    assert "0.1* " in text
    assert "lr*" not in shown(training_view(training_runs.book(), width=120), 120)


def test_fitted_gains_are_told():
    fitted = training_runs.run(stack=builders.stack(target_gain=1.5, bias_std=0.25))
    text = shown(training_view([fitted], width=80), 80)
    assert "auto: relu gain 1.5, bias std 0.25" in text


# JSON and CSV


def test_json_of_runs():
    runs = training_runs.several()
    document = json.loads(as_json(training_to_dict(runs)), parse_constant=lambda constant: pytest.fail(constant))
    assert list(document) == ["schema", "command", "versions", "data", "runs"]
    assert (document["schema"], document["command"]) == ("actdiag/2", "train")
    assert document["data"] == {
        "name": "synthetic", "train_rows": 8000, "test_rows": 2000, "features": 10, "classes": 10,
        "task": "classification", "chance": None, "commonest": None, "commonest_fraction": None,
        "commonest_test_fraction": None, "missing": [], "class_names": [], "notes": [],
        "guess_loss": pytest.approx(log(10)),
    }  # fmt: skip
    assert len(document["runs"]) == 5
    first, second, *_, last = document["runs"]
    assert list(first) == [
        "act", "init", "lr", "stack", "optimizer", "iterations", "batch", "clip_norm", "clip_value", "loss_name",
        "weight_decay", "schedule", "warmup", "stop_at",
        "loss", "accuracy", "final_loss", "final_accuracy", "test_loss", "test_accuracy", "chance", "advantage",
        "outcome", "diverged_at", "stopped_at", "tried", "verdict", "before", "after",
    ]  # fmt: skip
    assert (second["act"], second["init"], second["lr"]) == ("relu", "he", 0.1)
    assert second["loss"] == list(runs[1].loss)
    assert second["tried"][0] == {"lr": 1.0, "final_loss": None}
    assert (first["optimizer"], first["iterations"], first["batch"]) == ("sgd", 400, 128)
    assert first["stack"]["widths"] == [10, 10, 10, 10]
    assert first["verdict"]["severity"] == "healthy"
    assert list(first["before"]) == ["layers", "change_per_layer", "loss", "first_update"]
    assert list(first["after"]) == ["layers", "change_per_layer", "loss"]
    assert (last["outcome"], last["diverged_at"], last["loss"][-1], last["final_loss"]) == ("diverged", 37, None, None)
    assert last["after"]["loss"] is None
    assert last["before"]["first_update"] == [None] * 4


def test_json_holds_whatever_overflowed():
    broken = training_runs.diverged(first_update=(inf, nan, None, 1.0), test_loss=None)
    document = json.loads(as_json(training_to_dict([broken])), parse_constant=lambda constant: pytest.fail(constant))
    assert document["runs"][0]["before"]["first_update"] == [None, None, None, 1.0]


def test_csv_has_a_row_for_every_iteration_of_every_run():
    runs = training_runs.several()
    rows = training_rows(runs)
    assert list(rows[0]) == ["act", "init", "lr", "iteration", "loss", "accuracy"]
    assert len(rows) == 4 * 400 + 37
    assert rows[400] == {
        "act": "relu", "init": "he", "lr": 0.1, "iteration": 1, "loss": runs[1].loss[0],
        "accuracy": runs[1].accuracy[0],
    }  # fmt: skip
    assert (rows[-1]["iteration"], rows[-1]["loss"]) == (37, None)


# The command


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def blobs(rows, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 3
    return (4 * np.eye(3)[labels] + rng.normal(size=(rows, 3))).reshape(rows, 3, 1), labels


@pytest.fixture
def files():
    """Sixty rows of three classes to train on and twenty to test on, in every layout."""
    (x, y), (x_test, y_test) = blobs(60), blobs(20, 1)
    np.savez("tiny.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    np.save("x.npy", x)
    np.save("y.npy", y)
    Path("mnist").mkdir()
    for name, array in (("images-idx3", np.abs(10 * x).astype("u1")), ("labels-idx1", y.astype("u1"))):
        header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
        Path(f"mnist/train-{name}-ubyte").write_bytes(header + array.tobytes())


def succeed(capsys, *arguments):
    assert run([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capfd, arguments, expected):
    before = sorted(path.name for path in Path().iterdir())
    assert run(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1, err
    assert expected in err
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_tiny_npz(capsys, files):
    text = succeed(capsys, "train", "--data", "tiny.npz", "--init", "he", "--lr", "0.1", *TINY)
    assert "relu, he (std" in text
    assert "2 layers of 12, float32, seed 0, sgd at 0.1, 30 iterations of 10 rows" in text
    assert "tiny.npz: 60 rows of 3 in 3 classes, 20 to test on" in text
    assert "chance level 1.1" in text
    assert " learned" in text


DATA = ["tiny.npz", "x.npy,y.npy", "mnist", "mnist/train-labels-idx1-ubyte", "synthetic:rows=90"]


@pytest.mark.parametrize("data", DATA)
def test_json_of_the_command_is_what_the_library_says(capsys, files, data):
    import actdiag

    given = ["train", "--data", data, "--act", "relu,prelu", "--init", "he", "--lr", "0.1,0.2", "--seed", 5, *TINY]
    text = succeed(capsys, *given, "--json", "-")
    options = {"width": 12, "depth": 2, "iterations": 30, "batch": 10, "seed": 5}
    runs = actdiag.train(["relu", "prelu"], "he", data=data, lr=[0.1, 0.2], **options)
    assert text == as_json(training_to_dict(runs))
    keys = list(json.loads(succeed(capsys, "grad-flow", "--no-theory", "--json", "-"))["layers"][0])
    for taken in ("before", "after"):
        layers = json.loads(text)["runs"][0][taken]["layers"]
        assert [list(layer) for layer in layers] == [keys] * 2


def test_options_reach_the_run(capsys, files):
    given = "--data tiny.npz --widths 7,5 --bias-mean 0.1 --bias-std 0.2 --gain 0.5 --dtype float64 --clip-norm 2"
    given += " --clip-value 0.3 --optimizer adam --scale unit --batch 20 --iterations 4 --init he"
    (one,) = json.loads(succeed(capsys, "train", *given.split(), "--json", "-"))["runs"]
    stack = one["stack"]
    assert (stack["widths"], stack["bias_mean"], stack["bias_std"], stack["gain"]) == ([7, 5], 0.1, 0.2, 0.5)
    assert (stack["dtype"], stack["input"], stack["batch"]) == ("float64", "tiny.npz", 60)
    assert (one["clip_norm"], one["clip_value"], one["optimizer"], one["batch"]) == (2.0, 0.3, "adam", 20)
    assert len(one["loss"]) == one["iterations"] == 4


def test_defaults_are_the_books(capsys):
    from actdiag import train as of_library
    from actdiag.cli.command import actdiag as group

    defaults = {parameter.name: parameter.default for parameter in group.commands["train"].params}
    taken = {
        "act": ("relu",), "init": ("std=0.01,xavier,he",), "data": "synthetic", "scale": "auto", "lr": ("0.01",),
        "optimizer": "sgd", "iterations": 2000, "batch": 128, "dtype": "float32", "seed": 0, "gain": 1.0,
    }  # fmt: skip
    assert {name: defaults[name] for name in taken} == taken
    kept = {name: one.default for name, one in inspect.signature(of_library).parameters.items()}
    assert (kept["lr"], kept["iterations"], kept["batch"], kept["optimizer"]) == (0.01, 2000, 128, "sgd")


def test_auto_and_lists_of_rates(capsys, files):
    given = ["train", "--data", "tiny.npz", "--init", "he", *TINY]
    text = succeed(capsys, *given, "--lr", "auto,0.05", "--lr", "0.2")
    assert "lr*: best of 1, 0.1, 0.01, 0.001, by the mean of the last 25 losses" in text
    lines = text.splitlines()
    rule = next(place for place, line in enumerate(lines) if line.startswith(("──", "--")))
    first, second, third = (line.split()[0] for line in lines[rule + 1 : rule + 4])
    assert first.endswith("*")
    assert (second, third) == ("0.05", "0.2")
    runs = json.loads(succeed(capsys, *given, "--lr", "auto", "--json", "-"))["runs"]
    assert [tried["lr"] for tried in runs[0]["tried"]] == [1.0, 0.1, 0.01, 0.001]


def test_csv_of_the_command(capsys, files):
    text = succeed(capsys, "train", "--data", "tiny.npz", *TINY, "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 3 * 30
    assert [row["iteration"] for row in rows[:30]] == [str(number) for number in range(1, 31)]
    assert {row["init"] for row in rows} == {"std=0.01", "xavier", "he"}


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_files_repeat_byte_for_byte(capsys, files, suffix):
    for number in (1, 2):
        outputs = ["--png", f"{number}.{suffix}", "--json", f"{number}.json", "--csv", f"{number}.csv"]
        text = succeed(capsys, "train", "--data", "tiny.npz", "--act", "relu,rrelu", *TINY, *outputs)
        assert "outcome" in text
    for kind in (suffix, "json", "csv"):
        assert Path(f"1.{kind}").read_bytes() == Path(f"2.{kind}").read_bytes()


def test_json_is_valid_where_training_overflows(capsys, files):
    text = succeed(capsys, "train", "--data", "tiny.npz", "--init", "std=1e10", "--lr", "1e10", *TINY, "--json", "-")
    (one,) = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))["runs"]
    assert one["outcome"] == "diverged"
    assert one["diverged_at"] == len(one["loss"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--lr abc", "--lr must be numbers with commas between, or auto, got 'abc'"),
        ("--lr 0.1,,0.2", "--lr must be numbers with commas between, or auto, got '0.1,,0.2'"),
        ("--lr 0", "--lr must be above 0 and at most 1e+30, got 0"),
        ("--lr nan", "--lr must be a finite number above 0"),
        (
            "--optimizer adm",
            "--optimizer must be one of sgd, momentum, adam, adamw, got 'adm'; did you mean adam or adamw?",
        ),
        ("--data missing.npz", "'missing.npz', which does not exist"),
        ("--data digts", "did you mean digits?"),
        ("--batch 0", "--batch must be at least 1, got 0"),
        ("--iterations 0", "--iterations must be at least 1, got 0"),
        ("--iterations some", "--iterations must be a whole number, got 'some'"),
        ("--clip-norm -1", "--clip-norm must be above 0"),
        ("--clip-value x", "--clip-value must be a number, got 'x'"),
        ("--scale big", "--scale must be one of auto, feature, global, unit, none, got 'big'"),
        ("--act geluu", "did you mean gelu"),
        ("--init he,zz", "--init must name an initializer, got 'zz'"),
        ("--depth 0", "--depth must be at least 1, got 0"),
        ("--width 2000000", "--width must be smaller, training needs about"),
        ("--input normal", "No such option '--input'"),
        ("--png loss.jpg", "--png must end in .png, .svg or .pdf"),
        ("--json - --csv -", "--csv must go to a file where --json goes to standard output"),
        ("--data tiny.npz --json tiny.npz", "--json must be another file than those that are read, got 'tiny.npz'"),
        ("--data x.npy,y.npy --csv ./y.npy", "--csv must be another file than those that are read, got './y.npy'"),
        ("--data mnist --csv mnist/train-labels-idx1-ubyte", "--csv must be another file than those that are read"),
        ("--data mnist/train-labels-idx1-ubyte --json mnist/train-images-idx3-ubyte", "must be another file"),
    ],
)
def test_bad_input_gets_one_line(capfd, files, arguments, expected):
    refused(capfd, ["train", *arguments.split()], expected)


def test_digits_without_scikit_learn_name_what_is_missing(capfd, monkeypatch):
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, None)
    refused(capfd, ["train", "--data", "digits"], "scikit-learn")


def test_outputs_are_checked_before_anything_is_read(capfd):
    refused(capfd, ["train", "--data", "missing.npz", "--png", "loss.bmp"], "--png must end in")


def test_pictures_of_many_runs_have_pages(capfd, files):
    rates = ",".join(str(0.001 * number) for number in (*range(1, 42), 1))
    given = ["train", "--data", "tiny.npz", "--init", "he", "--lr", rates, "--iterations", "1", "--batch", "5"]
    Path("y-2.png").mkdir()
    refused(capfd, [*given, "--width", "2", "--png", "y.png"], "got the folder 'y-2.png'")
    succeed(capfd, *given, "--width", "2", "--png", "x.png")
    assert sorted(path.name for path in Path().glob("x*.png")) == ["x-2.png", "x.png"]


# Watching


def snapshots():
    return training_runs.snapshot(0.97, 0.98)


def watch(due, losses, iterations=None, weights=None, restarts=()):
    """Feed a Watcher with looks and return the runs that it showed, each time."""
    seen, taken = [], []

    def snapshot():
        taken.append(len(seen))
        return snapshots()

    watcher = Watcher(lambda runs: seen.append(tuple(runs)), due)
    array = np.ones((2, 2))
    number = 0
    for place, loss in enumerate(losses):
        number = 1 if place in restarts else number + 1
        watcher(Look(builders.stack(), 0.1, Step(number, loss, 0.5), iterations or len(losses), [array], snapshot))
        array += 0.01
    assert len(taken) == len(seen)  # statistics are taken only to be shown
    return seen


def test_a_run_is_shown_first_last_and_whenever_it_is_due():
    seen = watch(lambda following, of: following in (4, 7), [2.0, 1.0] * 5)
    assert [runs[-1].iteration for runs in seen] == [1, 4, 7, 10]
    assert seen[0][-1].updates == ()
    assert seen[1][-1].updates == pytest.approx((0.01 / 1.02,))
    assert seen[2][-1].updates == pytest.approx((0.01 / 1.05,))
    assert seen[3][-1].updates == seen[2][-1].updates  # the last that was measured
    assert seen[3][-1].loss == pytest.approx(1.5)
    assert [runs[-1].iteration for runs in watch(lambda following, of: False, [2.0])] == [1]


def test_training_is_not_held_up_by_what_watches_it():
    assert rested(0.31, 0.01)
    assert not rested(0.29, 0.01)
    assert rested(4.1, 1.0)
    assert not rested(3.9, 1.0)  # a fifth of the time at most


def test_the_time_to_show_a_run_is_that_of_its_statistics_and_of_drawing_it(monkeypatch):
    now = [5.0]

    def taking(seconds, result=None):
        now[0] += seconds
        return result

    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: now[0]))
    watcher = Watcher(lambda runs: taking(1), lambda following, of: False)
    step = Step(1, 2.0, 0.5)
    watcher(Look(builders.stack(), 0.1, step, 9, [np.ones((2, 2))], lambda: taking(2, snapshots())))
    assert watcher.seconds == 3


def test_the_loss_that_is_shown_is_the_mean_of_the_last_25():
    seen = watch(lambda following, of: False, [100.0] * 10 + [3.0] * 10 + [1.0] * 15)
    assert seen[-1][-1].loss == pytest.approx(1.8)


def test_runs_that_are_done_stand_beside_the_one_under_way():
    seen = watch(lambda following, of: False, [1.0, 2.0, nan, 3.0, 3.0], iterations=3, restarts=(3,))
    assert [len(runs) for runs in seen] == [1, 1, 2]
    assert seen[1][0].loss is None
    assert seen[2][0] == seen[1][0]
    assert (seen[2][1].iteration, seen[2][1].loss) == (1, 3.0)


WATCHED = Watched("relu, he, lr 0.1", 40, 400, 1.234, 0.567, snapshots(), (1e-3, None, 2e-3))


def test_a_line_of_a_run_under_way():
    assert watch_line(WATCHED) == (
        "relu, he, lr 0.1: 40 of 400, loss 1.23, accuracy 57%, up 0.97, down 0.98, dead 2.0%, update 2.0e-03"
    )
    assert "loss not finite" in watch_line(WATCHED._replace(loss=None))


@pytest.mark.parametrize("width", [80, 120])
def test_the_live_table(width):
    runs = [WATCHED._replace(name="leaky_relu:0.2, std=0.01, lr 0.001", iteration=400), WATCHED]
    text = shown(watch_view(runs, ascii_only=True), width)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= width
    head, _, going, *done = text.splitlines()
    assert head.split() == ["run", "iteration", "loss", "accuracy", "up", "down", "dead", "update"]
    assert going.split()[-7:] == ["40/400", "1.23", "57%", "0.97", "0.98", "2.0%", "2.0e-03"]
    assert "400/400" in done[0]


def test_watching_tells_ten_lines_a_run_where_there_is_no_terminal(capsys, files):
    assert run(["train", "--data", "tiny.npz", "--init", "he,xavier", *TINY, "--watch"]) == 0
    out, err = capsys.readouterr()
    assert "outcome" in out
    lines = err.splitlines()
    assert len(lines) == 2 * (LINES + 1)
    assert [line.split(": ")[1].split(" of ")[0] for line in lines[:11]] == [str(at) for at in (1, *range(3, 31, 3))]
    assert all(line.startswith("relu, he, lr 0.01: ") for line in lines[:11])
    assert lines[1].split("update ")[1] != "-"
    plain = succeed(capsys, "train", "--data", "tiny.npz", "--init", "he,xavier", *TINY)
    assert plain == out


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")
def test_watching_draws_on_a_terminal_and_leaves_nothing_behind(files):
    import pty  # not there on Windows

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30", "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-m", "actdiag", "train", "--data", "tiny.npz", "--init", "he", *TINY, "--watch"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        drawn = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            drawn += part
        out = process.stdout.read().decode()
    os.close(ours)
    assert process.returncode == 0
    assert b"30/30" in drawn
    assert b"accuracy" in drawn
    assert drawn.endswith(b"\x1b[1A\x1b[2K")  # the table is taken away again
    assert "\x1b" not in out
    assert "outcome" in out


def test_progress_is_counted_in_iterations(monkeypatch, capsys, files):
    from actdiag.cli import screen

    told = []

    def progress(of):
        told.append(of)
        return lambda done, total: told.append((done, total))

    monkeypatch.setattr(screen, "progress", progress)
    succeed(capsys, "train", "--data", "tiny.npz", "--init", "he,xavier", *TINY)
    assert told[0] == "iterations"
    assert told[1:] == [(done, 60) for done in range(1, 61)]
