"""A chain: several element-wise calls on arrays of one shape as one instruction.

Its results in between are nobody else's, so they need no memory of their own: an executor takes a piece of the arrays
at a time through the whole chain, and what a call leaves in the cache the next one finds there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trainer.compiler.functions import COMPARISONS
from trainer.compiler.program import Instruction, Value
from trainer.engine.op import Op

__all__ = ["Chain", "chain_of"]


@dataclass(frozen=True)
class Chain:
    """The calls, in order.

    Attributes:
        steps: per call a ufunc and what it takes: argument n of the instruction as n, the result of call k as ~k.
        results: the calls whose results are the instruction's outputs.

    >>> shrink = Chain(((np.multiply, (0, 1)), (np.subtract, (0, ~0))), (1,))
    >>> shrink
    ~0 = multiply(0, 1); ~1 = subtract(0, ~0)
    >>> shrink(np.array([4.0, 6.0]), 0.5)
    array([2., 3.])
    """

    steps: tuple[tuple[Any, tuple[int, ...]], ...]
    results: tuple[int, ...]

    def __call__(self, *inputs: object) -> object:
        found: list[Any] = []
        for ufunc, taken in self.steps:
            found.append(ufunc(*(inputs[t] if t >= 0 else found[~t] for t in taken)))
        outputs = tuple(found[k] for k in self.results)
        return outputs if len(outputs) > 1 else outputs[0]

    def is_mask(self, step: int) -> bool:
        """Whether a call's result is true and false, which a multiplication takes as 1 and 0."""
        return self.steps[step][0] in COMPARISONS

    def registers(self) -> list[int]:
        """Per call a register for its result, which is free again after the result's last use."""
        last = {~t: k for k, (_, taken) in enumerate(self.steps) for t in taken if t < 0}
        found: list[int] = []
        for k in range(len(self.steps)):
            busy = {found[j] for j in range(k) if last.get(j, -1) >= k}
            found.append(min(set(range(k + 1)) - busy))
        return found

    def may_overwrite(self, output: int, inputs: Sequence[Value], argument: Value) -> bool:
        """Whether an output may be written over an argument, element by element: nothing later reads that."""
        places = {n for n, value in enumerate(inputs) if value is argument}
        return all(places.isdisjoint(taken) for _, taken in self.steps[self.results[output] + 1 :])

    def instruction(self, inputs: tuple[Value, ...], outputs: tuple[Value, ...], like: Instruction) -> Instruction:
        """The chain on these values; in the place, as scope goes, of one of its calls."""
        op = Op(self, name="+".join(ufunc.__name__ for ufunc, _ in self.steps), inputs=("arrays",))
        count = len(self.steps) * math.prod(outputs[0].shape)
        op.operations(lambda *_: count)
        return Instruction(op, inputs, {}, outputs, like.scope)

    def alone(self, instruction: Instruction, output: Value) -> Instruction:
        """What computes one output of an instruction that is this chain: the calls that lead there, and no other.

        >>> both = Chain(((np.add, (0, 1)), (np.square, (2,)), (np.sqrt, (~0,))), (1, 2))
        >>> values = [Value(np.ones(3)) for _ in range(5)]
        >>> both.alone(both.instruction(values[:3], values[3:], Instruction(None, (), {}, ())), values[4]).op.forward
        ~0 = add(0, 1); ~1 = sqrt(~0)
        """
        needed = {self.results[instruction.outputs.index(output)]}
        for k in range(len(self.steps) - 1, -1, -1):
            if k in needed:
                needed |= {~t for t in self.steps[k][1] if t < 0}
        kept = sorted(needed)
        taken = sorted({t for k in kept for t in self.steps[k][1] if t >= 0})
        steps = tuple(
            (self.steps[k][0], tuple(taken.index(t) if t >= 0 else ~kept.index(~t) for t in self.steps[k][1]))
            for k in kept
        )
        inputs = tuple(instruction.inputs[t] for t in taken)
        return Chain(steps, (len(kept) - 1,)).instruction(inputs, (output,), instruction)

    def __repr__(self) -> str:
        names = [", ".join(f"~{~t}" if t < 0 else str(t) for t in taken) for _, taken in self.steps]
        return "; ".join(
            f"~{k} = {u.__name__}({n})" for k, ((u, _), n) in enumerate(zip(self.steps, names, strict=True))
        )


def chain_of(instruction: Instruction) -> Chain | None:
    """The chain that an instruction is, if it is one."""
    forward = instruction.op.forward
    return forward if isinstance(forward, Chain) else None
