"""The command line: what it takes, what it gives, and one clear line for what it cannot take."""

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from command import ENVIRONMENT, LINUX, POSIX, SMALL, succeed
from matplotlib.figure import Figure

from actdiag.cli.command import actdiag, run
from actdiag.cli.options import split_list
from actdiag.render.figures import picture_files


def started(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "actdiag", *map(str, arguments)], env=ENVIRONMENT, **options)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files():
    """Input and label files, good and bad, in the working folder."""
    rng = np.random.default_rng(0)
    np.save("good.npy", rng.normal(size=(60, 5, 4)))
    np.save("labels.npy", np.arange(60) % 11)
    np.save("floats.npy", np.ones(60))
    np.savez("two.npz", x=np.ones((4, 3)), y=np.arange(4))
    np.save("nan.npy", np.array([[1.0, np.nan]]))
    np.save("complex.npy", np.ones((3, 3), complex))
    np.save("objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save("empty.npy", np.zeros((0, 4)))
    np.save("scalar.npy", np.array(3.0))
    np.save("text.npy", np.array(["a"]))
    np.save("huge.npy", np.full((3, 2), 1e300))
    Path("corrupt.npy").write_bytes(b"hello")
    Path("nothing.npy").write_bytes(b"")
    Path("corrupt.npz").write_bytes(b"PK\x03\x04")
    Path("folder.npy").mkdir()


COMMANDS = sorted(actdiag.commands)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(command):
    entry = actdiag.commands[command]
    assert entry.help
    assert "actdiag " + command in entry.help  # an example
    for parameter in entry.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command} {parameter.opts}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option(capsys, command):
    text = succeed(capsys, command, "--help")
    for parameter in actdiag.commands[command].params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_keeps_examples_on_lines_of_their_own(capsys, command):
    lines = succeed(capsys, command, "--help").splitlines()
    assert any(line.strip().startswith(f"actdiag {command}") for line in lines)
    assert not any("\\b" in line for line in lines)


def test_outputs_never_overwrite_what_is_read(capfd, files):
    for option in ("--input good.npy --json good.npy", "--input ./two.npz:x --csv two.npz"):
        refused(capfd, ["propagate", *option.split()], "must be another file than those that are read")
    labelled = "--input good.npy --loss mse --classes 11 --labels labels.npy --csv labels.npy"
    refused(capfd, ["grad-flow", *labelled.split()], "--csv must be another file than those that are read")


def test_a_name_too_long_for_a_file_is_refused(capfd):
    refused(capfd, ["propagate", "--csv", "a" * 300], "--csv must be a file in a folder that can be written to")


def test_no_command_shows_help(capsys):
    text = succeed(capsys)
    assert all(command in text for command in COMMANDS)


def test_propagate_shows_a_row_a_layer_and_the_verdict(capsys):
    text = succeed(capsys, "propagate", *SMALL, "--init", "std=0.01")
    assert "relu, std=0.01 (std 0.01)" in text
    assert "3 layers of 20, 50 inputs of 20 from N(0, 1), float32, seed 0" in text
    assert [line.split()[0] for line in text.splitlines() if line[:5].strip().isdigit()] == ["1", "2", "3"]
    assert "verdict: untrainable" in text
    assert "vanishing_signal" in text


