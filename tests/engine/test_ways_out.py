# ruff: noqa: E501 - what a message says stands in one piece, as it is looked for
"""What the messages of the tape say to write is written, and works."""

from __future__ import annotations

import functools
import math
import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
import scipy.special

import trainer
import trainer_ops
from tests.hints import Advice, advised
from trainer import Tensor, grad, op
from trainer.engine import dispatch
from trainer.engine.provider import load_ops
from trainer.errors import TrainerError

X = np.array([0.5, -1.0, 2.0])
MASK = X > 0


def t() -> Tensor:
    return Tensor(X)


def rate(f, x=X):
    """The gradient of a function, which has to reach its argument."""
    g = np.asarray(grad(lambda x: np.sum(f(x)))(x))
    assert np.isfinite(g).all()
    assert g.any()
    return g


def raised(f) -> TrainerError:
    with pytest.raises(TrainerError) as caught:
        f()
    return caught.value


def product():
    """An op of two inputs that has no rules."""

    @op
    def product(x, w, *, scale=1.0):
        return x * w * scale

    return product


def ruled():
    made = product()
    return made.defvjp(x=lambda dy, w, scale: dy * w * scale, w=lambda dy, x, scale: dy * x * scale)


def halves():
    """An op of which one input is declared to have no derivative."""
    return product().defvjp(x=lambda dy, w: dy * w).nondifferentiable("w")


def picked():
    @op
    def picked(x, index):
        return x[np.asarray(index[0])]

    return picked.defvjp(x=lambda dy, x, index: np.zeros_like(x))


def qr(mode):
    return rate(lambda x: np.linalg.qr(np.outer(x, x) + np.eye(3), mode)[-1] * X)


def stored(make, what):
    """`make`'s op with that as the rule of x."""
    made = make()
    made.defvjp(x=what)
    return made


