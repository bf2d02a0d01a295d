"""Recurrent layers: a sequence read position by position, by the recurrences of `trainer_ops.recurrence`.

Sequences are (m, positions, features). At a position that the mask says does not exist the state stays what it was, as
in Keras; so the last state is that of the last existing position, and reading backwards begins at it. On the positions
that exist this is what PyTorch gives for packed sequences, whose output elsewhere is 0 where here it is the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from trainer.errors import UsageError
from trainer.limits import Checked, Limits
from trainer.nn import Masked
from trainer.nn.calls import name_of
from trainer.nn.initial import Initial, draw
from trainer.types import Array, Shape
from trainer_ops.layers.masking import check_sequences
from trainer_ops.recurrence import gru_states, lstm_states, rnn_states

__all__ = ["LAYERS", "Gru", "Lstm", "Rnn"]

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class _Recurrent(Checked):
    """What the three have in common; they differ in their gates and in how a state follows from the one before."""

    units: Annotated[int, Limits(ge=1)]
    sequences: bool = False
    reverse: bool = False
    bidirectional: bool = False
    initial: Initial = "glorot"
    masked: ClassVar[bool] = True
    gates: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reverse and self.bidirectional:
            raise UsageError(f"{name_of(self)}: bidirectional reads in both directions already; leave reverse out")

    def init(self, rng: np.random.Generator, input_shape: Shape) -> tuple[dict[str, Any], Shape]:
        positions, features = check_sequences(name_of(self), input_shape)
        if self.bidirectional:
            parameters: dict[str, Any] = {way: self._initial(rng, features) for way in ("forward", "reverse")}
        else:
            parameters = self._initial(rng, features)
        width = self.units * (2 if self.bidirectional else 1)
        return parameters, (positions, width) if self.sequences else (width,)

    def _initial(self, rng: np.random.Generator, features: int) -> dict[str, Array]:
        """Each gate is drawn for itself: the input's part by `initial`, the state's orthogonal."""
        units, gates = self.units, range(self.gates)
        return {
            "weights": np.hstack([draw(self.initial, rng, (features, units), features, units) for _ in gates]),
            "recurrent": np.hstack([draw("orthogonal", rng, (units, units), units, units) for _ in gates]),
            "bias": np.zeros(units * self.gates),
        }

    def apply(self, parameters: Parameters, x: Any) -> Any:
        values, mask = (x.values, x.mask) if isinstance(x, Masked) else (x, None)
        if not self.bidirectional:
            y = self._read(parameters, values, mask, self.reverse)
        else:
            both = [self._read(parameters[way], values, mask, way == "reverse") for way in ("forward", "reverse")]
            y = np.concatenate(both, axis=-1)
        return Masked(y, mask) if self.sequences and mask is not None else y

    def _read(self, parameters: Parameters, x: Any, mask: Any, reverse: bool) -> Any:
        """The states at all positions, or at the last that was read, in one direction."""
        x, mask = np.swapaxes(x, 0, 1), None if mask is None else np.swapaxes(mask, 0, 1)  # positions first
        if reverse:
            x, mask = x[::-1], None if mask is None else mask[::-1]
        z = np.reshape(x, (-1, x.shape[-1])) @ parameters["weights"] + parameters["bias"]
        h = self._states(np.reshape(z, (*x.shape[:-1], z.shape[-1])), parameters, mask)
        if not self.sequences:
            return h[-1]
        return np.swapaxes(h[::-1] if reverse else h, 0, 1)

    def _states(self, z: Any, parameters: Parameters, mask: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Rnn(_Recurrent):
    """h_t = f(x_t W + h_{t−1} U + b) over the positions of a sequence, from h₀ = 0. Elman, 1990.

        - rnn: 32
        - rnn: {units: 32, activation: relu, sequences: true}

    Args:
        units: how many numbers the state has.
        sequences: give the states of all positions, (m, positions, units), and not the last alone, (m, units).
        reverse: read from the last position to the first.
        bidirectional: read in both directions, each with parameters of its own, named `forward` and `reverse`, and put
            the two states side by side: 2·units.
        initial: how W is drawn (see `trainer.nn.initial.draw`); U is orthogonal, and b starts at 0.
        activation: f.

    Input (m, positions, n), parameters weights W (n, units), recurrent U (units, units) and bias (units,). PyTorch's
    RNN has two biases, of which this is the sum.
    """

    activation: Literal["tanh", "relu"] = "tanh"

    def _states(self, z: Any, parameters: Parameters, mask: Any) -> Any:
        return rnn_states(z, parameters["recurrent"], mask, activation=self.activation)


@dataclass(frozen=True)
class Gru(_Recurrent):
    """The gated recurrent unit: a state that is replaced in part. Cho et al., 2014; equations in `gru_states`.

        - gru: 32
        - gru: {units: 32, bidirectional: true}

    Args:
        units, sequences, reverse, bidirectional: as for `rnn`.
        initial: how the weights of each gate are drawn; those from the state are orthogonal, and biases start at 0.

    Input (m, positions, n), parameters weights (n, 3·units), recurrent (units, 3·units), bias (3·units,), each by
    columns the reset gate, the update gate and the candidate, which is PyTorch's order, and recurrent_bias (units,),
    which the reset gate reaches. PyTorch and Keras (`reset_after=True`) have two biases for the gates too, of which
    this is the sum; of Keras's columns the first two thirds change places.
    """

    gates: ClassVar[int] = 3

    def _initial(self, rng: np.random.Generator, features: int) -> dict[str, Array]:
        return {**super()._initial(rng, features), "recurrent_bias": np.zeros(self.units)}

    def _states(self, z: Any, parameters: Parameters, mask: Any) -> Any:
        return gru_states(z, parameters["recurrent"], parameters["recurrent_bias"], mask)


@dataclass(frozen=True)
class Lstm(_Recurrent):
    """Long short-term memory: a state that gates protect. Hochreiter & Schmidhuber, 1997; equations in `lstm_states`.

        - lstm: 32
        - lstm: {units: 32, sequences: true}     # for another lstm to follow

    Args:
        units, sequences, reverse, bidirectional: as for `rnn`.
        initial: how the weights of each gate are drawn; those from the state are orthogonal. The biases start at 0,
            but that of the forget gate at 1, so that at first it forgets little (Jozefowicz et al., 2015; as Keras).

    Input (m, positions, n), parameters weights (n, 4·units), recurrent (units, 4·units) and bias (4·units,), each by
    columns the input gate, the forget gate, the output gate and the candidate. PyTorch has the candidate before the
    output gate, rows for columns, and two biases, of which this is the sum; Keras has the candidate there too.
    """

    gates: ClassVar[int] = 4

    def _initial(self, rng: np.random.Generator, features: int) -> dict[str, Array]:
        parameters = super()._initial(rng, features)
        parameters["bias"][self.units : 2 * self.units] = 1
        return parameters

    def _states(self, z: Any, parameters: Parameters, mask: Any) -> Any:
        return lstm_states(z, parameters["recurrent"], mask)


LAYERS: tuple[type, ...] = (Rnn, Gru, Lstm)
