"""An array with a place on the tape.

A Tensor is what differentiation sees of an array: it computes like one, and every NumPy function applied to it that
has rules is recorded. What would drop it from the tape without saying so is refused, with the fix in the message;
`t.value` leaves the tape on purpose.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

import numpy as np

from trainer.engine import dispatch
from trainer.engine.dispatch import TABLE
from trainer.engine.node import Node, Variable, recording_all
from trainer.errors import DetachError, NotDifferentiableError

__all__ = ["Tensor", "values_of"]


def _binary(function: Callable[..., Any], reflected: bool = False) -> Any:
    """An operator of two operands that records `function`."""
    if reflected:

        def method(self: Tensor, other: Any) -> Any:
            op = TABLE.get(function) or _load(function)
            return op.record((other, self), {})
    else:

        def method(self: Tensor, other: Any) -> Any:
            op = TABLE.get(function) or _load(function)
            return op.record((self, other), {})

    return method


def _unary(function: Callable[..., Any]) -> Any:
    def method(self: Tensor) -> Any:
        op = TABLE.get(function) or _load(function)
        return op.record((self,), {})

    return method


def _method(function: Callable[..., Any]) -> Any:
    """An array method that records `function`, called as NumPy's function of that name is."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        op = TABLE.get(function) or _load(function)
        return op.record(*dispatch.arguments(function, op, (self, *args), kwargs))

    method.__name__ = function.__name__
    method.__doc__ = f"As `np.{function.__name__}`."
    return method


def _load(function: Any) -> Any:
    op = dispatch.find(function)
    if op is None:
        raise dispatch.unknown(function)
    return op


