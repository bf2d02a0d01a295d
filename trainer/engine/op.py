"""An op: a forward function in plain NumPy and a rule per differentiable input.

Calling an op on plain arrays runs its forward function and nothing else. With a Tensor among the arguments the call is
recorded: the forward function still sees plain arrays, and a node keeps what the rules have asked for. The path from
the call to the node is the engine's hot path and is written for speed: it looks nothing up twice and allocates the
result, its node, two tuples and the Tensor.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from types import FrameType
from typing import Any, TypeVar, overload

import numpy as np

from trainer.engine import dispatch, verify
from trainer.engine.holders import HOLDERS, Held, holds, is_live, opened, taken
from trainer.engine.memory import own
from trainer.engine.node import Node
from trainer.engine.plan import Plan
from trainer.engine.rules import NONDIFFERENTIABLE, ZERO, Absence, Rule, Signature, read_signature
from trainer.engine.tensor import Tensor, plain
from trainer.errors import DetachError, OpError, RuleError, ShapeError
from trainer.types import Array
from trainer.wording import describe, nearest

__all__ = ["ARRAY_TYPES", "REQUIRED", "Op", "op"]

F = TypeVar("F", bound=Callable[..., Any])
Piece = tuple[Array, Array, bool]  # a view of a result, what comes there, and whether it is added
_getframe = sys._getframe
_new = object.__new__
# What a forward function may return, by exact type: a set is quicker to ask than isinstance.
ARRAY_TYPES = frozenset({np.ndarray, *np.sctypeDict.values()})


class _Required:
    def __repr__(self) -> str:
        return "(required)"


REQUIRED = _Required()


class Op:
    """A differentiable function of arrays. Make one with `trainer.op`.

    Attributes:
        name: the name in YAML and in messages.
        forward: the function, on plain arrays.
        inputs: the names of its array arguments; one name for a variadic op.
        attributes: its static keyword arguments and their defaults (`REQUIRED` where there is none).
        primitive: whether a program has its calls as they are, as those of NumPy's functions, or what its forward
            function does.
        elementwise: whether a cotangent of the output's shape may be summed down to a broadcast input's.
        rules: per input its rule, ZERO or NONDIFFERENTIABLE; an input that is absent has no rule written.
        module: the module that defined it.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        name: str | None = None,
        implements: object = None,
        binder: Callable[..., dispatch.Call] | None = None,
        elementwise: bool | None = None,
        inputs: tuple[str, ...] | None = None,
        module: str = "",
    ) -> None:
        self.forward = forward
        self.name: str = name or forward.__name__
        # inspect.signature, functools.wraps and help see the function behind the op.
        self.__name__, self.__doc__, self.__wrapped__ = self.name, forward.__doc__, forward
        self.module = module or getattr(forward, "__module__", "") or ""
        self.elementwise = (
            isinstance(forward, np.ufunc) and not forward.signature if elementwise is None else elementwise
        )
        self.primitive = self.variadic = False
        self.attributes: dict[str, Any] = {}
        self.inputs: tuple[str, ...]
        if inputs is not None:
            self.inputs, self.required = inputs, len(inputs)
        elif isinstance(forward, np.ufunc):
            self.inputs = ("x",) if forward.nin == 1 else tuple(f"x{i + 1}" for i in range(forward.nin))
            self.required = forward.nin
        else:
            self._read_signature(forward)
        self.signature = Signature(self.name, self.inputs, tuple(self.attributes), self.variadic)
        # What stands for an array; in an index a tuple means something else.
        self.sequences = {list} if "index" in self.inputs else {list, tuple}
        self.rules: dict[str, Rule | Absence] = {}
        self._plans: dict[int, Plan] = {}
        self._samples: Callable[[np.random.Generator], Iterator[Any]] | None = None
        self._operations: Callable[..., int] | None = None
        self.pieces: Callable[..., list[Piece] | None] | None = None
        functions = implements if isinstance(implements, tuple) else (implements,) if implements is not None else ()
        for function in (forward, *functions) if isinstance(forward, np.ufunc) else functions:
            dispatch.bind(function, self, binder)

    def _read_signature(self, forward: Callable[..., Any]) -> None:
        self.inputs, keywords, self.variadic = read_signature(forward)
        if not self.inputs:
            raise RuleError(
                f"op '{self.name}' has no array argument; arrays are positional: def {self.name}(x, *, ...)"
            )
        if self.variadic and len(self.inputs) > 1:
            raise RuleError(
                f"op '{self.name}' mixes named arrays {self.inputs[:-1]} with *{self.inputs[-1]}; "
                "take either named arrays or *arrays"
            )
        reserved = {"y", "dy", "wanted"} & {*self.inputs, *keywords}
        if reserved:
            name = min(reserved)
            raise RuleError(
                f"op '{self.name}' calls an argument '{name}', which in a rule means "
                + {"y": "the output", "dy": "the cotangent", "wanted": "which cotangents are asked for"}[name]
                + "; give it another name"
            )
        optional = getattr(forward, "__defaults__", None) or ()
        self.required = len(self.inputs) - len(optional)
        for value in optional:
            if value is not None:
                raise RuleError(
                    f"op '{self.name}' gives an array argument the default {value!r}; static attributes are "
                    f"keyword-only, so put a * before them: def {self.name}(x, *, ...). "
                    "An optional array's default is None"
                )
        defaults = getattr(forward, "__kwdefaults__", None) or {}
        self.attributes = {name: defaults.get(name, REQUIRED) for name in keywords}

    # Declaring derivatives.

    def defvjp(self, **rules: Callable[..., Any] | None) -> Op:
        """Give each named input its rule. For a ufunc of two the inputs are `x1` and `x2`, of one `x`.

        >>> from trainer import op, grad
        >>> cube = op(lambda x: x**3, name="cube").defvjp(x=lambda dy, x: 3 * x**2 * dy)
        >>> grad(cube)(2.0)
        np.float64(12.0)
        """
        for target, function in rules.items():
            self._define((target,), function)
        return self

    def vjp(self, *targets: str) -> Callable[[F], F]:
        """Decorate the rule of one input; or of several that share work, which then returns one cotangent per name."""
        if not all(isinstance(target, str) for target in targets):
            raise RuleError(
                f"name the input that the rule is for: @{self.name}.vjp('{self.inputs[0]}'), not @{self.name}.vjp"
            )

        def decorate(function: F) -> F:
            self._define(targets, function)
            return function

        return decorate

    def zero(self, *targets: str) -> Op:
        """Declare inputs whose derivative is zero wherever it exists, as `np.floor`'s."""
        return self._declare(targets, ZERO)

    def nondifferentiable(self, *targets: str) -> Op:
        """Declare inputs that have no derivative: indices, masks, labels. Asking for one is an error."""
        return self._declare(targets, NONDIFFERENTIABLE)

    def _declare(self, targets: Sequence[str], what: Absence) -> Op:
        for target in targets:
            self._check_input(target)
            self.rules[target] = what
        self._plans.clear()
        return self

    def _define(self, targets: tuple[str, ...], function: Any) -> None:
        if not targets:
            raise RuleError(f"name the input that the rule is for: @{self.name}.vjp('{self.inputs[0]}')")
        for target in targets:
            self._check_input(target)
        rule = Rule(self.signature, targets, function)
        for target in targets:
            self.rules[target] = rule
        self._plans.clear()

    def _check_input(self, target: str) -> None:
        if target not in self.inputs:
            guess = nearest(target, self.inputs)
            kind = "an attribute, which is static" if target in self.attributes else "not one of its inputs"
            raise RuleError(
                f"op '{self.name}' ({self.origin}) was given a rule for '{target}', which is {kind}"
                + (f"; did you mean '{guess}'?" if guess else ".")
                + f" Its inputs are {', '.join(repr(n) for n in self.inputs)}."
            )

    def samples(self, function: F) -> F:
        """Decorate a generator of inputs for the checker: `function(rng)` yields an array, a tuple of arrays, or such
        with a dict of attributes at the end."""
        self._samples = function
        return function

    def operations(self, function: F) -> F:
        """Decorate a count of scalar operations, `function(*input_shapes, output_shape)`; one per output by default."""
        self._operations = function
        return function

    def assembled(self, function: F) -> F:
        """Decorate how a program puts the result together in its place, with no array in between.

        `function(y, *inputs, **attributes)` gives (a view of y, an array, whether it is added there) for each step that
        leads from zeros to what `forward` gives, to the bit; or None where no such steps do.
        """
        self.pieces = function
        return function

    def sample_calls(self, rng: np.random.Generator) -> Iterator[dispatch.Call]:
        """The declared samples, as (arrays, attributes)."""
        for sample in self._samples(rng) if self._samples else ():
            arrays, attributes = sample if isinstance(sample, tuple) else (sample,), {}
            if arrays and isinstance(arrays[-1], dict):
                arrays, attributes = arrays[:-1], arrays[-1]
            yield arrays, attributes

    def count_operations(self, input_shapes: Sequence[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """Scalar operations of one forward call on arrays of these shapes."""
        if self._operations is not None:
            return int(self._operations(*input_shapes, output_shape))
        return int(np.prod(output_shape))

    # Knowing itself.

    @property
    def doc(self) -> str:
        """The forward function's docstring."""
        return self.__doc__ or ""

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that have a rule, or a derivative of zero."""
        return tuple(n for n in self.inputs if n in self.rules and self.rules[n] is not NONDIFFERENTIABLE)

    def rule(self, target: str) -> Rule:
        """The rule of an input, for the rule of another op that is made of it."""
        rule = self.rules.get(target)
        if not isinstance(rule, Rule):
            raise RuleError(f"op '{self.name}' has no rule for '{target}'")
        return rule

    @property
    def origin(self) -> str:
        """The plugin that defined it, and the package that the plugin came in, for messages."""
        return verify.origin(self.module)

    def __repr__(self) -> str:
        inputs = ", ".join(("*" if self.variadic else "") + n for n in self.inputs)
        keywords = "".join(f", {k}" if v is REQUIRED else f", {k}={v!r}" for k, v in self.attributes.items())
        return f"<op {self.name}({inputs}{', *' if keywords and not self.variadic else ''}{keywords})>"

    # Recording: the hot path.

    def __call__(self, *args: object, **attributes: object) -> Any:
        """The forward function's result: a plain array, or a Tensor when an argument is one."""
        for arg in args:
            kind = type(arg)
            if kind is Tensor or (kind in HOLDERS and holds(arg)):
                return self.record(args, attributes)
        return self.forward(*args, **attributes)

    def record(self, args: Sequence[Any], attributes: dict[str, Any]) -> Any:
        """Run the forward function on the Tensors' arrays and put the call on the tape.

        Called straight from the user's frame through exactly one function, whose caller's line goes into the record.
        """
        values: Sequence[Any]
        parents: tuple[Node | None, ...]
        # Most calls have one argument or two; the loop in `_take_apart` gives the same.
        count = len(args)
        held = False
        if count == 1 and type(args[0]) is Tensor:
            node = args[0]._node
            values, parents = (args[0]._value,), (node,)
            key = 2 if node.plan is None else 3
        elif count == 2:
            first, second = args
            one = two = None
            key = 4
            if type(first) is Tensor:
                one, first = first._node, first._value
                if one.plan is not None:
                    key = 5
            elif type(first) in HOLDERS:
                first, held = taken(first, self.sequences)
            if type(second) is Tensor:
                two, second = second._node, second._value
                if two.plan is not None:
                    key += 2
            elif type(second) in HOLDERS:
                second, more = taken(second, self.sequences)
                held = held or more
            values, parents = (first, second), (one, two)
        else:
            values, parents, key, held = _take_apart(args, self.sequences)
        given = self._opened(values) if held else values
        try:
            if attributes or self.attributes:
                attributes = self._attributes(attributes)
                y = self.forward(*given, **attributes)
            else:
                y = self.forward(*given)
        except OpError:
            raise
        except (ValueError, IndexError, TypeError) as error:
            raise self._explained(error, given) from error
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _plan(self, key, count)
        frame = _getframe(2)
        if type(y) not in ARRAY_TYPES:
            if not isinstance(y, np.ndarray):
                return self._record_other(y, values, parents, attributes, plan, frame)
            y = plain(y)
        if held and _is_part(y, values, parents):  # a constant, sliced by a Tensor
            y = own(y)
        dtype = y.dtype
        if plan.calls and dtype.kind in "fc":
            getter = plan.getter
            residuals = plan.collect(y, values, attributes) if getter is None else getter((y, *values))
            if plan.borrowed:
                residuals = plan.owned(residuals, parents)
            if held:
                residuals = Held(residuals)
        else:
            plan, residuals = None, ()
        tensor = _new(Tensor)
        tensor._value = y
        tensor._node = Node(self, parents, attributes, plan, residuals, y.shape, dtype, frame.f_code, frame.f_lasti)
        return tensor

    def _attributes(self, given: dict[str, Any]) -> dict[str, Any]:
        attributes = {**self.attributes, **given}
        if len(attributes) != len(self.attributes):
            name = next(n for n in given if n not in self.attributes)
            guess = nearest(name, (*self.attributes, *self.inputs))
            known = ", ".join(f"'{a}'" for a in self.attributes) or "none"
            raise OpError(
                f"op '{self.name}' has no attribute '{name}'"
                + (f"; did you mean '{guess}'?" if guess else ".")
                + f" It has: {known}. Arrays are positional."
            )
        for name, value in attributes.items():
            if value is REQUIRED:
                raise OpError(f"op '{self.name}' needs its attribute '{name}': {self.name}(..., {name}=...)")
            if type(value) is Tensor or (type(value) in HOLDERS and holds(value)):
                raise DetachError(
                    f"attribute '{name}' of op '{self.name}' is static, and a Tensor came: no gradient would reach it. "
                    f"Make it a positional input of the op, or pass {name}=t.value"
                )
        return attributes

    def _opened(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """The values with plain arrays in place of the Tensors that lie in tuples and the like. No gradient reaches
        those, so the input must be one that has none."""
        for name, value in zip(self._names(len(values)), values, strict=False):
            rule = self.rules.get(self.inputs[0] if self.variadic else name)
            if rule is not NONDIFFERENTIABLE and rule is not ZERO and is_live(value):
                raise DetachError(
                    f"argument '{name}' of op '{self.name}' is a {type(value).__name__} with a Tensor in it, which no "
                    f"gradient would reach: give the Tensor an input of its own, "
                    f"or declare {self.name}.nondifferentiable('{name}')"
                )
        return tuple(map(opened, values))

    def _explained(self, error: Exception, values: Sequence[Any]) -> Exception:
        """The forward function's own error, with the op and the shapes that it met."""
        shapes = ", ".join(f"{n}: {describe(v)}" for n, v in zip(self._names(len(values)), values, strict=False))
        text = f"op '{self.name}' ({shapes}): {error}"
        return ShapeError(text) if isinstance(error, ValueError) else OpError(text)

    def _names(self, count: int) -> tuple[str, ...]:
        """The inputs' names, `arrays[0]`, `arrays[1]`, … for a variadic op."""
        return tuple(f"{self.inputs[0]}[{i}]" for i in range(count)) if self.variadic else self.inputs

    def _record_other(
        self,
        y: object,
        values: Sequence[Any],
        parents: tuple[Node | None, ...],
        attributes: dict[str, Any],
        plan: Plan,
        frame: FrameType,
    ) -> Any:
        """Record a call that returned several arrays; refuse anything that is no array at all."""
        if not isinstance(y, tuple) or not all(isinstance(v, np.ndarray | np.generic) for v in y):
            raise OpError(
                f"the forward function of op '{self.name}' ({self.origin}) returned {describe(y)}; "
                "it must return an array, or a tuple of arrays"
            )
        kind, y = type(y), tuple(y)  # a named tuple, as of np.linalg.eigh, becomes a plain one for the rules
        live = bool(plan.calls) and any(v.dtype.kind in "fc" for v in y)
        y = tuple(own(v) if _is_part(v, values, parents) else v for v in y)
        residuals = plan.owned(plan.collect(y, values, attributes), parents) if live else ()
        if any(type(r) in HOLDERS and holds(r) for r in residuals):
            residuals = Held(residuals)
        node = Node(
            self, parents, attributes, plan if live else None, residuals,
            tuple(v.shape for v in y), tuple(v.dtype for v in y), frame.f_code, frame.f_lasti,
        )  # fmt: skip
        results = [Tensor(v, selection(node, i)) for i, v in enumerate(y)]
        return kind(*results) if hasattr(kind, "_fields") else tuple(results)


def _is_part(y: Array | np.generic, values: Sequence[Any], parents: Sequence[Node | None]) -> bool:
    """Whether a result lies in the memory of an array that is no Tensor's."""
    constants = (v for v, parent in zip(values, parents, strict=True) if parent is None and type(v) is np.ndarray)
    return any(np.may_share_memory(y, constant) for constant in constants)


def _take_apart(
    args: Sequence[Any], sequences: Collection[type]
) -> tuple[list[Any], tuple[Node | None, ...], int, bool]:
    """The arrays, their nodes, the key of the call's plan (a bit per argument that carries a gradient and one above
    them all, so that the key tells the number of arguments too), and whether Tensors lie within an argument."""
    values: list[Any] = []
    parents: list[Node | None] = []
    key, bit, held = 0, 1, False
    for arg in args:
        if type(arg) is Tensor:
            node = arg._node
            parents.append(node)
            values.append(arg._value)
            if node.plan is not None:
                key |= bit
        else:
            parents.append(None)
            if type(arg) in HOLDERS:
                arg, more = taken(arg, sequences)
                held = held or more
            values.append(arg)
        bit += bit
    return values, tuple(parents), key | bit, held


def _plan(op: Op, key: int, count: int) -> Plan:
    return Plan(op.signature, op.rules, [i for i in range(count) if key >> i & 1], count)


def selection(node: Node, i: int) -> Node:
    """The entry for one of a node's several results."""
    plan = node.plan if node.dtype[i].kind in "fc" else None
    return Node(SELECT, (node,), {}, plan, (i,), node.shape[i], node.dtype[i], node.code, node.instruction)


@overload
def op(forward: Callable[..., Any], **options: Any) -> Op: ...
@overload
def op(forward: None = None, **options: Any) -> Callable[[Callable[..., Any]], Op]: ...
def op(forward: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Make an op of a forward function in plain NumPy: arrays positional, static attributes keyword-only.

    Args:
        forward: the function; or a ufunc, which from then on is recorded when called on a Tensor.
        name: the op's name, where it is not the function's.
        implements: the NumPy or SciPy function (or a tuple of them) whose calls on Tensors record this op.
        binder: turns that function's arguments into (arrays, attributes), where position and name don't do it.
        elementwise: whether the op broadcasts its inputs like a ufunc; then the engine sums cotangents down.
        inputs: the names of the arrays, for a function that does not tell them or whose names should be better.

    `implements` may name a function by its dotted name, "scipy.special.erf", and leave its module alone until it is
    used.

    >>> import numpy as np
    >>> from trainer import op, grad
    >>> @op
    ... def swish(x, *, beta=1.0):
    ...     "x · σ(beta·x)"
    ...     return x / (1 + np.exp(-beta * x))
    >>> @swish.vjp("x")
    ... def _(dy, x, y, *, beta):
    ...     s = 1 / (1 + np.exp(-beta * x))
    ...     return dy * (s + beta * y * (1 - s))
    >>> grad(swish)(0.0)
    np.float64(0.5)
    """
    module = sys._getframe(1).f_globals.get("__name__", "")
    if forward is None:
        return lambda function: Op(function, module=module, **options)
    return Op(forward, module=module, **options)


# Three ops of the engine's own. An argument that is differentiated passes through `identity`, so that nested transforms
# can tell their variables apart; `stop_gradient` lets no gradient through; `select` is one of several results.
IDENTITY = Op(lambda x: x, name="identity", module=__name__).defvjp(x=lambda dy: dy)
STOP = Op(lambda x: x, name="stop_gradient", module=__name__).zero("x")
SELECT = Op(lambda x: x, name="select", module=__name__).nondifferentiable("x")
