"""The layers that come with the core: sums, their reshaping, and any op of one array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np

from trainer.engine.op import Op
from trainer.errors import ShapeError
from trainer.limits import Checked, Limits
from trainer.nn.initial import Initial, draw
from trainer.types import Array, Shape

__all__ = ["Dense", "Flatten", "OpLayer", "Rescale"]


@dataclass(frozen=True)
class Dense(Checked):
    """Every output is a weighted sum of all inputs: h = x W + b, (29); by rows what (19) is by columns.

    Args:
        units: how many outputs.
        bias: whether there is a b, true.
        initial: how the weights are drawn, `glorot` (see `trainer.nn.initial.draw`); b starts at zero.

    Input (m, …, n), parameters weights (n, units) and bias (units,), output (m, …, units): of an input with further
    axes, such as the positions of a sequence, every position is treated alike.
    """

    units: Annotated[int, Limits(ge=1)]
    bias: bool = True
    initial: Initial = "glorot"
    positionwise: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        if not input_shape:
            raise ShapeError("dense needs an axis of features, and each example is a single number")
        n = input_shape[-1]
        parameters = {"weights": draw(self.initial, rng, (n, self.units), n, self.units)}
        if self.bias:
            parameters["bias"] = np.zeros(self.units)
        return parameters, (*input_shape[:-1], self.units)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        weights = parameters["weights"]
        if x.ndim == 2:
            h = x @ weights
        else:  # one product of matrices instead of one per example
            h = np.reshape(np.reshape(x, (-1, x.shape[-1])) @ weights, (*x.shape[:-1], self.units))
        return h + parameters["bias"] if self.bias else h


@dataclass(frozen=True)
class Flatten:
    """All features of an example in one axis: (m, a, b, …) becomes (m, a·b·…)."""

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        return {}, (int(np.prod(input_shape)),)

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        return np.reshape(x, (x.shape[0], -1))


@dataclass(frozen=True)
class Rescale(Checked):
    """x · scale + mean, number by number along the last axis: what was standardised, in its units again.

        - rescale: {mean: [170.0, 65.0], scale: [10.0, 12.0]}

    Args:
        mean, scale: one number for each feature, or a single one for all.

    (m, …) stays as it is. With `dataset: {standardize_targets: true}` a network that is saved ends in it.
    """

    mean: tuple[float, ...]
    scale: tuple[Annotated[float, Limits(gt=0)], ...]
    positionwise: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        for name, numbers in (("mean", self.mean), ("scale", self.scale)):
            if len(numbers) != 1 and input_shape[-1:] != (len(numbers),):
                raise ShapeError(f"{name} has {len(numbers)} numbers: give one, or one for each feature")
        return {}, input_shape

    def apply(self, parameters: Mapping[str, Any], x: Any) -> Any:
        mean, scale = (np.array(numbers, x.dtype) for numbers in (self.mean, self.scale))
        return x * scale + mean


class OpLayer:
    """An op of one array as a layer without parameters: `- relu`, `- swish: {beta: 2.0}`."""

    def __init__(self, op: Op, **attributes: object) -> None:
        self.op = op
        self.name = op.name
        self.attributes = attributes
        self._call = partial(op, **attributes) if attributes else op

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Array], Shape]:
        # Two rows of ones show what becomes of the batch axis, and no op is undefined at 1 for shape reasons alone.
        with np.errstate(all="ignore"):
            y = self._call(np.ones((2, *input_shape)))
        if np.shape(y)[:1] != (2,):
            raise ShapeError(
                f"op '{self.op.name}' turned a batch of shape (m, {', '.join(map(str, input_shape))}) into "
                f"shape {np.shape(y)} for m = 2: a layer must keep the batch axis"
            )
        return {}, np.shape(y)[1:]

    def apply(self, parameters: Mapping[str, object], x: object) -> Any:
        return self._call(x)

    @property
    def positionwise(self) -> bool:
        """Whether every position of a sequence is treated on its own: by an op on elements, or along the last axis."""
        return self.op.elementwise or {**self.op.attributes, **self.attributes}.get("axis") == -1

    def __repr__(self) -> str:
        return f"OpLayer({self.op.name}{''.join(f', {k}={v!r}' for k, v in self.attributes.items())})"
