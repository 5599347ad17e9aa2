"""The benchmarks' own machinery, on made-up numbers and tiny runs: what is measured, not how fast it is."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner
from command import POSIX
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console
from threadpoolctl import threadpool_info

import actdiag
from actdiag.activations import resolve, traits
from actdiag.experiments import run as running
from actdiag.experiments.fix import MOST_ROWS, MOST_TRIED
from actdiag.theory.tables import tables
from benchmarks import engine, memory, peers, phases, scaling, theory, timing
from benchmarks.processes import peak_memory
from benchmarks.rows import ROWS, SICK, Row, timed
from benchmarks.runs import Run
from benchmarks.table import Outcome, view
from benchmarks.timing import Result

TINY = Run("propagate", "relu", "he", depth=3, width=8, batch=16)
MACHINE = {"cpu": "made up", "torch": "missing"}
SHARES = dict.fromkeys((*phases.PHASES, phases.OTHER), 0.012)


class FakeTime:
    """A clock that only its owner moves."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def pass_by(self, seconds):
        self.seconds += seconds


def row(name="made-up", **changes):
    base = Row(name, str(TINY), "something else", 1.1, 0.9, lambda rounds: Result(1.0))
    return replace(base, **changes)


def tiny_row(name):
    return timed(name, TINY, peers.bare_forward, "bare matmul + draw", 1e9, 1e8)


def shown(outcomes, columns):
    console = Console(width=columns, file=None, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(view(outcomes, MACHINE))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_ratios_are_of_a_round_and_their_median_and_quartiles_are_reported():
    result = timing.ratio_result([(1.0, 1.0), (4.0, 2.0), (9.0, 3.0), (80.0, 20.0), (5.0, 1.0)])
    assert result.measured == 3.0
    assert result.quartiles == (2.0, 4.0)
    assert result.details["ratios"] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert result.details["seconds"] == {"ours": 5.0, "theirs": 2.0}
    assert result.details["rounds"] == 5


def test_parts_take_turns_and_the_first_round_does_not_count(monkeypatch):
    now, called = FakeTime(), []
    monkeypatch.setattr(timing.time, "perf_counter", now)

    def part(name, seconds):
        def work():
            called.append(name)
            now.pass_by(seconds if len(called) > 6 else 100.0)

        return work

    taken = timing.alternate([part("ours", 3.0), part("theirs", 2.0), part("others", 1.0)], rounds=2, repeats=2)
    assert taken == [(3.0, 2.0, 1.0)] * 2
    forwards = ["ours", "ours", "theirs", "theirs", "others", "others"]
    assert called == forwards[::-1] + forwards + forwards[::-1]


def test_each_variant_has_its_ratio_and_one_counts(monkeypatch):
    monkeypatch.setattr(timing, "alternate", lambda parts, rounds, repeats: [(6.0, 1.0, 2.0), (8.0, 2.0, 8.0)])
    result = timing.compare_variants(TINY, {"one": TINY, "other": TINY}, "other", rounds=2, layers=4)
    assert result.measured == 2.0
    assert {name: variant["ratio"] for name, variant in result.details["variants"].items()} == {
        "one": 5.0,
        "other": 2.0,
    }
    assert result.details["variants"]["one"]["milliseconds a layer"] == 375
    assert result.details["milliseconds a layer"] == 1750


def test_a_share_is_of_the_time_of_the_whole(monkeypatch):
    monkeypatch.setattr(timing, "alternate", lambda parts, rounds, repeats: [(4.0, 1.0), (4.0, 3.0), (4.0, 2.0)])
    result = timing.share(TINY, TINY, rounds=3)
    assert (result.measured, result.quartiles) == (0.5, (0.375, 0.625))
    assert result.ratio == 2.0


def test_blas_has_one_thread_and_then_its_own_number_again():
    def threads():
        return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}

    before = threads()
    assert timing.on_one_thread(threads)() == {1}
    assert threads() == before


