"""The machine by itself: what it takes, what it refuses, and what it says of a run."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest

from tests.hints import advised
from trainer.compiler.executors import native_available
from trainer.compiler.machine import check_sources
from trainer.compiler.machine.build import MachineHook, digest_of
from trainer.errors import UsageError

pytestmark = pytest.mark.skipif(not native_available(), reason="no machine")

if native_available():
    from trainer.compiler.machine import _machine as m
    from trainer.compiler.machine import instructions as make

DIVIDED, OVERFLOWED, INVALID = 1, 2, 8
SIZES = (1, 7, 8, 63, 1024, 5000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gap", [1, 3])
def test_a_check_stops_at_what_is_not_finite_and_at_nothing_else(dtype, gap):
    for size in SIZES:
        x = np.full(size * gap, np.finfo(dtype).max, dtype)[::gap]
        x[::2] = -np.finfo(dtype).max
        x[1::5] = np.finfo(dtype).smallest_subnormal
        check = m.Machine([make.check(x)])
        assert check.run(0, 1) == 1
        for place in {0, size // 2, size - 1}:
            for bad in (np.inf, -np.inf, np.nan):
                before, x[place] = x[place], bad
                assert check.run(0, 1) == 0
                x[place] = before


def test_what_was_raised_before_python_is_called_is_remembered():
    x, y = np.array([1.0, -1.0]), np.zeros(2)
    for call in ([], [make.call(lambda: None)], [make.call(lambda: np.add(1.0, 1.0))]):
        machine = m.Machine([make.loop(np.true_divide, x, np.zeros(2), y), *call])
        assert machine.run(0, 1) == 1
        assert machine.raised & DIVIDED
        assert not machine.raised & (OVERFLOWED | INVALID)


def test_an_inner_loop_that_raises_ends_the_run_and_python_is_not_called_after_it():
    whole, powers, called = np.array([2, 3]), np.array([1, -1]), []
    power = make.loop(np.power, whole, powers, np.empty_like(whole))
    for table in ([power], [power, make.call(lambda: called.append(1))], [make.call(lambda: None), power]):
        with pytest.raises(ValueError, match="negative integer powers"):
            m.Machine(table).run(0, 1)
    assert called == []
    powers[:] = 2
    assert m.Machine([power]).run(0, 1) == 1


@pytest.mark.parametrize("out", [False, True])
def test_a_stream_is_read_and_written_to_its_last_row_and_no_further(out):
    stream, place = np.arange(6.0).reshape(3, 2), np.empty(2)
    machine = m.Machine([make.stream_out(stream, place) if out else make.stream_in(place, stream)])
    assert machine.run(0, 3) == 3
    for start, stop in ((0, 4), (2, 4), (-1, 1)):
        with pytest.raises(ValueError, match="do not fit the streams"):
            machine.run(start, stop)


def of_bytes(dtype, shift):
    return np.zeros(64, np.uint8)[shift : shift + 32].view(dtype)[:4]


def gathered(dtype, index):
    source = np.zeros((3, 4))
    return make.gather(np.zeros(4, dtype), source, np.zeros(4, index), source[0], 0)


REFUSED = {
    "an index of another type": lambda: gathered(np.float64, np.int32),
    "a target of another size": lambda: gathered(np.float32, np.int64),
    "an operand between two places": lambda: make.loop(np.add, of_bytes(np.float64, 1), np.ones(4), np.zeros(4)),
    "a target between two places": lambda: make.copy(of_bytes(np.float32, 2), np.ones(4, np.float32)),
    "another byte order": lambda: make.loop(np.add, np.ones(4, np.dtype("f8").newbyteorder()), np.ones(4), np.zeros(4)),
    "operands of two shapes": lambda: make.loop(np.add, np.ones(4), np.ones(3), np.zeros(4)),
    "matrices that do not fit": lambda: make.matmul(np.ones((2, 3)), np.ones((2, 3)), np.ones((2, 3))),
    "a mask of numbers": lambda: make.where(np.zeros(4), np.ones(4), np.zeros(4), np.ones(4)),
    "a check of whole numbers": lambda: make.check(np.arange(4)),
    "no such instruction": lambda: make.MachineInstruction(99, None, (np.ones(1),)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_instruction_cannot_take_is_refused_before_anything_runs(name):
    with pytest.raises((ValueError, TypeError, LookupError)):
        m.Machine([REFUSED[name]()])


def test_what_differs_from_the_refused_in_one_thing_is_taken():
    m.Machine([gathered(np.float64, np.int64)])
    m.Machine([make.loop(np.add, of_bytes(np.float64, 0), np.ones(4), np.zeros(4))])
    m.Machine([make.copy(of_bytes(np.float32, 4), np.ones(4, np.float32))])


@pytest.mark.parametrize("stack", [(), (3,), (2, 3), (2, 1, 3)])
def test_stacks_of_matrices_are_multiplied_one_by_one(stack):
    rng = np.random.default_rng(0)
    a, b, y = rng.normal(size=(*stack, 4, 5)), rng.normal(size=(*stack, 5, 2)), np.empty((*stack, 4, 2))
    m.Machine([make.matmul(a, b, y)]).run(0, 1)
    assert y.tobytes() == np.matmul(a, b).tobytes()


@pytest.mark.parametrize("axis", [0, 1, (0, 1), -1])
@pytest.mark.parametrize("spread", [(4, 3), (5, 4, 3)])
def test_operands_that_are_spread_out_are_walked_as_numpy_walks_them(axis, spread):
    x = np.random.default_rng(0).normal(size=3)
    wide, whole = np.broadcast_to(x, spread), np.random.default_rng(1).normal(size=spread)
    for a, b in ((wide, whole), (whole, wide), (whole.transpose()[..., :1].transpose(), whole)):
        a = np.broadcast_to(a, spread)
        y = np.empty(spread)
        m.Machine([make.loop(np.add, a, b, y)]).run(0, 1)
        assert y.tobytes() == (a + b).tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("code", ["MAXIMUM", "MINIMUM"])
def test_the_larger_of_a_number_and_a_nan_is_nan_in_a_chain_too(dtype, code):
    x = np.array([np.nan, 1.0, np.nan, 2.0], dtype)
    y = np.array([1.0, np.nan, np.nan, 1.0], dtype)
    found = np.empty(4, dtype)
    m.Machine([make.fused([make.ChainCall(getattr(m, code), 2, (0, 1))], [x, y, found])]).run(0, 1)
    wanted = (np.maximum if code == "MAXIMUM" else np.minimum)(x, y)
    np.testing.assert_array_equal(found, wanted)


def test_a_machine_of_other_sources_says_what_to_do(tmp_path):
    (tmp_path / "run.c").write_text("int a;")
    check_sources(digest_of(tmp_path), tmp_path)
    check_sources("", tmp_path)  # compiled by hand
    (tmp_path / "new.h").write_text("int b;")
    with pytest.raises(UsageError) as caught:
        check_sources(hashlib.sha256(b"int a;").hexdigest(), tmp_path)
    assert str(caught.value) == (
        f"the native executor was compiled from other sources than those in {tmp_path}; install the package again, as "
        "you did before: pip install -e ."
    )


HOLLOW = """
#include <Python.h>
static struct PyModuleDef hollow = {PyModuleDef_HEAD_INIT, "_machine", NULL, -1, NULL, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__machine(void) {
    PyObject *module = PyModule_Create(&hollow);
    PyModule_AddStringConstant(module, "SOURCES", SOURCES);
    return module;
}
"""


def test_a_machine_that_is_installed_again_is_of_these_sources(tmp_path):
    folder = tmp_path / "trainer" / "compiler" / "machine"
    folder.mkdir(parents=True)
    (folder / "run.c").write_text(HOLLOW)

    def installed():
        """What pip has hatchling do for -e: the digest that is in the machine then."""
        MachineHook(str(tmp_path), {}, None, None, str(tmp_path), "wheel").initialize("editable", {})
        (file,) = (path for path in folder.iterdir() if path.suffix in (".so", ".pyd"))
        return re.search(rb"[0-9a-f]{64}", file.read_bytes())[0].decode()

    old = installed()
    (folder / "new.h").write_text("int b;")  # as `git pull` brings it
    with pytest.raises(UsageError) as caught:
        check_sources(old, folder)
    advised(caught.value, f"than those in {folder}; install the package again, as you did before: pip install -e .")
    check_sources(installed(), folder)