def test_json_has_the_promised_keys_and_is_what_the_library_says(capsys):
    import actdiag as library

    text = succeed(capsys, "grad-flow", *SMALL, "--act", "prelu", "--json", "-")
    document = json.loads(text)
    assert list(document) == [
        "schema", "command", "versions", "stack", "layers", "change_per_layer", "verdict", "loss", "theory",
        "input",
    ]  # fmt: skip
    assert document["command"] == "grad-flow"
    assert document["stack"] == {
        "act": "prelu", "init": "he", "widths": [20, 20, 20], "input": "normal", "input_width": 20, "batch": 50,
        "gain": 1.0, "bias_mean": 0.0, "bias_std": 0.0, "dtype": "float32", "seed": 0,
        "asked": {"gain": 1.0, "target_gain": None, "bias_mean": None, "bias_std": None}, "data": None, "weights": None,
        "arch": None,
        "own": None,
    }  # fmt: skip
    of_input = {"cosine": pytest.approx(0, abs=0.1), "rms": pytest.approx(1, rel=0.1), "evenness": None}
    assert document["input"] == of_input
    first = document["layers"][0]
    assert list(first) == [
        "layer", "path", "op", "width", "mean", "std", "rms", "min", "max", "unit_std", "zero_fraction",
        "dead_fraction", "saturated_fraction", "nonfinite_fraction", "subnormal_fraction", "cosine", "slope_rms",
        "pre_activation", "histogram", "magnitude", "gradient", "weight_gradient", "bias_gradient", "slope_gradient",
        "silent_fraction", "predicted", "expected", "flagged",
    ]  # fmt: skip
    assert (first["path"], first["op"]) == ("1", "dense")
    assert list(first["pre_activation"]) == ["mean", "std", "rms", "min", "max", "nonfinite_fraction"]
    assert list(first["histogram"]) == ["edges", "counts", "below", "above", "zero", "nan", "inf"]
    assert list(first["magnitude"]) == list(first["histogram"])
    assert list(first["gradient"]) == [
        "rms", "ratio", "zero_fraction", "nonfinite_fraction", "magnitude", "typical_rms", "along_z_fraction",
    ]  # fmt: skip
    assert list(first["weight_gradient"]) == ["norm", "weight_ratio"]
    assert list(first["bias_gradient"]) == ["norm"]
    assert list(document["change_per_layer"]) == ["forward", "backward"]
    assert list(document["verdict"]) == [
        "severity", "trainable", "probability", "learning_rate", "learning_rates", "estimated", "decided_by",
        "findings", "fix", "optimizer", "iterations", "outside",
    ]  # fmt: skip
    report = library.grad_flow("prelu", "he", batch=50, width=20, depth=3)
    assert text == report.to_json()


def test_propagate_json_has_no_gradients(capsys):
    document = json.loads(succeed(capsys, "propagate", *SMALL, "--json", "-"))
    assert not {"gradient", "weight_gradient", "bias_gradient", "slope_gradient"} & set(document["layers"][0])
    assert document["change_per_layer"]["backward"] is None
    assert "loss" not in document


def test_json_is_valid_where_numbers_are_not(capsys):
    text = succeed(capsys, "grad-flow", "--init", "std=1e20", "--depth", 4, "--json", "-")
    document = json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))
    assert document["layers"][-1]["rms"] is None
    assert document["layers"][-1]["nonfinite_fraction"] > 0


def test_compare_gives_runs_in_order(capsys):
    text = succeed(
        capsys, "compare", *SMALL, "--act", "relu,tanh", "--act", "gelu", "--init", "std=0.01,he", "--json", "-"
    )
    document = json.loads(text)
    assert list(document) == ["schema", "command", "versions", "runs"]
    pairs = [(one["stack"]["act"], one["stack"]["init"]) for one in document["runs"]]
    assert pairs == [(act, init) for act in ("relu", "tanh", "gelu") for init in ("std=0.01", "he")]
    assert all(one["change_per_layer"]["backward"] for one in document["runs"])


def test_csv_is_a_row_a_layer(capsys):
    rows = list(csv.DictReader(io.StringIO(succeed(capsys, "grad-flow", *SMALL, "--csv", "-"))))
    document = json.loads(succeed(capsys, "grad-flow", *SMALL, "--json", "-"))
    assert [int(row["layer"]) for row in rows] == [1, 2, 3]
    assert float(rows[1]["pre_activation_rms"]) == document["layers"][1]["pre_activation"]["rms"]
    assert float(rows[2]["gradient_ratio"]) == 1
    assert rows[0]["saturated_fraction"] == ""
    assert not any("histogram" in key or "magnitude" in key for key in rows[0])
    rows = list(csv.DictReader(io.StringIO(succeed(capsys, "compare", *SMALL, "--csv", "-"))))
    assert list(rows[0])[:2] == ["act", "init"]
    assert len(rows) == 27


@pytest.mark.parametrize("suffix", ["png", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("svg", "pdf"))])
@pytest.mark.parametrize("command", ["propagate", "grad-flow", "compare"])
def test_files_repeat_byte_for_byte(capsys, command, suffix):
    compared = ["--act", "relu,tanh", "--init", "he"] if command == "compare" else []
    for number in (1, 2):
        outputs = [
            f"{kind}={number}.{suffix if kind == '--png' else kind[2:]}" for kind in ("--png", "--json", "--csv")
        ]
        assert "verdict" in succeed(capsys, command, *SMALL, *compared, *outputs)
    for kind in (suffix, "json", "csv"):
        assert Path(f"1.{kind}").read_bytes() == Path(f"2.{kind}").read_bytes()
    assert sorted(path.name for path in Path().iterdir()) == sorted(
        f"{number}.{kind}" for number in (1, 2) for kind in (suffix, "json", "csv")
    )