ADVICE = [
    Advice(
        lambda: rate(lambda x: np.array([x, x])),
        "turning a Tensor into a NumPy array would drop it from the tape. To join Tensors write np.stack([t1, t2]) or np.concatenate([t1, t2]), not np.array([t1, t2]), and to fill an array np.where(mask, t, a), not a[i:j] = t; inside a rule, keep to NumPy functions that return new arrays; for the plain array, off the tape, write t.value",
        (
            lambda: rate(lambda x: np.stack([x, x])),
            lambda: rate(lambda x: np.concatenate([x, x])),
            lambda: rate(lambda x: np.where(MASK, x, np.zeros(3))),
            lambda: np.array([t().value, t().value]),
        ),
    ),
    Advice(
        lambda: rate(lambda x: math.sin(x[0])),
        "Write np.sin(t), not math.sin(t); np.stack of a list of the parts, or np.where(mask, t, c), not c[i] = t; for the plain number, off the tape, write float(t.value)",
        (
            lambda: rate(lambda x: np.sin(x[0])),
            lambda: rate(lambda x: np.stack([x[0], x[1]])),
            lambda: rate(lambda x: np.where(MASK, x, 0.0)),
            lambda: float(Tensor(1.5).value),
        ),
    ),
    Advice(
        lambda: int(Tensor(2.0)),
        "Write np.sin(t), not math.sin(t); np.stack of a list of the parts, or np.where(mask, t, c), not c[i] = t; for the plain number, off the tape, write int(t.value)",
        (lambda: int(Tensor(2.0).value),),
    ),
    Advice(
        lambda: [0, 1][Tensor(1)],
        "To pick elements call the op, from trainer_ops.indexing import take; take(x, indices, *, axis=None, mode='raise'); for the plain integer, off the tape, write int(t.value)",
        (
            lambda: rate(lambda x: _take()(x, np.array([2, 0]), axis=None)),
            lambda: [0, 1][int(Tensor(1).value)],
        ),
    ),
    Advice(
        lambda: t() if Tensor(1.0) > 0 else None,
        "To keep both branches on the tape write np.where(t > 0, a, b); to decide now, for these values alone, write `if t.value > 0:`; an element of a bool array is not filled by a[i] = t, write np.where",
        (lambda: rate(lambda x: np.where(x > 0, x, 2 * x)), lambda: 1 if Tensor(1.0).value > 0 else 2),
    ),
    Advice(lambda: 2.0 in t(), "write np.any(t == x)", (lambda: np.any(t() == 2.0),)),
    Advice(lambda: t().__delitem__(0), "write np.delete(t, index, axis)", (lambda: rate(lambda x: np.delete(x, 0, 0)),)),
    Advice(lambda: t().flat, "write np.ravel(t)", (lambda: rate(np.ravel),)),
    Advice(lambda: t().sort(), "it would sort in place, and a Tensor is never written to: write np.sort(t)", (lambda: rate(np.sort),)),
    Advice(lambda: t().partition(1), "write np.partition(t, kth)", (lambda: rate(lambda x: np.partition(x, 1)),)),
    Advice(lambda: t().resize(2), "write np.resize(t, shape)", (lambda: rate(lambda x: np.resize(x, (2, 2))),)),
    Advice(lambda: t().fill(2.0), "write np.full_like(t, value)", (lambda: np.full_like(t(), 2.0),)),
    Advice(
        lambda: t().put(0, 1.0),
        "it would write in place, and a Tensor is never written to: write np.where(mask, values, t)",
        (lambda: rate(lambda x: np.where(MASK, 1.0, x)),),
    ),
    Advice(
        lambda: t().setflags(write=True),
        "a Tensor is never written to: write np.where(mask, values, t)",
        (lambda: rate(lambda x: np.where(MASK, 1.0, x)),),
    ),
    Advice(
        lambda: t().view(np.int64),
        "write t.astype(dtype), or t.value for the array",
        (lambda: rate(lambda x: x.astype(np.float32)), lambda: t().value.view(np.int64)),
    ),
    Advice(
        lambda: t().__setitem__(0, 1.0),
        "Make a new one: np.where(mask, value, t), or np.concatenate([t[:i], value, t[i + 1:]])",
        (
            lambda: rate(lambda x: np.where(MASK, 1.0, x)),
            lambda: rate(lambda x: np.concatenate([x[:1], [7.0], x[2:]])),
        ),
    ),
    Advice(lambda: Tensor(t()), "use t itself, or Tensor(t.value)", (lambda: rate(lambda x: x), lambda: Tensor(t().value))),
    Advice(
        lambda: Tensor(np.ma.masked_array(X, MASK)),
        "Write np.asarray(x) for its numbers alone",
        (lambda: Tensor(np.asarray(np.ma.masked_array(X, MASK))),),
    ),
    Advice(
        lambda: (t() * 2).grad,
        "ask for it: trainer.vjp(f, x), or trainer.tape(y).replay() for the adjoint of every entry",
        (
            lambda: trainer.vjp(lambda x: x * 2, X)[1](X),
            lambda: list(trainer.tape(np.sum(Tensor(X) * 2)).replay()),
        ),
    ),
    Advice(
        lambda: t().astype(np.float32, order="F", casting="safe"),
        "t.astype of a Tensor converts as casting='unsafe' does and keeps the order; leave both out",
        (lambda: rate(lambda x: x.astype(np.float32)),),
    ),
    Advice(
        lambda: rate(lambda x: np.frompyfunc(lambda v: v + 1, 1, 1)(x)),
        "Write the function with NumPy's functions, which take whole arrays; or leave the tape on purpose: t.value",
        (lambda: rate(lambda x: x + 1), lambda: np.frompyfunc(lambda v: v + 1, 1, 1)(t().value)),
    ),
    Advice(
        lambda: product()(t(), X, scale=t()),
        "attribute 'scale' of op 'product' is static, and a Tensor came: no gradient would reach it. Make it a positional input of the op, or pass scale=t.value",
        (lambda: rate(lambda x: ruled()(x, t())), lambda: rate(lambda x: ruled()(x, X, scale=t().value))),
    ),
    Advice(
        lambda: picked()(X, [t()]),
        "give the Tensor an input of its own, or declare picked.nondifferentiable('index')",
        (lambda: rate(lambda x: ruled()(x, t())), lambda: picked().nondifferentiable("index")(X, [Tensor(1)])),
    ),
    Advice(
        lambda: product().vjp(lambda dy, w: dy * w),
        "name the input that the rule is for: @product.vjp('x'), not @product.vjp",
        (lambda: product().vjp("x")(lambda dy, w: dy * w),),
    ),
    Advice(
        lambda: product().vjp()(lambda dy, w: dy * w),
        "name the input that the rule is for: @product.vjp('x')",
        (lambda: product().vjp("x")(lambda dy, w: dy * w),),
    ),
    Advice(
        lambda: stored(product, 0.0),
        "write product.defvjp(x=lambda dy: ...), or product.zero('x') where the derivative is zero",
        (lambda: product().defvjp(x=lambda dy: dy), lambda: grad(lambda x: np.sum(product().zero("x")(x, X)))(X)),
    ),
    Advice(
        lambda: rate(lambda x: product()(x, X)),
        "write one: product.defvjp(x=lambda dy, x: ...), or product.zero('x')",
        (
            lambda: rate(lambda x: product().defvjp(x=lambda dy, x: dy * X)(x, X)),
            lambda: grad(lambda x: np.sum(product().zero("x")(x, X)))(X),
        ),
    ),
    Advice(
        lambda: rate(lambda x: halves()(x, x)),
        "pass it through trainer.stop_gradient(...), or as a constant: w=t.value",
        (lambda: rate(lambda x: halves()(x, trainer.stop_gradient(x))), lambda: rate(lambda x: halves()(x, x.value))),
    ),
    Advice(
        lambda: (Tensor(X) * 2).backward(),
        "pass y.backward(dy) or sum it",
        (lambda: (Tensor(X) * 2).backward(X), lambda: np.sum(Tensor(X) * 2).backward()),
    ),
    Advice(
        lambda: grad(lambda x: x * 2)(X),
        "sum or average it, or use jacobian(f) or vjp(f, x)",
        (
            lambda: rate(lambda x: np.sum(x * 2)),
            lambda: rate(lambda x: np.mean(x * 2)),
            lambda: trainer.jacobian(lambda x: x * 2)(X),
            lambda: trainer.vjp(lambda x: x * 2, X),
        ),
    ),
    Advice(
        lambda: grad(lambda x: np.sum(x * 1j))(X),
        "take np.real of it, or use vjp",
        (lambda: grad(lambda x: np.sum(np.real(x * 1j)))(X), lambda: trainer.vjp(lambda x: np.sum(x * 1j), X)),
    ),
    Advice(
        lambda: rate(lambda x: np.busday_count(x, x)),
        "Register one:\n    @op(implements=np.busday_count)\n    def busday_count(x, *, ...): ...\nor leave the tape on purpose: np.busday_count(t.value).",
        (
            lambda: anew("""
                @op(implements=np.busday_count)
                def busday_count(x, z, *, scale=1.0):
                    return scale * (z - x) * 5 / 7
                busday_count.defvjp(x=lambda dy, scale: -scale * dy * 5 / 7, z=lambda dy, scale: scale * dy * 5 / 7)
                assert grad(lambda x: np.busday_count(0.0, x))(7.0) == 5 / 7
            """),
        ),
    ),
    Advice(
        lambda: rate(scipy.special.kolmogi),
        "Register one:\n    op(scipy.special.kolmogi).defvjp(x=lambda dy, x: ...)\nor leave the tape on purpose: scipy.special.kolmogi(t.value).",
        (
            lambda: anew("""
                def slope(y, h=1e-5):
                    return (scipy.special.kolmogorov(y + h) - scipy.special.kolmogorov(y - h)) / (2 * h)
                op(scipy.special.kolmogi).defvjp(x=lambda dy, y: dy / slope(y))
                assert abs(grad(scipy.special.kolmogi)(0.4) * slope(scipy.special.kolmogi(0.4)) - 1) < 1e-6
            """),
            lambda: scipy.special.kolmogi(t().value),
        ),
    ),
    Advice(lambda: rate(lambda x: np.add.reduceat(x, [0, 2])), "or leave the tape on purpose: np.add.reduceat(t.value)", (lambda: np.add.reduceat(t().value, [0, 2]),)),
    Advice(
        lambda: rate(np.ma.sum),
        "Write it in NumPy functions that have an op (`trainer ops list` names them), make an op of it, or leave the tape on purpose: t.value",
        (lambda: rate(np.sum), lambda: np.ma.sum(t().value)),
    ),
    Advice(
        lambda: qr("raw"),
        "use 'reduced', 'complete' or 'r'",
        tuple(partial(qr, mode) for mode in ("reduced", "complete")),
    ),
    Advice(
        lambda: scipy.special.softmax(X, axis=Tensor(0)),
        "argument 'axis' of scipy.special.softmax is static, and a Tensor came: no gradient would reach it. Pass axis=t.value",
        (lambda: scipy.special.softmax(X, axis=Tensor(0).value),),
    ),
    Advice(lambda: rate(lambda x: np.add(x, x, where=MASK)), "write np.where(mask, np.add(...), otherwise)", (lambda: rate(lambda x: np.where(MASK, np.add(x, x), 0.0)),)),
    Advice(lambda: rate(lambda x: np.add(x, x, dtype=np.float32)), "write np.astype(np.add(...), dtype)", (lambda: rate(lambda x: np.astype(np.add(x, x), np.float32)),)),
    Advice(lambda: rate(lambda x: np.add(x, x, order="F")), "write np.copy(np.add(...), order)", (lambda: rate(lambda x: np.copy(np.add(x, x), "F")),)),
    Advice(lambda: grad(lambda x: x * x)(3), "an argument of dtype int64 is not differentiable: integers and bools have no small changes; write 3.0", (lambda: grad(lambda x: x * x)(3.0),)),
    Advice(
        lambda: rate(lambda x: x, np.arange(3)),
        "write x.astype(np.float64)",
        (lambda: rate(lambda x: x, np.arange(3).astype(np.float64)),),
    ),
    Advice(
        lambda: trainer.compile(lambda x: next(iter(trainer.tape(np.sum(x * x)).replay())))(X),
        "use trainer.grad or trainer.vjp",
        (lambda: trainer.compile(grad(lambda x: np.sum(x * x)))(X),),
    ),
    Advice(
        lambda: rate(lambda w: trainer.checkpoint(lambda x: x * w)(X)),
        "pass it as an argument: checkpoint(lambda x, w: ...)(x, w)",
        (lambda: rate(lambda w: trainer.checkpoint(lambda x, w: x * w)(X, w)),),
    ),
]  # fmt: skip


