"""Whoever writes to an array that they gave to the tape, or got from it, changes no gradient."""

from __future__ import annotations

import operator

import numpy as np
import pytest

from trainer import Tensor, checkpoint, compile, grad, jacobian, value_and_grad, vjp
from trainer.engine import dispatch
from trainer.errors import DetachError, UsageError

X = np.array([1.0, 2.0, 3.0])
CUBES = {
    "products": (lambda x: x * x * x, 3 * X**2),
    "a power": (lambda x: x**3, 3 * X**2),
    "a view": (lambda x: (x[::-1] * x[::-1])[::-1], 2 * X),
    "its value": (lambda x: np.exp(x), np.exp(X)),
}


@pytest.mark.parametrize("name", CUBES)
def test_a_variable_is_the_tapes_own(name):
    f, expected = CUBES[name]
    x = X.copy()
    t = Tensor(x)
    y = np.sum(f(t))
    x[:] = 0
    y.backward()
    np.testing.assert_allclose(t.grad, expected, rtol=1e-15)


@pytest.mark.parametrize("name", CUBES)
def test_so_are_the_arguments_and_the_results_of_vjp(name):
    f, expected = CUBES[name]
    x = X.copy()
    y, pullback = vjp(f, x)
    x[:] = 0
    y[:] = 0
    (g,) = pullback(np.ones(3))
    np.testing.assert_allclose(g, expected, rtol=1e-15)


@pytest.mark.parametrize("f", [lambda x: x[::2], lambda x: x.T, lambda x: x, lambda x: np.reshape(x, (3, 1))])
def test_what_vjp_returns_lies_in_no_argument(f):
    x = X.copy()
    assert not np.may_share_memory(vjp(f, x)[0], x)


@pytest.mark.parametrize("transform", [grad, value_and_grad])
@pytest.mark.parametrize("argnums", [(0, 0), (1, -1), (0, 1, 0)])
def test_an_argument_is_named_once(transform, argnums):
    once = tuple(dict.fromkeys(n % 2 for n in argnums))
    twice = 1 if argnums == (1, -1) else 0
    with pytest.raises(UsageError) as caught:
        transform(lambda x, y: x * y, argnums)(2.0, 3.0)
    assert str(caught.value) == (
        f"argnums={argnums} names argument {twice} twice; a gradient is with respect to each argument once: "
        f"argnums={once}"
    )


def test_a_jacobian_with_respect_to_an_argument_twice_is_refused():
    with pytest.raises(UsageError, match="names argument 0 twice"):
        jacobian(lambda x: x * x, (0, 0))(X)


PASSED_ON = {
    "itself": (lambda x, y: x, (4, 3)),
    "a sum": (lambda x, y: x + y, (4, 3)),
    "a difference": (lambda x, y: x - y, (4, 3)),
    "turned": (lambda x, y: x.T + y.T, (3, 4)),
    "reversed": (lambda x, y: x[::-1] + y, (4, 3)),
    "another shape": (lambda x, y: np.reshape(x + y, -1), (12,)),
    "broadcast": (lambda x, y: np.broadcast_to(x + y, (2, 4, 3)), (2, 4, 3)),
}


@pytest.mark.parametrize("name", PASSED_ON)
def test_gradients_lie_in_nothing_else(name):
    f, shape = PASSED_ON[name]
    x, y, dy = np.ones((4, 3)), np.ones((4, 3)), np.ones(shape)
    one, other = vjp(f, x, y)[1](dy)
    for g in (one, other):
        assert g.flags.writeable
        assert not any(np.may_share_memory(g, array) for array in (x, y, dy))
    assert not np.may_share_memory(one, other)


@pytest.mark.parametrize("name", PASSED_ON)
def test_nor_do_those_of_backward(name):
    f, shape = PASSED_ON[name]
    x, y, dy = Tensor(np.ones((4, 3))), Tensor(np.ones((4, 3))), np.ones(shape)
    f(x, y).backward(dy)
    found = [t.grad for t in (x, y) if t.grad is not None]
    assert not any(np.may_share_memory(g, dy) or not g.flags.writeable for g in found)
    assert len(found) < 2 or not np.may_share_memory(*found)


# What a recorded function reads besides its arguments: x is differentiated, c is somebody's array.

