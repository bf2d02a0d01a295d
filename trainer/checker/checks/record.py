"""What is on the tape is all that the sweep needs, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from trainer.checker.case import Case
from trainer.checker.evidence import failure, leaves_numpy
from trainer.checker.references import quietly
from trainer.checker.report import Failure
from trainer.compiler.compiled import compile
from trainer.engine.rules import Rule
from trainer.engine.tape import Tape
from trainer.engine.tensor import Tensor
from trainer.engine.transforms import vjp
from trainer.engine.tree import flatten
from trainer.errors import DetachError, ShapeError
from trainer.types import ArrayLike

__all__ = ["compiled", "recorded", "residuals", "written"]


def residuals(case: Case) -> Iterator[Failure | str]:
    """A rule uses the values that its signature declares, and no others that it got hold of."""
    if case.op is None:
        return
    dys = case.outputs.cotangents(np.random.default_rng([case.number, 13]).normal(size=case.outputs.size))
    want = case.pulled[1](dys)
    for how, prepare in (("another call has come between", _call_between), ("the others are overwritten", _poison)):
        arguments = [a.copy() if isinstance(a, np.ndarray) else a for a in case.arguments]
        xs = [arguments[p] for p in case.positions]
        fresh = case.replaced(xs)
        fresh.arguments = tuple(arguments)
        taped, _, pullback = fresh.taped(xs)
        for position, array in zip(case.positions, taped, strict=True):
            arguments[position] = array
        prepare(fresh, arguments, fresh.call_all(arguments))
        for k, (got, expected) in enumerate(zip(pullback(dys), want, strict=True)):
            if np.asarray(got).tobytes() != np.asarray(expected).tobytes():
                rule = _rule(case, case.positions[k])
                kept = ", ".join(rule.residuals) if rule else ""
                yield failure(
                    residuals, case, f"the rule for '{case.label(k)}' uses a value that it does not declare",
                    ("declared", kept or "nothing"), ("found by", f"its result changes when {how}"),
                    argument=case.positions[k],
                )  # fmt: skip
                return


def _call_between(case: Case, arguments: list[object], ys: tuple[ArrayLike, ...]) -> None:
    """Another call of the same op, on other values, which a rule that remembers the last call will take for its own."""
    try:
        with quietly():
            case.forward([np.array(x * 0.75 + 0.0625, x.dtype) for x in arguments_at(case, arguments)])
    except Exception:  # other values that the op does not accept prove nothing
        return


def arguments_at(case: Case, arguments: list[object]) -> list[ArrayLike]:
    """The differentiable ones among all arguments."""
    return [arguments[p] for p in case.positions]


def _poison(case: Case, arguments: list[object], ys: tuple[ArrayLike, ...]) -> None:
    """Write nan, or zero, into the inputs that no rule asks for and that the results do not lie in."""
    declared = {n for p in case.positions if (rule := _rule(case, p)) for n in rule.residuals}
    for i, a in enumerate(arguments):
        assert case.op is not None
        name = case.op.inputs[0 if case.op.variadic else i]
        viewed = isinstance(a, np.ndarray) and any(np.may_share_memory(a, y) for y in ys)
        if isinstance(a, np.ndarray) and name not in declared and not viewed:
            a[...] = np.nan if a.dtype.kind in "fc" else 0


def _rule(case: Case, position: int) -> Rule | None:
    assert case.op is not None
    rule = case.op.rules.get(case.op.inputs[0 if case.op.variadic else position])
    return rule if isinstance(rule, Rule) else None


def recorded(case: Case) -> Iterator[Failure | str]:
    """On the tape and off it, swept once or again or recorded, the bits are the same."""
    dys = case.outputs.cotangents(np.random.default_rng([case.number, 14]).normal(size=case.outputs.size))
    ys, pullback = case.pulled
    for y, eager in zip(ys, case.ys, strict=True):
        if np.asarray(y).tobytes() != eager.tobytes():
            yield failure(recorded, case, "a recorded call gives other bits than a plain one")
            return
    want = pullback(dys)
    found = {"a second sweep": pullback(dys)}
    if case.order == 2:
        with quietly():
            try:
                again = case.pull(case.xs)[1]([Tensor(dy) if dy.dtype.kind in "fc" else dy for dy in dys])
                found["a sweep that is recorded"] = tuple(g.value if isinstance(g, Tensor) else g for g in again)
            except Exception as error:
                if not leaves_numpy(error):
                    raise
    if len(ys) == 1:
        found["the tape's replay"] = _replayed(case, dys[0])
    for how, results in found.items():
        for k, (got, expected) in enumerate(zip(results, want, strict=True)):
            if got is not None and np.asarray(got).tobytes() != np.asarray(expected).tobytes():
                yield failure(
                    recorded, case, f"the rule for '{case.label(k)}' gives other bits in {how}",
                    argument=case.positions[k],
                )  # fmt: skip


def _replayed(case: Case, dy: ArrayLike) -> tuple[Any, ...]:
    """The gradients that the tape as an object finds; None for an input that none reaches."""
    tensors = [Tensor(x) for x in case.xs]
    (y,) = case.call(*tensors)
    if not isinstance(y, Tensor) or y._node.plan is None:
        return (None,) * len(tensors)
    tape = Tape(y)
    adjoints = tape.replay(dy)
    return tuple(adjoints.get(tape.names[t._node]) if t._node in tape.names else None for t in tensors)


def written(case: Case) -> Iterator[Failure | str]:
    """Whoever writes to an array that was given, or that came back, before the sweep changes no gradient."""
    if len(case.ys) > 1 or not case.outputs.size:
        return
    dy = case.outputs.cotangents(np.random.default_rng([case.number, 20]).normal(size=case.outputs.size))[0]
    want = case.pulled[1]((dy,))
    arguments = [a.copy() if isinstance(a, np.ndarray) else a for a in case.arguments]
    xs = [arguments[p] for p in case.positions]
    tensors = [Tensor(x) for x in xs]
    for position, tensor in zip(case.positions, tensors, strict=True):
        arguments[position] = tensor
    (y,) = case.call_all(arguments)
    if (
        isinstance(y, np.ndarray | np.generic) or y._node.plan is None
    ):  # a step function's gradient is 0, whatever happens
        return
    for array in xs:
        if isinstance(array, np.ndarray):
            array[...] = 0
    y.backward(dy)
    for k, (tensor, expected) in enumerate(zip(tensors, want, strict=True)):
        if tensor.grad is not None and np.asarray(tensor.grad).tobytes() != np.asarray(expected).tobytes():
            yield failure(
                written, case, f"the gradient of '{case.label(k)}' is another after its array has been written to",
                ("write", "forward and rules on what they are given: no array kept from an earlier call"),
                argument=case.positions[k],
            )  # fmt: skip


def compiled(case: Case) -> Iterator[Failure | str]:
    """A compiled call gives the tape's bits, and so does its program with other numbers, integers and masks."""
    leaves, rebuild = flatten(case.arguments)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, np.ndarray)]

    def both(*arrays: ArrayLike) -> tuple[Any, ...]:
        filled = list(leaves)
        for place, array in zip(places, arrays, strict=True):
            filled[place] = array
        given = rebuild(filled)

        def forward(*xs: object) -> tuple[Any, ...]:
            arguments = list(given)
            for position, x in zip(case.positions, xs, strict=True):
                arguments[position] = x
            return case.call_all(arguments)

        ys, pullback = vjp(forward, *(given[p] for p in case.positions))
        return *ys, *pullback(tuple(np.ones(y.shape, y.dtype) for y in ys))

    program = compile(both)
    for how, change in OTHERS.items():
        arrays = [change(leaves[i]) for i in places]
        try:
            got = program(*arrays)  # first, for the first program of a process is one that nothing has loaded ops for
        except (DetachError, ShapeError) as error:  # shapes or dtypes that depend on values, and what asks for values
            if how or leaves_numpy(error) or not _takes(both, arrays):
                return
            raise
        except Exception:
            if _takes(both, arrays):
                raise
            return
        with quietly():
            want = both(*arrays)
        for g, w in zip(got, want, strict=True):
            if np.asarray(g).dtype != np.asarray(w).dtype or _bits(g) != _bits(w):
                yield failure(compiled, case, "a compiled call gives other bits than the tape" + how)
                return