@pytest.mark.parametrize(("ratios", "verdict"), [([1.0, 1.0, 1.04], "met"), ([0.8, 1.0, 1.05, 1.1], "unsteady")])
def test_a_row_counts_only_where_its_ratios_agree(ratios, verdict):
    result = timing.ratio_result([(ratio, 1.0) for ratio in ratios])
    assert Outcome(row(), result).verdict == verdict
    assert Outcome(row(), result).to_dict()["spread"] == result.spread


def test_compare_adds_the_other_side_up(monkeypatch):
    monkeypatch.setattr(timing, "alternate", lambda parts, rounds, repeats: [(6.0, 1.0, 2.0)] * rounds)
    assert timing.compare(TINY, [TINY, TINY], rounds=3).measured == 2.0
    assert timing.compare(TINY, [TINY, TINY], rounds=3, layers=3).details["milliseconds a layer"] == 2000


def test_a_time_is_in_milliseconds_and_its_ratio_is_of_what_runs_in_the_same_round(monkeypatch):
    monkeypatch.setattr(timing, "alternate", lambda parts, rounds: [(0.2, 0.1), (0.1, 0.1), (0.6, 0.1)])
    result = timing.milliseconds(TINY, TINY, rounds=3)
    assert (result.measured, result.ratio) == pytest.approx((200, 2))
    assert result.quartiles == pytest.approx((150, 400))
    assert result.details["ratios"] == pytest.approx([2, 1, 6])


def test_the_fastest_way_is_chosen_and_named(monkeypatch):
    monkeypatch.setattr(timing, "alternate", lambda parts, rounds, repeats=1: [(5.0, 2.0), (1.0, 2.0)])
    assert timing.fastest({"uneven": TINY, "even": TINY}) == "uneven"
    monkeypatch.setattr(timing, "fastest", lambda ways: "even")
    monkeypatch.setattr(timing, "compare", lambda ours, theirs, rounds: Result(len(theirs)))
    result = timing.compare_with_fastest(TINY, TINY, {"uneven": TINY, "even": TINY}, rounds=1)
    assert result == Result(2, details={"fastest way": "even"})


@pytest.mark.parametrize("name", [name for names in phases.PHASES.values() for name in names])
def test_every_function_of_every_phase_is_there(name):
    assert callable(phases.resolved(name))


@pytest.mark.parametrize(
    "name",
    [
        "actdiag.measure.forward.no_such_function",
        "actdiag.engine.forward.forward",
        "actdiag.model.stack.Stack",
        "nowhere.at_all",
    ],
)
def test_a_phase_refuses_what_cannot_be_timed(name):
    with pytest.raises(LookupError, match=name):
        phases.resolved(name)


def test_nested_phases_are_counted_once():
    now = FakeTime()
    clock = phases.Clock(now)
    inner = clock.timed("bin", lambda: now.pass_by(2.0))

    def outer():
        now.pass_by(1.0)
        inner()
        inner()
        now.pass_by(0.5)

    clock.timed("reduce", outer)()
    now.pass_by(0.25)
    clock.lap()
    expected = {"reduce": 1.5, "bin": 4.0, phases.OTHER: 0.25}
    assert {phase: seconds for phase, seconds in clock.seconds.items() if seconds} == expected


def test_theory_keeps_the_time_of_what_is_timed_within_it():
    now = FakeTime()
    clock = phases.Clock(now)
    inner = clock.timed("activate", lambda: now.pass_by(2.0))
    clock.timed("report", clock.timed("theory", lambda: (inner(), now.pass_by(1.0))))()
    inner()
    clock.lap()
    assert {phase: seconds for phase, seconds in clock.seconds.items() if seconds} == {"theory": 3.0, "activate": 2.0}


