"""Layers made of layers: in sequence, side by side, around, again and again.

Parameters lie in nested dicts and are named by the path: `2.layers.0.weights`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from trainer.errors import ShapeError, TrainerError
from trainer.limits import Checked, Limits, Nested
from trainer.nn.calls import evaluate, name_of, on_values, train
from trainer.nn.contract import Layout, Parameters, located
from trainer.nn.draw import Draw
from trainer.nn.initialise import initialised
from trainer.types import Shape
from trainer.wording import did_you_mean

__all__ = ["Columns", "Input", "LayerError", "Layers", "Parallel", "Repeat", "Residual", "Sequential", "Shared"]

Layers = Annotated[tuple[Any, ...], Nested("network")]  # a list of layers; a list within it is a sequence


class LayerError(ShapeError):
    """A layer that cannot take what comes before it.

    `path` leads to it through the config, (2, "layers", 0); behind an "@" it begins anew in a named sub-network.
    """

    def __init__(self, path: tuple[int | str, ...], message: str) -> None:
        super().__init__(message)
        self.path = path


@dataclass(frozen=True)
class Sequential:
    """Layers one after the other."""

    layers: Layers
    masked: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        parameters, shape = {}, tuple(input_shape)
        for i, layer in enumerate(self.layers):
            before = shape
            try:
                parameters[str(i)], shape = initialised(layer, rng, before)
            except LayerError as error:
                raise LayerError((i, *error.path), str(error)) from error
            except TrainerError as error:
                what = f"layer {i} ({name_of(layer)}): {error}; before it each example has shape {before}"
                raise LayerError((i,), what) from error
        return parameters, shape

    def apply(self, parameters: Parameters, x: object) -> Any:
        for i, layer in enumerate(self.layers):
            x = evaluate(layer, parameters[str(i)], x)
        return x

    def train(self, parameters: Parameters, x: object, draw: Draw) -> tuple[Any, dict[str, Any]]:
        updates = {}
        for i, layer in enumerate(self.layers):
            x, own = train(layer, parameters[str(i)], x, draw.inside(str(i)))
            if own:
                updates[str(i)] = own
        return x, updates

    def located(self, layout: Layout) -> Self:
        """With columns and inputs found by their names."""
        layers = []
        for layer in self.layers:
            layers.append(located(layer, layout))
            layout = layout.behind(layers[-1])
        return replace(self, layers=tuple(layers))


class _Composite:
    """Hands its input to `branches`, sequences by name, and joins what comes."""

    masked: ClassVar[bool] = True

    def branches(self) -> dict[str, Sequential]:
        raise NotImplementedError

    def place(self, branch: str) -> tuple[int | str, ...]:
        """Where a branch stands in a config."""
        return (branch,)

    def join(self, outputs: Sequence[object]) -> Any:
        raise NotImplementedError

    def joined(self, shapes: Sequence[Shape]) -> Shape:
        """The shape per example of what `join` gives for these; ShapeError where it cannot."""
        raise NotImplementedError

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        parameters, shapes = {}, []
        for name, branch in self.branches().items():
            try:
                parameters[name], shape = branch.init(rng, input_shape)
            except LayerError as error:
                raise LayerError((*self.place(name), *error.path), f"within {name_of(self)}: {error}") from error
            shapes.append(shape)
        return parameters, self.joined(shapes)

    def apply(self, parameters: Parameters, x: object) -> Any:
        return self.join([branch.apply(parameters[name], x) for name, branch in self.branches().items()])

    def train(self, parameters: Parameters, x: object, draw: Draw) -> tuple[Any, dict[str, Any]]:
        outputs, updates = [], {}
        for name, branch in self.branches().items():
            y, own = branch.train(parameters[name], x, draw.inside(name))
            outputs.append(y)
            if own:
                updates[name] = own
        return self.join(outputs), updates


@dataclass(frozen=True)
class Residual(_Composite):
    """x + layers(x): what the layers give is added to what they got. He et al., 2016.

        - residual: [dense: 64, relu, dense: 64]
        - residual: {layers: [dense: 32, relu], shortcut: [dense: 32]}

    Args:
        layers: must give the shape that they got, unless a shortcut gives theirs.
        shortcut: layers that x goes through before the sum; by default none.
    """

    layers: Layers
    shortcut: Layers = ()

    def branches(self) -> dict[str, Sequential]:
        return {"layers": Sequential(self.layers), "shortcut": Sequential(self.shortcut)}

    def join(self, outputs: Sequence[object]) -> Any:
        return on_values(np.add, *outputs)

    def joined(self, shapes: Sequence[Shape]) -> Shape:
        if shapes[0] != shapes[1]:
            raise ShapeError(
                f"a residual adds what its layers give, {shapes[0]} per example, to what they got, {shapes[1]}; let "
                f"them give the same shape, or put a `shortcut:` of layers that gives theirs"
            )
        return shapes[0]

    def located(self, layout: Layout) -> Self:
        return replace(
            self,
            layers=Sequential(self.layers).located(layout).layers,
            shortcut=Sequential(self.shortcut).located(layout).layers,
        )


@dataclass(frozen=True)
class Parallel(_Composite):
    """Branches that all get the same input, and whose outputs are joined.

        - parallel: [[dense: 16, tanh], [dense: 16, relu]]
        - parallel: {paths: [[dense: 4, tanh], [dense: 4]], join_by: multiply}

    Args:
        paths: a list of branches, each a layer or a list of layers; an empty list passes its input on.
        join_by: "concat" along the last axis, "add", "multiply", or "subtract" (the first less the second).
    """

    paths: Layers
    join_by: Literal["concat", "add", "multiply", "subtract"] = "concat"

    def branches(self) -> dict[str, Sequential]:
        return {
            str(i): path if isinstance(path, Sequential) else Sequential((path,)) for i, path in enumerate(self.paths)
        }

    def place(self, branch: str) -> tuple[int | str, ...]:
        return "paths", int(branch)

    def join(self, outputs: Sequence[object]) -> Any:
        if self.join_by == "concat":
            return on_values(lambda *ys: np.concatenate(ys, axis=-1), *outputs)
        total, *others = outputs
        for y in others:
            total = on_values({"add": np.add, "multiply": np.multiply, "subtract": np.subtract}[self.join_by], total, y)
        return total

    def joined(self, shapes: Sequence[Shape]) -> Shape:
        if not shapes:
            raise ShapeError("parallel needs at least one path; for example paths: [[dense: 8], [dense: 8, tanh]]")
        if self.join_by == "subtract" and len(shapes) != 2:
            raise ShapeError(f"join_by: subtract takes two paths, found {len(shapes)}")
        if self.join_by == "concat":
            if any(len(shape) == 0 or shape[:-1] != shapes[0][:-1] for shape in shapes):
                raise ShapeError(
                    f"parallel joins its paths along the last axis, and they give {_listed(shapes)} per example, which "
                    f"differ in another"
                )
            return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
        if any(shape != shapes[0] for shape in shapes):
            raise ShapeError(
                f"join_by: {self.join_by} needs paths of one shape, and they give {_listed(shapes)} per example"
            )
        return shapes[0]

    def located(self, layout: Layout) -> Self:
        return replace(self, paths=tuple(located(path, layout) for path in self.paths))


@dataclass(frozen=True)
class Repeat(Checked):
    """The same layers several times in a row, each time with parameters of their own.

        - repeat: {times: 3, layers: [dense: 32, relu]}

    Args:
        times: how often.
        layers: what is repeated.
    """

    times: Annotated[int, Limits(ge=1)]
    layers: Layers
    masked: ClassVar[bool] = True

    def _chain(self) -> Sequential:
        return Sequential((Sequential(self.layers),) * self.times)

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        try:
            return self._chain().init(rng, input_shape)
        except LayerError as error:
            time, *path = error.path
            raise LayerError(("layers", *path), f"within repeat, time {int(time) + 1}: {error}") from error

    def apply(self, parameters: Parameters, x: object) -> Any:
        return self._chain().apply(parameters, x)

    def train(self, parameters: Parameters, x: object, draw: Draw) -> tuple[Any, dict[str, Any]]:
        return self._chain().train(parameters, x, draw)

    def located(self, layout: Layout) -> Self:
        return replace(self, layers=Sequential(self.layers).located(layout).layers)


@dataclass(frozen=True)
class Shared:
    """A named sub-network: wherever it stands, its parameters are the same.

    They are named after it, `tower.0.weights`, not after its place.
    """

    name: str
    layers: Layers
    masked: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        try:
            parameters, shape = Sequential(self.layers).init(rng, input_shape)
        except LayerError as error:
            raise LayerError(("@", self.name, *error.path), f"within {self.name}: {error}") from error
        return {f"@{self.name}": parameters}, shape

    def apply(self, parameters: Parameters, x: object) -> Any:
        return Sequential(self.layers).apply(parameters[f"@{self.name}"], x)

    def train(self, parameters: Parameters, x: object, draw: Draw) -> tuple[Any, dict[str, Any]]:
        y, updates = Sequential(self.layers).train(parameters[f"@{self.name}"], x, draw)
        return y, {f"@{self.name}": updates} if updates else {}

    def located(self, layout: Layout) -> Self:
        return replace(self, layers=Sequential(self.layers).located(layout).layers)


@dataclass(frozen=True)
class Columns:
    """Some columns of the last axis, in the order given: the start of a branch that sees a part of the features.

        - columns: [0, 3]
        - columns: [age, income]

    Args:
        columns: by number, negative from the end, or by the data set's feature names.
    """

    columns: tuple[int | str, ...]
    positionwise: ClassVar[bool] = True
    moves: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        if not self.columns:
            raise ShapeError("columns picks none; name at least one, as in columns: [0]")
        if not input_shape:
            raise ShapeError("columns picks from the last axis, and an example has none")
        for column in self.columns:
            if isinstance(column, str):
                raise ShapeError(f"columns: '{column}' is a name; only a network on a data set knows names of columns")
            if not -input_shape[-1] <= column < input_shape[-1]:
                raise ShapeError(f"columns: there is no column {column}; they are 0 to {input_shape[-1] - 1}")
        return {}, (*input_shape[:-1], len(self.columns))

    def apply(self, parameters: Parameters, x: Any) -> Any:
        numbers = [int(column) for column in self.columns]
        first, last = numbers[0], numbers[-1]
        if first >= 0 and numbers == list(range(first, last + 1)):
            return x[..., first : last + 1]
        return x[..., np.array(numbers)]

    def located(self, layout: Layout) -> Self:
        known = {name: i for i, name in enumerate(layout.feature_names)}
        for column in self.columns:
            if isinstance(column, str) and column not in known:
                there = f"there are: {', '.join(known)}"
                none = f"data set '{layout.name}' has no names of columns, give its number"
                hint = did_you_mean(column, known, there if known else none)
                raise ShapeError(f"columns: there is no column '{column}'; {hint}")
        return replace(self, columns=tuple(known[c] if isinstance(c, str) else c for c in self.columns))


@dataclass(frozen=True)
class Input:
    """One of several inputs of a data set, by its name, in its own shape.

        - parallel: [[input: image, conv2d: 8, flatten], [input: table, dense: 8]]

    Args:
        name: what the data set calls it.
    """

    name: str

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        raise ShapeError(f"input: '{self.name}' is a name; only a network on a data set knows names of inputs")

    def apply(self, parameters: Parameters, x: Any) -> Any:
        return self.init(np.random.default_rng(), x.shape[1:])

    def located(self, layout: Layout) -> Any:
        start = 0
        for name, shape in (layout.parts or {}).items():
            size = int(np.prod(shape))
            if name == self.name:
                return _Located(name, slice(start, start + size), tuple(shape))
            start += size
        if not layout.parts:
            raise ShapeError(f"input: data set '{layout.name}' has one input without a name; leave `input:` out")
        raise ShapeError(
            f"input: data set '{layout.name}' has no input '{self.name}'; it has {', '.join(layout.parts)}"
        )


@dataclass(frozen=True)
class _Located:
    """An `Input` that was found: where it lies in a row, and its shape."""

    name: str
    columns: slice
    shape: Shape
    moves: ClassVar[bool] = True

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        return {}, self.shape

    def apply(self, parameters: Parameters, x: Any) -> Any:
        return np.reshape(x[:, self.columns], (x.shape[0], *self.shape))


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(str, shapes))
