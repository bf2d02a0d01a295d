"""Whoever writes to an array that they gave to the tape, or got from it, changes no gradient."""

from __future__ import annotations

import numpy as np
import pytest

from trainer import Tensor, grad, jacobian, value_and_grad, vjp
from trainer.errors import UsageError

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