@pytest.mark.parametrize("command", [[], *([name] for name in actdiag.commands)])
def test_help_fits_eighty_columns(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, succeed(capsys, *command, "--help").splitlines())) <= 80


@pytest.mark.parametrize(("command", "name"), [("activations", "NAME"), ("initializers", "NAME"), ("explain", "RULE")])
def test_names_that_may_be_left_out_are_in_brackets(capsys, command, name):
    assert succeed(capsys, command, "--help").startswith(f"Usage: actdiag {command} [OPTIONS] [{name}]\n")
    assert run([command, "nonsense"]) == 2
    assert capsys.readouterr().err.startswith(f"Error: {name} must ")


MANY = ["--act", "relu,tanh,RELU,gelu", "--init", "he,xavier,lecun,std=0.1,std=0.2,std=0.3"]


@pytest.mark.parametrize(
    ("suffix", "files"),
    [
        (".png", ["x-2.png", "x.png"]),
        pytest.param(".svg", ["x-2.svg", "x.svg"], marks=pytest.mark.slow),
        (".pdf", ["x.pdf"]),
    ],
)
def test_further_stacks_are_on_further_pages(capsys, suffix, files):
    assert "verdict" in succeed(capsys, "compare", *SMALL, *MANY, "--no-theory", "--png", f"x{suffix}")
    assert sorted(path.name for path in Path().iterdir()) == files


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--png taken.png", "--png must be a file in a folder that can be written to, got the folder 'taken-2.png'"),
        ("--png x.png --json x-2.png", "--json must be another file than --png's, got 'x-2.png'"),
        ("--png good.png --input good-2.png.npy", "--png must be another file than those that are read"),
    ],
)
def test_further_pages_are_checked_before_anything_is_run(capfd, monkeypatch, arguments, expected):
    Path("taken-2.png").mkdir()
    np.save("good-2.png.npy", np.ones((4, 3)))
    Path("good-2.png").symlink_to("good-2.png.npy")
    monkeypatch.setattr("actdiag.api.compare.runner", lambda *_: pytest.fail("it ran"))
    refused(capfd, ["compare", *SMALL[2:], *MANY, *arguments.split()], expected)


def test_a_name_that_the_font_lacks_is_no_warning(capfd):
    np.save("\u6570.npy", np.ones((4, 3)))
    succeed(capfd, "propagate", "--input", "\u6570.npy", "--depth", "2", "--png", "x.png")
    assert Path("x.png").exists()
    assert capfd.readouterr().err == ""


@LINUX
def test_a_page_that_cannot_be_written_leaves_no_page(capfd):
    Path("x.png").write_bytes(b"old")
    Path("x-2.png").symlink_to("/dev/full")
    assert run(["compare", *SMALL, *MANY, "--no-theory", "--png", "x.png"]) == 2
    assert capfd.readouterr().err.startswith("Error: --png must be a file that can be written, got 'x-2.png'")
    assert Path("x.png").read_bytes() == b"old"
    assert sorted(path.name for path in Path().iterdir()) == ["x-2.png", "x.png"]


ONE = ["compare", *SMALL, "--act", "relu", "--init", "he", "--no-theory"]


def longer_picture(suffix):
    """Leave a picture of two pages, and what passes for a third and a fourth one; return the second."""
    first, second = picture_files([Figure(), Figure()], suffix)
    for name, content in {"x": first, "x-2": second, "x-3": b"my own", "x-4": second}.items():
        Path(f"{name}{suffix}").write_bytes(content)
    return second


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize("arguments", [ONE, ["propagate", *SMALL], ["activations", "relu"]])
def test_pages_that_a_longer_picture_has_left_are_deleted(capsys, arguments, suffix):
    longer_picture(suffix)
    succeed(capsys, *arguments, "--png", f"x{suffix}")
    assert not Path(f"x-2{suffix}").exists()
    assert Path(f"x-3{suffix}").read_bytes() == b"my own"
    assert Path(f"x-4{suffix}").exists()


def test_pages_of_other_pictures_stay(capsys):
    page = longer_picture(".png")
    for name in ("y.png", "x.svg", "x.pdf", "x-2-2.png", "X-.png"):
        succeed(capsys, *ONE, "--png", name)
        assert Path("x-2.png").read_bytes() == page


