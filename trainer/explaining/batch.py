"""One mini-batch forward and backward, layer by layer: what a training looks like from the inside, before it begins."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainer.engine.transforms import vjp
from trainer.engine.tree import leaves
from trainer.nn.calls import Masked, evaluate
from trainer.training import Training
from trainer.types import Array

__all__ = ["LayerLook", "Spread", "look"]


PIECES = 10  # that the range of some values is divided into


@dataclass(frozen=True)
class Spread:
    """How numbers are spread.

    Attributes:
        rms, least, largest: of them.
        zeros: the share that is exactly 0.
        counts: how many there are in each tenth of the range from least to largest; none where that is not finite.
    """

    rms: float
    least: float
    largest: float
    zeros: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: Array) -> Spread:
        """That of an array.

        >>> Spread.of(np.array([0.0, 3.0, -4.0, 0.0]))
        Spread(rms=2.5, least=-4.0, largest=3.0, zeros=0.5, counts=(1, 0, 0, 0, 0, 2, 0, 0, 0, 1))
        """
        exact = values.astype(np.float64)
        least, largest = float(exact.min()), float(exact.max())
        finite = math.isfinite(least) and math.isfinite(largest)
        counts = tuple(np.histogram(exact, PIECES)[0].tolist()) if finite else ()
        return cls(float(np.sqrt(np.mean(exact * exact))), least, largest, float(np.mean(exact == 0)), counts)


@dataclass(frozen=True)
class LayerLook:
    """A layer on one batch.

    Attributes:
        name: what the config calls it; "cost" of the last row.
        shape: of its output, with the batch axis.
        values: of its output.
        cotangents: of the derivative of the mean cost by its output; None where none passes.
        gradient: rms of the gradient of its parameters; nan where it has none.
        nbytes: of its output.
        forward, backward: seconds of one pass, by the tape.
    """

    name: str
    shape: tuple[int, ...]
    values: Spread
    cotangents: Spread | None
    gradient: float
    nbytes: int
    forward: float
    backward: float


def look(training: Training) -> list[LayerLook]:
    """Every layer as it evaluates the first batch, and the cost; nothing is drawn, and nothing moves.

    The derivative is taken a layer at a time, from the cost down, so that each cotangent is seen. Below a layer that
    takes no numbers, such as an embedding, and of sequences with a mask, there is none.
    """
    network, state = training.network, training.now
    x, y = (array[training.batches(0)[0]] for array in training.data.train.arrays[:2])
    parameters = network.tree({**network.named(state.theta), **state.layer_state})
    rows, pullbacks = list[LayerLook](), list[Callable[[Array], tuple[Any, Array | None]]]()
    with np.errstate(all="ignore"):
        for name, layer, own in zip(network.names, network.layers, parameters, strict=True):
            began = time.perf_counter()
            x, pullback = _recorded(layer, own, x)
            values = _plain(x)
            rows.append(_row(name, values, _since(began)))
            pullbacks.append(pullback)
        began = time.perf_counter()
        costs, pull = vjp(lambda p: training.cost(p, y), _plain(x))
        rows.append(_row("cost", costs, _since(began)))
        dy: Array | None = pull(np.full(costs.shape, 1 / len(costs), costs.dtype))[0]
        for i in reversed(range(len(network.layers))):
            if dy is None:
                break
            began = time.perf_counter()
            of_parameters, before = pullbacks[i](dy)
            known = [np.ravel(g) for g in leaves(of_parameters)]
            gradient = Spread.of(np.concatenate(known)).rms if known else math.nan
            rows[i] = replace(rows[i], cotangents=Spread.of(dy), gradient=gradient, backward=_since(began))
            dy = before
    return rows


def _recorded(layer: Any, own: Any, x: Any) -> tuple[Any, Callable[[Array], tuple[Any, Array | None]]]:
    """A layer's output, and what its cotangent makes of the parameters' and the input's, where that has one."""
    if _plain(x).dtype.kind != "f":
        _, of_own = vjp(lambda p: _plain(evaluate(layer, p, x)), own)
        return evaluate(layer, own, x), lambda dy: (of_own(dy)[0], None)
    mask = x.mask if isinstance(x, Masked) else None

    def apply(p: Any, values: Any) -> Any:
        return evaluate(layer, p, values if mask is None else Masked(values, mask))

    _, pullback = vjp(lambda p, values: _plain(apply(p, values)), own, _plain(x))
    return apply(own, _plain(x)), lambda dy: pullback(dy)


def _row(name: str, values: Array, seconds: float) -> LayerLook:
    return LayerLook(name, values.shape, Spread.of(values), None, math.nan, values.nbytes, seconds, 0.0)


def _since(began: float) -> float:
    return time.perf_counter() - began


def _plain(value: Any) -> Any:
    return value.values if isinstance(value, Masked) else value
