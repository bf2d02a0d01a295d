"""What a recorded function reads besides its arguments: what it closes over, globals, and attributes of objects.

Arrays among it are constants of the program. Plain values and the objects themselves are remembered by where they
stand, so that a program can tell that they are no longer what they were. Generators of random numbers have no place in
a program at all: what they gave once would be given for ever.
"""

from __future__ import annotations

import functools
import random
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from trainer.errors import DetachError
from trainer.types import Array

__all__ = ["Draws", "Surroundings", "may_change", "same_bits"]

LIMIT = 2000  # objects that are looked at
_OURS = ("numpy", "scipy", "trainer", "trainer_ops", "builtins")
_LEAVES = (np.ndarray, np.generic, int, float, complex, str, bytes, type, types.ModuleType, np.ufunc, np.dtype)


def _is_ours(module: object) -> bool:
    return str(module).partition(".")[0] in _OURS


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code, and that of the functions written in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


class _Cell:
    """What a closure holds, under one key."""

    def __init__(self, cell: types.CellType) -> None:
        self.cell = cell

    def __getitem__(self, key: str) -> Any:
        return self.cell.cell_contents

    def keys(self) -> tuple[str, ...]:
        """The key, where the cell is filled."""
        try:
            self.cell.cell_contents  # noqa: B018  # asking is the only way to know
        except ValueError:
            return ()
        return ("contents",)


