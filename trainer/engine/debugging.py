"""Finding the first number that is not one.

    with trainer.debug():
        grad(f)(x)

Inside, every recorded call and every rule is looked at: the first value that is not finite, forward or backward, raises
`NonFiniteError` with the op, its plugin, the inputs' statistics and the line of the call; and an array that changed
between the forward call and the backward sweep raises `ChangedArrayError`. Outside, nothing of this exists: an observer
looks at each call while the block is open, and gives its entry a plan whose calls look before and after they run a
rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import numpy as np

from trainer.engine import verify
from trainer.engine.node import Node, Operation
from trainer.engine.observe import observed
from trainer.engine.op import Op
from trainer.engine.plan import Plan, RuleCall
from trainer.engine.tensor import Tensor
from trainer.errors import OpError

__all__ = ["ChangedArrayError", "NonFiniteError", "debug", "statistics"]


class NonFiniteError(OpError):
    """The first value that is not a finite number.

    Attributes:
        op: the op's name.
        direction: "forward" or "backward".
        index: the creation index of the entry, which tells when it was made.
    """

    def __init__(self, message: str, op: str, direction: str, index: int) -> None:
        super().__init__(message)
        self.op = op
        self.direction = direction
        self.index = index


class ChangedArrayError(OpError):
    """An array that a rule needs was written to after the forward call."""


@contextmanager
def debug() -> Iterator[None]:
    """Check every value that is computed with Tensors inside the block, in this thread (and context) alone.

    >>> from trainer import Tensor
    >>> with debug():
    ...     np.log(Tensor(1.0))
    Tensor(0.)
    """
    with observed(_check):
        yield


def _check(op: Op, args: Sequence[object], attributes: dict[str, object], result: Any) -> None:
    outputs = result if isinstance(result, tuple) else (result,)
    node = outputs[0]._node.parents[0] if isinstance(result, tuple) else result._node
    for output in outputs:
        if _has_non_finite(output.value):
            _judge(op, node, args, output.value)
    if node.plan is not None:
        node.plan = _CheckedPlan(node)


def _judge(op: Op, node: Node, args: Sequence[Any], y: Any) -> None:
    """Raise when this call is where the trouble begins. An infinity that came in may be meant, as in a mask; a nan that
    came in from outside the tape is not."""
    values = [a.value if isinstance(a, Tensor) else a for a in args]
    if not any(map(_has_non_finite, values)):
        raise _found(op, "forward", node, f"made {_counts(y)} from finite inputs", _inputs(op, values))
    if not np.isnan(y).any():
        return
    came = [i for i, v in enumerate(values) if _has_non_finite(v) and np.isnan(v).any()]
    if not came:
        raise _found(op, "forward", node, f"made {_counts(y)} from infinite inputs", _inputs(op, values))
    for i in came:
        parent = node.parents[i]
        if parent is None or parent.op is None:
            what = "a constant" if parent is None else "a variable"
            name = op._names(len(values))[i]
            raise _found(
                op, "forward", node, f"was given {_counts(values[i])} in '{name}', {what}", _inputs(op, values)
            )


class _CheckedPlan(Plan):
    """An entry's plan, whose calls look at what goes into a rule and what comes out."""

    def __init__(self, node: Node) -> None:
        plan = node.plan
        assert plan is not None
        self.names, self.sources, self.getter = plan.names, plan.sources, plan.getter
        prints = [_fingerprint(v) for v in node.residuals]
        self.calls = [_CheckedCall(call, node, prints) for call in plan.calls]


