"""`python -m benchmarks.scaling`: a picture of how time grows with width, and memory with depth."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import click
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from actdiag.cli.files import Outputs
from actdiag.errors import InvalidField
from benchmarks import peers, timing
from benchmarks.memory import MIB
from benchmarks.processes import peak_memory
from benchmarks.rows import BOUNDED, BOUNDED_DEPTHS, BOUNDED_HOLDS, DEEP, FORWARD, SHALLOW
from benchmarks.runs import Run

# The colours of actdiag's own pictures.
_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "#666666"

_DPI = 150
_WIDTHS = tuple(2**power for power in range(6, 13))
_DEPTHS = (SHALLOW.depth, 100, 1000, DEEP.depth)
_MOST_LAYERS, _FEWEST_LAYERS = 20, 3

Curve = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Scaling:
    """What is drawn.

    Attributes:
        engine: Milliseconds a layer of `propagate` under each width.
        bare: Those of the bare work.
        propagate: MiB of peak memory under each depth, over that of the shallowest `propagate`.
        grad_flow: The same of `grad_flow` within bounded memory.
    """

    engine: Curve
    bare: Curve
    propagate: Curve
    grad_flow: Curve


def collect(rounds: int) -> Scaling:
    """Measure everything, in a minute or two."""
    times = {width: milliseconds(replace(FORWARD, width=width, depth=layers(width)), rounds) for width in _WIDTHS}
    floor = peak_memory(SHALLOW)

    def over(run: Run, depth: int) -> float:
        return (peak_memory(replace(run, depth=depth)) - floor) / MIB

    return Scaling(
        engine={width: engine for width, (engine, _) in times.items()},
        bare={width: bare for width, (_, bare) in times.items()},
        propagate={depth: over(DEEP, depth) for depth in _DEPTHS},
        grad_flow={depth: over(BOUNDED, depth) for depth in BOUNDED_DEPTHS},
    )


def layers(width: int) -> int:
    """Return how many layers of that width make a measurement: fewer where they are wide, so that it lasts seconds."""
    return min(max(_MOST_LAYERS * FORWARD.width**2 // width**2, _FEWEST_LAYERS), _MOST_LAYERS)


def milliseconds(run: Run, rounds: int) -> tuple[float, float]:
    """Return the median milliseconds a layer of a run and of its bare work."""
    bare = partial(peers.bare_forward, run.depth, run.width, run.batch)
    engine, peer = np.median(timing.alternate([run, bare], rounds), axis=0) * 1000 / run.depth
    return float(engine), float(peer)


def draw(scaling: Scaling) -> Figure:
    """Return the picture: time against width on the left, memory against depth on the right."""
    figure = Figure(figsize=(10.0, 4.4), dpi=_DPI)
    left, right = (figure.add_axes((start, 0.13, 0.42, 0.78)) for start in (0.07, 0.57))
    _curve(left, scaling.engine, _BLUE, "o-")
    _curve(left, scaling.bare, _GREY, "s--")
    _name(left, scaling.engine, _middle(scaling.engine), "actdiag", _BLUE, "left", up=True)
    _name(left, scaling.bare, _middle(scaling.bare), "bare matmul + draw", _GREY, "right", up=False)
    left.set_xscale("log", base=2)
    left.set_yscale("log")
    left.set_title(f"Time of a layer, batch {FORWARD.batch}", fontsize=11)
    left.set_xlabel("width (units)")
    left.set_ylabel("milliseconds a layer")
    left.set_xticks(list(scaling.engine))
    _curve(right, scaling.propagate, _BLUE, "o-")
    _curve(right, scaling.grad_flow, _ORANGE, "^-")
    _name(right, scaling.propagate, _middle(scaling.propagate), "propagate", _BLUE, "left", up=True)
    # Above its highest point a name cannot lie on its own curve; it goes to where there is more room.
    peak = max(scaling.grad_flow, key=lambda depth: scaling.grad_flow[depth])
    side: Literal["left", "right"] = "left" if peak > _middle(scaling.grad_flow) else "right"
    _name(right, scaling.grad_flow, peak, f"grad-flow --memory {BOUNDED.memory}", _ORANGE, side, up=True)
    root = root_curve(scaling.grad_flow, BOUNDED_HOLDS)
    if root:
        _curve(right, root, _GREY, "--")
        _name(right, root, max(root), "√depth", _GREY, "right", up=True)
    right.set_xscale("log")
    right.set_ylim(bottom=min(0, *scaling.propagate.values()), top=1.15 * right.get_ylim()[1])
    right.set_title(f"Peak memory, width {DEEP.width}, batch {DEEP.batch}", fontsize=11)
    right.set_xlabel("depth (layers)")
    right.set_ylabel(f"MiB over propagate at depth {min(scaling.propagate)}")
    for axes in (left, right):
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(True, alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def root_curve(points: Curve, beyond: int) -> Curve:
    """Return what the points over the depth `beyond` would be if they grew as the root of it from their first one."""
    depths = [depth for depth in points if depth > beyond]
    return {depth: points[depths[0]] * (depth / depths[0]) ** 0.5 for depth in depths}


def _middle(points: Curve) -> int:
    return list(points)[len(points) // 2]


def _curve(axes: Axes, points: Curve, colour: str, style: str) -> None:
    axes.plot(list(points), list(points.values()), style, color=colour, linewidth=1.8, markersize=5)


def _name(axes: Axes, points: Curve, at: int, text: str, colour: str, side: Literal["left", "right"], up: bool) -> None:
    """Write a curve's name beside its point `at`: above or below it, from there to the `side`."""
    axes.annotate(
        text,
        (at, points[at]),
        xytext=(-8 if side == "left" else 8, 7 if up else -7),
        textcoords="offset points",
        ha="right" if side == "left" else "left",
        va="bottom" if up else "top",
        color=colour,
        fontweight="bold",
    )


def _outputs(_ctx: click.Context, _param: click.Parameter, name: str) -> Outputs:
    try:
        return Outputs(png=name)
    except InvalidField as error:
        raise click.BadParameter(error.problem) from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--png", "outputs", required=True, metavar="FILE", callback=_outputs, help="Where the picture goes.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Rounds that count.")
def scaling(outputs: Outputs, rounds: int) -> None:
    """Draw how the time of a layer grows with width, and how peak memory grows with depth."""
    outputs.write(lambda: [draw(collect(rounds))])


if __name__ == "__main__":
    scaling()
