"""What a recorded function reads besides its arguments: what it closes over, globals, and attributes of objects.

Arrays among it are constants of the program. Plain values and the objects themselves are remembered by where they
stand, so that a program can tell that they are no longer what they were. Generators of random numbers have no place in
a program at all: what they gave once would be given for ever.
"""

from __future__ import annotations

import functools
import operator
import random
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from trainer.engine.memory import may_change
from trainer.errors import DetachError
from trainer.types import Array

__all__ = ["Draws", "Surroundings", "same_bits"]

LIMIT = 2000  # objects that are looked at
SHORT = 1 << 14  # bytes of an array that is compared as bytes, of which there is a copy then
_SHARED = ("np.random", "Python's random")  # from which every thread of the process draws
_OURS = frozenset({"numpy", "scipy", "trainer", "trainer_ops", "builtins"})
_LEAVES = (np.ndarray, np.generic, int, float, complex, str, bytes, np.ufunc, np.dtype)

Place = tuple[Callable[[Any], Any], Iterable[Any]]


def _is_ours(module: object) -> bool:
    return str(module).partition(".")[0] in _OURS


def _is_users(module: object) -> bool:
    """Whether names in a module, or in a class of it, may be given other values: Python's own are not."""
    return not _is_ours(module) and str(module).partition(".")[0] not in sys.stdlib_module_names


def _leads_on(thing: object) -> bool:
    return thing is not None and not isinstance(thing, _LEAVES)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A function's code, and that of the functions written in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # asking is the only way to know
    except ValueError:
        return False
    return True


def _kinds(thing: object) -> list[type]:
    """A class, or that of an object, and what it inherits from, as far as users wrote it."""
    kind = thing if isinstance(thing, type) else type(thing)
    return [t for t in kind.__mro__ if _is_users(t.__module__)]


def _behind(value: object) -> Any:
    """The function of a property, a static method or a class method."""
    return getattr(value, "fget", None) or getattr(value, "__func__", value)


class _Walk:
    """The objects that functions and objects lead to.

    Attributes:
        objects: all of them.
        cells: what closures hold.
        containers: the lists, dicts and sets.
        spaces: by identity, what names are looked up in (globals, modules), and which of them.
        owners: objects and classes; of what they hold, functions read what they name.
        names: what the functions name.
    """

    def __init__(self, roots: Sequence[object]) -> None:
        self.objects: list[Any] = []
        self.cells: list[types.CellType] = []
        self.containers: list[Any] = []
        self.spaces: dict[int, tuple[dict[str, Any], set[str]]] = {}
        self.owners: list[Any] = []
        self.names: set[str] = set()
        seen: set[int] = set()
        modules: list[types.ModuleType] = []
        queue = deque(filter(_leads_on, roots))  # what is near comes first, for the limit
        while queue and len(seen) < LIMIT:
            thing = queue.popleft()
            if id(thing) not in seen:
                seen.add(id(thing))
                self.objects.append(thing)
                if isinstance(thing, types.ModuleType):
                    modules += [thing] if _is_users(thing.__name__) else []
                else:
                    queue += filter(_leads_on, self._inside(thing))
            if not queue:  # when all names are known, what they mean in modules
                found = [value for module in modules for value in self._looked_up(vars(module), self.names)]
                queue += [value for value in found if _leads_on(value) and id(value) not in seen]

    def _inside(self, thing: object) -> list[Any]:
        if isinstance(thing, types.FunctionType):
            return self._of_function(thing)
        if isinstance(thing, types.MethodType):
            return [thing.__self__, thing.__func__]
        if isinstance(thing, functools.partial):
            return [thing.func, thing.args, thing.keywords]
        if isinstance(thing, dict):
            self.containers.append(thing)
            return list(thing.values())
        if isinstance(thing, list | tuple | set | frozenset):
            if isinstance(thing, list | set):
                self.containers.append(thing)
            return list(thing)
        return self._of_object(thing)

    def _of_object(self, thing: object) -> list[Any]:
        inside = [
            _behind(value)
            for kind in _kinds(thing)
            for name, value in vars(kind).items()
            if isinstance(value, types.FunctionType) or not name.startswith("__")
        ]
        if isinstance(thing, type):
            self.owners += [thing] if inside else []
        elif _is_ours(type(thing).__module__) and hasattr(thing, "__wrapped__"):  # an op, or a compiled function
            inside += [thing.__wrapped__, *getattr(thing, "rules", {}).values()]
        else:
            inside += getattr(thing, "__dict__", {}).values()
            if not _is_ours(type(thing).__module__):
                self.owners.append(thing)
                inside += [getattr(thing, name) for name in _slots(thing)]
        return inside

    def _of_function(self, function: types.FunctionType) -> list[Any]:
        filled = list(filter(_is_filled, function.__closure__ or ()))
        self.cells += filled
        inside = [c.cell_contents for c in filled]
        inside += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        if not _is_ours(function.__globals__.get("__name__")):  # __module__ is another's where functools.wraps was
            used = {name for code in _codes(function.__code__) for name in code.co_names}
            self.names |= used
            inside += self._looked_up(function.__globals__, used)
        return inside

    def _looked_up(self, space: dict[str, object], used: set[str]) -> list[Any]:
        names = used.intersection(space)
        self.spaces.setdefault(id(space), (space, set()))[1].update(names)
        return [space[name] for name in names]

    def places(self) -> Iterator[Place]:
        """Where values stand: how to get them, and by what keys."""
        yield operator.attrgetter("cell_contents"), self.cells
        for space, names in self.spaces.values():
            yield space.__getitem__, tuple(names)
        for container in self.containers:
            if isinstance(container, set):
                yield container.__contains__, tuple(container)
            else:
                yield container.__getitem__, tuple(container) if isinstance(container, dict) else range(len(container))
        for owner in self.owners:
            kinds = _kinds(owner)
            for kind in kinds:
                yield vars(kind).__getitem__, tuple(self.names.intersection(vars(kind)))
            if not isinstance(owner, type):
                yield functools.partial(getattr, owner), tuple(self.names.intersection(_slots(owner)))
            if not isinstance(owner, type) and hasattr(owner, "__dict__"):
                own = {
                    *vars(owner),
                    *(name for kind in kinds for name in vars(kind)),
                }  # it may come to hide its class's
                yield vars(owner).get, tuple(self.names.intersection(own))


