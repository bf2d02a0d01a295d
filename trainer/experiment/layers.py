"""The layers of a training in numbers: shapes, parameters, and the operations that a step runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from trainer.engine.tree import leaves
from trainer.training import Training

__all__ = ["LayerRow", "layer_table"]


@dataclass(frozen=True)
class LayerRow:
    """One layer in numbers: the shape per example, how many parameters, and scalar operations per step."""

    name: str
    output_shape: tuple[int, ...]
    parameters: int
    forward: int
    backward: int


def layer_table(training: Training) -> list[LayerRow]:
    """Shapes, parameters and operations of each layer, read off the recorded step of one full batch.

    The rules are recorded too, so the backward count is of what a step runs, not an estimate. A parameter that several
    layers share is counted where it comes first, and one that is not learnt nowhere.
    """
    network = training.network
    operations: Counter[tuple[str, str]] = Counter()
    for instruction in training.program().instructions:
        operations[instruction.scope] += instruction.operations()
    sizes, rows = {part.name: part.slice.stop - part.slice.start for part in network.parts}, []
    for i, (name, own) in enumerate(zip(network.names, network.trees, strict=True)):
        place = f"{i} {name}"
        size = sum(sizes.pop(leaf, 0) for leaf in leaves(own))
        forward, backward = operations["forward", place], operations["backward", place]
        rows.append(LayerRow(name, network.shapes[i], size, forward, backward))
    return rows
