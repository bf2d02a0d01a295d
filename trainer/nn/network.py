"""A network f(x; θ): layers in sequence, and one contiguous vector θ whose parts are their parameters.

An update, (2), is arithmetic on vectors; what a layer sees are named views on them. Nothing is copied between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.errors import ShapeError, TrainerError, UsageError
from trainer.nn.layers import Array, Layer, Shape
from trainer.rng import generator
from trainer.transforms import value_and_grad

__all__ = ["LayerError", "Network", "Part"]


class LayerError(ShapeError):
    """A layer that cannot take what comes before it. `index` is its position."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True)
class Part:
    """Where one parameter lies in θ."""

    layer: int
    name: str
    shape: Shape
    slice: slice

    @property
    def full_name(self) -> str:
        """The name in files: `0.weights`."""
        return f"{self.layer}.{self.name}"


class Network:
    """Layers in sequence.

    Args:
        layers: in the order in which they are applied.
        input_shape: of one example.
        names: what messages and tables call the layers; by default their classes' names.

    Attributes:
        parts: the parameters, in the order in which θ holds them.
        shapes: the output shape of each layer.
        size: the length of θ.

    Raises LayerError when a layer cannot take its input.

    >>> from trainer.nn import Dense
    >>> network = Network([Dense(3), Dense(1)], input_shape=(2,))
    >>> network.size, network.output_shape
    (13, (1,))
    """

    def __init__(self, layers: Sequence[Layer], input_shape: Shape, names: Sequence[str] | None = None) -> None:
        self.layers = tuple(layers)
        self.input_shape = tuple(input_shape)
        self.names = tuple(names) if names is not None else tuple(type(layer).__name__.lower() for layer in self.layers)
        self.shapes: list[Shape] = []
        self.parts: list[Part] = []
        offset = 0
        for i, parameters in enumerate(self._initial_values(seed=0)):
            for name, value in parameters.items():
                self.parts.append(Part(i, name, value.shape, slice(offset, offset + value.size)))
                offset += value.size
        self.size = offset
        self.output_shape = self.shapes[-1] if self.shapes else self.input_shape

    def _initial_values(self, seed: int) -> list[dict[str, Array]]:
        shape, shapes, values = self.input_shape, [], []
        for i, layer in enumerate(self.layers):
            try:
                parameters, after = layer.init(generator(seed, f"initial values of layer {i}"), shape)
            except TrainerError as error:
                before = f"layer {i - 1} ({self.names[i - 1]}) gives" if i else "the data set has"
                raise LayerError(
                    i, f"layer {i} ({self.names[i]}): {error}; {before} shape {shape} per example"
                ) from error
            values.append(parameters)
            shapes.append(tuple(after))
            shape = tuple(after)
        self.shapes = shapes
        return values

    def initial(self, seed: int, dtype: Any = np.float64) -> Array:
        """θ before the first step: a function of the seed and of each layer's position alone."""
        values = [v.ravel() for parameters in self._initial_values(seed) for v in parameters.values()]
        return np.concatenate([*values, np.empty(0)]).astype(dtype)

    def views(self, theta: Array) -> list[dict[str, Array]]:
        """Per layer its parameters, as views on θ."""
        parameters: list[dict[str, Array]] = [{} for _ in self.layers]
        for part in self.parts:
            parameters[part.layer][part.name] = theta[part.slice].reshape(part.shape)
        return parameters

    def named(self, theta: Array) -> dict[str, Array]:
        """All parameters by their full names, as views on θ."""
        return {part.full_name: theta[part.slice].reshape(part.shape) for part in self.parts}

    def theta(self, named: dict[str, Array], dtype: Any = None) -> Array:
        """The vector that `named` would give these parameters.

        Raises UsageError where a name is missing or a shape differs.
        """
        for part in self.parts:
            if part.full_name not in named:
                raise UsageError(f"no parameter '{part.full_name}' among {', '.join(named) or 'none'}")
            if named[part.full_name].shape != part.shape:
                raise UsageError(
                    f"parameter '{part.full_name}' has shape {named[part.full_name].shape}; "
                    f"the network's has {part.shape}"
                )
        values = [named[part.full_name].ravel() for part in self.parts]
        return np.concatenate([*values, np.empty(0, values[0].dtype if values else np.float64)]).astype(
            dtype or values[0].dtype
        )

    def apply(self, parameters: Sequence[Any], x: Any) -> Any:
        """f(x; θ) for a batch `x` of shape (m, *input_shape), given the parameters layer by layer."""
        for layer, own in zip(self.layers, parameters, strict=True):
            x = layer.apply(own, x)
        return x

    def predict(self, theta: Array, x: Array, rows: int = 4096) -> Array:
        """f(x; θ) on plain arrays, in pieces of so many rows."""
        parameters = self.views(theta)
        pieces = [self.apply(parameters, x[i : i + rows]) for i in range(0, len(x), rows)]
        return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]

    def gradient(self, cost: Callable[[Any, Any], Any]) -> Callable[[Array, Array, Array], tuple[float, Array]]:
        """The loss and g of (1), as a function of (θ, x, y).

        Args:
            cost: C of (predictions, targets), one value per example, shape (m,).
        """

        def mean_cost(parameters: Any, x: Array, y: Array) -> Any:
            return np.mean(cost(self.apply(parameters, x), y))

        with_gradient = value_and_grad(mean_cost)

        def loss_and_gradient(theta: Array, x: Array, y: Array) -> tuple[float, Array]:
            loss, gradients = with_gradient(self.views(theta), x, y)
            g = np.empty_like(theta)
            for part in self.parts:
                g[part.slice] = gradients[part.layer][part.name].reshape(-1)
            return float(loss), g

        return loss_and_gradient

    def __repr__(self) -> str:
        return f"<Network {' → '.join(self.names)}: {self.input_shape} → {self.output_shape}, {self.size:,} parameters>"