@pytest.mark.parametrize(
    "arguments", [["--fail-on", "x"], pytest.param(["--json", "/dev/full"], marks=LINUX), ["--init", "he,std=-1"]]
)
def test_pages_stay_where_nothing_is_written(capfd, arguments):
    page = longer_picture(".png")
    before = Path("x.png").read_bytes()
    assert run([*ONE, "--png", "x.png", *arguments]) == 2
    assert (Path("x.png").read_bytes(), Path("x-2.png").read_bytes()) == (before, page)


@pytest.mark.parametrize("option", ["--json", "--csv"])
@pytest.mark.parametrize("name", ["x-2.png", "./x-2.png"])
def test_an_output_that_takes_the_name_of_a_page_left_over_is_kept(capsys, option, name):
    page = longer_picture(".png")
    succeed(capsys, *ONE, "--png", "x.png", option, name)
    assert Path("x-2.png").read_bytes() not in (b"", page)


@POSIX
def test_a_link_to_a_page_is_no_page(capsys):
    longer_picture(".png")
    Path("x-2.png").rename("kept.png")
    Path("x-2.png").symlink_to("kept.png")
    succeed(capsys, *ONE, "--png", "x.png")
    assert Path("x-2.png").is_symlink()
    assert Path("kept.png").exists()


def test_layers_option(capsys):
    text = succeed(capsys, "propagate", *SMALL, "--depth", 60, "--layers", "1-3,50")
    rows = [line.split()[0] for line in text.splitlines() if line[:5].strip().isdigit()]
    assert rows == ["1", "2", "3", "50"]
    text = succeed(capsys, "propagate", *SMALL, "--depth", 60, "--layers", "all")
    assert sum(line[:5].strip().isdigit() for line in text.splitlines()) == 60


def test_input_and_labels_from_files(capsys, files):
    arguments = ["--input", "good.npy", "--loss", "mse", "--labels", "labels.npy", "--classes", 11, "--json", "-"]
    document = json.loads(succeed(capsys, "grad-flow", *arguments, "--width", 30))
    assert (document["stack"]["batch"], document["stack"]["input_width"]) == (60, 20)
    assert document["loss"]["classes"] == 11
    document = json.loads(succeed(capsys, "propagate", "--input", "two.npz:x", "--batch", 2, "--json", "-"))
    assert (document["stack"]["batch"], document["stack"]["input"]) == (2, "two.npz:x")


def test_catalogues(capsys):
    assert "relu" in succeed(capsys, "activations")
    assert "x Phi(x)" in succeed(capsys, "activations", "gelu", "--png", "gelu.png")
    assert Path("gelu.png").read_bytes().startswith(b"\x89PNG")
    assert "he_normal" in succeed(capsys, "initializers")
    assert "0.141421" in succeed(capsys, "initializers", "he_normal", "--fan-in", 100, "--fan-out", 100)


