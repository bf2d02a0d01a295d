"""What the transforms promise: any order, any nesting, any structure, any thread, and after any exception."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import pytest

from trainer import (
    Tensor,
    checkpoint,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    op,
    stop_gradient,
    value_and_grad,
    vjp,
)
from trainer.errors import DetachError, NotDifferentiableError, OpError, ShapeError, UsageError

rng = np.random.default_rng(7)


def wave(x):
    return np.sin(x) * np.exp(x)


@pytest.mark.parametrize("order", range(1, 6))
def test_grad_to_fifth_order_of_sin_times_exp(order):
    # The n-th derivative of sin(x)·eˣ is √2ⁿ·eˣ·sin(x + n·π/4).
    f, x = wave, 0.7
    for _ in range(order):
        f = grad(f)
    np.testing.assert_allclose(f(x), 2 ** (order / 2) * np.exp(x) * np.sin(x + order * np.pi / 4), rtol=1e-12)


def test_nested_gradients_do_not_confuse_their_variables():
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0) == 1.0
    assert grad(lambda x: grad(lambda y: x * y)(x))(2.0) == 1.0
    assert grad(lambda x: x * grad(lambda x: x * x)(x))(3.0) == 12.0
    assert grad(lambda x: x * jvp(lambda y: x * y, (2.0,), (1.0,))[1])(3.0) == 6.0
    assert jvp(lambda x: x * jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0


def test_the_second_derivative_is_right_in_eight_threads_at_once():
    results, start = [], threading.Barrier(8)

    def work():
        start.wait()
        results.extend(grad(grad(lambda x: x * x * x))(float(k)) - 6.0 * k for k in range(200))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 1600
    assert set(results) == {0.0}


def test_exceptions_inside_grad_leave_nothing_behind():
    def failing(x):
        grad(lambda y: np.sin(y) * x)(x)
        raise RuntimeError("in the middle of the record")

    for _ in range(100):
        with pytest.raises(RuntimeError, match="in the middle"):
            grad(grad(failing))(1.0)
    assert grad(grad(lambda x: x * x * x))(2.0) == 12.0


class Pair(NamedTuple):
    a: object
    b: object


def test_gradients_have_the_structure_of_the_argument():
    parameters = {"layers": [{"w": np.ones((2, 3))}, (np.ones(3), 2.0)], "pair": Pair(np.ones(2), np.float32(1))}

    def f(p):
        return (
            np.sum(p["layers"][0]["w"] * 2)
            + np.sum(p["layers"][1][0]) * p["layers"][1][1]
            + np.sum(p["pair"].a) * np.astype(p["pair"].b, np.float64)
        )

    g = grad(f)(parameters)
    np.testing.assert_array_equal(g["layers"][0]["w"], np.full((2, 3), 2.0))
    np.testing.assert_array_equal(g["layers"][1][0], np.full(3, 2.0))
    assert g["layers"][1][1] == 3.0
    assert isinstance(g["pair"], Pair)
    assert g["pair"].b == 2.0
    assert isinstance(g["pair"].b, np.float32)


def test_argnums_choose_the_arguments():
    def f(x, y, *, factor):
        return factor * x * y

    assert grad(f, 1)(2.0, 3.0, factor=10.0) == 20.0
    assert grad(f, (1, 0))(2.0, 3.0, factor=10.0) == (20.0, 30.0)
    assert grad(f, -1)(2.0, 3.0, factor=10.0) == 20.0
    with pytest.raises(UsageError, match=r"argnums=2, and 2 positional arguments came"):
        grad(f, 2)(2.0, 3.0, factor=1.0)


def test_value_and_grad_return_plain_numbers():
    value, g = value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    assert value == 5.0
    assert not isinstance(value, Tensor)
    np.testing.assert_array_equal(g, [2.0, 4.0])


def test_an_argument_that_does_not_matter_has_a_gradient_of_zero():
    np.testing.assert_array_equal(grad(lambda x: 3.0)(np.ones(2)), np.zeros(2))
    np.testing.assert_array_equal(grad(lambda x, y: np.sum(y * 2), 0)(np.ones(2, np.float32), np.ones(2)), np.zeros(2))
    np.testing.assert_array_equal(hessian(lambda x: np.sum(x))(np.ones(2)), np.zeros((2, 2)))


def test_the_value_of_an_inner_transform_is_differentiable_too():
    assert grad(lambda a: value_and_grad(lambda x: x * x * a)(3.0)[0] * a)(2.0) == 36.0
    assert grad(lambda a: vjp(lambda x: x * x * a, 3.0)[0])(2.0) == 9.0
    assert grad(lambda a: jvp(lambda x: x * x * a, (3.0,), (1.0,))[1])(2.0) == 6.0


def test_first_order_results_are_plain_arrays_even_where_the_function_makes_tensors_of_its_own():
    assert not isinstance(grad(lambda x: x * Tensor(2.0))(3.0), Tensor)
    outer = grad(lambda a: grad(lambda x: x * a)(1.0))(2.0)
    assert not isinstance(outer, Tensor)


def test_jacobians_of_structures():
    def f(x, y):
        return {"sum": x + y, "product": x * y}

    x, y = rng.normal(size=(2, 3))
    j = jacobian(f, (0, 1))(x, y)
    np.testing.assert_array_equal(j[0]["product"], np.diag(y))
    np.testing.assert_array_equal(j[1]["product"], np.diag(x))
    np.testing.assert_array_equal(j[0]["sum"], np.eye(3))


def test_hessian_and_hvp_agree():
    x, v = rng.normal(size=(2, 4))

    def f(x):
        return np.sum(np.tanh(np.outer(x, x))) + np.sum(x**3)

    h = hessian(f)(x)
    np.testing.assert_allclose(h, h.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(hvp(f)(x, v), h @ v, rtol=1e-12)


def test_jvp_agrees_with_the_jacobian():
    x, v = rng.normal(size=(2, 3))

    def f(x):
        return np.sin(x) * np.sum(x)

    y, dy = jvp(f, (x,), (v,))
    np.testing.assert_array_equal(y, f(x))
    np.testing.assert_allclose(dy, jacobian(f)(x) @ v, rtol=1e-14)


def test_jvp_of_an_array_that_is_no_tuple_says_what_is_one():
    x = np.ones(3)
    for args, tangents in ((x, x), ((x,), x), (x, (x,)), (2.0, 1.0)):
        with pytest.raises(UsageError, match=r"as a tuple each: jvp\(f, \(x,\), \(v,\)\)"):
            jvp(lambda x: x**2, args, tangents)


def test_adjoint_identity_of_vjp_and_jvp():
    x, v, dy = rng.normal(size=(3, 5))
    _, pullback = vjp(wave, x)
    np.testing.assert_allclose(np.dot(dy, jvp(wave, (x,), (v,))[1]), np.dot(pullback(dy)[0], v), rtol=1e-14)


def test_a_pullback_may_be_called_again():
    _, pullback = vjp(np.sin, 0.5)
    assert pullback(1.0) == pullback(1.0)


def test_checkpoint_gives_the_same_gradients_to_second_order():
    x = rng.normal(size=4)

    def f(x, w):
        return np.sum(np.tanh(x * w)), np.sum(x)

    def g(x, h=f):
        a, b = h(x, x * 2)
        return a * b

    kept = checkpoint(f)
    np.testing.assert_array_equal(grad(lambda x: g(x, kept))(x), grad(g)(x))
    np.testing.assert_allclose(hessian(lambda x: g(x, kept))(x), hessian(g)(x), rtol=1e-13, atol=1e-15)


def test_checkpoint_refuses_a_tensor_from_outside():
    with pytest.raises(DetachError, match="pass it as an argument"):
        grad(lambda w: checkpoint(lambda x: np.sum(x * w))(np.ones(3)))(2.0)


def test_stop_gradient_stops_it_inside_structures():
    g = grad(lambda p: p["a"] * stop_gradient(p)["b"])({"a": 2.0, "b": 3.0})
    assert g == {"a": 3.0, "b": 0.0}


def test_backward_leaves_gradients_in_variables_and_replaces_them():
    x, w = Tensor(np.array([1.0, 2.0])), Tensor(3.0)
    for _ in range(2):
        y = np.sum(x * w)
        y.backward()
        np.testing.assert_array_equal(x.grad, [3.0, 3.0])
        assert w.grad == 3.0
    z = x * w
    z.backward(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(x.grad, [3.0, 30.0])
    with pytest.raises(ShapeError, match=r"this Tensor has shape \(2,\): pass y.backward\(dy\) or sum it"):
        (x * w).backward()
    with pytest.raises(NotDifferentiableError, match="only variables keep a gradient"):
        _ = z.grad


def test_variadic_ops_and_ops_with_several_results():
    @op
    def mixed(*arrays):
        return np.prod(arrays, axis=0), np.sum(arrays, axis=0)

    @mixed.vjp("arrays")
    def _(dy, arrays, wanted):
        product, total = dy
        whole = arrays[0] * arrays[1] * arrays[2]
        return [whole / a * product + total if want else None for a, want in zip(arrays, wanted, strict=True)]

    x = np.array([2.0, 3.0])

    def f(x):
        product, total = mixed(x, np.array([5.0, 7.0]), x * x)
        return np.sum(product * total)

    def by_hand(x):
        return np.sum(x * np.array([5.0, 7.0]) * x * x * (x + np.array([5.0, 7.0]) + x * x))

    np.testing.assert_allclose(grad(f)(x), grad(by_hand)(x), rtol=1e-14)
    np.testing.assert_allclose(hessian(f)(x), hessian(by_hand)(x), rtol=1e-14)
    # An unused result's cotangent is zero.
    np.testing.assert_allclose(grad(lambda x: np.sum(mixed(x, x, x)[1]))(x), [3.0, 3.0])


def test_a_rule_runs_only_when_its_inputs_gradient_is_wanted():
    ran = []
    spy = op(lambda x, w: x * w, name="spy").defvjp(
        x=lambda dy, w: (ran.append("x"), dy * w)[1], w=lambda dy, x: (ran.append("w"), dy * x)[1]
    )
    grad(lambda w: spy(2.0, w))(3.0)
    assert ran == ["w"]
    ran.clear()
    # Inside, only the inner variable's; the outer one's rule runs when the outer sweep comes by.
    assert grad(lambda x: grad(lambda w: spy(x, w))(3.0))(2.0) == 1.0
    assert ran == ["w"]


def test_what_an_entry_saves_is_what_its_rules_ask_for():
    spy = op(lambda x, w: x * w, name="spy").defvjp(x=lambda dy, w: dy * w, w=lambda dy, x: dy * x)
    x, w = np.ones(3), np.full(3, 2.0)
    (kept,) = spy(Tensor(x), w)._node.residuals
    assert kept.tolist() == w.tolist()
    assert not np.may_share_memory(kept, w)  # whoever made it may write to it
    w.flags.writeable = False
    assert spy(Tensor(x), w)._node.residuals[0] is w
    assert len((Tensor(x) + w)._node.residuals) == 0


def test_functions_that_grad_cannot_take():
    with pytest.raises(ShapeError, match=r"it returned shape \(3,\): sum or average it, or use jacobian"):
        grad(lambda x: x)(np.ones(3))
    with pytest.raises(OpError, match="it returned a dict"):
        grad(lambda x: {"a": x})(1.0)
    with pytest.raises(NotDifferentiableError, match="needs a real result, and the function returned complex128"):
        grad(lambda x: x * 1j)(1.0)
    with pytest.raises(NotDifferentiableError, match=r"an argument of dtype int64 is not differentiable.*write 2.0"):
        grad(lambda x: x * x)(2)
    with pytest.raises(NotDifferentiableError, match="an argument of dtype bool is not differentiable"):
        grad(lambda x: x * 1.0)(np.array(True))
    with pytest.raises(NotDifferentiableError, match="comparisons and indices have no derivative"):
        grad(lambda x: x > 1)(1.0)
    with pytest.raises(ShapeError, match=r"the cotangent has shape \(2,\), where the result has \(3,\)"):
        vjp(np.sin, np.ones(3))[1](np.ones(2))
    with pytest.raises(ShapeError, match="the cotangent has dtype float32, where the result has float64"):
        vjp(np.sin, np.ones(3))[1](np.ones(3, np.float32))


def test_float32_stays_float32_and_promotion_is_undone():
    x = np.ones(3, np.float32)
    assert grad(lambda x: np.sum(x * 2.0))(x).dtype == np.float32
    # float64 joins in: the cotangent comes back as the transpose of the promotion.
    assert grad(lambda x: np.sum(x * np.arange(3.0)))(x).dtype == np.float32
    assert grad(lambda x: np.sum(np.real(x * 1j * 1j)))(x).dtype == np.float32


def test_complex_arguments_follow_the_plain_transpose():
    # f(z) = |z|², z = a + ib: ∂f/∂a − i ∂f/∂b = 2a − 2ib.
    assert grad(lambda z: np.real(z * np.conj(z)))(3.0 + 4.0j) == 6.0 - 8.0j


def test_what_is_returned_or_taken_twice_counts_twice():
    x = np.array([1.0, 2.0])

    def twice(x):
        y = x * x
        return y, [y, x, x]

    np.testing.assert_array_equal(vjp(twice, x)[1]((x, [x, x, x]))[0], 4 * x * x + 2 * x)
    np.testing.assert_array_equal(jvp(np.add, (x, x), (x, 3 * x))[1], 4 * x)
    np.testing.assert_array_equal(jvp(lambda a, b, c: a + b + c, (x, x, x), (x, 3 * x, x))[1], 5 * x)


def test_a_result_that_the_rule_takes_too_gets_all_of_its_cotangent():
    powers = op(lambda x: (x * x, x * x * x), name="powers")
    powers.defvjp(x=lambda dy, x, y: dy[0] * 2 * x + dy[1] * 3 * y[0])

    def f(x):
        square, cube = powers(x)
        return square * cube + square

    assert grad(f)(2.0) == 5 * 2.0**4 + 2 * 2.0
    assert grad(grad(f))(2.0) == 20 * 2.0**3 + 2
    assert grad(grad(grad(f)))(2.0) == 60 * 2.0**2


def test_what_two_rules_ask_for_is_kept_once():
    spy = op(lambda x, w: x * w, name="spy").defvjp(
        x=lambda dy, w, y: dy * w + 0 * y, w=lambda dy, x, y: dy * x + 0 * y
    )
    assert len(spy(Tensor(np.ones(3)), Tensor(np.ones(3)))._node.residuals) == 3


def test_a_strangers_function_of_a_known_name_is_not_known():
    from trainer.engine.dispatch import find

    def erf(x):
        return x

    erf.__module__ = "scipy.special"
    assert find(erf) is None
