"""The checker compiles what it is given and calls it again: a record is right for other values, or refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import trainer
from trainer import Tensor
from trainer.checker.checks import record
from trainer.checker.checks.record import compiled, written
from trainer.checker.run import examine


def pick(logp, labels):
    return -np.mean(logp[np.arange(2), labels])


RNG = np.random.default_rng(0)
# What a recorded function must not take for a constant, or must not be given: the record is refused, or right.
RECORDED = {
    "labels in a pair": (pick, [np.log(np.array([[0.9, 0.1], [0.2, 0.8]])), np.array([0, 1])]),
    "a mask": (lambda x: x[x > 0] * 2.0, [np.array([1.0, -1.0, 2.0, 3.0])]),
    "places": (lambda x, j: np.take(x, j), [np.array([1.0, -1.0, 2.0, 3.0]), np.array([0, 3])]),
    "a length that Python alone reads": (
        lambda x: x * np.flatnonzero(x > 0).size, [np.array([1.0, -1.0, 2.0, 3.0])],
    ),
    "random numbers of NumPy's": (lambda x: x * np.random.random(3), [np.ones(3)]),
    "random numbers of a generator": (lambda x: x * RNG.random(3), [np.ones(3)]),
    "a dtype that depends on values": (
        lambda x: np.abs(np.linalg.eigvals(x)), [np.array([[0.0, 1.0], [1.0, 0.5]])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", RECORDED)
def test_a_program_that_is_called_again_is_right_or_refused(what):
    function, arrays = RECORDED[what]
    assert not examine(function, [tuple(arrays)], (compiled,)).failures


@pytest.mark.parametrize("what", ["labels in a pair", "a mask", "places"])
def test_so_is_the_first_that_a_process_compiles(what):
    code = (
        "from tests.checker.test_recorded_again import RECORDED, examine, compiled\n"
        f"function, arrays = RECORDED[{what!r}]\n"
        "examine(function, [tuple(arrays)], (compiled,)).raise_()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr


def test_a_tape_that_holds_the_array_that_it_was_given_is_found(monkeypatch):
    def holding(array):
        tensor = Tensor(array)
        tensor._value = array
        return tensor

    op = trainer.op(lambda x: x * x, name="mine").defvjp(x=lambda dy, x: 2 * dy * x)
    assert examine(op, [np.ones(3)], (written,)).ok
    monkeypatch.setattr(record, "Tensor", type("Held", (), {"__new__": lambda kind, array: holding(array)}))
    (failure,) = examine(op, [np.ones(3)], (written,)).failures
    assert failure.what == "the gradient of 'x' is another after its array has been written to"
