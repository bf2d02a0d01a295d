"""What an op is given that is no array and yet holds one: a tuple with a Tensor in it, or a number of a program's.

An op's forward function sees plain values, however deep they lie. The tape and the recorder see the holder, so that
what is in it is not taken for a constant.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any, NoReturn

import numpy as np

from trainer.engine.tensor import Tensor, untaped
from trainer.engine.tree import refilled
from trainer.errors import DetachError

__all__ = ["HOLDERS", "Held", "Number", "holds", "is_live", "opened", "taken"]

_PLAIN = (float, int, bool)


def _operator(python: Callable[..., object], ufunc: np.ufunc, reflected: bool = False) -> object:
    def method(self: Number, *other: object) -> object:
        args = (*other, self) if reflected else (self, *other)
        if all(type(a) is Number or type(a) in _PLAIN for a in args):
            return self.compute(python, args)
        return ufunc(*args)

    return method


def _refused(self: Number, *args: object) -> NoReturn:
    raise DetachError(
        "a number's value would freeze into the compiled program: Python may add, subtract, multiply, divide and raise "
        "it, and NumPy's functions take it; nothing may decide by it"
    )


class Number:
    """A Python float that a recorded function is given, without its value.

    To NumPy a Python number is weak: beside a float32 array it is a float32. A Number keeps that: what Python's own
    arithmetic makes of it is a Number again, what a NumPy function makes of it is recorded, and whatever would look at
    its value is refused.

    Attributes:
        _value: the float, as a Tensor has its array.
        compute: given a function of Python's and its arguments, Numbers among them, gives the result as a Number.
    """

    __slots__ = ("_value", "compute")

    def __init__(self, value: float, compute: Callable[..., Number]) -> None:
        self._value = value
        self.compute = compute

    @property  # type: ignore[misc]  # to isinstance a Number is the float that it stands for
    def __class__(self) -> type:
        return float

    __add__, __radd__ = _operator(operator.add, np.add), _operator(operator.add, np.add, reflected=True)
    __sub__, __rsub__ = _operator(operator.sub, np.subtract), _operator(operator.sub, np.subtract, reflected=True)
    __mul__, __rmul__ = _operator(operator.mul, np.multiply), _operator(operator.mul, np.multiply, reflected=True)
    __truediv__ = _operator(operator.truediv, np.true_divide)
    __rtruediv__ = _operator(operator.truediv, np.true_divide, reflected=True)
    __pow__, __rpow__ = _operator(operator.pow, np.power), _operator(operator.pow, np.power, reflected=True)
    __neg__, __abs__ = _operator(operator.neg, np.negative), _operator(operator.abs, np.absolute)
    __pos__ = _operator(operator.pos, np.positive)

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refused
    __bool__ = __float__ = __int__ = __complex__ = __round__ = __trunc__ = _refused
    __hash__ = __repr__ = __str__ = __format__ = __array__ = _refused
    __reduce_ex__ = __copy__ = __deepcopy__ = _refused

    __array_ufunc__, __array_function__ = Tensor.__array_ufunc__, Tensor.__array_function__


# The types, exactly, that an op looks into.
HOLDERS = frozenset({tuple, list, dict, slice, Number})


class Held(tuple[Any, ...]):
    """Residuals with Tensors somewhere inside one of them: a sweep that is not recorded opens them for its rules."""

    __slots__ = ()

    def opened(self) -> tuple[Any, ...]:
        """The residuals as a rule takes them."""
        return tuple(map(opened, self))


def holds(value: object) -> bool:
    """Whether a Tensor or a Number is, or lies in, this value: in tuples, lists, dicts and slices, however deep."""
    if isinstance(value, list | tuple):
        return any(map(holds, value))
    if isinstance(value, dict):
        return any(map(holds, value.values()))
    if type(value) is slice:
        return holds((value.start, value.stop, value.step))
    return type(value) is Tensor or type(value) is Number


def opened(value: object) -> object:
    """The same with plain arrays and floats in place of Tensors and Numbers."""
    return refilled(value, untaped) if holds(value) else value


def taken(value: object, sequences: Collection[type]) -> tuple[Any, bool]:
    """A value as an op takes it, and whether there are Tensors in it, to be taken out for the forward function. Without
    any, a sequence of one of these types stands for an array."""
    held = holds(value)
    return (np.asarray(value) if not held and type(value) in sequences else value), held


def is_live(value: object) -> bool:
    """Whether a Tensor that carries a gradient is, or lies in, this value."""
    found: list[Any] = []
    refilled(value, found.append)
    return any(type(leaf) is Tensor and leaf._node.plan is not None for leaf in found)
