"""From a chain, or a single call that could be one, to an instruction of the machine.

The machine has longer calls, which do in one walk what NumPy needs several for. A chain is searched for them from its
last call backwards, each pattern laid over the tree of calls that lead there. Gradient descent's step, in which a is
argument 0, s argument 1 (a number) and b argument 2,

    ~0 = multiply(1, 2)
    ~1 = subtract(0, ~0)              AXPY is the pattern (subtract, a, (multiply, s, b))

is found so, k being the call that is looked at:

    k = 1   subtract is subtract                                  swallowed {~1}
            a meets argument 0: anything will do                  found {a: 0}
            (multiply, s, b) meets ~0, which is a multiply        swallowed {~1, ~0}
            s meets argument 1, a number; b meets argument 2      found {a: 0, s: 1, b: 2}
            ~0 has no other use, so nobody will miss it:          one call, AXPY(a=0, b=2, s=1); ~0 is done
    k = 0   is done already
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from trainer.compiler.chain import Chain
from trainer.compiler.functions import FUNCTIONS
from trainer.compiler.machine import _machine as m
from trainer.compiler.machine.instructions import ChainCall, MachineInstruction, fused
from trainer.types import Array

__all__ = ["CODES", "lower_chain"]

CODES: dict[Any, int] = {f: getattr(m, known.code) for f, known in FUNCTIONS.items() if known.code}

# The longer calls: code, pattern (a function and what it takes, nested), and the order in which the machine takes what
# the letters stand for: "a", "b" and "e" for anything, "s", "t" and "u" for numbers, "-" for a place that is not read.
# Where one pattern is part of another the longer one comes first.
# An argument by its letter, or a call: the ufunc and what it takes.
_Pattern: TypeAlias = "str | tuple[np.ufunc, *tuple[_Pattern, ...]]"

_LONGER: tuple[tuple[int, _Pattern, str], ...] = (
    (
        m.ADAM_STEP,
        (np.subtract, "a", (np.multiply, "s", (np.divide, "b", (np.add, (np.multiply, (np.sqrt, "e"), "t"), "u")))),
        "abestu",
    ),
    (m.MOVING_SQUARE, (np.add, (np.multiply, "s", "a"), (np.multiply, "t", (np.square, "b"))), "ab-st"),
    (m.MOVING_AVERAGE, (np.add, (np.multiply, "s", "a"), (np.multiply, "t", "b")), "ab-st"),
    (m.AXPY, (np.subtract, "a", (np.multiply, "s", "b")), "ab-s"),
    (m.TANH_VJP, (np.multiply, (np.add, "s", (np.multiply, "a", (np.negative, "a"))), "b"), "ab-s"),
    (m.TANH_VJP, (np.multiply, (np.subtract, "s", (np.multiply, "a", "a")), "b"), "ab-s"),
    (m.RELU_VJP, (np.multiply, "b", (np.greater, "a", "s")), "ab-s"),
    (m.MULTIPLY_ADD, (np.add, (np.multiply, "a", "b"), "e"), "abe"),
    (m.MULTIPLY_ADD, (np.add, "e", (np.multiply, "a", "b")), "abe"),
)


def lower_chain(chain: Chain, inputs: Sequence[object], outputs: Sequence[Array]) -> list[MachineInstruction]:
    """The machine's instruction for a chain. Raises ValueError, here or there, where the operands do not suit it."""
    shape, dtype = outputs[0].shape, outputs[0].dtype
    operands = [np.broadcast_to(x if isinstance(x, np.ndarray) else np.asarray(x, dtype), shape) for x in inputs]
    operands += outputs
    calls = list(_calls(chain, [not any(x.strides) for x in operands[: len(inputs)]]))
    # A register holds a result until its last use.
    last = {t: k for k, (_, _, taken) in enumerate(calls) for t in taken}
    places = {~k: len(inputs) + n for n, k in enumerate(chain.results)}
    table = []
    for k, (code, step, taken) in enumerate(calls):
        if ~step not in places:
            busy = {places[~j] for _, j, _ in calls[:k] if last.get(~j, -1) >= k}
            places[~step] = next(r for r in range(len(operands), 256) if r not in busy)
        table.append(ChainCall(code, places[~step], tuple(places.get(t, t) for t in taken)))
    return [fused(table, operands)]


def _calls(chain: Chain, number: Sequence[bool]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Code, step and what it takes, with several calls in one where the machine has that.

    Args:
        number: per argument whether it is one number, the same for all elements.
    """
    uses = [t for _, taken in chain.steps for t in taken]
    own = {~k for k in range(len(chain.steps)) if uses.count(~k) == 1 and k not in chain.results}
    done: set[int] = set()  # calls that a longer one has swallowed
    plan = []
    for k in reversed(range(len(chain.steps))):
        if ~k in done:
            continue
        for code, pattern, order in _LONGER:
            found: dict[str, int] = {}
            swallowed: set[int] = set()
            matches = _fits(chain, number, pattern, ~k, found, swallowed)
            if matches and swallowed - {~k} <= own - done:  # results in between are nobody else's
                done |= swallowed
                plan.append((code, k, tuple(found.get(name, found["a"]) for name in order)))
                break
        else:
            ufunc, taken = chain.steps[k]
            plan.append((CODES[ufunc], k, taken))
    return reversed(plan)


def _fits(
    chain: Chain, number: Sequence[bool], pattern: _Pattern, place: int, found: dict[str, int], swallowed: set[int]
) -> bool:
    """Whether a pattern fits what stands at a place of the chain: an argument n, or the result ~k of a call. Fills in
    what the letters stand for and which calls the pattern covers."""
    if isinstance(pattern, str):
        if pattern in "stu" and not (place >= 0 and number[place]):
            return False
        return found.setdefault(pattern, place) == place
    if place >= 0 or chain.steps[~place][0] is not pattern[0]:
        return False
    swallowed.add(place)
    taken = chain.steps[~place][1]
    return all(_fits(chain, number, p, t, found, swallowed) for p, t in zip(pattern[1:], taken, strict=True))
