"""What a recorded function reads is an argument, a constant that is looked at again, or refused."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.hints import advised
from trainer import Op, compile, grad, hessian, jacobian, op
from trainer.compiler.compiled import PROGRAMS, ProgramsWarning
from trainer.compiler.tracing import trace
from trainer.errors import DetachError, OpError, ShapeError

X = np.arange(12.0).reshape(3, 4)
I, J, K = np.array([0, 1, 2]), np.array([3, 0, 2]), np.array([1, 1, 0])
MASK = np.array([True, False, True])


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def of_pair(x, pair):
    """An op that takes its index in a tuple, as a stranger's may."""
    return x[pair[0], pair[1]]


def of_dict(x, places):
    return x[places["rows"]][:, places["columns"][0]]


pick = op(of_pair).nondifferentiable("pair").defvjp(x=lambda dy, x, pair: np.zeros_like(x) + np.sum(dy))
look_up = op(of_dict).nondifferentiable("places").defvjp(x=lambda dy, x: np.zeros_like(x) + np.sum(dy))

# A function, and its arguments twice: other values, of the same shapes.
INDEXED = {
    "a pair": (lambda x, j: x[I, j], (X, J), (X, K)),
    "a pair of arguments": (lambda x, i, j: x[i, j], (X, I, J), (X, J[::-1].copy() % 3, K)),
    "after a slice": (lambda x, j: x[:, j], (X, J), (X, K)),
    "before None": (lambda x, j: x[j, None], (X, I), (X, K)),
    "an ellipsis": (lambda x, j: x[..., j], (X, J), (X, K)),
    "a mask and a place": (lambda x, m: x[m, 0], (X, MASK), (X, ~MASK ^ np.array([True, False, False]))),
    "alone": (lambda x, j: x[j], (X, I), (X, K)),
    "bounds of a slice": (lambda x, n: x[n : n + 2], (X, np.array(0)), (X, np.array(1))),
    "within a list": (lambda x, j: x[I, j[0]], (X, [J]), (X, [K])),
    "an op that takes a tuple": (lambda x, j: pick(x, (I, j)), (X, J), (X, K)),
    "an op that takes a dict": (
        lambda x, j: look_up(x, {"rows": j, "columns": [j]}), (X, I), (X, K),
    ),
    "take": (lambda x, j: np.take(x, j, axis=1), (X, J), (X, K)),
    "take_along_axis": (lambda x, j: np.take_along_axis(x, j[:, None], 1), (X, J), (X, K)),
    "where": (lambda x, m: np.where(m[:, None], x, 0.0), (X, MASK), (X, ~MASK)),
    "compress": (lambda x, m: np.compress(m, x, axis=0), (X, MASK), (X, MASK[[1, 0, 2]])),
    "extract": (lambda x, m: np.extract(m, x[:, 0]), (X, MASK), (X, MASK[[1, 0, 2]])),
}  # fmt: skip


@pytest.mark.parametrize("name", INDEXED)
def test_indices_are_arguments_however_deep_they_lie(name):
    f, first, second = INDEXED[name]
    compiled = compile(f)
    for args in (first, second, first):
        assert same(compiled(*args), f(*args))
    assert len(compiled.programs) == 1


@pytest.mark.parametrize("name", INDEXED)
def test_so_they_are_in_gradients(name):
    f, first, second = INDEXED[name]
    gradient = grad(lambda x, *rest: np.sum(f(x * x, *rest) ** 2))
    compiled = compile(gradient)
    for args in (first, second, first):
        assert same(compiled(*args), gradient(*args))


def test_a_tensor_in_a_tuple_whose_gradient_would_be_lost_is_refused():
    weighted = op(lambda x, pair: x * pair[0] + pair[1], name="weighted").defvjp(x=lambda dy, pair: dy * pair[0])
    message = (
        "argument 'pair' of op 'weighted' is a tuple with a Tensor in it, which no gradient would reach: give the "
        "Tensor an input of its own, or declare weighted.nondifferentiable('pair')"
    )
    with pytest.raises(DetachError) as caught:
        grad(lambda w: np.sum(weighted(X, (w, 1.0))))(2.0)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", ["[t]", "(t,)", "((t,),)", '{"a": t}', "slice(t)"])