@POSIX
def test_an_existing_file_keeps_its_mode_and_a_link_its_target(capsys):
    Path("real.json").write_text("old", encoding="utf-8")
    Path("real.json").chmod(0o640)
    Path("link.json").symlink_to("real.json")
    succeed(capsys, "propagate", *SMALL, "--json", "link.json")
    assert Path("link.json").is_symlink()
    assert json.loads(Path("real.json").read_text(encoding="utf-8"))["command"] == "propagate"
    assert Path("real.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("command", ["propagate", "grad-flow"])
def test_repeats_are_what_the_library_says(capsys, command):
    import actdiag as library

    text = succeed(capsys, command, *SMALL, "--repeats", 3, "--seed", 4, "--json", "-")
    function = library.propagate if command == "propagate" else library.grad_flow
    assert text == function(batch=50, width=20, depth=3, repeats=3, seed=4).to_json()
    assert json.loads(text)["repeats"]["seeds"] == [4, 5, 6]
    shown = succeed(capsys, command, *SMALL, "--repeats", 3)
    assert "seeds 0 to 2" in shown
    assert "±" in shown or "+-" in shown


def test_compare_repeats(capsys):
    compared = ["compare", "--act", "relu", "--init", "he,xavier", *SMALL, "--repeats", 2]
    runs = json.loads(succeed(capsys, *compared, "--json", "-"))["runs"]
    assert [run["repeats"]["seeds"] for run in runs] == [[0, 1], [0, 1]]
    rows = list(csv.DictReader(io.StringIO(succeed(capsys, *compared, "--csv", "-"))))
    assert float(rows[0]["sd_std"]) > 0
    assert "of 2 runs" in succeed(capsys, *compared)


@pytest.mark.parametrize("command", ["propagate", "grad-flow", "compare"])
def test_no_theory_leaves_it_out(capsys, command):
    text = succeed(capsys, command, *SMALL, "--no-theory", "--json", "-")
    assert "theory" not in text
    assert "predicted" not in text
    assert "predicted" not in succeed(capsys, command, *SMALL, "--no-theory")


BAD = [
    # options that every run takes: arguments, what the message must say
    ("--depth 0", "--depth must be at least 1, got 0"),
    ("--depth -1", "--depth must be at least 1, got -1"),
    ("--depth many", "--depth must be a whole number, got 'many'"),
    ("--depth 1e3", "--depth must be a whole number, got '1e3'"),
    ("--depth 99999999999999999999", "--depth must be at most 1000000"),
    ("--width 0", "--width must be at least 1, got 0"),
    ("--width 1000000", "--width must be smaller, the stack needs about"),
    ("--width 99999999999", "--width must be at most"),
    ("--batch 0", "--batch must be at least 1, got 0"),
    ("--batch 100000000 --width 10000", "must be smaller, the stack needs about"),
    ("--batch nan", "--batch must be a whole number, got 'nan'"),
    ("--widths 10,20 --depth 2", "--depth must be left out where widths are given, got 2"),
    ("--widths 10,x", "--widths must be whole numbers with commas between"),
    ("--widths 10,0", "--widths must be at least 1, got 0"),
    ("--input-width 0", "--input-width must be at least 1, got 0"),
    ("--gain 0", "--gain must be above 0 and at most 1e+30, got 0"),
    ("--gain -1", "--gain must be above 0 and at most 1e+30, got -1"),
    ("--gain nan", "--gain must be a finite number above 0"),
    ("--gain inf", "--gain must be a finite number above 0"),
    ("--gain 1e300", "--gain must be above 0 and at most 1e+30, got 1e+300"),
    ("--gain two", "--gain must be a number or auto, got 'two'"),
    ("--gain 1e30 --init std=1e30", "--gain must keep the weights within float32"),
    ("--init std=0", "--init 'std=0': std must be above 0"),
    ("--init std=-1", "--init 'std=-1': std must be above 0"),
    ("--init std=nan", "--init 'std=nan': std must be a finite number"),
    ("--init std=1e99", "--init 'std=1e99': std must be above 0 and at most 1e+30"),
    ("--init std=x", "--init 'std=x': std must be a number, got 'x'"),
    ("--init xavierr", "did you mean xavier"),
    ("--act reul", "did you mean relu"),
    ("--act leaky_relu:abc", "--act 'leaky_relu:abc': slope must be a number, got 'abc'"),
    ("--act maxout:0", "--act 'maxout:0': pieces must be at least 1, got 0"),
    ("--act tanh:3", "--act 'tanh:3': tanh takes no parameters, got '3'"),
    ("--bias-std -1", "--bias-std must be at least 0"),
    ("--bias-mean nan", "--bias-mean must be a finite number"),
    ("--dtype float16", "--dtype must be one of float32, float64, got 'float16'"),
    ("--seed -1", "--seed must be at least 0, got -1"),
    ("--threads 0", "--threads must be at least 1, got 0"),
    ("--range 1 0", "--range must have LO under HI, got 1 0"),
    ("--range 0 inf", "--range must be a finite number"),
    ("--repeats 0", "--repeats must be at least 1, got 0"),
    ("--repeats 10001", "--repeats must be at most 10000, got 10001"),
    ("--repeats x", "--repeats must be a whole number, got 'x'"),
    ("--repeats 2 --seed 9223372036854775807", "--seed must be at most 9223372036854775806 for 2 repeats"),
    ("--bins 0", "--bins must be at least 1, got 0"),
    ("--layers 1-9", "--layers must be within 1 to 5, low end first, got '1-9'"),
    ("--layers 3-1", "--layers must be within 1 to 5, low end first, got '3-1'"),
    ("--layers some", "--layers must be all or a list such as 1-10,50, got 'some'"),
    ("--standardize", "--standardize must come with an input file or array"),
    ("--input missing.npy", "'missing.npy', which does not exist"),
    ("--input good.txt", "--input must be normal, uniform, digits, synthetic, a table"),
    (
        "--input folder.npy",
        "--input must be normal, uniform, digits, synthetic, a table",
    ),
    ("--input corrupt.npy", "'corrupt.npy': not in that format"),
    ("--input corrupt.npz", "'corrupt.npz': not in that format"),
    ("--input nothing.npy", "'nothing.npy': not in that format"),
    ("--input objects.npy", "it holds Python objects, which are never unpickled"),
    ("--input nan.npy", "--input must hold finite numbers, got NaN or inf in row 0"),
    ("--input complex.npy", "--input must hold real numbers, got dtype complex128"),
    ("--input text.npy", "--input must hold real numbers, got dtype <U1"),
    ("--input empty.npy", "--input must have rows and features, got shape (0, 4)"),
    ("--input scalar.npy", "--input must have rows and features, got shape ()"),
    ("--input huge.npy", "--input must hold numbers that float32 can hold, got up to 1e+300"),
    ("--input two.npz", "--input must name one of the arrays of 'two.npz' (x, y) after a colon, got no key"),
    ("--input two.npz:z", "--input must name one of the arrays of 'two.npz' (x, y) after a colon, got no 'z'"),
    ("--input good.npy --input-width 30", "--input-width must be 20, the features of good.npy, got 30"),
    ("--input good.npy --batch 61", "--batch must be at most 60, the rows of good.npy, got 61"),
    ("--png out.jpg", "--png must end in .png, .svg or .pdf, got 'out.jpg'"),
    ("--png out", "--png must end in .png, .svg or .pdf, got 'out'"),
    ("--png nowhere/out.png", "whose folder does not exist"),
    ("--json folder.npy", "got the folder 'folder.npy'"),
    ("--json - --csv -", "--csv must go to a file where --json goes to standard output"),
    ("--json same --csv same", "--csv must be another file than --json's, got 'same'"),
    pytest.param(
        "--json /dev/full",
        "--json must be a file that can be written, got '/dev/full': No space left on device",
        marks=LINUX,
    ),
    ("--unknown", "No such option '--unknown'"),
    ("stray", "unexpected extra argument (stray)"),
]
BAD_BACKWARD = [
    ("--loss hinge", "--loss must be one of random, mse, cross-entropy, got 'hinge'"),
    ("--classes 0", "--classes must be at least 1, got 0"),
    ("--labels labels.npy", "--labels must come with loss mse or cross-entropy"),
    ("--loss mse --classes 10 --input good.npy --labels labels.npy", "got 10 in row 10"),
    ("--loss mse --input good.npy --labels floats.npy", "labels of at least 2 classes, got 1 in all"),
    ("--loss mse --labels labels.npy --classes 11", "--labels must cover the 1000 rows of the input, got 60"),
    (
        "--loss mse --labels missing.npy",
        "--labels must be digits, synthetic, a table (.csv, .tsv",
    ),
    ("--memory 1KiB", "--memory must be at least"),
    ("--memory lots", "--memory must be a size such as 64MiB or 2GB, got 'lots'"),
    ("--memory 0", "--memory must be a size of at least 1 byte"),
]


def refused(capfd, arguments, expected):
    before = sorted(path.name for path in Path().iterdir())
    assert run(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1, err
    assert expected in err
    assert sorted(path.name for path in Path().iterdir()) == before


@pytest.mark.parametrize(("arguments", "expected"), BAD)
def test_bad_input_gets_one_line(capfd, files, arguments, expected):
    refused(capfd, ["propagate", *arguments.split()], expected)


@pytest.mark.parametrize(("arguments", "expected"), BAD_BACKWARD)
def test_bad_input_of_the_way_down(capfd, files, arguments, expected):
    refused(capfd, ["grad-flow", *arguments.split()], expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["compare", "--act", "relu,,tanh"], "--act must name an activation, got ''"),
        (["compare", "--init", "he,zz"], "--init must name an initializer, got 'zz'"),
        (["compare", "--gain", "0"], "--gain must be above 0"),
        (["activations", "geluu"], "NAME must name an activation, got 'geluu'; did you mean gelu"),
        (["activations", "--png", "x.png"], "--png must come with the NAME of an activation"),
        (["activations", "relu", "--png", "x.bmp"], "--png must end in .png, .svg or .pdf"),
        (["initializers", "std"], "std needs a value, as in std=STD"),
        (["initializers", "he", "--fan-in", "0"], "--fan-in must be at least 1, got 0"),
        (["conquer"], "No such command 'conquer'"),
    ],
)
def test_bad_input_of_other_commands(capfd, arguments, expected):
    refused(capfd, arguments, expected)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes anywhere")
