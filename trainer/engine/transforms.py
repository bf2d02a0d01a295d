"""Functions in, derivatives out.

Every transform takes a function of arrays (or of nested dicts, lists and tuples of arrays) and differentiates by
reverse mode; they nest to any order. Arguments that are differentiated pass through an entry of their own on the tape,
so a transform inside another never mistakes the outer variable for its own. Where the arguments are plain arrays and
nothing outside is being differentiated, plain arrays come back.

With complex arguments the convention is the plain transpose, as in (16): no conjugation. For a real function f of a
complex z = a + ib, `grad` gives ∂f/∂a − i ∂f/∂b; its conjugate points uphill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from trainer.engine.node import Node, Variable, next_index, recording_all
from trainer.engine.op import IDENTITY, STOP, Op
from trainer.engine.plan import EMPTY_PLAN
from trainer.engine.sweep import check_cotangent, history, sweep
from trainer.engine.tensor import Tensor, untaped
from trainer.engine.tree import flatten, leaves, tree_map
from trainer.errors import DetachError, NotDifferentiableError, OpError, ShapeError, UsageError
from trainer.wording import count

__all__ = ["checkpoint", "grad", "hessian", "hvp", "jacobian", "jvp", "stop_gradient", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The gradient of a scalar function, (3) and (7).

    Args:
        f: returns a real scalar (shape ()).
        argnums: which positional argument to differentiate, or several of them (then a tuple of gradients comes back).

    Returns:
        A function of the same arguments; the gradient has the argument's structure, shapes and dtypes.

    >>> grad(lambda x: x[0] ** 2 + x[1] ** 2)(np.array([1.0, 3.0]))  # (6)
    array([2., 6.])
    """
    with_value = value_and_grad(f, argnums)

    @wraps(f)
    def gradient(*args: object, **kwargs: object) -> Any:
        return with_value(*args, **kwargs)[1]

    return gradient


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """As `grad`, and the value too: `(f(x), ∇f(x))` from one forward call.

    >>> value_and_grad(lambda x: x**2)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """

    @wraps(f)
    def with_value(*args: object, **kwargs: object) -> tuple[Any, Any]:
        variables, rebuild, call = _trace(f, args, kwargs, argnums)
        y = call()
        value, node = _scalar(y)
        if node is None:
            return (y if recording_all.get() else value), rebuild([_zeros(v) for v in variables])
        del y
        past = history((node,), variables)
        result = Tensor(value, node) if past.recorded else value
        cotangents = {node: value.dtype.type(1)}
        del node  # the sweep frees what it passes; nothing here may hold the tape
        sweep(cotangents, past, variables, recorded=past.recorded)
        return result, rebuild(_of(cotangents, variables))

    return with_value


def vjp(f: Function, *args: object) -> tuple[Any, Function]:
    """`f(*args)` and its pullback, δy ↦ (δx1, δx2, …) = Jᵀ δy, (16).

    The pullback may be called any number of times; δy has the structure, shapes and dtypes of the result.

    >>> y, pullback = vjp(lambda x: 3 * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 3., 30.]),)
    """
    variables, rebuild, call = _trace(f, args, {}, tuple(range(len(args))))
    outputs, rebuild_outputs = flatten(call())
    roots = [o._node if isinstance(o, Tensor) else None for o in outputs]
    values = [o._value if isinstance(o, Tensor) else o for o in outputs]
    past = history([r for r in roots if r is not None], variables)
    # Arrays of the caller's own, for a rule may need what it was given or what it gave.
    results = [
        Tensor(v, r) if past.recorded and r is not None else v.copy() if isinstance(v, np.ndarray) else v
        for v, r in zip(values, roots, strict=True)
    ]
    y = rebuild_outputs(results)

    def pullback(dy: object) -> Any:
        cotangents: dict[Node, Any] = {}
        given = list(leaves(dy))
        if len(given) != len(values):
            raise UsageError(f"the cotangent has {len(given)} arrays, and the function returned {len(values)}")
        for root, value, g in zip(roots, values, given, strict=True):
            g = check_cotangent(g, np.shape(value), np.result_type(value))
            if root is not None and root.plan is not None:
                cotangents[root] = cotangents[root] + g if root in cotangents else g
        recorded = past.recorded or any(isinstance(g, Tensor) for g in given)
        sweep(cotangents, past.copy(), variables, recorded=recorded)
        return rebuild(_of(cotangents, variables, given))

    return y, pullback


