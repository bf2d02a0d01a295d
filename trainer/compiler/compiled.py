"""`trainer.compile`: a function of arrays, recorded once per shapes and dtypes and run as a program after that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from trainer.compiler.executors import best_executor
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.passes import simplify
from trainer.compiler.program import Program
from trainer.compiler.trace import trace
from trainer.engine.tensor import Tensor, plain
from trainer.engine.tree import flatten

__all__ = ["Compiled", "compile"]


class Compiled:
    """A compiled function. Call it like the function; `program(*args)` shows what runs.

    Attributes:
        programs: by signature (shapes, dtypes and layouts of the arrays, and everything else by value) what runs.
    """

    def __init__(self, f: Callable[..., Any]) -> None:
        wraps(f)(self)  # first, for it copies f's own attributes, and f may be compiled itself
        self.f = f
        self.programs: dict[Any, tuple[NumpyExecutor, Callable[[Sequence[Any]], Any]]] = {}

    def __call__(self, *args: Any) -> Any:
        leaves, _ = flatten(args)
        if any(isinstance(leaf, Tensor) for leaf in leaves):
            return self.f(*args)  # inside somebody else's record the function records itself
        arrays = [leaf for leaf in leaves if isinstance(leaf, np.ndarray | np.generic)]
        for array in arrays:
            plain(array)
        executor, rebuild = self._executor(args, leaves)
        return rebuild(executor.run(arrays))

    def program(self, *args: Any) -> Program:
        """The program for arguments like these."""
        return self._executor(args, flatten(args)[0])[0].program

    def _executor(
        self, args: tuple[Any, ...], leaves: list[Any]
    ) -> tuple[NumpyExecutor, Callable[[Sequence[Any]], Any]]:
        key = (_structure(args), tuple(map(_signature, leaves)))
        found = self.programs.get(key)
        if found is None:
            program, _, rebuild = trace(self.f, args)
            found = self.programs[key] = best_executor(simplify(program)), rebuild
        return found


def compile(f: Callable[..., Any]) -> Compiled:
    """`f`, recorded at its first call for arrays of given shapes and dtypes, and run from the record after that.

    The results are those of `f`, to the bit. Arrays may come in nested dicts, lists and tuples; whatever is no array (a
    Python number, a string) is a constant of the record, and a new value is a new record. A function that decides by
    the values (`if t > 0:`), or takes them off the tape (`float(t)`, `t.value`), is refused with the fix.

    >>> from trainer import compile, grad
    >>> slope = compile(grad(lambda x: np.sum(np.tanh(x) * x)))
    >>> slope(np.array([0.0, 1.0]))
    array([0.       , 1.1815685])
    """
    return Compiled(f)


def _signature(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.shape, leaf.dtype, None if leaf.ndim < 2 else leaf.strides
    if leaf is None or isinstance(leaf, bool | int | float | complex | str | bytes):
        return type(leaf), repr(leaf)
    return _Same(leaf)


class _Same:
    """A key that equals itself for one object alone, and keeps the object."""

    def __init__(self, leaf: Any) -> None:
        self.leaf = leaf

    def __hash__(self) -> int:
        return id(self.leaf)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.leaf is self.leaf


def _structure(tree: Any) -> Any:
    if isinstance(tree, dict):
        return dict, tuple((k, _structure(v)) for k, v in tree.items())
    if isinstance(tree, list | tuple):
        return type(tree), tuple(map(_structure, tree))
    return None
