"""Nothing leaves the tape silently: what would is refused, with the fix."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from trainer import Tensor, grad
from trainer.errors import DetachError, OpError

REFUSED = {
    "np.array([t, t])": (lambda t: np.array([t, t]), "To join Tensors write np.stack([t1, t2])"),
    "np.asarray(t)": (lambda t: np.asarray(t), "for the plain array, off the tape, write t.value"),
    "float(t)": (lambda t: float(t), "for the plain number, off the tape, write float(t.value)"),
    "int(t)": (lambda t: int(t), "for the plain number, off the tape, write int(t.value)"),
    "complex(t)": (lambda t: complex(t), "off the tape, write complex(t.value)"),
    "math.sin(t)": (lambda t: math.sin(t), "Write np.sin(t), not math.sin(t)"),
    "bool(t)": (lambda t: bool(t), "write np.where(t > 0, a, b)"),
    "if t > 0": (lambda t: t if t > 0 else -t, "write `if t.value > 0:`"),
    "[0, 1][t]": (lambda t: [0, 1][t], "from trainer_ops.indexing import take; take(x, indices"),
    "t[0] = 1": (lambda t: t.__setitem__(0, 1.0), "Make a new one: np.where(mask, value, t)"),
    "np.sin(t, out=a)": (lambda t: np.sin(t, out=np.empty(())), "a Tensor is never written to; use the result instead"),
    "np.partition(t, 1)": (
        lambda t: np.busday_count(t, t),
        "np.busday_count has no rule, so its result would drop off the tape",
    ),
    "Tensor(t)": (lambda t: Tensor(t), "use t itself, or Tensor(t.value)"),
    "np.add(t, [t])": (lambda t: np.add(1.0, [[t]]), "np.stack"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_with_the_fix(what):
    attempt, fix = REFUSED[what]
    with pytest.raises((DetachError, OpError)) as caught:
        attempt(Tensor(1.0))
    assert fix in str(caught.value)
    with pytest.raises((DetachError, OpError)):
        grad(lambda t: attempt(t) * 1.0)(1.0)


def test_an_augmented_assignment_makes_a_new_tensor():
    def f(x):
        y = x
        y += 1.0
        y *= x
        return y

    assert grad(f)(3.0) == 7.0


def test_plain_arrays_on_the_left_do_not_swallow_the_tensor():
    t = Tensor(np.ones(3))
    for y in (np.ones(3) * t, np.float64(2.0) * t, np.ones((2, 3)) @ t, [1.0, 2.0, 3.0] * t, 2**t, 1 - t, 1 / t):
        assert isinstance(y, Tensor)
    a = np.ones(3)
    with pytest.raises(OpError, match="a Tensor is never written to"):
        a += t


def test_what_is_known_of_shapes_is_plain():
    t = Tensor(np.ones((2, 3), np.float32))
    assert (t.shape, t.ndim, t.size, t.dtype, len(t)) == ((2, 3), 2, 6, np.dtype(np.float32), 2)
    assert np.shape(t) == (2, 3)
    assert np.zeros_like(t).dtype == np.float32


def test_a_tensor_prints_as_its_array():
    assert repr(Tensor(np.array([1.0, 2.0]))) == "Tensor([1., 2.])"
    assert repr(Tensor(1.5)) == "Tensor(1.5)"


def test_iteration_gives_recorded_rows():
    assert grad(lambda x: sum(row * i for i, row in enumerate(x)))(np.ones(3)).tolist() == [0.0, 1.0, 2.0]
    with pytest.raises(TypeError, match="iteration over a 0-d Tensor"):
        list(Tensor(1.0))


def test_numpy_functions_take_positional_and_named_arguments():
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(grad(lambda x: np.sum(np.sum(x, 0) * 2))(x), np.full((2, 3), 2.0))
    np.testing.assert_array_equal(grad(lambda x: np.sum(np.sum(a=x, axis=1, keepdims=True)))(x), np.ones((2, 3)))
    np.testing.assert_array_equal(grad(lambda x: np.sum(np.concatenate((x, x), 1)))(x), np.full((2, 3), 2.0))
    np.testing.assert_array_equal(grad(lambda x: x.sum(axis=0).max())(x), [[0, 0, 1], [0, 0, 1]])


def test_copying_a_tensor_keeps_its_place():
    t = Tensor(2.0)
    assert copy.copy(t)._node is t._node