def test_read_only_folder(capfd, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(capfd, ["propagate", *SMALL, "--json", "locked/x.json"], "which is read-only")


@LINUX
def test_failed_write_leaves_the_old_files(capfd):
    Path("old.json").write_text("old", encoding="utf-8")
    assert run(["propagate", *SMALL, "--json", "old.json", "--csv", "/dev/full"]) == 2
    assert Path("old.json").read_text(encoding="utf-8") == "old"
    assert [path.name for path in Path().iterdir()] == ["old.json"]


@LINUX
def test_full_standard_output_is_said():
    with Path("/dev/full").open("wb") as full:
        done = started("propagate", *SMALL, stdout=full, stderr=subprocess.PIPE)
        _, err = done.communicate()
    assert done.returncode == 2
    assert err.decode() == "Error: standard output must take the answer, got: No space left on device\n"


@POSIX
@pytest.mark.parametrize("arguments", [["propagate", *SMALL], ["activations"], ["--help"]])
def test_closed_pipe_ends_quietly(arguments):
    read, write = os.pipe()
    os.close(read)
    done = started(*arguments, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    _, err = done.communicate()
    assert (done.returncode, err) == (0, b"")


# A parent that ignores SIGINT hands that on to its children; this one takes it again.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from actdiag.__main__ import main
main()
"""


@POSIX
def test_interrupt_exits_130_and_leaves_nothing(tmp_path):
    import pty  # not there on Windows

    arguments = ["propagate", "--depth", "100000", "--width", "50", "--batch", "50", "--json", "never.json"]
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        env=ENVIRONMENT | {"TERM": "xterm"}, stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path,
    )  # fmt: skip
    try:
        os.close(theirs)
        drawn = b""
        while b"layers" not in drawn:  # the bar of a run that is under way
            drawn += os.read(ours, 65536)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
        with contextlib.suppress(OSError):  # what a terminal says of its end on Linux
            while part := os.read(ours, 65536):
                drawn += part
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    assert b"Traceback" not in drawn
    assert (child.returncode, out) == (130, b"")
    assert list(tmp_path.iterdir()) == []


@LINUX
@pytest.mark.parametrize(
    ("variables", "ascii_only"),
    [
        ({"LC_ALL": "C"}, True),
        ({"LC_ALL": "POSIX"}, True),
        ({"LC_CTYPE": "C", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C"}, True),
        ({}, True),
        ({"LANG": "C.UTF-8", "PYTHONIOENCODING": "ascii"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LC_CTYPE": "C.UTF-8"}, False),
        ({"LC_ALL": "", "LANG": "C.UTF-8"}, False),
    ],
)
def test_ascii_follows_the_locale(variables, ascii_only):
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))}
    command = [sys.executable, "-m", "actdiag", "propagate", *SMALL]
    out = subprocess.run(command, env=clean | variables, capture_output=True, check=True).stdout
    assert out.isascii() == ascii_only
    assert b"\x1b" not in out


def test_lists_split_at_commas_outside_parentheses():
    assert split_list(("leaky_relu(0.2",)) == ["leaky_relu(0.2"]
    assert split_list(("relu,where(x>0, x, 0),tanh", "gelu")) == ["relu", "where(x>0, x, 0)", "tanh", "gelu"]


def test_completion_offers_names():
    environment = ENVIRONMENT | {
        "_ACTDIAG_COMPLETE": "bash_complete", "COMP_WORDS": "actdiag compare --act relu,ge", "COMP_CWORD": "3",
    }  # fmt: skip
    command = [sys.executable, "-c", "from actdiag.__main__ import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert {"plain,relu,geglu", "plain,relu,gelu", "plain,relu,gelu_tanh"} == set(done.stdout.split())


def test_a_file_that_cannot_be_replaced_is_told_in_one_line(capfd, monkeypatch):
    """As on Windows, where another program may have it open."""

    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    assert run(["propagate", *SMALL, "--json", "out.json"]) == 2
    error = capfd.readouterr().err
    assert error == "Error: --json must be a file that can be written, got 'out.json': Permission denied\n"
    assert list(Path().iterdir()) == []