C, I, M = np.array([2.0, -1.0, 0.5]), np.array([2, 0, 0]), np.array([True, False, True])
READ = {
    "a factor": (C, lambda x, c: x * c),
    "a divisor": (C, lambda x, c: x / c),
    "an exponent": (C, lambda x, c: x**c),
    "a base": (np.abs(C), lambda x, c: c**x),
    "a view": (C, lambda x, c: x * c[::-1]),
    "a broadcast one": (C, lambda x, c: np.broadcast_to(c, (2, 3)) * x),
    "a matrix": (np.outer(C, C) + 1, lambda x, c: c @ x),
    "a turned one": (np.arange(9.0).reshape(3, 3), lambda x, c: x @ c.T),
    "an index": (I, lambda x, c: x[c] * X),
    "a pair of indices": (I, lambda x, c: np.outer(x, x)[c, c]),
    "an index in a list": (I, lambda x, c: np.outer(x, x)[[0, 1, 1], c]),
    "places": (I, lambda x, c: np.take(x, c) * X),
    "places along an axis": (I, lambda x, c: np.take_along_axis(x, c, 0) * X),
    "a mask": (M, lambda x, c: np.where(c, x, 0.0)),
    "a mask of a sum": (M, lambda x, c: np.sum(x, where=c) * X),
    "a mask as an index": (M, lambda x, c: x[c]),
    "conditions": (M, lambda x, c: np.select([c, ~c], [x * X, 2.0 * x], 0.0)),
    "one of several": (C, lambda x, c: np.einsum("i,i,i->i", x, c, c)),
    "one of several results": (C, lambda x, c: np.broadcast_arrays(x, c)[1] * x),
    "one with another": (C, lambda x, c: np.atleast_1d(x, c)[1] * x),
    "weights": (np.abs(C), lambda x, c: np.average(x, weights=c) * X),
    "a grid": (np.cumsum(np.abs(C)), lambda x, c: np.gradient(x, c)),
    "where it is looked up": (np.cumsum(np.abs(C)), lambda x, c: np.interp(np.abs(x), c, X)),
    "a kernel": (C, lambda x, c: np.convolve(x, c, "same")),
    "bounds": (np.abs(C), lambda x, c: np.clip(x, -c, c)),
    "what is compared": (C, lambda x, c: np.maximum(x, c)),
    "an argument that is computed with again": (C, lambda x, c: checkpoint(lambda x, c: np.sin(x * c))(x, c)),
}


@pytest.mark.parametrize("through", ["vjp", "backward"])
@pytest.mark.parametrize("name", READ)
def test_what_a_function_reads_may_be_written_to_before_the_sweep(name, through):
    held, f = READ[name]

    def gradient(write):
        c = held.copy()
        if through == "vjp":
            y, pullback = vjp(lambda x: f(x, c), X)
        else:
            t = Tensor(X)
            y = f(t, c)
        if write:
            c[...] = 1 - c if c.dtype == bool else 1
        dy = np.arange(1.0, y.size + 1).reshape(y.shape)
        if through == "vjp":
            return pullback(dy)[0]
        y.backward(dy)
        return t.grad

    assert gradient(write=True).tolist() == gradient(write=False).tolist()


@pytest.mark.parametrize("name", READ)
def test_a_function_may_fill_one_buffer_again_and_again(name):
    held, f = READ[name]
    other = held[::-1].copy() if name != "a grid" else held + 1

    def with_one(x):
        c = held.copy()
        y = f(x, c)
        c[...] = other
        return np.sum(y * y) + np.sum(f(x, c))

    def with_two(x):
        y = f(x, held)
        return np.sum(y * y) + np.sum(f(x, other))

    assert grad(with_one)(X).tolist() == grad(with_two)(X).tolist()
    assert compile(grad(with_one))(X).tolist() == grad(with_two)(X).tolist()


@pytest.mark.parametrize("name", READ)
def test_second_derivatives_read_what_the_first_ones_read(name):
    held, f = READ[name]

    def twice(write):
        c = held.copy()
        _, pullback = vjp(lambda x: grad(lambda x: np.sum(f(x, c) ** 3))(x), X)
        if write:
            c[...] = 1 - c if c.dtype == bool else 1
        return pullback(np.ones(3))[0]

    assert twice(write=True).tolist() == twice(write=False).tolist()


READINGS = {
    "an array that has changed": lambda x, c, rng: x * c,
    "random numbers": lambda x, c, rng: x * rng.random(3),
}


@pytest.mark.parametrize("name", READINGS)
def test_what_is_computed_again_must_be_what_it_was(name):
    c, rng = C.copy(), np.random.default_rng(0)
    f = checkpoint(lambda x: READINGS[name](x, c, rng))
    _, pullback = vjp(lambda x: np.sin(f(x)), X)
    if name == "an array that has changed":
        assert pullback(np.ones(3))[0].shape == (3,)
        c[0] = 7.0
    with pytest.raises(DetachError, match="the checkpointed function gave another result when it was computed again"):
        pullback(np.ones(3))


def test_lists_that_are_attributes_may_be_written_to():
    axes, widths = [1, 0], [[1, 0], [0, 2]]
    y, pullback = vjp(lambda x: np.pad(np.transpose(x, axes), widths), np.ones((2, 3)))
    axes.reverse()
    widths[0][0] = 0
    assert pullback(np.ones(y.shape))[0].shape == (2, 3)


def test_a_part_that_a_tensor_has_cut_out_is_the_tapes_own():
    c, n = np.arange(1.0, 5.0), Tensor(np.array(1))
    t = Tensor(np.ones(2))
    y = dispatch.TABLE[operator.getitem](c, slice(n, n + 2)) * t
    c[:] = 0
    y.backward(np.ones(2))
    assert t.grad.tolist() == [2.0, 3.0]


def test_an_array_that_nobody_can_write_to_is_kept_as_it_is():
    c = C.copy()
    c.flags.writeable = False
    assert (Tensor(X) * c)._node.residuals[0] is c


def test_the_value_of_a_tensor_is_read():
    t = Tensor(X) * 2.0
    assert t.value.tolist() == [2.0, 4.0, 6.0]
    with pytest.raises(ValueError, match="read-only"):
        t.value[0] = 1.0
    t.value.copy()[0] = 1.0
    assert type((Tensor(2.0) * 2.0).value) is np.float64
