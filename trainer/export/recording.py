"""A network's forward function as a program: what its layers come down to, for batches of one size."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.compiler.program import Program
from trainer.compiler.scope import move, named_scope
from trainer.compiler.tracing import trace
from trainer.nn.network import Network
from trainer.types import Array, Numeric

__all__ = ["recorded"]


def recorded(
    network: Network, named: Mapping[str, Array], dtype: npt.DTypeLike, rows: int, whole: Collection[str] = ()
) -> Program:
    """The program of f(x; θ): its inputs are x, of so many rows, and the parameters, in the order of `named`.

    named: by full name, in alphabetical order, which is that of a tree's leaves.
    whole: the names of ops that stay one call, however they are written.
    """
    places = [f"{i} {name}" for i, name in enumerate(network.names)]

    def forward(x: Numeric, parameters: dict[str, Numeric]) -> Any:
        with named_scope("forward", ""):
            return network.apply(network.tree(parameters), x, entering=lambda i: move("forward", places[i]))[0]

    x = np.zeros((rows, *network.input_shape), dtype)
    with np.errstate(all="ignore"):
        return trace(forward, (x, dict(named)), whole=lambda op: op.name in whole).program
