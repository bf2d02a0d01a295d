"""A layer's contract: all that a network asks of one, with what holds for a layer that does not say.

A layer is a frozen dataclass: its fields are what a config may set. It need not inherit anything, and `init` and
`apply` are enough; what else it has is found by its name, and `says` knows the answer of one that has it not. One that
inherits `Layer` has the defaults as its own, and a type checker that holds it to them. `docs/layers.md` writes one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, Self, cast

import numpy as np

from trainer.nn.draw import Draw
from trainer.types import Array, Shape

__all__ = ["Layer", "Layout", "MinimalLayer", "Parameters", "Updates", "drawn", "located", "own_train", "says"]

Parameters = Mapping[str, Any]  # by the names that `init` gave: arrays, Tensors where they are learnt; dicts of such
Updates = dict[str, Any]


@dataclass(frozen=True)
class Layout:
    """What the columns of a data set are called, and how its inputs of several shapes lie in one row.

    entries: asks for one more than the largest number of each input, of one row's shape; None where what a layer gets
        is no input any more.
    """

    name: str = "unnamed"
    feature_names: tuple[str, ...] = ()
    parts: Mapping[str, Shape] | None = None
    entries: Callable[[], Array] | None = None

    def behind(self, layer: Any) -> Layout:
        """What the layer after this one is told: of numbers that it does no more than move, how large they are."""
        if self.entries is None or not says(layer, "moves"):
            return replace(self, entries=None)
        before = self.entries
        return replace(self, entries=lambda: np.asarray(layer.apply({}, before()[np.newaxis])[0]))


class MinimalLayer(Protocol):
    """What every layer has. Shapes are those of one example, without the batch axis."""

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        """The parameters' initial values by name, and the shape of the output.

        What the layer keeps without learning it, such as a moving average, is wrapped in `trainer.nn.LayerState`.
        Raises ShapeError when the layer cannot take an input of that shape.
        """

    def apply(self, parameters: Parameters, x: object) -> Any:
        """The output for a batch `x` of shape (m, *input_shape), when nothing is learnt.

        Pure, and written in NumPy: it never knows whether it computes on arrays or on Tensors, and looks at no value.
        """


class Layer(MinimalLayer, Protocol):
    """The whole contract.

    Attributes:
        masked: it is handed sequences of unequal length whole, as a `trainer.nn.Masked`, and sees to what does not
            exist itself.
        positionwise: it treats every position of a sequence on its own, so it is handed a Masked's values, and the
            mask goes around its result. A layer that is neither refuses a Masked: it would take positions that do
            not exist for real.
        needs_rows: in training it compares the rows of a batch, so of a batch of one it can learn nothing.
        looks_up: its inputs are whole numbers by which it looks something up, and it raises EntryError for one that it
            lacks; then the rows of the least and the largest numbers are tried before the first step.
        reads_padding: it tells padding by a value in the inputs, which nothing may change before it.

    Each may be a class attribute, or a property where an option decides.

    >>> from trainer.nn import Dense, Flatten
    >>> says(Dense(2), "positionwise"), says(Flatten(), "positionwise")
    (True, False)
    """

    masked: ClassVar[bool] = False
    positionwise: ClassVar[bool] = False
    needs_rows: ClassVar[bool] = False
    looks_up: ClassVar[bool] = False
    reads_padding: ClassVar[bool] = False
    moves: ClassVar[bool] = False

    def train(self, parameters: Parameters, x: object, draw: Draw) -> tuple[Any, Updates]:
        """The output in training, and new values for what the layer keeps, by name.

        `draw(shape)` are uniform random numbers of this step. Nothing is written to in place; whoever runs the step
        carries the new values to the next. Not called where all that the layer keeps is frozen.
        """
        return self.apply(parameters, x), {}

    def located(self, layout: Layout) -> Self:
        """The layer with the names of columns and inputs in it found in a data set's layout.

        Raises ShapeError for a name that the data set has not.
        """
        return self

    def drawn_filters(self, parameters: Parameters) -> Array | None:
        """What it weighs each window by, (*window, channels, filters), for a picture; None of a layer without."""
        return None

    def drawn_attention(self, parameters: Parameters, x: object) -> Array | None:
        """How much each position takes from each other one, (m, heads, positions, positions), for a picture; None of a
        layer in which none does."""
        return None


Attribute = Literal["masked", "positionwise", "needs_rows", "looks_up", "reads_padding", "moves"]


def says(layer: object, attribute: Attribute) -> bool:
    """What a layer, or a layer's class, says of itself; what `Layer` says where it says nothing."""
    return bool(getattr(layer, attribute, getattr(Layer, attribute)))


def own_train(layer: object) -> Callable[[Parameters, Any, Draw], tuple[Any, Updates]] | None:
    """The layer's `train`; None for one that learns as it predicts."""
    return cast("Callable[[Parameters, Any, Draw], tuple[Any, Updates]] | None", getattr(layer, "train", None))


def drawn(layer: object, what: Literal["filters", "attention"], *given: object) -> Array | None:
    """What a layer has for a picture of its filters or its attention; None where it has nothing."""
    method = getattr(layer, f"drawn_{what}", None)
    return None if method is None else cast("Array | None", method(*given))


def located(layer: object, layout: Layout) -> Any:
    """A layer whose names of columns and inputs are found in a data set's layout; most layers have none."""
    return layer.located(layout) if hasattr(layer, "located") else layer
