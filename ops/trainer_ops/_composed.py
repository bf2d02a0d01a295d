"""Rules for functions that NumPy itself composes of others.

Where no shorter formula exists, the derivative of such a function is that of its definition: the rule differentiates a
plain NumPy transcription, whose own parts have rules. It runs the transcription once more in the backward sweep.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from trainer import Op, vjp

__all__ = ["composed"]


def composed(op: Op, definition: Callable[..., Any]) -> Op:
    """Give every input of `op` the rule that follows from `definition`, a function of the same arguments."""
    op.vjp(*op.inputs)(_Rule(op, definition))
    return op


class _Rule:
    """A rule for all inputs at once. Its signature, which the engine reads, asks for all of them."""

    def __init__(self, op: Op, definition: Callable[..., Any]) -> None:
        self.definition, self.inputs = definition, op.inputs
        kinds = inspect.Parameter
        positional = [kinds(n, kinds.POSITIONAL_OR_KEYWORD) for n in ("dy", "wanted", *op.inputs)]
        self.__signature__ = inspect.Signature([*positional, *(kinds(n, kinds.KEYWORD_ONLY) for n in op.attributes)])

    def __call__(self, dy: Any, wanted: tuple[bool, ...], *arrays: Any, **attributes: Any) -> Any:
        if len(arrays) == 1:  # a rule of one input runs only when it is wanted, and returns the one cotangent
            _, pullback = vjp(lambda x: self.definition(x, **attributes).astype(dy.dtype, copy=False), arrays[0])
            return pullback(dy)[0]
        places = [i for i, want in enumerate(wanted) if want]

        def of_wanted(*chosen: Any) -> Any:
            replaced = dict(zip(places, chosen, strict=True))
            y = self.definition(*[replaced.get(i, a) for i, a in enumerate(arrays)], **attributes)
            return y.astype(dy.dtype, copy=False)  # where NumPy's own function promotes, as to float64

        _, pullback = vjp(of_wanted, *[arrays[i] for i in places])
        found = dict(zip(places, pullback(dy), strict=True))
        return [found.get(i) for i in range(len(arrays))]
