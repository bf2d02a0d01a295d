"""Everything that an array has, a Tensor has too, or it says what to write instead."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

from trainer import Tensor, compile, grad
from trainer.errors import DetachError, TrainerError

X = np.array([[0.5, -1.5, 2.0], [3.0, 0.25, -2.5]])
INTEGERS = np.array([[5, 2, 3], [1, 7, 4]])
KNOWN = ("shape", "dtype", "ndim", "size", "itemsize", "nbytes")
ATTRIBUTES = ("T", "mT", "real", "imag")
# Ways to call each method: (positional, named).
METHODS: dict[str, Any] = {
    "all": [((), {}), ((0,), {"keepdims": True})],
    "any": [((), {}), ((0,), {"keepdims": True})],
    "argmax": [((), {}), ((1,), {"keepdims": True})],
    "argmin": [((), {}), ((1,), {})],
    "argpartition": [((1,), {}), ((1, 0), {})],
    "argsort": [((), {}), ((0,), {"kind": "stable"})],
    "astype": [((np.float32,), {}), ((int, "K", "unsafe", True, False), {}), ((), {"dtype": complex, "copy": False})],
    "clip": [((-1.0, 1.0), {}), ((), {"max": 1.0}), ((), {"min": 0.0}), ((None, 1.0), {})],
    "compress": [(([True, False, True],), {"axis": 1}), (([0, 1, 1, 0], None), {})],
    "conj": [((), {})],
    "conjugate": [((), {})],
    "copy": [((), {}), (("F",), {}), ((), {"order": "C"})],
    "cumprod": [((), {}), ((1,), {}), ((1, np.float32), {})],
    "cumsum": [((), {}), ((1,), {}), ((1, np.float32), {})],
    "diagonal": [((), {}), ((1,), {}), ((0, 1, 0), {})],
    "dot": [((np.ones((3, 2)),), {}), ((2.0,), {})],
    "flatten": [((), {}), (("F",), {}), ((), {"order": "C"})],
    "max": [((), {}), ((0,), {"keepdims": True}), ((0, None, False, 1.0), {})],
    "mean": [((), {}), ((0, None, None, True), {}), ((), {"axis": 1, "where": X > 0})],
    "min": [((), {}), ((0,), {"keepdims": True}), ((0,), {"initial": 1.0})],
    "nonzero": [((), {})],
    "prod": [((), {}), ((0, np.float32), {}), ((), {"axis": 1, "initial": 2.0})],
    "ravel": [((), {}), (("F",), {})],
    "repeat": [((2,), {}), (([1, 2], 0), {})],
    "reshape": [((3, 2), {}), (((3, 2),), {}), ((-1,), {"order": "F"})],
    "round": [((), {}), ((1,), {})],
    "searchsorted": [],
    "squeeze": [((), {})],
    "std": [((), {}), ((0, None, None, 1), {}), ((), {"axis": 1, "ddof": 1, "keepdims": True})],
    "sum": [((), {}), ((0, np.float32), {}), ((), {"axis": 1, "initial": 2.0, "where": X > 0})],
    "swapaxes": [((0, 1), {})],
    "take": [(([1, 0],), {}), ((1, 0), {}), (([4, 7],), {"mode": "wrap"})],
    "trace": [((), {}), ((1,), {}), ((0, 1, 0, np.float32), {})],
    "transpose": [((), {}), ((1, 0), {}), (((1, 0),), {})],
    "var": [((), {}), ((0, None, None, 1), {}), ((), {"axis": 1, "ddof": 1, "keepdims": True})],
    "choose": [],
}
# No Tensor has these: the message says what to write.
REFUSED = {
    "base": "t.value", "byteswap": "t.value", "ctypes": "t.value", "data": "t.value", "device": "t.value",
    "dump": "t.value", "dumps": "t.value", "fill": "np.full_like", "flags": "t.value", "flat": "np.ravel",
    "getfield": "t.value", "item": "t.value.item()", "partition": "np.partition", "put": "np.where",
    "resize": "np.resize", "setfield": "np.where", "setflags": "np.where", "sort": "np.sort", "strides": "t.value",
    "to_device": "t.value", "tobytes": "t.value", "tofile": "t.value", "tolist": "t.value.tolist()",
    "view": "t.astype",
}  # fmt: skip
OPERATORS = {
    "__add__": operator.add, "__sub__": operator.sub, "__mul__": operator.mul, "__truediv__": operator.truediv,
    "__floordiv__": operator.floordiv, "__mod__": operator.mod, "__divmod__": divmod, "__pow__": operator.pow,
    "__matmul__": operator.matmul, "__lt__": operator.lt, "__le__": operator.le, "__gt__": operator.gt,
    "__ge__": operator.ge, "__eq__": operator.eq, "__ne__": operator.ne, "__and__": operator.and_,
    "__or__": operator.or_, "__xor__": operator.xor, "__lshift__": operator.lshift, "__rshift__": operator.rshift,
}  # fmt: skip
UNARY: dict[str, Any] = {
    "__neg__": operator.neg,
    "__pos__": operator.pos,
    "__abs__": abs,
    "__invert__": operator.invert,
}
INTEGER = {"__and__", "__or__", "__xor__", "__lshift__", "__rshift__", "__invert__"}


def same(recorded, plain):
    if isinstance(plain, tuple):
        assert type(recorded) is type(plain)
        for r, p in zip(recorded, plain, strict=True):
            same(r, p)
        return
    assert isinstance(recorded, Tensor), recorded
    assert recorded.dtype == plain.dtype
    np.testing.assert_array_equal(recorded.value, plain)


def test_nothing_that_an_array_has_is_forgotten():
    public = {name for name in dir(np.ndarray) if not name.startswith("_")}
    assert public == {*KNOWN, *ATTRIBUTES, *METHODS, *REFUSED}
    special = {name for name in dir(np.ndarray) if name.startswith("__")} - set(dir(Tensor))
    assert special == {
        # what NumPy asks of arrays and their subclasses; a Tensor must not be taken for one
        "__array_finalize__", "__array_interface__", "__array_namespace__", "__array_priority__", "__array_struct__",
        "__array_wrap__", "__dlpack__", "__dlpack_device__", "__class_getitem__",
        # Python's own ways do the same on a Tensor
        "__copy__", "__deepcopy__", "__setstate__",
        # without these Python calls the plain operator, which makes a new Tensor
        "__iadd__", "__iand__", "__ifloordiv__", "__ilshift__", "__imatmul__", "__imod__", "__imul__", "__ior__",
        "__ipow__", "__irshift__", "__isub__", "__itruediv__", "__ixor__",
    }  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_of_an_array_is_plain(name):
    assert getattr(Tensor(X), name) == getattr(X, name)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_is_recorded(name):
    same(getattr(Tensor(X), name), getattr(X, name))


@pytest.mark.parametrize(("name", "args", "named"), [(n, a, k) for n, calls in METHODS.items() for a, k in calls])
def test_a_method_takes_an_arrays_arguments(name, args, named):
    same(getattr(Tensor(X), name)(*args, **named), getattr(X, name)(*args, **named))


def test_methods_of_sorted_arrays_and_of_indices():
    same(Tensor(np.sort(X[0])).searchsorted([0.0, 1.0]), np.sort(X[0]).searchsorted([0.0, 1.0]))
    same(Tensor(np.array([0, 1])).choose([X[0, :2], X[1, :2]]), np.array([0, 1]).choose([X[0, :2], X[1, :2]]))


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_tensor_cannot_have_says_what_to_write(name):
    with pytest.raises(DetachError) as caught:
        getattr(Tensor(X), name)()
    assert REFUSED[name] in str(caught.value)
    if name not in ("item", "tolist"):
        assert not hasattr(Tensor(X), name)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_takes_arrays_numbers_and_nested_sequences_on_either_side(name):
    f, x = OPERATORS[name], INTEGERS if name in INTEGER else np.abs(X)
    others = [x.T if name == "__matmul__" else x]
    others += [others[0].tolist(), tuple(map(tuple, others[0].tolist()))]
    others += [] if name == "__matmul__" else [2]
    for other in others:
        same(f(Tensor(x), other), f(x, other))
        same(f(other, Tensor(x)), f(other, x))
    if name in INTEGER or name == "__matmul__":
        return
    same(f(Tensor(x), Tensor(x)), f(x, x))


@pytest.mark.parametrize("name", UNARY)
def test_an_operator_of_one(name):
    x = INTEGERS if name in INTEGER else X
    same(UNARY[name](Tensor(x)), UNARY[name](x))


def test_a_tuple_beside_a_tensor_is_an_array_for_the_rules_too():
    assert grad(lambda x: np.sum(x @ ((1.0,), (2.0,))))(np.ones(2)).tolist() == [1.0, 2.0]
    assert grad(lambda x: np.sum(np.dot(((1.0, 3.0),), x)))(np.ones(2)).tolist() == [1.0, 3.0]
    assert grad(lambda x: divmod(x, 2.0)[1])(5.0) == 1.0


def test_membership_and_deletion_are_refused_with_the_fix():
    with pytest.raises(DetachError, match=r"np\.any\(t == x\)"):
        assert 1.0 in Tensor(X)
    with pytest.raises(DetachError, match=r"np\.delete"):
        del Tensor(X)[0]


class Metres(np.ndarray):
    """A subclass that could mean anything."""


SUBCLASSES = {
    "matrix": lambda x: np.asmatrix(x),
    "masked": lambda x: np.ma.masked_array(x),
    "own": lambda x: x.view(Metres),
    "record": lambda x: x.view(np.recarray),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", SUBCLASSES)
def test_subclasses_of_arrays_are_refused_everywhere_alike(kind):
    from trainer import compile

    special = SUBCLASSES[kind](np.ones((2, 2)))
    t = Tensor(np.ones((2, 2)))
    for attempt in (
        lambda: Tensor(special),
        lambda: grad(np.sum)(special),
        lambda: t * special,
        lambda: special * t,
        lambda: np.multiply(special, t),
        lambda: compile(np.sum)(special),
    ):
        with pytest.raises(TrainerError):
            attempt()


def test_a_mapped_file_is_an_array_like_any_other(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=(3,))
    mapped[:] = 2.0
    assert grad(lambda x: np.sum(x * mapped))(mapped).tolist() == [2.0, 2.0, 2.0]
    assert type((Tensor(np.ones(3)) * mapped).value) is np.ndarray


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.complex128, np.int64, np.bool_])
@pytest.mark.parametrize("place", [0, slice(0, 1), slice(None)])
def test_filling_an_array_says_what_to_write(dtype, place):
    def f(b):
        c = np.zeros(2, dtype)
        c[place] = b[0] * b[0]
        return c

    with pytest.raises(DetachError, match=r"np\.stack|np\.where"):
        grad(lambda b: np.sum(f(b)))(np.ones(2))


PLAIN_NUMBERS = (2, 3, -1, 0, 1, 0.5, 2.0, -1.0, 1.5, -0.5, True)
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("one", ARITHMETIC, ids=lambda one: one.__name__)
def test_an_operator_with_a_plain_number_has_the_bits_that_it_has_on_arrays(one, dtype):
    rng = np.random.default_rng(0)
    for shape in ((), (1,), (3, 2), (100,)):
        x = np.array(rng.uniform(0.1, 3.0, shape) + (1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else 0))
        x = x.astype(dtype)
        for number in PLAIN_NUMBERS:
            for f in (lambda x, n=number: one(x, n), lambda x, n=number: one(n, x)):
                want = f(x)
                for found in (f(Tensor(x)).value, compile(f)(x)):
                    assert (found.dtype, found.tobytes()) == (want.dtype, want.tobytes()), (number, shape)
