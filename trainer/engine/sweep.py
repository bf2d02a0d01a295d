"""The backward sweep: the tape, replayed in reverse.

Equation (16), δx = Jᵀ δy, entry by entry. All of it in a dozen lines, as HIPS autodidact's `backward_pass`:

    def sweep(y, dy):
        cotangents = {y: dy}
        for node in reversed(ancestors(y)):          # by descending creation index: all that used this node's result
            dy = cotangents.pop(node)                # have been passed, so its cotangent is complete
            for call in node.plan.calls:
                parent = node.parents[call.position]
                g = call.function(dy, *node.residuals)
                cotangents[parent] = cotangents.get(parent, 0) + g
        return cotangents                            # what is left are those of the variables

What is added to that, each at its place below:

- *Freeing.* Entries are dropped as they are passed: where nobody else holds the tape, the residuals go with them.
- *Some variables.* `history` collects what leads from the variables that are asked for, and marks as `active` what
  depends on them, where not everything does; the rules of others are not called.
- *Judging.* What a rule returned is an array of its input's shape and dtype, or goes through `verify.settle`.
- *Several inputs.* One rule may serve several and return as many cotangents (`_run_several`).
- *Several results.* Each has an entry of its own (`SELECT`). Their cotangents come together in a list, by place, where
  a zero stands for a result that nobody used.
- *Recording.* A sweep runs on plain arrays unless its result may itself be differentiated: when an entry depends on
  something older than the variables of this sweep (an enclosing transform's variable), or when a cotangent is a Tensor.
  Then the rules are given Tensors and are recorded like any other computation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from trainer.engine import verify
from trainer.engine.holders import Held
from trainer.engine.node import Node, Variable, ancestors, recording_all, swept
from trainer.engine.op import ARRAY_TYPES, SELECT, Op, selection
from trainer.engine.plan import RuleCall, Source
from trainer.engine.tensor import Tensor
from trainer.engine.tree import flatten
from trainer.errors import DetachError, NotDifferentiableError, ShapeError
from trainer.types import Array

__all__ = ["History", "backward", "check_cotangent", "history", "sweep"]

# What a rule may return, by exact type; anything else is looked at more closely.
_RETURNED = ARRAY_TYPES | {Tensor}


class History:
    """The entries between some variables and some results, oldest first.

    Attributes:
        order: the entries in creation order.
        active: those that depend on the variables, or None when all do.
        recorded: whether a sweep over them must be recorded.
    """

    __slots__ = ("active", "order", "recorded")

    def __init__(self, order: list[Node], active: set[Node] | None, recorded: bool) -> None:
        self.order = order
        self.active = active
        self.recorded = recorded

    @classmethod
    def whole(cls, order: list[Node]) -> History:
        """Of a tape that ends in the variables asked for: all of it depends on them, and nothing is recorded."""
        return cls(order, None, False)

    def copy(self) -> History:
        """One more for another sweep, which consumes its order."""
        return History(list(self.order), self.active, self.recorded)


def history(roots: Collection[Node], variables: Sequence[Node]) -> History:
    """Collect what leads from `variables` to `roots`.

    Whatever is older than the oldest of the variables cannot depend on them and is not visited. A variable that is
    younger, and not one of them, was made inside the function by something that is over: it counts as a constant.
    """
    targets = set(variables)
    first = min((v.index for v in variables), default=0)
    live = [r for r in roots if r.plan is not None]
    order, outer = ancestors((r for r in live if r.index >= first), until=targets, since=first)
    outer = outer or recording_all.get() or any(r.index < first for r in live)
    outer = outer or any(p is not None and p.plan is not None for v in variables for p in v.parents)
    active = None
    if outer or any(node.op is None and node not in targets for node in order):
        active = set(targets)
        for node in order:
            if not active.isdisjoint(node.parents):
                active.add(node)
    return History(order, active, outer)


def sweep(
    cotangents: dict[Node, Any], past: History, variables: Sequence[Node], *, recorded: bool = False, keep: bool = False
) -> None:
    """Carry `cotangents` (per result its δy) back to the variables; afterwards the dict holds the variables' own.

    Consumes `past.order`. While a recorded sweep is at an entry, `swept` says which.

    Args:
        recorded: whether the rules are given Tensors.
        keep: whether the dict also keeps the cotangents of all entries in between.
    """
    if not recorded:
        _sweep(cotangents, past, variables, recorded, keep)
        return
    token = swept.set(None)
    try:
        _sweep(cotangents, past, variables, recorded, keep)
    finally:
        swept.reset(token)


def _sweep(cotangents: dict[Node, Any], past: History, variables: Sequence[Node], recorded: bool, keep: bool) -> None:
    order, active, targets = past.order, past.active, set(variables)
    arrays = _RETURNED
    while order:
        node = order.pop()
        if node in targets:
            continue
        dy = cotangents.get(node) if keep else cotangents.pop(node, None)
        if dy is None:
            continue
        op, plan, parents = node.op, node.plan, node.parents
        if op is None or plan is None or (active is not None and node not in active):
            continue
        if op is SELECT:
            _collect_result(cotangents, node, dy)
            continue
        if type(dy) is list:
            dy = _complete_results(node, dy)
        residuals = node.residuals
        if recorded:
            swept.set(node)
            residuals = _as_tensors(node)
        elif type(residuals) is Held:
            residuals = residuals.opened()
        for call in plan.calls:
            if not call.single:
                _run_several(cotangents, node, call, dy, residuals, active, recorded)
                continue
            parent = parents[call.position]
            if active is not None and parent not in active:
                continue
            if recorded:
                g = _run_recorded(node, call, dy, residuals, ())
            else:
                g = call.function(dy, *residuals) if call.direct else call.run(dy, residuals, ())  # type: ignore[misc]
            # A call that is single has a rule, and a parent that carries a gradient.
            if type(g) not in arrays or g.dtype is not parent.dtype or g.shape != parent.shape:  # type: ignore[union-attr]
                g = verify.settle(node, call, call.position, parent, g, dy)  # type: ignore[arg-type]
            have = cotangents.get(parent)  # type: ignore[arg-type]
            cotangents[parent] = g if have is None else have + g  # type: ignore[index]


def _run_several(
    cotangents: dict[Node, Any], node: Node, call: RuleCall, dy: object, residuals: tuple[Any, ...],
    active: set[Node] | None, recorded: bool,
) -> None:  # fmt: skip
    """Run a rule that serves several inputs at once, or report an input that has none."""
    count = len(node.parents)  # fewer than there are inputs where an optional array was left out
    parents = [node.parents[i] if i < count else None for i in call.positions]
    wanted = tuple(p is not None and p.plan is not None and (active is None or p in active) for p in parents)
    if not any(wanted):
        return
    if call.function is None:
        raise verify.no_rule(node, call.positions[wanted.index(True)])
    results = _run_recorded(node, call, dy, residuals, wanted) if recorded else call.run(dy, residuals, wanted)
    if not isinstance(results, list | tuple) or len(results) != len(parents):
        raise verify.wrong_count(node, call, results, len(parents))
    for position, parent, want, g in zip(call.positions, parents, wanted, results, strict=True):
        if want and parent is not None:
            g = verify.settle(node, call, position, parent, g, dy)
            have = cotangents.get(parent)
            cotangents[parent] = g if have is None else have + g


def _run_recorded(node: Node, call: RuleCall, dy: object, residuals: tuple[Any, ...], wanted: tuple[bool, ...]) -> Any:
    try:
        return call.run(dy, residuals, wanted)
    except (TypeError, ValueError) as error:
        # NumPy wraps the Tensor's refusal where an element of a plain array is assigned.
        if not isinstance(error, DetachError) and not isinstance(error.__cause__, DetachError):
            raise
        if recording_all.get():
            return _run_opaque(node, call, dy, residuals, wanted)
        raise verify.not_recordable(node, call, error) from error


def _run_opaque(node: Node, call: RuleCall, dy: object, residuals: tuple[Any, ...], wanted: tuple[bool, ...]) -> Any:
    """Record a rule that leaves NumPy as one call, of an op that nobody can differentiate further."""
    assert node.op is not None
    leaves, rebuild = flatten((dy, residuals))

    def forward(*arrays: object) -> object:
        dy, residuals = rebuild(arrays)
        result = call.run(dy, residuals, wanted)
        return result if call.single else tuple(g for g, want in zip(result, wanted, strict=True) if want)

    op = Op(forward, name=f"rule of {node.op.name}", module=node.op.module)
    op.primitive = True  # it has refused Tensors
    results = op(*leaves)
    if call.single:
        return results
    found = iter(results)
    return [next(found) if want else None for want in wanted]


def _as_tensors(node: Node) -> tuple[Any, ...]:
    """The residuals, with their places on the tape back."""
    assert node.plan is not None
    return tuple(map(_on_tape, node.plan.sources, node.residuals, [node] * len(node.residuals)))


def _on_tape(source: Source, value: Any, node: Node) -> object:
    kind, where = source
    if kind == "value" and where == 0:
        return (
            tuple(Tensor(v, selection(node, i)) for i, v in enumerate(value))
            if type(value) is tuple
            else Tensor(value, node)
        )
    if kind == "value":
        parent = node.parents[where - 1]
        return value if parent is None else Tensor(value, parent)
    if kind == "values":
        return tuple(v if p is None else Tensor(v, p) for v, p in zip(value, node.parents, strict=True))
    return value


def _collect_result(cotangents: dict[Node, Any], node: Node, dy: object) -> None:
    """Put the cotangent of one of several results in its place."""
    parent = node.parents[0]
    assert parent is not None
    results = cotangents.setdefault(parent, [None] * len(parent.shape))
    have = results[node.residuals[0]]
    results[node.residuals[0]] = dy if have is None else have + dy


def _complete_results(node: Node, results: list[Any]) -> tuple[Any, ...]:
    """The cotangents of several results; an unused one's is zero."""
    return tuple(
        np.zeros(shape, dtype) if dy is None else dy
        for dy, shape, dtype in zip(results, node.shape, node.dtype, strict=True)
    )