def poly(x):
    return functools.reduce(np.polymul, [np.stack([np.ones(()), -root]) for root in x])


def put(x):
    places = np.array([1])
    new = trainer_ops.scatter_along_axis(np.array([7.0]), places, shape=x.shape, axis=0)
    mask = trainer_ops.scatter_along_axis(np.ones(1), places, shape=x.shape, axis=0) > 0
    return np.where(mask, new, x)


P = np.array([1.0, -3.0, 2.0])

# Functions that have no op, what is said to be written in their place, and that.
INSTEAD = {
    "np.where or np.select, which take the pieces as arrays": lambda x: (
        np.where(MASK, x, 2 * x) + np.select([MASK, ~MASK], [x, 2 * x])
    ),
    "np.stack([f(row) for row in np.moveaxis(t, axis, -1)])": lambda x: np.stack(
        [np.sort(row) for row in np.moveaxis(np.outer(x, P + 1), 0, -1)]
    ),
    "np.linalg.eigvals(trainer_ops.structured_matrices.companion(p))": lambda p: np.real(
        np.linalg.eigvals(trainer_ops.structured_matrices.companion(p * np.array([2.0, 3.0, -0.5])))
    ),
    "np.linalg.lstsq(np.vander(x, degree + 1), y)[0]": lambda y: np.linalg.lstsq(np.vander(P, 2), y)[0],
    "the product of its factors: functools.reduce(np.polymul, [np.stack([one, -root]) for root in roots])": poly,
    "np.where(mask, values, t)": lambda x: np.where(MASK, 7.0, x),
    "np.where(mask, trainer_ops.scatter_along_axis(values, indices, shape=t.shape, axis=axis), t)": put,
    "trainer_ops.segment_sum, or np.stack of the parts' sums": lambda x: (
        trainer_ops.segment_sum(x, np.array([0, 0, 1]), count=2) + np.stack([np.sum(x[:2]), np.sum(x[2:])])
    ),
    "t + trainer_ops.scatter_add(values, index, shape=t.shape)": lambda x: (
        x + trainer_ops.scatter_add(x[:2], np.array([0, 0]), shape=x.shape)
    ),
    "trainer_ops.logsumexp(t)": trainer_ops.logsumexp,
    "np.broadcast_to(t, shape)": lambda x: np.broadcast_to(x, (2, 3)),
    "start + step * np.arange(n), with an n that is known": lambda x: x[0] + x[1] * np.arange(4),
    "t[first:last], with places that no value decides": lambda x: x[1:2],
}


