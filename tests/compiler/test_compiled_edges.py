"""Where a compiled function could have given something else than the function: each of these once did."""

from __future__ import annotations

import numpy as np
import pytest

from trainer import Tensor, compile, grad, op, stop_gradient, tape, value_and_grad
from trainer.errors import DetachError, OpError, ShapeError, TrainerError, UsageError

X = np.array([2.0, 3.0])


def test_casts_to_bool_stay_within_their_bytes():
    a = np.array([[0, 256], [5, 0]])
    result = compile(lambda x: np.astype(x, bool))(a)
    assert result.tobytes() == a.astype(bool).tobytes()
    big = np.arange(5000.0)
    assert compile(lambda x: np.logical_and(x, x > 2))(big).tobytes() == np.logical_and(big, big > 2).tobytes()


def test_a_compiled_function_of_a_compiled_function():
    inner = compile(lambda x: x * x * x)
    assert compile(grad(lambda x: np.sum(inner(x))))(X).tolist() == [12.0, 27.0]


def test_arguments_that_only_look_alike_are_told_apart():
    f = compile(lambda x, g: g(x))
    assert [f(np.float64(1.0), lambda t, k=k: t * k) for k in range(4)] == [0.0, 1.0, 2.0, 3.0]


def test_long_index_arrays_that_only_print_alike_are_told_apart():
    table = np.arange(6000.0).reshape(2000, 3)
    i, a, b = np.arange(2000), np.zeros(2000, int), np.zeros(2000, int)
    b[1000] = 1
    assert compile(lambda x: np.sum(x[i, a]) - np.sum(x[i, b]))(table) == -1.0


def test_shapes_that_depend_on_values_are_refused():
    f = compile(lambda x: np.sum(x[x > 2]))
    assert f(np.array([3.0, 3.0, 3.0])) == 9.0
    with pytest.raises(ShapeError, match="a compiled function's shapes must not depend on values"):
        f(np.array([3.0, 1.0, 1.0]))


def test_a_maximum_starts_where_it_is_told_to():
    assert compile(lambda x: np.max(x, initial=0))(-X) == 0.0


@pytest.mark.parametrize("dead", [np.floor, stop_gradient], ids=["floor", "stop_gradient"])
def test_gradients_at_points_that_carry_none_are_not_frozen(dead):
    f = compile(lambda x: value_and_grad(lambda t: np.sum(t * t))(dead(x)))
    for x in (np.array([1.0, 2.0]), np.array([3.0, 4.0])):
        value, g = f(x)
        assert value == np.sum(x * x)
        assert g.tolist() == (2 * x).tolist()


def test_a_value_that_no_gradient_passes_through_is_not_frozen():
    f = compile(value_and_grad(lambda x: np.sum(np.floor(x))))
    assert [f(np.array([k]))[0] for k in (3.0, 16.0)] == [3.0, 16.0]


def test_tensors_from_outside_are_refused():
    x = np.array(2.0)
    with pytest.raises(DetachError, match=r"uses a Tensor from outside.*pass it as an argument"):
        grad(lambda w: compile(lambda t: t * w)(x))(3.0)


@pytest.mark.parametrize("what", ["backward", "replay"])
def test_lessons_are_not_for_programs(what):
    def f(x):
        y = np.sum(x * x)
        return y.backward() if what == "backward" else tape(y).replay()["x1"]

    with pytest.raises(TrainerError, match=r"inside of a compiled function"):
        compile(f)(X)


def test_an_array_that_is_written_to_on_the_way():
    b = np.zeros(2)

    def f(x):
        b[:] = 0.0
        first = x + b
        b[:] = 1.0
        return first, x + b

    first, second = compile(f)(X)
    assert first.tolist() == [2.0, 3.0]
    assert second.tolist() == [3.0, 4.0]


def test_integers_to_negative_powers_raise_as_numpy_does():
    f = compile(lambda x, y: x**y)
    assert f(np.array([2, 3]), np.array([2, 2])).tolist() == [4, 9]
    with pytest.raises(ValueError, match="Integers to negative integer powers"):
        f(np.array([2, 3]), np.array([-1, 2]))