def check_cotangent(
    dy: object, shape: tuple[int, ...], dtype: np.dtype[Any], what: str = "the cotangent"
) -> Tensor | Array:
    """`dy` as an array of the result's shape and dtype; Python numbers take the dtype."""
    if not isinstance(dy, Tensor):
        given = np.asarray(dy)
        weak = isinstance(dy, int | float | complex) and not isinstance(dy, np.generic)
        dy = given.astype(dtype) if weak and np.can_cast(given.dtype, dtype, "same_kind") else given
    if dy.shape != shape:
        raise ShapeError(f"{what} has shape {dy.shape}, where the result has {shape}")
    if dy.dtype != dtype:
        raise ShapeError(f"{what} has dtype {dy.dtype}, where the result has {dtype}")
    return dy


def backward(y: Tensor, dy: object = None) -> None:
    """`Tensor.backward`: the gradient of `y` with respect to every variable that led to it."""
    if recording_all.get():
        raise DetachError(
            "y.backward() would freeze this run's gradient into the compiled program; inside of a compiled function "
            "use trainer.grad or trainer.vjp"
        )
    node = y._node
    if node.plan is None:
        raise NotDifferentiableError(
            f"no gradient passes through this Tensor ({y.dtype}): nothing differentiable led to it"
        )
    if dy is None:
        if y.shape:
            raise ShapeError(
                f"backward() starts from a scalar, and this Tensor has shape {y.shape}: pass y.backward(dy) or sum it"
            )
        dy = 1.0
    dy = check_cotangent(dy, y.shape, y.dtype)
    order, _ = ancestors([node])
    variables = [n for n in order if isinstance(n, Variable)]
    cotangents = {node: dy}
    sweep(cotangents, History.whole(order), variables, recorded=isinstance(dy, Tensor))
    for variable in variables:
        found = cotangents.get(variable)
        if found is None:
            found = np.zeros(variable.shape, variable.dtype)
        # A copy: a rule may have passed on a view, or one array to two inputs.
        variable.grad = found if isinstance(found, Tensor) else np.array(found)[()]
