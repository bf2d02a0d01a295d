"""Some dozens of random programs, each called three times with other values; `tools/programs.py` draws thousands."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tools import programs
from trainer import grad
from trainer.compiler.packed import Packed

COUNT = 80


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("block", range(0, COUNT, 10))
def test_a_random_program_is_its_function_with_other_values_labels_and_masks_too(block):
    refused = 0
    for seed in range(block, block + 10):
        verdict = programs.judge(programs.drawn(seed))
        assert not verdict.differs, f"program {seed} differs in {verdict.differs}"
        refused += bool(verdict.refused)
    assert refused <= 2


@pytest.mark.parametrize("seed", [2, 12, 39])
def test_it_is_in_a_process_of_its_own_that_has_recorded_nothing_yet(seed):
    assert programs.fresh(seed)


def test_an_index_that_froze_would_be_found(monkeypatch):
    arguments = Packed.arguments

    def of_the_first_call(self, leaves):
        self.first = getattr(self, "first", None) or [np.array(leaf) for leaf in leaves]
        return arguments(self, [leaves[0], *self.first[1:]])

    monkeypatch.setattr(Packed, "arguments", of_the_first_call)
    assert any(programs.judge(programs.drawn(seed)).differs for seed in range(COUNT))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.float64(0.0), np.float64(-0.0)),
        (np.float64(1.0), np.array(1.0)),
        (np.ones(2), np.ones(2, np.float32)),
        ([np.ones(2)], (np.ones(2),)),
        ({"a": np.ones(2)}, {"a": np.ones(2) + 1e-16 * np.arange(2) * 4}),
        (np.ones(2), programs.Refusal(ValueError("no"))),
        (programs.Refusal(IndexError("no")), programs.Refusal(ValueError("no"))),
    ],
)
def test_what_counts_as_another_result(one, other):
    assert programs.same(one, one)
    assert programs.same(other, other)
    assert not programs.same(one, other)
    assert programs.same(np.array([np.nan]), -np.array([np.nan]))


# What they have found, by kind.


def z(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


FOUND = {
    "parts of other types in a concatenation": (
        lambda x, y: np.concatenate([x, np.concatenate([y, y[::-1]])]),
        lambda rng: (rng.normal(size=17).astype(np.float32), rng.normal(size=40)),
    ),
    "parts of other types that are computed": (
        lambda x, y: np.concatenate([np.sin(x), np.cos(y), np.tan(x)]),
        lambda rng: (rng.normal(size=3).astype(np.float32), rng.normal(size=4)),
    ),
    "a complex square": (lambda x: x**2, lambda rng: (z(rng, 7),)),
    "a complex square of a view": (lambda x: x[:, ::-1] ** 2, lambda rng: (z(rng, 5, 7),)),
    "a complex root": (lambda x: x**0.5, lambda rng: (z(rng, 7),)),
    "a complex reciprocal": (lambda x: x**-1, lambda rng: (z(rng, 7),)),
    "a complex power of a number": (lambda x, s: x**s, lambda rng: (z(rng, 7), float(rng.choice([0.5, 2.0, 0.7])))),
    "a complex product of reversed arrays": (
        lambda x, y: x[::-1] * y - y[:, ::-1] * x[::-1], lambda rng: (z(rng, 5, 7), z(rng, 5, 7)),
    ),
    "a complex number of NumPy's": (lambda x: x * np.conj(x), lambda rng: (np.complex128(z(rng)),)),
    "a number of NumPy's": (lambda x: x**0.3 + np.abs(x) ** x, lambda rng: (np.float64(rng.random()),)),
    "NumPy's number raised": (lambda x: np.float64(2) ** np.var(x), lambda rng: (rng.normal(size=7),)),
    "NumPy's number in np.power": (lambda x: np.power(np.float64(2), np.var(x)), lambda rng: (rng.normal(size=7),)),
    "a power of a view": (lambda x: np.power(np.flip(x, (0, 2)), 3), lambda rng: (rng.normal(size=(2, 3, 4)),)),
    "a sum of few numbers in an order of their own": (
        lambda x: np.sum(np.sin(x)), lambda rng: (np.moveaxis(rng.normal(size=(3, 1, 2)), 0, -1),),
    ),
    "a product without axes": (lambda x: np.tensordot(x, x, 1), lambda rng: (rng.normal(size=7),)),
    "an array without axes": (lambda x: np.reshape(np.sum(x), ()), lambda rng: (rng.normal(size=7),)),
    "what is given without axes": (lambda x: (x, x + 1), lambda rng: (np.asarray(rng.normal()),)),
    "a number that is given": (lambda x: (x, x + 1), lambda rng: (np.float64(rng.normal()),)),
    "the middle": (lambda x: (np.median(x), np.quantile(x, 0.3), np.nanmedian(x)), lambda rng: (rng.normal(size=7),)),
    "a count": (lambda x: (np.count_nonzero(x > 0), np.argmax(x)), lambda rng: (rng.normal(size=7),)),
    "a place": (lambda x, y: np.searchsorted(y, x), lambda rng: (np.float64(rng.random()), np.arange(0, 1, 0.1))),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_a_function_that_was_another_one_compiled(name):
    f, draw = FOUND[name]
    rng = np.random.default_rng(0)
    for _ in range(5):
        verdict = programs.judge(programs.Made(0, f, [draw(rng) for _ in range(4)]))
        assert verdict == programs.Verdict()


@pytest.mark.parametrize("name", [n for n in FOUND if "complex" in n and "conj" not in n and "number" not in n])
def test_so_is_its_gradient(name):
    f, draw = FOUND[name]
    rng = np.random.default_rng(0)
    gradient = grad(lambda *args: np.sum(np.real(f(*args)) ** 3))
    for _ in range(5):
        verdict = programs.judge(programs.Made(0, gradient, [draw(rng) for _ in range(4)]))
        assert verdict == programs.Verdict()