class Tensor:
    """An array on the tape. `Tensor(array)` is a variable, something to differentiate with respect to.

    Arrays that are not Tensors are constants. Operators, NumPy's functions and the usual array methods work and are
    recorded; comparisons give Tensors of bool, through which no gradient passes.

    >>> t = Tensor(np.array([1.0, 2.0]))
    >>> y = np.sum(t * t)
    >>> y.backward()
    >>> t.grad
    array([2., 4.])
    """

    __slots__ = ("_node", "_value")
    __hash__ = None  # type: ignore[assignment]  # == compares elements, as NumPy's does, so a Tensor cannot be a key

    def __init__(self, value: Any, node: Node | None = None) -> None:
        if node is None:
            if isinstance(value, Tensor):
                raise DetachError("Tensor(t) of a Tensor would drop it from the tape; use t itself, or Tensor(t.value)")
            value = np.asarray(value)
            if value.dtype.kind not in "fciub":
                raise NotDifferentiableError(f"a Tensor holds numbers; got {value.dtype} from {value!r:.60}")
            node = Variable(value.shape, value.dtype)
        self._value = value
        self._node = node

    @property
    def value(self) -> Any:
        """The plain array, off the tape."""
        if recording_all.get():
            raise DetachError(
                "t.value would freeze this run's numbers into the compiled program. Stay with NumPy functions of t, "
                "or compute the constant outside of the compiled function"
            )
        return self._value

    @property
    def grad(self) -> Any:
        """What the last `backward()` found for this variable, or None."""
        if not isinstance(self._node, Variable):
            raise NotDifferentiableError(
                "only variables keep a gradient, and this Tensor is the result of "
                f"'{self._node.op.name if self._node.op else ''}'; ask for it: "
                "trainer.vjp(f, x), or trainer.tape(y).replay() for the adjoint of every entry"
            )
        return self._node.grad

    def backward(self, dy: Any = None) -> None:
        """Replay the tape in reverse and leave each variable's gradient in its `grad`, replacing what was there.

        Args:
            dy: the cotangent, of this Tensor's shape and dtype. May be left out for a scalar.
        """
        from trainer.engine.sweep import backward  # a Tensor knows who replays it only when asked to, as in PyTorch

        backward(self, dy)

    # What an array knows about itself.

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._value.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        return self._value.size  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        body = repr(np.asarray(self._value))
        return "Tensor" + body.removeprefix("array")

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iteration over a 0-d Tensor")
        return map(self.__getitem__, range(len(self)))

    # NumPy's two protocols.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        op = TABLE.get(function) or _load(function)
        if method == "__call__" and not kwargs:
            return op.record(inputs, kwargs)
        return op.record(*dispatch.arguments(function, op, inputs, kwargs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        op = TABLE.get(function) or dispatch.find(function)
        if op is None:
            if function in dispatch.STRUCTURAL:
                return function(*values_of(args), **values_of(kwargs))
            raise dispatch.unknown(function)
        return op.record(*dispatch.arguments(function, op, args, kwargs))

    # Operators, with their reflections.

    __add__, __radd__ = _binary(np.add), _binary(np.add, reflected=True)
    __sub__, __rsub__ = _binary(np.subtract), _binary(np.subtract, reflected=True)
    __mul__, __rmul__ = _binary(np.multiply), _binary(np.multiply, reflected=True)
    __truediv__, __rtruediv__ = _binary(np.true_divide), _binary(np.true_divide, reflected=True)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _binary(np.floor_divide, reflected=True)
    __mod__, __rmod__ = _binary(np.remainder), _binary(np.remainder, reflected=True)
    __pow__, __rpow__ = _binary(np.power), _binary(np.power, reflected=True)
    __matmul__, __rmatmul__ = _binary(np.matmul), _binary(np.matmul, reflected=True)
    __and__, __rand__ = _binary(np.bitwise_and), _binary(np.bitwise_and, reflected=True)
    __or__, __ror__ = _binary(np.bitwise_or), _binary(np.bitwise_or, reflected=True)
    __xor__, __rxor__ = _binary(np.bitwise_xor), _binary(np.bitwise_xor, reflected=True)
    __eq__, __ne__ = _binary(np.equal), _binary(np.not_equal)
    __lt__, __le__ = _binary(np.less), _binary(np.less_equal)
    __gt__, __ge__ = _binary(np.greater), _binary(np.greater_equal)
    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)

    def __getitem__(self, index: Any) -> Any:
        op = TABLE.get(operator.getitem) or _load(operator.getitem)
        return op.record((self, index), {})

    # The usual methods, as NumPy's functions of the same names.

    sum = _method(np.sum)
    mean = _method(np.mean)
    prod = _method(np.prod)
    std = _method(np.std)
    var = _method(np.var)
    max = _method(np.max)
    min = _method(np.min)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    cumsum = _method(np.cumsum)
    cumprod = _method(np.cumprod)
    clip = _method(np.clip)
    round = _method(np.round)
    squeeze = _method(np.squeeze)
    swapaxes = _method(np.swapaxes)
    ravel = _method(np.ravel)
    repeat = _method(np.repeat)
    take = _method(np.take)
    dot = _method(np.dot)
    trace = _method(np.trace)
    diagonal = _method(np.diagonal)
    any = _method(np.any)
    all = _method(np.all)
    astype = _method(np.astype)
    copy = _method(np.copy)

    @property
    def T(self) -> Any:
        """The transpose: axes reversed."""
        op = TABLE.get(np.transpose) or _load(np.transpose)
        return op.record((self,), {})

    def transpose(self, *axes: Any) -> Any:
        """As `np.transpose`; the axes may be given one by one."""
        op = TABLE.get(np.transpose) or _load(np.transpose)
        return op.record((self,), {"axes": (axes[0] if len(axes) == 1 else axes) or None})

    def reshape(self, *shape: Any) -> Any:
        """As `np.reshape`; the lengths may be given one by one."""
        op = TABLE.get(np.reshape) or _load(np.reshape)
        return op.record((self,), {"shape": shape[0] if len(shape) == 1 else shape})

    def flatten(self) -> Any:
        """All elements in one axis."""
        op = TABLE.get(np.ravel) or _load(np.ravel)
        return op.record((self,), {})

    @property
    def real(self) -> Any:
        op = TABLE.get(np.real) or _load(np.real)
        return op.record((self,), {})

    @property
    def imag(self) -> Any:
        op = TABLE.get(np.imag) or _load(np.imag)
        return op.record((self,), {})

    def conj(self) -> Any:
        """As `np.conj`."""
        op = TABLE.get(np.conjugate) or _load(np.conjugate)
        return op.record((self,), {})

    # What would leave the tape without saying so.

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise DetachError(
            "turning a Tensor into a NumPy array would drop it from the tape. To join Tensors write np.stack([t1, t2]) "
            "or np.concatenate([t1, t2]), not np.array([t1, t2]); inside a rule, keep to NumPy functions that return "
            "new arrays; for the plain array, off the tape, write t.value"
        )

    def __float__(self) -> NoReturn:
        raise DetachError(_NUMBER.format("float"))

    def __int__(self) -> NoReturn:
        raise DetachError(_NUMBER.format("int"))

    def __complex__(self) -> NoReturn:
        raise DetachError(_NUMBER.format("complex"))

    def item(self) -> NoReturn:
        """Refused, with the fix."""
        raise DetachError("t.item() would drop a Tensor from the tape; for the plain number write t.value.item()")

    def tolist(self) -> NoReturn:
        """Refused, with the fix."""
        raise DetachError("t.tolist() would drop a Tensor from the tape; for plain numbers write t.value.tolist()")

    def __index__(self) -> NoReturn:
        raise DetachError(
            "a Tensor cannot index a list or count a loop: that would drop it from the tape. To pick elements write "
            "np.take(x, t, axis=0); for the plain integer, off the tape, write int(t.value)"
        )

    def __bool__(self) -> NoReturn:
        raise DetachError(
            "bool(t), as in `if t > 0:` or `while t:`, would freeze into the record a decision that depends on the "
            "values. To keep both branches on the tape write np.where(t > 0, a, b); to decide now, for these values "
            "alone, write `if t.value > 0:`"
        )

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise DetachError(
            "t[index] = value would change an array that the tape has recorded. Make a new one: np.where(mask, value, "
            "t), or np.concatenate([t[:i], value, t[i + 1:]])"
        )


_NUMBER = (
    "{0}(t) would drop a Tensor from the tape (math.sin(t) and its kin do the same). Write np.sin(t), not math.sin(t); "
    "for the plain number, off the tape, write {0}(t.value)"
)


def values_of(arguments: Any) -> Any:
    """The same arguments with plain arrays in place of Tensors, inside lists, tuples and dicts as well."""
    if isinstance(arguments, Tensor):
        return arguments._value
    if isinstance(arguments, dict):
        return {k: values_of(v) for k, v in arguments.items()}
    if isinstance(arguments, list | tuple) and _holds_tensor(arguments):
        return type(arguments)(values_of(a) for a in arguments)
    return arguments


def _holds_tensor(items: Iterable[Any]) -> bool:
    return any(isinstance(i, Tensor) or (isinstance(i, list | tuple) and _holds_tensor(i)) for i in items)