def _bits(a: ArrayLike) -> bytes:
    """An array's bytes, where all nans are one: which of them comes is the processor's choice."""
    return np.where(np.isnan(a), np.nan, a).tobytes() if np.asarray(a).dtype.kind in "fc" else np.asarray(a).tobytes()


def _takes(f: Callable[..., object], arrays: list[ArrayLike]) -> bool:
    """Whether the function itself can be called with these values."""
    try:
        with quietly():
            f(*arrays)
    except Exception:  # whatever a stranger's op raises
        return False
    return True


def _a_little_off(a: ArrayLike) -> ArrayLike:
    if a.dtype.kind in "fc":
        return np.array(a * 0.96875, a.dtype)
    return np.array(~a if a.dtype.kind == "b" else _turned(a), a.dtype)


def _turned(a: ArrayLike) -> ArrayLike:
    """The same values in other places: as many of each, so that shapes that depend on them may stay."""
    return np.array(np.roll(a.reshape(-1), 1).reshape(a.shape))


# What the program of a sample is called with.
OTHERS: dict[str, Callable[[ArrayLike], ArrayLike]] = {
    "": np.array, " for values a little off those it was recorded with": _a_little_off,
    " for values in other places than it was recorded with": _turned,
    " for values of another sign than it was recorded with": lambda a: np.array(-a if a.dtype.kind in "fc" else a),
}  # fmt: skip
