"""Every wrong rule gets its error, and the error says everything: op, plugin, rule, input, expected, got, and the line
of the call."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from trainer import Tensor, grad, hessian, op
from trainer.errors import NotDifferentiableError, OpError, RuleError

HERE = Path(__file__)
X = np.ones(3)


def scale_with(rule, forward=lambda x: x * 2.0):
    return op(forward, name="scale").defvjp(x=rule)


def line_of(function):
    return f"{HERE}:{function.__code__.co_firstlineno}"


def message_of(f, x=X, error=RuleError):
    with pytest.raises(error) as caught:
        grad(f)(x)
    return str(caught.value)


WRONG_RESULTS = {
    "None": (
        lambda dy: None,
        "returned None; it must return a cotangent (did it forget `return`?)",
        "None",
    ),
    "a wrong shape": (lambda dy: np.zeros(7), "returned shape (7,), where x has (3,)", "float64 (7,)"),
    "too few dimensions": (lambda dy: dy[0], "returned shape (), where x has (3,)", "float64 ()"),
    "float32 for float64": (
        lambda dy: dy.astype(np.float32),
        "returned dtype float32, where x has float64",
        "float32 (3,)",
    ),
    "complex for float64": (
        lambda dy: dy.astype(complex),
        "returned dtype complex128, where x has float64",
        "complex128 (3,)",
    ),
    "integers": (lambda dy: np.ones(3, int), "returned dtype int64, where x has float64", "int64 (3,)"),
    "an object array": (lambda dy: dy.astype(object), "returned dtype object, where x has float64", "object (3,)"),
    "a list": (lambda dy: [2.0, 2.0, 2.0], "returned a list; a cotangent is a NumPy array", "list of 3"),
    "a tuple for one input": (lambda dy: (dy,), "returned a tuple; a cotangent is a NumPy array", "tuple of 1"),
    "a Python number": (lambda dy: 2.0, "returned a float; a cotangent is a NumPy array", "2.0"),
    "text": (lambda dy: "dy", "returned a str; a cotangent is a NumPy array", "'dy'"),
}


@pytest.mark.parametrize("case", WRONG_RESULTS)
def test_a_rule_that_returns(case):
    rule, what, got = WRONG_RESULTS[case]
    scale = scale_with(rule)

    def f(x):
        return np.sum(scale(x) + 1.0)

    assert message_of(f) == (
        f"the rule of op 'scale' for 'x' {what}\n"
        f"  op        scale, from {scale.origin}\n"
        f"  rule      {line_of(rule)}\n"
        f"  input     x\n"
        f"  expected  float64 (3,), as the input\n"
        f"  got       {got}\n"
        f"  called    {HERE}:{f.__code__.co_firstlineno + 1}\n"
        f"            return np.sum(scale(x) + 1.0)\n"
        f"                          ^^^^^^^^"
    )


@pytest.mark.parametrize(
    ("result", "what"),
    [
        (lambda dy: (dy,), "returned 1 results"),
        (lambda dy: (dy, dy, dy), "returned 3 results"),
        (lambda dy: None, "returned None; it must return a cotangent (did it forget `return`?)"),
        (lambda dy: dy, "returned a ndarray; a cotangent is a NumPy array"),
    ],
    ids=["too few", "too many", "None", "an array"],
)
def test_a_rule_for_two_inputs_that_returns(result, what):
    both = op(lambda x, w: x * w, name="both")
    both.vjp("x", "w")(result)
    text = message_of(lambda x: np.sum(both(x, x)))
    first, *rows = text.split("\n")
    assert (
        first == f"the rule of op 'both' for 'x, w' {what}; it must return 2, "
        "one cotangent per input (None for one that is not wanted)"
    )
    assert rows[:3] == [f"  op        both, from {both.origin}", f"  rule      {line_of(result)}", "  inputs    x, w"]


def test_a_rule_for_two_inputs_that_leaves_out_one_that_is_wanted():
    both = op(lambda x, w: x * w, name="both")
    both.vjp("x", "w")(lambda dy, w: (dy * w, None))
    text = message_of(lambda x: np.sum(both(x, x)))
    assert text.startswith("the rule of op 'both' for 'w' returned None; it must return a cotangent")


def test_a_variadic_rule_names_the_array():
    joined = op(lambda *arrays: np.concatenate(arrays), name="joined").defvjp(
        arrays=lambda dy, arrays: [dy[:3], dy[:2]]
    )
    text = message_of(lambda x: np.sum(joined(x, x)))
    assert text.startswith("the rule of op 'joined' for 'arrays[1]' returned shape (2,), where arrays[1] has (3,)")


def test_only_elementwise_ops_may_return_the_outputs_shape():
    def forward(x, w):
        return x * w

    rules = {"x": lambda dy, w: dy * w, "w": lambda dy, x: dy * x}
    broadcasting = op(forward, name="broadcasting", elementwise=True).defvjp(**rules)
    strict = op(forward, name="strict").defvjp(**rules)
    np.testing.assert_array_equal(grad(lambda w: np.sum(broadcasting(np.ones((2, 3)), w)))(X), [2.0, 2.0, 2.0])
    text = message_of(lambda w: np.sum(strict(np.ones((2, 3)), w)))
    assert text.startswith("the rule of op 'strict' for 'w' returned shape (2, 3), where w has (3,)")


def test_a_rule_for_a_name_that_is_not_an_input():
    with pytest.raises(RuleError) as caught:
        op(lambda predictions, *, beta=1.0: predictions, name="f").defvjp(prediction=lambda dy: dy)
    assert str(caught.value).endswith(
        "was given a rule for 'prediction', which is not one of its inputs; did you mean 'predictions'? "
        "Its inputs are 'predictions'."
    )
    with pytest.raises(
        RuleError, match=r"a rule for 'beta', which is an attribute, which is static. Its inputs are 'x'."
    ):
        op(lambda x, *, beta=1.0: x, name="f").vjp("beta")(lambda dy: dy)


def test_a_residual_that_does_not_exist():
    def rule(dy, xx, *, beta):
        return dy

    with pytest.raises(RuleError) as caught:
        op(lambda x, *, beta=1.0: x, name="f").defvjp(x=rule)
    assert str(caught.value) == (
        f"the rule of op 'f' for 'x' ({line_of(rule)}) asks for 'xx', which op 'f' does not have; did you mean 'x'? "
        "A rule may ask for dy, y, wanted, the inputs 'x' (or NAME_shape, NAME_dtype) and the attributes 'beta'."
    )


def test_a_rule_that_is_not_a_function():
    with pytest.raises(RuleError) as caught:
        op(lambda x: x, name="f").defvjp(x=0)
    assert str(caught.value) == (
        "the rule of op 'f' for 'x' is 0, not a function; write f.defvjp(x=lambda dy: ...), or f.zero('x') where the "
        "derivative is zero"
    )


def test_zero_not_differentiable_and_no_rule_are_three_things():
    def forward(x):
        return x * 1.0

    zero = op(forward, name="zero").zero("x")
    never = op(forward, name="never").nondifferentiable("x")
    unwritten = op(forward, name="unwritten")
    assert grad(zero)(1.0) == 0.0
    assert message_of(never, 1.0, NotDifferentiableError).startswith(
        "input 'x' of op 'never' is not differentiable, and a gradient with respect to it is asked for\n"
    )
    assert message_of(unwritten, 1.0, NotDifferentiableError).startswith(
        "op 'unwritten' has no rule for its input 'x'\n"
    )
    # As constants, all three compute.
    assert [f(1.0) for f in (zero, never, unwritten)] == [1.0, 1.0, 1.0]


def test_a_rule_that_leaves_numpy_works_once_and_says_why_not_twice():
    def rule(dy, x):
        g = np.empty_like(np.asarray(x))
        for i in range(len(g)):
            g[i] = 2 * dy[i] * x[i]
        return g

    square = op(lambda x: x * x, name="square").defvjp(x=rule)
    np.testing.assert_array_equal(grad(lambda x: np.sum(square(x)))(X), [2.0, 2.0, 2.0])
    with pytest.raises(NotDifferentiableError) as caught:
        hessian(lambda x: np.sum(square(x)))(X)
    text = str(caught.value)
    assert text.startswith(
        "the rule of op 'square' for 'x' leaves NumPy, so it has no derivative of its own: first-order gradients work"
    )
    assert re.search(
        rf"\n  rule      {re.escape(line_of(rule))}\n  because   turning a Tensor into a NumPy array", text
    )


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda x: [x, x], "returned list of 2; it must return an array, or a tuple of arrays"),
        (lambda x: None, "returned None; it must return an array, or a tuple of arrays"),
        (lambda x: 1.5, "returned 1.5; it must return an array, or a tuple of arrays"),
    ],
    ids=["a list", "None", "a Python number"],
)
def test_a_forward_function_that_returns(forward, message):
    with pytest.raises(OpError) as caught:
        op(forward, name="f")(Tensor(X))
    assert str(caught.value).endswith(message)


def test_a_forward_functions_own_error_gets_the_op_and_the_shapes():
    with pytest.raises(
        ValueError, match=r"^op 'multiply' \(x1: float64 \(3,\), x2: float64 \(2,\)\): operands could not be broadcast"
    ):
        Tensor(X) * np.ones(2)


def test_ops_that_cannot_be_made():
    with pytest.raises(RuleError, match="op 'f' has no array argument; arrays are positional"):
        op(lambda *, x: x, name="f")
    with pytest.raises(RuleError, match=r"op 'f' mixes named arrays .* take either named arrays or \*arrays"):
        op(lambda x, *arrays: x, name="f")
    with pytest.raises(RuleError, match=r"gives an array argument the default 1.0; static attributes are keyword-only"):
        op(lambda x, beta=1.0: x, name="f")
    _ = Tensor(X) * 1.0  # the installed plugins load
    with pytest.raises(RuleError, match=r"np\.multiply already has rules: op 'multiply' from plugin 'trainer_ops'"):
        op(np.multiply)


def test_attributes_are_static_named_and_known():
    f = op(lambda x, *, beta=1.0: x * beta, name="f").defvjp(x=lambda dy, *, beta: dy * beta)
    assert grad(lambda x: f(x, beta=3.0))(1.0) == 3.0
    with pytest.raises(OpError, match=r"op 'f' has no attribute 'betta'; did you mean 'beta'\? It has: 'beta'"):
        f(Tensor(1.0), betta=2.0)
    with pytest.raises(OpError, match="attribute 'beta' of op 'f' is static, and a Tensor came"):
        f(Tensor(1.0), beta=Tensor(2.0))
    required = op(lambda x, *, n: x * n, name="g")
    with pytest.raises(OpError, match=re.escape("op 'g' needs its attribute 'n': g(..., n=...)")):
        required(Tensor(1.0))
