"""What a signature, a pass, a buffer and an instruction of the machine promise, tried alone and on random programs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from trainer import compile
from trainer.compiler import compiled
from trainer.compiler.executors import native_available
from trainer.compiler.functions import FUNCTIONS
from trainer.compiler.loop import moves
from trainer.compiler.numpy_executor import NumpyExecutor
from trainer.compiler.passes import share_common, simplify
from trainer.compiler.tracing import trace
from trainer.engine.random import uniform
from trainer_ops import relu

needs_machine = pytest.mark.skipif(not native_available(), reason="no machine")
DTYPES = [np.float32, np.float64]


def executors():
    if not native_available():
        return [NumpyExecutor]
    from trainer.compiler.machine.executor import NativeExecutor

    return [NumpyExecutor, NativeExecutor]


def same_bits(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


# Programs made up at random: views, copies, calls that may write over an argument, parts of concatenations.


def joined(t, u):
    """Takes a part of a concatenation once more after it."""
    whole = np.concatenate([np.reshape(t, -1), np.reshape(u, -1)])
    return np.reshape(whole[4:20], (4, 4)) + np.cos(t)


UNARY = [
    np.negative, np.tanh, np.transpose, np.sin, lambda t: t[::-1], lambda t: t[:, ::-1], lambda t: t.T[1:2] + t,
    lambda t: np.reshape(np.reshape(t, -1), (4, 4)), lambda t: np.copy(t.T, order="C"), lambda t: np.sum(t, 0) * t,
    lambda t: np.mean(t, axis=1, keepdims=True) - t, lambda t: t * (t > 0.1), lambda t: t.astype(np.float32) * t,
]  # fmt: skip
BINARY = [
    np.add, np.subtract, np.multiply, np.maximum, np.matmul, lambda t, u: np.where(t > u, t, u.T),
    lambda t, u: np.reshape(np.concatenate([np.reshape(t, -1), np.reshape(u, -1)]), (2, 4, 4))[1] * t,
    lambda t, u: np.sum(np.reshape(np.concatenate([np.ravel(t), np.ravel(t), np.ravel(u)]), (3, 4, 4)), axis=0) / 3,
    lambda t, u: np.concatenate([np.ravel(t), np.ravel(np.sin(t.T))])[8:24].reshape(4, 4) + u,
    lambda t, u: joined(np.sin(t.T), u),
]  # fmt: skip


def made_up(seed, length=14):
    """A function of three arrays that gives a number, and three arrays to take their places."""

    def f(*carried):
        rng = np.random.default_rng(seed)
        values = list(carried)
        for _ in range(length):
            if rng.random() < 0.5:
                value = UNARY[rng.integers(len(UNARY))](values[rng.integers(len(values))])
            else:
                one, other = rng.integers(len(values), size=2)
                value = BINARY[rng.integers(len(BINARY))](values[one], values[other])
            values.append(np.tanh(value) if rng.random() < 0.3 else value)
        places = rng.integers(3, len(values), size=3)
        first = np.sum(values[rng.integers(3, len(values))]) if rng.random() < 0.5 else None
        # Some take their old value on, some another one's, and one is read after its neighbour has its new value.
        a, b, c = carried
        after = [np.sin(values[places[0]]), np.sin(values[places[1]]), np.sin(values[places[2]] - a)]
        carried_on = [
            [after[0], b * after[0], after[2]],
            [b, a, after[1]],
            [np.sin(a), np.sin(c) + np.cos(a), np.sin(b) - np.cos(c)],
        ][rng.integers(3)]
        return np.sum(values[rng.integers(3, len(values))]) if first is None else first, *carried_on

    return f


@pytest.mark.parametrize("seed", range(30))
def test_a_program_gives_the_functions_bits_and_writes_what_it_carries_when_the_rest_is_known(seed):
    rng, f = np.random.default_rng(seed), made_up(seed)
    shapes = [rng.normal(size=(4, 4)) for _ in range(3)]
    program = simplify(trace(f, shapes).program)
    for make in executors():
        for carried in (0, 3):
            executor = make(program, carried)
            for _ in range(2):
                arrays = [rng.normal(size=(4, 4)) for _ in range(3)]
                wanted = f(*[a.copy() for a in arrays])
                for place, array in zip(executor.inputs, arrays, strict=True):
                    place[...] = array
                executor.compute()
                assert same_bits(executor.outputs[0], wanted[0])
                assert all(same_bits(p, a) for p, a in zip(executor.inputs, arrays, strict=True))
                executor.commit()
                for found, value in zip(executor.outputs, wanted, strict=True):
                    assert same_bits(found, value)


# Signatures.


def layouts():
    a = np.random.default_rng(0).normal(size=(33, 65)).astype(np.float32)
    return {
        "C": a,
        "Fortran": np.asfortranarray(a),
        "reversed": np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
        "strided": np.repeat(a, 2, axis=1)[:, ::2],
    }


@pytest.mark.parametrize(
    "f", [np.sum, np.mean, np.exp, lambda x: np.sum(x * 1.5, axis=0)], ids=["sum", "mean", "exp", "of a product"]
)
def test_a_layout_that_comes_after_others_gets_its_own_bits(f):
    g = compile(f)
    for _ in range(2):
        for name, x in layouts().items():
            assert same_bits(g(x), f(x)), name


class Code(int):
    """A whole number that means something."""


@pytest.mark.parametrize(
    ("f", "arguments"),
    [
        (lambda x, n: x * 2 if isinstance(n, Code) else x, [1, Code(1)]),
        (lambda x, n: x * 2 if isinstance(n, str) else x, [1, "1"]),
        (lambda x, n: x * 2 if n is True else x, [1, True]),
        (lambda x, p: x * 2 if isinstance(p, list) else x, [[1], (1,)]),
        (lambda x, p: x * 2 if "a" in p else x, [{"a": 1}, {"b": 1}]),
    ],
    ids=["a subclass", "text", "truth", "a list or a tuple", "keys"],
)
def test_arguments_that_are_alike_are_told_apart(f, arguments):
    g, x = compile(f), np.ones(2)
    for argument in [*arguments, *reversed(arguments)]:
        assert same_bits(g(x, argument), f(x, argument))
    assert len(g.programs) == 2


def test_of_many_programs_the_one_used_longest_ago_goes(monkeypatch):
    monkeypatch.setattr(compiled, "PROGRAMS", 2)
    g = compile(lambda x: x + 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", compiled.ProgramsWarning)
        for n in (1, 2, 1, 3):
            g(np.ones(n))
    shapes = [prepared.executor.program.inputs[0].shape for prepared in g.programs.values()]
    assert shapes == [(1,), (3,)]


# Passes.

WORDS = np.array([1, 2, 3], np.int32)
SQUARE = np.random.default_rng(1).normal(size=(3, 3))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(x, axis=0) - np.sum(x, axis=1),
        lambda x: x * WORDS + x * WORDS.view(np.float32),
        lambda x: x * np.arange(3.0) + x * np.arange(3.0)[:, None],
        lambda x: np.astype(x * 2, np.float32) + np.astype(x * 2.0, np.float64),
    ],
    ids=["attributes", "a constant's dtype", "a constant's shape", "another type"],
)
def test_calls_that_differ_in_one_thing_are_two(f):
    program = trace(f, [SQUARE]).program
    assert len(share_common(program)) == len(program)
    assert same_bits(compile(f)(SQUARE), f(SQUARE))


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_copy_in_another_order_is_no_copy_that_can_be_left_out(order, turned):
    x = np.random.default_rng(2).normal(size=(20, 70, 33)).astype(np.float32)
    x = np.swapaxes(x, 1, 2) if turned else x

    def f(x):
        return np.sum(np.copy(x, order=order), axis=(1, 2)), np.mean(np.reshape(x, x.shape, order="C"), axis=(1, 2))

    for found, wanted in zip(compile(f)(x), f(x), strict=True):
        assert same_bits(found, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7,), (20_000,), (300, 70), (5, 3, 90)])
def test_a_mean_is_numpys_for_any_number_of_numbers(dtype, shape):
    x = (np.random.default_rng(3).normal(size=shape) + 1e3).astype(dtype)
    for axis in (None, 0, -1):
        f = lambda x: np.mean(x, axis=axis)  # noqa: B023, E731  called within the round
        assert same_bits(compile(f)(x), f(x))


# The machine: what it is said to take by itself, it takes.


def table_of(f, *arrays):
    from trainer.compiler.machine.executor import NativeExecutor

    executor = NativeExecutor(compile(f).program(*arrays))
    assert executor.called_back == []
    return executor.table


def some(dtype, *shape):
    rng = np.random.default_rng(4)
    return rng.normal(size=shape).astype(dtype)


LONGER = {
    "AXPY": lambda a, b: a - 0.5 * b,
    "MOVING_AVERAGE": lambda a, b: 0.9 * a + 0.1 * b,
    "MOVING_SQUARE": lambda a, b: 0.9 * a + 0.1 * np.square(b),
    "TANH_VJP": lambda a, b: (1.0 + a * -a) * b,
    "TANH_VJP, as a difference": lambda a, b: (1.0 - a * a) * b,
    "RELU_VJP": lambda a, b: b * (a > 0.0),
    "ADAM_STEP": lambda a, b: a - 0.1 * (a / (np.sqrt(b) * 0.5 + 1e-8)),
    "MULTIPLY_ADD": lambda a, b: a * b + b,
    "MULTIPLY_ADD, the other way round": lambda a, b: b + a * b,
}
ALONE = {
    known.code: (f if not known.compares else (lambda a, b, f=f: a * f(a, b)))
    for f, known in FUNCTIONS.items()
    if known.code
}


@needs_machine
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*ALONE, *LONGER])
def test_arithmetic_is_one_walk_of_the_machine(name, dtype):
    from trainer.compiler.machine import _machine as m

    f, code = {**ALONE, **LONGER}[name], name.partition(",")[0]
    count = getattr(f, "nin", 2)
    (instruction,) = table_of(f, *[np.abs(some(dtype, 40)) + n for n in range(count)])
    assert instruction.kind == m.FUSED
    codes = [call[0] for call in instruction.what]
    assert getattr(m, code) in codes
    assert len(codes) == (2 if code in ALONE and FUNCTIONS[_function(code)].compares else 1)


def _function(code):
    return next(f for f, known in FUNCTIONS.items() if known.code == code)


CHAINS = {
    "three results at once": lambda a, b: (a + b) * (a - b) - (a * b) * (b - a) / ((a + 2.0) * (b + 3.0)),
    "a result that is taken late": lambda a, b: (a + b) * ((a - b) * ((a * b) - (a / (b + 9.0))) + a),
    "a product that is given out": lambda a, b: (product := 0.5 * b, a - product),
    "a product that two take": lambda a, b: ((product := 0.5 * b) + a) * (a - product),
    "a factor that is no number": lambda a, b: a - b * a,
    "averages by arrays": lambda a, b: a * b + b * a,
    "two letters, one thing": lambda a, b: (1.0 + a * -b) * a,
    "averages of squares of others": lambda a, b: 0.9 * a + 0.1 * np.square(a - b),
}


@needs_machine
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_walked_by_the_machine(name):
    from trainer.compiler.machine import _machine as m

    f, a, b = CHAINS[name], some(np.float64, 50), some(np.float64, 50) + 1
    assert {i.kind for i in table_of(f, a, b)} == {m.FUSED}
    found, wanted = compile(f)(a, b), f(a, b)
    assert all(map(same_bits, found, wanted)) if isinstance(wanted, tuple) else same_bits(found, wanted)


OVER = {
    "a view of it reads too": lambda x: (u := np.exp(x)) + u[::-1],
    "it lies in another order": lambda x: np.exp(x.T) + np.exp(x),
    "it is taken twice": lambda x: (u := np.exp(x)) * u,
    "it is a factor of a product": lambda x: np.exp(x) @ np.tanh(x),
}


@needs_machine
@pytest.mark.parametrize("name", OVER)
def test_an_argument_is_overwritten_only_where_the_machine_can(name):
    x = some(np.float64, 40, 40)  # so large that a product of matrices is made in pieces
    table_of(OVER[name], x)
    assert same_bits(compile(OVER[name])(x), OVER[name](x))


PARTS = {
    "of two types": lambda x, y: np.concatenate([np.exp(x.astype(np.float32)), np.exp(y)]),
    "of two types, reshaped": lambda x, y: np.concatenate(
        [np.ravel(np.sin(y[:2, None])), np.cos(x.astype(np.float32))]
    ),
    "twice": lambda x, y: np.concatenate([(e := np.exp(x)), np.sin(y), e]) + np.concatenate([e, e, np.cos(y)]),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_of_a_whole_are_what_they_are_alone(name):
    for length in (1, 8, 33):
        x, y = some(np.float64, length), some(np.float64, length) + 1
        for executor in executors():
            found = executor(simplify(trace(PARTS[name], [x, y]).program)).run([x, y])[0]
            assert same_bits(found, PARTS[name](x, y))


@needs_machine
@pytest.mark.parametrize("f", [np.sum, np.prod, np.mean, np.max])
def test_a_reduction_of_what_is_spread_out_is_left_to_numpy(f):
    from trainer.compiler.machine.executor import NativeExecutor

    def spread(x):
        return f(np.broadcast_to(x, (40, 5)), axis=(0, 1))

    x = some(np.float64, 5)
    executor = NativeExecutor(simplify(trace(spread, [x]).program))
    assert [bound.instruction.op.name for bound, _ in executor.called_back] == [f.__name__]
    assert same_bits(executor.run([x])[0], spread(x))


MOVES = {
    "turned around": lambda a, b: (a[::-1, :], b),
    "transposed": lambda a, b: (a.T, b),
    "the one before": lambda a, b: (a + 1, a),
    "exchanged": lambda a, b: (b, a),
    "a part of it": lambda a, b: (np.broadcast_to(a[:1], a.shape), b[:, ::-1]),
    "where it lies": lambda a, b: (a, b.T),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_is_carried_takes_its_new_values_as_if_all_at_once(name):
    a, b = some(np.float64, 4, 4), some(np.float64, 4, 4) + 1
    values = MOVES[name](a, b)
    wanted = [np.array(value) for value in values]
    for place, value in moves([a, b], list(values)):
        for at in np.ndindex(place.shape):  # element by element, as the machine copies
            place[at] = value[at]
    assert same_bits(a, wanted[0])
    assert same_bits(b, wanted[1])


def test_what_a_longer_call_would_swallow_is_given_out_all_the_same():
    def f(a, b):
        product = 0.5 * b
        rest = a - product
        mean = 0.9 * a + 0.1 * b
        return product, rest, mean, (0.1 * b) * mean, (a * 0.25) - b * a

    a, b = some(np.float64, 50), some(np.float64, 50) + 1
    for found, wanted in zip(compile(f)(a, b), f(a, b), strict=True):
        assert same_bits(found, wanted)


@needs_machine
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", [2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 40, 128])
@pytest.mark.parametrize("f", [np.sum, np.max, np.min])
def test_short_rows_come_down_to_numbers_in_the_machine(f, width, dtype):
    from trainer.compiler.machine import _machine as m

    x = some(dtype, 33, width)
    table = table_of(lambda x: f(x, axis=-1), x)
    assert [i.kind for i in table] == [m.FILL if f is np.sum else m.COPY, m.REDUCE]
    assert same_bits(compile(lambda x: f(x, axis=-1))(x), f(x, axis=-1))


TAKES = {
    "4 bytes": (np.float32, ()),
    "8 bytes": (np.float64, ()),
    "16 bytes": (np.complex128, ()),
    "rows": (np.float32, (3,)),
    "long rows": (np.float64, (90,)),
}


@pytest.mark.parametrize("name", TAKES)
def test_an_index_is_counted_from_either_end_and_none_lies_outside(name):
    dtype, row = TAKES[name]
    x = (np.arange(6 * int(np.prod(row))).reshape(6, *row) + 1).astype(dtype)
    take = compile(lambda x, i: np.take(x, i, axis=0))
    pick = compile(lambda x, i: np.take_along_axis(x, i, axis=0))
    whole = np.array([0, 5, -1, -6, 3, -2, 1])
    assert same_bits(take(x, whole), x[whole])
    along = np.broadcast_to(whole.reshape(-1, *[1] * len(row)), (7, *row)).copy()
    assert same_bits(pick(x, along), np.take_along_axis(x, along, axis=0))
    for wrong in (6, -7, 2**40):
        for place in range(len(whole)):
            outside = whole.copy()
            outside[place] = wrong
            with pytest.raises(IndexError):
                take(x, outside)
            along[place] = wrong
            with pytest.raises(IndexError):
                pick(x, along)
            along[place] = whole[place]


@needs_machine
def test_a_lowering_that_is_wrong_is_found_out(monkeypatch):
    from trainer.compiler.machine import executor
    from trainer.compiler.machine import instructions as make

    x = some(np.float64, 20)
    for wrong in (1.0, 0.0):
        monkeypatch.setattr(executor, "lower_own", lambda bound: None)
        monkeypatch.setattr(executor, "lower", lambda bound: [make.fill(bound.outputs[0], wrong)])  # noqa: B023
        found = executor.NativeExecutor(simplify(trace(np.exp, [x]).program))
        assert [reason for _, reason in found.called_back] == ["its bits differ from NumPy's"]
        assert same_bits(found.run([x])[0], np.exp(x))


@needs_machine
def test_a_lowering_that_gives_the_other_zero_is_found_out(monkeypatch):
    from trainer.compiler.machine import executor
    from trainer.compiler.machine import instructions as make

    def lower(bound):
        return [make.loop(np.add, bound.inputs[0], np.broadcast_to(0.0, (20,)), bound.outputs[0])]

    monkeypatch.setattr(executor, "lower_own", lambda bound: None)
    monkeypatch.setattr(executor, "lower", lower)
    found = executor.NativeExecutor(trace(np.copy, [some(np.float64, 20)]).program)
    assert len(found.called_back) == 1


@needs_machine
@pytest.mark.parametrize(
    ("f", "arrays"),
    [
        (lambda x, y: (np.add(x, np.arange(3.0)), np.add(x, np.ones(3))), 2),
        (lambda x, y: (np.sum(x, axis=0), np.sum(x, axis=1)), 2),
        (lambda x, y: (np.exp(x), np.exp(x.T)), 2),
        (lambda x, y: (np.add(x, x), np.add(x, y)), 2),
        (lambda x, y: (np.add(x, 1.0), np.add(x, 1)), 2),
    ],
    ids=["constants", "attributes", "strides", "overlaps", "types of numbers"],
)
def test_instructions_that_differ_are_each_tried(f, arrays):
    from trainer.compiler.machine.executor import _likeness

    executor = NumpyExecutor(trace(f, [some(np.float64, 3, 3) + n for n in range(arrays)]).program)
    one, other = (_likeness(bound, "a way") for bound in executor.bound)
    assert one is None or one != other


@needs_machine
@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_drawn_by_the_machine(dtype):
    from trainer.compiler.machine import _machine as m

    def f(step):
        return uniform(step, key=(3, 5), shape=(11,), dtype=dtype)

    assert [i.kind for i in table_of(f, np.int64(2))] == [m.RANDOM]


@needs_machine
def test_the_kinds_of_a_layer_are_not_called_back():
    from trainer.compiler.machine import _machine as m

    x = some(np.float32, 6, 5)
    framed = lambda x: np.where(relu(x) > 0, np.pad(x, ((1, 1), (1, 1)))[1:-1, 1:-1], -x)  # noqa: E731
    kinds = {i.kind for i in table_of(framed, x)}
    assert m.CALL not in kinds
    pad = lambda x: np.pad(x, ((1, 2), (0, 3)), constant_values=-7.0)  # noqa: E731
    assert m.CALL not in {i.kind for i in table_of(pad, x)}
    assert same_bits(compile(pad)(x), pad(x))
