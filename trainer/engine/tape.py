"""The tape of a result as an object to print, count, draw and replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from trainer.engine.node import Node, ancestors, recording_all
from trainer.engine.op import SELECT
from trainer.engine.sweep import History, check_cotangent, sweep
from trainer.engine.tensor import Tensor
from trainer.errors import UsageError

__all__ = ["Adjoints", "Tape", "tape"]


class Adjoints(Mapping[str, Any]):
    """The adjoint δ of every entry of a tape, by the entry's name, in the order in which the sweep found them."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        width = max((len(n) for n in self._values), default=0)
        return "\n".join(f"δ{n:<{width}} = {_short(v)}" for n, v in self._values.items())


class Tape:
    """What led to a result, oldest entry first: variables x1, x2, …, intermediate entries h1, h2, …, and y.

    >>> from trainer import Tensor, tape
    >>> x1, x2 = Tensor(2.0), Tensor(3.0)
    >>> h = x1 * x2
    >>> record = tape(np.tanh(h) + h)
    >>> record
    x1 = variable          float64 ()
    x2 = variable          float64 ()
    h1 = multiply(x1, x2)  float64 ()  residuals x2, x1
    h2 = tanh(h1)          float64 ()  residuals y
    y  = add(h2, h1)       float64 ()
    >>> record.count()
    {'variable': 2, 'multiply': 1, 'tanh': 1, 'add': 1}
    """

    def __init__(self, result: Tensor) -> None:
        self._result = result
        self.entries, _ = ancestors([result._node], differentiable=False)
        self.names: dict[Node, str] = {}
        variables = steps = 0
        for node in self.entries:
            if node is result._node and node.op is not None:
                self.names[node] = "y"
            elif node.op is None:
                variables += 1
                self.names[node] = f"x{variables}"
            else:
                steps += 1
                self.names[node] = f"h{steps}"

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.entries)

    def count(self) -> dict[str, int]:
        """How often each op occurs."""
        return dict(Counter(_op_name(node) for node in self.entries))

    def operations(self, without: Collection[Node] = ()) -> int:
        """Scalar operations of the recorded calls, leaving out the entries in `without`."""
        total = 0
        for node in self.entries:
            if node.op is not None and node.op is not SELECT and node not in without:
                total += node.op.count_operations(_input_shapes(node), node.shape)
        return total

    def residual_bytes(self) -> int:
        """Bytes of the arrays that the entries keep for the backward sweep, each array counted once."""
        arrays = {id(v): v for node in self.entries for v in node.residuals if isinstance(v, np.ndarray)}
        return sum(a.nbytes for a in arrays.values())

    def replay(self, dy: object = None) -> Adjoints:
        """Replay the tape in reverse, (16), and keep the adjoint of every entry, from δy back to the variables.

        Args:
            dy: the cotangent of the result, of its shape and dtype; may be left out for a scalar.

        >>> from trainer import Tensor, tape
        >>> x1, x2 = Tensor(2.0), Tensor(3.0)
        >>> tape(x1 * x2).replay()
        δy  = 1.0
        δx2 = 2.0
        δx1 = 3.0
        """
        y = self._result
        if recording_all.get():
            raise UsageError(
                "replay() inside of a compiled function would freeze this run's adjoints; "
                "use trainer.grad or trainer.vjp"
            )
        if dy is None:
            if y.shape:
                raise UsageError(f"the result has shape {y.shape}: replay needs its cotangent, replay(dy)")
            dy = 1.0
        adjoints = {y._node: check_cotangent(dy, y.shape, y.dtype)}
        live = [n for n in self.entries if n.plan is not None]
        sweep(adjoints, History.whole(live), [n for n in live if n.op is None], keep=True)
        return Adjoints({self.names[n]: adjoints[n] for n in reversed(self.entries) if n in adjoints})

    def __repr__(self) -> str:
        rows = [(self.names[n], self._call(n), _kind(n), _residuals(n)) for n in self.entries]
        widths = [max(len(r[i]) for r in rows) for i in range(3)]
        return "\n".join(
            f"{name:<{widths[0]}} = {call:<{widths[1]}}  {kind:<{widths[2]}}{residuals}".rstrip()
            for name, call, kind, residuals in rows
        )

    def graphviz(self) -> str:
        """The tape as a Graphviz graph: `dot -Tsvg` draws it."""
        lines = ["digraph tape {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="sans-serif"];']
        for node in self.entries:
            style = ", style=filled, fillcolor=lightgrey" if node.op is None else ""
            lines.append(f'  n{node.index} [label="{self.names[node]} = {_op_name(node)}\\n{_kind(node)}"{style}];')
        lines += [f"  n{p.index} -> n{n.index};" for n in self.entries for p in n.parents if p is not None]
        return "\n".join([*lines, "}"])

    def mermaid(self) -> str:
        """The tape as a Mermaid flow chart, which GitHub's Markdown draws."""
        lines = ["flowchart LR"]
        for node in self.entries:
            opening, closing = ("([", "])") if node.op is None else ("[", "]")
            label = f"{self.names[node]} = {_op_name(node)}<br/>{_kind(node)}"
            lines.append(f'  n{node.index}{opening}"{label}"{closing}')
        lines += [f"  n{p.index} --> n{n.index}" for n in self.entries for p in n.parents if p is not None]
        return "\n".join(lines)

    def _call(self, node: Node) -> str:
        if node.op is None:
            return "variable"
        arguments = ["constant" if p is None else self.names[p] for p in node.parents]
        arguments += [f"{k}={v!r}" for k, v in node.attributes.items() if not _is_default(v, node.op.attributes.get(k))]
        return f"{node.op.name}({', '.join(arguments)})"


def tape(y: Tensor) -> Tape:
    """The record of everything that led to `y`."""
    if not isinstance(y, Tensor):
        raise UsageError(
            f"only a Tensor has a tape; got a {type(y).__name__}. Compute with Tensors: x = trainer.Tensor(x), y = f(x)"
        )
    return Tape(y)


def _input_shapes(node: Node) -> list[tuple[int, ...]]:
    """Of each argument of a call: a constant's as its rules have kept it, and where they need none a scalar's."""
    kept: dict[int, tuple[int, ...]] = {}
    for (kind, where), value in zip(node.plan.sources, node.residuals, strict=True) if node.plan else ():
        if kind == "value":
            kept[where - 1] = _shape(value)
        elif kind == "_shape":
            kept[where - 1] = value
        elif kind == "values":
            kept.update(enumerate(map(_shape, value)))
    return [kept.get(i, ()) if parent is None else parent.shape for i, parent in enumerate(node.parents)]


def _shape(value: object) -> tuple[int, ...]:
    return value.shape if isinstance(value, np.ndarray) else ()


def _op_name(node: Node) -> str:
    return "variable" if node.op is None else node.op.name


def _kind(node: Node) -> str:
    if isinstance(node.shape, tuple) and isinstance(node.dtype, tuple):
        return ", ".join(f"{d} {s}" for d, s in zip(node.dtype, node.shape, strict=True))
    return f"{node.dtype} {node.shape}"


def _residuals(node: Node) -> str:
    """The arrays that the entry keeps; shapes and attributes are kept too, but cost nothing."""
    if node.plan is None:
        return ""
    kept = zip(node.plan.names, node.plan.sources, strict=True)
    names = [name for name, (kind, _) in kept if kind in ("value", "values")]
    return f"  residuals {', '.join(names)}" if names else ""


def _is_default(value: object, default: object) -> bool:
    return value is default or (
        type(value) is type(default) and not isinstance(value, np.ndarray) and bool(value == default)
    )


def _short(value: object) -> str:
    text = repr(value.value if isinstance(value, Tensor) else np.asarray(value).tolist())
    return text if len(text) <= 60 else text[:57] + "..."