def _slots(thing: object) -> list[str]:
    """The names of an object's slots that are filled."""
    members = [(n, value) for kind in _kinds(thing) for n, value in vars(kind).items()]
    return [n for n, value in members if isinstance(value, types.MemberDescriptorType) and hasattr(thing, n)]


def _held(constants: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Those of the arrays that somebody else has too, or the memory that they look at: a rule's own zeros and ones are
    nobody's any more, and nobody writes to them."""

    def counts(array: Array) -> tuple[int, int]:
        return sys.getrefcount(array), 0 if array.base is None else sys.getrefcount(array.base)

    pairs = [(np.empty(1), None), (np.empty(1)[:], None)]
    (own, _), (view, base) = [counts(array) for array, _ in pairs]
    found = []
    for pair in constants:
        array, memory = counts(pair[0])
        if pair[0].base is None:
            is_alone = array <= own and pair[0].flags.owndata
        else:
            is_alone = array <= view and memory <= base and getattr(pair[0].base, "flags", pair[0].flags).owndata
        if not is_alone:
            found.append(pair)
    return found


class Surroundings:
    """The values that a function could read, by where they stand, as they are now; of arrays, what they hold.

    Args:
        f: the function.
        given: the objects that it is given, which it may look into.
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
        self, f: Callable[..., object], given: Sequence[object], constants: Sequence[tuple[object, object]]
    ) -> None:
        walk = _Walk([f, *given])
        places = [(get, list(keys)) for get, keys in walk.places()]
        self._places = [(get, keys, list(map(get, keys))) for get, keys in places if keys]
        self._containers = walk.containers
        self._lengths = list(map(len, walk.containers))
        known = {id(array): (array, copy) for array, copy in _held(constants)}
        for _, _, values in self._places:
            for value in values:
                if isinstance(value, np.ndarray) and may_change(value) and id(value) not in known:
                    known[id(value)] = value, value.copy()
        self._long: list[tuple[Any, Any]] = []
        self._short: list[tuple[bytearray, Any, tuple[int, ...], np.dtype[Any]]] = []
        for array, copy in known.values():
            if array.flags.c_contiguous and array.nbytes <= SHORT and array.dtype.kind in "biufc":
                self._short.append((bytearray(array.tobytes()), array, array.shape, array.dtype))
            else:
                self._long.append((array, copy))

    def changed(self) -> bool:
        """Whether another value stands anywhere."""
        try:
            for get, keys, values in self._places:  # by functions in C alone: this is looked at before every call
                if any(map(operator.is_not, map(get, keys), values)):
                    return True
            for content, array, shape, dtype in self._short:
                if content != array or array.shape != shape or array.dtype != dtype:
                    return True
            return list(map(len, self._containers)) != self._lengths or not all(same_bits(*two) for two in self._long)
        except (AttributeError, LookupError, ValueError):  # a name or key is gone, or a closure was emptied
            return True


class Draws:
    """The generators of random numbers that a function can reach, as they are now."""

    def __init__(self, f: Callable[..., object], args: Sequence[object]) -> None:
        self._sources: list[tuple[str, Callable[[], Any]]] = [
            (_SHARED[0], lambda: np.random.get_state(legacy=False)),
            (_SHARED[1], random.getstate),
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

    def doubtful(self) -> bool:
        """Whether numbers have been drawn since, and another thread may have drawn them, which hardly does so again."""
        return self.source() in _SHARED and threading.active_count() > 1

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


def _state(source: np.random.RandomState | np.random.BitGenerator) -> Any:
    return source.get_state(legacy=False) if isinstance(source, np.random.RandomState) else source.state


def same_bits(a: object, b: object) -> bool:
    """Whether two arrays are equal in shape, dtype and every bit."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.flags.c_contiguous and b.flags.c_contiguous and a.dtype.itemsize in (1, 2, 4, 8):
        whole = np.dtype(f"u{a.dtype.itemsize}")  # no copy, and a nan equals itself
        return bool(np.array_equal(a.view(whole), b.view(whole)))
    return bool(a.tobytes() == b.tobytes())
