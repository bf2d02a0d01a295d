"""Every NumPy function that an op stands for, called by NumPy's own name in each way that NumPy allows.

The calls are made of the ops' own samples. Value, dtype and container are NumPy's; the gradient does not depend on how
the call is written, and the contract of ops checks it.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from trainer import Tensor, vjp
from trainer.engine.dispatch import TABLE, function_name
from trainer.errors import OpError
from trainer.plugins import shared

shared().names("ops")

# How a sample of the op is spelt as a call of the function, where neither position nor name tells.
SPELT = {
    np.clip: lambda x, low=None, high=None: ((x, low, high), {}),
    np.lexsort: lambda *keys, axis=-1: ((keys,), {"axis": axis}),
    np.choose: lambda a, *choices, mode="raise": ((a, list(choices)), {"mode": mode}),
    np.select: lambda *arrays: (
        (list(arrays[: len(arrays) // 2]), list(arrays[len(arrays) // 2 : -1]), arrays[-1]),
        {},
    ),
    np.block: lambda *arrays, layout: ((_laid_out(layout, arrays),), {}),
    np.gradient: lambda x, spacing=(), **named: ((x, *spacing), named),
    np.einsum: lambda *arrays, subscripts, **named: ((subscripts, *arrays), named),
    np.linalg.trace: lambda x, **named: ((x,), {"offset": named.get("offset", 0)}),
    np.linalg.diagonal: lambda x, **named: ((x,), {"offset": named.get("offset", 0)}),
    np.linalg.cross: lambda x1, x2, axis=-1, **named: ((x1, x2), {"axis": axis or -1}),
}


def _laid_out(layout, arrays):
    return [_laid_out(i, arrays) for i in layout] if isinstance(layout, list) else arrays[layout]


def functions():
    for function, op in list(TABLE.items()):
        if inspect.isfunction(function) or inspect.isbuiltin(function) or callable(function):
            name = function_name(function)
            if (
                name.startswith("np.")
                and not hasattr(function, "nin")
                and not name.endswith((".reduce", ".accumulate"))
            ):
                yield pytest.param(function, op, id=name)


FUNCTIONS = list(functions())


def spelt(function, op, arrays, attributes):
    """A sample of the op as a call of the function: arguments and named arguments."""
    if function in SPELT:
        return SPELT[function](*arrays, **attributes)
    parameters = inspect.signature(function).parameters
    if op.variadic:
        spread = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
        return (arrays if spread else (list(arrays),)), attributes
    given = [(n, a) for n, a in zip(op.inputs, arrays, strict=False) if a is not None]
    named = {n: a for n, a in given[1:] if n in parameters}
    args = [a for n, a in given if n not in named]
    named |= attributes
    for name in list(parameters)[len(args) :]:
        if name in named and parameters[name].kind is inspect.Parameter.POSITIONAL_ONLY:
            args.append(named.pop(name))
    return args, named


def ways(function, args, named):
    """The same call by position, by name, and with every default written out."""
    signature = inspect.signature(function)
    kinds = inspect.Parameter
    written = signature.bind(*args, **named)
    yield args, named
    if not any(p.kind is kinds.VAR_POSITIONAL for p in signature.parameters.values()):
        free = {n: v for n, v in written.arguments.items() if _kind(signature, n) is kinds.POSITIONAL_OR_KEYWORD}
        fixed = [v for n, v in written.arguments.items() if _kind(signature, n) is kinds.POSITIONAL_ONLY]
        rest = {n: v for n, v in written.kwargs.items() if n not in free}
        yield fixed, free | rest
        if function is not np.where and not any(p.kind is kinds.VAR_KEYWORD for p in signature.parameters.values()):
            written.apply_defaults()
            yield written.args, written.kwargs
            free = {n: v for n, v in written.arguments.items() if _kind(signature, n) is not kinds.POSITIONAL_ONLY}
            yield fixed, free


def _kind(signature, name):
    return signature.parameters[name].kind


def with_tensors(tree, replace):
    """The same with what `replace` has for the arrays, by identity."""
    if isinstance(tree, np.ndarray):
        return replace.get(id(tree), tree)
    if isinstance(tree, list | tuple):
        return type(tree)(with_tensors(i, replace) for i in tree)
    if isinstance(tree, dict):
        return {k: with_tensors(v, replace) for k, v in tree.items()}
    return tree


def same(recorded, plain):
    if isinstance(plain, list | tuple):
        assert type(recorded) is type(plain), f"{type(recorded).__name__}, NumPy gives a {type(plain).__name__}"
        for r, p in zip(recorded, plain, strict=True):
            same(r, p)
        return
    assert isinstance(recorded, Tensor)
    assert recorded.dtype == np.asarray(plain).dtype
    np.testing.assert_array_equal(recorded.value, plain)


def floating(y):
    ys = y if isinstance(y, list | tuple) else [y]
    return [v for v in ys if v.dtype.kind in "fc"]


@pytest.mark.filterwarnings("ignore:`rcond`:FutureWarning")
@pytest.mark.parametrize(("function", "op"), FUNCTIONS)
def test_each_way_of_calling_gives_what_numpy_gives(function, op):
    valid = 0
    for arrays, attributes in op.sample_calls(np.random.default_rng(0)):
        args, named = spelt(function, op, arrays, attributes)
        try:
            function(*args, **named)
        except ValueError:  # np.linalg.outer takes vectors alone, where np.outer takes anything
            continue
        valid += 1
        x = [a for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind in "fc"] or list(arrays[:1])
        reference = None
        for way, keywords in ways(function, args, named):
            plain = function(*way, **keywords)
            tensors = [Tensor(a) for a in x]
            replace = dict(zip(map(id, x), tensors, strict=True))
            same(function(*with_tensors(way, replace), **with_tensors(keywords, replace)), plain)
            if x[0].dtype.kind not in "fc" or not floating(_arrays(plain)) or not op.differentiable:
                continue

            def f(*variables, x=x, way=way, keywords=keywords):
                put = dict(zip(map(id, x), variables, strict=True))
                return floating(function(*with_tensors(way, put), **with_tensors(keywords, put)))

            y, pullback = vjp(f, *x)
            found = pullback([np.cos(np.arange(v.size)).reshape(v.shape).astype(v.dtype) for v in y])
            if reference is None:
                reference = found
            for g, h in zip(found, reference, strict=True):
                np.testing.assert_array_equal(g, h)
    assert valid


def _arrays(y):
    return [np.asarray(v) for v in y] if isinstance(y, list | tuple) else [np.asarray(y)]


UFUNCS = [pytest.param(f, op, id=function_name(f)) for f, op in TABLE.items() if isinstance(f, np.ufunc)]


@pytest.mark.parametrize(("ufunc", "op"), UFUNCS)
def test_a_ufunc_may_be_told_its_defaults_and_refuses_the_rest(ufunc, op):
    arrays, _ = next(iter(op.sample_calls(np.random.default_rng(0))))
    tensors = [Tensor(a) for a in arrays]
    out = None if ufunc.nout == 1 else (None,) * ufunc.nout
    options = {"casting": "same_kind", "order": "K", "dtype": None, "subok": True}
    options |= {"where": True} if ufunc.signature is None else {}
    same(ufunc(*tensors, out=out, **options), ufunc(*arrays, out=out, **options))
    for name, value in {"where": np.ones(1, bool), "dtype": np.float64, "order": "F", "casting": "unsafe"}.items():
        if ufunc.signature is None or name != "where":
            with pytest.raises(OpError, match=f"argument '{name}' of "):
                ufunc(*tensors, **{name: value})


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.power, np.maximum, np.hypot, np.divmod, np.less])
@pytest.mark.parametrize("shapes", [((2,), (3,)), ((2, 1), (3,)), ((), (2,)), ((2, 3), ())])
def test_outer_is_the_ufunc_of_every_pair(ufunc, shapes):
    a, b = (np.arange(1.0, 1 + np.prod(s)).reshape(s) for s in shapes)
    for x, y in ((Tensor(a), Tensor(b)), (Tensor(a), b), (a, Tensor(b))):
        same(ufunc.outer(x, y), ufunc.outer(a, b))
    if ufunc is np.multiply:
        gradients = vjp(np.multiply.outer, a, b)[1](np.ones(a.shape + b.shape))
        np.testing.assert_allclose(gradients[0], np.full(a.shape, b.sum()))
        np.testing.assert_allclose(gradients[1], np.full(b.shape, a.sum()))


PRODUCTS: dict[str, Any] = {
    "matmul axes": (np.matmul, [(3, 2, 4), (5, 3, 4)], {"axes": [(1, 0), (1, 0), (0, 2)]}),
    "matmul axes, stacks last": (np.matmul, [(2, 3, 4), (3, 5, 4)], {"axes": [(0, 1), (0, 1), (1, 0)]}),
    "vecdot axis": (np.vecdot, [(3, 2), (3, 2)], {"axis": 0}),
    "vecdot axes": (np.vecdot, [(3, 2), (2, 3)], {"axes": [0, 1]}),
    "vecdot axes with a result": (np.vecdot, [(3, 2), (2, 3)], {"axes": [0, 1, ()]}),
    "vecdot keepdims": (np.vecdot, [(3, 2), (3, 2)], {"axis": 0, "keepdims": True}),
    "vecdot keepdims, last": (np.vecdot, [(3, 2), (3, 2)], {"keepdims": True}),
    "matvec axes": (np.matvec, [(3, 2), (3,)], {"axes": [(1, 0), 0, 0]}),
    "vecmat axes": (np.vecmat, [(3, 4), (3, 2, 4)], {"axes": [0, (0, 1), 0]}),
}


@pytest.mark.parametrize("case", PRODUCTS)
def test_products_along_other_axes(case):
    ufunc, shapes, options = PRODUCTS[case]
    rng = np.random.default_rng(0)
    x = [rng.normal(size=s) for s in shapes]
    y, pullback = vjp(lambda *x: ufunc(*x, **options), *x)
    np.testing.assert_allclose(y, ufunc(*x, **options))
    dy, v = rng.normal(size=y.shape), [rng.normal(size=s) for s in shapes]
    moved = ufunc(v[0], x[1], **options) + ufunc(x[0], v[1], **options)
    np.testing.assert_allclose(sum(np.sum(g * d) for g, d in zip(pullback(dy), v, strict=True)), np.sum(dy * moved))


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda t: np.logaddexp.reduce(t), "np.logaddexp.reduce has no op"),
        (lambda t: np.add.reduceat(t, [0, 1]), "np.add.reduceat"),
        (lambda t: np.subtract.accumulate(t), "np.subtract.accumulate has no rule"),
        (lambda t: np.add.at(t, 0, 1.0), "np.add.at"),
        (lambda t: np.add.at(np.ones(3), [0, 1, 2], t), "np.add.at"),
    ],
)
def test_methods_of_ufuncs_without_an_op_are_refused(call, what):
    with pytest.raises(OpError, match=what):
        call(Tensor(np.ones(3)))