class _CheckedCall(RuleCall):
    __slots__ = ("call", "node", "prints")

    def __init__(self, call: RuleCall, node: Node, prints: list[int]) -> None:
        self.call, self.node, self.prints = call, node, prints
        self.rule, self.function, self.single = call.rule, call.function, call.single
        self.position, self.positions = call.position, call.positions
        self.direct = False  # the sweep then calls `run`

    def run(self, dy: object, residuals: tuple[object, ...], wanted: tuple[bool, ...]) -> object:
        op = self.node.op
        assert op is not None
        assert self.node.plan is not None
        for name, value, before in zip(self.node.plan.names, residuals, self.prints, strict=True):
            if _fingerprint(value) != before:
                raise ChangedArrayError(
                    f"'{name}' of op '{op.name}' was changed between the forward call and the backward sweep: the "
                    f"gradient would be wrong. Write to a copy instead\n"
                    f"  op        {op.name}, from {op.origin}\n  called    {verify.called(self.node)}"
                )
        result = self.call.run(dy, residuals, wanted)
        results = result if isinstance(result, list | tuple) else [result]
        cotangents = dy if isinstance(dy, tuple) else (dy,)
        if any(map(_has_non_finite, results)) and not any(map(_has_non_finite, cotangents)):
            bad = next(r for r in results if _has_non_finite(r))
            names = ", ".join(dict.fromkeys(op.inputs[0 if op.variadic else p] for p in self.positions))
            rows = {"dy": statistics(cotangents[0])} | {
                n: statistics(v) for n, v in zip(self.node.plan.names, residuals, strict=True) if _is_array(v)
            }
            what = f"made {_counts(bad)} for '{names}' from a finite cotangent"
            raise _found(op, "backward", self.node, what, rows)
        return result


def _found(op: Operation, direction: str, node: Node, what: str, rows: dict[str, str]) -> NonFiniteError:
    subject = f"op '{op.name}'" if direction == "forward" else f"the rule of op '{op.name}'"
    table = {"op": f"{op.name}, from {op.origin}", **rows, "called": verify.called(node)}
    width = max(9, *map(len, table))
    lines = "\n".join(f"  {name:<{width}} {text}" for name, text in table.items())
    return NonFiniteError(f"{direction}: {subject} {what}\n{lines}", op.name, direction, node.index)


def _inputs(op: Op, values: Sequence[object]) -> dict[str, str]:
    return {name: statistics(v) for name, v in zip(op._names(len(values)), values, strict=False) if _is_array(v)}


def statistics(value: object) -> str:
    """An array in one line: dtype, shape, smallest, largest and mean of the finite values, and how many are not finite.

    >>> statistics(np.array([1.0, -3.0, np.inf]))
    'float64 (3,), min -3, max 1, mean -1, 1 inf'
    """
    a = np.asarray(value.value if isinstance(value, Tensor) else value)
    text = f"{a.dtype} {a.shape}"
    if a.dtype.kind not in "fiu" or not a.size:
        return text
    finite = a[np.isfinite(a)]
    if finite.size:
        text += f", min {finite.min():.4g}, max {finite.max():.4g}, mean {finite.mean(dtype=np.float64):.4g}"
    return text if finite.size == a.size else f"{text}, {_counts(a)}"


def _counts(value: object) -> str:
    """How many values are not finite: `3 nan, 1 inf`."""
    a = np.asarray(value.value if isinstance(value, Tensor) else value)
    counts = {"nan": int(np.isnan(a).sum()), "inf": int(np.isinf(a).sum())}
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n)


def _is_array(value: object) -> bool:
    return isinstance(value, np.ndarray | np.generic | Tensor | float)


def _has_non_finite(value: object) -> bool:
    if isinstance(value, Tensor):
        value = value.value
    if isinstance(value, list | tuple):
        return any(map(_has_non_finite, value))
    if not isinstance(value, np.ndarray | np.generic | float | complex):
        return False
    return np.asarray(value).dtype.kind in "fc" and not np.isfinite(value).all()


def _fingerprint(value: object) -> int:
    """A checksum of an array's bytes; of anything else, none."""
    if isinstance(value, Tensor):
        value = value.value
    if isinstance(value, tuple):
        return hash(tuple(map(_fingerprint, value)))
    return crc32(np.ascontiguousarray(value).tobytes()) if isinstance(value, np.ndarray | np.generic) else 0
