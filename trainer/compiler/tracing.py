"""Recording a function of arrays as a program.

The function runs once, on Tensors, and every call of an op is written down: those of the forward pass, and those of the
backward sweep, whose rules are NumPy too. A composite op, whose forward function is itself a few NumPy calls (a
softmax), is written down as those calls, so a program comes down to NumPy's own functions. What would freeze a decision
into the record is refused by the Tensor itself (`if t > 0:`, `float(t)`), or here (`t.value`, random numbers). What the
function reads is an argument, in whatever tuple, list, dict or slice it reaches an op, or a constant array, which is
kept as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainer.compiler.packed import unpacked
from trainer.compiler.program import Instruction, Program, Value
from trainer.compiler.scope import Scope, here
from trainer.compiler.surroundings import Draws, same_bits
from trainer.engine.dispatch import TABLE
from trainer.engine.holders import HOLDERS, Number
from trainer.engine.memory import forget, is_dense, laid_out, may_change
from trainer.engine.node import Node, Variable, next_index, swept
from trainer.engine.observe import observed
from trainer.engine.op import IDENTITY, SELECT, STOP, Op
from trainer.engine.tensor import Tensor, plain
from trainer.engine.tree import flatten
from trainer.errors import DetachError, ShapeError
from trainer.types import Array

__all__ = ["Record", "trace"]

ATTEMPTS = 3  # to record what another thread may have disturbed


@dataclass(frozen=True)
class Record:
    """What one run of a function has written down.

    Attributes:
        program: what was computed.
        rebuild: gives a list of the program's outputs the result's structure.
        constants: the arrays that the function took from outside, and what they held.
    """

    program: Program
    rebuild: Callable[[Sequence[Any]], Any]
    constants: list[tuple[Array, Any]]


def trace(
    f: Callable[..., Any],
    args: Sequence[Any],
    *,
    numbers: bool = False,
    whole: Callable[[Op], bool] | None = None,
    forgotten: Callable[[Array], bool] | None = None,
) -> Record:
    """Run `f` on these arrays and write down what it computes.

    Args:
        f: a function of arrays, or of nested dicts, lists and tuples of them.
        args: its arguments. Arrays become the program's inputs, in the order of the leaves; all else is constant.
        numbers: whether Python floats become inputs as well; what Python would do with their values is refused then.
        whole: which ops are written down as one instruction, although they are made of NumPy calls.
        forgotten: which results are of no further use than their shape and dtype, and so take no memory: what comes
            after takes zeros in their stead.

    >>> trace(lambda x: np.tanh(x) * 2.0, [np.zeros(3)]).program
    %0 = input  float64 (3,)
    %1 = tanh(%0)  float64 (3,)
    %2 = multiply(%1, 2.0)  float64 (3,)
    return %2
    """
    for _ in range(ATTEMPTS):
        tracer, draws = _Tracer(whole, forgotten), Draws(f, args)
        inputs, result = _observed(f, args, tracer, numbers=numbers)
        if not draws.doubtful():
            break
    draws.refuse()
    outputs, rebuild_outputs = flatten(result)
    if any(type(o) is Number for o in outputs):
        raise DetachError("a compiled function returns arrays; a Python number would come back as one of NumPy's")
    values = [tracer.value_of(o) for o in outputs]
    program = Program(inputs, values, tracer.instructions)
    _, rebuild_outputs = flatten(rebuild_outputs([None] * len(outputs)))  # holds no Tensor, and so no tape
    arrays = [i for i, o in enumerate(outputs) if _is_point(o)]
    return Record(program, _with_arrays(rebuild_outputs, arrays) if arrays else rebuild_outputs, tracer.taken())


def _observed(f: Callable[..., Any], args: Sequence[Any], tracer: _Tracer, *, numbers: bool) -> tuple[list[Value], Any]:
    """Run `f` while a tracer watches: the program's inputs, and what came."""
    leaves, rebuild = flatten(tuple(args))
    inputs = []
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, np.ndarray | np.generic):
            leaves[i] = _given(leaf)
            inputs.append(tracer.add(leaves[i]))
        elif numbers and type(leaf) is float:
            value = Value(np.float64(leaf))
            leaves[i] = tracer.number(leaf, value)
            inputs.append(value)
    with observed(tracer.observe, strict=True):
        return inputs, f(*rebuild(leaves))