def test_a_tensor_in_an_attribute_is_refused_however_deep_it_lies(value):
    held = Op(lambda x, *, by: x, name="held").defvjp(x=lambda dy: dy)
    wrap = {
        "[t]": lambda t: [t], "(t,)": lambda t: (t,), "((t,),)": lambda t: ((t,),), '{"a": t}': lambda t: {"a": t},
        "slice(t)": slice,
    }[value]  # fmt: skip
    with pytest.raises(DetachError, match="attribute 'by' of op 'held' is static, and a Tensor came"):
        grad(lambda x: np.sum(held(x, by=wrap(x))))(X)


FRESH = {
    "an index": ("lambda x: x[x > 0]", "np.array([1.0, -1.0, 2.0])", "np.array([-1.0, 2.0, 3.0])"),
    "a pair": ("lambda x, j: x[np.arange(2), j]", "np.eye(2), np.array([0, 1])", "np.eye(2), np.array([1, 0])"),
    "a function of SciPy's": ("lambda x: erf(x)", "np.array([1.0])", "np.array([2.0])"),
    "take": ("lambda x, j: np.take(x, j)", "np.arange(4.0), np.array([0, 1])", "np.arange(4.0), np.array([3, 2])"),
}


@pytest.mark.parametrize("name", FRESH)
def test_the_first_thing_that_a_process_compiles_is_recorded_as_any_other(name):
    f, first, second = FRESH[name]
    code = (
        "import numpy as np\nfrom scipy.special import erf\nfrom trainer import compile\n"
        f"f = {f}\nc = compile(f)\nc({first})\nassert c({second}).tolist() == f({second}).tolist()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Holder:
    """Something that holds a generator, or a number."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


RNG = np.random.default_rng(0)
DRAWS = {
    "np.random": (lambda x: x * np.random.random(3), (), "np.random"),
    "a generator of the module": (lambda x: x * RNG.random(3), (), "a Generator of NumPy's"),
    "a generator that is passed": (lambda x, g: x * g.random(3), (RNG,), "a Generator of NumPy's"),
    "a generator in an object": (lambda x, o: x * o.g.random(3), (Holder(g=RNG),), "a Generator of NumPy's"),
    "a generator in a list": (lambda x, o: x * o[0].random(3), ([RNG],), "a Generator of NumPy's"),
    "a RandomState": (lambda x, g: x * g.rand(3), (np.random.RandomState(0),), "a RandomState of NumPy's"),
    "Python's random": (lambda x: x * random.random(), (), "Python's random"),  # noqa: S311  # no secret
    "a Random": (lambda x, g: x * g.random(), (random.Random(0),), "a Random of Python's"),  # noqa: S311  # no secret
}


@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_are_refused(name):
    f, args, source = DRAWS[name]
    message = (
        f"a function that is recorded drew random numbers from {source}: they would be drawn once and freeze into the "
        "program. Draw them outside and pass them as an argument; a layer's `train` takes them from its argument "
        "`draw`: draw(shape)"
    )
    for function in (f, grad(lambda x, *rest: np.sum(f(x, *rest)))):
        with pytest.raises(DetachError) as caught:
            compile(function)(np.ones(3), *args)
        assert str(caught.value) == message


@pytest.mark.parametrize("draw", [np.random.random, random.random])
def test_random_numbers_that_another_thread_draws_meanwhile_are_none_of_the_functions(draw):
    with ThreadPoolExecutor(1) as another:
        waiting = [draw]

        def f(x):
            if waiting:
                another.submit(waiting.pop()).result()
            return x * 2.0

        assert str(trace(f, [X]).program).splitlines()[1:] == ["%1 = multiply(%0, 2.0)  float64 (3, 4)", "return %1"]


RATE, TABLE = 2.0, np.ones(3)


def by_global(x):
    return x * RATE + TABLE


class Scaled:
    def __init__(self):
        self.rate, self.table, self.rates = 2.0, np.ones(3), [1.0, 2.0]

    def __call__(self, x):
        return x * self.rate + self.table * self.rates[1]

    def inner(self, x):
        return self(x)


def change(scaled, how):
    if how == "an attribute":
        scaled.rate = 5.0
    elif how == "an array":
        scaled.table[1] = 7.0
    elif how == "another array":
        scaled.table = np.zeros(3)
    else:
        scaled.rates[1] = 0.5


@pytest.mark.parametrize("how", ["an attribute", "an array", "another array", "an item"])
@pytest.mark.parametrize(
    "make",
    [lambda s: s, lambda s: s.inner, lambda s: lambda x: s(x), lambda s: grad(lambda x: np.sum(s(x) ** 2))],
    ids=["an object", "a method", "a closure", "a gradient"],
)
def test_what_has_changed_outside_is_recorded_again(make, how):
    scaled = Scaled()
    f = make(scaled)
    compiled = compile(f)
    assert same(compiled(np.arange(3.0)), f(np.arange(3.0)))
    change(scaled, how)
    assert same(compiled(np.arange(3.0)), f(np.arange(3.0)))
    assert len(compiled.programs) == 1


def test_an_object_that_is_passed_is_looked_at_again():
    compiled, scaled = compile(lambda x, s: s(x)), Scaled()
    for how in ("an attribute", "an array", "another array", "an item"):
        assert same(compiled(np.arange(3.0), scaled), scaled(np.arange(3.0)))
        change(scaled, how)
        assert same(compiled(np.arange(3.0), scaled), scaled(np.arange(3.0)))


def test_a_list_that_has_grown_or_shrunk_is_read_again():
    rates = [2.0, 3.0]
    compiled = compile(lambda x: x * sum(rates))
    assert compiled(np.ones(2)).tolist() == [5, 5]
    rates.append(1.0)
    assert compiled(np.ones(2)).tolist() == [6, 6]
    del rates[1:]
    assert compiled(np.ones(2)).tolist() == [2, 2]


@pytest.mark.parametrize("length", [2, 100_000])
def test_what_holds_a_nan_and_stays_as_it_is_is_recorded_once(length):
    table, records = np.full(length, np.nan), []
    table[0] = 1

    def f(x):
        records.append(x)
        return np.where(np.isnan(table), x, table)

    compiled = compile(f)
    for number in range(3):
        assert compiled(np.full(length, float(number)))[:2].tolist() == [1, number]
    assert len(records) == 1


def test_globals_are_looked_at_again(monkeypatch):
    compiled = compile(by_global)
    assert compiled(np.ones(3)).tolist() == [3.0] * 3
    monkeypatch.setitem(globals(), "RATE", 4.0)
    assert compiled(np.ones(3)).tolist() == [5.0] * 3
    monkeypatch.setitem(globals(), "TABLE", np.zeros(3))
    assert compiled(np.ones(3)).tolist() == [4.0] * 3


SINGULAR, ROTATION = np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([[0.0, 1.0], [-1.0, 0.0]])
TYPED = {
    "eigvals": (lambda a: np.abs(np.linalg.eigvals(a)), SINGULAR, ROTATION, "complex128", "float64"),
    "eig": (lambda a: np.abs(np.linalg.eig(a)[0]), SINGULAR, ROTATION, "complex128", "float64"),
    "the other way": (lambda a: np.abs(np.linalg.eigvals(a)), ROTATION, SINGULAR, "float64", "complex128"),
    "a dtype that is read": (
        lambda a: a * (np.linalg.eigvals(a).dtype.kind == "c"), SINGULAR, ROTATION, "complex128", "float64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPED)
def test_dtypes_that_depend_on_values_are_refused(name):
    f, first, second, came, recorded = TYPED[name]
    compiled = compile(f)
    assert same(compiled(first), f(first))
    message = (
        f"a result has dtype {came} for these values, and dtype {recorded} was recorded: a compiled function's dtypes "
        "must not depend on values; complex numbers in, x.astype(complex), keep them"
    )
    with pytest.raises(ShapeError) as caught:
        compiled(second)
    assert str(caught.value) == message


FIRST, SECOND = np.array([1.0, -1.0, 2.0]), np.array([1.0, -1.0, -2.0])
SHAPED = {
    "a mask's": lambda x: x * x[x > 0].shape[0],
    "its size": lambda x: x * x[x > 0].size,
    "its length": lambda x: x * len(x[x > 0]),
    "a mask's and a place's": lambda x: x * x[None, x > 0].shape[1],
    "nonzero's": lambda x: x * np.nonzero(x > 0)[0].shape[0],
    "flatnonzero's": lambda x: x * np.flatnonzero(x > 0).size,
    "argwhere's": lambda x: x * len(np.argwhere(x > 0)),
    "unique's": lambda x: x * np.unique(x > 0).size * len(np.unique(np.maximum(x, 0))),
    "compress's": lambda x: x * np.compress(x > 0, x).size,
    "extract's": lambda x: x * np.extract(x > 0, x).size,
    "a stranger's": lambda x: x * kept(x).size,
    "in a gradient": grad(lambda x: np.sum(x * x[x > 0].shape[0])),
}
kept = op(lambda x: np.asarray(x)[np.asarray(x) > 0], name="kept").zero("x")


@pytest.mark.parametrize("name", SHAPED)
def test_a_shape_that_python_alone_has_read_is_compared_too(name):
    compiled = compile(SHAPED[name])
    assert same(compiled(FIRST), SHAPED[name](FIRST))
    with pytest.raises(ShapeError, match=re.escape("a compiled function's shapes must not depend on values")):
        compiled(SECOND)


FLOATS = {
    "a step": lambda x, s: x - s * x,
    "python's arithmetic": lambda x, s: x * ((s * 2.0 + 1) ** 2 - s / 3 - -s + abs(1 - s) + 2**s),
    "numpy's arithmetic": lambda x, s: np.sin(s) * x + np.multiply(s, 2.0),
    "a choice": lambda x, s: np.where(x > 1, x, s) + np.clip(x, -s, s),
    "a comparison": lambda x, s: np.sum(x > s),
    "a constant array": lambda x, s: np.ones(3, np.float32) * s + x,
    "a scalar": lambda x, s: np.float32(2) * s + x,
    "a cotangent": lambda x, s: grad(lambda t: np.sum(t * t * s))(x),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        (name, dtype)
        for name in FLOATS
        for dtype in (np.float16, np.float32, np.float64, np.int64, np.complex64)
        if dtype in (np.float16, np.float32, np.float64) or name not in ("a cotangent", "a choice")
    ],
)
def test_python_floats_are_inputs_and_stay_weak(name, dtype):
    f, x = FLOATS[name], np.array([1, 2, 3], dtype)
    compiled = compile(f)
    for s in (0.1, 0.7, 3.3):
        assert same(compiled(x, s), f(x, s))
    assert len(compiled.programs) == 1


DECIDING = {
    "a branch": lambda x, s: x * s if s > 0.5 else x - s,
    "an attribute": lambda x, s: np.linalg.norm(x, ord=s + 1.0),
    "math": lambda x, s: x * float(s),
    "an array": lambda x, s: x + np.full(3, s),
    "a text": lambda x, s: x * len(f"{s}"),
    "a key": lambda x, s: x * {0.1: 1.0, 0.7: 2.0, 3.3: 3.0}[s],
    "a result": lambda x, s: (x * s, s),
    "a complex power": lambda x, s: x * abs((s - 2.0) ** s),
    "differentiated": lambda x, s: grad(lambda t: t * t)(s) * x,
}


@pytest.mark.parametrize("name", DECIDING)
def test_a_float_that_decides_something_is_a_constant_of_the_record(name):
    f, x, compiled = DECIDING[name], np.array([1.0, 2.0, 3.0]), compile(DECIDING[name])
    for s in (0.1, 0.7, 3.3, 0.1):
        got, want = compiled(x, s), f(x, s)
        for a, b in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
            assert same(a, b)
            assert type(a) is type(b)


def test_the_programs_of_a_function_have_a_limit_and_a_word_is_said_once():
    compiled = compile(lambda x, n: x * n)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for n in range(2 * PROGRAMS):
            assert compiled(np.ones(2), n).tolist() == [n, n]
    assert len(compiled.programs) == PROGRAMS
    message = (
        "<lambda> has been compiled for more than 64 kinds of arguments, and the one used longest ago goes for every "
        "new one: shapes, dtypes, layouts, and the values of whole numbers, strings and objects make a kind of their "
        "own. Pass a number that changes as an array: np.asarray(n)"
    )
    assert [(w.category, str(w.message)) for w in caught] == [(ProgramsWarning, message)]
    advised(message, "Pass a number that changes as an array: np.asarray(n)")
    compiled = compile(lambda x, n: x * n)
    for n in range(2 * PROGRAMS):
        assert compiled(np.ones(2), np.asarray(n)).tolist() == [n, n]
    assert len(compiled.programs) == 1


def test_what_is_no_function_of_floats_says_so():
    compiled = compile(lambda x, s: x.no_such_thing * s)
    with pytest.raises(AttributeError):
        compiled(X, 0.5)
    with pytest.raises(OpError, match="a MaskedArray would lose what it is"):
        compiled(np.ma.masked_array([1.0]), 0.5)


NOISY = {
    "log of 0": (lambda x: np.log(x), np.zeros(2)),
    "0/0": (lambda x: x / x, np.zeros(2)),
    "overflow": (lambda x: np.exp(x * 1000.0), np.ones(2)),
    "in a gradient": (grad(lambda x: np.sum(np.sqrt(x))), np.zeros(2)),
}


@pytest.mark.parametrize("name", NOISY)
def test_a_nan_trap_is_sprung_in_a_compiled_function_too(name):
    f, x = NOISY[name]
    compiled = compile(f)
    with np.errstate(all="ignore"):
        compiled(x + 0.5)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        compiled(x)


def test_an_error_of_an_inner_loop_is_not_lost_when_python_is_called_after_it():
    compiled = compile(lambda x, y: np.cumsum(x**y))  # cumsum is called back
    assert compiled(np.array([2, 3]), np.array([2, 2])).tolist() == [4, 13]
    for _ in range(2):
        with pytest.raises(ValueError, match="Integers to negative integer powers are not allowed"):
            compiled(np.array([2, 3]), np.array([-1, 2]))
        assert compiled(np.array([2, 3]), np.array([2, 2])).tolist() == [4, 13]


def test_a_jacobian_has_one_type_with_and_without_a_program():
    for f in (jacobian(lambda x: x**2), hessian(lambda x: x**3)):
        assert type(f(np.float64(3.0))) is type(compile(f)(np.float64(3.0))) is np.float64


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2,), (3, 1)])
@pytest.mark.parametrize("f", [lambda z, w: z * w, lambda z, w: z / w, lambda z, w: z * w + w * w])
def test_complex_arithmetic_has_the_bits_of_numpys(f, shape):
    rng, compiled = np.random.default_rng(0), compile(f)
    for _ in range(50):
        z, w = (rng.normal(size=shape) + 1j * rng.normal(size=shape) for _ in range(2))
        assert same(compiled(np.asarray(z), np.asarray(w)), f(np.asarray(z), np.asarray(w)))


@pytest.mark.parametrize("name", NOISY)
def test_what_numpy_warns_of_a_compiled_function_warns_of(name):
    f, x = NOISY[name]
    compiled = compile(f)
    compiled(x + 0.5 if name != "overflow" else x * 0.0)
    said = []
    for function in (f, compiled):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = function(x)
        said.append(([str(w.message) for w in caught], result.tobytes()))
    assert said[0][0]
    assert said[0] == said[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning):
            compiled(x)
        with np.errstate(all="ignore"):
            assert compiled(x).tobytes() == said[0][1]


def broadcast(x):
    return np.broadcast_to(x[:1], x.shape)


def with_gaps(x):
    wide = np.zeros((2 * len(x), *x.shape[1:-1], 3 * x.shape[-1]), x.dtype)
    wide[::2, ..., ::3] = x
    return wide[::2, ..., ::3]


def unaligned(x):
    moved = np.ndarray(x.shape, x.dtype, np.zeros(x.nbytes + 1, np.uint8)[1:].data)
    moved[...] = x
    return moved


LAYOUTS = {
    "Fortran's": np.asfortranarray,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "reversed": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "reversed within": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "broadcast": broadcast,
    "broadcast within": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "with gaps": with_gaps,
    "unaligned": unaligned,
    "of another byte order": lambda x: x.astype(x.dtype.newbyteorder()),
}
WALKED = {
    "prod": np.prod,
    "sum": lambda x: np.sum(x, axis=0),
    "mean": lambda x: np.mean(x, axis=-1),
    "var": lambda x: np.var(x, axis=0),
    "a product": lambda x: np.swapaxes(x, -1, -2) @ x,
    "einsum": lambda x: np.einsum("...i,...i->...", x, x),
    "a gradient": grad(lambda x: np.sum(np.prod(x * 1.1, axis=0)) + np.sum(np.tanh(x) @ np.ones(x.shape[-1]))),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", WALKED)
def test_an_array_of_any_layout_gives_the_functions_bits(name, layout):
    f, rng = WALKED[name], np.random.default_rng(0)
    compiled = compile(f)
    for dtype in (np.float32, np.float64):
        for shape in ((33, 17), (5, 7, 9)):
            for _ in range(2):
                x = LAYOUTS[layout](rng.normal(size=shape).astype(dtype))
                assert same(compiled(x), f(x))
