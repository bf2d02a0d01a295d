"""What a step minimises, (1): the mean cost of a batch, with its gradient as a vector like θ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

import numpy as np

from trainer.engine.tensor import Tensor
from trainer.engine.transforms import stop_gradient, value_and_grad
from trainer.errors import UsageError
from trainer.limits import Checked, Limits
from trainer.nn.draw import Draw
from trainer.nn.network import Network
from trainer.types import Array, CostFunction, Numeric

__all__ = ["Objective", "Penalty"]


@dataclass(frozen=True)
class Penalty(Checked):
    """A price of large parameters: l1 · Σ|w| + l2 · ½ Σw², added to the loss of every step.

    With the ½, l2 is what optimizers call weight decay (the gradient grows by l2 · w); Keras's L2 has none.

    Args:
        parameters: a pattern of names, such as `*.weights`; by default all.
    """

    l1: Annotated[float, Limits(ge=0)] = 0.0
    l2: Annotated[float, Limits(ge=0)] = 0.0
    parameters: str = "*"

    def of(self, named: Mapping[str, Numeric]) -> Any:
        """The price of these parameters."""
        price: Numeric | float = 0.0
        for name, w in named.items():
            if fnmatchcase(name, self.parameters):
                if self.l1:
                    price = price + self.l1 * np.sum(np.absolute(w))
                if self.l2:
                    price = price + 0.5 * self.l2 * np.sum(np.square(w))
        return price


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of a batch as a function of θ.

    Args:
        network: f.
        cost: C of (predictions, targets), one value per example, shape (m,).
        penalties: what is added to the mean cost.
        seed: of what layers draw.
        share: how much of a batch's loss that of these rows is, see `trainer.training.shards`.
    """

    network: Network
    cost: CostFunction
    penalties: Sequence[Penalty] = ()
    seed: int = 0
    share: float = 1.0

    def loss(
        self,
        named: Mapping[str, Numeric],
        layer_state: Mapping[str, Numeric],
        batch: Sequence[Numeric],
        step: Numeric | int,
        entering: Callable[[int], None] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """The loss and the new values of what is kept.

        Args:
            named: the parameters in θ by their names.
            layer_state: what stands beside θ.
            batch: inputs and targets, and weights of the examples where there are any.
            step: τ, a whole number, which what layers draw depends on.
            entering: is told the position of each layer before its turn, and last that of the cost.
        """
        x, y, *weights = batch
        network = self.network
        dtype = next((v.dtype for v in (*named.values(), *layer_state.values())), np.dtype(float))
        draw = Draw(self.seed, step, str(dtype), "")
        predictions, updates = network.apply(network.tree({**named, **layer_state}), x, draw, entering)
        if entering is not None:
            entering(len(network.layers))
        costs = self.cost(predictions, y)
        loss = np.mean(costs * weights[0] if weights else costs)
        for penalty in self.penalties:
            loss = loss + penalty.of(named)
        return loss if self.share == 1 else loss * dtype.type(self.share), updates

    def gradient(
        self,
        theta: Array,
        batch: Sequence[Numeric],
        layer_state: Mapping[str, Numeric] | None = None,
        step: Numeric | int = 0,
    ) -> tuple[Any, Any, dict[str, Any]]:
        """The loss, g of (1) as a vector like θ, and what stands beside θ after the step."""
        value, gradients, after = self.gradients(self.network.named(theta), batch, layer_state, step)
        parts = [np.reshape(gradients[part.name], -1) for part in self.network.parts]
        return value, np.concatenate(parts) if len(parts) > 1 else parts[0], after

    def gradients(
        self,
        named: Mapping[str, Numeric],
        batch: Sequence[Numeric],
        layer_state: Mapping[str, Numeric] | None = None,
        step: Numeric | int = 0,
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """The same of the parameters in θ by their names, with the gradient of each."""
        if not self.network.parts:
            raise UsageError(
                "the network has no parameter to learn; a layer such as dense brings some, and freeze fewer"
            )
        layer_state = layer_state or {}
        updated: dict[str, Any] = {}

        def loss(named: Mapping[str, Numeric]) -> Any:
            value, updates = self.loss(named, layer_state, batch, step)
            updated.update((name, stop_gradient(update)) for name, update in updates.items())
            return value

        value, gradients = value_and_grad(loss)(named)
        if not isinstance(value, Tensor):  # not within a record: what the updates hold of the tape is let go
            updated = {n: u.value if isinstance(u, Tensor) else u for n, u in updated.items()}
        return value, gradients, {**layer_state, **updated}
