"""`trainer.compile`: a function of arrays, recorded once per shapes and dtypes and run as a program after that."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from trainer.compiler.executors import Executor, best_executor
from trainer.compiler.passes import simplify
from trainer.compiler.program import Program
from trainer.compiler.surroundings import Surroundings
from trainer.compiler.tracing import Record, trace
from trainer.engine.holders import Number
from trainer.engine.tensor import Tensor, plain
from trainer.engine.tree import flatten

__all__ = ["PROGRAMS", "Compiled", "ProgramsWarning", "compile"]


PROGRAMS = 64  # that a compiled function keeps
_QUIET = {"ignore", "warn"}  # what np.errstate may say where a program runs
_RAISED = {"divide": 1, "over": 2, "under": 4, "invalid": 8}  # np.errstate's names, by an executor's `raised`


class ProgramsWarning(UserWarning):
    """A compiled function is recorded again and again, for arguments that are never the same."""


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to run, and what it took for constant when it was recorded."""

    executor: Executor
    record: Record
    surroundings: Surroundings

    def holds(self) -> bool:
        """Whether what was constant is what it was."""
        return not self.surroundings.changed()


class Compiled:
    """A compiled function. Call it like the function; `program(*args)` shows what runs.

    Attributes:
        programs: by signature (shapes, dtypes and layouts of the arrays, and everything else by value, but for Python
            floats) what runs, the one used last at the end.
    """

    def __init__(self, f: Callable[..., object]) -> None:
        wraps(f)(self)  # first, for it copies f's own attributes, and f may be compiled itself
        self.f = f
        self.programs: dict[Any, Prepared] = {}
        self._by_value: set[Any] = set()  # signatures whose floats are constants
        self._warned = False
        self._lock = threading.Lock()

    def __call__(self, *args: Any) -> Any:
        leaves, _ = flatten(args)
        if any(isinstance(leaf, Tensor) or type(leaf) is Number for leaf in leaves):
            return self.f(*args)  # inside somebody else's record the function records itself
        errstate = np.geterr()
        if not _QUIET.issuperset(errstate.values()):
            return self.f(*args)  # a nan trap: NumPy springs it where it happens, a program does not look
        if not all(map(_is_dense, leaves)):
            return self.f(*args)
        for leaf in leaves:
            plain(leaf)
        prepared, numbers = self._prepared(args, leaves)
        kinds = np.ndarray | np.generic
        inputs = [x for x in leaves if isinstance(x, kinds) or (numbers and type(x) is float)]
        results, raised = prepared.executor.run(inputs), prepared.executor.raised
        if raised and any(raised & _RAISED[kind] and said == "warn" for kind, said in errstate.items()):
            return self.f(*args)  # which warns as NumPy does, at its line
        return prepared.record.rebuild(results)

    def program(self, *args: object) -> Program:
        """The program for arguments like these."""
        return self._prepared(args, flatten(args)[0])[0].executor.program

    def _prepared(self, args: tuple[object, ...], leaves: list[object]) -> tuple[Prepared, bool]:
        """What runs for these arguments, and whether Python floats are among its inputs."""
        key: tuple[Any, ...] = (_structure(args), tuple(map(_signature, leaves)))
        numbers = key not in self._by_value
        if not numbers:
            key = (*key, tuple(repr(leaf) for leaf in leaves if type(leaf) is float))
        with self._lock:
            found = self.programs.pop(key, None)
            if found is not None and found.holds():
                self.programs[key] = found  # at the end
                return found, numbers
        record = None
        if numbers and any(type(leaf) is float for leaf in leaves):
            try:
                record = trace(self.f, args, numbers=True)
            except Exception:  # whatever it does with the value of a float: with the float itself it may
                self._by_value.add(key)
                return self._prepared(args, leaves)
        if record is None:
            record = trace(self.f, args)
        prepared = Prepared(
            best_executor(simplify(record.program)), record, Surroundings(self.f, args, record.constants)
        )
        with self._lock:
            self.programs[key] = prepared
            full = len(self.programs) > PROGRAMS
            if full:
                del self.programs[next(iter(self.programs))]
        if full:
            self._warn()
        return prepared, numbers

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{getattr(self.f, '__name__', 'a function')} has been compiled for more than {PROGRAMS} kinds of "
                "arguments, and the one used longest ago goes for every new one: shapes, dtypes, layouts, and the "
                "values of whole numbers, strings and objects make a kind of their own. Pass a number that changes as "
                "an array: np.asarray(n)",
                ProgramsWarning,
                stacklevel=4,
            )


def compile(f: Callable[..., object]) -> Compiled:
    """`f`, recorded at its first call for arrays of given shapes and dtypes, and run from the record after that.

    The results are those of `f`, to the bit. Arrays and Python floats may come in nested dicts, lists and tuples;
    whatever else comes (a whole number, a string) is a constant of the record, and a new value is a new record; so is a
    float that decides something. Of the records the 64 used last are kept. A function that decides by the values of
    arrays (`if t > 0:`), takes them off the tape (`float(t)`, `t.value`) or draws random numbers is refused with the
    fix. Arrays and objects that it reads from outside of its arguments are looked at before every call: where they have
    changed, it is recorded again. For an array with gaps, a broadcast or reversed one, one that is not aligned or of
    another byte order, `f` itself is called: NumPy adds up such arrays in orders of their own, and x.copy() makes one
    that a program takes. Where a result is to warn (np.errstate), `f` is called again, to warn as NumPy does.

    >>> from trainer import compile, grad
    >>> slope = compile(grad(lambda x: np.sum(np.tanh(x) * x)))
    >>> slope(np.array([0.0, 1.0]))
    array([0.       , 1.1815685])
    """
    return Compiled(f)


def _is_dense(leaf: object) -> bool:
    """Whether an array's elements lie side by side in some order of its axes, as those of a program's do."""
    if not isinstance(leaf, np.ndarray):
        return True
    if not leaf.flags.aligned or not leaf.dtype.isnative:
        return False
    if leaf.flags.forc:
        return True
    wanted = leaf.itemsize
    for stride, length in sorted(zip(leaf.strides, leaf.shape, strict=True)):
        if length > 1:
            if stride != wanted:
                return False
            wanted *= length
    return True


def _signature(leaf: object) -> Any:
    if type(leaf) is float:
        return float
    if isinstance(leaf, np.ndarray | np.generic):
        return leaf.shape, leaf.dtype, None if leaf.ndim < 2 else leaf.strides
    if leaf is None or isinstance(leaf, bool | int | float | complex | str | bytes):
        return type(leaf), repr(leaf)
    return _Same(leaf)


class _Same:
    """A key that equals itself for one object alone, and keeps the object."""

    def __init__(self, leaf: object) -> None:
        self.leaf = leaf

    def __hash__(self) -> int:
        return id(self.leaf)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.leaf is self.leaf


def _structure(tree: object) -> Any:
    if isinstance(tree, dict):
        return dict, tuple((k, _structure(v)) for k, v in tree.items())
    if isinstance(tree, list | tuple):
        return type(tree), tuple(map(_structure, tree))
    return None
