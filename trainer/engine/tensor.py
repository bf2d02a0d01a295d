"""An array with a place on the tape.

A Tensor is what differentiation sees of an array: it computes like one, and every NumPy function applied to it that
has rules is recorded. What would drop it from the tape without saying so is refused, with the fix in the message;
`t.value` leaves the tape on purpose.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from trainer.engine import callers, dispatch, ufuncs
from trainer.engine.dispatch import TABLE
from trainer.engine.memory import is_dense, may_change
from trainer.engine.node import Node, Variable, recording_all
from trainer.engine.tree import refilled
from trainer.errors import DetachError, NotDifferentiableError, OpError

__all__ = ["Tensor", "plain", "untaped"]

_COMPLEX = frozenset({np.complex64, np.complex128})
_INEXACT = _COMPLEX | {np.float32, np.float64}
_EXPONENTS: dict[tuple[type, Any], np.ufunc] = {(int, 2): np.square, (int, -1): np.reciprocal, (float, 0.5): np.sqrt}
_OF_NUMBERS = {np.multiply: (operator.mul, _COMPLEX), np.power: (operator.pow, _INEXACT)}


def _binary(function: Callable[..., Any], reflected: bool = False) -> Any:
    """An operator of two operands that records `function`."""
    if reflected:

        def method(self: Tensor, other: object) -> Any:
            op = TABLE.get(function) or _load(function)
            return op.record((other, self), {})
    else:

        def method(self: Tensor, other: object) -> Any:
            op = TABLE.get(function) or _load(function)
            return op.record((self, other), {})

    return method


def _of_numbers(
    function: np.ufunc, python: Callable[..., Any], kinds: Collection[type], reflected: bool = False
) -> Any:
    """An operator of two operands that records `python` between numbers of these kinds.

    NumPy's numbers have an arithmetic of their own, which is not the ufunc's to the bit where that has vectors of the
    processor; what a rule does with plain numbers is that arithmetic, and so it is with Tensors that hold them.
    """

    def method(self: Tensor, other: object) -> Any:
        chosen: Callable[..., Any] = function
        if type(self._value) in kinds and not isinstance(untaped(other), np.ndarray):
            chosen = python
        op = TABLE.get(chosen) or _load(chosen)
        return op.record((other, self) if reflected else (self, other), {})

    return method


def _raised(self: Tensor, other: object) -> Any:
    """As an array's `**`, which for complex numbers is not the ufunc's to the bit where the exponent has a function of
    its own."""
    chosen: Callable[..., Any] = np.power
    if type(self._value) in _INEXACT and not isinstance(untaped(other), np.ndarray):
        chosen = operator.pow
    elif self._value.dtype.kind == "c" and isinstance(other, int | float):
        shorter = _EXPONENTS.get((type(other), other))
        if shorter is not None:
            op = TABLE.get(shorter) or _load(shorter)
            return op.record((self,), {})
    op = TABLE.get(chosen) or _load(chosen)
    return op.record((self, other), {})


def _unary(function: Callable[..., Any]) -> Any:
    def method(self: Tensor) -> Any:
        op = TABLE.get(function) or _load(function)
        return op.record((self,), {})

    return method


def _method(function: Callable[..., Any]) -> Any:
    """An array method that records `function`, called as NumPy's function of that name is."""

    def method(self: Tensor, *args: object, **kwargs: object) -> Any:
        op = TABLE.get(function) or _load(function)
        return op.record(*dispatch.arguments(function, op, (self, *args), kwargs))

    method.__name__ = function.__name__
    method.__doc__ = f"As `np.{function.__name__}`."
    return method


def _load(function: object) -> Any:
    op = dispatch.find(function)
    if op is None:
        raise callers.unknown(function)
    return op