class _Walk:
    """The objects that functions and objects lead to.

    Attributes:
        objects: all of them.
        places: what holds values, and under which keys: closures, globals by the names that functions use, items.
        attributes: the same for objects; of these, functions read what they name.
        names: what the functions name.
    """

    def __init__(self, roots: Sequence[object]) -> None:
        self.objects: list[Any] = []
        self.places: list[tuple[Any, tuple[Any, ...]]] = []
        self.attributes: list[dict[str, Any]] = []
        self.names: set[str] = set()
        seen: set[int] = set()
        stack = list(roots)
        while stack and len(seen) < LIMIT:
            thing = stack.pop()
            if id(thing) not in seen and thing is not None and not isinstance(thing, _LEAVES):
                seen.add(id(thing))
                self.objects.append(thing)
                stack += self._inside(thing)

    def _inside(self, thing: object) -> list[Any]:
        if isinstance(thing, types.FunctionType):
            return self._of_function(thing)
        if isinstance(thing, types.MethodType):
            return [thing.__self__, thing.__func__]
        if isinstance(thing, functools.partial):
            return [thing.func, thing.args, thing.keywords]
        if isinstance(thing, dict):
            self.places.append((thing, tuple(thing)))
            return list(thing.values())
        if isinstance(thing, list | tuple | set | frozenset):
            if isinstance(thing, list | tuple):
                self.places.append((thing, tuple(range(len(thing)))))
            return list(thing)
        inside = list(getattr(thing, "__dict__", {}).values())
        if not _is_ours(type(thing).__module__):
            self.attributes.append(getattr(thing, "__dict__", {}))
            inside += [f for t in type(thing).__mro__ for f in vars(t).values() if isinstance(f, types.FunctionType)]
        return inside

    def _of_function(self, function: types.FunctionType) -> list[Any]:
        found: list[tuple[Any, tuple[Any, ...]]] = [(c, c.keys()) for c in map(_Cell, function.__closure__ or ())]
        if not _is_ours(function.__module__):
            used = {name for code in _codes(function.__code__) for name in code.co_names}
            self.names |= used
            found.append((function.__globals__, tuple(n for n in used if n in function.__globals__)))
        self.places += found
        inside = [holder[key] for holder, keys in found for key in keys]
        return [*inside, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


class Surroundings:
    """The values that a function could read, by where they stand, as they are now; of arrays, what they hold.

    Args:
        f: the function.
        args: what it is given.
        constants: arrays that it is known to read, with copies.

    >>> def scaling(scale):
    ...     return lambda x: x * scale["by"]
    >>> scale = {"by": 2.0}
    >>> around = Surroundings(scaling(scale), (), [])
    >>> around.changed()
    False
    >>> scale["by"] = 3.0
    >>> around.changed()
    True
    """

    def __init__(
        self, f: Callable[..., object], args: Sequence[object], constants: Sequence[tuple[object, object]]
    ) -> None:
        walk = _Walk([f, *args])
        read = [(a, tuple(walk.names.intersection(a))) for a in walk.attributes]
        self._lists = [(holder, len(holder)) for holder, _ in walk.places if isinstance(holder, list)]
        self._values = [(holder, key, holder[key]) for holder, keys in [*walk.places, *read] for key in keys]
        known = {id(array): (array, copy) for array, copy in constants}
        for _, _, value in self._values:
            if isinstance(value, np.ndarray) and may_change(value) and id(value) not in known:
                known[id(value)] = value, value.copy()
        self._arrays = list(known.values())

    def changed(self) -> bool:
        """Whether another value stands anywhere."""
        try:
            return (
                any(holder[key] is not value for holder, key, value in self._values)
                or any(len(holder) != length for holder, length in self._lists)
                or not all(same_bits(array, copy) for array, copy in self._arrays)
            )
        except (LookupError, ValueError):  # a key is gone, or a closure was emptied
            return True


class Draws:
    """The generators of random numbers that a function can reach, as they are now."""

    def __init__(self, f: Callable[..., object], args: Sequence[object]) -> None:
        self._sources: list[tuple[str, Callable[[], Any]]] = [
            ("np.random", lambda: np.random.get_state(legacy=False)),
            ("Python's random", random.getstate),
        ]
        for thing in _Walk([f, *args]).objects:
            if isinstance(thing, np.random.Generator | np.random.RandomState):
                bits = thing.bit_generator if isinstance(thing, np.random.Generator) else thing
                name = f"a {type(thing).__name__} of NumPy's"
                self._sources.append((name, functools.partial(_state, bits)))
            elif isinstance(thing, np.random.BitGenerator):
                self._sources.append((f"a {type(thing).__name__} of NumPy's", functools.partial(_state, thing)))
            elif isinstance(thing, random.Random):
                self._sources.append(("a Random of Python's", thing.getstate))
        self._before = [_frozen(state()) for _, state in self._sources]

    def source(self) -> str:
        """The first from which numbers have been drawn since; empty where from none."""
        for (name, state), before in zip(self._sources, self._before, strict=True):
            if _frozen(state()) != before:
                return name
        return ""

    def refuse(self) -> None:
        """Raise DetachError where numbers have been drawn since: the function is recorded."""
        source = self.source()
        if source:
            raise DetachError(
                f"a function that is recorded drew random numbers from {source}: they would be drawn once and freeze "
                "into the program. Draw them outside and pass them as an argument; a layer's `train` takes them from "
                "its argument `draw`: draw(shape)"
            )


def _frozen(state: object) -> Any:
    """A state that later draws do not change."""
    if isinstance(state, dict):
        return {key: _frozen(value) for key, value in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _state(source: Any) -> Any:
    return source.get_state(legacy=False) if isinstance(source, np.random.RandomState) else source.state


def may_change(array: Array) -> bool:
    """Whether anybody may write to an array: it, or what it is a view of, is writeable."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return True
        owner = owner.base
    return owner is not None  # memory that is not NumPy's own


def same_bits(a: object, b: object) -> bool:
    """Whether two arrays are equal in shape, dtype and every bit."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.flags.c_contiguous and b.flags.c_contiguous and a.dtype.itemsize in (1, 2, 4, 8):
        whole = np.dtype(f"u{a.dtype.itemsize}")  # no copy, and a nan equals itself
        return bool(np.array_equal(a.view(whole), b.view(whole)))
    return bool(a.tobytes() == b.tobytes())