def jvp(f: Function, args: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """`f(*args)` and the Jacobian-vector product J·v.

    Computed with the rules of reverse mode alone: the pullback δy ↦ Jᵀ δy is linear, and its own pullback is v ↦ J v.
    It needs rules that can be recorded, and costs about two sweeps.

    Args:
        args: the function's arguments.
        tangents: one per argument, of its structure, shapes and dtypes.

    >>> jvp(lambda x: x**2, (3.0,), (1.0,))
    (np.float64(9.0), np.float64(6.0))
    """
    if not (isinstance(args, list | tuple) and isinstance(tangents, list | tuple)):
        raise UsageError("jvp takes arguments and tangents as a tuple each: jvp(f, (x,), (v,))")
    if len(args) != len(tangents):
        raise UsageError(
            f"jvp got {len(args)} arguments and {len(tangents)} tangents; it needs one tangent per argument"
        )
    reserved = next_index()  # older than everything f records, so that f's own variables count as constants below
    y, pullback = vjp(f, *args)
    outputs, rebuild = flatten(y)
    values = [o._value if isinstance(o, Tensor) else np.asarray(o) for o in outputs]
    dys = [Variable.as_of(reserved, v.shape, v.dtype) for v in values]
    cotangents = pullback(rebuild([Tensor(np.zeros(v.shape, v.dtype), dy) for v, dy in zip(values, dys, strict=True)]))
    back: dict[Node, Any] = {}
    for g, v in zip(leaves(cotangents), leaves(list(tangents)), strict=True):
        tangent = check_cotangent(v, g.shape, g.dtype, "a tangent")
        if isinstance(g, Tensor) and g._node.plan is not None:
            back[g._node] = back[g._node] + tangent if g._node in back else tangent
    past = history(back, dys)
    recorded = past.recorded or any(isinstance(v, Tensor) for v in leaves(list(tangents)))
    sweep(back, past, dys, recorded=recorded)
    return y, rebuild(_of(back, dys))


def jacobian(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The Jacobian ∂y/∂x, (15): an array of shape `y.shape + x.shape`, one reverse sweep per element of y.

    With structures of arrays, y's structure holds x's.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @wraps(f)
    def jacobian_of_f(*args: object, **kwargs: object) -> Any:
        numbers = _numbers(argnums, args)
        chosen = [_argument(args, n) for n in numbers]

        def of_chosen(*replaced: object) -> Any:
            arguments = list(args)
            for n, r in zip(numbers, replaced, strict=True):
                arguments[n] = r
            return f(*arguments, **kwargs)

        y, pullback = vjp(of_chosen, *chosen)
        outputs, rebuild = flatten(y)
        shapes = [np.shape(o._value if isinstance(o, Tensor) else o) for o in outputs]
        dtypes = [np.result_type(o._value if isinstance(o, Tensor) else o) for o in outputs]
        zeros = [np.zeros(s, d) for s, d in zip(shapes, dtypes, strict=True)]
        blocks = []
        for i, shape in enumerate(shapes):
            rows = []
            for k in np.ndindex(shape):
                one = zeros[i].copy()
                one[k] = 1
                rows.append(pullback(rebuild([one if j == i else z for j, z in enumerate(zeros)])))
            blocks.append(_stack_rows(rows, shape, chosen))
        structured = [rebuild([b[a] for b in blocks]) for a in range(len(numbers))]
        return structured[0] if isinstance(argnums, int) else tuple(structured)

    return jacobian_of_f


def hessian(f: Function, argnums: int = 0) -> Function:
    """The matrix of second derivatives of a scalar function: shape `x.shape + x.shape`.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(f, argnums), argnums)


def hvp(f: Function) -> Function:
    """`hvp(f)(x, v)`: the Hessian of a scalar function times `v`, for the price of about two gradients.

    >>> hvp(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([4., 2.])
    """

    @wraps(f)
    def product(x: object, v: object) -> Any:
        _, pullback = vjp(grad(f), x)
        return pullback(v)[0]

    return product


def checkpoint(f: Function) -> Function:
    """`f`, keeping only its arguments for the backward sweep and computing the inside again when it comes by.

    Less memory for one more forward call. `f` must be a function of its arguments: a Tensor that it closes over would
    be missed, and is refused, and so is another result of the second call.

    >>> grad(checkpoint(lambda x: np.sin(np.sin(x))))(0.0)
    np.float64(1.0)
    """

    @wraps(f)
    def checkpointed(*args: object) -> Any:
        values, rebuild = flatten(args)
        structure: list[Callable[[Sequence[Any]], Any]] = []
        digests: list[int] = []

        def flat(*arrays: object) -> tuple[Any, ...]:
            outputs, rebuild_outputs = flatten(f(*rebuild(arrays)))
            structure[:] = [rebuild_outputs]
            return tuple(outputs)

        def forward(*arrays: object) -> tuple[Any, ...]:
            outputs = flat(*arrays)
            if any(isinstance(o, Tensor) for o in outputs):
                raise DetachError(
                    "the checkpointed function uses a Tensor that is not among its arguments; pass it as an argument: "
                    "checkpoint(lambda x, w: ...)(x, w)"
                )
            results = tuple(np.asarray(o) if not isinstance(o, np.ndarray | np.generic) else o for o in outputs)
            digests[:] = map(_digest, results)
            return results

        def rule(dy: Sequence[object], arrays: Sequence[object], wanted: tuple[bool, ...]) -> list[Any]:
            positions = [i for i, want in enumerate(wanted) if want]

            def of_wanted(*chosen: object) -> tuple[Any, ...]:
                replaced = dict(zip(positions, chosen, strict=True))
                return flat(*[replaced.get(i, a) for i, a in enumerate(arrays)])

            y, pullback = vjp(of_wanted, *[arrays[i] for i in positions])
            if [_digest(untaped(o)) for o in leaves(y)] != digests:
                raise DetachError(
                    "the checkpointed function gave another result when it was computed again for the backward sweep: "
                    "it reads an array or an object that has changed since, or draws random numbers; pass them as "
                    "arguments: checkpoint(lambda x, c: ...)(x, c)"
                )
            found = dict(zip(positions, pullback(tuple(dy)), strict=True))
            return [found.get(i) for i in range(len(arrays))]

        op = Op(forward, name=f"checkpoint({getattr(f, '__name__', 'f')})", module=f.__module__).defvjp(arrays=rule)
        outputs = op(*values)
        return structure[0](outputs)

    return checkpointed


def _digest(array: object) -> int:
    plain = np.asarray(array)
    return hash((plain.shape, plain.tobytes()))


def stop_gradient(tree: object) -> Any:
    """The same values, through which no gradient passes. The computation stays on the record.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    return tree_map(STOP, tree)


# What the transforms share.


def _trace(
    f: Function, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: int | Sequence[int]
) -> tuple[list[Node], Callable[[Sequence[Any]], Any], Callable[[], Any]]:
    """The variables that stand for the chosen arguments, a function that gives gradients the arguments' structure, and
    the call itself."""
    numbers = _numbers(argnums, args)
    chosen = tuple(_argument(args, n) for n in numbers)
    values, rebuild = flatten(chosen)
    tensors = [_variable(v) for v in values]
    nodes = [t._node for t in tensors]
    arguments = list(args)
    for n, tree in zip(numbers, rebuild(tensors), strict=True):
        arguments[n] = tree

    def structured(results: Sequence[Any]) -> Any:
        trees = rebuild(results)
        return trees[0] if isinstance(argnums, int) else trees

    return nodes, structured, lambda: _called(f, arguments, kwargs)


def _numbers(argnums: int | Sequence[int], args: tuple[Any, ...]) -> tuple[int, ...]:
    """The positions that `argnums` names, each once."""
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    places = [n % max(len(args), 1) for n in numbers if -len(args) <= n < len(args)]
    twice = next((n for i, n in enumerate(places) if n in places[:i]), None)
    if twice is not None:
        raise UsageError(
            f"argnums={argnums} names argument {twice} twice; a gradient is with respect to each argument once: "
            f"argnums={tuple(dict.fromkeys(places))}"
        )
    return numbers


def _called(f: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """f's result. NumPy reports what went wrong in c[i] = t as "setting an array element with a sequence", and has the
    Tensor's own error, which says what to do, as its cause: that one is raised."""
    try:
        return f(*args, **kwargs)
    except ValueError as error:
        if isinstance(error.__cause__, DetachError):
            raise DetachError(str(error.__cause__)) from error
        raise


def _argument(args: tuple[Any, ...], number: int) -> Any:
    if not -len(args) <= number < len(args):
        raise UsageError(
            f"argnums={number}, and {count(len(args), 'positional argument')} came; "
            "arguments passed by name are not differentiated"
        )
    return args[number]


def _variable(value: object) -> Tensor:
    """A Tensor of its own on the tape for one array that is differentiated."""
    if isinstance(value, Tensor):
        tensor = IDENTITY.record((value,), {})
        if tensor._node.plan is None and tensor.dtype.kind in "fc":
            tensor._node.plan = EMPTY_PLAN  # no gradient leads further, but this one ends here
    else:
        tensor = Tensor(value)
    if tensor.dtype.kind not in "fc":
        hint = f"{float(value)!r}" if isinstance(value, int) else "x.astype(np.float64)"
        raise NotDifferentiableError(
            f"an argument of dtype {tensor.dtype} is not differentiable: integers and bools have no small "
            f"changes; write {hint}"
        )
    return tensor  # type: ignore[no-any-return]


def _scalar(y: Any) -> tuple[Any, Node | None]:
    """The value of a function that `grad` differentiates, and its node where a gradient can pass."""
    if not isinstance(y, Tensor | np.ndarray | np.generic | int | float):
        raise OpError(f"grad needs a function that returns one scalar; it returned a {type(y).__name__}")
    value = y._value if isinstance(y, Tensor) else np.asarray(y)[()]
    if value.shape != ():
        raise ShapeError(
            f"grad needs a function that returns a scalar, and it returned shape {value.shape}: "
            "sum or average it, or use jacobian(f) or vjp(f, x)"
        )
    if value.dtype.kind != "f" and isinstance(y, Tensor):
        hint = (
            "take np.real of it, or use vjp"
            if value.dtype.kind == "c"
            else "comparisons and indices have no derivative"
        )
        raise NotDifferentiableError(f"grad needs a real result, and the function returned {value.dtype}: {hint}")
    if isinstance(y, Tensor) and y._node.plan is not None:
        return value, y._node
    return value, None


def _zeros(variable: Node) -> Any:
    return np.zeros(variable.shape, variable.dtype)[()]


def _of(cotangents: dict[Node, Any], variables: Sequence[Node], given: Sequence[Any] = ()) -> list[Any]:
    """The cotangent that reached each variable; zero where none did. Plain arrays are the caller's own to write to: a
    rule may have passed on a view, one array to two inputs, or one that was `given`."""
    results: list[Any] = []
    known = list(given)
    for variable in variables:
        found = cotangents.get(variable)
        if found is None:
            found = _zeros(variable)
        elif not isinstance(found, Tensor):
            shared = isinstance(found, np.ndarray) and (
                not found.flags.writeable or found.base is not None or any(found is other for other in known)
            )
            known.append(found)
            found = np.array(found)[()] if shared else found[()] if not found.shape else found
        elif not found.shape:
            found = Tensor(found._value[()], found._node)  # a scalar, recorded or not
        results.append(found)
    return results


def _stack_rows(rows: list[Any], shape: tuple[int, ...], like: Sequence[Any]) -> list[Any]:
    """Per argument its block of the Jacobian, from the rows that the pullback gave."""
    if not rows:
        return [tree_map(lambda x: np.zeros(shape + np.shape(x), np.result_type(x.dtype)), a) for a in like]
    flat = [list(leaves(r)) for r in rows]
    _, rebuild = flatten(rows[0])
    # [()]: of a scalar by a scalar, a scalar, as every executor gives it.
    blocks = [np.reshape(np.stack(column), shape + column[0].shape)[()] for column in zip(*flat, strict=True)]
    return list(rebuild(blocks))
