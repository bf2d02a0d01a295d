"""A network f(x; θ): layers in sequence, and one contiguous vector θ whose parts are their parameters.

An update, (2), is arithmetic on vectors; what a layer sees are named views on them. Nothing is copied between the two.
Beside θ stands what is not learnt: frozen parameters, and what layers keep from step to step (moving averages).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.errors import TrainerError, UsageError
from trainer.nn.calls import LayerState, Masked, Still, evaluate, name_of, train
from trainer.nn.contract import MinimalLayer
from trainer.nn.draw import Draw
from trainer.nn.initialise import initialised
from trainer.nn.structure import LayerError
from trainer.rng import Drawing, generator
from trainer.types import Array, Numeric, Shape
from trainer.wording import did_you_mean

__all__ = ["LayerError", "Network", "Part", "matching"]

PIECE = 2**20  # bytes of a layer's output that are evaluated at once: what stays in a cache is also quicker


@dataclass(frozen=True)
class Part:
    """Where one parameter lies in θ. `name` is its path through the layers: `0.weights`."""

    name: str
    shape: Shape
    slice: slice


REMEMBERED = 1 << 24  # bytes of initial values


class Network:
    """Layers in sequence.

    Args:
        layers: in the order in which they are applied.
        input_shape: of one example.
        names: what messages and tables call the layers; by default what their classes are called in a config.
        freeze: patterns of the names of parameters that are not learnt, such as `0.*`, or of averages that stay.
        tie: parameters that are no others than these: `{"3.weights": "0.table.T"}` makes a layer's weights the
            transpose of another's.
        draws: the generator of a seed and a purpose, from which a layer draws its initial values.

    Attributes:
        parts: the parameters, in the order in which θ holds them.
        shapes: the output shape of each layer.
        size: the length of θ.
        trees: per layer the full names of its parameters, in the structure that its `init` gave.
        moving: the names of what layers keep from step to step, without what is frozen, in the layers' order.

    Raises LayerError when a layer cannot take its input, UsageError for a name that no parameter has.

    >>> from trainer.nn import Dense
    >>> network = Network([Dense(3), Dense(1)], input_shape=(2,))
    >>> network.size, network.output_shape
    (13, (1,))
    >>> [part.name for part in Network([Dense(3), Dense(1)], (2,), freeze=["0.*"]).parts]
    ['1.weights', '1.bias']
    """

    def __init__(
        self,
        layers: Sequence[MinimalLayer],
        input_shape: Shape,
        names: Sequence[str] | None = None,
        *,
        freeze: Sequence[str] = (),
        tie: Mapping[str, str] | None = None,
        draws: Callable[[int, str], Drawing] = generator,
    ) -> None:
        self._draws = draws
        self.layers = tuple(layers)
        self.input_shape = tuple(input_shape)
        self.names = tuple(names) if names is not None else tuple(map(name_of, self.layers))
        self.shapes: list[Shape] = []
        self._tied: dict[str, tuple[str, bool]] = {}
        self._drawn: tuple[int, dict[str, Any]] | None = None
        initial = self._initial_values(0, np.float64)
        self.trees = [_names(values, str(i)) for i, values in enumerate(initial)]
        found = self._flat(initial)
        self._remember(0, found)
        self._tie(found, tie or {})
        self._kinds = {name: (_array(value).shape, isinstance(value, LayerState)) for name, value in found.items()}
        self._divide(freeze)
        self.output_shape = self.shapes[-1] if self.shapes else self.input_shape

    def _divide(self, freeze: Sequence[str]) -> None:
        """What is learnt, and so lies in θ, and what is not."""
        self._frozen = matching(freeze, [name for name in self._kinds if name not in self._tied])
        beside = [name for name, (_, kept) in self._kinds.items() if kept]
        self.moving = tuple(name for name in beside if name not in self._frozen)
        self._fixed = self._frozen.intersection(beside)
        self._beside = [name for name in self._kinds if name in self._frozen or name in self.moving]
        self.parts: list[Part] = []
        offset = 0
        for name, (shape, kept) in self._kinds.items():
            if not kept and name not in self._frozen and name not in self._tied:
                size = math.prod(shape)
                self.parts.append(Part(name, shape, slice(offset, offset + size)))
                offset += size
        self.size = offset

    def frozen(self, freeze: Sequence[str]) -> Network:
        """The same network with what these patterns match left as it is."""
        network = copy(self)
        network._divide(freeze)
        return network

    def followed_by(self, layer: MinimalLayer) -> Network:
        """The same network, the same θ, with a layer that has no parameters at its end.

        >>> from trainer.nn import Dense, Rescale
        >>> network = Network([Dense(1)], input_shape=(2,)).followed_by(Rescale((170.0,), (10.0,)))
        >>> network.names, network.size
        (('dense', 'rescale'), 3)
        """
        network = copy(self)
        _, network.output_shape = layer.init(generator(0, "no parameters"), self.output_shape)
        network.layers, network.names = (*self.layers, layer), (*self.names, name_of(layer))
        network.shapes, network.trees = [*self.shapes, network.output_shape], [*self.trees, {}]
        return network

    def _values(self, seed: int, dtype: npt.DTypeLike) -> dict[str, Any]:
        """Initial values by name. Those that were drawn last are remembered, in double, unless they are large: these
        are drawn in the type in which they are wanted."""
        if self._drawn is not None and self._drawn[0] == seed:
            return self._drawn[1]
        small = 8 * sum(math.prod(shape) for shape, _ in self._kinds.values()) <= REMEMBERED
        values = self._flat(self._initial_values(seed, np.float64 if small else dtype))
        self._remember(seed, values if small else {})
        return values

    def _remember(self, seed: int, values: dict[str, Any]) -> None:
        small = 0 < sum(_array(value).nbytes for value in values.values()) <= REMEMBERED
        self._drawn = (seed, values) if small else None

    def _initial_values(self, seed: int, dtype: npt.DTypeLike) -> list[dict[str, Any]]:
        shape, shapes, values = self.input_shape, [], []
        for i, layer in enumerate(self.layers):
            try:
                rng = self._draws(seed, f"initial values of layer {i}")
                rng.dtype = np.dtype(dtype)
                parameters, after = initialised(layer, rng, shape)
            except TrainerError as error:
                before = f"layer {i - 1} ({self.names[i - 1]}) gives" if i else "the data set has"
                message = f"layer {i} ({self.names[i]}): {error}; {before} shape {shape} per example"
                raise LayerError((i, *getattr(error, "path", ())), message) from error
            values.append(parameters)
            shapes.append(after)
            shape = after
        self.shapes = shapes
        return values

    def _flat(self, values: Sequence[dict[str, object]]) -> dict[str, Any]:
        """Initial values by their full names; those of a shared sub-network once, as its first use drew them."""
        flat: dict[str, Any] = {}
        for i, tree in enumerate(values):
            for name, value in _walk(tree, str(i)):
                if name not in flat:
                    flat[name] = value
                    continue
                known, new = map(_array, (flat[name], value))
                if known.shape != new.shape:
                    raise LayerError(
                        (i,),
                        f"layer {i} ({self.names[i]}): '{name}' is shared and would have shape {new.shape} here and "
                        f"{known.shape} before; a shared sub-network takes inputs of one shape",
                    )
                if isinstance(value, LayerState):
                    raise LayerError(
                        (i,),
                        f"layer {i} ({self.names[i]}): the shared '{name}' is a value that every use would change; a "
                        f"sub-network that keeps values from step to step can be used once only",
                    )
        return flat

    def _tie(self, found: dict[str, Any], tie: Mapping[str, str]) -> None:
        for name, source in tie.items():
            transposed = source.endswith(".T")
            of = source.removesuffix(".T")
            for each in (name, of):
                if each not in found or isinstance(found[each], LayerState):
                    raise UsageError(f"tie: no parameter '{each}'{_guess(each, found)}")
            shape = found[of].shape[::-1] if transposed else found[of].shape
            if shape != found[name].shape:
                hint = f"; write '{of}.T'" if not transposed and shape[::-1] == found[name].shape else ""
                raise UsageError(f"tie: '{name}' has shape {found[name].shape}, and '{source}' has {shape}{hint}")
            if name == of or of in tie:
                raise UsageError(f"tie: '{name}' cannot be '{source}', which is tied itself; name the one at the end")
            self._tied[name] = (of, transposed)

    def initial(self, seed: int, dtype: npt.DTypeLike = np.float64) -> Array:
        """θ before the first step: a function of the seed and of each layer's position alone."""
        return self._joined(self._values(seed, dtype), dtype)

    def layer_state(self, seed: int, dtype: npt.DTypeLike = np.float64) -> dict[str, Array]:
        """What stands beside θ before the first step, by name: frozen parameters and what is `LayerState`."""
        values = self._values(seed, dtype) if self._beside else {}
        return {name: np.array(_array(values[name]), dtype) for name in self._beside}

    def initial_values(self, seed: int, dtype: npt.DTypeLike = np.float64) -> dict[str, Array]:
        """All that there is before the first step, by full name, to be read: the parameters in θ, then what stands
        beside it."""
        theta = self.initial(seed, dtype)
        theta.flags.writeable = False  # so that a tape takes it as it is
        return {**self.named(theta), **self.layer_state(seed, dtype)}

    def divided(self, values: Mapping[str, Array], dtype: npt.DTypeLike) -> tuple[Array, dict[str, Array]]:
        """θ, and what stands beside it, of values by full name; all are copied.

        Raises UsageError where a name is missing or a parameter's shape differs.
        """
        return self.theta(values, dtype), {name: np.array(values[name], dtype) for name in self._beside}

    def with_layers(self, layers: Sequence[MinimalLayer]) -> Network:
        """The same parameters, read by other layers that have the same."""
        network = copy(self)
        network.layers = tuple(layers)
        return network

    def named(self, theta: Array) -> dict[str, Array]:
        """The parameters in θ by their full names, as views on it."""
        return {part.name: np.reshape(theta[part.slice], part.shape) for part in self.parts}

    def tree(self, named: Mapping[str, Numeric]) -> list[dict[str, Any]]:
        """What each layer calls its parameters, from the values by their full names.

        Those of a layer that keeps values, all of which are frozen, are `Still`.
        """
        return [self._built(tree, named) for tree in self.trees]

    def _built(self, tree: Mapping[str, Any], named: Mapping[str, Numeric]) -> dict[str, Any]:
        # No function within `tree`: one that calls itself is a cycle, and the values would stay until it is collected.
        built = {
            key: self._built(within, named) if isinstance(within, dict) else self._value(within, named)
            for key, within in tree.items()
        }
        own = {name for name in tree.values() if isinstance(name, str)}
        return Still(built) if own & self._fixed and own.isdisjoint(self.moving) else built

    def _value(self, name: str, named: Mapping[str, Numeric]) -> Numeric:
        source, transposed = self._tied.get(name, (name, False))
        return np.transpose(named[source]) if transposed else named[source]

    def theta(self, named: Mapping[str, Array], dtype: npt.DTypeLike | None = None) -> Array:
        """The vector that `named` would give these parameters.

        Raises UsageError where a name is missing or a shape differs.
        """
        for part in self.parts:
            if part.name not in named:
                raise UsageError(f"no parameter '{part.name}' among {', '.join(named) or 'none'}")
            if named[part.name].shape != part.shape:
                raise UsageError(
                    f"parameter '{part.name}' has shape {named[part.name].shape}; the network's has {part.shape}"
                )
        return self._joined(named, dtype or (named[self.parts[0].name].dtype if self.parts else np.float64))

    def _joined(self, named: Mapping[str, Array], dtype: npt.DTypeLike) -> Array:
        """One vector of the parameters, each cast as it is put there: they are not in memory once more."""
        theta = np.empty(self.size, dtype)
        for part in self.parts:
            theta[part.slice].reshape(part.shape)[...] = named[part.name]
        return theta

    def apply(
        self,
        parameters: Sequence[Any],
        x: object,
        draw: Draw | None = None,
        entering: Callable[[int], None] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """f(x; θ) for a batch `x` of shape (m, *input_shape), given the parameters layer by layer.

        Of a result with a mask the values: what a cost does about positions that do not exist, its targets say.

        Args:
            parameters: see `tree`.
            draw: what layers draw from, in training; without it nothing is drawn and nothing kept is changed.
            entering: is told the position of each layer before its turn.

        Returns:
            The output, and the new values of what is kept, by their full names.
        """
        updates: dict[str, Any] = {}
        for i, (layer, own) in enumerate(zip(self.layers, parameters, strict=True)):
            if entering is not None:
                entering(i)
            if draw is None:
                x = evaluate(layer, own, x)
            else:
                x, changed = train(layer, own, x, draw.inside(str(i)))
                updates.update(_walk(changed, str(i)))
        return x.values if isinstance(x, Masked) else x, {n: v for n, v in updates.items() if n not in self._frozen}

    def predict(
        self,
        theta: Array | Mapping[str, Array],
        x: Array,
        layer_state: Mapping[str, Array] | None = None,
        rows: int | None = None,
    ) -> Array:
        """f(x; θ) on plain arrays, some rows at a time.

        Args:
            theta: θ; or everything by its full name, as a run folder has it.
            layer_state: what stands beside θ, where that is not in `theta` already (see `Network.layer_state`).
            rows: at a time; by default so many that the largest layer's output takes about a megabyte.
        """
        named = theta if isinstance(theta, Mapping) else self.named(theta)
        parameters = self.tree({**named, **(layer_state or {})})
        rows = rows or self.rows_at_once(x.dtype.itemsize)
        pieces = [self.apply(parameters, x[i : i + rows])[0] for i in range(0, len(x), rows)]
        return np.concatenate(pieces) if len(pieces) != 1 else pieces[0]

    def rows_at_once(self, itemsize: int) -> int:
        """So many that the largest layer's output takes about a megabyte, and 16 at least."""
        largest = max(math.prod(shape) for shape in [self.input_shape, *self.shapes])
        return min(max(PIECE // (largest * itemsize), 16), 4096)

    def __repr__(self) -> str:
        return f"<Network {' → '.join(self.names)}: {self.input_shape} → {self.output_shape}, {self.size:,} parameters>"


def _array(value: Any) -> Any:
    """An initial value, of what stands beside θ too."""
    return value.value if isinstance(value, LayerState) else value


def _walk(tree: Mapping[str, object], prefix: str) -> Iterator[tuple[str, Any]]:
    """Leaves by their full names; a key `@tower` starts a name anew."""
    for key, value in tree.items():
        name = key[1:] if key.startswith("@") else f"{prefix}.{key}"
        if isinstance(value, dict):
            yield from _walk(value, name)
        else:
            yield name, value


def _names(tree: Mapping[str, object], prefix: str) -> dict[str, Any]:
    """The tree with each leaf's full name in its place."""
    names = {}
    for key, value in tree.items():
        name = key[1:] if key.startswith("@") else f"{prefix}.{key}"
        names[key] = _names(value, name) if isinstance(value, dict) else name
    return names


def matching(patterns: Sequence[str], names: Sequence[str]) -> set[str]:
    """The names that match any of the patterns. Raises UsageError for a pattern that none does."""
    found: set[str] = set()
    for pattern in patterns:
        matching = {name for name in names if fnmatchcase(name, pattern)}
        if not matching:
            raise UsageError(f"no parameter matches '{pattern}'{_guess(pattern, names)}")
        found |= matching
    return found


def _guess(name: str, names: Collection[str]) -> str:
    there = f"there are: {', '.join(names) or 'none'}"
    return f"; {did_you_mean(name, names, there)}"
