"""The Stack: what to run, validated once; everything after it is a pure function of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from actdiag.activations import Activation
from actdiag.arrays import Array, ArrayRecord, digest, row_blocks
from actdiag.datasets.inputs import given_inputs
from actdiag.datasets.random_inputs import RANDOM_INPUTS, Over, in_turn, random_rows
from actdiag.errors import InvalidField, check_choice, check_integer, check_real
from actdiag.formats import NumberFormat, arithmetic_format
from actdiag.initializers import LARGEST_SCALE, Initializer
from actdiag.model.blocks import Node, lay_out
from actdiag.model.site import Site
from actdiag.model.weights import Weights
from actdiag.ops.activation import Activate
from actdiag.ops.dense import MOST_UNITS, Dense
from actdiag.ops.entry import Op
from actdiag.options import StackOptions
from actdiag.streams import Stream

MOST_LAYERS = 1_000_000
MOST_ROWS = 100_000_000
MOST_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Stack:
    """A deep network as a recipe: equal layers z = a @ w + b, a = f(z), or the ops of `arch`.

    Two are equal where all their fields are, data included, which are compared by digest and are not to be changed.

    Attributes:
        act: The activation of every layer, of `arch` where an op names none.
        init: The initializer of every layer's weights.
        widths: The number of units of layers 1 to L; with `arch` they follow from it.
        input: `normal`, `uniform`, or what `data` is called.
        input_width: The number of features of an input.
        batch: The number of inputs.
        gain: What the sampled weights are multiplied with; never the biases or the readout.
        target_gain: The gain sqrt(fan_in) x std that every layer's weights are brought to instead, whatever the
            initializer's own; where that is laid out for the mean of both fans, sqrt(mean fan) x std.
        bias_mean: The mean of the biases; None with `bias_std` for the initializer's own biases.
        bias_std: The std of the biases, which are normal.
        dtype: `float32` or `float64`: the arithmetic of the stack.
        seed: The random seed.
        data: The inputs, shape (batch, input_width), where they are not drawn; of a stack that was read, their record.
        arch: The ops in running order; None for equal layers. A layer is then a node that makes pre-activations.
        weights: Weights and biases that are given; None to draw them. The initializer is then `GIVEN`.
    """

    act: Activation
    init: Initializer
    widths: tuple[int, ...]
    input: str
    input_width: int
    batch: int
    gain: float = 1.0
    bias_mean: float | None = None
    bias_std: float | None = None
    dtype: str = StackOptions.dtype
    seed: int = StackOptions.seed
    data: Array | ArrayRecord | None = field(default=None, compare=False, repr=False)
    target_gain: float | None = None
    arch: tuple[Op, ...] | None = None
    weights: Weights | None = None
    _nodes: tuple[Node, ...] | None = field(default=None, init=False, repr=False, compare=False)
    _digest: str | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            InvalidField: A field holds something that no stack can have.
        """
        if self.arch is not None:
            self._lay_out_arch()
        check_integer("depth", len(self.widths), 1, MOST_LAYERS)
        field = "widths" if len(set(self.widths)) > 1 else "width"
        checked: dict[str, object] = {
            "dtype": arithmetic_format(self.dtype).name,
            "widths": tuple(check_integer(field, width, 1, MOST_UNITS) for width in self.widths),
            "input_width": check_integer("input_width", self.input_width, 1, MOST_UNITS),
            "batch": check_integer("batch", self.batch, 1, MOST_ROWS),
            "gain": check_real("gain", self.gain, 0.0, LARGEST_SCALE, open_below=True),
            "seed": check_integer("seed", self.seed, 0, MOST_SEED),
        }
        if self.target_gain is not None:
            checked["target_gain"] = self._checked_target(self.target_gain)
        if self.bias_mean is not None:
            checked["bias_mean"] = check_real("bias_mean", self.bias_mean, -LARGEST_SCALE, LARGEST_SCALE)
        if self.bias_std is not None:
            checked["bias_std"] = check_real("bias_std", self.bias_std, 0.0, LARGEST_SCALE)
        if self.weights is not None:
            self._check_weights(self.weights)
        largest = arithmetic_format(self.dtype).most
        for name, value in checked.items():  # numpy's numbers become Python's, which JSON knows
            object.__setattr__(self, name, value)
        if self.data is None:
            object.__setattr__(self, "input", check_choice("input", self.input, RANDOM_INPUTS))
        elif self.data.shape != (self.batch, self.input_width):
            problem = f"must have shape ({self.batch}, {self.input_width}), got {self.data.shape}"
            raise InvalidField(field="input", problem=problem)
        gain = self.gain if self.target_gain is None else self.target_gain
        drawn = self.weight_layers[:2] if self.weights is None else ()
        if any(self.weight_std(layer) > largest / 10 for layer in drawn):
            problem = f"must keep the weights within {self.dtype} (std under {largest / 10:.1g}), got {gain:g}"
            raise InvalidField(field="gain", problem=problem)

    @property
    def data_digest(self) -> str | None:
        """A SHA-256 of the data's dtype, shape and entries; None without data."""
        if self._digest is None and self.data is not None:
            known = self.data.digest if isinstance(self.data, ArrayRecord) else digest(self.data)
            object.__setattr__(self, "_digest", known)
        return self._digest

    def __eq__(self, other: object) -> bool:
        """Whether another stack holds the same."""
        if not isinstance(other, Stack):
            return NotImplemented
        return self._compared() == other._compared() and (
            self.data is other.data or self.data_digest == other.data_digest
        )

    def __hash__(self) -> int:
        """The hash of all that is compared."""
        return hash((*self._compared().values(), self.data_digest))

    def _compared(self) -> dict[str, object]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.compare}

    def fingerprint(self) -> str:
        """Return a SHA-256, in hexadecimal, of all that determines a run of the stack.

        Equal stacks have equal fingerprints, in every process and on every machine. Entries count by their name, those
        of one's own by what they give on fixed points besides; data count by what they hold. What a stack does not hold
        is not in it: the loss, the number of bins, the version of actdiag.
        """
        from actdiag.model.fingerprint import fingerprint

        held = {**self._compared(), "data": self.data_digest}
        if self.weights is None:
            del held["weights"]
        else:
            held["init"] = self.init.name
        return fingerprint(held)

    @property
    def format(self) -> NumberFormat:
        """The number format of the stack's arithmetic."""
        return arithmetic_format(self.dtype)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Layers 1 to L as ops, laid out in running order."""
        if self._nodes is None:
            ops = self.arch or [op for width in self.widths for op in (Dense(width), Activate())]
            nodes = lay_out(ops, self.act, self.input_width, self.batch, self.format)
            object.__setattr__(self, "_nodes", nodes)
            return nodes
        return self._nodes

    def sites(self) -> tuple[Site, ...]:
        """Return the sites of layers 1 to L."""
        return tuple(node.site for node in self.nodes)

    @property
    def weight_layers(self) -> Sequence[int]:
        """The layers (from 1) that draw weights, in running order."""
        if self.arch is None:
            return range(1, self.depth + 1)
        return [number for number, node in enumerate(self.nodes, 1) if node.draw is not None]

    def draw_number(self, layer: int) -> int:
        """The number of `layer` (from 1) among those that draw weights: what its random numbers follow from."""
        return layer if self.arch is None else self.nodes[layer - 1].draw or 0

    @property
    def depth(self) -> int:
        """The number of layers, L."""
        return len(self.widths)

    def fan_in(self, layer: int) -> int:
        """The number of inputs to a unit of `layer` (from 1)."""
        if self.arch is not None:
            return self.nodes[layer - 1].site.fan_in
        return self.widths[layer - 2] if layer > 1 else self.input_width

    def columns(self, layer: int) -> int:
        """The number of pre-activations of `layer` (from 1): its width times the activation's pieces. Its fan_out."""
        if self.arch is not None:
            return self.nodes[layer - 1].site.columns
        return self.widths[layer - 1] * self.act.pieces

    def weight_std(self, layer: int) -> float:
        """The std of a weight of `layer`, gain included; of the recipe, before any scaling on the batch.

        Of given weights it is their rms.
        """
        if self.weights is not None:
            return self.weights.spreads[layer - 1].weight_std
        return self.layer_gain(layer) * self.init.std(self.fan_in(layer), self.columns(layer))

    def layer_gain(self, layer: int) -> float:
        """What the sampled weights of `layer` are multiplied with."""
        if self.target_gain is None:
            return self.gain
        fan_in = self.fan_in(layer)
        # With equal fans, their mean is fan_in: what the initializer's scale is laid out for.
        own = self.init.std(fan_in, fan_in if self.init.averages_fans else self.columns(layer))
        return self.target_gain / (math.sqrt(fan_in) * own)

    def layer_gains(self) -> tuple[float, ...]:
        """The gains of the layers that draw weights; one alone where all are the same but for rounding."""
        gains = tuple(self.layer_gain(layer) for layer in self.weight_layers) or (self.gain,)
        return gains[:1] if all(math.isclose(gain, gains[0], rel_tol=1e-12) for gain in gains) else gains

    def bias_spread(self, layer: int) -> tuple[float, float]:
        """The mean and the std of a bias of `layer`."""
        if self.weights is not None:
            spread = self.weights.spreads[layer - 1]
            return spread.bias_mean, spread.bias_std
        if self.bias_mean is None and self.bias_std is None:
            return 0.0, math.sqrt(self.init.bias_variance(self.fan_in(layer), self.columns(layer)))
        return self.bias_mean or 0.0, self.bias_std or 0.0

    def _check_weights(self, weights: Weights) -> None:
        """Refuse weights of other shapes than the layers have."""
        if self.arch is not None:
            raise InvalidField(field="weights", problem="must be left out where arch is given")
        wanted = [(self.fan_in(layer), self.columns(layer)) for layer in range(1, len(self.widths) + 1)]
        found = [(spread.fan_in, spread.columns) for spread in weights.spreads]
        if found != wanted:
            problem = f"must have the shapes {wanted} of the layers, got {found} in {weights.name}"
            raise InvalidField(field="weights", problem=problem)

    def _checked_target(self, target: float) -> float:
        """Return the gain asked of every layer, or refuse it where weights are not drawn at a scale of their own."""
        scales = (self.init.std(self.fan_in(layer), self.columns(layer)) for layer in self.weight_layers)
        if not self.init.mean_field or self.init.fits_batch or not all(scales):
            drawn = "where weights are fixed, all positive or fitted to the batch"
            raise InvalidField(field="gain", problem=f"must be a number {drawn}, got auto with {self.init.name}")
        return check_real("gain", target, 0.0, LARGEST_SCALE, open_below=True)

    def _lay_out_arch(self) -> None:
        """Check the ops and take the widths from them."""
        assert self.arch is not None
        ops = tuple(self.arch)
        strange = next((op for op in ops if not isinstance(op, Op)), None)
        if strange is not None:
            raise InvalidField(field="arch", problem=f"must be a sequence of ops, got {strange!r}")
        width = check_integer("input_width", self.input_width, 1, MOST_UNITS)
        nodes = lay_out(ops, self.act, width, self.batch, arithmetic_format(self.dtype))
        object.__setattr__(self, "arch", ops)
        object.__setattr__(self, "widths", tuple(node.site.units for node in nodes))
        object.__setattr__(self, "_nodes", nodes)

    def inputs(self, over: Over = in_turn) -> Array:
        """The inputs in the stack's dtype, shape (batch, input_width).

        Args:
            over: Calls a function with each of a sequence of items, like `Workers.map`.

        Raises:
            InvalidField: A given input does not fit the dtype, or of a stack that was read there is only its record.
        """
        if self.data is None:
            return random_rows(Stream.INPUT, self.input, self.seed, (self.batch, self.input_width), self.dtype, over)
        return given_inputs(self.data, self.input, self.dtype)

    def row_blocks(self) -> list[slice]:
        """The blocks of rows that work is cut into: they depend on the stack's shape alone."""
        if self.arch is None:
            widest = max(self.input_width, max(self.widths) * self.act.pieces)
        else:
            widest = max(self.input_width, *(node.site.columns for node in self.nodes))
        return row_blocks(self.batch, widest)
