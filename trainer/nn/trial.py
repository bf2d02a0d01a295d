"""A network tried on a few rows before the first step: every call of every layer held against what it must give.

A layer is anybody's code, and a step itself looks at nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from trainer.compiler.surroundings import Draws, same_bits
from trainer.engine.tensor import Tensor
from trainer.engine.tree import leaves
from trainer.errors import DataError, DetachError, ShapeError, TrainerError
from trainer.nn.calls import LayerState, Masked, Still, evaluate, name_of, seen_by
from trainer.nn.contract import Updates, own_train
from trainer.nn.draw import Draw
from trainer.nn.initialise import initialised, line_of, told
from trainer.nn.structure import LayerError, Parallel, Repeat, Residual, Sequential, Shared
from trainer.rng import Sketch
from trainer.types import Array, Shape
from trainer.wording import describe, did_you_mean

if TYPE_CHECKING:
    from trainer.nn.network import Network

__all__ = ["try_layers"]


def try_layers(network: Network, values: Mapping[str, Array], x: Array) -> Array:
    """The network's output for some rows, after a look at every layer: in evaluation, and in training.

    Args:
        values: all that the network has, by full name (see `Network.initial_values`).

    Raises LayerError, with the path to the layer, where one fails or gives anything else than it should.
    """
    layers = [
        _Tried(layer, (i,), f"layer {i} ({name})")
        for i, (layer, name) in enumerate(zip(network.layers, network.names, strict=True))
    ]
    shape = network.input_shape
    for layer in layers:
        _, shape = layer.init(Sketch(), shape)
    tried = network.with_layers(layers)
    predictions = tried.predict(values, x)
    learnt = {part.name for part in network.parts}
    recorded = {name: Tensor(value) if name in learnt else value for name, value in values.items()}
    tried.apply(tried.tree(recorded), x, Draw(0, np.int64(0), str(x.dtype), ""))
    return predictions


class _Tried:
    """A layer with a look at each of its calls, and at those of the layers in it.

    Args:
        path: to the layer, as in a LayerError.
        label: what messages call it.
    """

    masked: ClassVar[bool] = True

    def __init__(self, layer: object, path: tuple[int | str, ...], label: str) -> None:
        self.layer, self.path, self.label = layer, path, label
        self.name = name_of(layer)
        self.inner = _within(layer, path, f"{label}: within {self.name}: ")
        # By the input's shape what `init` said is kept, and the output's shape.
        self.stated: dict[Shape, tuple[dict[str, Any], Shape]] = {}

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        parameters, shape = initialised(self.inner, rng, input_shape)
        self.stated[tuple(input_shape)] = _kept(parameters), shape
        return parameters, shape

    def apply(self, parameters: Mapping[str, object], x: object) -> Any:
        with self._telling("apply"):
            y = evaluate(self.inner, _explaining(parameters), x)
        self._check_output("apply", x, y)
        return y

    def train(self, parameters: Mapping[str, object], x: object, draw: Draw) -> tuple[Any, dict[str, Any]]:
        if self.inner is not self.layer:  # each of the layers in it is tried
            return self._trained(parameters, x, draw)
        again, draws = copy(draw), Draws(self.layer, ())
        given = self._trained(parameters, x, draw)
        source, anew = draws.source(), Draws(self.layer, ()) if draws.doubtful() else None
        found, repeated = _plain(given), _plain(self._trained(parameters, x, again))
        if anew is not None:
            source = anew.source()
        if source or len(found) != len(repeated) or not all(map(same_bits, found, repeated)):
            random = f"drew random numbers from {source}" if source else "gave other numbers for the same rows"
            method = "apply" if own_train(self.inner) is None else "train"
            self._refuse(
                method,
                f"{random}, and a step must be a function of what it is given: take them from the argument `draw` of "
                "train(self, parameters, x, draw), as draw(shape), which gives others in every step",
            )
        return given

    def _trained(self, parameters: Mapping[str, object], x: object, draw: Draw) -> tuple[Any, dict[str, Any]]:
        own = own_train(self.inner)
        if own is None:
            return self.apply(parameters, x), {}
        with self._telling("train"):
            seen, around = seen_by(self.inner, x)
            y, updates = self._output_and_updates(own(_explaining(parameters), seen, draw))
            y = around(y)
        self._check_output("train", x, y)
        self._check_updates(updates, self.stated[_values(x).shape[1:]][0])
        return y, updates

    def _output_and_updates(self, returned: object) -> tuple[Any, Updates]:
        """What a `train` returned. An array would unpack as well, so what comes is looked at first."""
        if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[1], dict):
            shown = f"({', '.join(map(describe, returned))})" if type(returned) is tuple else describe(returned)
            what = "it must return (y, updates), the output and a dict of new values of what it keeps, {} for none"
            self._refuse("train", f"returned {shown}; {what}")
        y, updates = returned
        return y, updates

    def _check_output(self, method: str, x: object, y: object) -> None:
        values, after = _values(x), _values(y)
        if not isinstance(after, np.ndarray | np.generic | Tensor):
            self._refuse(method, f"returned {describe(after)}; the output is an array")
        wanted = (values.shape[0], *self.stated[values.shape[1:]][1])
        if after.shape != wanted:
            self._refuse(
                method,
                f"gave shape {after.shape} for {values.shape[0]} rows, and init states {wanted[1:]} per example, which "
                f"makes {wanted}; let init return the shape that {method} gives",
            )

    def _check_updates(self, updates: Mapping[str, Any], own: Mapping[str, Any], prefix: str = "") -> None:
        for key, value in updates.items():
            known, name = own.get(key), f"{prefix}{key}"
            if isinstance(value, dict) and isinstance(known, dict):
                self._check_updates(value, known, f"{name}.")
            elif not isinstance(known, LayerState):
                what = "only what init returns as trainer.nn.LayerState(array) is kept from step to step"
                self._refuse("train", f"returned a new value of '{name}'; {what}")
            elif np.shape(value) != np.shape(known.value):
                self._refuse(
                    "train", f"returned '{name}' in shape {np.shape(value)}; init gave it {np.shape(known.value)}"
                )

    def _refuse(self, method: str, what: str) -> NoReturn:
        raise LayerError(self.path, f"{self.label}: {method} {what}{line_of(self.layer, method)}")

    @contextmanager
    def _telling(self, method: str) -> Iterator[None]:
        """Turn what a layer raises into a LayerError, except what an op says of its own rules."""
        try:
            yield
        except LayerError:
            raise
        except (ShapeError, DataError) as error:
            raise LayerError(self.path, f"{self.label}: {error}") from error
        except Exception as error:
            if isinstance(error, TrainerError) and not isinstance(error, DetachError):
                raise
            does, what = "raised ", told(self.layer, error)
            if isinstance(error, _NoParameter):
                does, what = "takes ", what.removeprefix("_NoParameter: ")
            raise LayerError(self.path, f"{self.label}: {method} {does}{what}") from error


def _kept(tree: Mapping[str, Any]) -> dict[str, Any]:
    """What of initial values is kept from step to step; the others may be large."""
    return {
        key: _kept(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if isinstance(value, dict | LayerState)
    }


def _within(layer: object, path: tuple[int | str, ...], before: str) -> Any:
    """A layer of layers, with each of those tried; any other as it is."""
    if not isinstance(layer, Parallel | Repeat | Residual | Sequential | Shared):
        return layer
    if isinstance(layer, Shared):
        path = ("@", layer.name)
    inside: dict[str, Any] = {}
    for field in fields(layer):
        held = getattr(layer, field.name)
        if not isinstance(held, tuple):
            continue
        at = path if isinstance(layer, Sequential | Shared) else (*path, field.name)
        inside[field.name] = tuple(
            _within(each, (*at, i), before)
            if isinstance(each, Sequential)
            else _Tried(each, (*at, i), f"{before}layer {0 if field.name == 'paths' else i} ({name_of(each)})")
            for i, each in enumerate(held)
        )
    return replace(layer, **inside)


class _NoParameter(KeyError):
    """A name that no parameter has."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Parameters(dict[str, Any]):
    """Parameters that say which there are when one is asked for that is not."""

    def __missing__(self, key: str) -> NoReturn:
        hint = did_you_mean(key, self, f"there are: {', '.join(self) or 'none'}")
        raise _NoParameter(f"a parameter {key!r} that init does not give; {hint}")


class _StillParameters(_Parameters, Still):
    """Those of a layer that is frozen say so, too."""


def _explaining(parameters: Mapping[str, object]) -> _Parameters:
    """The same parameters, those of each layer within as what they are: frozen or not."""
    kind = _StillParameters if isinstance(parameters, Still) else _Parameters
    return kind({key: _explaining(value) if isinstance(value, dict) else value for key, value in parameters.items()})


def _plain(returned: tuple[object, dict[str, object]]) -> list[Any]:
    """The numbers that a layer gave, output and updates."""
    y, updates = returned
    return [value._value if isinstance(value, Tensor) else value for value in leaves((_values(y), updates))]


def _values(x: object) -> Any:
    return x.values if isinstance(x, Masked) else x
