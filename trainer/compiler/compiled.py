"""`trainer.compile`: a function of arrays, recorded once per shapes and dtypes and run as a program after that."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from trainer.compiler.executors import Backend, Executor, best_backend
from trainer.compiler.passes import simplify
from trainer.compiler.program import Program
from trainer.compiler.surroundings import Surroundings
from trainer.compiler.tracing import Record, trace
from trainer.engine.holders import Number
from trainer.engine.memory import is_dense
from trainer.engine.tensor import Tensor, plain
from trainer.engine.tree import sorted_keys
from trainer.errors import UsageError

__all__ = ["PROGRAMS", "Compiled", "ProgramsWarning", "compile"]


PROGRAMS = 64  # that a compiled function keeps
_QUIET = {"ignore", "warn"}  # what np.errstate may say where a program runs
_RAISED = {"divide": 1, "over": 2, "under": 4, "invalid": 8}  # np.errstate's names, by an executor's `raised`


class ProgramsWarning(UserWarning):
    """A compiled function is recorded again and again, for arguments that are never the same."""


@dataclass(frozen=True)
class Prepared:
    """A program that is ready to run, and what it took for constant when it was recorded.

    Attributes:
        places: of its inputs among the arguments' leaves.
    """

    executor: Executor
    record: Record
    surroundings: Surroundings
    places: list[int]


class Compiled:
    """A compiled function. Call it like the function; `program(*args)` shows what runs.

    Args:
        f: the function.
        backend: who runs its programs; the best there is unless given.

    Attributes:
        programs: by signature (shapes, dtypes and layouts of the arrays, and everything else by value, but for Python
            floats) what runs, the one used last at the end; of calls with arguments by name there are others.
    """

    def __init__(self, f: Callable[..., object], backend: Backend | None = None) -> None:
        wraps(f)(self)  # first, for it copies f's own attributes, and f may be compiled itself
        self.f = f
        self.backend = backend or best_backend()
        self.programs: dict[Any, Prepared] = {}
        self._by_value: set[Any] = set()  # signatures whose floats are constants
        self._last: Prepared | None = None
        self._warned = False
        self._named: dict[tuple[str, ...], Compiled] = {}
        self._lock = threading.Lock()

    def __call__(self, *args: object, **named: object) -> Any:
        if named:
            names = tuple(sorted(named))
            return self._by_name(names)(*args, *(named[name] for name in names))
        leaves: list[Any] = []
        structure = tuple([_structure(a, leaves) for a in args])
        signature: list[Any] = []
        for leaf in leaves:
            kind = type(leaf)
            if kind is np.ndarray:
                signature.append((leaf.shape, leaf.dtype, leaf.strides, leaf.flags.aligned))
            elif kind is Tensor or kind is Number:
                return self.f(*args)  # inside somebody else's record the function records itself
            else:
                signature.append(_signature(leaf))
        errstate = np.geterr()
        if not _QUIET.issuperset(errstate.values()):
            return self.f(*args)  # a nan trap: NumPy springs it where it happens, a program does not look
        prepared = self._prepared(args, leaves, (structure, tuple(signature)))
        if prepared is None:
            return self.f(*args)
        executor = prepared.executor
        results, raised = executor.run([leaves[place] for place in prepared.places]), executor.raised
        if raised and any(raised & _RAISED[kind] and said == "warn" for kind, said in errstate.items()):
            return self.f(*args)  # which warns as NumPy does, at its line
        return prepared.record.rebuild(results)

    def program(self, *args: object, **named: object) -> Program:
        """The program for arguments like these."""
        if named:
            names = tuple(sorted(named))
            return self._by_name(names).program(*args, *(named[name] for name in names))
        leaves: list[Any] = []
        structure = tuple([_structure(a, leaves) for a in args])
        prepared = self._prepared(args, leaves, (structure, tuple(map(_signature, leaves))))
        if prepared is None:
            raise UsageError(
                "there is no program for an array with gaps, a broadcast, reversed or unaligned one or one of another "
                "byte order: the function itself is called; x.copy() has one"
            )
        return prepared.executor.program

    def _by_name(self, names: tuple[str, ...]) -> Compiled:
        """The function that takes the arguments of these names last, compiled."""
        f = self.f
        if names not in self._named:
            self._named[names] = Compiled(
                lambda *args: f(*args[: -len(names)], **dict(zip(names, args[-len(names) :], strict=True))),
                self.backend,
            )
        return self._named[names]

    def _prepared(self, args: tuple[object, ...], leaves: list[object], key: tuple[object, ...]) -> Prepared | None:
        """What runs for these arguments; None where no program does."""
        numbers = not self._by_value or key not in self._by_value
        if not numbers:
            key = (*key, tuple(repr(leaf) for leaf in leaves if type(leaf) is float))
        found = self.programs.get(key)
        if found is not None and not found.surroundings.changed():
            if found is not self._last:
                self._keep(key, found)
            return found
        if not all(is_dense(leaf) for leaf in leaves if isinstance(leaf, np.ndarray)):
            return None
        numbers = numbers and any(type(leaf) is float for leaf in leaves)
        if numbers:
            try:
                record = trace(self.f, args, numbers=True)
            except Exception:  # whatever it does with the value of a float: with the float itself it may
                self._by_value.add(key)
                return self._prepared(args, leaves, key)
        else:
            record = trace(self.f, args)
        kinds = (np.ndarray, np.generic)
        places = [i for i, x in enumerate(leaves) if isinstance(x, kinds) or (numbers and type(x) is float)]
        objects = [leaf for leaf in leaves if not isinstance(leaf, kinds)]
        surroundings = Surroundings(self.f, objects, record.constants)
        prepared = Prepared(self.backend.executor(simplify(record.program)), record, surroundings, places)
        self._keep(key, prepared)
        return prepared

    def _keep(self, key: object, prepared: Prepared) -> None:
        """Put a program at the end, as the one used last, and drop the first where there are too many."""
        with self._lock:
            self.programs.pop(key, None)
            self.programs[key] = self._last = prepared
            full = len(self.programs) > PROGRAMS
            if full:
                del self.programs[next(iter(self.programs))]
        if full:
            self._warn()

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{getattr(self.f, '__name__', 'a function')} has been compiled for more than {PROGRAMS} kinds of "
                "arguments, and the one used longest ago goes for every new one: shapes, dtypes, layouts, and the "
                "values of whole numbers, strings and objects make a kind of their own. Pass a number that changes as "
                "an array: np.asarray(n)",
                ProgramsWarning,
                stacklevel=5,
            )


def compile(f: Callable[..., object]) -> Compiled:
    """`f`, recorded at its first call for arrays of given shapes and dtypes, and run from the record after that.

    The results are those of `f`, to the bit. Arrays and Python floats may come by name, in nested dicts, lists and
    tuples; whatever else comes (a whole number, a string) is a constant of the record, and a new value is a new record;
    so is a float that decides something. Of the records the 64 used last are kept. A function that decides by the
    values of arrays (`if t > 0:`), takes them off the tape (`float(t)`, `t.value`) or draws random numbers is refused
    with the fix. Arrays and objects that it reads from outside of its arguments are looked at before every call: where
    they have changed, it is recorded again. For an array with gaps, a broadcast or reversed one, one that is not
    aligned or of another byte order, `f` itself is called: NumPy adds up such arrays in orders of their own, and
    x.copy() makes one that a program takes. Where a result is to warn (np.errstate), `f` is called again, to warn as
    NumPy does.

    >>> from trainer import compile, grad
    >>> slope = compile(grad(lambda x: np.sum(np.tanh(x) * x)))
    >>> slope(np.array([0.0, 1.0]))
    array([0.       , 1.1815685])
    """
    return Compiled(f)


def _signature(leaf: object) -> Any:
    if type(leaf) is float:
        return float
    if isinstance(leaf, np.generic):
        return type(leaf)
    if isinstance(leaf, np.ndarray):
        plain(leaf)
        return leaf.shape, leaf.dtype, leaf.strides, leaf.flags.aligned
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


def _structure(tree: object, leaves: list[object]) -> Any:
    """How an argument is built; what is in it is put to the leaves, in the order of `flatten`."""
    if type(tree) is np.ndarray:
        leaves.append(tree)
        return None
    if isinstance(tree, dict):
        parts = {key: _structure(tree[key], leaves) for key in sorted_keys(tree)}
        return dict, tuple((key, parts[key]) for key in tree)
    if isinstance(tree, list | tuple):
        return type(tree), tuple([_structure(part, leaves) for part in tree])
    leaves.append(tree)
    return None
