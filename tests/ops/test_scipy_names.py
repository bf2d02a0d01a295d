"""SciPy's functions by their own names: a ufunc is recorded; a Python function refuses a Tensor and names its op."""

from __future__ import annotations

import importlib
import inspect

import numpy as np
import pytest
import scipy.linalg
import scipy.special

from trainer import Tensor
from trainer.engine import dispatch
from trainer.errors import DetachError
from trainer.plugins import shared

NAMES = set(shared().names("ops"))
MATRIX = np.array([[3.0, 1.0], [1.0, 2.0]])


def functions(module):
    for name in sorted(module.__all__):
        function = getattr(module, name)
        if inspect.isroutine(function) or isinstance(function, np.ufunc):
            yield name, function


def shipped():
    for module in (scipy.special, scipy.linalg):
        for name, function in functions(module):
            if name in NAMES and not isinstance(function, np.ufunc) and function is not np.sinc:
                yield pytest.param(function, f"{module.__name__}.{name}", id=f"{module.__name__}.{name}")


def refusal(function):
    """What a function says to Tensors, given as many as it wants."""
    required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    count = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in required)
    for array in (MATRIX, MATRIX[0], MATRIX[0, 0], np.array([2, 1])):
        for arguments in ([Tensor(array)] * count, [(Tensor(array), Tensor(array)), *[Tensor(array)] * (count - 1)]):
            try:
                function(*arguments)
            except DetachError as error:
                return str(error)
            except (TypeError, ValueError, AttributeError):
                continue
    raise AssertionError(f"{function.__name__} met no Tensor")


@pytest.mark.parametrize(("function", "name"), list(shipped()))
def test_a_python_function_of_scipy_names_its_op(function, name):
    message = refusal(function)
    assert name in message
    where = message.rpartition("Call the op itself: ")[2]
    if where.startswith("np."):
        assert dispatch.known_by(where.partition("(")[0]).name == name.rpartition(".")[2]
        return
    line, _, call = where.partition("; ")
    _, module, _, attribute = line.split()  # from MODULE import ATTRIBUTE
    assert call.startswith(f"{attribute}(")
    assert getattr(importlib.import_module(module), attribute).name == name.rpartition(".")[2]


@pytest.mark.parametrize("name", [n for n, f in functions(scipy.special) if isinstance(f, np.ufunc) and n in NAMES])
def test_a_ufunc_of_scipy_is_recorded_by_its_own_name(name):
    function = getattr(scipy.special, name)
    op = dispatch.find(function)
    assert op is not None or name in ("huber", "i0", "round"), f"scipy.special.{name} is not the op of that name"


def test_a_function_without_an_op_is_called_by_its_public_name():
    for function, name in (
        (lambda: scipy.linalg.signm(Tensor(MATRIX)), "scipy.linalg.signm"),
        (lambda: scipy.special.ellip_harm(1.0, 2.0, 1, 1, Tensor(1.5)), "scipy.special"),
        (lambda: np.vectorize(lambda v: v)(Tensor(MATRIX)), "np.vectorize"),
        (lambda: np.frompyfunc(lambda v: v, 1, 1)(Tensor(MATRIX)), "np.frompyfunc"),
    ):
        with pytest.raises(DetachError) as caught:
            function()
        assert name in str(caught.value)
        assert "._" not in str(caught.value)


ONE_SIDED = {
    "np.take": (lambda t: np.take(np.ones(3), t), "from trainer_ops.indexing import take"),
    "np.full_like": (lambda t: np.full_like(np.ones(3), t), "from trainer_ops.assembling import full_like"),
    "np.repeat": (lambda t: np.repeat(np.ones(3), t), "Pass repeats=t.value"),
    "np.roll": (lambda t: np.roll(np.ones(3), t), "Pass shift=t.value"),
}


@pytest.mark.parametrize("name", ONE_SIDED)
def test_a_function_that_asks_its_first_array_alone_names_the_op_for_the_others(name):
    call, fix = ONE_SIDED[name]
    with pytest.raises(DetachError) as caught:
        call(Tensor(np.array(1)))
    assert name in str(caught.value)
    assert fix in str(caught.value)