def test_arguments_in_unusual_spellings():
    a = np.arange(6.0).reshape(2, 3)
    assert compile(lambda x: np.sum(x, axis=np.int64(0)))(a).tolist() == [3.0, 5.0, 7.0]
    assert compile(lambda x: np.sum(np.broadcast_to(x, (4, 3)), axis=1))(a[0]).tolist() == [3.0] * 4


def test_masked_arrays_are_refused():
    with pytest.raises(OpError, match="a MaskedArray would lose what it is"):
        compile(np.sum)(np.ma.masked_array([1.0, 2.0], [True, False]))


def test_gradients_are_arrays_of_their_own():
    ga, gb = grad(lambda x, y: np.sum((x + y) * 2.0), (0, 1))(X, X.copy())
    ga *= 0
    assert gb.tolist() == [2.0, 2.0]
    x = Tensor(X)
    np.sum(x).backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_program_keeps_no_tape():
    compiled = compile(lambda x: np.tanh(np.exp(x)))
    compiled(X)
    (prepared,) = compiled.programs.values()
    cells = prepared.record.rebuild.__closure__ or ()
    assert not any(isinstance(cell.cell_contents, Tensor) for cell in cells)


def test_replay_outside_is_as_ever():
    with pytest.raises(UsageError, match="replay needs its cotangent"):
        tape(Tensor(X) * 2.0).replay()


def test_an_op_that_shares_a_name_with_the_engines_own_is_computed():
    doubled = op(lambda x: x * 2.0, name="stop_gradient").defvjp(x=lambda dy: dy * 2.0)
    assert compile(lambda x: doubled(x))(X).tolist() == [4.0, 6.0]


@op
def _through_numbers(x):
    """Its numbers are NumPy's own, in the forward function and in the rule: what it raises is no array."""
    return x * np.sum(x * x) ** 0.37


_through_numbers.defvjp(
    x=lambda dy, x: dy * np.sum(x * x) ** 0.37 + x * np.sum(dy * x) * (0.74 * np.sum(x * x) ** -0.63)
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_is_raised_as_numpy_raises_numbers(dtype):
    """Where the ufunc has vectors of the processor, some digits differ from the number's own arithmetic."""
    value, slope = compile(_through_numbers), compile(grad(lambda x: np.sum(_through_numbers(x))))
    for seed in range(60):
        x = np.random.default_rng(seed).uniform(0.1, 2, 5).astype(dtype)
        assert value(x).tobytes() == _through_numbers(x).tobytes()
        assert slope(x).tobytes() == grad(lambda t: np.sum(_through_numbers(t)))(x).tobytes()


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2,)])
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_one_complex_number_is_multiplied_as_the_function_does(dtype, shape):
    def f(x, y):
        return (x + y) * (y - x) * x + np.sum(x) * np.sum(y)

    compiled = compile(f)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = (np.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype) for _ in range(2))
        assert compiled(x, y).tobytes() == f(x, y).tobytes()


def test_arguments_by_name_are_arguments_whatever_their_order():
    def loss(w, x, *, scale=1.0, mode="sum"):
        total = scale * np.sum((x @ w) ** 2)
        return total if mode == "sum" else total / len(x)

    compiled, plain = compile(grad(loss)), grad(loss)
    w, x = np.ones((3, 2)), np.arange(12.0).reshape(4, 3)
    for _ in range(2):
        for named in (
            {}, {"scale": 2.0}, {"scale": 3.0}, {"scale": np.float32(2)}, {"scale": 2}, {"mode": "mean"},
            {"mode": "mean", "scale": 0.5}, {"scale": 0.5, "mode": "mean"},
        ):  # fmt: skip
            np.testing.assert_array_equal(compiled(w, x, **named), plain(w, x, **named))
        np.testing.assert_array_equal(compiled(w, x=x[:2]), plain(w, x[:2]))
    assert compiled.program(w, x=x, scale=2.0) is compiled.program(w, scale=4.0, x=x)
    with pytest.raises(TypeError, match=r"loss\(\) got an unexpected keyword argument 'scal'"):
        compiled(w, x, scal=2.0)