def test_a_phase_ends_where_its_function_fails():
    now = FakeTime()
    clock = phases.Clock(now)

    def fail():
        now.pass_by(1.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        clock.timed("draw", fail)()
    now.pass_by(3.0)
    clock.lap()
    assert (clock.seconds["draw"], clock.seconds[phases.OTHER]) == (1.0, 3.0)


@pytest.mark.parametrize("command", ["propagate", "grad_flow"])
def test_a_profile_adds_up_leaves_no_timer_behind_and_changes_no_number(command):
    run = replace(TINY, command=command)
    before = {name: phases.resolved(name) for names in phases.PHASES.values() for name in names}
    found = phases.profile(run)
    assert all(phases.resolved(name) is function for name, function in before.items())
    assert list(found.seconds) == [*phases.PHASES, phases.OTHER]
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert sum(found.share(phase) for phase in found.seconds) == pytest.approx(1)
    timed_act = phases.timed_activation(phases.Clock(), resolve("relu"))
    assert actdiag.propagate(timed_act, width=8, batch=16).layers == actdiag.propagate(width=8, batch=16).layers


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_and_says_what_was_skipped_and_missed(columns):
    outcomes = [
        Outcome(row(name="memory-grad-flow"), Result(1.25, (1.2, 1.3)), profile=phases.Profile(TINY, SHARES)),
        Outcome(row(name="torch-forward", needs="torch"), skipped="PyTorch is missing"),
        Outcome(row(name="memory-propagate", target=48, hoped=None, unit="MiB"), Result(47.25)),
        Outcome(row(name="predict-relu", target=100, hoped=None, unit="ms"), Result(1012.4, (998.6, 1020.0), 21.5)),
    ]
    lines = shown(outcomes, columns)
    assert max(map(len, lines)) <= columns
    starts = [next(at for at, line in enumerate(lines) if line.startswith(each.row.name)) for each in outcomes]
    first, second, third, fourth = (lines[start] for start in starts)
    assert first.split()[-5:] == ["1.10", "0.90", "1.25", "1.20-1.30", "missed"]
    assert second.split()[-1] == "skipped"
    assert third.split()[-4:] == ["48.00", "47.2", "MiB", "met"]
    assert fourth.split()[-5:] == ["100.00", "1012", "ms", "999-1020", "missed"]
    assert lines[starts[3] + 1].split()[-2:] == ["21.50", "x"]
    text = " ".join(" ".join(lines).split())
    assert "PyTorch is" in text
    assert "4.00" in text  # 12 ms over three layers
    assert "made up" in text
    assert not any("…" in line for line in lines)


def test_memory_that_grows_as_the_root_of_depth_has_exponent_one_half(monkeypatch):
    statistics = 0.01 * memory.MIB

    def peak(run):
        kept = 2 * run.depth**0.5 * memory.MIB if run.command == "grad_flow" and run.depth > 2 else 0
        return 50 * memory.MIB + kept + statistics * run.depth

    monkeypatch.setattr(memory, "peak_memory", peak)
    statistics_runs = (replace(TINY, depth=1010), replace(TINY, depth=10))
    assert memory.growth(*statistics_runs).measured == pytest.approx(10)
    base = replace(TINY, command="grad_flow", depth=2)
    result = memory.exponent(base, (64, 512, 1024, 2048), 256, statistics_runs)
    assert result.details["exponent without statistics"] == pytest.approx(0.5, abs=0.001)
    assert 0.5 < result.measured < 0.6
    assert list(result.details["without statistics"].values()) == pytest.approx([16, 45.25, 64, 90.51], abs=0.03)
    lines = [line.split() for line in shown([Outcome(row(), result)], 80)]
    assert ["2,048", "111.0", "90.5"] in lines
    assert next(line for line in lines if line[:3] == ["power", "over", "256"])[-1] == "0.50"


def test_an_exponent_of_what_does_not_grow_is_missing_in_the_json():
    nothing = memory.fitted_exponent({512: 0.0, 1024: 3.0}, 256)
    answer = Outcome(row(), Result(nothing, details={"exponent without statistics": nothing})).to_dict()
    assert answer["measured"] is None
    assert answer["details"] == {"exponent without statistics": None}
    assert answer["verdict"] == "missed"


@POSIX
def test_peak_memory_is_that_of_the_run_and_not_of_this_process():
    ballast = np.ones(2**25)  # 256 MiB, which a process that is started from here must not be charged for
    assert 2**23 < peak_memory(TINY) < ballast.nbytes


@pytest.mark.parametrize("name", peers.EVALUATIONS)
def test_the_ways_to_evaluate_an_activation_agree_with_it(name):
    x, act = np.linspace(-5, 5, 101, dtype=np.float32), resolve(name)
    for evaluation in peers.EVALUATIONS[name].values():
        value, derivative = evaluation(x)
        assert value.dtype == derivative.dtype == np.float32
        np.testing.assert_allclose(value, act.value(x), atol=1e-6)
        np.testing.assert_allclose(derivative, act.derivative(x), atol=1e-6)


@pytest.mark.torch
def test_pytorch_measures_every_layer_forward_and_backward():
    pytest.importorskip("torch")
    assert [sum(layer["counts"]) > 0 for layer in peers.torch_forward(3, 8, 16)] == [True] * 3
    seen, gradients = peers.torch_backward(3, 8, 16)
    assert len(seen) == len(gradients) == 3
    assert all(0 < layer["weight_norm"] < 100 and 0 < layer["rms"] < 1 for layer in gradients)


def test_the_other_peers_run():
    peers.bare_backward(2, 8, 16)
    assert [len(counts) for counts in peers.book(2, 8, 16)] == [30, 30]


def test_the_fixed_work_is_the_same_every_time_and_keeps_its_size():
    first, second = peers.fixed_work(), peers.fixed_work()
    assert np.array_equal(first, second)
    assert 0.3 < np.abs(first).mean() < 0.9


def test_theory_is_timed_as_if_nothing_had_been_worked_out_before():
    act = resolve("tanh")
    actdiag.propagate(act, width=8, batch=16)
    remembered = [traits.cache_info, tables.cache_info]
    assert all(info().currsize for info in remembered)
    assert theory.forgetful(lambda: [info().currsize for info in remembered])() == [0, 0]
    assert resolve("tanh") is act


def test_what_theory_costs_is_measured():
    gain, prediction = theory.gain("tanh", rounds=1), theory.prediction(TINY, rounds=1)
    for result in (gain, prediction):
        assert result.measured == 1000 * result.details["seconds"]["ours"] > 0
        assert result.ratio > 0
    found = theory.ratio(TINY, rounds=1)
    assert found.measured > 0
    assert found.ratio is None


def test_an_unknown_row_is_a_usage_error_that_names_the_rows():
    done = CliRunner().invoke(engine.engine, ["--only", "nonsense"])
    assert done.exit_code == 2
    assert "'nonsense'" in done.output
    assert all(name in done.output for name in ROWS)


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--rounds", "many"], ["--json", "no/such/folder/file"]])
def test_bad_values_are_usage_errors(arguments):
    assert CliRunner().invoke(engine.engine, arguments).exit_code == 2


def test_the_list_names_every_row_and_measures_nothing():
    done = CliRunner().invoke(engine.engine, ["--list"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(ROWS)


def test_rows_run_from_end_to_end(monkeypatch, tmp_path):
    made_up = [tiny_row("tiny"), row("absent", needs="no_such_module"), tiny_row("left-out")]
    monkeypatch.setattr(engine, "ROWS", {each.name: each for each in made_up})
    monkeypatch.setattr(timing, "_seconds", lambda work, repeats: len([work()]))
    arguments = ["--rounds", "2", "--only", "tiny", "--only", "absent", "--json"]
    done = CliRunner().invoke(engine.engine, [*arguments, "-"])
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert answer["rounds"] == 2
    assert "numpy" in answer["machine"]
    tiny, absent = answer["rows"]
    assert (tiny["name"], tiny["verdict"], tiny["details"]["rounds"]) == ("tiny", "met", 2)
    assert tiny["seconds_of_phases"]["multiply"] > 0
    assert (absent["verdict"], absent["skipped"]) == ("skipped", "no_such_module is missing")
    assert done.stderr == ""

    file = tmp_path / "answer.json"
    done = CliRunner().invoke(engine.engine, [*arguments, str(file)])
    assert done.exit_code == 0
    assert "tiny" in done.stdout
    assert json.loads(file.read_text())["rows"][0]["name"] == "tiny"


def made_up_scaling():
    widths, depths = [2**power for power in range(6, 13)], (64, 256, 1024, 4096)
    return scaling.Scaling(
        engine={width: 1e-5 * width**2 for width in widths},
        bare={width: 8e-6 * width**2 for width in widths},
        propagate={10: 0.0, 100: 0.5, 1000: 5.0, 10_000: 45.0},
        grad_flow=dict(zip(depths, (17.0, 65.0, 30.0, 50.0), strict=True)),
    )


def test_the_picture_draws_what_it_is_given_within_its_page():
    figure = scaling.draw(made_up_scaling())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    left, right = figure.axes
    assert [len(axes.lines) for axes in (left, right)] == [2, 3]
    assert list(left.lines[1].get_ydata()) == list(made_up_scaling().bare.values())
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title() for axes in (left, right))
    for axes in (left, right):
        panel = axes.get_window_extent()
        for text in axes.texts:
            box = text.get_window_extent(canvas.get_renderer())
            assert panel.x0 <= box.x0 < box.x1 <= panel.x1 + 1
            assert panel.y0 <= box.y0 < box.y1 <= panel.y1 + 1


def test_the_scaling_command_writes_a_png(monkeypatch, tmp_path):
    monkeypatch.setattr(scaling, "collect", lambda rounds: made_up_scaling())
    file = tmp_path / "scaling.png"
    done = CliRunner().invoke(scaling.scaling, ["--png", str(file)])
    assert done.exit_code == 0
    assert file.read_bytes().startswith(b"\x89PNG")
    assert CliRunner().invoke(scaling.scaling, ["--png", str(tmp_path / "scaling.txt")]).exit_code == 2


def test_scaling_measures_both_sides_and_fewer_wide_layers():
    assert all(part > 0 for part in scaling.milliseconds(TINY, rounds=1))
    assert [scaling.layers(width) for width in (64, 1024, 2048, 4096)] == [20, 20, 5, 3]


@pytest.mark.parametrize("command", ["propagate", "grad_flow"])
def test_a_run_without_advice_is_the_same_but_for_its_advice(command, monkeypatch):
    run = Run(command, "relu", "std=0.01", depth=6, width=20, batch=300)
    with_advice, without = run(), run.without_advice()
    assert with_advice.verdict.fix is not None
    said = tuple(replace(one, advice="") for one in with_advice.verdict.findings)
    assert replace(with_advice, verdict=replace(with_advice.verdict, fix=None, findings=said)) == without

    ran = []
    once = getattr(running, f"run_{command}")
    monkeypatch.setattr(
        running, f"run_{command}", lambda stack, *rest: (ran.append(stack.batch), once(stack, *rest))[1]
    )
    assert run.with_vain_advice().verdict.fix is None
    assert ran == [300, *[MOST_ROWS] * MOST_TRIED]
    ran.clear()
    replace(run, init="he").with_vain_advice()
    assert len(ran) == 1 + MOST_TRIED


@pytest.mark.parametrize("name", [name for name in ROWS if "advice" in name])
def test_what_advice_costs_is_measured_on_stacks_that_get_it(name):
    row = ROWS[name]
    assert (row.profiled, row.unit, row.against) == (None, "", "without advice")
    assert "nothing remembered" in row.work
    run = {"vain-": SICK.with_vain_advice}.get(name[:5], SICK)
    assert (run().verdict.fix is None) == name.startswith("vain")


def test_a_run_is_its_function_called():
    assert replace(TINY, command="grad_flow", memory="1MiB")().loss is not None
    assert TINY(depth=2).stack.depth == 2
    assert partial(TINY, seed=3)().stack.seed == 3