def _given(argument: Array | np.generic) -> Tensor:
    """An argument on the tape, as it is: whoever made it writes to it when the function has returned."""
    if isinstance(argument, np.ndarray) and is_dense(argument) and argument.dtype.kind in "fciub":
        array = plain(argument)
        return Tensor(array, Variable(array.shape, array.dtype))
    return Tensor(argument)


def _is_point(output: object) -> bool:
    """Whether a result is an array without axes, and no scalar as most functions of NumPy's give."""
    array = output._value if isinstance(output, Tensor) else output
    return isinstance(array, np.ndarray) and not array.ndim


def _with_arrays(rebuild: Callable[[Sequence[Any]], Any], places: list[int]) -> Callable[[Sequence[Any]], Any]:
    """The structure, with arrays for the scalars at these places."""

    def rebuilt(results: Sequence[Any]) -> Any:
        results = list(results)
        for place in places:
            results[place] = np.asarray(results[place])
        return rebuild(results)

    return rebuilt


class _Tracer:
    """Writes down the calls that it observes."""

    def __init__(
        self, whole: Callable[[Op], bool] | None = None, forgotten: Callable[[Array], bool] | None = None
    ) -> None:
        self.whole = whole or (lambda op: False)
        self.forgotten = forgotten or (lambda array: False)
        self.compared = 0  # how many composite ops deep results are held against one another
        self.instructions: list[Instruction] = []
        # Nodes, not Tensors: the sweep wraps saved arrays into new Tensors on their old nodes.
        self.values: dict[Node, Value] = {}
        self.several: dict[Node | None, tuple[Value, ...]] = {}
        self.constants: dict[int, tuple[object, Value]] = {}
        self.copies: dict[Any, Value] = {}
        self.numbers: dict[int, tuple[Number, Value]] = {}
        self.scopes: dict[Node, Scope] = {}
        self.start = next_index()  # what is older was made outside

    def add(self, tensor: Tensor) -> Value:
        """A new value for a Tensor."""
        value = self.values[tensor._node] = Value(tensor._value)
        return value

    def number(self, plain: float, value: Value) -> Number:
        """A Python float that stands for a value."""
        number = Number(plain, self.compute)
        self.numbers[id(number)] = number, value
        return number

    def compute(self, python: Callable[..., Any], args: Sequence[Any]) -> Number:
        """Write down what Python makes of its numbers."""
        op = _ARITHMETIC.setdefault(python, Op(_Arithmetic(python), name=python.__name__, inputs=("numbers",)))
        result = op.forward(*(a._value if type(a) is Number else a for a in args))
        value = Value(result)
        self.instructions.append(Instruction(op, tuple(map(self.value_of, args)), {}, (value,), here()))
        return self.number(float(result), value)

    def taken(self) -> list[tuple[Array, Any]]:
        """The constant arrays that anybody may still write to, with what they held."""
        return [
            (argument, value.known)
            for argument, value in self.constants.values()
            if isinstance(argument, np.ndarray) and may_change(argument)
        ]

    def value_of(self, argument: object) -> Value:
        """The value that stands for an argument; a constant where nothing recorded led to it."""
        if type(argument) is Number:
            return self.numbers[id(argument)][1]
        if isinstance(argument, Tensor):
            node = argument._node
            if node in self.values:
                return self.values[node]
            if node.op is SELECT and node.parents[0] in self.several:
                several: tuple[Value, ...] = self.several[node.parents[0]]
                return several[int(node.residuals[0])]
            if node.op is not None or node.index < self.start:
                raise DetachError(
                    "a compiled function uses a Tensor from outside, whose value would freeze into the program and "
                    "which no gradient would reach: pass it as an argument"
                )
            argument = argument._value
        known = self.constants.get(id(argument))
        if known is None or (isinstance(argument, np.ndarray) and not same_bits(known[1].known, argument)):
            # The argument is kept too, so that its id stays its own.
            known = self.constants[id(argument)] = argument, self._constant(argument)
        return known[1]

    def _constant(self, argument: object) -> Value:
        """A constant's value; of an array a copy, for it may be written to later, and one copy of equal ones, such as
        an array and what the tape has kept of it."""
        if not isinstance(argument, np.ndarray):
            return Value(argument, constant=True)
        key = argument.shape, argument.dtype, argument.strides, hash(argument.tobytes())
        found = self.copies.get(key)
        if found is None or not same_bits(found.known, argument):
            found = self.copies[key] = Value(laid_out(argument), constant=True)
        return found

    def observe(self, op: Op, args: Sequence[Any], attributes: dict[str, Any], result: Any) -> None:
        if any(type(a) in HOLDERS for a in args):
            op, args = unpacked(op, args, attributes)
        if isinstance(ufunc := op.forward, np.ufunc) and any(type(a) is Number for a in args):
            inputs = self._converted(ufunc, args)
        else:
            inputs = tuple(map(self.value_of, args))
        entry = swept.get()
        scope = Scope("backward", self.scopes[entry].layer) if entry in self.scopes else here()
        self.scopes[result[0]._node.parents[0] if isinstance(result, tuple) else result._node] = scope
        if op is IDENTITY or op is STOP:
            self.values[result._node] = inputs[0]
            return
        if (
            not isinstance(op.forward, np.ufunc)
            and not op.primitive
            and not self.whole(op)
            and self._inline(op, inputs, args, attributes, result)
        ):
            return
        results = result if isinstance(result, tuple) else (result,)
        outputs = tuple(map(self.add, results))
        if not self.compared:
            self._forget(op, results)
        if isinstance(result, tuple):
            self.several[results[0]._node.parents[0]] = outputs
        self.instructions.append(Instruction(op, inputs, {**op.attributes, **attributes}, outputs, scope))

    def _forget(self, op: Op, results: Sequence[Any]) -> None:
        """Let go of large results that are nobody else's: those of a ufunc, and of a concatenation, are new arrays."""
        if isinstance(op.forward, np.ufunc) or op is TABLE.get(np.concatenate):
            for array in (result._value for result in results):
                if isinstance(array, np.ndarray) and array.flags.owndata and self.forgotten(array):
                    forget(array)

    def _converted(self, ufunc: np.ufunc, args: Sequence[Any]) -> tuple[Value, ...]:
        """A ufunc's arguments, with Numbers in the dtype that they have beside the others."""
        given = [float if type(a) is Number else getattr(a, "dtype", type(a)) for a in args]
        dtypes = ufunc.resolve_dtypes((*given, *[None] * ufunc.nout))
        return tuple(
            self._cast(self.value_of(a), dtype) if type(a) is Number else self.value_of(a)
            for a, dtype in zip(args, dtypes, strict=False)
        )

    def _cast(self, value: Value, dtype: np.dtype[Any]) -> Value:
        if value.dtype == dtype:
            return value
        cast = Value(np.zeros((), dtype))
        op = TABLE[np.astype]
        assert isinstance(op, Op)
        self.instructions.append(Instruction(op, (value,), {**op.attributes, "dtype": dtype}, (cast,), here()))
        return cast

    def _inline(
        self, op: Op, inputs: tuple[Value, ...], args: Sequence[Any], attributes: dict[str, Any], result: Any
    ) -> bool:
        """Write the op down as the NumPy calls that its forward function makes, if that gives the same bits."""
        mark = len(self.instructions)
        arrays = []
        for value, arg in zip(inputs, args, strict=True):
            if isinstance(arg, Tensor):
                arg = Tensor(arg._value)
                self.values[arg._node] = value
            arrays.append(arg)
        self.compared += 1
        try:
            inner = op.forward(*arrays, **attributes)
        except Exception:  # it worked on plain arrays: whatever Tensors do to it, it is called back with plain ones
            del self.instructions[mark:]
            return False
        finally:
            self.compared -= 1
        outer, found = (r if isinstance(r, tuple) else (r,) for r in (result, inner))
        same = len(outer) == len(found) and all(
            isinstance(b, Tensor) and same_bits(a._value, b._value) for a, b in zip(outer, found, strict=False)
        )
        if not same:
            del self.instructions[mark:]
            return False
        values = tuple(map(self.value_of, found))
        for tensor, value in zip(outer, values, strict=True):
            self.values[tensor._node] = value
        if isinstance(result, tuple):
            self.several[result[0]._node.parents[0]] = values
        return True


class _Arithmetic:
    """One of Python's operators on floats, whose result is to be a float for any values."""

    def __init__(self, python: Callable[..., Any]) -> None:
        self.python = python

    def __call__(self, *numbers: object) -> object:
        result = self.python(*(n.item() if isinstance(n, np.ndarray | np.generic) else n for n in numbers))
        if type(result) is not float:
            raise ShapeError(
                f"{self.python.__name__} of Python numbers gives the {type(result).__name__} {result!r} for these "
                "values, and a float was recorded: a compiled function's types must not depend on values; give it an "
                "array"
            )
        return np.float64(result)


_ARITHMETIC: dict[Callable[..., Any], Op] = {}