def test_each_function_that_has_no_op_has_its_way_out_tried():
    load_ops()
    assert {*dispatch.WAYS_OUT.values()} == INSTEAD.keys()


@pytest.mark.parametrize("what", INSTEAD)
def test_what_is_written_in_place_of_a_function_without_an_op_is_on_the_tape(what):
    rate(INSTEAD[what])


def test_what_takes_the_place_of_a_function_gives_what_that_gives():
    np.testing.assert_allclose(INSTEAD["np.linalg.lstsq(np.vander(x, degree + 1), y)[0]"](X), np.polyfit(P, X, 1))
    np.testing.assert_allclose(poly(X), np.poly(X))
    np.testing.assert_allclose(trainer_ops.logsumexp(X), np.logaddexp.reduce(X))
    roots = np.linalg.eigvals(trainer_ops.structured_matrices.companion(P))
    np.testing.assert_allclose(np.sort(roots), np.sort(np.roots(P)))
    replaced = X.copy()
    np.put_along_axis(replaced, np.array([1]), 7.0, 0)
    np.testing.assert_array_equal(put(X), replaced)
    added = X.copy()
    np.add.at(added, [0, 0], X[:2])
    np.testing.assert_allclose(X + trainer_ops.scatter_add(X[:2], np.array([0, 0]), shape=(3,)), added)
    np.testing.assert_allclose(trainer_ops.segment_sum(X, np.array([0, 0, 1]), count=2), np.add.reduceat(X, [0, 2]))


def anew(code: str) -> None:
    """Runs that in a process of its own, so that no other test meets the ops that it registers."""
    given = "import numpy as np, scipy.special; from trainer import grad, op\n" + textwrap.dedent(code)
    subprocess.run([sys.executable, "-c", given], check=True)


def _take():
    from trainer_ops.indexing import take

    return take


@pytest.mark.parametrize("advice", ADVICE, ids=[each.said[:60] for each in ADVICE])
def test_what_a_message_says_to_write_works(advice):
    assert advice.said in str(raised(advice.wrong))
    for way in advice.ways:
        way()


def test_a_checkpointed_function_takes_what_changes_as_an_argument():
    c = np.ones(3)

    def changing(x):
        y = np.sum(trainer.checkpoint(lambda x: x * c)(x))
        c[0] += 1
        return y

    advised(raised(lambda: grad(changing)(X)), "pass them as arguments: checkpoint(lambda x, c: ...)(x, c)")
    assert rate(lambda x: trainer.checkpoint(lambda x, c: x * c)(x, c.copy())).tolist() == c.tolist()