class _Refused:
    """An attribute that arrays have and a Tensor cannot have, with the way out. `hasattr` says that it is not there."""

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, tensor: object, owner: type) -> Any:
        if tensor is None:
            return self
        raise NoAttributeError(callers.advice(tensor) or f"a Tensor has no '{self.name}': {self.instead}")


class NoAttributeError(DetachError, AttributeError):
    pass


def plain(array: object) -> Any:
    """The array itself, where it is NumPy's own kind.

    Raises:
        OpError: for a subclass, which may mean something else by `*` or by an element, as np.matrix and masked arrays
            do, and a Tensor does not.
    """
    if isinstance(array, np.ndarray) and type(array) is not np.ndarray:
        if not isinstance(array, np.memmap):
            raise OpError(
                f"the tape takes plain arrays; a {type(array).__name__} would lose what it is. Write np.asarray(x) for "
                "its numbers alone"
            )
        array = np.asarray(array)
    return array


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
            if not isinstance(value, np.generic):
                value = plain(value)
                if not isinstance(value, np.ndarray) or may_change(value) or not is_dense(value):
                    value = np.array(value)  # the tape's own: whoever made it may write to theirs before the sweep
            if value.dtype.kind not in "fciub":
                raise NotDifferentiableError(f"a Tensor holds numbers; got {value.dtype} from {value!r:.60}")
            node = Variable(value.shape, value.dtype)
        self._value = value
        self._node = node

    @property
    def value(self) -> Any:
        """The plain array, off the tape; to read, for the tape has it too: t.value.copy() can be written to."""
        if recording_all.get():
            raise DetachError(
                "t.value would freeze this run's numbers into the compiled program. Stay with NumPy functions of t, "
                "or compute the constant outside of the compiled function"
            )
        if type(self._value) is not np.ndarray:
            return self._value
        array = self._value.view()
        array.flags.writeable = False
        return array

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

    def backward(self, dy: object = None) -> None:
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

    @property
    def itemsize(self) -> int:
        return self._value.itemsize  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._value.nbytes  # type: ignore[no-any-return]

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
        if method == "outer":
            return ufuncs.outer(ufunc, *inputs, **kwargs)
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if isinstance(inputs[0], np.generic) and ufunc in _OF_NUMBERS and callers.is_operator():
            python, kinds = _OF_NUMBERS[ufunc]  # before a Tensor NumPy's number calls the ufunc
            function = python if type(untaped(inputs[1])) in kinds else ufunc
        op = TABLE.get(function) or _load(function)
        if not kwargs and method == "__call__":
            return op.record(inputs, kwargs)
        if ufunc.signature is not None and not kwargs.keys().isdisjoint(("axes", "axis", "keepdims")):
            return ufuncs.along_axes(ufunc, *inputs, **kwargs)
        return op.record(*dispatch.arguments(function, op, inputs, kwargs))

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> Any:
        op = TABLE.get(function) or dispatch.find(function)
        if op is None:
            if function in dispatch.STRUCTURAL:
                return function(*refilled(args, untaped), **refilled(kwargs, untaped))
            raise callers.unknown(function)
        result = op.record(*dispatch.arguments(function, op, args, kwargs))
        return result if type(result) is Tensor else dispatch.contained(function, result)

    # Operators, with their reflections.

    __add__, __radd__ = _binary(np.add), _binary(np.add, reflected=True)
    __sub__, __rsub__ = _binary(np.subtract), _binary(np.subtract, reflected=True)
    __mul__ = _of_numbers(np.multiply, operator.mul, _COMPLEX)
    __rmul__ = _of_numbers(np.multiply, operator.mul, _COMPLEX, reflected=True)
    __truediv__, __rtruediv__ = _binary(np.true_divide), _binary(np.true_divide, reflected=True)
    __floordiv__, __rfloordiv__ = _binary(np.floor_divide), _binary(np.floor_divide, reflected=True)
    __mod__, __rmod__ = _binary(np.remainder), _binary(np.remainder, reflected=True)
    __divmod__, __rdivmod__ = _binary(np.divmod), _binary(np.divmod, reflected=True)
    __pow__ = _raised
    __rpow__ = _of_numbers(np.power, operator.pow, _INEXACT, reflected=True)
    __matmul__, __rmatmul__ = _binary(np.matmul), _binary(np.matmul, reflected=True)
    __and__, __rand__ = _binary(np.bitwise_and), _binary(np.bitwise_and, reflected=True)
    __or__, __ror__ = _binary(np.bitwise_or), _binary(np.bitwise_or, reflected=True)
    __xor__, __rxor__ = _binary(np.bitwise_xor), _binary(np.bitwise_xor, reflected=True)
    __lshift__, __rlshift__ = _binary(np.left_shift), _binary(np.left_shift, reflected=True)
    __rshift__, __rrshift__ = _binary(np.right_shift), _binary(np.right_shift, reflected=True)
    __eq__, __ne__ = _binary(np.equal), _binary(np.not_equal)
    __lt__, __le__ = _binary(np.less), _binary(np.less_equal)
    __gt__, __ge__ = _binary(np.greater), _binary(np.greater_equal)
    __neg__, __pos__ = _unary(np.negative), _unary(np.positive)
    __abs__, __invert__ = _unary(np.absolute), _unary(np.invert)

    def __getitem__(self, index: object) -> Any:
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
    nonzero = _method(np.nonzero)
    argsort = _method(np.argsort)
    argpartition = _method(np.argpartition)
    searchsorted = _method(np.searchsorted)
    choose = _method(np.choose)
    conj = conjugate = _method(np.conjugate)
    T = property(_unary(np.transpose), doc="The transpose: axes reversed.")
    mT = property(_unary(np.matrix_transpose), doc="The transpose of each matrix: the last two axes exchanged.")
    real = property(_unary(np.real), doc="The real part.")
    imag = property(_unary(np.imag), doc="The imaginary part.")

    def astype(
        self, dtype: npt.DTypeLike, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Any:
        """As `np.astype`."""
        if order != "K" or casting != "unsafe":
            raise OpError("t.astype of a Tensor converts as casting='unsafe' does and keeps the order; leave both out")
        op = TABLE.get(np.astype) or _load(np.astype)
        return op.record((self,), {"dtype": dtype, "copy": copy})

    def compress(self, condition: object, axis: int | None = None, out: None = None) -> Any:
        """As `np.compress(condition, t)`."""
        op = TABLE.get(np.compress) or _load(np.compress)
        return op.record(*dispatch.arguments(np.compress, op, (condition, self, axis, out), {}))

    def copy(self, order: str = "C") -> Any:
        """As `np.copy`."""
        op = TABLE.get(np.copy) or _load(np.copy)
        return op.record((self,), {"order": order})

    def transpose(self, *axes: object) -> Any:
        """As `np.transpose`; the axes may be given one by one."""
        op = TABLE.get(np.transpose) or _load(np.transpose)
        return op.record((self,), {"axes": (axes[0] if len(axes) == 1 else axes) or None})

    def reshape(self, *shape: object, order: str = "C", copy: bool | None = None) -> Any:
        """As `np.reshape`; the lengths may be given one by one."""
        op = TABLE.get(np.reshape) or _load(np.reshape)
        attributes: dict[str, Any] = {"shape": shape[0] if len(shape) == 1 else shape}
        return op.record((self,), attributes if order == "C" else attributes | {"order": order})

    def flatten(self, order: str = "C") -> Any:
        """All elements in one axis."""
        op = TABLE.get(np.ravel) or _load(np.ravel)
        return op.record((self,), {} if order == "C" else {"order": order})

    # What would leave the tape without saying so.

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        raise DetachError(
            callers.advice(self)
            or "turning a Tensor into a NumPy array would drop it from the tape. To join Tensors write np.stack([t1, "
            "t2]) or np.concatenate([t1, t2]), not np.array([t1, t2]), and to fill an array np.where(mask, t, a), not "
            "a[i:j] = t; inside a rule, keep to NumPy functions that return new arrays; for the plain array, off the "
            "tape, write t.value"
        )

    def __float__(self) -> NoReturn:
        raise DetachError(callers.advice(self) or _NUMBER.format("float"))

    def __int__(self) -> NoReturn:
        raise DetachError(callers.advice(self) or _NUMBER.format("int"))

    def __complex__(self) -> NoReturn:
        raise DetachError(callers.advice(self) or _NUMBER.format("complex"))

    def item(self, *index: object) -> NoReturn:
        """Refused, with the fix."""
        raise DetachError("t.item() would drop a Tensor from the tape; for the plain number write t.value.item()")

    def tolist(self) -> NoReturn:
        """Refused, with the fix."""
        raise DetachError("t.tolist() would drop a Tensor from the tape; for plain numbers write t.value.tolist()")

    def __index__(self) -> NoReturn:
        raise DetachError(
            callers.advice(self)
            or "a Tensor cannot index a list or count a loop: that would drop it from the tape. To pick elements call "
            f"the op, {callers.spelling(_load(np.take), 'np.take')}; for the plain integer, off the tape, write "
            "int(t.value)"
        )

    def __bool__(self) -> NoReturn:
        raise DetachError(
            callers.advice(self)
            or "bool(t), as in `if t > 0:` or `while t:`, would freeze into the record a decision that depends on the "
            "values. To keep both branches on the tape write np.where(t > 0, a, b); to decide now, for these values "
            "alone, write `if t.value > 0:`; an element of a bool array is not filled by a[i] = t, write np.where"
        )

    def __contains__(self, value: object) -> NoReturn:
        raise DetachError("`x in t` would freeze an answer into the record; write np.any(t == x)")

    def __delitem__(self, index: object) -> NoReturn:
        raise DetachError("a Tensor is never written to: write np.delete(t, index, axis)")

    flat = _Refused("write np.ravel(t)")
    sort = _Refused("it would sort in place, and a Tensor is never written to: write np.sort(t)")
    partition = _Refused("it would write in place, and a Tensor is never written to: write np.partition(t, kth)")
    resize = _Refused("it would write in place, and a Tensor is never written to: write np.resize(t, shape)")
    fill = _Refused("it would write in place, and a Tensor is never written to: write np.full_like(t, value)")
    put = _Refused("it would write in place, and a Tensor is never written to: write np.where(mask, values, t)")
    setfield = setflags = _Refused("a Tensor is never written to: write np.where(mask, values, t)")
    view = getfield = byteswap = _Refused("bytes have no derivative: write t.astype(dtype), or t.value for the array")
    base = ctypes = data = flags = strides = _Refused("where its array lies is no matter of the tape; t.value has it")
    tobytes = tofile = dump = dumps = _Refused("writing it down leaves the tape: t.value has it")
    device = to_device = _Refused("its array lies in this machine's memory; t.value is the array")

    def __setitem__(self, index: object, value: object) -> NoReturn:
        raise DetachError(
            "t[index] = value would change an array that the tape has recorded. Make a new one: np.where(mask, value, "
            "t), or np.concatenate([t[:i], value, t[i + 1:]])"
        )


_NUMBER = (
    "{0}(t) would drop a Tensor from the tape (math.sin(t) and its kin do the same, and so does filling an array, "
    "c[i] = t). Write np.sin(t), not math.sin(t); np.stack of a list of the parts, or np.where(mask, t, c), not "
    "c[i] = t; for the plain number, off the tape, write {0}(t.value)"
)


def untaped(value: Any) -> Any:
    """The plain array of a Tensor, the float of a Number (`trainer.engine.holders`); else the value itself."""
    return value._value if hasattr(type(value), "_value") else value
